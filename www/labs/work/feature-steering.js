// @ts-check
// Chapter 9, cells 13 and 14: generation with a feature's direction added at every position, beside the plain one.

import { exact, visible } from "../../ui/format.js";
import { STEERING_PROMPT } from "../texts/chapter9.js";
import { fixed } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { check, largest, length } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").DirectionKind} DirectionKind */

/** The notebook adds the decoder's row as it is, five times, and draws three samples at temperature 0.7. */
export const STEERING = fixed({
  ...CHAPTER9_SITE,
  prompt: STEERING_PROMPT,
  strength: 5,
  direction: /** @type {DirectionKind} */ ("decoder"),
  maxNewTokens: 20,
  temperature: 0.7,
  samples: 3,
  seed: 42,
  k: 10,
});

/** Why cell 13 stops with an error in the notebook. */
export const WHY_IT_BROKE = Object.freeze({
  error: "TypeError",
  words:
    "Given a text, TransformerLens's generate returns a text. Its element 0 is therefore one letter, not a row of token numbers, and to_string cannot decode a letter. " +
    "The text that generate returned is the answer already; here it is shown as it is.",
});

/** @typedef {{prompt: string, plain: string[], steered: string[], greedy: {plain: string, steered: string}, greedyIds: {plain: number[], steered: number[]}, seeds: number[],
 *   norms: {direction: number, added: number, residual: number}}} Samples  `norms`: of the direction, of what is added, and the median one of the prompt's rows after position 0 */

/**
 * Samples without and with steering, pairwise from the same seeds, and the greedy continuation of both. What torch's
 * generator would draw from its seed 42 cannot be drawn here; the distribution that is drawn from is the same.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof STEERING>} options
 * @returns {Promise<Samples>}
 */
export async function steeringSamples(bench, sae, options) {
  const { feature, prompt, hook, prependBos, center, strength, direction, maxNewTokens, temperature, samples, seed } = { ...STEERING, ...options };
  const { model, signal, progress } = bench;
  const steer = [{ hook, sae, feature, strength, direction }];
  const seeds = Array.from({ length: samples }, (_, i) => seed + i);
  const total = 2 * (samples + 1);
  let done = 0;
  const one = async (/** @type {boolean} */ steered, /** @type {{temperature: number, seed?: number}} */ how) => {
    check(bench);
    const made = await model.generate(prompt, { maxNewTokens, prependBos, center, ...how, steer: steered ? steer : [], ...(signal ? { signal } : {}) });
    progress?.((done += 1), total, "continuations");
    return made;
  };
  const greedy = { plain: await one(false, { temperature: 0 }), steered: await one(true, { temperature: 0 }) };
  const plain = [];
  const steered = [];
  for (const at of seeds) {
    plain.push((await one(false, { temperature, seed: at })).text);
    steered.push((await one(true, { temperature, seed: at })).text);
  }
  const ids = { plain: [...greedy.plain.newIds], steered: [...greedy.steered.newIds] };
  return { prompt, plain, steered, greedy: { plain: greedy.plain.text, steered: greedy.steered.text }, greedyIds: ids, seeds, norms: await norms(bench, sae, options) };
}

/**
 * How long what is added is, against the rows that it is added to.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof STEERING>} options
 */
export async function norms({ model }, sae, options) {
  const { feature, prompt, hook, prependBos, center, strength, direction: kind } = { ...STEERING, ...options };
  const { data } = await sae.direction({ feature, kind });
  const run = await model.run(prompt, { hooks: [hook], prependBos, center, logits: "none" });
  const { data: rows, shape } = run.hooks[hook];
  const [count, width] = shape;
  const lengths = Array.from({ length: count - 1 }, (_, i) => length(rows.subarray((i + 1) * width, (i + 2) * width))).sort((a, b) => a - b);
  const middle = lengths.length === 0 ? length(rows) : (lengths[(lengths.length - 1) >> 1] + lengths[lengths.length >> 1]) / 2;
  return { direction: length(data), added: Math.abs(strength) * length(data), residual: middle };
}

