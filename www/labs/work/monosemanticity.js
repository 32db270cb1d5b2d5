// @ts-check
// Week 7, cell 15: on how many rows a feature is clearly active, and a sample of them.

import { fixed } from "./bench.js";
import { examplesOf } from "./corpus-examples.js";
import { WEEK7_TEXTS } from "../texts/week7.js";
import { column } from "./rows.js";
import { uniform } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./corpus-examples.js").Example} Example */

/** Ten are drawn, of which the first five in the order of the texts are shown. */
export const MONOSEMANTICITY = fixed({ threshold: 0.1, sample: 10, shown: 5, seed: 0, prependBos: false, skipPosition0: false, texts: /** @type {readonly string[]} */ (WEEK7_TEXTS) });

/**
 * @param {Bench} bench @param {import("./bench.js").Sae} sae @param {import("./bench.js").Acts} acts @param {{feature: number} & Partial<typeof MONOSEMANTICITY>} options
 * @returns {Promise<{feature: number, threshold: number, count: number, rows: number, active: Example[], drawn: Example[], shown: Example[], byTenth: (Example | null)[], distinctTokens: number, atPosition0: number}>}
 *   `active`: all of them, in the order of the texts; `byTenth`: one for each tenth of the range from the threshold to the largest, so that weak ones are seen too
 */
export async function monosemanticity(bench, sae, acts, options) {
  const { feature, threshold, sample, shown, seed, texts, prependBos, skipPosition0 } = { ...MONOSEMANTICITY, ...options };
  const values = await column(bench, sae, acts, feature);
  const all = await examplesOf(bench, acts, values, texts, prependBos);
  const active = all.filter(({ activation, position }) => activation > threshold && !(skipPosition0 && position === 0));
  const next = uniform(seed);
  const pool = [...active];
  /** @type {Example[]} */ const drawn = [];
  while (drawn.length < sample && pool.length > 0) drawn.push(...pool.splice(Math.floor(next() * pool.length), 1));
  drawn.sort((a, b) => a.row - b.row);
  const most = Math.max(threshold, ...active.map(({ activation }) => activation));
  const tenth = (/** @type {number} */ x) => Math.min(9, Math.floor((10 * (x - threshold)) / (most - threshold || 1)));
  const byTenth = Array.from({ length: 10 }, (_, i) => active.find(({ activation }) => tenth(activation) === i) ?? null);
  return {
    feature,
    threshold,
    count: active.length,
    rows: values.length,
    active,
    drawn,
    shown: drawn.slice(0, shown),
    byTenth,
    distinctTokens: new Set(active.map(({ raw }) => raw)).size,
    atPosition0: active.filter(({ position }) => position === 0).length,
  };
}

/** @param {Awaited<ReturnType<typeof monosemanticity>>} result */
export function concludeMonosemanticity({ feature, threshold, count, rows, distinctTokens, atPosition0 }) {
  if (count === 0) return `Feature ${feature} is above ${threshold} on no row: lower the threshold, or choose another feature.`;
  const on = `Feature ${feature} is above ${threshold} on ${count} of ${rows} rows (${distinctTokens === 1 ? "one token" : `${distinctTokens} different tokens`})`;
  if (count > 0.5 * rows) return `${on}: on most of everything, so it cannot stand for one concept. A larger L1 coefficient makes features rarer.`;
  if (count < 3) return `${on}: too few to see what they share.`;
  if (atPosition0 > 0.5 * count) return `${on}, ${atPosition0} of them the first of a text: a feature of the position, not of a concept.`;
  if (distinctTokens <= 2) return `${on}: it may be a feature of the token itself.`;
  return `${on}. Whether they share a concept is for a reader to say: compare the strong examples with the weak ones.`;
}
