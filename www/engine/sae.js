// @ts-check
import { DeviceArray } from "./acts.js";
import { defaults } from "./defaults.js";
import { cancelled } from "./errors.js";
import { MOST_KEPT, handleOf, isHandle, register, release, sameCall } from "./handles.js";
import { toIds, toTensor } from "./inputs.js";
import { bad, show, take } from "./options.js";
import { bytesOf } from "./kept-sae.js";
import { mismatches, saveSae } from "./sae-files.js";
import { occupy, trainings } from "./training.js";
import { copy, sizeOf } from "./walk.js";

/** The most that is kept of a caller's own rows, so that their features can be made again, in bytes. */
const FEW = 16 * 2 ** 20;

const STOPPED = "The SAE keeps what it has learnt: train with {continue: true} goes on from there.";

/**
 * A sparse autoencoder on the device. Made by `lab.createSae`.
 *
 * Safety: at most one training runs on it at a time.
 */
export class Sae {
  #client;

  /** @readonly @type {import("./types.js").SaeConfig} */ config;
  /** log10 of how often each latent is active, from its sparsity file; null where there was none. @readonly @type {Float32Array | null} */ logSparsity;

  /**
   * @param {import("./client.js").Client} client
   * @param {{id: number, config: import("./types.js").SaeConfig, logSparsity?: Float32Array | null}} made
   * @param {import("./handles.js").Recipe} recipe   how it is made again
   */
  constructor(client, made, recipe) {
    this.#client = client;
    this.config = made.config;
    this.logSparsity = made.logSparsity ?? null;
    const { architecture, dIn, dSae } = made.config;
    register(this, client, "sae", { id: made.id, name: `the SAE (${architecture}, ${dIn} → ${dSae})`, recipe });
  }

