// @ts-check
// Chapter 9, exercise 2: what SAEs find early and late in the model. Both are trained alike, or loaded.

import { decimals } from "../../ui/format.js";
import { cosine } from "../../ui/random-direction.js";
import { LANDMARK_TEXT, RECONSTRUCTION_TEXT, TEST_TEXTS } from "../texts/chapter9.js";
import { fixed, using, watch } from "./bench.js";
import { above, mean, row } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").Figures} Figures */

/** The notebook's example of two layers; the SAE is of res-jb's kind. `normalizeActivations` "expected_average_only_in" scales the rows of each layer to the mean length √d, so that one coefficient weighs alike on both. */
export const LAYER_PAIR = fixed({
  layers: /** @type {readonly number[]} */ ([0, 10]),
  texts: /** @type {readonly string[]} */ ([LANDMARK_TEXT, ...TEST_TEXTS, RECONSTRUCTION_TEXT]),
  prependBos: true,
  center: true,
  architecture: "standard",
  normalizeActivations: /** @type {"none" | "expected_average_only_in"} */ ("none"),
  expansion: 4,
  l1: 1,
  lr: 1e-3,
  batchSize: 32,
  epochs: 50,
  seed: 0,
});

/** @typedef {{layer: number, hook: string, normalized: boolean, meanNorm: number, dSae: number, all: Figures, withoutPosition0: Figures | null, density: {edges: number[], counts: number[], zeros: number}, history: import("../../engine/types.js").Epoch[]}} LayerResult */
/**
 * For each decoder row of b the row of a that points most its way: `features` and `cosines`. `matched`: share of them above 0.7; `sameNumber`: mean cosine of rows with the same number;
 * `chance`: about the best cosine that one of so many random directions would have, √(2 ln n / d).
 * @typedef {{features: Uint32Array, cosines: Float32Array, mean: number, median: number, matched: number, sameNumber: number, chance: number, histogram: {edges: number[], counts: number[]}}} DecoderMatch
 * @typedef {{a: LayerResult, b: LayerResult, matching: DecoderMatch}} LayerPair
 */
/** @typedef {typeof LAYER_PAIR & {weightsOf: ((run: 0 | 1) => import("../../engine/types.js").WeightsLike) | null, order: Uint32Array | null}} Settings */

/** @param {number} layer */
export const layerHook = (layer) => `blocks.${layer}.hook_resid_pre`;

/**
 * Trains one SAE on each of two layers with the same settings, and compares them. They start from different random weights,
 * seed and seed + 1: from the same ones, features with one number would stay alike for that reason alone. Weights and order may be given, to repeat a run.
 * @param {Bench} bench
 * @param {Partial<Settings> & {keep?: (sae: Sae, layer: number) => void}} [options]  `keep` is handed each SAE, which is then the caller's to dispose of
 * @returns {Promise<LayerPair>}
 */
export async function compareLayers(bench, options = {}) {
  const { keep, ...own } = options;
  const settings = { ...LAYER_PAIR, weightsOf: null, order: null, ...own };
  const [first, second] = settings.layers;
  const made = /** @type {{sae: Sae, layer: number}[]} */ ([]);
  let kept = false;
  try {
    const [a, b] = [await trainOn(bench, first, settings, made), await trainOn(bench, second, settings, made)];
    const pair = { a, b, matching: await matchDecoders(bench, made[0].sae, made[1].sae) };
    for (const { sae, layer } of made) keep?.(sae, layer);
    kept = keep !== undefined;
    return pair;
  } finally {
    if (!kept) await Promise.all(made.map(({ sae }) => sae.dispose()));
  }
}

/**
 * @param {Bench} bench @param {number} layer @param {Settings} settings @param {{sae: Sae, layer: number}[]} made
 * @returns {Promise<LayerResult>}
 */
async function trainOn(bench, layer, settings, made) {
  const { texts, prependBos, center, architecture, normalizeActivations, expansion, l1, lr, batchSize, epochs, seed, weightsOf, order } = settings;
  const run = made.length === 0 ? 0 : 1;
  const hook = layerHook(layer);
  const { lab, model } = bench;
  const dIn = model.config.dModel;
  return using(await model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") }), async (acts) => {
    const sae = await lab.createSae({ architecture, normalizeActivations, dIn, dSae: expansion * dIn, seed: seed + run, weights: weightsOf?.(run) ?? null });
    made.push({ sae, layer });
    const { epochs: history } = await sae.train(acts, { epochs, batchSize, lr, l1, seed, order, ...watch(bench, `steps at block ${layer}`) });
    return judge(bench, sae, layer, acts, history);
  });
}

