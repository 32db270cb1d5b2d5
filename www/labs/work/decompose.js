// @ts-check
// Week 7, cell 17: a vector read by the SAE as if it were a row of activations. A random one, as in the notebook, and real ones.

import { cosine } from "../../ui/random-direction.js";
import { MOOD_PAIRS } from "../texts/week7.js";
import { fixed, using, watch } from "./bench.js";
import { HF_ROWS, hfHook } from "./hf-index.js";
import { length } from "./rows.js";
import { normals } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */

export const DECOMPOSE = fixed({ k: 5, threshold: 0.1 });
export const CONTRAST = fixed({ pairs: MOOD_PAIRS, layer: HF_ROWS.layer, prependBos: HF_ROWS.prependBos, center: HF_ROWS.center, l2: 1 });

/**
 * `active`: features above the threshold; `features`: the strongest, as many as are active, at most k; `error`: ‖x̂ − v‖²; `share`: what part of ‖v‖²
 * that is; `cosines`: the decoder's rows that point most its way, which need no encoder.
 * @typedef {{norm: number, active: number, features: {feature: number, value: number}[], error: number, share: number, topShare: number, cosines: {feature: number, cosine: number}[]}} Decomposition
 *   `topShare`: the part of all activation above the threshold that `features` hold
 */

/**
 * @param {Bench} bench @param {Sae} sae @param {Float32Array} vector @param {Partial<typeof DECOMPOSE>} [options]
 * @returns {Promise<Decomposition>}
 */
export async function decompose({ lab, signal }, sae, vector, options) {
  const { k, threshold } = { ...DECOMPOSE, ...options };
  const { norm, active, features, error, cosines } = await lab.analysis.decompose(sae, vector, { k: sae.config.dSae, threshold, signal });
  const sum = (/** @type {{value: number}[]} */ list) => list.reduce((total, { value }) => total + value, 0);
  const top = features.slice(0, k);
  return { norm, active, features: top, error, share: norm > 0 ? error / norm ** 2 : 0, topShare: active > 0 ? sum(top) / sum(features) : 0, cosines: cosines.slice(0, k) };
}

/** The notebook's vector: independent N(0, 1) numbers. @param {number} width @param {number} seed */
export const randomVector = (width, seed) => normals(width, seed);

/**
 * Two real directions from contrast pairs, at the last token of each text: the difference of the means, and a probe's (logistic
 * regression on standardised dimensions). `heldOut`: the probe's accuracy on texts that were left out.
 * @param {Bench} bench @param {Partial<typeof CONTRAST>} [options]
 * @returns {Promise<{hook: string, contrast: import("../../engine/types-analysis.js").Contrast, probe: import("../../engine/types-analysis.js").Probe, cosine: number}>}
 */
export async function contrastVectors(bench, options) {
  const { pairs, layer, prependBos, center, l2 } = { ...CONTRAST, ...options };
  const { lab, model, signal } = bench;
  const hook = hfHook(layer, model.config.nLayers)?.hook ?? "";
  const collect = (/** @type {0 | 1} */ side) => model.collect(pairs.map((pair) => pair[side]), { hook, position: "last", prependBos, center, ...watch(bench, "texts") });
  return using(await collect(0), async (positive) =>
    using(await collect(1), async (negative) => {
      const contrast = await lab.analysis.contrast(positive, negative, { signal });
      const probe = await lab.analysis.probe(positive, negative, { l2, standardize: true, ...watch(bench, "fits") });
      return { hook, contrast, probe, cosine: cosine(contrast.vector, probe.vector) };
    }),
  );
}

/** A vector of the same direction and another length, to compare vectors at equal terms. @param {Float32Array} vector @param {number} norm */
export const atNorm = (vector, norm) => vector.map((x) => (x * norm) / (length(vector) || 1));

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
