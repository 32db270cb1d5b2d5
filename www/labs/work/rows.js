// @ts-check
// Rows of numbers, read off the device and looked at.

import { cancelled } from "../../engine/errors.js";
import { using, watch } from "./bench.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */
/** @typedef {import("../../engine/types.js").Tensor} Tensor */
/** @typedef {import("../../engine/types.js").TensorLike} TensorLike */

/** Ends a loop of short calls where its caller has aborted, as the calls themselves do: LAB-CANCELLED. @param {Bench} bench */
export function check({ signal }) {
  if (signal?.aborted) throw cancelled(signal.reason);
}

/** Features of rows, as numbers. @param {Sae} sae @param {Acts | TensorLike} rows @returns {Promise<Tensor>} [rows, dSae] */
export async function encoded(sae, rows) {
  return using(await sae.encode(rows), (features) => features.read());
}

/** What the decoder makes of features, as numbers. @param {Sae} sae @param {TensorLike} features @returns {Promise<Tensor>} [rows, dIn] */
export async function decoded(sae, features) {
  return using(await sae.decode(features), (rows) => rows.read());
}

/** Row `i`, without a copy. @param {Tensor} tensor @param {number} i */
export const row = ({ data, shape }, i) => data.subarray(i * shape[1], (i + 1) * shape[1]);

/** Rows from `start` on, without a copy. @param {Tensor} tensor @param {number} start @returns {Tensor} */
export const from = ({ data, shape: [rows, width] }, start) => ({ data: data.subarray(start * width), shape: [Math.max(rows - start, 0), width] });

/** @param {ArrayLike<number>} list */
export function mean(list) {
  let sum = 0;
  for (let i = 0; i < list.length; i += 1) sum += list[i];
  return list.length === 0 ? 0 : sum / list.length;
}

/** @param {ArrayLike<number>} vector */
export function length(vector) {
  let sum = 0;
  for (let i = 0; i < vector.length; i += 1) sum += vector[i] ** 2;
  return Math.sqrt(sum);
}

/** How many are above a threshold. @param {ArrayLike<number>} list @param {number} [threshold] */
export function above(list, threshold = 0) {
  let n = 0;
  for (let i = 0; i < list.length; i += 1) if (list[i] > threshold) n += 1;
  return n;
}

/** The `k` largest with their places, largest first and of equals the first first. @param {ArrayLike<number>} list @param {number} k */
export function largest(list, k) {
  /** @type {{index: number, value: number}[]} */ const best = [];
  // sorting tens of thousands of numbers for the sake of a few would hold up the page
  for (let index = 0; index < list.length && k > 0; index += 1) {
    const value = list[index];
    if (best.length === k && !(value > best[k - 1].value)) continue;
    let at = best.length;
    while (at > 0 && value > best[at - 1].value) at -= 1;
    best.splice(at, 0, { index, value });
    if (best.length > k) best.pop();
  }
  return best;
}

/** One feature on every row of a data set. @param {Bench} bench @param {Sae} sae @param {Acts} acts @param {number} feature */
export async function column(bench, sae, acts, feature) {
  const { data } = await bench.lab.analysis.featureActs(sae, acts, { features: [feature], ...watch(bench, "rows") });
  return data;
}
