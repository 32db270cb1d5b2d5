// @ts-check
// The bytes of one file on their way to the engine: hashed, counted, fed.
import { release } from "./release.js";

/** What was kept of a file is not what it should be. It has been removed; the file has to be read again from its start. */
export class Spoilt extends Error {
  /**
   * @param {string} key
   * @param {unknown} cause
   */
  constructor(key, cause) {
    super(`What was kept of ${key} is damaged.`, { cause });
    this.key = key;
  }
}

/**
 * Whether an error is the engine's word that a file is none of a model. (The engine's errors are LabErrors by their name only.)
 *
 * @param {unknown} error
 */
export function isRefusal(error) {
  return error instanceof Error && error.name === "LabError" && ["LAB-BAD-FILE", "LAB-NOT-FINITE"].includes(/** @type {import("../errors.js").LabError} */ (error).code);
}

export class Intake {
  #context;
  #feed;
  #hash;
  /** What the engine said against the file. @type {unknown} */
  #refusal = null;
  received = 0;
  /** The file's length, once the engine can tell. @type {number | null} */
  total = null;

  /**
   * @param {import("./read-part.js").Context} context
   * @param {import("./read-part.js").Feed} feed
   */
  constructor(context, feed) {
    this.#context = context;
    this.#feed = feed;
    this.#hash = context.hash();
  }

  /**
   * @param {Uint8Array} piece
   * @param {"read" | "download"} phase
   * @param {boolean} patient  whether a file that the engine refuses is read to its end, to learn whether it is the right one
   */
  async take(piece, phase, patient) {
    this.#hash.update(piece);
    this.received += piece.byteLength;
    if (this.#refusal === null) {
      try {
        const total = await this.#feed(piece);
        this.total ??= total;
      } catch (error) {
        if (!isRefusal(error) || !patient) throw error;
        this.#refusal = error;
      }
    }
    await this.#context.advance(phase, piece.byteLength);
  }

  /** @param {import("./kept.js").Kept} kept */
  async takeKept({ meta, bytes, read }) {
    const pieces = read();
    for (;;) {
      const step = await pieces.next().catch((error) => {
        throw new Spoilt(meta.key, error);
      });
      if (step.done) break;
      await this.take(step.value, "read", true);
      release(step.value);
    }
    if (this.received !== bytes || (!meta.complete && this.hex() !== meta.part?.sha256)) throw new Spoilt(meta.key, null);
  }

  /** The hash of all that came so far. */
  hex() {
    return this.#hash.hex();
  }

  /** @throws what the engine said against the file, now that it is known to be the right one */
  settle() {
    if (this.#refusal !== null) throw this.#refusal;
  }

  free() {
    this.#hash.free();
  }
}