/** @typedef {{id: number, token: string, plain: number, steered: number}} Shift */
/** @typedef {{temperature: number, plain: {id: number, token: string, prob: number}[], steered: {id: number, token: string, prob: number}[], shifts: Shift[], kl: number}} NextTokens */

/**
 * The distribution of the next token, from which the samples' first token is drawn, without and with steering.
 * `shifts`: the tokens whose probability changes most. `kl`: of the plain distribution to the steered one, in nats.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof STEERING>} options
 * @returns {Promise<NextTokens>}
 */
export async function nextTokens({ model }, sae, options) {
  const { feature, prompt, hook, prependBos, center, strength, direction, temperature, k } = { ...STEERING, ...options };
  const { data } = await sae.direction({ feature, kind: direction });
  const add = data.map((x) => x * strength);
  const settings = /** @type {const} */ ({ prependBos, center, logits: "last", topK: NAMED });
  const before = await model.run(prompt, settings);
  const after = await model.run(prompt, { ...settings, edits: [{ hook, add }] });
  return compareNext(before, after, { temperature, k });
}

/** So many of the likeliest tokens are asked for by name, before and after: no other can be among the few that are shown. */
export const NAMED = 200;

/**
 * @param {import("../../engine/types.js").RunResult} before @param {import("../../engine/types.js").RunResult} after  run with logits "last" and `topK` NAMED
 * @param {{temperature: number, k: number}} options
 * @returns {NextTokens}
 */
export function compareNext(before, after, { temperature, k }) {
  /** @type {Map<number, string>} */ const names = new Map([before, after].flatMap(({ top }) => (top ?? []).map(({ id, token }) => [id, token])));
  const name = (/** @type {number} */ id) => names.get(id) ?? `token ${id}`;
  const [plain, steered] = [before, after].map(({ logits }) => softmax(logits?.data ?? new Float32Array(), temperature));
  const list = (/** @type {Float64Array} */ probs) => best(probs, k).map((id) => ({ id, token: name(id), prob: probs[id] }));
  let kl = 0;
  for (let i = 0; i < plain.length; i += 1) if (plain[i] > 0) kl += plain[i] * Math.log(plain[i] / Math.max(steered[i], 1e-300));
  const change = plain.map((p, i) => Math.abs(steered[i] - p));
  const shifts = best(change, k).map((id) => ({ id, token: name(id), plain: plain[id], steered: steered[id] }));
  return { temperature, plain: list(plain), steered: list(steered), shifts, kl };
}

/** @param {Float32Array} logits @param {number} temperature @returns {Float64Array} */
function softmax(logits, temperature) {
  const scaled = Float64Array.from(logits, (x) => x / temperature);
  const most = scaled.reduce((m, x) => Math.max(m, x), -Infinity);
  const powers = scaled.map((x) => Math.exp(x - most));
  const sum = powers.reduce((s, x) => s + x, 0);
  return powers.map((x) => x / sum);
}

/** The places of the `k` largest. @param {Float64Array} list @param {number} k */
const best = (list, k) => largest(list, k).map(({ index }) => index);

/** @param {{samples: Samples, next: NextTokens, feature: number, strength: number}} result */
export function concludeSteering({ samples: { greedy, norms }, next, feature, strength }) {
  const share = norms.added / norms.residual;
  const size = `Strength ${exact(strength)} adds a vector of length ${norms.added.toFixed(1)}, ${(100 * share).toFixed(0)} % of a usual vector (${norms.residual.toFixed(1)})`;
  if (next.kl < 1e-3) return `${size}: too little to change what comes next. Try ${exact(Math.round((strength * 2) / share))} (twice a usual vector's length), or the feature's largest activation.`;
  const top = next.shifts[0];
  const moved = `feature #${feature} moves “${visible(top.token)}” from ${(100 * top.plain).toFixed(1)} % to ${(100 * top.steered).toFixed(1)} %`;
  const same = greedy.plain === greedy.steered;
  if (same) return `${size}; ${moved}, but the greedy continuation stays the same. Raise the strength to see a difference in the text.`;
  return `${size}; ${moved}, and the greedy continuation changes.${next.kl > 5 ? " So strong a push breaks the text rather than turning it: try less." : ""}`;
}
