// @ts-check
// What the parts of one load share: what the page sends, what the worker lends, and how far the load is.
import { cancelled } from "../errors.js";

/**
 * What the page sends.
 *
 * @typedef {object} Spec
 * @property {import("../models.js").Plan} plan
 * @property {import("../types.js").LoadModelSettings} settings
 * @property {ReadonlyMap<string, import("./memory.js").Held>} held  what is kept in the page's memory
 * @property {"webgpu" | "cpu" | null} checkedOn  where the same model was checked before
 *
 * What the worker lends.
 * @typedef {object} Tools
 * @property {any} lab   the engine
 * @property {() => import("./read-part.js").Hash} hash
 * @property {import("../device.js").Choice} choice
 * @property {import("../checkpoint.js").Watch} watch
 * @property {(key: string, held: import("./memory.js").Held | null) => void} hold  tells the page what is kept in memory
 *
 * @typedef {import("./read-part.js").Context} Context
 */

/**
 * @param {Spec} spec
 * @param {Tools} tools
 * @param {Amounts} amounts
 * @param {Pick<Context, "keep" | "since" | "isDistrusted">} rest
 * @returns {Context}
 */
export function contextOf({ plan }, { watch, hash }, amounts, rest) {
  return { ...rest, model: plan.name, signal: watch.signal, hash, advance: (phase, bytes) => amounts.advance(phase, bytes), wait: (other) => amounts.wait(other) };
}

/**
 * "auto" is 16 bits where the weights lie on a GPU; on the CPU they would only be slower.
 *
 * @param {"auto" | "f16" | "f32"} wanted
 * @param {import("../device.js").Choice} choice
 */
export function precisionOf(wanted, { device }) {
  if (wanted !== "auto") return wanted;
  return device === "webgpu" ? "f16" : "f32";
}

/** Bytes read so far, of how many, over all files of a load. */
export class Amounts {
  #watch;
  #done = 0;
  /** @type {Map<string, number | null>} */
  #sizes = new Map();

  /** @param {import("../checkpoint.js").Watch} watch */
  constructor(watch) {
    this.#watch = watch;
  }

  /** @param {import("./layout.js").Parts} parts */
  plan({ weights, ...small }) {
    const sizeOf = (/** @type {import("./layout.js").Part} */ part) => ("file" in part ? part.file.size : part.bytes);
    for (const part of Object.values(small)) this.size(part.name, sizeOf(part));
    for (const { name, bytes, pieces } of weights) this.size(name, bytes ?? (pieces.length === 1 && pieces[0] !== undefined ? sizeOf(pieces[0]) : null));
  }

  /**
   * @param {string} name
   * @param {number | null} bytes  null where it is not known yet
   */
  size(name, bytes) {
    this.#sizes.set(name, bytes);
  }

  /**
   * @param {"read" | "download"} phase
   * @param {number} bytes
   */
  async advance(phase, bytes) {
    this.#done += bytes;
    if (await this.#watch.checkpoint({ phase, done: this.#done, total: this.#total() }, false)) throw cancelled();
  }

  /** @param {import("./sharing.js").Amount} other  how far another tab is with the file that is to be read next */
  wait({ done }) {
    void this.#watch.checkpoint({ phase: "wait", done: this.#done + done, total: this.#total() }, false);
  }

  #total() {
    let sum = 0;
    for (const size of this.#sizes.values()) {
      if (size === null) return null;
      sum += size;
    }
    return sum < this.#done ? null : sum;
  }
}
