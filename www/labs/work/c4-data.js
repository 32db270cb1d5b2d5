// @ts-check
// Lab C.4, part 3: the activations an autoencoder is trained on — sample prompts, and random tokens beside them.
import { count, norm, percent, rough } from "../../ui/format.js";
import { SAMPLE_PROMPTS } from "../texts/c4.js";
import { fixed, residPost, watch } from "./bench.js";
import { uniform } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Acts} Acts */

/**
 * `position` is about the prompts; random sequences give all of their positions. `ids` are sequences of the caller's own, instead of drawn
 * ones, and `randomBos` puts the BOS token in front of each, as the prompts have it and the notebook's random tokens do not: these two
 * follow `position` as the prompts do.
 */
export const DATA = fixed({
  prompts: SAMPLE_PROMPTS,
  layer: 6,
  position: /** @type {"all" | "last" | "random"} */ ("all"),
  prependBos: true,
  center: true,
  randomCount: 50,
  randomLength: 20,
  minId: /** @type {number | null} */ (null),
  maxId: /** @type {number | null} */ (null),
  randomBos: false,
  ids: /** @type {readonly (readonly number[])[] | null} */ (null),
  seed: 0,
});

/**
 * `prompts` are the rows of the prompts alone, `all` those with the random sequences behind them (the same handle where
 * there are none). Texts of `all` from number `promptCount` on, and those below 0, are random sequences; `ids` are those
 * drawn here; none where the engine draws (for positions other than all).
 *
 * @typedef {{prompts: Acts, all: Acts, texts: readonly string[], ids: number[][], promptCount: number, hook: string, layer: number, settings: typeof DATA,
 *   handles: Acts[]}} Data
 */

/**
 * The ids that random sequences are drawn from. The notebook's 1000 to 39999 need GPT-2's vocabulary; in a smaller one single
 * bytes and the end-of-text token are left out.
 *
 * @param {number} dVocab
 */
export const randomIds = (dVocab) => (dVocab > 40_000 ? { minId: 1000, maxId: 39_999 } : { minId: Math.min(256, dVocab - 2), maxId: dVocab - 2 });

/**
 * Random sequences of token ids, `minId` and `maxId` included.
 *
 * @param {{count: number, length: number, minId: number, maxId: number, seed: number}} settings
 * @returns {number[][]}
 */
export function drawSequences({ count, length, minId, maxId, seed }) {
  const next = uniform(seed);
  const id = () => minId + Math.floor(next() * (maxId - minId + 1));
  return Array.from({ length: count }, () => Array.from({ length }, id));
}

/**
 * Runs the model over the prompts and over random sequences.
 *
 * @param {Bench} bench
 * @param {Partial<typeof DATA>} [options]
 * @returns {Promise<Data>}
 */
export async function collectData(bench, options) {
  const settings = { ...DATA, ...options };
  const { model } = bench;
  const { prompts: texts, layer, position, prependBos, center, randomCount, randomLength, randomBos, seed } = settings;
  const range = randomIds(model.config.dVocab);
  const { minId, maxId } = { minId: settings.minId ?? range.minId, maxId: settings.maxId ?? range.maxId };
  const ids = (settings.ids ?? drawSequences({ count: randomCount, length: randomLength, minId, maxId, seed })).map((sequence) => [...sequence]);
  const hook = residPost(layer);
  const collect = { hook, position, prependBos, center, seed };
  const prompts = await model.collect(texts, { ...collect, signal: bench.signal });
  if (ids.length === 0) return { prompts, all: prompts, texts, ids, promptCount: texts.length, hook, layer, settings, handles: [prompts] };
  const sequences = randomBos ? ids.map((sequence) => [model.config.bos, ...sequence]) : ids;
  try {
    const drawnByEngine = position !== "all" && settings.ids === null && !randomBos;
    const all = await (drawnByEngine
      ? model.collect(texts, { ...collect, randomSequences: { count: randomCount, length: randomLength, minId, maxId }, ...watch(bench, "sequences") })
      : model.collect([...texts, ...sequences], { ...collect, ...watch(bench, "sequences") }));
    return { prompts, all, texts, ids: drawnByEngine ? [] : ids, promptCount: texts.length, hook, layer, settings, handles: [prompts, all] };
  } catch (error) {
    await prompts.dispose();
    throw error;
  }
}

