// @ts-check
// What the steps of Part 1 share: the two models, their settings, and what is computed with them.

import { number } from "../../ui/format.js";

/** @typedef {import("../../ui/step.js").Context} Context */
/** @typedef {import("../../engine/types.js").ToyInstance} Instance */
/** @typedef {"relu-hidden" | "relu-output"} Kind */
/** @typedef {{key: "notebook" | "paper", title: string, says: string, model: Kind, values: "normal" | "uniform"}} ToyKind */
/** @typedef {ToyKind & {instance: Instance, importanceDecay: number}} Run */

/** @type {readonly ToyKind[]} */
export const TOY_KINDS = Object.freeze([
  { key: "notebook", title: "The notebook's model", says: "ReLU on the hidden numbers, linear output; values normal, N(0, 1)", model: "relu-hidden", values: "normal" },
  { key: "paper", title: "The paper's model", says: "linear hidden numbers, ReLU on the output, one matrix; values evenly from 0 to 1, U(0, 1)", model: "relu-output", values: "uniform" },
]);

/** The notebook's own numbers. */
export const TOY = Object.freeze({ nFeatures: 5, nHidden: 2, probability: 0.1, steps: 500, batchSize: 1000, lr: 0.01, importanceDecay: 1, seed: 0 });

/**
 * Trains one model of the two. `told` is given how many steps are done.
 * @param {Pick<Context, "lab" | "signal">} context @param {ToyKind} kind @param {Record<string, any>} values @param {(done: number, total: number, losses: number[]) => void} [told]
 * @returns {Promise<Run>}
 */
export async function trainToy({ lab, signal }, kind, values, told) {
  const importanceDecay = kind.key === "paper" ? values.importanceDecay : 1;
  const trained = await lab.toy.train({
    ...toyOptions(kind, values),
    signal,
    onProgress: (/** @type {any} */ p) => {
      if (p.total) told?.(p.done ?? 0, p.total, p.losses ?? []);
    },
  });
  return { ...kind, instance: trained.instances[0], importanceDecay };
}

/** The options of `lab.toy.train`, as the snippets show them too. @param {ToyKind} kind @param {Record<string, any>} values */
export const toyOptions = (kind, { nFeatures, nHidden, probability, steps, batchSize, lr, importanceDecay, seed }) => ({
  model: kind.model,
  values: kind.values,
  nFeatures,
  nHidden,
  probabilities: [probability],
  importanceDecay: kind.key === "paper" ? importanceDecay : 1,
  steps,
  batchSize,
  lr,
  seed,
});

/**
 * How much of each feature comes back along its own direction: the diagonal of W_dec W_enc. Where the output is linear its sum
 * cannot pass the number of hidden dimensions, as far as the hidden ReLU lets everything through.
 * @param {Run} run @returns {number[]}
 */
export function shareKept({ instance: { weights } }) {
  const { W_dec } = weights;
  const W_enc = weights.W_enc ?? weights.W;
  const [features, hidden] = W_dec.shape;
  return Array.from({ length: features }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < hidden; k += 1) sum += W_dec.data[i * hidden + k] * (W_enc?.data[k * features + i] ?? 0);
    return sum;
  });
}

/** @param {ArrayLike<number>} list */
export function meanOf(list) {
  let sum = 0;
  for (let i = 0; i < list.length; i += 1) sum += list[i];
  return list.length ? sum / list.length : NaN;
}

/** The sample's standard deviation. @param {ArrayLike<number>} list */
export function deviation(list) {
  const mean = meanOf(list);
  let sum = 0;
  for (let i = 0; i < list.length; i += 1) sum += (list[i] - mean) ** 2;
  return list.length > 1 ? Math.sqrt(sum / (list.length - 1)) : 0;
}

/** A vector as numpy prints it. @param {ArrayLike<number>} list @param {number} [decimals] */
export const vectorText = (list, decimals = 2) => `[${Array.from(list, (x) => x.toFixed(decimals).replace(/^-0\.?0*$/, "0.00").replace("-", "−")).join(" ")}]`;

/** What a loss comes to beside its two bounds. @param {Instance} instance */
export function gain({ finalLoss, pcaLoss, zeroLoss }) {
  return { ofZero: finalLoss / zeroLoss, ofPca: finalLoss / pcaLoss, gains: finalLoss < 0.9 * pcaLoss, text: `${number(finalLoss)} (zero ${number(zeroLoss)}, PCA ${number(pcaLoss)})` };
}
