// @ts-check
// Cell 8: the autoencoder that is going to be trained, in numbers.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { count, exact, number } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { WEEK7_SAE, WEEK7_TRAINING, week7Sae } from "../work/week7-training.js";
import { benchOf, seedField } from "./fields.js";
import { modelSnippets } from "./snippets-model.js";

/** @typedef {{dIn: number, dSae: number, expansion: number, parameters: number, l1: number, seed: number}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function saeStep(step) {
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const parts = () => {
    const { dIn, dSae } = shown ?? { dIn: 0, dSae: 0 };
    const part = (/** @type {string} */ what, /** @type {number[]} */ shape, /** @type {string} */ start) => ({
      what,
      shape: shape.map(count).join(" × "),
      n: shape.reduce((a, b) => a * b, 1),
      start,
    });
    return {
      caption: "What there is to learn",
      columns: [
        { key: "what", label: "" },
        { key: "shape", label: "shape (as torch has it)" },
        { key: "n", label: "numbers", kind: "number", format: count },
        { key: "start", label: "starts as" },
      ],
      rows: [
        part("W_enc", [dSae, dIn], `N(0, 1/${dIn}): deviation ${(1 / Math.sqrt(dIn)).toFixed(4)}`),
        part("W_dec", [dIn, dSae], `N(0, 1/${dSae}): deviation ${(1 / Math.sqrt(dSae)).toFixed(4)}`),
        part("b_enc", [dSae], "0"),
        part("b_dec", [dIn], "0"),
      ],
    };
  };

  return {
    uses: [],
    promise: "Run makes the autoencoder and says how large it is.",
    body: [printed.element, figure],
    fields: () => [
      { name: "expansion", label: "Expansion", kind: "integer", value: WEEK7_SAE.expansion, min: 1, max: 32, unit: "features per dimension" },
      { name: "l1", label: "Sparsity coefficient c", kind: "log", value: WEEK7_TRAINING.l1, min: 1e-5, max: 1e3, hint: "on the mean of |f|" },
      seedField({ hint: "of the first weights" }),
    ],
    readout({ expansion, l1 }) {
      const dIn = step.session.config.dModel;
      if (!(expansion > 0 && l1 > 0)) return null;
      return `c = ${exact(l1)} of means is λ = ${number(l1 / expansion)} of sums (λ = c · ${dIn} / ${count(expansion * dIn)})`;
    },

    async run(context) {
      const { expansion, l1, seed } = context.values;
      const made = await week7Sae(benchOf(context), { expansion, seed });
      void made.sae.dispose().catch(() => {}); // the training makes it again, so that each run starts afresh
      const { dIn, dSae, parameters } = made;
      return { value: { dIn, dSae, expansion, parameters, l1, seed } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const coefficient = step.session.conventions?.coefficient(value.l1, value.dIn, value.dSae) ?? { symbol: "c", value: value.l1 };
      printed.show([
        `Input dimensions: ${count(value.dIn)}`,
        `Hidden features: ${count(value.dSae)}`,
        `Expansion: ${value.expansion.toFixed(1)}×`,
        `Sparsity coefficient: ${coefficient.symbol} = ${exact(Number(coefficient.value.toPrecision(6)))}`,
        `Parameters: ${count(value.parameters)}`,
      ]);
      table.show(parts());
      figure.show({ name: "autoencoder", caption: "What there is to learn", body: [table], table: parts });
    },

    conclusion: (/** @type {Value} */ { dIn, dSae, parameters }) =>
      `${count(parameters)} numbers are to be learnt. Before training about half of the ${count(dSae)} features are active on any row: each has an even chance of pointing towards a vector or away from it. ${dIn === 768 ? "" : `With GPT-2's 768 dimensions it would be ${count(2 * 768 * 768 * (dSae / dIn) + 768 * (dSae / dIn) + 768)}.`}`.trim(),
    provenance: (/** @type {Value} */ { seed }) => `untied · ${step.session.modelName} · seed ${seed}`,
    code: (values) => modelSnippets.sae(values),
  };
}
