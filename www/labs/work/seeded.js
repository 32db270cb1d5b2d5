// @ts-check
// The order of training rows that follows from a seed by a formula short enough to be written again in any language.

import { permutation, uniform } from "./random.js";

/**
 * One order of `rows` rows for each epoch, one after the other, all from one stream of random numbers.
 * @param {number} rows @param {number} epochs @param {number} seed @returns {Uint32Array}
 */
export function batchOrder(rows, epochs, seed) {
  const next = uniform(seed);
  const all = new Uint32Array(rows * epochs);
  for (let epoch = 0; epoch < epochs; epoch += 1) all.set(permutation(rows, next), epoch * rows);
  return all;
}
