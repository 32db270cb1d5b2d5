// @ts-check
import { LabError } from "./errors.js";

/** Numbers that need not be whole. All others count something. */
const FRACTIONS = new Set([
  "temperature", "topP", "frequencyPenalty", "lr", "l1", "beta1", "beta2", "eps", "strength",
  "k", "topkThresholdLr", "jumpreluInitThreshold", "jumpreluBandwidth", "jumpreluTanhScale", "jumpreluTargetL0", "preActLossCoefficient", "auxKCoefficient",
  "lrEnd", "gradientClip", "resampleScale", "heldOut", "threshold", "minFrequency", "l2", "importanceDecay", "probability", "correlation", "meanMagnitude", "stdMagnitude",
]);
/** Options without a default value that are numbers when they are given. */
const OPTIONAL_NUMBERS = new Set(["topK", "topP", "maxTokens", "dIn", "dOut", "dSae", "feature", "lrEnd", "gradientClip", "contextSize", "probability"]);

/**
 * Merges a caller's options over a method's defaults, once, at the boundary: behind it nothing checks names
 * or types again. Ranges are the engine's business, which knows the model.
 *
 * An unknown name is refused rather than ignored, because a misspelt option would quietly give other
 * numbers. An option that is `undefined` counts as not given.
 *
 * @template {object} D
 * @param {string} method        for the message
 * @param {Readonly<D>} defaults
 * @param {unknown} options
 * @param {readonly ("signal" | "onProgress" | "onToken")[]} [control]  control options that the method takes
 * @returns {{settings: {-readonly [K in keyof D]: D[K]}, control: {signal?: AbortSignal, onProgress?: (progress: any) => void, onToken?: (token: any) => void}}}
 * @throws {LabError} LAB-BAD-SETTING
 */
export function take(method, defaults, options, control = []) {
  const given = asRecord(method, options);
  const known = [...Object.keys(defaults), ...control];
  /** @type {Record<string, unknown>} */
  const settings = { ...defaults };
  /** @type {Record<string, any>} */
  const taken = {};
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (!known.includes(name)) {
      throw bad(`${method} has no option “${name}”.`, `Its options are ${known.join(", ")}.`);
    }
    const isSetting = Object.hasOwn(defaults, name);
    if (value === undefined || (value === null && !isSetting)) continue;
    if (isSetting) {
      checkType(method, name, value, settings[name]);
      settings[name] = value;
    } else {
      checkControl(method, name, value);
      taken[name] = value;
    }
  }
  return { settings: /** @type {any} */ (settings), control: taken };
}

/**
 * @param {string} message
 * @param {string} hint
 */
export function bad(message, hint) {
  return new LabError("LAB-BAD-SETTING", message, hint);
}

/**
 * A value as it should stand in a message: short, and told apart by type.
 *
 * @param {unknown} value
 */
export function show(value) {
  if (typeof value === "string") return `“${value.length > 40 ? `${value.slice(0, 40)}…` : value}”`;
  if (value === null || ["number", "boolean", "undefined", "bigint"].includes(typeof value)) return String(value);
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} value
 * @returns {number} `value`, a whole number from 0 on
 * @throws {LabError} LAB-BAD-SETTING
 */
export function whole(method, name, value) {
  if (Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0) return /** @type {number} */ (value);
  throw bad(`${method}: “${name}” must be a whole number from 0 on, and is ${show(value)}.`, `Give a whole number for “${name}”.`);
}

/**
 * @param {string} method
 * @param {unknown} options
 * @returns {Record<string, unknown>}
 */
function asRecord(method, options) {
  if (options === undefined) return {};
  if (typeof options === "object" && options !== null && !Array.isArray(options)) {
    return /** @type {Record<string, unknown>} */ (options);
  }
  throw bad(`${method} takes its options as an object, and was given ${show(options)}.`, "Write them as {name: value}, or leave them out.");
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} value
 * @param {unknown} fallback  the default, whose type the value has to have
 */
function checkType(method, name, value, fallback) {
  if (typeof fallback === "number" || (fallback === null && OPTIONAL_NUMBERS.has(name))) {
    if (value === null && fallback === null) return;
    if (!FRACTIONS.has(name)) whole(method, name, value);
    else if (!Number.isFinite(value)) {
      throw bad(`${method}: “${name}” must be a finite number, and is ${show(value)}.`, `Give a number for “${name}”${fallback === null ? " or null" : `; the default is ${fallback}`}.`);
    }
  } else if ((typeof fallback === "boolean" || typeof fallback === "string") && typeof value !== typeof fallback) {
    const kind = typeof fallback === "boolean" ? "true or false" : "text";
    throw bad(`${method}: “${name}” must be ${kind}, and is ${show(value)}.`, `The default is ${show(fallback)}.`);
  }
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} value
 */
function checkControl(method, name, value) {
  if (name === "signal") {
    // By its shape, because the signal of another frame is no instance of this frame's AbortSignal.
    if (typeof value === "object" && value !== null && "aborted" in value && "addEventListener" in value) return;
    throw bad(`${method}: “signal” must be an AbortSignal, and is ${show(value)}.`, "Pass controller.signal of an AbortController.");
  }
  if (typeof value !== "function") {
    throw bad(`${method}: “${name}” must be a function, and is ${show(value)}.`, `Pass a function, or leave “${name}” out.`);
  }
}
