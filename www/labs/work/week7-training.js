// @ts-check
// Week 7, cells 8, 10 and 11: the SAE, its training with the notebook's way of logging, and the final figures.

import { exact } from "../../ui/format.js";
import { fixed } from "./bench.js";
import { batchOrder } from "./seeded.js";
import { above, check, encoded, mean, row } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */

/** Encoder N(0, 1/d), decoder N(0, 1/n), biases 0; both loss terms are means. */
export const WEEK7_SAE = fixed({ expansion: 4, seed: 0 });
/** `l0`: "after" each step, as the notebook counts it, or "before", as the losses are taken; the first takes the steps one by one. */
export const WEEK7_TRAINING = fixed({ epochs: 100, batchSize: 32, lr: 1e-3, l1: 1e-3, seed: 0, l0: /** @type {"after" | "before"} */ ("after"), printEvery: 10 });

/**
 * Means over the steps of each epoch: `loss` and `recon` before the step, `sparsity` too, multiplied by the coefficient,
 * `l0` as asked for; `l0Before` always before it.
 * @typedef {{loss: number[], recon: number[], sparsity: number[], l0: number[], l0Before: number[]}} History
 * @typedef {{epoch: number, loss: number, recon: number, l0: number, dSae: number, share: number}} Line
 * @typedef {{history: History, lines: Line[], steps: number, l0: "after" | "before", dSae: number, l1: number}} Training
 */

/**
 * Cell 8. The caller disposes of it.
 * @param {Bench} bench @param {Partial<typeof WEEK7_SAE> & {dIn?: number, dSae?: number, weights?: import("../../engine/types.js").WeightsLike | null}} [options]
 * @returns {Promise<{sae: Sae, dIn: number, dSae: number, expansion: number, parameters: number}>}
 */
export async function week7Sae({ lab, model }, options) {
  const { expansion, seed, weights = null, dIn = model.config.dModel, dSae = expansion * dIn } = { ...WEEK7_SAE, ...options };
  const init = /** @type {const} */ ({ encoder: "normal", decoder: "normal", decoderNorm: null, encoderBias: "zeros" });
  const sae = await lab.createSae({ architecture: "untied", dIn, dSae, seed, ...(weights ? { weights } : { init }) });
  return { sae, dIn, dSae, expansion: dSae / dIn, parameters: sae.config.parameters };
}

/**
 * Cell 10. `order`: all epochs' rows one after the other; without it they follow from the seed.
 * @param {Bench} bench @param {Sae} sae @param {Acts} acts
 * @param {Partial<typeof WEEK7_TRAINING> & {order?: Uint32Array | null, onEpoch?: (epoch: number, history: History) => void}} [options]
 * @returns {Promise<Training>}
 */
export async function trainWeek7(bench, sae, acts, options) {
  const settings = { ...WEEK7_TRAINING, order: null, ...options };
  const [rows] = acts.shape;
  const order = settings.order ?? batchOrder(rows, settings.epochs, settings.seed);
  const history = settings.l0 === "after" ? await stepByStep(bench, sae, acts, { ...settings, order }) : await inOneGo(bench, sae, acts, { ...settings, order });
  const { dSae } = sae.config;
  const lines = history.loss
    .map((loss, epoch) => ({ epoch, loss, recon: history.recon[epoch], l0: history.l0[epoch], dSae, share: history.l0[epoch] / dSae }))
    .filter(({ epoch }) => epoch % settings.printEvery === 0);
  return { history, lines, steps: settings.epochs * Math.ceil(rows / settings.batchSize), l0: settings.l0, dSae, l1: settings.l1 };
}

/** @typedef {typeof WEEK7_TRAINING & {order: Uint32Array, onEpoch?: (epoch: number, history: History) => void}} Settings */

/** @returns {History} */
const empty = () => ({ loss: [], recon: [], sparsity: [], l0: [], l0Before: [] });

/**
 * The engine counts active features with the losses, before a step; the notebook encodes the batch again after it. So each
 * step is a training of its own on the rows of one batch, which goes on with the optimiser's state.
 * @param {Bench} bench @param {Sae} sae @param {Acts} acts @param {Settings} settings
 */
