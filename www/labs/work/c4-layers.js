// @ts-check
// Lab C.4, exercise 3: autoencoders of an early and a late layer, and what each finds at the end of some prompts.
import { count, rough, visible } from "../../ui/format.js";
import { REPEATS, SOLUTION_PROMPTS, TEST_PROMPTS, repeated } from "../texts/c4.js";
import { fixed, residPost, using, watch } from "./bench.js";
import { AUTOENCODER, makeSae } from "./c4-sae.js";
import { SOLUTION_TRAINING, trainSae } from "./c4-training.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Figures} Figures */

/** `weightsOf` and `orderOf` feed the start and the order of entry number n of `layers`. */
export const LAYERS = fixed({
  layers: Object.freeze([2, 10]),
  prompts: SOLUTION_PROMPTS,
  repeats: REPEATS,
  top: 5,
  tied: AUTOENCODER.tied,
  expansion: AUTOENCODER.expansion,
  encoderBias: /** @type {"zeros" | "torch-linear"} */ ("torch-linear"),
  prependBos: true,
  center: true,
  seed: 0,
  epochs: SOLUTION_TRAINING.epochs,
  batchSize: SOLUTION_TRAINING.batchSize,
  lr: SOLUTION_TRAINING.lr,
  l1: SOLUTION_TRAINING.l1,
  weightsOf: /** @type {((run: number) => import("../../engine/types.js").WeightsLike) | null} */ (null),
  orderOf: /** @type {((run: number) => Uint32Array) | null} */ (null),
});

/**
 * @typedef {{feature: number, mean: number, frequency: number}} Active
 * @typedef {{layer: number, hook: string, sae: Sae, shape: number[], meanNorm: number, top: Active[], topWithoutPosition0: Active[], averageActive: number,
 *   recon: number, quality: {all: Figures, withoutPosition0: Figures | null, deadLatents: number}}} LayerResult  the caller disposes of `sae`
 * @typedef {{name: string, prompt: string, token: string, layer: number, nActive: number, feature: number, value: number}} LastToken
 */

/**
 * One autoencoder a layer, each trained on the same prompts.
 *
 * @param {Bench} bench
 * @param {Partial<typeof LAYERS> & {onLayer?: (result: LayerResult) => void}} [options]
 * @returns {Promise<LayerResult[]>}
 */
export async function layerSweep(bench, options = {}) {
  const { onLayer, ...own } = options;
  const settings = { ...LAYERS, ...own };
  /** @type {LayerResult[]} */
  const results = [];
  try {
    for (const [part, layer] of settings.layers.entries()) {
      results.push(await layerSae(bench, layer, part, settings));
      onLayer?.(results[results.length - 1]);
    }
    return results;
  } catch (error) {
    await Promise.all(results.map(({ sae }) => sae.dispose()));
    throw error;
  }
}

/**
 * @param {Bench} bench
 * @param {number} layer
 * @param {number} part
 * @param {typeof LAYERS} settings
 * @returns {Promise<LayerResult>}
 */
async function layerSae(bench, layer, part, settings) {
  const { layers, prompts, repeats, top, tied, expansion, encoderBias, prependBos, center, seed, epochs, batchSize, lr, l1, weightsOf, orderOf } = settings;
  const { lab, model, signal } = bench;
  const hook = residPost(layer);
  return using(await model.collect(repeated(prompts, repeats), { hook, prependBos, center, ...watch(bench, "sequences") }), async (acts) => {
    // another start for each layer, as a notebook's generator goes on: from one start the features would stay where they are
    const sae = await makeSae(bench, { tied, expansion, encoderBias, seed: seed + part, weights: weightsOf?.(part) ?? null });
    try {
      const recipe = { epochs, batchSize, lr, l1, seed, order: orderOf?.(part) ?? null, share: { part, of: layers.length } };
      const { quality } = await trainSae(bench, sae, acts, recipe);
      const { features } = await lab.analysis.topFeatures(sae, acts, { k: top, by: "mean", signal });
      const later = await lab.analysis.topFeatures(sae, acts, { k: top, by: "mean", skipPosition0: true, signal });
      return {
        layer, hook, sae, shape: acts.shape, meanNorm: acts.stats.all.meanNorm, quality, averageActive: quality.all.l0, recon: quality.all.meanMse,
        top: features, topWithoutPosition0: later.features,
      };
    } catch (error) {
      await sae.dispose();
      throw error;
    }
  });
}

