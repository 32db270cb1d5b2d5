// @ts-check
// The L1 coefficient's units.
import { bad, show } from "./options.js";

/**
 * The coefficient of the same trade-off in the other loss unit. With "mean" both terms are means over the
 * batch and their last dimension (the notebooks), with "sum" they are sums over it (SAELens):
 * l1_sum = l1_mean · dOut / dSae, where dOut is the width of what is reconstructed. Adam hardly minds that
 * the whole loss is dOut times as large.
 *
 * @param {number} l1
 * @param {{from: "mean" | "sum", to: "mean" | "sum", dIn: number, dSae: number}} units  `dIn`: the reconstructed width
 * @returns {number}
 */
export function convertL1(l1, { from, to, dIn, dSae }) {
  for (const unit of [from, to]) {
    if (unit !== "mean" && unit !== "sum") throw bad(`convertL1: a unit is “mean” or “sum”, not ${show(unit)}.`, "Name both units.");
  }
  for (const number of [l1, dIn, dSae]) {
    if (!Number.isFinite(number)) throw bad(`convertL1 needs finite numbers, and was given ${show(number)}.`, "Give l1, dIn and dSae.");
  }
  if (from === to) return l1;
  return from === "mean" ? (l1 * dIn) / dSae : (l1 * dSae) / dIn;
}
