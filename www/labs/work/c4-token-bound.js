// @ts-check
// Lab C.4, exercise 3: how bound an autoencoder's features are to single tokens, and what its numbering is worth.
import { cosine } from "../../ui/random-direction.js";
import { decimals } from "../../ui/format.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */

/**
 * For each feature the share of its activation that falls on one token, whichever is its favourite; 1 is a feature of that token alone. Position 0 is
 * left out. `mean` is over the features that are active at all, `error` its standard error. `even` is what a feature would have that answers to every row alike.
 *
 * @typedef {{mean: number, error: number, features: number, even: number, tokens: number}} TokenBound
 * @param {Sae} sae
 * @param {Acts} acts
 * @returns {Promise<TokenBound>}
 */
export async function tokenBound(sae, acts) {
  const { token, position } = await acts.rows();
  const encoded = await sae.encode(acts);
  try {
    const { data } = await encoded.read();
    return boundness(data, sae.config.dSae, token, position);
  } finally {
    await encoded.dispose();
  }
}

/**
 * @param {Float32Array} data  [rows, dSae]
 * @param {number} dSae
 * @param {Uint32Array} token
 * @param {Uint32Array} position
 * @returns {TokenBound}
 */
export function boundness(data, dSae, token, position) {
  const kinds = new Map();
  const rows = [...token.keys()].filter((row) => position[row] !== 0);
  for (const row of rows) if (!kinds.has(token[row])) kinds.set(token[row], kinds.size);
  const sums = new Float64Array(kinds.size * dSae);
  const counts = new Float64Array(kinds.size);
  for (const row of rows) {
    const kind = kinds.get(token[row]);
    counts[kind] += 1;
    for (let f = 0; f < dSae; f++) sums[kind * dSae + f] += data[row * dSae + f];
  }
  /** @type {number[]} */ const shares = [];
  for (let f = 0; f < dSae; f++) {
    let [total, most] = [0, 0];
    for (let kind = 0; kind < kinds.size; kind++) {
      const sum = sums[kind * dSae + f];
      total += sum;
      if (sum > most) most = sum;
    }
    if (total > 0) shares.push(most / total);
  }
  const n = shares.length;
  const mean = n ? shares.reduce((sum, x) => sum + x, 0) / n : 0;
  const variance = n > 1 ? shares.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) : 0;
  return { mean, error: n ? Math.sqrt(variance / n) : 0, features: n, even: rows.length ? Math.max(...counts) / rows.length : 0, tokens: kinds.size };
}

/** The difference of two means counts as clear above so many standard errors. */
export const CLEAR = 3;

/** @param {TokenBound} early @param {TokenBound} late @returns {"early" | "late" | "neither"} which of the two is more bound to tokens */
export function moreBound(early, late) {
  const apart = (early.mean - late.mean) / Math.max(Math.hypot(early.error, late.error), 1e-12);
  return apart > CLEAR ? "early" : apart < -CLEAR ? "late" : "neither";
}

/**
 * The cosine of features that have the same number in two autoencoders, and of each with its nearest: the mean of each.
 *
 * @typedef {{same: number, nearest: number}} Numbering
 * @param {Bench} bench
 * @param {Sae} a
 * @param {Sae} b
 * @returns {Promise<Numbering>}
 */
export async function numbering({ lab, signal }, a, b) {
  const [{ best }, from, to] = await Promise.all([lab.analysis.matching(a, b, { k: 1, signal }), a.weights(), b.weights()]);
  const [dA, dIn] = from.W_dec.shape;
  const n = Math.min(dA, to.W_dec.shape[0]);
  const row = (/** @type {import("../../engine/types.js").Tensor} */ { data }, /** @type {number} */ i) => data.subarray(i * dIn, (i + 1) * dIn);
  let same = 0;
  for (let i = 0; i < n; i++) same += cosine(row(from.W_dec, i), row(to.W_dec, i));
  return { same: same / n, nearest: best.reduce((sum, x) => sum + x, 0) / best.length };
}

/** @param {readonly {layer: number, bound: TokenBound}[]} layers @param {Numbering | null} numbers */
export function concludeBound(layers, numbers) {
  if (layers.length < 2) return "";
  const [early, late] = [layers[0], layers[layers.length - 1]];
  const which = moreBound(early.bound, late.bound);
  const shares = `a feature's favourite token holds ${decimals(2)(early.bound.mean)} of its activation at layer ${early.layer} and ${decimals(2)(late.bound.mean)} at layer ${late.layer} (active on all rows alike: ${decimals(2)(early.bound.even)})`;
  const said = [
    which === "early"
      ? `Position 0 left out, ${shares}: here the early layer is clearly more bound to single tokens.`
      : which === "late"
        ? `Position 0 left out, ${shares}: on these few texts the late layer is more bound to single tokens, against the usual account.`
        : `Position 0 left out, ${shares}: no clear difference between the two.`,
  ];
  if (numbers)
    said.push(
      `Features with the same number have a mean cosine of ${decimals(2)(numbers.same)}: ${
        numbers.same > 0.5 ? "alike, but only because both began with the same random weights" : "F17 in one autoencoder has nothing to do with F17 in the other"
      }.`,
    );
  return said.join(" ");
}
