// @ts-check
// What callers hand over (texts, token ids, arrays of numbers), checked and copied for the engine. Everything
// returned here is a fresh copy, so that it can be transferred to the worker without touching the caller's.
import { LabError } from "./errors.js";
import { bad, show, whole } from "./options.js";

/** @typedef {import("./types.js").Tensor} Tensor */

/**
 * @param {string} method
 * @param {unknown} text
 * @param {string} [name]  how the message calls it
 * @returns {string}
 * @throws {LabError} LAB-BAD-TEXT when it is no string, or no well-formed Unicode: a tokenizer works on UTF-8,
 *   in which half of a surrogate pair has no bytes
 */
export function toText(method, text, name = "the text") {
  if (typeof text !== "string") {
    throw new LabError("LAB-BAD-TEXT", `${method}: ${name} must be a string, and is ${show(text)}.`, "Pass the text as a string.");
  }
  if (!isWellFormed(text)) {
    throw new LabError(
      "LAB-BAD-TEXT",
      `${method}: ${name} has half a character at position ${text.search(/\p{Surrogate}/u)} (an unpaired surrogate), which no tokenizer can read.`,
      "This happens when a text is cut in the middle of an emoji. Delete that character, or pass text.toWellFormed().",
    );
  }
  return text;
}

/**
 * @param {string} text
 * @returns {boolean}
 */
function isWellFormed(text) {
  const native = /** @type {{isWellFormed?: () => boolean}} */ (/** @type {unknown} */ (text)).isWellFormed;
  // With the u flag, \p{Surrogate} matches a surrogate only where it stands alone.
  return native === undefined ? !/\p{Surrogate}/u.test(text) : native.call(text);
}

/**
 * @param {string} method
 * @param {unknown} texts  one string or a list of them
 * @returns {string[]}
 * @throws {LabError} LAB-BAD-TEXT
 */
export function toTexts(method, texts) {
  if (typeof texts === "string") return [toText(method, texts)];
  if (!Array.isArray(texts)) {
    throw new LabError("LAB-BAD-TEXT", `${method}: the texts must be a list of strings, and are ${show(texts)}.`, 'Pass an array, like ["One text.", "Another."].');
  }
  return texts.map((text, index) => toText(method, text, `text ${index}`));
}

/**
 * @param {string} method
 * @param {unknown} texts  one string, or a list of strings and lists of token ids
 * @returns {(string | Uint32Array)[]}
 * @throws {LabError} LAB-BAD-TEXT, or LAB-BAD-SETTING for an id that is no whole number from 0 on
 */
export function toTextsOrIds(method, texts) {
  if (!Array.isArray(texts)) return toTexts(method, texts);
  return texts.map((text, index) => (typeof text === "string" ? toText(method, text, `text ${index}`) : toInput(method, text)));
}

/**
 * @param {string} method
 * @param {unknown} input  a text, or token ids
 * @returns {string | Uint32Array}
 * @throws {LabError} LAB-BAD-TEXT, or LAB-BAD-SETTING for an id that is no whole number from 0 on
 */
export function toInput(method, input) {
  if (Array.isArray(input) || (ArrayBuffer.isView(input) && !(input instanceof DataView))) return toIds(method, "token id", input);
  return toText(method, input);
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} ids
 * @returns {Uint32Array<ArrayBuffer>}
 */
export function toIds(method, name, ids) {
  const list = elements(method, name, ids);
  for (const id of list) {
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) throw bad(`${method}: a ${name} must be a whole number from 0 on, and one is ${show(id)}.`, "Check the list.");
  }
  return Uint32Array.from(list);
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} numbers
 * @returns {Float32Array<ArrayBuffer>}
 * @throws {LabError} LAB-BAD-SETTING when it is no list of finite numbers
 */
export function toVector(method, name, numbers) {
  const list = elements(method, name, numbers);
  const vector = list instanceof Float32Array ? list : Float32Array.from(list);
  for (let index = 0; index < vector.length; index++) {
    // Both sides: null would become 0, and 1e300 is no number in 32 bits.
    if (!Number.isFinite(list[index]) || !Number.isFinite(vector[index])) {
      throw bad(`${method}: number ${index} of “${name}” is ${show(list[index])}, not a finite number of 32 bits.`, "Look for a division by zero, or for a row that was never filled.");
    }
  }
  return vector;
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} tensor
 * @returns {Tensor}
 * @throws {LabError} LAB-BAD-SETTING when it is no {data, shape}, or the shape does not fit the data
 */
export function toTensor(method, name, tensor) {
  const { data, shape } = fields(method, name, tensor, "{data, shape}");
  const sizes = [...toIds(method, `size in the shape of “${name}”`, shape)];
  const expected = sizes.reduce((product, size) => product * size, 1);
  const vector = toVector(method, name, data);
  if (vector.length === expected) return { data: vector, shape: sizes };
  throw bad(`${method}: “${name}” has the shape [${sizes.join(", ")}], which is ${expected} numbers, and holds ${vector.length}.`, "Give the shape that the data has.");
}

