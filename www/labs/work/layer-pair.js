// @ts-check
// Chapter 9, exercise 2: what SAEs find early and late in the model. Both are trained alike, or loaded.

import { LANDMARK_TEXT, RECONSTRUCTION_TEXT, TEST_TEXTS } from "../texts/chapter9.js";
import { fixed, watch } from "./bench.js";
import { check, row } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").Figures} Figures */
/** @typedef {import("../../engine/types.js").Quality} Quality */

/** The notebook's example of two layers; the SAE is of res-jb's kind. On rows of a length around 100 `l1` has to be of the order of SAELens's. */
export const LAYER_PAIR = fixed({
  layers: /** @type {readonly number[]} */ ([0, 10]),
  texts: /** @type {readonly string[]} */ ([LANDMARK_TEXT, ...TEST_TEXTS, RECONSTRUCTION_TEXT]),
  prependBos: true,
  center: true,
  architecture: "standard",
  expansion: 4,
  l1: 1,
  lr: 1e-3,
  batchSize: 32,
  epochs: 50,
  seed: 0,
});

/** @typedef {{layer: number, hook: string, all: Figures, withoutPosition0: Figures | null, density: {edges: number[], counts: number[], zeros: number}, decoder: import("./rows.js").Tensor, history: import("../../engine/types.js").Epoch[]}} LayerResult */
/** @typedef {{a: LayerResult, b: LayerResult, matching: ReturnType<typeof matchDecoders>, sameNumber: number}} LayerPair  `sameNumber`: mean cosine of features with the same number */

/** @param {number} layer */
export const layerHook = (layer) => `blocks.${layer}.hook_resid_pre`;

/**
 * Trains one SAE on each layer with the same settings, and compares them. Weights and order may be given, to repeat a run.
 * @param {Bench} bench
 * @param {Partial<typeof LAYER_PAIR> & {weights?: import("../../engine/types.js").WeightsLike | null, order?: Uint32Array | null, keep?: (sae: Sae, layer: number) => void}} [options]
 *   `keep` is handed each SAE, which is then the caller's to dispose of
 * @returns {Promise<LayerPair>}
 */
export async function compareLayers(bench, options) {
  const settings = { ...LAYER_PAIR, weights: null, order: null, ...options };
  /** @type {LayerResult[]} */ const results = [];
  for (const layer of settings.layers) results.push(await trainOn(bench, layer, settings));
  const [a, b] = results;
  return { a, b, matching: matchDecoders(a.decoder, b.decoder), sameNumber: sameNumberCosine(a.decoder, b.decoder) };
}

/**
 * @param {Bench} bench @param {number} layer
 * @param {typeof LAYER_PAIR & {weights: import("../../engine/types.js").WeightsLike | null, order: Uint32Array | null, keep?: (sae: Sae, layer: number) => void}} settings
 * @returns {Promise<LayerResult>}
 */
async function trainOn(bench, layer, { texts, prependBos, center, architecture, expansion, l1, lr, batchSize, epochs, seed, weights, order, keep }) {
  check(bench);
  const hook = layerHook(layer);
  const { lab, model } = bench;
  const acts = await model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") });
  const dIn = model.config.dModel;
  const sae = await lab.createSae({ architecture, dIn, dSae: expansion * dIn, seed, ...(weights ? { weights } : {}) });
  try {
    const { epochs: history } = await sae.train(acts, { epochs, batchSize, lr, l1, seed, ...(order ? { order } : {}), ...watch(bench, `steps at block ${layer}`) });
    const quality = await lab.analysis.quality(sae, acts, watch(bench, "rows"));
    const { W_dec: decoder } = await sae.weights();
    return { layer, hook, all: quality.all, withoutPosition0: quality.withoutPosition0, density: quality.histogram, decoder, history };
  } finally {
    await acts.dispose();
    if (keep) keep(sae, layer);
    else await sae.dispose();
  }
}

/**
 * For each decoder row of b the row of a with the largest cosine.
 * @param {import("./rows.js").Tensor} a @param {import("./rows.js").Tensor} b
 * @returns {{features: number[], cosines: number[], mean: number, median: number, matched: number, edges: number[], counts: number[]}}  `matched`: share of rows with a cosine above 0.7
 */
export function matchDecoders(a, b) {
  const [left, right] = [units(a), units(b)];
  const features = /** @type {number[]} */ ([]);
  const cosines = /** @type {number[]} */ ([]);
  for (let j = 0; j < b.shape[0]; j += 1) {
    const y = row(right, j);
    let [best, at] = [-Infinity, 0];
    for (let i = 0; i < a.shape[0]; i += 1) {
      const cosine = dot(row(left, i), y);
      if (cosine > best) [best, at] = [cosine, i];
    }
    features.push(at);
    cosines.push(best);
  }
  const sorted = [...cosines].sort((x, y) => x - y);
  const n = sorted.length;
  const edges = Array.from({ length: 11 }, (_, i) => i / 10);
  const counts = edges.slice(1).map((end, i) => cosines.filter((x) => x >= (i === 0 ? -Infinity : edges[i]) && (x < end || i === 9)).length);
  return {
    features,
    cosines,
    mean: cosines.reduce((s, x) => s + x, 0) / n,
    median: (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2,
    matched: cosines.filter((x) => x > 0.7).length / n,
    edges,
    counts,
  };
}

/** @param {import("./rows.js").Tensor} a @param {import("./rows.js").Tensor} b */
function sameNumberCosine(a, b) {
  const [left, right] = [units(a), units(b)];
  const n = Math.min(a.shape[0], b.shape[0]);
  let sum = 0;
  for (let i = 0; i < n; i += 1) sum += dot(row(left, i), row(right, i));
  return sum / n;
}

/** @param {import("./rows.js").Tensor} rows @returns {import("./rows.js").Tensor} */
function units(rows) {
  const data = rows.data.slice();
  for (let i = 0; i < rows.shape[0]; i += 1) {
    const r = row({ data, shape: rows.shape }, i);
    const norm = Math.sqrt(dot(r, r)) || 1;
    r.forEach((x, k) => (r[k] = x / norm));
  }
  return { data, shape: rows.shape };
}

/** @param {Float32Array} a @param {Float32Array} b */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

/** @param {LayerPair} result */
export function concludeLayers({ a, b, matching, sameNumber }) {
  const figures = (/** @type {LayerResult} */ r) => r.withoutPosition0 ?? r.all;
  const ev = (/** @type {LayerResult} */ r) => (100 * (figures(r).evPerDimension ?? 0)).toFixed(1);
  const [x, y] = [figures(a), figures(b)];
  const sparser = Math.abs(x.l0 - y.l0) < 0.1 * Math.max(x.l0, y.l0) ? "are about equally sparse" : `differ in sparsity: ${x.l0.toFixed(1)} active features a row against ${y.l0.toFixed(1)}`;
  return (
    `With the same settings, blocks ${a.layer} and ${b.layer} ${sparser}; ${ev(a)} % and ${ev(b)} % of the variance after position 0 are explained. ` +
    `Feature numbers cannot be compared: those with the same number have a mean cosine of ${sameNumber.toFixed(2)}, the best match of each ${matching.mean.toFixed(2)}, and ${(100 * matching.matched).toFixed(0)} % have one above 0.7.` +
    (x.l0 > 0.5 * a.decoder.shape[0] ? " Half of all features are active on every row, so neither is sparse yet: raise the coefficient." : "")
  );
}
