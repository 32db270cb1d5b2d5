// @ts-check
// Week 7, cell 17: a vector read by the SAE as if it were a row of activations. A random one, as in the notebook, and real ones.

import { MOOD_PAIRS } from "../texts/week7.js";
import { fixed, using, watch } from "./bench.js";
import { HF_ROWS, hfHook } from "./hf-index.js";
import { decoded, encoded, largest, length, row } from "./rows.js";
import { normals } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */

export const DECOMPOSE = fixed({ k: 5, threshold: 0.1 });
export const CONTRAST = fixed({ pairs: MOOD_PAIRS, layer: HF_ROWS.layer, prependBos: HF_ROWS.prependBos, center: HF_ROWS.center, l2: 1 });

/**
 * `active`: features above the threshold; `features`: the strongest, as many as are active, at most k; `error`: ‖x̂ − v‖²; `share`: what part of ‖v‖²
 * that is; `cosines`: the decoder's rows that point most its way, which need no encoder.
 * @typedef {{norm: number, active: number, features: {feature: number, value: number}[], error: number, share: number, topShare: number, cosines: {feature: number, cosine: number}[]}} Decomposition
 *   `topShare`: the part of all activation that `features` hold
 */

/**
 * @param {Sae} sae @param {Float32Array} vector @param {Partial<typeof DECOMPOSE>} [options]
 * @returns {Promise<Decomposition>}
 */
export async function decompose(sae, vector, options) {
  const { k, threshold } = { ...DECOMPOSE, ...options };
  const features = await encoded(sae, { data: vector, shape: [1, vector.length] });
  const made = await decoded(sae, features);
  const f = row(features, 0);
  const active = f.filter((x) => x > threshold).length;
  const top = largest(f, Math.min(k, active)).map(({ index, value }) => ({ feature: index, value }));
  const error = row(made, 0).reduce((sum, x, i) => sum + (x - vector[i]) ** 2, 0);
  const norm = length(vector);
  const all = f.reduce((sum, x) => sum + x, 0);
  const { W_dec } = await sae.weights();
  const cosines = Array.from({ length: W_dec.shape[0] }, (_, i) => cosine(row(W_dec, i), vector));
  return {
    norm,
    active,
    features: top,
    error,
    share: norm > 0 ? error / norm ** 2 : 0,
    topShare: all > 0 ? top.reduce((sum, { value }) => sum + value, 0) / all : 0,
    cosines: largest(cosines, k).map(({ index, value }) => ({ feature: index, cosine: value })),
  };
}

/** The notebook's vector: independent N(0, 1) numbers. @param {number} width @param {number} seed */
export const randomVector = (width, seed) => normals(width, seed);

/**
 * Two real directions from contrast pairs, at the last token of each text: the difference of the means, and a probe's (logistic
 * regression on standardised dimensions).
 * @param {Bench} bench @param {Partial<typeof CONTRAST>} [options]
 * @returns {Promise<{hook: string, contrast: {vector: Float32Array, norm: number, accuracyAlong: number}, probe: {vector: Float32Array, norm: number, accuracy: number, heldOutAccuracy: number | null}, cosine: number}>}
 */
export async function contrastVectors(bench, options) {
  const { pairs, layer, prependBos, center, l2 } = { ...CONTRAST, ...options };
  const { lab, model } = bench;
  const hook = hfHook(layer, model.config.nLayers)?.hook ?? "";
  const collect = (/** @type {0 | 1} */ side) => model.collect(pairs.map((pair) => pair[side]), { hook, position: "last", prependBos, center, ...watch(bench, "texts") });
  return using(await collect(0), async (positive) =>
    using(await collect(1), async (negative) => {
      const contrast = await lab.analysis.contrast(positive, negative);
      const probe = await lab.analysis.probe(positive, negative, { l2, standardize: true });
      const { vector, accuracy, heldOutAccuracy } = probe;
      return { hook, contrast, probe: { vector, norm: length(vector), accuracy, heldOutAccuracy }, cosine: cosine(contrast.vector, vector) };
    }),
  );
}

/** A vector of the same direction and another length, to compare vectors at equal terms. @param {Float32Array} vector @param {number} norm */
export const atNorm = (vector, norm) => vector.map((x) => (x * norm) / (length(vector) || 1));

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}

/**
 * @param {{random: Decomposition, contrast?: Decomposition | null, probe?: Decomposition | null, dSae: number}} result
 */
export function concludeDecompose({ random, contrast = null, probe = null, dSae }) {
  const few = (/** @type {Decomposition} */ d) => `${d.active} of ${dSae} features above the threshold, the ${d.features.length} strongest with ${(100 * d.topShare).toFixed(0)} % of all activation`;
  const first = `The random vector (length ${random.norm.toFixed(1)}) gives ${few(random)}: ${random.active <= 3 ? "few" : "not one to three main features"}.`;
  if (contrast === null) return `${first} A random vector has no concept in it, so this says nothing about steering vectors: use a real one.`;
  const [best] = contrast.cosines;
  const sharper = best.cosine > 1.3 * random.cosines[0].cosine;
  const real = `The contrast vector (length ${contrast.norm.toFixed(1)}) gives ${few(contrast)}; its best decoder row is #${best.feature} at cosine ${best.cosine.toFixed(2)}, the random one's is at ${random.cosines[0].cosine.toFixed(2)}`;
  const verdict = sharper ? ": the SAE has something that points its way." : ": no better than chance, so this SAE has no feature for it. Train it on more text, or with a larger coefficient.";
  return `${first} ${real}${verdict}${probe ? ` The probe's direction reaches ${probe.cosines[0].cosine.toFixed(2)}.` : ""}`;
}