/**
 * How long the rows of each origin are: prompts (with BOS) and random tokens (in the notebook without) are two
 * distributions, and position 0 is a third.
 *
 * @typedef {{origin: "prompts" | "random", position0: boolean, rows: number, meanNorm: number, maxNorm: number}} Group
 * @param {Data} data
 * @returns {Promise<{groups: Group[], norms: Float32Array, random: Uint8Array, position: Uint32Array, token: Uint32Array, text: Int32Array}>}
 *   one number per row of `data.all`; `random` is 1 where a row comes from a random sequence
 */
export async function byOrigin({ all, promptCount }) {
  const [{ data, shape }, { text, position, token }] = await Promise.all([all.read(), all.rows()]);
  const [rows, width] = /** @type {[number, number]} */ (shape);
  const norms = Float32Array.from({ length: rows }, (_, row) => Math.hypot(...data.subarray(row * width, (row + 1) * width)));
  const random = Uint8Array.from(text, (n) => (n < 0 || n >= promptCount ? 1 : 0));
  /** @type {Group[]} */
  const groups = [];
  for (const origin of /** @type {const} */ (["prompts", "random"])) {
    for (const position0 of [true, false]) {
      const own = norms.filter((_, row) => (random[row] === 1) === (origin === "random") && (position[row] === 0) === position0);
      if (own.length === 0) continue;
      const sum = own.reduce((s, x) => s + x, 0);
      groups.push({ origin, position0, rows: own.length, meanNorm: sum / own.length, maxNorm: own.reduce((m, x) => Math.max(m, x), 0) });
    }
  }
  return { groups, norms, random, position, token, text };
}

/**
 * What the data set is like, from its own numbers.
 *
 * @param {{rows: number, width: number, distinctRows: number}} stats  of `data.all`
 * @param {readonly Group[]} groups
 */
export function concludeData({ rows, width, distinctRows }, groups) {
  const of = (/** @type {(group: Group) => boolean} */ which) => {
    const own = groups.filter(which);
    const total = own.reduce((sum, group) => sum + group.rows, 0);
    return { rows: total, mean: total === 0 ? 0 : own.reduce((sum, group) => sum + group.rows * group.meanNorm, 0) / total };
  };
  const few = distinctRows < 10 * width ? `: ${rough(distinctRows / width)} per dimension, too few to generalise from` : "";
  const said = [`${count(rows)} rows, of which ${count(distinctRows)} differ, of ${count(width)} dimensions each${few}.`];
  const [first, later] = [of((g) => g.position0), of((g) => !g.position0)];
  if (first.rows > 0 && later.rows > 0) {
    const times = first.mean / later.mean;
    const weighs = times > 2 ? ": every mean over all rows is mostly about them" : times > 1.1 ? ": longer, but not enough to rule every mean" : "";
    said.push(`Position 0 is ${percent(first.rows / rows)} of them, with a mean length of ${norm(first.mean)} against ${norm(later.mean)}${weighs}.`);
  }
  const [prompts, random] = [of((g) => g.origin === "prompts" && !g.position0), of((g) => g.origin === "random" && !g.position0)];
  if (prompts.rows > 0 && random.rows > 0) {
    const ratio = random.mean / prompts.mean;
    const how = ratio > 1.1 ? "longer than" : ratio < 0.9 ? "shorter than" : "about as long as";
    const share = random.rows / (random.rows + prompts.rows);
    said.push(
      `Rows of random tokens are ${how} those of the prompts (${norm(random.mean)} and ${norm(prompts.mean)}, position 0 left out), ` +
        `and ${percent(share)} of what is learnt from.`,
    );
  }
  return said.join(" ");
}
