// @ts-check
// Beside chapter 9's cells 13 and 14: the same samples at a strength that follows from the feature's own activations.

import { LANDMARK_TEXT, PROSE_TEXTS, TEST_TEXTS } from "../texts/chapter9.js";
import { fixed, using, watch } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { STEERING } from "./feature-steering.js";
import { check, column } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */

export const LARGEST = fixed({ ...CHAPTER9_SITE, texts: /** @type {readonly string[]} */ ([LANDMARK_TEXT, ...TEST_TEXTS, ...PROSE_TEXTS]) });

/**
 * The feature's largest activation on some texts, position 0 left out.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof LARGEST>} options
 */
export async function largestActivation(bench, sae, options) {
  const { feature, texts, hook, prependBos, center } = { ...LARGEST, ...options };
  return using(await bench.model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") }), async (acts) => {
    const values = await column({ ...bench, progress: undefined }, sae, acts, feature);
    const { position } = await acts.rows();
    return values.reduce((most, x, i) => (position[i] > 0 ? Math.max(most, x) : most), 0);
  });
}

/**
 * Sampled continuations and the greedy one, with a vector added at every position; seeds as in `steeringSamples`.
 * @param {Bench} bench
 * @param {{vector: ArrayLike<number>} & Partial<Pick<typeof STEERING, "prompt" | "hook" | "prependBos" | "center" | "maxNewTokens" | "temperature" | "samples" | "seed">>} options
 * @returns {Promise<{texts: string[], greedy: string}>}
 */
export async function samplesAlong(bench, options) {
  const { vector, prompt, hook, prependBos, center, maxNewTokens, temperature, samples, seed } = { ...STEERING, ...options };
  const { model, signal, progress } = bench;
  const steer = [{ hook, vector: Float32Array.from(vector), strength: 1 }];
  const one = async (/** @type {{temperature: number, seed?: number}} */ how, /** @type {number} */ done) => {
    check(bench);
    const { text } = await model.generate(prompt, { maxNewTokens, prependBos, center, ...how, steer, ...(signal ? { signal } : {}) });
    progress?.(done, samples + 1, "continuations");
    return text;
  };
  const greedy = await one({ temperature: 0 }, 1);
  const texts = [];
  for (let i = 0; i < samples; i += 1) texts.push(await one({ temperature, seed: seed + i }, i + 2));
  return { texts, greedy };
}
