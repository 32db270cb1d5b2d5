// @ts-check
import { Acts } from "./acts.js";
import { defaults } from "./defaults.js";
import { handleOf, register, release, sameCall } from "./handles.js";
import { fields, toEdits, toInput, toList, toName, toNames, toPositions, toRandomSequences, toText, toTextsOrIds, toVector } from "./inputs.js";
import { bad, take, whole } from "./options.js";
import { shielded } from "./progress.js";
import { copy } from "./walk.js";

/** @typedef {import("./types.js").Control} Control */

/** A language model on the device. Made by `lab.loadModel`. */
export class Model {
  #client;

  /** @readonly @type {string} */ name;
  /** @readonly @type {import("./types.js").ModelConfig} */ config;
  /** The names of its hooks, as TransformerLens has them. @readonly @type {string[]} */ hooks;
  /** How many numbers it has learnt. @readonly @type {number} */ parameters;
  /** How its weights lie on the device; this and what follows may be another after a recovery. @type {"f16" | "f32"} */ weights;
  /** What they take there. @type {number} */ deviceBytes;
  /** What was found when its numbers were checked on this device. @type {readonly import("./types.js").ModelCheck[]} */ check;
  /** @type {Readonly<import("./types.js").ModelSource>} */ source;

  /**
   * @param {import("./client.js").Client} client
   * @param {{id: number, name: string, config: import("./types.js").ModelConfig, hooks: string[], parameters: number, weights: "f16" | "f32",
   *   deviceBytes: number, check: import("./types.js").ModelCheck[], source: import("./types.js").ModelSource}} made
   * @param {(control: import("./types.js").Control) => Promise<any>} load   makes the same again
   */
  constructor(client, made, load) {
    this.#client = client;
    this.name = made.name;
    this.config = made.config;
    this.hooks = made.hooks;
    this.parameters = made.parameters;
    ({ weights: this.weights, deviceBytes: this.deviceBytes, check: this.check, source: this.source } = made);
    register(this, client, "model", { id: made.id, name: `the model ${made.name}`, recipe: { make: () => this.#again(load) } });
  }

  /**
   * Cuts a text into tokens.
   *
   * @param {string} text
   * @param {Partial<import("./types.js").TokenizeSettings>} [options]
   * @returns {Promise<import("./types.js").Tokens>}
   */
  async tokenize(text, options) {
    const { settings } = take("tokenize", defaults.tokenize, options);
    return this.#call("tokenize", [toText("tokenize", text), settings]).result;
  }

  /**
   * Runs the model once over a text and hands back logits and activations.
   *
   * @param {import("./types.js").TextOrIds} input
   * @param {Partial<import("./types.js").RunSettings> & Control} [options]
   * @returns {Promise<import("./types.js").RunResult>}
   */
  async run(input, options) {
    const { settings, control } = take("run", defaults.run, options, ["signal", "onProgress"]);
    const sent = { ...settings, hooks: toNames("run", settings.hooks), edits: toEdits("run", settings.edits), steer: this.#toSteer("run", settings.steer) };
    return this.#call("run", [toInput("run", input), sent], { signal: control.signal, onStep: control.onProgress }).result;
  }

  /**
   * Continues a text. `onToken` is called with {id, token, text} for every token as it appears, and
   * `onProgress` with {phase: "generate", done, total, id, token, text}.
   *
   * @param {import("./types.js").TextOrIds} prompt
   * @param {Partial<import("./types.js").GenerateSettings> & Control & {onToken?: (token: import("./types.js").TokenEvent) => void}} [options]
   * @returns {Promise<import("./types.js").GenerateResult>}
   */
  async generate(prompt, options) {
    const { settings, control } = take("generate", defaults.generate, options, ["signal", "onProgress", "onToken"]);
    const { onToken, onProgress } = control;
    const sent = { ...settings, steer: this.#toSteer("generate", settings.steer) };
    /** @param {any} step */
    const onStep = (step) => {
      if ("token" in step) shielded(onToken, { id: step.id, token: step.token, text: step.text });
      onProgress?.(step);
    };
    const watched = onToken !== undefined || onProgress !== undefined;
    return this.#call("generate", [toInput("generate", prompt), sent], { signal: control.signal, onStep: watched ? onStep : undefined }).result;
  }

  /**
   * Runs the model over texts (and random token sequences, if wanted) and keeps one hook's activations on the
   * device. `onProgress`: {phase: "collect", done, total} in sequences.
   *
   * @param {string | readonly import("./types.js").TextOrIds[]} texts  lists of token ids are run as they are, without BOS
   * @param {Partial<import("./types.js").CollectSettings> & Control} [options]
   * @returns {Promise<Acts>}
   */
  async collect(texts = [], options) {
    const { settings, control } = take("collect", defaults.collect, options, ["signal", "onProgress"]);
    const sent = { ...settings, randomSequences: toRandomSequences("collect", settings.randomSequences) };
    const args = [handleOf(this, this.#client, "model"), toTextsOrIds("collect", texts), sent];
    const recipe = sameCall(this.#client, "collect", args);
    const made = this.#client.call("collect", /** @type {unknown[]} */ (copy(args)), { signal: control.signal, onStep: control.onProgress });
    return new Acts(this.#client, await made.result, recipe);
  }

  /** @param {(control: Control) => Promise<any>} load */
  async #again(load) {
    const made = await load({});
    ({ weights: this.weights, deviceBytes: this.deviceBytes, check: this.check, source: this.source } = made);
    return made;
  }

  /** Takes the model off the device. A second call does nothing. @returns {Promise<void>} */
  dispose() {
    return release(this);
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {import("./client.js").Watchers} [watchers]
   */
  #call(method, args, watchers) {
    return this.#client.call(method, [handleOf(this, this.#client, "model"), ...args], watchers);
  }

  /**
   * @param {string} method
   * @param {unknown} entries
   */
  #toSteer(method, entries) {
    return toList(method, "steer", entries).map((entry) => {
      const given = fields(method, "steer", entry, "{hook, vector, strength} or {hook, sae, feature, strength}", ["vector", "sae", "feature", ...Object.keys(defaults.steer)]);
      if ((given.vector === undefined) === (given.sae === undefined)) {
        throw bad(`${method}: an entry of “steer” needs either “vector”, or “sae” and “feature”.`, "Give exactly one of the two.");
      }
      const { vector, sae, feature, ...rest } = given;
      const { settings } = take(`${method}, steer`, defaults.steer, rest);
      const common = { hook: toName(method, settings.hook), strength: settings.strength, ...toPositions(method, settings.positions) };
      if (vector !== undefined) return { ...common, vector: toVector(method, "vector", vector) };
      return { ...common, sae: handleOf(sae, this.#client, "sae"), feature: whole(method, "feature", feature), direction: settings.direction };
    });
  }
}