async function stepByStep(bench, sae, acts, { epochs, batchSize, lr, l1, order, onEpoch }) {
  const { signal, progress } = bench;
  const all = await acts.read();
  const [rows, width] = all.shape;
  const starts = Array.from({ length: Math.ceil(rows / batchSize) }, (_, i) => i * batchSize);
  const history = empty();
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    /** @type {(import("../../engine/types.js").Epoch & {after: number})[]} */ const steps = [];
    for (const start of starts) {
      check(bench);
      const of = order.subarray(epoch * rows + start, epoch * rows + Math.min(start + batchSize, rows));
      const data = new Float32Array(of.length * width);
      of.forEach((r, i) => data.set(row(all, r), i * width));
      const batch = { data, shape: [of.length, width] };
      const inOrder = Uint32Array.from(of.keys());
      const goesOn = epoch > 0 || start > 0;
      const { epochs: [entry] } = await sae.train(batch, { epochs: 1, batchSize: of.length, lr, l1, order: inOrder, continue: goesOn, ...(signal ? { signal } : {}) });
      steps.push({ ...entry, after: above((await encoded(sae, batch)).data) / of.length });
      progress?.(epoch * starts.length + steps.length, epochs * starts.length, "steps");
    }
    const averaged = (/** @type {(step: (typeof steps)[number]) => number} */ of) => mean(steps.map(of));
    history.loss.push(averaged((s) => s.total));
    history.recon.push(averaged((s) => s.recon));
    history.sparsity.push(l1 * averaged((s) => s.l1));
    history.l0.push(averaged((s) => s.after));
    history.l0Before.push(averaged((s) => s.nActive));
    onEpoch?.(epoch, history);
  }
  return history;
}

/** @param {Bench} bench @param {Sae} sae @param {Acts} acts @param {Settings} settings */
async function inOneGo({ signal, progress }, sae, acts, { epochs, batchSize, lr, l1, order, onEpoch }) {
  const history = empty();
  const onProgress = (/** @type {any} */ p) => {
    if ("phase" in p) return progress?.(p.done, p.total, p.phase === "shaders" ? "shaders" : "steps");
    history.loss.push(p.total);
    history.recon.push(p.recon);
    history.sparsity.push(l1 * p.l1);
    history.l0.push(p.nActive);
    history.l0Before.push(p.nActive);
    onEpoch?.(p.epoch, history);
  };
  await sae.train(acts, { epochs, batchSize, lr, l1, order, onProgress, ...(signal ? { signal } : {}) });
  return history;
}

/** @typedef {{recon: number, l0: number, share: number, ev: number, evPerDimension: number | null, reconAll: number, l0All: number, evWithoutPosition0: number | null}} Final */

/**
 * Cell 11's three figures (`recon`, `l0`, `ev`, of the last epoch's means over all numbers' variance), and the trained SAE's on all rows.
 * @param {Bench} bench @param {Sae} sae @param {Acts} acts @param {Training} training
 * @returns {Promise<Final>}
 */
export async function finalFigures({ lab }, sae, acts, { history, dSae }) {
  const last = (/** @type {number[]} */ list) => list[list.length - 1];
  const recon = last(history.recon);
  const l0 = last(history.l0);
  const { all, withoutPosition0 } = await lab.analysis.quality(sae, acts);
  return {
    recon,
    l0,
    share: l0 / dSae,
    ev: 1 - recon / acts.stats.std ** 2,
    evPerDimension: all.evPerDimension,
    reconAll: all.meanMse,
    l0All: all.l0,
    evWithoutPosition0: withoutPosition0?.evPerDimension ?? null,
  };
}

/** @param {{training: Training, final: Final}} result */
export function concludeTraining({ training: { history, dSae, l1 }, final }) {
  const last = history.loss.length - 1;
  if (last < 0) return "Nothing was trained.";
  const weight = history.sparsity[last] / history.loss[last];
  const [before, after] = [history.l0[0], final.l0];
  const moved = Math.abs(after - before) < 0.05 * before ? `hardly fewer than in the first epoch (${before.toFixed(0)})` : `${before.toFixed(0)} in the first epoch`;
  const explained = `The notebook's formula gives ${(100 * final.ev).toFixed(1)} % explained variance`;
  const inner = final.evWithoutPosition0 === null ? "" : `, per dimension and without position 0 ${(100 * final.evWithoutPosition0).toFixed(1)} %, on the rows it was trained on`;
  const sparse =
    final.share > 0.1
      ? `${after.toFixed(0)} of ${dSae} features are active on a row (${(100 * final.share).toFixed(0)} %), ${moved}: this is not sparse. ` +
        `The penalty is ${(100 * weight).toPrecision(2)} % of what is left of the loss, too weak to make the code sparse: raise the coefficient by factors of ten, to ${suggestion(l1)} first.`
      : `${after.toFixed(1)} of ${dSae} features are active on a row (${moved}): the penalty works.`;
  return `${explained}${inner}. ${sparse}`;
}

/** Ten times as much, within the range of the labs' slider. @param {number} l1 */
const suggestion = (l1) => exact(Math.min(1e3, Number((10 * Math.max(l1, 1e-4)).toPrecision(2))));
