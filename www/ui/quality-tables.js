// @ts-check
// Every figure of an autoencoder's quality: its name, how it is written, and what sets it apart from its neighbours.

import { count, counted, decimals, number, percent } from "./format.js";

/** @typedef {import("./types.js").Figures} Figures */
/** @typedef {import("./types.js").Quality} Quality */
/** @typedef {import("./types.js").Spliced} Spliced */
/** @typedef {{title: string, quality: Quality, spliced: Spliced | null}} Judged of one set of texts; without any text to read there is no cross-entropy */

const three = decimals(3),
  four = decimals(4);

/** @type {{key: keyof Figures, label: string, format: (x: number) => string, says: string}[]} */
const figures = [
  { key: "rows", label: "rows", format: count, says: "one for each token read" },
  { key: "distinctRows", label: "distinct rows", format: count, says: "texts that begin alike give the same rows" },
  { key: "l0", label: "L0, active features", format: number, says: "mean number above zero on a row" },
  { key: "fracActive", label: "fraction active", format: percent, says: "L0 as a share of all features" },
  { key: "meanMse", label: "MSE", format: number, says: "mean over rows and dimensions, as in the notebooks" },
  { key: "mse", label: "squared error of a row", format: number, says: "summed over dimensions, as in SAELens" },
  {
    key: "evPerDimension",
    label: "EV, per dimension",
    format: four,
    says: "1 − error / spread around each dimension's own mean: the usual one",
  },
  {
    key: "evLegacy",
    label: "EV, legacy",
    format: four,
    says: "the same share row by row, then the mean: rows near the mean weigh as much as far ones",
  },
  {
    key: "evDictionaryLearning",
    label: "EV, dictionary_learning",
    format: four,
    says: "from the error's variance: an error that is the same on every row is forgiven",
  },
  {
    key: "evGlobal",
    label: "EV, notebooks",
    format: four,
    says: "spread around one mean of all numbers: differences between dimensions count as explained",
  },
  { key: "cosine", label: "cosine", format: four, says: "between a row and its reconstruction; 1 is the same direction" },
  { key: "normRatio", label: "norm ratio", format: four, says: "length of the reconstruction over the row's; below 1 it shrinks" },
  { key: "deadLatents", label: "dead features", format: count, says: "never active on these rows" },
  { key: "denseLatents", label: "dense features", format: count, says: "active on more than 10 % of these rows" },
];

/** @param {Judged} judged @returns {import("./data-table.js").Table} */
export function figureTable({ title, quality: { all, withoutPosition0: rest } }) {
  const shown = (/** @type {number} */ x, /** @type {import("./data-table.js").Row} */ row) =>
    figures.find(({ label }) => label === row.what)?.format(x) ?? number(x);
  return {
    caption: title,
    columns: [
      { key: "what", label: "figure" },
      { key: "all", label: "all", kind: "number", format: shown },
      { key: "rest", label: "without pos. 0", kind: "number", format: shown },
      { key: "says", label: "what it is", kind: "prose" },
    ],
    rows: figures.map(({ key, label, says }) => ({ what: label, all: all[key], rest: rest?.[key], says })),
  };
}

/** @param {Judged} judged @returns {import("./data-table.js").Table} */
export function lossTable({ title, spliced }) {
  const s = /** @type {Spliced} */ (spliced);
  return {
    caption: `What stands at the hook · ${title}`,
    columns: [
      { key: "what", label: "at the hook" },
      { key: "ce", label: "cross-entropy", kind: "number", format: three },
      { key: "delta", label: "Δ", kind: "number", format: three },
      { key: "kl", label: "KL", kind: "number", format: three },
      { key: "recovered", label: "recovered", kind: "number", format: three },
    ],
    rows: [
      { what: "the model's own vectors", ce: s.ceClean, delta: 0, kl: 0, recovered: null },
      { what: "the reconstructions", ce: s.ceSae, delta: s.deltaCe, kl: s.klSae, recovered: null },
      { what: "zeros", ce: s.ceZero, delta: s.ceZero - s.ceClean, kl: s.klZero, recovered: s.lossRecovered },
      { what: "the mean row", ce: s.ceMean, delta: s.ceMean - s.ceClean, kl: s.klMean, recovered: s.lossRecoveredMean },
    ],
  };
}

/** @param {Quality} quality @returns {import("./data-table.js").Table} */
export const densityTable = ({ histogram: { edges, counts, zeros }, rows }) => ({
  caption: `Features by density, over ${counted(rows, "row")}`,
  columns: [
    { key: "from", label: "active on, from" },
    { key: "to", label: "to" },
    { key: "n", label: "features", kind: "number", format: count },
  ],
  rows: [{ from: "no row", to: "", n: zeros }, ...counts.map((n, i) => ({ from: share(edges[i]), to: share(edges[i + 1]), n }))],
});

/** A density on its logarithmic axis, as a share. @param {number} log */
export const share = (log) => `${Number((100 * 10 ** log).toPrecision(2))} %`;
