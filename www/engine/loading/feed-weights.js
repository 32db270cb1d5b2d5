// @ts-check
// Takes the weights of one load to the engine, file by file, as their bytes arrive.
import { isMissing } from "./failures.js";
import { FILE_NAMES, shardNames } from "./layout.js";
import { readPart } from "./read-part.js";
import { readLocal, readWhole, unknownBelow } from "./small-files.js";

/** @typedef {import("./layout.js").Weights} Weights */

export class Feeder {
  #lab;
  #loading;
  #context;
  #amounts;
  /** What was read, with the lengths and hashes found. @type {Weights[]} */ weights = [];
  #places = /** @type {(import("./kept.js").Where | null)[]} */ ([]);
  /** @type {string | null} */
  #reason = null;

  /**
   * @param {any} lab
   * @param {number} loading  the engine's number for the model that is being loaded
   * @param {import("./read-part.js").Context} context
   * @param {import("./context.js").Amounts} amounts
   */
  constructor(lab, loading, context, amounts) {
    this.#lab = lab;
    this.#loading = loading;
    this.#context = context;
    this.#amounts = amounts;
  }

  /** @param {Weights} file */
  async file({ name, bytes, pieces }) {
    const [lab, loading] = [this.#lab, this.#loading];
    let begun = false;
    const feed = async (/** @type {Uint8Array} */ piece) => {
      if (!begun) await lab.modelFile(loading, name, bytes);
      begun = true;
      const total = (await lab.modelFeed(loading, piece)) ?? null;
      if (total !== null) this.#amounts.size(name, total);
      // A piece of several has its length on record.
      return pieces.length === 1 ? total : null;
    };
    const read = [];
    for (const part of pieces) {
      if ("file" in part) {
        await readLocal(part, this.#context, feed);
        read.push(part);
      } else {
        const { where, reason, bytes, sha256 } = await readPart(part, this.#context, feed);
        this.#places.push(where);
        this.#reason ??= reason;
        read.push({ ...part, bytes, sha256 });
      }
    }
    if (!begun) await lab.modelFile(loading, name, bytes);
    await lab.modelFileEnd(loading);
    this.weights.push({ name, bytes, pieces: read });
  }

  /**
   * What lies below an address without a manifest: one file, or else shards.
   *
   * @param {import("../models.js").Plan} plan
   */
  async below(plan) {
    const of = (/** @type {string} */ name) => ({ name, bytes: null, pieces: [unknownBelow(plan, name)] });
    let missing;
    try {
      return await this.file(of(FILE_NAMES.weights));
    } catch (error) {
      if (!isMissing(error)) throw error;
      missing = error;
    }
    const index = await readWhole(unknownBelow(plan, FILE_NAMES.index), this.#context).catch((error) => {
      // What is said is that the usual file is missing.
      throw isMissing(error) ? missing : error;
    });
    this.#amounts.size(FILE_NAMES.weights, 0);
    this.#amounts.size(FILE_NAMES.index, index.bytes.byteLength);
    const names = shardNames(new TextDecoder().decode(index.bytes), FILE_NAMES.index);
    for (const name of names) this.#amounts.size(name, null);
    for (const name of names) await this.file(of(name));
  }

  /** Where the weights are kept: the least lasting place of all their files. */
  kept() {
    const kept = /** @type {const} */ ([null, "memory", "cache", "opfs"]).find((place) => this.#places.includes(place)) ?? null;
    return kept === "opfs" || kept === "cache" || this.#reason === null ? { kept } : { kept, keptReason: this.#reason };
  }
}