/**
 * How many features are active at the last token of each prompt, and which is the strongest, in every layer.
 *
 * @param {Bench} bench
 * @param {readonly {layer: number, sae: Sae}[]} layers
 * @param {{prompts?: readonly {name: string, prompt: string}[], prependBos?: boolean, center?: boolean}} [options]
 * @returns {Promise<LastToken[]>}  prompt by prompt, and for each all layers
 */
export async function comparePrompts({ model, signal }, layers, { prompts = TEST_PROMPTS, prependBos = true, center = true } = {}) {
  /** @type {LastToken[][]} */
  const byLayer = [];
  for (const { layer, sae } of layers) {
    const texts = prompts.map(({ prompt }) => prompt);
    byLayer.push(
      await using(await model.collect(texts, { hook: residPost(layer), position: "last", prependBos, center, signal }), async (acts) => {
        const features = await using(await sae.encode(acts), (encoded) => encoded.read());
        const { dSae } = sae.config;
        return Promise.all(
          prompts.map(async ({ name, prompt }, n) => {
            const row = features.data.subarray(n * dSae, (n + 1) * dSae);
            const value = row.reduce((m, x) => Math.max(m, x), 0);
            const { tokens } = await model.tokenize(prompt);
            return { name, prompt, token: tokens[tokens.length - 1] ?? "", layer, nActive: row.reduce((sum, x) => sum + (x > 0 ? 1 : 0), 0), feature: row.indexOf(value), value };
          }),
        );
      }),
    );
  }
  return prompts.flatMap((_, n) => byLayer.map((list) => list[n]));
}

/** @param {readonly Omit<LayerResult, "sae">[]} results */
export function concludeLayers(results) {
  if (results.length < 2) return "One layer shows no difference: choose two.";
  const active = results.map(({ layer, averageActive }) => `${rough(averageActive)} at layer ${layer}`).join(", ");
  const norms = results.map(({ meanNorm }) => meanNorm);
  const grows = Math.max(...norms) / Math.min(...norms);
  return (
    `How many are active on a row (${active}) does not say how abstract they are` +
    (grows > 1.2 ? `, and is no fair comparison: rows of one layer are ${rough(grows)} times as long as those of another, so one coefficient weighs differently on each.` : ".")
  );
}

/** @param {readonly LastToken[]} rows */
export function concludePrompts(rows) {
  const layers = [...new Set(rows.map(({ layer }) => layer))];
  const told = layers.map((layer) => {
    const own = rows.filter((row) => row.layer === layer);
    const strongest = new Set(own.map(({ feature }) => feature));
    if (strongest.size === 1) return `at layer ${layer} F${own[0].feature} is the strongest on all ${count(own.length)} prompts, so it tells none of them apart`;
    return strongest.size === own.length
      ? `at layer ${layer} each prompt has a strongest feature of its own`
      : `at layer ${layer} the ${count(own.length)} prompts share ${count(strongest.size)} strongest features`;
  });
  const said = [`${told.join("; ").replace(/^./, (letter) => letter.toUpperCase())}.`];
  const ends = new Set(rows.map(({ token }) => token));
  const prompts = new Set(rows.map(({ prompt }) => prompt));
  if (ends.size < prompts.size || [...ends].every((token) => /^\W+$/.test(token))) {
    said.push(`That is about the last token alone (${[...ends].map((token) => `“${visible(token)}”`).join(", ")}): the words before it have features of their own.`);
  }
  return said.join(" ");
}