  /**
   * Trains on collected activations, or on rows of the caller's own.
   *
   * `onProgress` is given two kinds of objects. One per epoch, each of them, in order: the history's own
   * {epoch, total, recon, l1, fracActive, nActive, steps, …}, where `total` is the loss. And, at most four times a
   * second and at the end, {phase: "train", done, total, epoch}, where `done` and `total` count steps; on a GPU before the first of
   * them {phase: "shaders", done, total}, while it is prepared. Tell them apart by `"phase" in progress`.
   *
   * Aborting rejects at once with LAB-CANCELLED; the SAE keeps what it has learnt, `info()` has the history, and
   * `train` with {continue: true} goes on with the next batch (it waits until the aborted training has wound down).
   * While one training runs, another on the same SAE rejects with LAB-BUSY.
   *
   * The SAE is kept on the page every 20 seconds and at the end. When the GPU is lost the training goes on by itself from there, on
   * the same data; where that cannot be it rejects with LAB-DEVICE-LOST, and the hint says what the SAE is made again as.
   *
   * @param {import("./acts.js").Acts | import("./types.js").TensorLike} acts  [rows, dIn]
   * @param {Partial<import("./types.js").TrainSettings> & import("./types.js").Control} [options]
   * @returns {Promise<import("./types.js").TrainResult>}
   */
  async train(acts, options) {
    const { settings, control } = take("train", defaults.train, options, ["signal", "onProgress"]);
    const { signal, onProgress } = control;
    const { recipe, rest } = split(settings);
    const { order, target, ...sent } = rest;
    const operands = [this.#operand("train", acts), target === null ? null : this.#operand("train", target)];
    const orderSent = order === null ? null : toIds("train", "row of “order”", order);
    const { epochs } = sent;
    const id = this.#id();
    return occupy([this], signal, () => ({
      handles: [id],
      bytes: bytesOf(this.config, 0),
      goesOn: sent.continue,
      once: sizeOf(operands) > MOST_KEPT,
      start: (watchers, from) => {
        const left = epochs - (from?.entries[0] ?? 0);
        if (from !== null && left === 0) return null;
        const l1 = from?.l1[0] ?? recipe.l1;
        const settingsSent = { ...sent, epochs: left, continue: from?.within || sent.continue, order: orderSent, recipe: { ...recipe, l1 } };
        return this.#client.call("train", [id, .../** @type {unknown[]} */ (copy([...operands, settingsSent]))], watchers);
      },
      result: (value, before) => ({ stopped: false, ...value, epochs: [...(before[0] ?? []), ...(value?.epochs ?? [])] }),
      signal, onProgress, stoppedHint: STOPPED,
    }), this.#client);
  }

  /**
   * Changes the sparsity coefficient of the training under way from its next step on; a warm-up goes on towards the
   * new value. Entries of the history say which one was in use.
   *
   * @param {number} l1
   * @returns {Promise<boolean>} whether a training runs whose coefficient could be changed
   */
  async setL1(l1) {
    if (!Number.isFinite(l1)) throw bad(`setL1: the coefficient must be a finite number, and is ${show(l1)}.`, "Give a number from 0 on.");
    const id = this.#id();
    const took = await this.#client.call("setL1", [id, l1]).result;
    if (took) trainings.get(this)?.changed(id, l1);
    return took;
  }

  /**
   * All that a training consists of, as the bytes of one safetensors file: weights, optimiser, counters, randomness,
   * place in the data and a stream's buffer. `lab.restoreSae` makes an SAE of it that `train` or `trainStream` with
   * {continue: true}, the same data and settings goes on with as if there had been no interruption. A running
   * training is stored as it is between two steps.
   *
   * How far to go on is told in two ways. `train` counts the epochs of each call: give those that are left, the
   * unfinished one included. The `tokens` of `trainStream` are the total, those before the checkpoint included.
   * Schedules span the steps taken and those still to come.
   *
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async checkpoint() {
    await this.#woundDown();
    return this.#client.call("checkpoint", [this.#id()]).result;
  }

  /**
   * Holds the running training at its next checkpoint, between two steps. SAEs of one stream are held together.
   *
   * @returns {Promise<boolean>} true once it stands still; false when no training runs, or it ended or was resumed first
   */
  async pause() {
    const training = trainings.get(this);
    return training === undefined ? false : training.pause();
  }

  /** Lets a paused training go on. Does nothing when none is paused. @returns {Promise<void>} */
  async resume() {
    trainings.get(this)?.resume();
  }

  /**
   * What it is and how far it has been trained, with one history object per epoch. After an aborted training
   * it waits until the engine has wound down, so that the history is complete.
   *
   * @returns {Promise<import("./types.js").SaeInfo>}
   */
  async info() {
    await this.#woundDown();
    return this.#client.call("saeInfo", [this.#id()]).result;
  }

  /**
   * Activations to features.
   *
   * @param {DeviceArray | import("./types.js").TensorLike} acts  [rows, dIn]
   * @returns {Promise<DeviceArray>} [rows, dSae], on the device
   */
  async encode(acts) {
    return this.#through("encode", acts, this.config.dSae);
  }

  /**
   * Features back to activations: what the decoder makes of them alone. With a row-wise normalisation
   * ("constant_norm_rescale", "layer_norm") the result is in normalised units, and what a transcoder's skip
   * connection adds is not in it: both depend on the row that the features came from.
   *
   * @param {DeviceArray | import("./types.js").TensorLike} features  [rows, dSae]
   * @returns {Promise<DeviceArray>} [rows, dOut], on the device
   */
  async decode(features) {
    return this.#through("decode", features, this.config.dOut);
  }

  /**
   * The loss on some rows and the gradient of every parameter, without a step.
   *
   * @param {DeviceArray | import("./types.js").TensorLike} acts  [rows, dIn]
   * @param {Partial<import("./types.js").LossSettings>} [options]
   * @returns {Promise<import("./types.js").Loss>}
   */
  async loss(acts, options) {
    const { settings } = take("loss", defaults.loss, options);
    const { target, dead, ...rest } = settings;
    const sent = { ...rest, dead: [...toIds("loss", "latent of “dead”", dead)] };
    return this.#client.call("loss", [this.#id(), this.#operand("loss", acts), target === null ? null : this.#operand("loss", target), sent]).result;
  }

  /** W_enc [dIn, dSae], b_enc [dSae], W_dec [dSae, dIn] (for a tied SAE too), b_dec [dIn]. @returns {Promise<import("./types.js").Weights>} */
  async weights() {
    return this.#client.call("weights", [this.#id()]).result;
  }

  /**
   * The direction that a feature writes, as used for steering.
   *
   * @param {Partial<import("./types.js").DirectionSettings>} options  `feature` is required
   * @returns {Promise<import("./types.js").Tensor>} [dIn]
   */
  async direction(options) {
    const { settings } = take("direction", defaults.direction, options);
    required("direction", "feature", settings.feature);
    return this.#client.call("direction", [this.#id(), settings]).result;
  }

  /**
   * The SAE as the files that SAELens loads. Tied and untied SAEs become standard ones, batch top-k and matryoshka ones
   * JumpReLU ones, and an input scale is folded into the weights: with the same features in each case.
   *
   * @param {Partial<import("./types.js").SaveSettings>} [options]
   * @returns {Promise<import("./types.js").SaeFiles>}
   */
  async save(options) {
    return saveSae(this.#client, this, options);
  }

  /**
   * What does not fit when it is used on this model's activations: each difference with both sides, none where
   * nothing is known. What is left out of the options is taken as `collect` takes it.
   *
   * @param {import("./model.js").Model} model
   * @param {Partial<import("./types.js").MismatchSettings>} [options]
   * @returns {Promise<import("./types.js").Mismatch[]>}
   */
  async mismatches(model, options) {
    return mismatches(this.#client, this, model, options);
  }

  /**
   * Takes the SAE off the device. A running training is stopped first and rejects with LAB-CANCELLED (a stream's, for
   * all its SAEs). A second call does nothing.
   *
   * @returns {Promise<void>}
   */
  async dispose() {
    const training = trainings.get(this);
    if (training === undefined) return release(this);
    training.cancel(cancelled(undefined, "The SAE was disposed of while it was being trained."));
    // Released for the caller from now on; the device frees it once the training has wound down.
    return release(this, training.settled);
  }

  /** After an aborted training, the engine's end of it. */
  async #woundDown() {
    const training = trainings.get(this);
    if (training?.isCancelled()) await training.settled;
  }

  /**
   * @param {"encode" | "decode"} method
   * @param {DeviceArray | import("./types.js").TensorLike} value
   * @param {number} width   of what comes out
   */
  async #through(method, value, width) {
    const args = [this.#id(), this.#operand(method, value)];
    const recipe = sameCall(this.#client, method, args, FEW);
    const made = await this.#client.call(method, /** @type {unknown[]} */ (copy(args))).result;
    return new DeviceArray(this.#client, made, { name: `${made.shape[0]} rows of ${width} ${method === "encode" ? "features" : "numbers"}`, recipe });
  }

  #id() {
    return handleOf(this, this.#client, "sae");
  }

  /**
   * @param {string} method
   * @param {unknown} value
   */
  #operand(method, value) {
    if (isHandle(value, "acts") || isHandle(value, "features")) return handleOf(value, this.#client, "acts", "features");
    return toTensor(method, "the input", value);
  }
}

/**
 * Separates how one SAE is trained from what it is trained on.
 *
 * @template {import("./types.js").Recipe} S
 * @param {S} settings
 * @returns {{recipe: import("./types.js").Recipe, rest: Omit<S, keyof import("./types.js").Recipe>}}
 */
export function split(settings) {
  const entries = Object.entries(settings);
  const isRecipe = (/** @type {[string, unknown]} */ [name]) => Object.hasOwn(defaults.recipe, name);
  const recipe = Object.fromEntries(entries.filter(isRecipe));
  const rest = Object.fromEntries(entries.filter((entry) => !isRecipe(entry)));
  return { recipe: /** @type {any} */ (recipe), rest: /** @type {any} */ (rest) };
}

/**
 * @template T
 * @param {string} method
 * @param {string} name
 * @param {T | null} value
 * @returns {T}
 */
export function required(method, name, value) {
  if (value === null) throw bad(`${method} needs “${name}”.`, `Call it with {${name}: …}.`);
  return value;
}
