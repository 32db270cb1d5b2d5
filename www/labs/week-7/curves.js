// @ts-check
// Cell 11: the three curves, and what the trained autoencoder comes to.

import "../../ui/curve-plot.js";
import "../../ui/data-table.js";
import "../../ui/figure.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { count, decimals } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { concludeTraining, finalFigures } from "../work/week7-training.js";
import { benchOf } from "./fields.js";
import { modelSnippets } from "./snippets-model.js";
import { STEPS } from "./steps.js";
import { trainingTable } from "./train.js";

/** @typedef {import("./train.js").Value} Trained */
/** @typedef {import("../../ui/types.js").Figures} Figures */
/** @typedef {{training: Trained, final: import("../work/week7-training.js").Final, all: Figures, rest: Figures | null}} Value */
/** @typedef {"evGlobal" | "evPerDimension" | "evLegacy" | "evDictionaryLearning"} Ev */

/** @type {readonly {key: Ev, label: string, says: string}[]} */
const EVS = Object.freeze([
  { key: "evGlobal", label: "one mean for all", says: "the notebook's: all numbers around one common mean, so differences between dimensions count as explained" },
  { key: "evPerDimension", label: "per dimension", says: "each dimension around its own mean: SAELens's, and the usual one" },
  { key: "evLegacy", label: "mean of rows", says: "the share row by row, then its mean; short rows weigh as much as long ones" },
  { key: "evDictionaryLearning", label: "errors around their mean", says: "an error that is the same on every row is forgiven" },
]);
const four = decimals(4);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function curvesStep(step) {
  const { session } = step;
  const curves = make(CurvePlot);
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  const chosen = () => session.conventions?.values.ev ?? "evGlobal";
  const name = (/** @type {string} */ hook) => session.conventions?.hook(hook, session.config.nLayers) ?? hook;

  /** The chosen definition first. @returns {import("../../ui/data-table.js").Table} */
  const evs = () => ({
    caption: "Explained variance of the trained autoencoder",
    columns: [
      { key: "what", label: "definition" },
      { key: "all", label: "all rows", kind: "number", format: four },
      { key: "rest", label: "without pos. 0", kind: "number", format: four },
      { key: "says", label: "what it is", kind: "prose" },
    ],
    rows: [...EVS].sort((a, b) => Number(b.key === chosen()) - Number(a.key === chosen())).map(({ key, label, says }) => ({ what: label, all: shown?.all[key], rest: shown?.rest?.[key], says })),
  });

  return {
    uses: [STEPS.activations, STEPS.train],
    promise: "Run draws error, penalty and active features over the epochs, and measures the trained autoencoder.",
    body: [curves, printed.element, figure],
    fields: () => [],

    async run(context) {
      const { lab, signal, use } = context;
      const training = /** @type {Trained} */ (use(STEPS.train));
      const { acts } = use(STEPS.activations);
      const final = await finalFigures(benchOf(context), training.sae, acts, { ...training, lines: [], steps: 0 });
      const { all, withoutPosition0 } = await lab.analysis.quality(training.sae, acts, { signal });
      const { sae: _sae, handles: _handles, ...numbers } = training;
      return { value: { training: numbers, final, all, rest: withoutPosition0 } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const { history, dSae } = value.training;
      curves.show({
        name: "curves",
        caption: "Error, penalty and active features, epoch by epoch",
        columns: 3,
        panels: [
          { title: "Error", xLabel: "epoch", yLabel: "mean squared error", yMin: 0, lines: [{ label: "error", y: history.recon }] },
          { title: "Penalty", xLabel: "epoch", yLabel: "c · mean |f|", yMin: 0, lines: [{ label: "penalty", y: history.sparsity }] },
          { title: "Active features", xLabel: "epoch", yLabel: "L0", yMin: 0, lines: [{ label: "active", y: history.l0 }], rules: [{ y: dSae, label: "all features" }] },
        ],
        table: () => trainingTable(history),
      });
      const { final } = value;
      printed.show([
        `Error in the last epoch: ${final.recon.toFixed(4)}`,
        `Active features: ${final.l0.toFixed(1)}/${dSae} (${(100 * final.share).toFixed(1)} %)`,
        `Explained variance: ${(100 * final.ev).toFixed(1)} % (1 − last epoch's error / variance of all numbers)`,
        `The trained autoencoder on all rows: error ${final.reconAll.toFixed(4)}, L0 ${final.l0All.toFixed(1)}`,
        `Explained variance as chosen above, ${EVS.find(({ key }) => key === chosen())?.label}: ${write(value.all[chosen()])}; without position 0 ${write(value.rest?.[chosen()])}`,
      ]);
      table.show(evs());
      figure.show({ name: "explained-variance", caption: "One name, four definitions", body: [table], table: evs });
    },

    conclusion(/** @type {Value} */ { training, final, all, rest }) {
      const written = concludeTraining({ training: { ...training, lines: [], steps: 0 }, final });
      const range = EVS.map(({ key }) => all[key]).filter((x) => x !== null);
      const low = rest ? Math.min(...EVS.map(({ key }) => rest[key] ?? 1)) : null;
      return `${written} The four definitions lie between ${write(Math.min(...range), 2)} and ${write(Math.max(...range), 2)}${low === null ? "" : `, without position 0 down to ${write(low, 2)}`}; all are of the rows it has learnt from, ${count(all.distinctRows)} distinct ones.`;
    },
    provenance: (/** @type {Value} */ { training }) => `${session.modelName} · ${name(training.hook)} · seed ${training.seed}`,
    code: () => modelSnippets.final(),
  };
}

/** @param {number | null | undefined} ev @param {number} [decimals] */
const write = (ev, decimals = 1) => (ev === null || ev === undefined ? "none" : `${(100 * ev).toFixed(decimals)} %`.replace("-", "−"));
