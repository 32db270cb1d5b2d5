// @ts-check
import { orAborted } from "./abort.js";
import { DeviceArray } from "./acts.js";
import { defaults } from "./defaults.js";
import { LabError, cancelled } from "./errors.js";
import { idOf, isHandle, register, release } from "./handles.js";
import { toIds, toTensor, toWeights } from "./inputs.js";
import { bad, show, take } from "./options.js";
import { mismatches, saveSae } from "./sae-files.js";

const STOPPED = "The SAE keeps what it has learnt: train with {continue: true} goes on from there.";

/**
 * The training that each SAE is in, which after an abort goes on until the engine has wound down.
 * @type {WeakMap<Sae, import("./client.js").Call<any>>}
 */
const trainings = new WeakMap();

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
   */
  constructor(client, made) {
    this.#client = client;
    this.config = made.config;
    this.logSparsity = made.logSparsity ?? null;
    register(this, client, "sae", made.id);
  }

  /**
   * Trains on collected activations, or on rows of the caller's own.
   *
   * `onProgress` is given two kinds of objects. One per epoch, each of them, in order: the history's own
   * {epoch, total, recon, l1, fracActive, nActive, steps, …}, where `total` is the loss. And, at most four times a
   * second and at the end, {phase: "train", done, total, epoch}, where `done` and `total` count steps. Tell them
   * apart by `"phase" in progress`.
   *
   * Aborting rejects at once with LAB-CANCELLED; the SAE keeps what it has learnt, `info()` has the history, and
   * `train` with {continue: true} goes on with the next batch (it waits until the aborted training has wound down).
   * While one training runs, another on the same SAE rejects with LAB-BUSY.
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
    const settingsSent = { ...sent, order: order === null ? null : toIds("train", "row of “order”", order), recipe };
    const watchers = { signal, onEntry: onProgress, onStep: onProgress, stoppedHint: STOPPED };
    return occupy([this], signal, () => this.#client.call("train", [this.#id(), ...operands, settingsSent], watchers));
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
    return this.#client.call("setL1", [this.#id(), l1]).result;
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
    return training === undefined ? false : this.#client.pause(training.id);
  }

  /** Lets a paused training go on. Does nothing when none is paused. @returns {Promise<void>} */
  async resume() {
    const training = trainings.get(this);
    if (training !== undefined) this.#client.resume(training.id);
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
    return new DeviceArray(this.#client, await this.#client.call("encode", [this.#id(), this.#operand("encode", acts)]).result);
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
    return new DeviceArray(this.#client, await this.#client.call("decode", [this.#id(), this.#operand("decode", features)]).result);
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

  #id() {
    return idOf(this, this.#client, "sae");
  }

  /**
   * @param {string} method
   * @param {unknown} value
   */
  #operand(method, value) {
    if (isHandle(value, "acts") || isHandle(value, "features")) return idOf(value, this.#client, "acts", "features");
    return toTensor(method, "the input", value);
  }
}

/**
 * Starts a training of SAEs that are free; those whose training was aborted are waited for.
 *
 * @template T
 * @param {readonly Sae[]} saes
 * @param {AbortSignal | undefined} signal
 * @param {() => import("./client.js").Call<T>} start
 * @returns {Promise<T>}
 * @throws {LabError} LAB-BUSY when one of them is being trained
 */
export async function occupy(saes, signal, start) {
  for (;;) {
    const running = saes.map((sae) => trainings.get(sae)).find((training) => training !== undefined);
    if (running === undefined) break;
    if (!running.isCancelled()) throw busy();
    await orAborted(running.settled, signal);
  }
  const training = start();
  for (const sae of saes) trainings.set(sae, training);
  void training.settled.then(() => saes.forEach((sae) => trainings.get(sae) === training && trainings.delete(sae)));
  return training.result;
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
 * Makes an SAE of a training that `sae.checkpoint()` stored.
 *
 * @param {import("./client.js").Client} client
 * @param {unknown} bytes
 * @returns {Promise<Sae>}
 */
export async function restoreSae(client, bytes) {
  const given = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  if (!(given instanceof Uint8Array)) {
    throw bad(`restoreSae: the checkpoint must be a Uint8Array, and is ${show(bytes)}.`, "Pass what sae.checkpoint() gave.");
  }
  return new Sae(client, await client.call("restoreSae", [given.slice()]).result);
}

/**
 * Makes an SAE with random weights from `seed`, or with `weights` of the caller's.
 *
 * @param {import("./client.js").Client} client
 * @param {unknown} options
 * @returns {Promise<Sae>}
 */
export async function createSae(client, options) {
  const { settings } = take("createSae", defaults.createSae, options);
  const { weights: given, architecture, dIn: width, dSae: latents, dOut, seed, init, lossUnit, l1Weighted, applyBDecToInput, normalizeActivations, transcoder, skip, ...extras } = settings;
  const weights = given === null ? null : toWeights("createSae", given);
  const [rows = null, columns = null] = weights?.W_enc?.shape ?? [];
  const dIn = required("createSae", "dIn", width ?? rows);
  const dSae = latents ?? columns ?? 4 * dIn;
  const { matryoshkaWidths, ...others } = extras;
  const sent = {
    architecture, dIn, dSae, seed, normalizeActivations, transcoder, skip,
    ...present({ dOut, weights, init, lossUnit, l1Weighted, applyBDecToInput }),
    extras: { ...others, matryoshkaWidths: matryoshkaWidths === null ? [] : [...toIds("createSae", "width of “matryoshkaWidths”", matryoshkaWidths)] },
  };
  return new Sae(client, await client.call("createSae", [sent]).result);
}

/**
 * Without what is null.
 *
 * @param {Record<string, unknown>} options
 */
function present(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
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

function busy() {
  return new LabError("LAB-BUSY", "This SAE is being trained already.", "Wait for that training, or abort it; then start the next one.");
}
