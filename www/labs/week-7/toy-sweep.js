// @ts-check
// The paper's model in many worlds at once, from dense to sparse: arrows of each, dimensionalities over sparsity.

import "../../ui/arrow-plot.js";
import "../../ui/curve-plot.js";
import { ArrowPlot } from "../../ui/arrow-plot.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { make } from "../../ui/dom.js";
import { percent } from "../../ui/format.js";
import { PageError } from "../../ui/errors.js";
import { toySnippets } from "./snippets-toy.js";

/** @typedef {import("../../engine/types.js").ToyInstance} Instance */
/** @typedef {{instances: Instance[]}} Value */

export const SWEEP = Object.freeze({ probabilities: "1, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01", importanceDecay: 0.9, steps: 1500 });

/** @param {string} text @returns {number[]} from dense to sparse */
export function probabilitiesIn(text) {
  const parts = String(text).split(/[\s,;]+/).filter(Boolean);
  const numbers = parts.map(Number);
  if (!numbers.length || numbers.length > 16 || numbers.some((p) => !(p > 0 && p <= 1)))
    throw new PageError("LAB-BAD-SETTING", `Probabilities is “${text}”; it must be 1 to 16 numbers above 0 and up to 1, separated by commas.`, "Correct it, or reset it to its default, and run again.");
  return numbers.toSorted((a, b) => b - a);
}

/** How many features have a length of their own. @param {Instance} instance */
const stored = ({ norms }) => norms.filter((n) => n > 0.5).length;

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function toySweepStep(step) {
  const pictures = make(ArrowPlot),
    curves = make(CurvePlot);

  return {
    uses: [],
    anyModel: true,
    promise: "Run trains one model for each probability, and shows the arrows of each and how dimensionality falls as worlds become sparse.",
    body: [pictures, curves],
    fields: () => [
      { name: "probabilities", label: "Probabilities", kind: "text", value: SWEEP.probabilities, hint: "of a feature being present, one for each world" },
      { name: "nFeatures", label: "Features", kind: "integer", value: 5, min: 2, max: 12 },
      { name: "importanceDecay", label: "Importance decay", kind: "number", value: SWEEP.importanceDecay, above: 0, max: 1, hint: "1: all features alike" },
      { name: "steps", label: "Steps", kind: "integer", value: SWEEP.steps, min: 10, max: 20000, advanced: true },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],

    async run({ lab, values, signal, progress }) {
      const { nFeatures, importanceDecay, steps, seed } = values;
      const { instances } = await lab.toy.train({
        model: "relu-output", values: "uniform", nFeatures, nHidden: 2, probabilities: probabilitiesIn(values.probabilities), importanceDecay, steps, seed,
        signal,
        onProgress: (/** @type {any} */ p) => {
          if (p.total) progress(p.done ?? 0, p.total, "steps");
        },
      });
      return { value: { instances } };
    },

    render(/** @type {Value} */ { instances }) {
      pictures.show({
        name: "toy-sweep-arrows",
        caption: "From dense to sparse, by how often a feature is present",
        columns: 4,
        panels: instances.map(({ probability, weights }) => ({ title: percent(probability), circle: 1, max: 1.3, vectors: weights.W_dec, labels: Array.from({ length: weights.W_dec.shape[0] }, (_, f) => `f${f}`) })),
        table: () => ({
          caption: "Lengths of the features, world by world",
          columns: [
            { key: "p", label: "probability", kind: "number", format: String },
            ...Array.from(instances[0].norms, (_, f) => ({ key: `n${f}`, label: `feature ${f}`, kind: /** @type {const} */ ("number") })),
            { key: "loss", label: "loss", kind: "number" },
            { key: "pca", label: "PCA", kind: "number" },
          ],
          rows: instances.map(({ probability, norms, finalLoss, pcaLoss }) => ({
            p: probability,
            ...Object.fromEntries(Array.from(norms, (n, f) => [`n${f}`, n])),
            loss: finalLoss,
            pca: pcaLoss,
          })),
        }),
      });
      const x = instances.map(({ probability }) => 1 / probability);
      curves.show({
        name: "toy-dimensionality",
        caption: "Dimensionality of each feature",
        xLabel: "1 / probability, logarithmic",
        yLabel: "dimensionality",
        xLog: true,
        yMin: 0,
        yMax: 1.05,
        lines: Array.from(instances[0].norms, (_, f) => ({ label: `feature ${f}`, x, y: instances.map(({ dimensionality }) => dimensionality[f]), markers: true })),
        rules: [
          { y: 1, label: "alone" },
          { y: 0.5, label: "pair" },
          { y: 0.4, label: "pentagon" },
        ],
        table: () => ({
          caption: "Dimensionality, world by world",
          columns: [
            { key: "p", label: "probability", kind: "number", format: String },
            ...Array.from(instances[0].norms, (_, f) => ({ key: `d${f}`, label: `feature ${f}`, kind: /** @type {const} */ ("number") })),
          ],
          rows: instances.map(({ probability, dimensionality }) => ({ p: probability, ...Object.fromEntries(Array.from(dimensionality, (d, f) => [`d${f}`, d])) })),
        }),
      });
    },

    conclusion(/** @type {Value} */ { instances }) {
      const counts = instances.map(stored);
      const told = instances.map(({ probability }, i) => `${counts[i]} at ${percent(probability)}`).join(", ");
      const first = instances.find((instance) => stored(instance) > 2);
      const last = instances.at(-1);
      const grew = counts.length > 1 && counts[counts.length - 1] > counts[0];
      return (
        `Features stored in two dimensions: ${told}. ` +
        (first ? `The first world with more than two is the one in which a feature is present in ${percent(first.probability)} of the rows. ` : "None of these worlds is sparse enough for superposition. ") +
        (grew && last ? `The rarer features meet, the less their interference costs, and the more of them fit; in the sparsest world the loss is ${percent(last.finalLoss / last.pcaLoss)} of the PCA bound.` : "Try more, and smaller, probabilities.")
      );
    },
    provenance: (_value, values) => `toy models · seed ${values.seed}`,
    code: (values) => toySnippets.sweep(values),
  };
}
