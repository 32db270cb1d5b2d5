// @ts-check
// An autoencoder on a toy world whose true features are known, marked by how well it finds them.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { isCancelled, PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { counted, decimals, exact, number, percent } from "../../ui/format.js";
import { randomDirection } from "../../ui/random-direction.js";
import { toySnippets } from "./snippets-toy.js";

/** @typedef {{l1: number | null, score: number, best: number, l0: number | null, ev: number | null, found: number | null}} Mark `l1` null: directions at random; `found`: true directions matched with a cosine above 0.9 */
/** @typedef {{marks: Mark[], nFeatures: number, nHidden: number, dSae: number, toyLoss: number, pcaLoss: number, rows: number}} Value */

const three = decimals(3);

/** @param {string} text @returns {number[]} */
export function coefficientsIn(text) {
  const numbers = String(text).split(/[\s,;]+/).filter(Boolean).map(Number);
  if (!numbers.length || numbers.length > 8 || numbers.some((c) => !(c >= 0 && c <= 1e6)))
    throw new PageError("LAB-BAD-SETTING", `Coefficients is “${text}”; it must be 1 to 8 numbers from 0 on, separated by commas.`, "Correct it, or reset it to its default, and run again.");
  return numbers;
}

/** @param {import("../../ui/step.js").LabStep} _ @returns {import("../../ui/step.js").Definition} */
export function toySaeStep(_) {
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const numbers = () => ({
    caption: `Found directions against the ${shown?.nFeatures} true ones`,
    columns: [
      { key: "what", label: "λ" },
      { key: "score", label: "match score", kind: "number", format: three },
      { key: "found", label: "cosine above 0.9", kind: "number", format: String },
      { key: "l0", label: "active on a row", kind: "number" },
      { key: "ev", label: "explained variance", kind: "number", format: percent },
    ],
    rows: (shown?.marks ?? []).map(({ l1, score, l0, ev, found }) => ({ what: l1 === null ? "random directions" : exact(l1), score, found, l0, ev })),
  });

  return {
    uses: [],
    anyModel: true,
    promise: "Run trains a toy model, then autoencoders of several strengths on its hidden numbers, and marks what they find against the truth.",
    body: [figure],
    fields: () => [
      { name: "nFeatures", label: "Features", kind: "integer", value: 20, min: 2, max: 64 },
      { name: "nHidden", label: "Hidden numbers", kind: "integer", value: 10, min: 2, max: 32 },
      { name: "probability", label: "Probability", kind: "number", value: 0.05, above: 0, max: 1, hint: "of a feature being present" },
      { name: "dSae", label: "Dictionary", kind: "integer", value: 20, min: 1, max: 256, hint: "features that each autoencoder has" },
      { name: "coefficients", label: "Coefficients λ", kind: "text", value: "0.003, 0.03, 0.1", hint: "of the sparsity penalty, one autoencoder for each" },
      { name: "rows", label: "Rows", kind: "integer", value: 8000, min: 100, max: 100000, advanced: true },
      { name: "epochs", label: "Epochs", kind: "integer", value: 40, min: 1, max: 1000, advanced: true },
      { name: "lr", label: "Learning rate", kind: "number", value: 0.003, above: 0, max: 1, advanced: true },
      { name: "toySteps", label: "Steps of the toy model", kind: "integer", value: 1500, min: 1, max: 20000, advanced: true },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],

    async run({ lab, values, signal, progress, live }) {
      const { nFeatures, nHidden, probability, dSae, rows, epochs, lr, toySteps, seed } = values;
      const coefficients = coefficientsIn(values.coefficients);
      const parts = coefficients.length + 1;
      const told = (/** @type {number} */ part) => (/** @type {any} */ p) => {
        if (p.phase === "shaders") progress(p.done, p.total, "shaders");
        else if ("phase" in p && p.total) progress(Math.round(1000 * (part + (p.done ?? 0) / p.total)), 1000 * parts, "thousandths");
      };
      const { instances: [instance], model } = await lab.toy.train({
        model: "relu-output", values: "uniform", nFeatures, nHidden, probabilities: [probability], steps: toySteps, seed, signal, onProgress: told(0),
      });
      const { hidden, directions } = await lab.toy.sample({ instance, model, rows, values: "uniform", seed: seed + 1, signal });
      const random = { data: Float32Array.from(Array.from({ length: dSae }, (__, i) => [...randomDirection(nHidden, 1, seed + 1000 + i)]).flat()), shape: [dSae, nHidden] };
      const marked = async (/** @type {import("../../engine/types.js").Tensor} */ found) => {
        const match = await lab.analysis.matchFeatures(found, directions, { signal });
        return { score: match.mcc, best: match.meanMaxCosine, found: match.pairs.filter(({ cosine }) => Math.abs(cosine) > 0.9).length };
      };
      /** @type {Value} */ const value = { marks: [{ l1: null, l0: null, ev: null, ...(await marked(random)) }], nFeatures, nHidden, dSae, toyLoss: instance.finalLoss, pcaLoss: instance.pcaLoss, rows };
      try {
        for (const [i, l1] of coefficients.entries()) {
          const sae = await lab.createSae({ architecture: "standard", dIn: nHidden, dSae, seed });
          try {
            await sae.train(hidden, { epochs, batchSize: 256, lr, l1, seed, signal, onProgress: told(i + 1) });
            const { W_dec } = await sae.weights();
            const { l0, ev } = await measured(sae, hidden);
            value.marks.push({ l1, l0, ev, ...(await marked(W_dec)) });
          } finally {
            void sae.dispose().catch(() => {});
          }
          live(value);
        }
      } catch (error) {
        if (!isCancelled(error) || value.marks.length < 2) throw error;
        return { value, stopped: `Stopped after ${value.marks.length - 1} of ${coefficients.length} coefficients; those stand below.` };
      }
      return { value };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      table.show(numbers());
      figure.show({ name: "toy-sae", caption: "Autoencoders against the truth", body: [table], table: numbers });
    },

    conclusion(/** @type {Value} */ { marks, nFeatures, nHidden, toyLoss, pcaLoss, rows }) {
      const [random, ...trained] = marks;
      if (!trained.length) return null;
      const best = trained.reduce((a, b) => (b.score > a.score ? b : a));
      const explained = trained.filter((m) => m.ev !== null).map((m) => /** @type {number} */ (m.ev));
      const worst = trained.reduce((a, b) => (b.score < a.score ? b : a));
      return (
        `The toy model stores ${nFeatures} features in ${nHidden} dimensions (loss ${percent(toyLoss / pcaLoss)} of the PCA bound). ` +
        `From ${counted(rows, "row")} of ${nHidden} numbers the autoencoder with λ = ${exact(best.l1 ?? 0)} finds ${best.found} of them (match score ${three(best.score)}; random directions reach ${three(random.score)}). ` +
        (worst !== best && worst.score < best.score - 0.05
          ? `With λ = ${exact(worst.l1 ?? 0)} the score is ${three(worst.score)}${worst.score < random.score - 0.02 ? ", below that of random directions" : worst.score <= random.score + 0.02 ? ", no better than chance" : ""}, though it explains ${percent(Math.max(0, worst.ev ?? 0))} of the variance: ${Math.min(...explained) > 0.9 ? "a good reconstruction is no proof of having found the features; sparsity is what finds them" : "reconstruction and truth are two things"}.`
          : "The strengths hardly differ; spread them over factors of ten.")
      );
    },
    provenance: (_value, values) => `toy model · ${values.nFeatures} in ${values.nHidden} · seed ${values.seed}`,
    code: (values) => toySnippets.sae(values),
  };
}

/** Active features on a row, and explained variance around each dimension's mean. @param {import("../../ui/types.js").Sae} sae @param {import("../../engine/types.js").Tensor} rows */
async function measured(sae, rows) {
  const encoded = await sae.encode(rows);
  const decoded = await sae.decode(encoded);
  try {
    const [f, back] = await Promise.all([encoded.read(), decoded.read()]);
    const [n, d] = rows.shape;
    let active = 0,
      error = 0,
      spread = 0;
    for (const x of f.data) if (x > 0) active += 1;
    for (let k = 0; k < d; k += 1) {
      let mean = 0;
      for (let i = 0; i < n; i += 1) mean += rows.data[i * d + k] / n;
      for (let i = 0; i < n; i += 1) {
        error += (rows.data[i * d + k] - back.data[i * d + k]) ** 2;
        spread += (rows.data[i * d + k] - mean) ** 2;
      }
    }
    return { l0: active / n, ev: spread > 0 ? 1 - error / spread : null };
  } finally {
    void Promise.all([encoded.dispose(), decoded.dispose()]).catch(() => {});
  }
}
