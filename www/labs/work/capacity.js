// @ts-check
// Week 7, cells 18 and 19: the same SAE at two, four and eight times the width.

import { fixed, watch } from "./bench.js";
import { check } from "./rows.js";
import { batchOrder } from "./seeded.js";
import { week7Sae } from "./week7-training.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").WeightsLike} WeightsLike */
/** @typedef {{capacity: number, expansion: number, recon: number, l0: number, sparsity: number, distinctRows: number, evWithoutPosition0: number | null, heldOut: import("../../engine/types.js").HeldOut | null, dead: number}} Capacity
 *   `recon`, `l0`, `sparsity` (l0 over the capacity) are the notebook's, of all rows after training */

export const CAPACITY = fixed({ expansions: /** @type {readonly number[]} */ ([2, 4, 8]), epochs: 20, batchSize: 32, lr: 1e-3, l1: 1e-3, seed: 0, heldOut: 0 });

/**
 * `weights` and `order` repeat a given run: weights for a capacity, and the rows of all epochs of the SAE number i. Without them both follow from the seed.
 * @param {Bench} bench @param {import("./bench.js").Acts} acts
 * @param {Partial<typeof CAPACITY> & {weights?: ((capacity: number) => WeightsLike) | null, order?: ((i: number) => Uint32Array) | null, keep?: (sae: Sae, capacity: number) => void}} [options]
 *   `keep` is handed each SAE, which is then the caller's to dispose of
 * @returns {Promise<Capacity[]>}
 */
export async function capacitySweep(bench, acts, options) {
  const { expansions, epochs, batchSize, lr, l1, seed, heldOut, weights = null, order = null, keep } = { ...CAPACITY, ...options };
  const [rows, dIn] = acts.shape;
  /** @type {Capacity[]} */ const results = [];
  for (const [i, expansion] of expansions.entries()) {
    check(bench);
    const capacity = expansion * dIn;
    const { sae } = await week7Sae(bench, { dIn, dSae: capacity, seed: seed + i, ...(weights ? { weights: weights(capacity) } : {}) });
    try {
      const inOrder = heldOut > 0 ? {} : { order: order ? order(i) : batchOrder(rows, epochs, seed + i) };
      const { epochs: history } = await sae.train(acts, { epochs, batchSize, lr, l1, heldOut, seed, ...inOrder, ...watch(bench, `steps at ${capacity} features`) });
      const { all, withoutPosition0: rest } = await bench.lab.analysis.quality(sae, acts);
      results.push({
        capacity,
        expansion,
        recon: all.meanMse,
        l0: all.l0,
        sparsity: all.l0 / capacity,
        distinctRows: all.distinctRows,
        evWithoutPosition0: rest?.evPerDimension ?? null,
        heldOut: history[history.length - 1]?.heldOut ?? null,
        dead: all.deadLatents,
      });
    } finally {
      if (keep) keep(sae, capacity);
      else await sae.dispose();
    }
  }
  return results;
}

/** Points of the notebook's two plots, with its dashed line of the whole capacity. @param {readonly Capacity[]} results */
export const capacityPlots = (results) => ({
  recon: results.map(({ capacity, recon }) => ({ x: capacity, y: recon })),
  active: results.map(({ capacity, l0 }) => ({ x: capacity, y: l0 })),
  all: results.map(({ capacity }) => ({ x: capacity, y: capacity })),
});

/** @param {readonly Capacity[]} results */
export function concludeCapacity(results) {
  if (results.length < 2) return "One capacity alone shows no trend: choose two or more.";
  const [first, last] = [results[0], results[results.length - 1]];
  const falls = results.every((r, i) => i === 0 || r.recon <= results[i - 1].recon);
  const shares = results.map((r) => r.sparsity);
  const constant = Math.max(...shares) - Math.min(...shares) < 0.05;
  const error = falls
    ? `The error falls from ${first.recon.toPrecision(3)} to ${last.recon.toPrecision(3)} as the capacity grows from ${first.capacity} to ${last.capacity}`
    : `More capacity does not always mean less error here (${results.map((r) => r.recon.toPrecision(3)).join(", ")})`;
  const active = constant
    ? `the share of active features stays at about ${(100 * shares[0]).toFixed(0)} %, so nothing has become sparser`
    : `the share of active features goes from ${(100 * shares[0]).toFixed(0)} % to ${(100 * shares[shares.length - 1]).toFixed(0)} %`;
  const memorised = last.capacity > last.distinctRows ? ` With ${last.distinctRows} distinct rows for ${last.capacity} features the larger ones can learn the rows by heart: judge them on held-out rows.` : "";
  const splitting = shares[shares.length - 1] > 0.1 ? " Features that fire this often cannot be said to split; raise the coefficient before looking for that." : " Compare the decoders of two sizes to see which features have split.";
  return `${error}; ${active}.${memorised}${splitting}`;
}
