// @ts-check
// Cells 3 and 4: the two toy models, trained side by side.

import "../../ui/curve-plot.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { h, make } from "../../ui/dom.js";
import { count, exact, number, percent } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { gain, TOY, TOY_KINDS, trainToy } from "./toy-models.js";
import { toySnippets } from "./snippets-toy.js";

/** @typedef {import("./toy-models.js").Run} Run */
/** @typedef {{runs: Run[], values: Record<string, any>}} Value */

/** @param {import("../../ui/step.js").LabStep} _ @returns {import("../../ui/step.js").Definition} */
export function toyStep(_) {
  const setup = printedBox();
  const sides = TOY_KINDS.map(({ title, says }) => {
    const printed = printedBox(),
      figure = make(CurvePlot);
    const element = h("div", {}, h("h4", {}, title), h("p", { class: "hint" }, says), printed.element, figure);
    return { element, printed, figure };
  });

  return {
    uses: [],
    anyModel: true,
    promise: "Run trains the notebook's model and the paper's on the same task, and draws how far each of them comes.",
    body: [setup.element, h("div", { class: "side-by-side" }, sides.map(({ element }) => element))],
    fields: () => [
      { name: "nFeatures", label: "Features", kind: "integer", value: TOY.nFeatures, min: 1, max: 64 },
      { name: "nHidden", label: "Hidden numbers", kind: "integer", value: TOY.nHidden, min: 1, max: 32 },
      { name: "probability", label: "Probability", kind: "number", value: TOY.probability, above: 0, max: 1, hint: "of a feature being present; the notebook says “sparsity”" },
      { name: "steps", label: "Steps", kind: "integer", value: TOY.steps, min: 1, max: 20000, hint: "each on fresh rows" },
      { name: "batchSize", label: "Rows a step", kind: "integer", value: TOY.batchSize, min: 1, max: 10000, advanced: true },
      { name: "lr", label: "Learning rate", kind: "number", value: TOY.lr, above: 0, max: 1, advanced: true },
      {
        name: "importanceDecay",
        label: "Importance decay",
        kind: "number",
        value: TOY.importanceDecay,
        above: 0,
        max: 1,
        hint: "of the paper's model; 1: all features alike",
        advanced: true,
      },
      { name: "seed", label: "Seed", kind: "integer", value: TOY.seed, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],
    readout: ({ nFeatures, nHidden, probability: p }) => {
      if (!(nFeatures > 0 && nHidden > 0 && p > 0)) return null;
      const room = Math.max(0, nFeatures - nHidden) / nFeatures;
      return [
        "Losses to beat, all features alike:",
        `notebook: zero ${number(p)}, PCA ${number(p * room)}`,
        `paper: zero ${number(p / 3)}, PCA ${number((p / 3 - (p * p) / 4) * room)}`,
      ].join("\n");
    },

    async run(context) {
      const { values, progress, live } = context;
      /** @type {Value} */ const value = { runs: [], values };
      for (const [i, kind] of TOY_KINDS.entries()) {
        value.runs.push(await trainToy(context, kind, values, (done, total) => progress(i * total + done, TOY_KINDS.length * total, "steps")));
        live(value);
      }
      return { value };
    },

    render({ runs, values }) {
      const { nFeatures, nHidden, probability, steps } = values;
      setup.show([
        `Features: ${nFeatures}`,
        `Hidden dimensions: ${nHidden}`,
        `Compression: ${(nFeatures / nHidden).toFixed(1)}×`,
        `A feature is present in ${percent(probability)} of the rows (“sparsity” in the notebook)`,
        nFeatures > nHidden ? "More features than dimensions, and rarely two at once: superposition is possible." : "There is a dimension for every feature: nothing has to share.",
      ]);
      for (const [i, side] of sides.entries()) {
        const run = /** @type {Run[]} */ (runs)[i];
        side.element.hidden = !run;
        if (!run) continue;
        const { losses, finalLoss, zeroLoss, pcaLoss } = run.instance;
        side.printed.show([
          ...Array.from({ length: Math.ceil(losses.length / 100) }, (_, k) => `step ${100 * k}: loss ${losses[100 * k].toFixed(4)}`),
          `after ${count(steps)}, fresh rows: ${finalLoss.toFixed(4)}`,
          `zero ${zeroLoss.toFixed(4)}, PCA bound ${pcaLoss.toFixed(4)}`,
        ]);
        side.figure.show({
          name: `toy-${run.key}`,
          caption: "Loss, step by step",
          xLabel: "step",
          yLabel: "mean squared error",
          yMin: 0,
          // lines rather than rules: the noise would cover a name that stands on the rule
          lines: [
            { label: "loss", y: losses },
            { label: "zero", y: losses.map(() => zeroLoss) },
            { label: "PCA bound", y: losses.map(() => pcaLoss) },
          ],
        });
      }
    },

    conclusion({ runs, values }) {
      const [notebook, paper] = /** @type {Run[]} */ (runs);
      if (!notebook || !paper) return null;
      const { nHidden, nFeatures } = values;
      const a = gain(notebook.instance),
        b = gain(paper.instance);
      if (nFeatures <= nHidden) return `With a dimension for every feature both can be lossless: ${number(notebook.instance.finalLoss)} and ${number(paper.instance.finalLoss)}. Take more features than dimensions.`;
      const linear =
        `The notebook's model ends at ${number(notebook.instance.finalLoss)}, ${a.ofPca < 1.05 && a.ofPca > 0.95 ? "the same as the PCA bound of" : `${percent(a.ofPca)} of the PCA bound of`} ${number(notebook.instance.pcaLoss)}${a.ofPca < 1 ? " as far as a sample can tell" : ""}. ` +
        `It cannot pass it: its output is linear in ${nHidden} numbers, so whatever the encoder does, all its answers lie in ${nHidden === 2 ? "one plane" : `a space of ${nHidden} dimensions`}, and PCA's is the best there is.`;
      const relu = b.gains
        ? ` The paper's model reaches ${number(paper.instance.finalLoss)}, ${percent(b.ofPca)} of its bound of ${number(paper.instance.pcaLoss)}: the ReLU at the output cuts off small interference below zero, and storing more features than dimensions pays.`
        : ` The paper's model reaches ${number(paper.instance.finalLoss)} here, ${percent(b.ofPca)} of its bound of ${number(paper.instance.pcaLoss)}: ${values.probability > 0.3 ? "features meet so often that sharing costs what it gains; lower the probability" : "train longer, or take another seed"}.`;
      return linear + relu;
    },
    provenance: (_value, values) => `toy models · p ${exact(values.probability)} · seed ${values.seed}`,
    code: toySnippets.train,
  };
}
