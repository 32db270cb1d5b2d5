// @ts-check
// Lab C.4, part 4: training on collected rows, the history as the notebook plots it, and what it says.
import { convertL1 } from "../../sae-lab.js";
import { count, counted, decimals, exact, number, percent, rough } from "../../ui/format.js";
import { fixed, watch } from "./bench.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */
/** @typedef {import("./bench.js").Figures} Figures */

/** `order` replays a recorded run: epochs × rows row numbers. */
export const TRAINING = fixed({
  epochs: 100,
  batchSize: 256,
  lr: 1e-3,
  l1: 5e-4,
  seed: 0,
  printEvery: 20,
  order: /** @type {Uint32Array | null} */ (null),
});

/** How the solutions train. */
export const SOLUTION_TRAINING = fixed({ ...TRAINING, epochs: 50, batchSize: 64 });

/**
 * The notebook's five series, one number an epoch: the mean over its batches, each measured before its step; the last,
 * shorter batch counts in full. `sparsity` is the mean of the features' sizes, without its coefficient.
 *
 * @typedef {{total: number[], recon: number[], sparsity: number[], fracNonzero: number[], nActive: number[]}} History
 * @typedef {{epoch: number, recon: number, fracNonzero: number, nActive: number}} Printed
 * @typedef {{history: History, printed: Printed[], final: Printed, rows: number, distinctRows: number, dSae: number, l1: number, lambda: number, epochs: number,
 *   quality: {all: Figures, withoutPosition0: Figures | null, deadLatents: number}}} Trained
 */

/**
 * Trains and evaluates. `quality` is measured afterwards on all rows with the finished weights; the history is not.
 *
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 * @param {Partial<typeof TRAINING> & {share?: {part: number, of: number}, onEpoch?: (entry: import("../../engine/types.js").Epoch) => void}} [options]
 * @returns {Promise<Trained>}
 */
export async function trainSae(bench, sae, acts, options = {}) {
  const { share, onEpoch, ...own } = options;
  const { printEvery, ...recipe } = { ...TRAINING, ...own };
  const { signal, onProgress } = watch(bench, "steps", share);
  const watched = (/** @type {any} */ p) => ("phase" in p ? onProgress(p) : onEpoch?.(p));
  const { epochs: entries } = await sae.train(acts, { ...recipe, signal, onProgress: watched });
  const { dIn, dSae } = sae.config;
  const series = (/** @type {(entry: import("../../engine/types.js").Epoch) => number} */ of) => entries.map(of);
  const history = {
    total: series((e) => e.total),
    recon: series((e) => e.recon),
    sparsity: series((e) => e.l1),
    fracNonzero: series((e) => e.fracActive),
    nActive: series((e) => e.nActive),
  };
  const at = (/** @type {import("../../engine/types.js").Epoch} */ { epoch, recon, fracActive, nActive }) => ({ epoch, recon, fracNonzero: fracActive, nActive });
  return {
    history,
    printed: entries.filter(({ epoch }) => epoch % printEvery === 0).map(at),
    final: at(entries[entries.length - 1]),
    rows: acts.stats.rows,
    distinctRows: acts.stats.distinctRows,
    dSae,
    l1: recipe.l1,
    lambda: convertL1(recipe.l1, { from: "mean", to: "sum", dIn, dSae }),
    epochs: entries.length,
    quality: await judge(bench, sae, acts),
  };
}

/**
 * The quality on a set of rows, with and without position 0.
 *
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 */
export async function judge({ lab, signal }, sae, acts) {
  const { all, withoutPosition0, deadLatents } = await lab.analysis.quality(sae, acts, { signal });
  return { all, withoutPosition0, deadLatents };
}

/** An explained variance in a sentence, after "it". @param {number | null} ev */
export function explains(ev) {
  if (ev === null) return "has nothing to explain, since all rows are the same";
  return ev < 0 ? "reconstructs worse than the rows' mean alone would" : `explains ${decimals(ev > 0.995 ? 4 : 2)(ev)} of the variance`;
}

/** @param {Trained} trained */
export function concludeTraining({ history, final, distinctRows, dSae, l1, epochs, quality }) {
  const first = history.recon[0];
  const fell = first / final.recon;
  const said = [
    fell > 1.05
      ? `In ${counted(epochs, "epoch")} the reconstruction loss fell from ${number(first)} to ${number(final.recon)}, to ${percent(1 / fell)} of where it was.`
      : `The reconstruction loss hardly moved in ${counted(epochs, "epoch")} (${number(first)} → ${number(final.recon)}): train longer, or raise the learning rate.`,
  ];
  const share = final.nActive / dSae;
  const penalty = (l1 * history.sparsity[history.sparsity.length - 1]) / final.recon;
  said.push(`${rough(final.nActive)} of ${count(dSae)} features (${percent(share)}) are active on a row.`);
  if (share > 0.1) {
    said.push(
      `That is not sparse: at a coefficient of ${exact(l1)} the penalty is ${percent(penalty)} of the reconstruction loss${penalty < 0.1 ? ", so training hardly notices it" : ""}. Raise it by factors of ten.`,
    );
  }
  const { all, withoutPosition0: later, deadLatents } = quality;
  if (all.evPerDimension !== null && later?.evPerDimension != null) {
    const apart = all.evPerDimension - later.evPerDimension;
    const memory = distinctRows < 10 * dSae ? `, measured on the ${count(distinctRows)} distinct rows that it may have learnt by heart` : "";
    const without = Math.abs(apart) > 0.01 ? `, ${decimals(3)(later.evPerDimension)} without position 0` : ", with position 0 and without";
    if (all.evPerDimension < 0) said.push(`It ${explains(all.evPerDimension)}: at this coefficient and after so many steps there is nothing to interpret.`);
    else said.push(`It explains ${decimals(3)(all.evPerDimension)} of the variance${without}${memory}.`);
  }
  if (deadLatents > dSae / 10) said.push(`${count(deadLatents)} features never fire on these rows.`);
  return said.join(" ");
}
