// @ts-check
// Lab C.4, exercise 1: what the sparsity coefficient does, and what to say when it does nothing.
import { count, decimals, exact, number, percent, rough } from "../../ui/format.js";
import { REPEATS, SOLUTION_PROMPTS, repeated } from "../texts/c4.js";
import { fixed, residPost, using, watch } from "./bench.js";
import { AUTOENCODER, makeSae } from "./c4-sae.js";
import { SOLUTION_TRAINING, judge, trainSae } from "./c4-training.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Acts} Acts */

/** The notebook's three coefficients. */
export const COEFFICIENTS = Object.freeze([1e-2, 1e-3, 1e-4]);

/**
 * `acts` are rows of the caller's own, instead of the prompts'. `heldOut` are rows that none of the autoencoders is trained on.
 * `weightsOf` and `orderOf` feed the start and the order of run number n.
 */
export const SWEEP = fixed({
  coefficients: COEFFICIENTS,
  acts: /** @type {Acts | null} */ (null),
  heldOut: /** @type {Acts | null} */ (null),
  prompts: SOLUTION_PROMPTS,
  repeats: REPEATS,
  layer: 6,
  tied: AUTOENCODER.tied,
  expansion: AUTOENCODER.expansion,
  encoderBias: /** @type {"zeros" | "torch-linear"} */ ("torch-linear"),
  seed: 0,
  epochs: SOLUTION_TRAINING.epochs,
  batchSize: SOLUTION_TRAINING.batchSize,
  lr: SOLUTION_TRAINING.lr,
  weightsOf: /** @type {((run: number) => import("../../engine/types.js").WeightsLike) | null} */ (null),
  orderOf: /** @type {((run: number) => Uint32Array) | null} */ (null),
});

/**
 * `recon`, `l1` and `nActive` are of all rows with the finished weights, as the notebook's table. `lambda` is the coefficient of the same
 * trade-off where both terms are sums. `evHeldOut` is null without held-out rows.
 *
 * @typedef {{coefficient: number, lambda: number, recon: number, l1: number, nActive: number, fracActive: number, deadLatents: number, ev: number | null,
 *   evWithoutPosition0: number | null, nActiveWithoutPosition0: number | null, evHeldOut: number | null}} SweepRow
 * @typedef {{rows: SweepRow[], shape: number[], distinctRows: number, dSae: number, dIn: number}} Sweep
 */

/**
 * Trains one autoencoder for each coefficient, all from the same seed unless starts are fed.
 *
 * @param {Bench} bench
 * @param {Partial<typeof SWEEP> & {onRow?: (row: SweepRow) => void}} [options]
 * @returns {Promise<Sweep>}
 */
export async function sparsitySweep(bench, options = {}) {
  const { onRow, ...own } = options;
  const settings = { ...SWEEP, ...own };
  if (settings.acts !== null) return sweepOver(bench, settings.acts, settings, onRow);
  const texts = repeated(settings.prompts, settings.repeats);
  const acts = await bench.model.collect(texts, { hook: residPost(settings.layer), ...watch(bench, "sequences") });
  return using(acts, () => sweepOver(bench, acts, settings, onRow));
}

/**
 * @param {Bench} bench
 * @param {Acts} acts
 * @param {typeof SWEEP} settings
 * @param {((row: SweepRow) => void) | undefined} onRow
 * @returns {Promise<Sweep>}
 */
async function sweepOver(bench, acts, settings, onRow) {
  const { coefficients, heldOut, tied, expansion, encoderBias, seed, epochs, batchSize, lr, weightsOf, orderOf } = settings;
  const of = coefficients.length;
  /** @type {SweepRow[]} */
  const rows = [];
  let [dIn, dSae] = [0, 0];
  for (const [part, coefficient] of coefficients.entries()) {
    const sae = await makeSae(bench, { tied, expansion, encoderBias, seed, weights: weightsOf?.(part) ?? null });
    const row = await using(sae, async () => {
      ({ dIn, dSae } = sae.config);
      const order = orderOf?.(part) ?? null;
      const { quality, lambda } = await trainSae(bench, sae, acts, { epochs, batchSize, lr, l1: coefficient, seed, order, share: { part, of } });
      const { all, withoutPosition0: later, deadLatents } = quality;
      const elsewhere = heldOut === null ? null : (await judge(bench, sae, heldOut)).all;
      return {
        coefficient,
        lambda,
        recon: all.meanMse,
        l1: all.l1 / dSae,
        nActive: all.l0,
        fracActive: all.fracActive,
        deadLatents,
        ev: all.evPerDimension,
        evWithoutPosition0: later?.evPerDimension ?? null,
        nActiveWithoutPosition0: later?.l0 ?? null,
        evHeldOut: elsewhere?.evPerDimension ?? null,
      };
    });
    rows.push(row);
    onRow?.(row);
  }
  return { rows, shape: acts.shape, distinctRows: acts.stats.distinctRows, dIn, dSae };
}

