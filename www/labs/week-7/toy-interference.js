// @ts-check
// Cell 6: what several features at once cost, in the notebook's example and over all sets.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { count, decimals, number } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { STEPS } from "./steps.js";
import { TOY_KINDS, vectorText } from "./toy-models.js";
import { toySnippets } from "./snippets-toy.js";

/** @typedef {import("./toy-models.js").Run} Run */
/** @typedef {import("../../engine/types.js").Interference} Interference */
/** @typedef {{runs: Run[], found: Interference[][]}} Value */

const two = decimals(2);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function toyInterferenceStep(step) {
  const sides = TOY_KINDS.map(({ title }) => {
    const printed = printedBox();
    return { printed, element: h("div", {}, h("h4", {}, title), printed.element) };
  });
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value} */ let shown = { runs: [], found: [] };

  /** @returns {import("../../ui/data-table.js").Table} */
  const numbers = () => ({
    caption: "Squared error over all sets of features, each at the value 1",
    columns: [
      { key: "model", label: "model" },
      { key: "size", label: "active", kind: "number", format: String },
      { key: "subsets", label: "sets", kind: "number", format: count },
      { key: "mean", label: "mean error", kind: "number" },
      { key: "range", label: "range" },
      { key: "additive", label: "alone, summed", kind: "number" },
      { key: "beyond", label: "interference", kind: "number" },
    ],
    rows: shown.runs.flatMap((run, i) =>
      shown.found[i].map(({ size, subsets, mean, min, max, additive }) => ({ model: run.key, size, subsets, mean, range: `${two(min)}\u00a0to\u00a0${two(max)}`, additive, beyond: mean - additive })),
    ),
  });

  return {
    uses: [STEPS.toy],
    anyModel: true,
    promise: "Run feeds both models one feature, then several at once, and compares what comes back.",
    body: [h("div", { class: "side-by-side" }, sides.map(({ element }) => element)), figure],
    fields: () => [
      {
        name: "together",
        label: "Active at once",
        kind: "integer",
        value: 3,
        min: 2,
        max: Math.max(2, Math.min(8, step.session.usable(STEPS.toy)?.value.values.nFeatures ?? 5)),
        hint: "the notebook takes features 0, 1 and 2",
      },
    ],

    async run({ lab, values, signal, use }) {
      const { runs } = use(STEPS.toy);
      const found = [];
      for (const run of runs) found.push(await lab.toy.interference(run.instance, run.model, { sizes: [1, values.together], signal }));
      return { value: { runs, found } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      for (const [i, { printed }] of sides.entries()) {
        const [one, many] = value.found[i];
        const told = (/** @type {string} */ title, /** @type {Interference} */ { example }) => [
          title,
          `  in:  ${vectorText(example.input)}`,
          `  out: ${vectorText(example.output)}`,
          `  error: ${example.error.toFixed(4)} (sum of squares)`,
        ];
        printed.show([
          ...told("Feature 0 alone", one),
          "",
          ...told(`Features ${many.example.features.join(", ")} together`, many),
          `  alone they lose ${many.example.additive.toFixed(4)} in all`,
        ]);
      }
      table.show(numbers());
      figure.show({ name: "toy-interference", caption: "Over all sets", body: [table], table: numbers });
    },

    conclusion(/** @type {Value} */ { runs, found }) {
      const told = runs.map((run, i) => {
        const [one, many] = found[i];
        const whose = run.key === "notebook" ? "In the notebook's model" : "In the paper's model";
        const example = many.example.error > one.example.error ? "more" : "less";
        const beyond = many.mean - many.additive;
        return `${whose} ${many.size} features at once cost ${example} than feature 0 alone (${number(many.example.error)} against ${number(one.example.error)}); over all sets the mean is ${number(many.mean)}, which is ${number(Math.abs(beyond))} ${beyond >= 0 ? "more" : "less"} than the same features lose one by one.`;
      });
      const reversed = found.some(([one, many]) => many.example.error <= one.example.error);
      return `${told.join(" ")}${reversed ? " The notebook's sentence, that more features at once interfere more, does not hold for its own example here." : ""} The next step asks how often that holds.`;
    },
    provenance: (_value, values) => `toy models · 1 against ${values.together} · seed ${step.session.usable(STEPS.toy)?.values.seed ?? ""}`,
    code: (values) => toySnippets.interference(values),
  };
}
