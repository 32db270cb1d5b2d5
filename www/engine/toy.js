// @ts-check
import { DeviceArray } from "./acts.js";
import { defaults } from "./defaults.js";
import { fields, toIds, toList, toTensor, toVector } from "./inputs.js";
import { bad, show, take } from "./options.js";
import { required } from "./sae.js";

/** @typedef {import("./types.js").Control} Control */
/** @typedef {import("./types.js").ToyModelName} ToyModelName */
/** @typedef {Pick<import("./types.js").ToyInstance, "weights">} Weighted */

/** @type {Record<ToyModelName, string[]>} */
const WEIGHTS = { "relu-hidden": ["W_enc", "W_dec", "b_enc", "b_dec"], "relu-output": ["W", "b_dec"] };

/**
 * Toy models of superposition, as `lab.toy`. They are computed on the CPU, whatever the lab runs on: they are too small for a GPU. Nothing of
 * them stays in the engine, so that nothing has to be disposed of.
 */
export class Toy {
  #client;

  /** @param {import("./client.js").Client} client */
  constructor(client) {
    this.#client = client;
  }

  /**
   * Trains one instance of a model for each probability, all at once, each step on a fresh batch.
   *
   * "relu-hidden" is week 7's: hidden = relu(x W_encᵀ + b_enc), x̂ = hidden W_decᵀ + b_dec. "relu-output" is that of "Toy Models of
   * Superposition": hidden = x Wᵀ, x̂ = relu(hidden W + b_dec). The loss is the mean over batch and features of I_i (x_i − x̂_i)², where
   * I_i = importanceDecay^i.
   *
   * `onProgress`: {phase: "toy", done, total, losses} in steps, with the newest loss of each instance; {phase: "analyse", done, total} in rows
   * of the fresh sample.
   *
   * @param {Partial<import("./types.js").ToyTrainSettings> & Control} [options]  `values` not given are the model's own: "normal" for
   *   "relu-hidden", "uniform" for "relu-output"
   * @returns {Promise<import("./types.js").ToyTrained>}
   * @throws {import("./errors.js").LabError} LAB-BAD-SETTING, LAB-WIDTH-MISMATCH (weights or batches of another shape), LAB-NOT-FINITE (`lr` too large), LAB-CANCELLED
   */
  async train(options) {
    const { settings, control } = take("toy.train", defaults.toyTrain, options, ["signal", "onProgress"]);
    const { weights, batches, ...rest } = settings;
    const model = toModel("toy.train", rest.model);
    const sent = { ...rest, values: valuesOf(model, rest.values), probabilities: toNumbers("toy.train", "probabilities", rest.probabilities) };
    const given = [
      weights === null ? null : toList("toy.train", "weights", weights).map((each) => toToyWeights("toy.train", model, each)),
      batches === null ? null : toList("toy.train", "batches", batches).map((each) => toTensor("toy.train", "batches", each)),
    ];
    return { instances: await this.#call("toyTrain", [sent, ...given], control), model, seed: sent.seed };
  }

  /**
   * What a trained instance makes of rows, of any values.
   *
   * @param {Weighted} instance
   * @param {ToyModelName} model
   * @param {import("./types.js").TensorLike} rows  [rows, nFeatures]
   * @param {Control} [options]
   * @returns {Promise<{outputs: import("./types.js").Tensor, hidden: import("./types.js").Tensor}>}  [rows, nFeatures] and [rows, nHidden]
   */
  async reconstruct(instance, model, rows, options) {
    const { control } = take("toy.reconstruct", {}, options, ["signal", "onProgress"]);
    return this.#call("toyReconstruct", [...toInstance("toy.reconstruct", model, instance), toTensor("toy.reconstruct", "rows", rows)], control);
  }

  /**
   * What is lost when several features are 1 at once: the squared error, summed over features, for the first `size` features and as the mean
   * over all sets of that size. `additive` is what the same features lose one at a time: what goes beyond is interference.
   *
   * @param {Weighted} instance
   * @param {ToyModelName} model
   * @param {Partial<import("./types.js").InterferenceSettings> & Control} [options]
   * @returns {Promise<import("./types.js").Interference[]>}  one for each size
   */
  async interference(instance, model, options) {
    const { settings, control } = take("toy.interference", defaults.interference, options, ["signal", "onProgress"]);
    const sizes = toIds("toy.interference", "number in “sizes”", settings.sizes);
    return this.#call("toyInterference", [...toInstance("toy.interference", model, instance), sizes], control);
  }

  /**
   * Fresh rows of an instance's world and of its hidden layer, and the direction in which each feature is written there: what an SAE of nHidden
   * dimensions is trained on, with the truth that `lab.analysis.matchFeatures` compares it with.
   *
   * @param {Partial<import("./types.js").ToySampleSettings> & Control} options  `instance` is required, and its `model` unless that is
   *   "relu-output"; `probability` not given is the instance's, `values` as in `train`
   * @returns {Promise<{x: import("./types.js").Tensor, hidden: import("./types.js").Tensor, directions: import("./types.js").Tensor}>}
   *   [rows, nFeatures], [rows, nHidden] and [nFeatures, nHidden]
   */
  async sample(options) {
    const { settings, control } = take("toy.sample", defaults.toySample, options, ["signal", "onProgress"]);
    const { instance, model: name, probability, values, ...rest } = settings;
    const given = /** @type {Weighted & {probability?: number}} */ (required("toy.sample", "instance", instance));
    const model = toModel("toy.sample", name);
    const sent = { ...rest, values: valuesOf(model, values), probability: required("toy.sample", "probability", probability ?? given.probability ?? null) };
    return this.#call("toySample", [...toInstance("toy.sample", model, given), sent], control);
  }

  /**
   * A synthetic world, as SAELens's synthetic module makes it: `nFeatures` directions of length 1 in `dIn` dimensions, each active with
   * `probability`, and activations that are the sum of the active ones.
   *
   * @param {Partial<import("./types.js").WorldSettings> & Control} [options]
   * @returns {Promise<{x: import("./types.js").Tensor, acts: import("./types.js").Tensor, directions: import("./types.js").Tensor}>}
   *   features [rows, nFeatures], activations [rows, dIn], directions [nFeatures, dIn]
   */
  async world(options) {
    const { settings, control } = take("toy.world", defaults.world, options, ["signal", "onProgress"]);
    return this.#call("toyWorld", [settings], control);
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {Control} control
   */
  #call(method, args, { signal, onProgress }) {
    return this.#client.call(method, args, { signal, onStep: onProgress }).result;
  }
}

/**
 * See `lab.analysis.matchFeatures`.
 *
 * @param {import("./client.js").Client} client
 * @param {import("./types.js").TensorLike} found
 * @param {import("./types.js").TensorLike} truth
 * @param {Partial<import("./types.js").MatchSettings> & Control} [options]
 * @returns {Promise<import("./types.js").Matching>}
 */
export async function matchFeatures(client, found, truth, options) {
  const { settings, control } = take("matchFeatures", defaults.matchFeatures, options, ["signal", "onProgress"]);
  const { foundActs, truthActs, signed } = settings;
  const acts = async (/** @type {string} */ name, /** @type {typeof foundActs} */ given) =>
    given === null ? null : toTensor("matchFeatures", name, given instanceof DeviceArray ? await given.read() : given);
  const directions = [toTensor("matchFeatures", "found", found), toTensor("matchFeatures", "truth", truth)];
  const args = [...directions, await acts("foundActs", foundActs), await acts("truthActs", truthActs), signed];
  return client.call("matchFeatures", args, { signal: control.signal, onStep: control.onProgress }).result;
}

/**
 * @param {string} method
 * @param {unknown} model
 * @returns {ToyModelName}
 */
function toModel(method, model) {
  if (typeof model === "string" && Object.hasOwn(WEIGHTS, model)) return /** @type {ToyModelName} */ (model);
  throw bad(`${method}: the model must be “relu-hidden” or “relu-output”, and is ${show(model)}.`, "Pass the `model` of what toy.train gave.");
}

/**
 * A list of numbers in 64 bits, in which 0.1 stays 0.1.
 *
 * @param {string} method
 * @param {string} name
 * @param {import("./types.js").Numbers} numbers
 */
function toNumbers(method, name, numbers) {
  toVector(method, name, numbers); // its type and every number
  return [...numbers];
}

/**
 * @param {ToyModelName} model
 * @param {string | null} values
 */
function valuesOf(model, values) {
  return values ?? (model === "relu-hidden" ? "normal" : "uniform");
}

/**
 * @param {string} method
 * @param {unknown} model
 * @param {unknown} instance
 * @returns {[ToyModelName, Record<string, import("./types.js").Tensor>]}
 */
function toInstance(method, model, instance) {
  const name = toModel(method, model);
  const { weights } = fields(method, "instance", instance, "{weights}");
  return [name, toToyWeights(method, name, weights)];
}

/**
 * The weights that a model has; the W_dec that a tied one is given for pictures is left behind.
 *
 * @param {string} method
 * @param {ToyModelName} model
 * @param {unknown} weights
 */
function toToyWeights(method, model, weights) {
  const form = `{${WEIGHTS[model].join(", ")}}`;
  const given = fields(method, "weights", weights, form, [...WEIGHTS[model], "W_dec"]);
  return Object.fromEntries(WEIGHTS[model].map((name) => [name, toTensor(method, name, given[name])]));
}
