// @ts-check
// Chapter 9, exercise 3: active features against reconstruction, over texts and for one text at several levels.

import { decimals, percent } from "../../ui/format.js";
import { RECONSTRUCTION_TEXT, TRADE_OFF_TEXTS } from "../texts/chapter9.js";
import { rankCorrelation } from "./auroc.js";
import { fixed } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { reconstruction } from "./reconstruction.js";
import { above, check, decoded, encoded, from, largest, row } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {{text: string, rows: number, l0: number, mse: number, ev: number | null, withoutPosition0: {l0: number, mse: number, ev: number | null} | null}} TextPoint  `ev`: the notebook's; after position 0 per dimension */
/** @typedef {{k: number | null, l0: number, mse: number, ev: number}} LevelPoint  `k`: features kept on each row; null: all. Position 0 is left out, the explained variance is per dimension */

export const TRADE_OFF = fixed({ ...CHAPTER9_SITE, texts: /** @type {readonly string[]} */ (TRADE_OFF_TEXTS) });
export const LEVELS = fixed({ ...CHAPTER9_SITE, text: RECONSTRUCTION_TEXT, levels: /** @type {readonly number[]} */ ([1, 2, 4, 8, 16, 32]) });

/**
 * One point a text, and the rank correlation of active features with explained variance: with position 0 and the notebook's
 * formula, and without it and per dimension.
 * @param {Bench} bench @param {Sae} sae @param {Partial<typeof TRADE_OFF>} [options]
 * @returns {Promise<{points: TextPoint[], correlation: number | null, correlationWithoutPosition0: number | null}>}
 */
export async function acrossTexts(bench, sae, options) {
  const { texts, ...site } = { ...TRADE_OFF, ...options };
  /** @type {TextPoint[]} */ const points = [];
  for (const [i, text] of texts.entries()) {
    check(bench);
    const { all, withoutPosition0: rest } = await reconstruction({ ...bench, progress: undefined }, sae, { ...site, texts: [text] });
    bench.progress?.(i + 1, texts.length, "texts");
    const after = rest && { l0: rest.l0, mse: rest.meanMse, ev: rest.evPerDimension };
    points.push({ text, rows: all.rows, l0: all.l0, mse: all.meanMse, ev: all.evGlobal, withoutPosition0: after });
  }
  const correlate = (/** @type {(point: TextPoint) => {l0: number, ev: number | null} | null} */ of) => {
    const known = points.map(of).filter((p) => p !== null && p.ev !== null);
    return rankCorrelation(known.map((p) => p?.l0 ?? 0), known.map((p) => p?.ev ?? 0));
  };
  return { points, correlation: correlate((p) => p), correlationWithoutPosition0: correlate((p) => p.withoutPosition0) };
}

/**
 * One text with only the k strongest features of each row kept: the trade-off itself, with all else equal.
 * @param {Bench} bench @param {Sae} sae @param {Partial<typeof LEVELS>} [options]
 * @returns {Promise<LevelPoint[]>}
 */
export async function acrossLevels(bench, sae, options) {
  const { text, levels, hook, prependBos, center } = { ...LEVELS, ...options };
  const run = await bench.model.run(text, { hooks: [hook], prependBos, center, logits: "none" });
  const rows = from(run.hooks[hook], 1);
  if (rows.shape[0] === 0) return [];
  const features = await encoded(sae, rows);
  /** @type {LevelPoint[]} */ const points = [];
  for (const k of [...levels, null]) {
    check(bench);
    const kept = k === null ? features : strongest(features, k);
    points.push({ k, l0: above(kept.data) / rows.shape[0], ...explained(rows, await decoded(sae, kept)) });
  }
  return points;
}

/** @param {import("./rows.js").Tensor} features @param {number} k @returns {import("./rows.js").Tensor} */
function strongest(features, k) {
  const data = new Float32Array(features.data.length);
  for (let i = 0; i < features.shape[0]; i += 1) {
    for (const { index, value } of largest(row(features, i), k)) data[i * features.shape[1] + index] = value;
  }
  return { data, shape: features.shape };
}

/** @param {import("./rows.js").Tensor} x @param {import("./rows.js").Tensor} y */
function explained(x, y) {
  const [rows, width] = x.shape;
  let [error, whole] = [0, 0];
  for (let d = 0; d < width; d += 1) {
    let mean = 0;
    for (let i = 0; i < rows; i += 1) mean += x.data[i * width + d] / rows;
    for (let i = 0; i < rows; i += 1) {
      error += (x.data[i * width + d] - y.data[i * width + d]) ** 2;
      whole += (x.data[i * width + d] - mean) ** 2;
    }
  }
  return { mse: error / (rows * width), ev: whole > 0 ? 1 - error / whole : 0 };
}

/** @param {{texts: Awaited<ReturnType<typeof acrossTexts>>, levels: readonly LevelPoint[]}} result */
export function concludeTradeOff({ texts, levels }) {
  const r = texts.correlationWithoutPosition0;
  const n = texts.points.length;
  // Two standard errors of a rank correlation without any relation.
  const chance = 2 / Math.sqrt(Math.max(n - 1, 1));
  const over =
    r === null
      ? "The texts do not differ enough to compare them."
      : Math.abs(r) < chance
        ? `Over ${n} texts active features and explained variance have a rank correlation of ${decimals(2)(r)}, no more than chance gives (±${chance.toFixed(2)}): some texts are simply harder.`
        : `Over ${n} texts the rank correlation of active features and explained variance is ${decimals(2)(r)}: ${r > 0 ? "where more are active, more is explained" : "texts that need more features are explained worse, as hard texts are"}.`;
  const [first, last] = [levels[0], levels[levels.length - 1]];
  if (first === undefined || last === undefined) return over;
  return `${over} On one text, keeping ${first.k === 1 ? "only the strongest feature" : `the ${first.k} strongest features`} of each position explains ${percent(first.ev)}${first.ev < 0 ? ", which is worse than the mean vector alone" : ""}; keeping all (${last.l0.toFixed(1)} on average) explains ${percent(last.ev)}: that is the trade-off.`;
}
