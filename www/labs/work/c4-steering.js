// @ts-check
// Lab C.4, part 6: continuing a text while a feature's direction is added — with the decoder's bias in it, as the
// notebook has it, without it, and along a random direction of the same length.
import { count, percent, rough } from "../../ui/format.js";
import { STEERING_PROMPT } from "../texts/c4.js";
import { fixed, residPost } from "./bench.js";
import { normals } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */
/** @typedef {import("../../engine/types.js").DirectionKind} DirectionKind */

/** `ranks` count in the list of the most active features, from 0. `strength` is the length of what is added (but a factor on "decoder"). */
export const STEERING = fixed({
  prompt: STEERING_PROMPT,
  ranks: Object.freeze([0, 5, 10]),
  strength: 10,
  layer: 6,
  maxNewTokens: 20,
  prependBos: true,
  kinds: Object.freeze(/** @type {DirectionKind[]} */ (["decode-one-hot-unit", "decoder-unit"])),
  control: true,
  seed: 0,
});

/** The three kinds of direction: with the bias and of unit length, the plain decoder row, and that of unit length. */
export const DIRECTION_KINDS = Object.freeze(/** @type {DirectionKind[]} */ (["decode-one-hot-unit", "decoder", "decoder-unit"]));

/**
 * The features at some ranks of a list; ranks beyond its end are left out.
 *
 * @param {readonly {feature: number}[]} features
 * @param {readonly number[]} [ranks]
 */
export const atRanks = (features, ranks = STEERING.ranks) => ranks.flatMap((rank) => (features[rank] === undefined ? [] : [features[rank].feature]));

/**
 * `text` is the prompt and what was added to it; `same` counts the new tokens before the first that differs from the baseline's.
 *
 * @typedef {{text: string, newIds: number[]}} Continued
 * @typedef {Continued & {feature: number | null, kind: DirectionKind | "random", same: number, sameAsWithBias: boolean | null}} Steered  `feature` null: the random control
 * @typedef {{prompt: string, strength: number, baseline: Continued, steered: Steered[]}} Steering
 */

/**
 * The most likely token, twenty times: unsteered, and for each feature and kind of direction. As in the notebook the steered texts
 * do not stop at the end-of-text token, and the unsteered does.
 *
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {readonly number[]} features
 * @param {Partial<typeof STEERING>} [options]
 * @returns {Promise<Steering>}
 */
export async function steer({ model, signal, progress }, sae, features, options) {
  const { prompt, strength, layer, maxNewTokens, prependBos, kinds, control, seed } = { ...STEERING, ...options };
  const hook = residPost(layer);
  const greedy = { temperature: 0, maxNewTokens, prependBos, signal };
  const of = 1 + features.length * kinds.length + (control ? 1 : 0);
  let done = 0;
  const step = () => progress?.(++done, of, "texts");
  const first = await model.generate(prompt, greedy);
  step();
  const baseline = { text: first.text, newIds: [...first.newIds] };
  /** @param {import("../../engine/types.js").Steer} how @returns {Promise<Continued & {same: number}>} */
  const along = async (how) => {
    const { text, newIds } = await model.generate(prompt, { ...greedy, stopAtEos: false, steer: [how] });
    step();
    const differs = newIds.findIndex((id, i) => id !== baseline.newIds[i]);
    return { text, newIds: [...newIds], same: differs < 0 ? newIds.length : differs };
  };
  /** @type {Steered[]} */
  const steered = [];
  for (const feature of features) {
    /** @type {string | null} */ let withBias = null;
    for (const kind of kinds) {
      const made = await along({ hook, sae, feature, strength, direction: kind });
      /** @type {Steered} */
      const entry = { ...made, feature, kind, sameAsWithBias: kind === "decode-one-hot-unit" || withBias === null ? null : withBias === made.text };
      if (kind === "decode-one-hot-unit") withBias = made.text;
      steered.push(entry);
    }
  }
  if (control) {
    const vector = unit(normals(sae.config.dIn, seed));
    steered.push({ ...(await along({ hook, vector, strength })), feature: null, kind: "random", sameAsWithBias: null });
  }
  return { prompt, strength, baseline, steered };
}

/** @param {Float32Array} x */
const lengthOf = (x) => Math.hypot(...x);

/** @param {Float32Array} x */
function unit(x) {
  const length = lengthOf(x);
  return x.map((value) => value / length);
}

/** @param {Float32Array} a @param {Float32Array} b */
const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0) / (lengthOf(a) * lengthOf(b));

/** Every vector with every other, row by row. @param {readonly Float32Array[]} vectors @returns {import("../../engine/types.js").Tensor} */
const cosines = (vectors) => ({
  data: Float32Array.from(vectors.flatMap((a) => vectors.map((b) => cosine(a, b)))),
  shape: [vectors.length, vectors.length],
});