/**
 * @param {string} method
 * @param {unknown} hooks
 * @returns {string[]}
 */
export function toNames(method, hooks) {
  if (Array.isArray(hooks) && hooks.every((hook) => typeof hook === "string")) return [...hooks];
  throw bad(`${method}: “hooks” must be a list of hook names, and is ${show(hooks)}.`, 'Write it as ["blocks.6.hook_resid_post"]; model.hooks lists the names.');
}

/**
 * @param {string} method
 * @param {readonly unknown[]} edits
 * @returns {object[]}
 */
export function toEdits(method, edits) {
  return toList(method, "edits", edits).map((edit) => {
    const { hook, add, replace, positions } = fields(method, "edits", edit, "{hook, add} or {hook, replace}", ["hook", "add", "replace", "positions"]);
    if ((add === undefined) === (replace === undefined)) {
      throw bad(`${method}: an edit needs either “add” (a vector) or “replace” (a tensor).`, "Give exactly one of the two.");
    }
    const change = add === undefined ? { replace: toTensor(method, "replace", replace) } : { add: toVector(method, "add", add) };
    return { hook: toName(method, hook), ...change, ...toPositions(method, positions) };
  });
}

/**
 * @param {string} method
 * @param {unknown} hook
 * @returns {string}
 */
export function toName(method, hook) {
  if (typeof hook === "string") return hook;
  throw bad(`${method}: “hook” must be the name of a hook, and is ${show(hook)}.`, "model.hooks lists the names.");
}

/**
 * @param {string} method
 * @param {unknown} positions  a word, or a list of positions; not given: the engine's own choice
 * @returns {{positions?: string | number[]}}
 */
export function toPositions(method, positions) {
  if (positions === undefined || positions === null) return {};
  return { positions: typeof positions === "string" ? positions : [...toIds(method, "position", positions)] };
}

/**
 * @param {string} method
 * @param {unknown} value
 * @returns {{count: number, length: number, minId: number, maxId: number} | null}
 */
export function toRandomSequences(method, value) {
  if (value === null) return null;
  const names = ["count", "length", "minId", "maxId"];
  const given = fields(method, "randomSequences", value, `{${names.join(", ")}}`, names);
  const numbers = Object.fromEntries(names.map((name) => [name, whole(method, `randomSequences.${name}`, given[name])]));
  return /** @type {{count: number, length: number, minId: number, maxId: number}} */ (numbers);
}

/**
 * @param {string} method
 * @param {unknown} value
 * @returns {{count: number, seed: number} | null}
 */
export function toSample(method, value) {
  if (value === null) return null;
  const { count, seed } = fields(method, "sample", value, "{count, seed}", ["count", "seed"]);
  return { count: whole(method, "sample.count", count), seed: whole(method, "sample.seed", seed ?? 0) };
}

/** The tensors of an SAE, by SAELens's names. */
const WEIGHTS = ["W_enc", "W_dec", "b_enc", "b_dec", "W_skip", "threshold", "b_gate", "b_mag", "r_mag", "topk_threshold"];

/**
 * @param {string} method
 * @param {unknown} value
 * @returns {Record<string, Tensor>}
 */
export function toWeights(method, value) {
  const given = fields(method, "weights", value, "{W_enc, b_enc, W_dec, b_dec, …}", WEIGHTS);
  const present = Object.entries(given).filter(([, tensor]) => tensor !== undefined && tensor !== null);
  return Object.fromEntries(present.map(([name, tensor]) => [name, toTensor(method, name, tensor)]));
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} list
 * @returns {readonly unknown[]}
 */
export function toList(method, name, list) {
  if (Array.isArray(list)) return list;
  throw bad(`${method}: “${name}” must be a list, and is ${show(list)}.`, `Write it as ${name}: [ … ].`);
}

/**
 * The fields of an object that came from outside; with `known`, others are refused.
 *
 * @param {string} method
 * @param {string} name
 * @param {unknown} value
 * @param {string} form  how it should look, for the message
 * @param {readonly string[]} [known]
 * @returns {Record<string, unknown>}
 */
export function fields(method, name, value, form, known) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(`${method}: “${name}” must have the form ${form}, and is ${show(value)}.`, `Write it as ${form}.`);
  }
  const stranger = known && Object.keys(value).find((key) => !known.includes(key));
  if (stranger !== undefined) {
    throw bad(`${method}: “${name}” has no field “${stranger}”.`, `Its fields are ${known?.join(", ")}.`);
  }
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * @param {string} method
 * @param {string} name
 * @param {unknown} value
 * @returns {readonly number[] | Float32Array<ArrayBuffer>}  of a typed array a copy, of whatever type of number it has
 */
function elements(method, name, value) {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array)) {
    try {
      return /** @type {Float32Array<ArrayBuffer>} */ (value).slice();
    } catch {
      throw bad(`${method}: the array of “${name}” is no longer there: it was moved to another thread.`, "Pass a copy to whoever took it.");
    }
  }
  throw bad(`${method}: “${name}” must be a list of numbers, and is ${show(value)}.`, "Pass an array or a typed array.");
}