/** Less than this between the sparsest and the densest counts as no visible effect. */
const VISIBLE = 1.1;

/** @param {readonly number[]} values */
const range = (values) => ({ least: Math.min(...values), most: Math.max(...values) });

/**
 * What a sweep showed: the notebook's conclusion only where the numbers bear it out.
 *
 * @param {Pick<Sweep, "rows" | "dSae">} sweep
 */
export function concludeSweep({ rows, dSae }) {
  const ordered = [...rows].sort((a, b) => a.coefficient - b.coefficient);
  const [weakest, strongest] = [ordered[0], ordered[ordered.length - 1]];
  if (weakest === undefined || weakest === strongest) return "One coefficient shows no trend: try at least two, a factor of ten apart.";
  const l0 = range(rows.map(({ nActive }) => nActive));
  const all = rows.length === 2 ? "Both coefficients" : `All ${rows.length === 3 ? "three" : rows.length} coefficients`;
  if (l0.most < VISIBLE * Math.max(l0.least, 1e-9)) {
    return `${all} leave between ${rough(l0.least)} and ${rough(l0.most)} of ${count(dSae)} features active: no visible effect. ${raise(strongest)}`;
  }
  const falls = ordered.every((row, i) => i === 0 || row.nActive <= ordered[i - 1].nActive * 1.01);
  const worsens = ordered.every((row, i) => i === 0 || row.recon >= ordered[i - 1].recon * 0.99);
  const ends =
    `${rough(weakest.nActive)} features are active at ${exact(weakest.coefficient)} and ${rough(strongest.nActive)} at ${exact(strongest.coefficient)}, ` +
    `the reconstruction loss ${number(weakest.recon)} and ${number(strongest.recon)}`;
  const said = [
    falls && worsens
      ? `${ends}: the larger the coefficient, the fewer features are active and the worse the reconstruction.`
      : falls
        ? `${ends}: a larger coefficient left fewer features active, but the reconstruction did not get worse at every step. Is that the runs' own noise? Compare several seeds.`
        : `${ends}, but not in one direction over the coefficients in between. Train longer, or compare several seeds, before you conclude anything.`,
  ];
  const dead = ordered.filter(({ nActive }) => nActive < 1);
  if (dead.length > 0) said.push(`From ${exact(dead[0].coefficient)} on less than one feature is active on a row: nothing is left to interpret.`);
  const good = ordered.filter(({ nActive, ev }) => nActive >= 1 && nActive <= 0.05 * dSae && (ev ?? 0) > 0.5);
  const listed = good.map(({ coefficient, nActive, ev }) => `${exact(coefficient)} (${rough(nActive)} active, ${decimals(2)(ev ?? 0)} of the variance)`);
  if (good.length > 0) said.push(`Sparse and still explaining most: ${listed.join(", ")}.`);
  else if (dead.length === 0) said.push(`Even the sparsest keeps ${percent(strongest.nActive / dSae)} of the features active. ${raise(strongest)}`);
  return said.join(" ");
}

/**
 * What to try when the strongest coefficient was still too weak.
 *
 * @param {SweepRow} strongest
 */
function raise({ coefficient, l1, recon }) {
  const penalty = (coefficient * l1) / recon;
  const share = penalty < 1 ? `only ${percent(penalty)} of` : `${rough(penalty)} times`;
  return (
    `At ${exact(coefficient)} the penalty is ${share} the reconstruction loss. ` +
    `Raise the coefficient by factors of ten, up to ${coefficient < 1000 ? "1000" : exact(coefficient * 10)}.`
  );
}
