// @ts-check
// Week 7, cell 16, carried out: multiply one feature where the model runs, decode, go on, and see what comes next.

import { exact, visible } from "../../ui/format.js";
import { WEEK7_STEERING_TEXT } from "../texts/week7.js";
import { fixed } from "./bench.js";
import { NAMED, compareNext } from "./feature-steering.js";
import { hfHook } from "./hf-index.js";
import { decoded, encoded, length, row } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./rows.js").Tensor} Tensor */
/** @typedef {import("./feature-steering.js").NextTokens} NextTokens */

export const MULTIPLY = fixed({ text: WEEK7_STEERING_TEXT, layer: 6, alpha: 5, k: 5, prependBos: false, center: false, maxNewTokens: 20 });

/** @typedef {{id: number, token: string, prob: number}} Next */
/**
 * `activations`: of the feature at each position. `withError`: x + α-part, what the SAE misses stays; `withoutError`: the decoder's output
 * alone; `reconstructionOnly`: that with α = 1, which shows what the SAE's error does by itself.
 * @typedef {{text: string, tokens: string[], hook: string, feature: number, alpha: number, baseline: Next[], activations: number[], added: number,
 *   withError: NextTokens, withoutError: NextTokens, reconstructionOnly: NextTokens}} Multiplied  `added`: length of the change at the last position, with the error kept
 */

/**
 * Next-token tables before and after.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof MULTIPLY>} options
 * @returns {Promise<Multiplied>}
 */
export async function multiplyFeature({ model }, sae, options) {
  const { feature, text, layer, alpha, k, prependBos, center } = { ...MULTIPLY, ...options };
  const hook = hookOf(layer, model.config.nLayers);
  const settings = /** @type {const} */ ({ prependBos, center, logits: "last", topK: NAMED });
  const before = await model.run(text, { ...settings, hooks: [hook] });
  const x = before.hooks[hook];
  const features = await encoded(sae, x);
  const plain = await decoded(sae, features);
  const changed = await decoded(sae, scaled(features, feature, alpha));
  const kept = { data: x.data.map((value, i) => value + changed.data[i] - plain.data[i]), shape: x.shape };
  const after = async (/** @type {Tensor} */ replace) => compareNext(before, await model.run(text, { ...settings, edits: [{ hook, replace }] }), { temperature: 1, k });
  const last = x.shape[0] - 1;
  return {
    text,
    tokens: before.tokens.tokens,
    hook,
    feature,
    alpha,
    baseline: (before.top ?? []).slice(0, k).map(({ id, token, prob }) => ({ id, token, prob })),
    activations: Array.from({ length: x.shape[0] }, (_, i) => row(features, i)[feature]),
    added: length(row(kept, last).map((value, i) => value - row(x, last)[i])),
    withError: await after(kept),
    withoutError: await after(changed),
    reconstructionOnly: await after(plain),
  };
}

/**
 * Greedy continuations, plain and with the feature multiplied at every position on the way.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof MULTIPLY>} options
 * @returns {Promise<{plain: string, withError: string, withoutError: string}>}
 */
export async function multiplyGreedy({ model, signal }, sae, options) {
  const { feature, text, layer, alpha, prependBos, center, maxNewTokens } = { ...MULTIPLY, ...options };
  const hook = hookOf(layer, model.config.nLayers);
  const go = async (/** @type {import("../../engine/types.js").SteerDirection | null} */ direction) => {
    const steer = direction === null ? [] : [{ hook, sae, feature, strength: alpha, direction }];
    const made = await model.generate(text, { maxNewTokens, temperature: 0, prependBos, center, steer, ...(signal ? { signal } : {}) });
    return made.text;
  };
  return { plain: await go(null), withError: await go("scale"), withoutError: await go("scale-decode") };
}

/** @param {number} layer @param {number} nLayers */
function hookOf(layer, nLayers) {
  const entry = hfHook(layer, nLayers);
  if (entry === null) throw new RangeError(`hidden_states has entries 0 to ${nLayers}, and −1 to −${nLayers + 1}; ${layer} is none of them.`);
  return entry.hook;
}

/** @param {Tensor} features @param {number} feature @param {number} alpha @returns {Tensor} */
function scaled({ data, shape }, feature, alpha) {
  const copy = data.slice();
  for (let i = feature; i < copy.length; i += shape[1]) copy[i] *= alpha;
  return { data: copy, shape };
}

/** @param {Multiplied} result */
export function concludeMultiply({ feature, alpha, activations, withError, withoutError, reconstructionOnly, baseline }) {
  const on = activations.filter((x) => x > 0).length;
  if (on === 0) return `Feature ${feature} is active on no token of this text, and ${exact(alpha)} times nothing is nothing: choose a feature that is, or another text.`;
  const top = withError.steered[0];
  const kept = top.id === baseline[0].id ? `“${visible(top.token)}” stays the likeliest (${pct(baseline[0].prob)} → ${pct(top.prob)})` : `“${visible(top.token)}” takes the place of “${visible(baseline[0].token)}” as the likeliest (${pct(top.prob)})`;
  const first = `The feature is active on ${on} of ${activations.length} tokens; multiplied by ${exact(alpha)}, with the error kept, ${kept}, KL ${withError.kl.toPrecision(2)} nats.`;
  const second =
    reconstructionOnly.kl > withError.kl
      ? `The reconstruction alone, without any steering, changes more (${reconstructionOnly.kl.toPrecision(2)} nats), so without the error term one mostly sees the SAE's error.`
      : `Without the error term it is ${withoutError.kl.toPrecision(2)} nats, of which the reconstruction alone makes ${reconstructionOnly.kl.toPrecision(2)}.`;
  return withError.kl < 1e-3 ? `${first} That is no visible effect: raise α. ${second}` : `${first} ${second}`;
}

/** @param {number} x */
const pct = (x) => `${(100 * x).toFixed(1)} %`;
