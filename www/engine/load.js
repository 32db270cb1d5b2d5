// @ts-check
// Reads the files of a model into memory, with progress, and compares them with what is on record.
import { linked, orAborted } from "./abort.js";
import { download, hashError, isMissing } from "./download.js";
import { LabError, describe } from "./errors.js";
import { locate } from "./models.js";
import { ProgressFeed, shielded } from "./progress.js";

/** @typedef {import("./models.js").Local} Local */
/** @typedef {import("./models.js").Remote} Remote */
/** @typedef {import("./models.js").Role} Role */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/**
 * What the engine's loadModel takes.
 * @typedef {{name: string, config: Bytes, weights: Bytes, tokenizer?: Bytes, vocab?: Bytes, merges?: Bytes}} ModelFiles
 */

/**
 * Progress: {phase: "download", done, total} in bytes over all files, `total` null where the sizes are not on
 * record; {phase: "read", …} for files of this computer; {phase: "verify", done, total} in bytes.
 *
 * The small files come first, so that a wrong address shows at once.
 *
 * @param {unknown} source  what loadModel was given
 * @param {import("./client.js").Client} client
 * @param {{signal?: AbortSignal, onProgress?: (progress: import("./types.js").Progress) => void}} control
 * @returns {Promise<ModelFiles>}
 * @throws {LabError} LAB-DOWNLOAD, LAB-BAD-FILE, LAB-BAD-SETTING, LAB-CANCELLED, or what ended the engine
 */
export async function readModel(source, client, { signal: callerSignal, onProgress }) {
  if (client.end !== null) throw client.end;
  const { signal, unlink } = linked(callerSignal, client);
  const feed = new ProgressFeed((_, step) => step !== null && !signal.aborted && shielded(onProgress, step));
  try {
    const plan = await orAborted(locate(source), signal);
    const files = await readParts(plan, feed, signal);
    await verify(plan, files, client, feed, signal);
    feed.flush();
    return complete(plan, files);
  } catch (error) {
    throw client.end ?? error;
  } finally {
    unlink();
    feed.close();
  }
}

/**
 * @param {import("./models.js").Plan} plan
 * @param {ProgressFeed} feed
 * @param {AbortSignal} signal
 */
async function readParts(plan, feed, signal) {
  /** @type {Partial<Record<Role, Bytes>>} */
  const files = {};
  if (plan.config !== null) files.config = new TextEncoder().encode(JSON.stringify(plan.config));
  const reader = new Reader(plan, feed, signal);
  for (const part of await reader.choose()) files[part.role] ??= await reader.read(part);
  return files;
}

/**
 * @param {import("./models.js").Plan} plan
 * @param {Partial<Record<Role, Bytes>>} files
 * @returns {ModelFiles}
 */
function complete(plan, { config, weights, tokenizer, vocab, merges }) {
  const common = config && weights && { name: plan.name, config, weights };
  if (common && tokenizer) return { ...common, tokenizer };
  if (common && vocab && merges) return { ...common, vocab, merges };
  throw new LabError("LAB-BAD-FILE", `The entry of “${plan.name}” in models.json does not name all of the model's files.`, "It needs config, weights, and tokenizer or vocab and merges.");
}

class Reader {
  #plan;
  #feed;
  #signal;
  #done = 0;
  /** @type {number | null} */
  #total;
  /** @type {Map<Role, Bytes>} */
  #read = new Map();

  /**
   * @param {import("./models.js").Plan} plan
   * @param {ProgressFeed} feed
   * @param {AbortSignal} [signal]
   */
  constructor(plan, feed, signal) {
    this.#plan = plan;
    this.#feed = feed;
    this.#signal = signal;
    const sizes = plan.parts.map((part) => ("file" in part ? part.file.size : part.bytes));
    this.#total = sizes.includes(null) ? null : sizes.reduce((/** @type {number} */ sum, size) => sum + (size ?? 0), 0);
  }

  /**
   * The parts to read, the weights last. Where it is not known which tokenizer files there are, trying is the only way to know.
   *
   * @returns {Promise<(Remote | Local)[]>}
   */
  async choose() {
    const parts = [...this.#plan.parts].sort((a, b) => Number(a.role === "weights") - Number(b.role === "weights"));
    const tokenizer = parts.find((part) => part.role === "tokenizer");
    if (!this.#plan.tokenizerUnknown || tokenizer === undefined) return parts;
    const config = parts.find((part) => part.role === "config");
    if (config !== undefined) this.#read.set("config", await this.read(config));
    try {
      this.#read.set("tokenizer", await this.read(tokenizer));
      return parts.filter((part) => part.role !== "vocab" && part.role !== "merges");
    } catch (error) {
      if (!isMissing(error)) throw error;
      return parts.filter((part) => part.role !== "tokenizer");
    }
  }

  /** @param {Remote | Local} part */
  async read(part) {
    const already = this.#read.get(part.role);
    if (already !== undefined) return already;
    if ("file" in part) return this.#readFile(part.file);
    return download(part.url, { bytes: part.bytes, signal: this.#signal, onBytes: (bytes) => this.#advance("download", bytes) });
  }

  /** @param {File} file */
  async #readFile(file) {
    const buffer = await orAborted(file.arrayBuffer(), this.#signal).catch((error) => {
      if (error instanceof LabError) throw error;
      throw new LabError("LAB-BAD-FILE", `${file.name} could not be read: ${describe(error)}`, "Check that the file is still there, and choose it again.", error);
    });
    this.#advance("read", buffer.byteLength);
    return new Uint8Array(buffer);
  }

  /**
   * @param {string} phase
   * @param {number} bytes
   */
  #advance(phase, bytes) {
    this.#done += bytes;
    this.#feed.add({ phase, done: this.#done, total: this.#total });
  }
}

/**
 * Compares the files with the hashes on record. Where the browser cannot hash (pages from plain http), their
 * lengths, checked while reading, are all there is.
 *
 * @param {import("./models.js").Plan} plan
 * @param {Partial<Record<Role, Bytes>>} files  replaced by the same bytes, handed back by the worker
 * @param {import("./client.js").Client} client
 * @param {ProgressFeed} feed
 * @param {AbortSignal} [signal]
 */
async function verify(plan, files, client, feed, signal) {
  const recorded = plan.parts.filter((part) => "sha256" in part && part.sha256 !== null);
  const total = recorded.reduce((sum, part) => sum + (files[part.role]?.byteLength ?? 0), 0);
  let done = 0;
  for (const part of /** @type {Remote[]} */ (recorded)) {
    const sent = files[part.role];
    if (sent === undefined || part.sha256 === null) continue;
    feed.add({ phase: "verify", done, total });
    const { hex, bytes } = await client.digest(sent, signal);
    files[part.role] = bytes;
    if (hex !== null && hex !== part.sha256) throw hashError(part.url);
    done += bytes.byteLength;
  }
  if (total > 0) feed.add({ phase: "verify", done, total });
}
