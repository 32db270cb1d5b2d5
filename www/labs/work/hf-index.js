// @ts-check
// Week 7, cells 7 and 9: Hugging Face's hidden_states by TransformerLens's hooks, and the rows that the notebook collects.

import { WEEK7_TEXTS } from "../texts/week7.js";
import { fixed, watch } from "./bench.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Acts} Acts */

/** Cell 9: no BOS, at most 128 tokens, the residual stream as Hugging Face has it. The function's own default layer is −1. */
export const HF_ROWS = fixed({ texts: /** @type {readonly string[]} */ (WEEK7_TEXTS), layer: 6, prependBos: false, maxTokens: 128, center: false });
export const HF_DEFAULT_LAYER = -1;

/**
 * What `hidden_states[index]` is. It has one entry more than the model has blocks; negative numbers count from its end.
 * @param {number} index @param {number} nLayers
 * @returns {{index: number, hook: string, before: string | null, after: string | null, words: string} | null} null: there is no such entry
 */
export function hfHook(index, nLayers) {
  const at = index < 0 ? index + nLayers + 1 : index;
  if (!Number.isInteger(at) || at < 0 || at > nLayers) return null;
  const pre = `blocks.${at}.hook_resid_pre`;
  const post = `blocks.${at - 1}.hook_resid_post`;
  if (at === nLayers) {
    return { index: at, hook: "ln_final.hook_normalized", before: null, after: null, words: `The last entry is taken after the final layer norm, with its weight and bias: it is not ${post}.` };
  }
  if (at === 0) return { index: at, hook: pre, before: pre, after: null, words: "Token and position embeddings, before the first block." };
  return { index: at, hook: pre, before: pre, after: post, words: `What enters block ${at}, which is what leaves block ${at - 1}. TransformerLens shows it minus its mean over the dimensions.` };
}

/** All entries, for a table. @param {number} nLayers */
export const hfTable = (nLayers) => Array.from({ length: nLayers + 1 }, (_, i) => hfHook(i, nLayers)).filter((entry) => entry !== null);

/**
 * Cell 9's rows. The caller disposes of them.
 * @param {Bench} bench @param {Partial<typeof HF_ROWS>} [options]
 * @returns {Promise<{acts: Acts, hook: string, shape: number[], mean: number, std: number, distinctRows: number, position0Rows: number}>}
 */
export async function collectHf(bench, options) {
  const { texts, layer, prependBos, maxTokens, center } = { ...HF_ROWS, ...options };
  const { model } = bench;
  const entry = hfHook(layer, model.config.nLayers);
  if (entry === null) throw new RangeError(`hidden_states has entries 0 to ${model.config.nLayers}, and −1 to −${model.config.nLayers + 1}; ${layer} is none of them.`);
  const acts = await model.collect(texts, { hook: entry.hook, prependBos, center, maxTokens: Math.min(maxTokens, model.config.nCtx), ...watch(bench, "texts") });
  const { rows, mean, std, distinctRows, withoutPosition0 } = acts.stats;
  return { acts, hook: entry.hook, shape: acts.shape, mean, std, distinctRows, position0Rows: rows - withoutPosition0.rows };
}

/** @param {Awaited<ReturnType<typeof collectHf>>} result */
export function concludeRows({ acts, distinctRows, position0Rows }) {
  const { rows, width, all, withoutPosition0: rest } = acts.stats;
  const few = distinctRows < width ? `fewer than the ${width} dimensions, so even random features can rebuild them` : "";
  const lengths = rest.meanNorm > 0 ? (all.meanNorm * rows - rest.meanNorm * rest.rows) / Math.max(position0Rows, 1) / rest.meanNorm : 1;
  const first = `${rows} rows, ${distinctRows} of them distinct${few ? `: ${few}` : ""}.`;
  return lengths > 2 || lengths < 0.5
    ? `${first} The ${position0Rows} rows of position 0 are ${lengths.toFixed(1)} times as long as the others and weigh accordingly in every mean.`
    : `${first} The ${position0Rows} rows of position 0 are about as long as the others here.`;
}
