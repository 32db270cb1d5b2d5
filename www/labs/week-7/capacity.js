// @ts-check
// Cells 18 and 19: the same training at several sizes, with table, plots and a conclusion from the numbers.

import "../../ui/curve-plot.js";
import "../../ui/data-table.js";
import "../../ui/figure.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { count, exact, percent } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { CAPACITY, capacityPlots, capacitySweep, concludeCapacity } from "../work/capacity.js";
import { benchOf, seedField } from "./fields.js";
import { compareSnippets } from "./snippets-compare.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../work/capacity.js").Capacity} Capacity */
/** @typedef {{results: Capacity[], saes: Sae[], handles: Sae[], hook: string, seed: number, l1: number}} Value */

/** @param {string} text @returns {number[]} */
export function expansionsIn(text) {
  const numbers = String(text).split(/[\s,;×x]+/).filter(Boolean).map(Number);
  if (!numbers.length || numbers.length > 6 || numbers.some((n) => !Number.isInteger(n) || n < 1 || n > 32))
    throw new PageError("LAB-BAD-SETTING", `Expansions is “${text}”; it must be 1 to 6 whole numbers from 1 to 32, separated by commas.`, "Correct it, or reset it to its default, and run again.");
  return numbers.toSorted((a, b) => a - b);
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function capacityStep(step) {
  const { session } = step;
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure),
    curves = make(CurvePlot);
  /** @type {Capacity[]} */ let shown = [];
  const name = (/** @type {string} */ hook) => session.conventions?.hook(hook, session.config.nLayers) ?? hook;

  /** @returns {import("../../ui/data-table.js").Table} */
  const numbers = () => ({
    caption: "Sizes of one kind",
    columns: [
      { key: "capacity", label: "features", kind: "number", format: count },
      { key: "recon", label: "error", kind: "number" },
      { key: "l0", label: "active", kind: "number" },
      { key: "sparsity", label: "share active", kind: "number", format: percent },
      { key: "ev", label: "explained, without pos. 0", kind: "number", format: percent },
      { key: "heldEv", label: "explained, held out", kind: "number", format: percent },
      { key: "dead", label: "never active", kind: "number", format: count },
    ].filter(({ key }) => key !== "heldEv" || shown.some(({ heldOut }) => heldOut)).map((column) => /** @type {import("../../ui/data-table.js").Column} */ (column)),
    rows: shown.map(({ capacity, recon, l0, sparsity, evWithoutPosition0, heldOut, dead }) => ({ capacity, recon, l0, sparsity, ev: evWithoutPosition0, heldEv: heldOut?.explainedVariance, dead })),
  });

  return {
    uses: [STEPS.sae, STEPS.activations],
    promise: "Run trains an autoencoder of each size and compares error and active features.",
    body: [printed.element, figure, curves],
    fields: () => [
      { name: "expansions", label: "Expansions", kind: "text", value: CAPACITY.expansions.join(", "), hint: "features per dimension; the notebook takes 2, 4 and 8" },
      { name: "epochs", label: "Epochs", kind: "integer", value: CAPACITY.epochs, min: 1, max: 5000 },
      { name: "batchSize", label: "Batch size", kind: "integer", value: CAPACITY.batchSize, min: 1, max: 4096, unit: "rows", advanced: true },
      { name: "lr", label: "Learning rate", kind: "number", value: CAPACITY.lr, above: 0, max: 1, advanced: true },
      { name: "heldOut", label: "Held out", kind: "number", value: CAPACITY.heldOut, min: 0, max: 0.9, hint: "share of the texts that is measured only; the notebook has none", advanced: true },
      seedField(),
    ],
    readout: ({ epochs }) => (epochs > 0 ? `The coefficient c is that of step ${STEPS.sae}: ${exact(session.usable(STEPS.sae)?.value.l1 ?? CAPACITY.l1)}.` : null),

    async run(context) {
      const { values, use } = context;
      const { acts, hook } = use(STEPS.activations);
      const { l1 } = use(STEPS.sae);
      const { epochs, batchSize, lr, heldOut, seed } = values;
      /** @type {Sae[]} */ const saes = [];
      try {
        const results = await capacitySweep(benchOf(context), acts, { expansions: expansionsIn(values.expansions), epochs, batchSize, lr, l1, heldOut, seed, keep: (sae) => saes.push(sae) });
        return { value: { results, saes, handles: saes, hook, seed, l1 } };
      } catch (error) {
        for (const sae of saes) void sae.dispose().catch(() => {});
        throw error;
      }
    },

    render(/** @type {Value} */ { results }) {
      shown = results;
      printed.show(results.flatMap(({ capacity, recon, l0 }) => [`${count(capacity)} features: error ${recon.toFixed(4)}, active ${l0.toFixed(1)}/${capacity} (${((100 * l0) / capacity).toFixed(1)} %)`]));
      table.show(numbers());
      figure.show({ name: "capacities", caption: "After training, on all rows", body: [table], table: numbers });
      const plots = capacityPlots(results);
      const line = (/** @type {{x: number, y: number}[]} */ points) => ({ x: points.map(({ x }) => x), y: points.map(({ y }) => y) });
      curves.show({
        name: "capacity",
        caption: "Error and active features against size",
        columns: 2,
        panels: [
          { title: "Error", xLabel: "features of the autoencoder", yLabel: "mean squared error", yMin: 0, lines: [{ label: "error", markers: true, ...line(plots.recon) }] },
          {
            title: "Active features",
            xLabel: "features of the autoencoder",
            yLabel: "features",
            yMin: 0,
            lines: [
              { label: "active", markers: true, ...line(plots.active) },
              { label: "all", dash: true, ...line(plots.all) },
            ],
          },
        ],
      });
    },

    conclusion: (/** @type {Value} */ { results }) => concludeCapacity(results),
    provenance: (/** @type {Value} */ value) => `${session.modelName} · ${name(value.hook)} · seeds from ${value.seed}`,
    code: (values) => compareSnippets.capacity(values, session.usable(STEPS.sae)?.value),
  };
}