/**
 * The same comparison of two SAEs that are there already, as published ones: each on the rows of its own layer.
 * @param {Bench} bench @param {{sae: Sae, layer: number}} first @param {{sae: Sae, layer: number}} second @param {{texts?: readonly string[], prependBos?: boolean, center?: boolean}} [options]
 * @returns {Promise<LayerPair>}
 */
export async function compareLoaded(bench, first, second, options) {
  const { texts, prependBos, center } = { ...LAYER_PAIR, ...options };
  const of = async (/** @type {{sae: Sae, layer: number}} */ { sae, layer }) =>
    using(await bench.model.collect(texts, { hook: layerHook(layer), prependBos, center, ...watch(bench, "texts") }), (acts) => judge(bench, sae, layer, acts, []));
  return { a: await of(first), b: await of(second), matching: await matchDecoders(bench, first.sae, second.sae) };
}

/**
 * @param {Bench} bench @param {Sae} sae @param {number} layer @param {import("./bench.js").Acts} acts @param {import("../../engine/types.js").Epoch[]} history
 * @returns {Promise<LayerResult>}
 */
async function judge(bench, sae, layer, acts, history) {
  const { all, withoutPosition0, histogram } = await bench.lab.analysis.quality(sae, acts, watch(bench, "rows"));
  const { dSae, normalizeActivations } = sae.config;
  return { layer, hook: acts.hook, normalized: normalizeActivations !== "none", meanNorm: acts.stats.all.meanNorm, dSae, all, withoutPosition0, density: histogram, history };
}

/**
 * Of any two SAEs on activations of the same width.
 * @param {Bench} bench @param {Sae} a @param {Sae} b
 * @returns {Promise<DecoderMatch>}
 */
export async function matchDecoders(bench, a, b) {
  const { features, best, histogram } = await bench.lab.analysis.matching(a, b, { k: 1, ...watch(bench, "features") });
  const sorted = [...best].sort((x, y) => x - y);
  const n = sorted.length;
  const [left, right] = [(await a.weights()).W_dec, (await b.weights()).W_dec];
  const same = Array.from({ length: Math.min(left.shape[0], n) }, (_, i) => cosine(row(left, i), row(right, i)));
  return { features, cosines: best, mean: mean(best), median: (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2, matched: above(best, 0.7) / n, sameNumber: mean(same), chance: Math.sqrt((2 * Math.log(left.shape[0])) / left.shape[1]), histogram };
}

/** @param {LayerPair} result */
export function concludeLayers({ a, b, matching }) {
  const figures = (/** @type {LayerResult} */ r) => r.withoutPosition0 ?? r.all;
  const ev = (/** @type {LayerResult} */ r) => decimals(1)(100 * (figures(r).evPerDimension ?? 0));
  const [x, y] = [figures(a), figures(b)];
  const sparsity = Math.abs(x.l0 - y.l0) < 0.1 * Math.max(x.l0, y.l0) ? "are about equally sparse" : `differ in sparsity (${x.l0.toFixed(1)} active features a position against ${y.l0.toFixed(1)})`;
  const said = [
    `With the same settings, blocks ${a.layer} and ${b.layer} ${sparsity}; ${ev(a)} % and ${ev(b)} % of the variance per dimension is explained, both ${a.withoutPosition0 && b.withoutPosition0 ? "with position 0 left out" : "over all positions"}.`,
    Math.abs(matching.sameNumber) > 0.5
      ? `Features with the same number have a mean cosine of ${matching.sameNumber.toFixed(2)}: they are one SAE, or have started from the same weights and hardly left them, so this says nothing about the layers.`
      : `Feature numbers cannot be compared: those with the same number have a mean cosine of ${decimals(2)(matching.sameNumber)}, the best match of each ${matching.mean.toFixed(2)}${matching.mean < 1.1 * matching.chance ? `, about what the best of as many random directions has (${matching.chance.toFixed(2)})` : ""}, and ${(100 * matching.matched).toFixed(0)} % have one above 0.7.`,
  ];
  const ratio = Math.max(a.meanNorm, b.meanNorm) / Math.min(a.meanNorm, b.meanNorm);
  if (ratio > 2 && !a.normalized) said.push(`The vectors of one layer are ${ratio.toFixed(1)} times as long as the other's, so the same coefficient presses harder on the shorter ones: compare again with the vectors scaled to one mean length.`);
  if (Math.min(x.l0, y.l0) > 0.3 * a.dSae) said.push("Neither is sparse yet: raise the coefficient.");
  return said.join(" ");
}
