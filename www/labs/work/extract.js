// @ts-check
// Chapter 9, cells 3 to 8: what the model and the SAE are, and the features of one text.

import { LANDMARK_TEXT } from "../texts/chapter9.js";
import { fixed } from "./bench.js";
import { above, encoded, from, mean, row } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./rows.js").Tensor} Tensor */

/** Where chapter 9's SAE reads, and how. */
export const CHAPTER9_SITE = fixed({ hook: "blocks.8.hook_resid_pre", prependBos: true, center: true });
export const EXTRACT = fixed({ ...CHAPTER9_SITE, text: LANDMARK_TEXT });

/** @typedef {{hook: string, prependBos: boolean, center: boolean}} Site */
/**
 * How many features are above zero: of each row, in the mean, and the share of zeros.
 * @typedef {{rows: number, active: number[], meanActive: number, sparsity: number}} Sparsity
 * @typedef {{text: string, ids: number[], tokens: string[], raw: string[], activations: Tensor, features: Tensor, dSae: number,
 *   activationShape: number[], featureShape: number[], sparsity: Sparsity, withoutPosition0: Sparsity}} Extracted  the two shapes have the batch in front, as the notebook's
 */

/** Cells 3 and 4. @param {Bench} bench @param {Sae} sae */
export function sizes({ model }, sae) {
  const { nLayers, dModel } = model.config;
  const { dIn, dSae, parameters } = sae.config;
  return { nLayers, dModel, dIn, dSae, expansion: dSae / dIn, parameters };
}

/**
 * Cells 5 to 8: runs the model over a text and encodes one hook.
 * @param {Bench} bench @param {Sae} sae @param {Partial<typeof EXTRACT>} [options]
 * @returns {Promise<Extracted>}
 */
export async function extract({ model, signal }, sae, options) {
  const { text, hook, prependBos, center } = { ...EXTRACT, ...options };
  const run = await model.run(text, { hooks: [hook], prependBos, center, logits: "none", ...(signal ? { signal } : {}) });
  const activations = run.hooks[hook];
  const features = await encoded(sae, activations);
  const { dSae } = sae.config;
  return {
    text,
    ids: [...run.tokens.ids],
    tokens: run.tokens.tokens,
    raw: run.tokens.raw,
    activations,
    features,
    dSae,
    activationShape: [1, ...activations.shape],
    featureShape: [1, ...features.shape],
    sparsity: sparsity(features),
    withoutPosition0: sparsity(from(features, 1)),
  };
}

/** @param {Tensor} features @returns {Sparsity} */
export function sparsity(features) {
  const [rows, width] = features.shape;
  const active = Array.from({ length: rows }, (_, i) => above(row(features, i)));
  const meanActive = mean(active);
  return { rows, active, meanActive, sparsity: 1 - meanActive / width };
}

/** What cell 8's numbers come to. @param {Extracted} result */
export function concludeSparsity({ sparsity: all, withoutPosition0: rest, dSae }) {
  const share = (100 * (1 - all.sparsity)).toFixed(all.sparsity > 0.99 ? 2 : 1);
  const first = `On average ${all.meanActive.toFixed(1)} of ${dSae} features are active at a position, ${share} % of them.`;
  if (rest.rows === 0) return `${first} The text has only its first position: write a longer one.`;
  const apart = Math.abs(all.active[0] - rest.meanActive);
  return apart > 0.25 * rest.meanActive
    ? `${first} Position 0 is unlike the others: ${all.active[0]} against ${rest.meanActive.toFixed(1)} on the mean of the rest.`
    : `${first} Position 0 makes no great difference here (${all.active[0]} against ${rest.meanActive.toFixed(1)}).`;
}