/**
 * What the directions of some features have in common.
 *
 * `kinds[n]` [3, 3] are the cosines between the three kinds of feature number n (order: DIRECTION_KINDS). `features[kind]` are those between the features in
 * one kind. `biasWith` is each decoder row's cosine with the bias. `share` is the strength over the median norm of the rows.
 *
 * @typedef {import("../../engine/types.js").Tensor} Tensor
 * @typedef {{features: readonly number[], kinds: Tensor[], between: Record<DirectionKind, Tensor>, rowNorms: number[], biasNorm: number, biasWith: number[],
 *   medianNorm: number, share: number}} Directions
 * @param {Sae} sae
 * @param {readonly number[]} features
 * @param {Acts} acts
 * @param {{strength?: number}} [options]
 * @returns {Promise<Directions>}
 */
export async function directions(sae, features, acts, { strength = STEERING.strength } = {}) {
  const vectors = await Promise.all(
    features.map((feature) => Promise.all(DIRECTION_KINDS.map(async (kind) => (await sae.direction({ feature, kind })).data))),
  );
  const { b_dec } = await sae.weights();
  const { medianNorm } = acts.stats.withoutPosition0.rows > 0 ? acts.stats.withoutPosition0 : acts.stats.all;
  const ofKind = (/** @type {number} */ n) => vectors.map((own) => own[n]);
  const rows = ofKind(1);
  return {
    features,
    kinds: vectors.map(cosines),
    between: { "decode-one-hot-unit": cosines(ofKind(0)), decoder: cosines(rows), "decoder-unit": cosines(ofKind(2)) },
    rowNorms: rows.map(lengthOf),
    biasNorm: lengthOf(b_dec.data),
    biasWith: rows.map((row) => cosine(row, b_dec.data)),
    medianNorm,
    share: strength / medianNorm,
  };
}

/** The mean over the pairs of different vectors. @param {Tensor} tensor */
function meanBetween({ data, shape: [n = 0] }) {
  if (n < 2) return null;
  return (data.reduce((sum, x) => sum + x, 0) - n) / (n * (n - 1));
}

/** @param {Directions} directions */
export function concludeDirections({ kinds, between, rowNorms, biasNorm, share }) {
  const withRow = kinds.map(({ data }) => data[1]);
  const least = Math.min(...withRow);
  const row = rowNorms.reduce((sum, x) => sum + x, 0) / rowNorms.length;
  const to = withRow.length > 1 ? ` to ${rough(Math.max(...withRow))}` : "";
  const said = [`The decoder's bias is ${rough(biasNorm / row)} times as long as a decoder row; the notebook's direction has a cosine of ${rough(least)}${to} with the row alone.`];
  const [biased, plain] = [meanBetween(between["decode-one-hot-unit"]), meanBetween(between.decoder)];
  if (biased !== null && plain !== null) {
    said.push(
      biased - plain > 0.1
        ? `Between features it is ${rough(biased)} with the bias and ${rough(plain)} without: the bias makes different features steer alike, so leave it out.`
        : `Between features it is ${rough(biased)} with the bias and ${rough(plain)} without: here the bias changes little.`,
    );
  }
  const long = share > 1 ? "expect incoherent text" : share < 0.1 ? "expect little change" : "enough to be seen";
  said.push(`The strength is ${percent(share)} of a typical row's length: ${long}.`);
  return said.join(" ");
}

/** @param {Steering} steering */
export function concludeSteering({ baseline, steered, strength }) {
  const total = baseline.newIds.length;
  const features = steered.filter(({ kind }) => kind === "decode-one-hot-unit");
  const control = steered.find(({ kind }) => kind === "random");
  const moved = features.filter(({ text }) => text !== baseline.text);
  if (features.length > 0 && moved.length === 0) {
    return `At strength ${rough(strength)} none of the ${count(features.length)} features changes the greedy continuation: double the strength until one does.`;
  }
  const said = [];
  if (features.length > 0) {
    const earliest = Math.min(...moved.map(({ same }) => same + 1));
    said.push(`${moved.length} of ${count(features.length)} features change the continuation, ${moved.length > 1 ? "the earliest from" : "from"} token ${earliest} of ${total} on.`);
  }
  const texts = new Set(features.map(({ text }) => text));
  if (features.length > 1 && texts.size < features.length) {
    said.push(`Only ${texts.size} different ${texts.size === 1 ? "text comes" : "texts come"} of ${features.length} features: they do not steer apart.`);
  }
  const bare = steered.filter(({ sameAsWithBias }) => sameAsWithBias !== null);
  const differing = bare.filter(({ sameAsWithBias }) => sameAsWithBias === false).length;
  const others = `${differing} of ${bare.length} texts ${differing === 1 ? "reads" : "read"} otherwise: part of the effect was the bias's, not the feature's`;
  if (bare.length > 0) said.push(`With the bias left out ${differing === 0 ? "the texts are the same" : others}.`);
  if (control !== undefined) {
    said.push(
      control.text === baseline.text
        ? "A random direction of the same length changes nothing, so the effect is the features' own."
        : `A random direction of the same length changes the text too, so a change alone is no evidence: what changes must fit the feature.`,
    );
  }
  return said.join(" ");
}
