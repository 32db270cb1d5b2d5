// @ts-check
// Everything that is kept on this computer of downloaded models.
//
// Storage is only a cache. Safety: what is found here is bytes with a note of what they should be; whoever reads them compares the hash before
// anything is made of them. Liveness: no fault of the storage (denied, full, evicted, damaged) is an error of the caller; what cannot be found
// is not there, and what cannot be written is kept elsewhere or not at all, with the reason in words.
import { describe } from "../errors.js";
import { cache } from "./cache.js";
import { megabytes } from "./failures.js";
import { memory } from "./memory.js";
import { opfs } from "./opfs.js";

/** @typedef {import("./kept.js").Kept} Kept */
/** @typedef {import("./kept.js").Meta} Meta */
/** @typedef {import("./kept.js").Place} Place */

/** In the order in which they are tried. @type {readonly Place[]} */
const PLACES = [opfs, cache, memory];

/**
 * @param {string} key
 * @param {string} url
 * @returns {Promise<Kept | null>}
 */
export async function find(key, url) {
  for (const place of PLACES) {
    const kept = await place.find(key).catch(() => null);
    if (kept === null) continue;
    const { meta, bytes } = kept;
    if (meta.url === url && !(meta.complete && bytes !== meta.total) && !(meta.total !== null && bytes > meta.total)) return kept;
    await place.remove(key).catch(() => {});
  }
  return null;
}

/** @returns {Promise<Kept[]>} the newest first; a file that is in two places is there once */
export async function list() {
  const found = (await Promise.all(PLACES.map((place) => place.list().catch(() => [])))).flat();
  found.sort((a, b) => b.meta.at - a.meta.at);
  return found.filter(({ meta }, i) => found.findIndex((other) => other.meta.key === meta.key) === i);
}

/** @returns {Promise<string[]>} of all that takes room, also of what list() cannot make out */
export async function keys() {
  const found = await Promise.all(PLACES.map((place) => place.keys().catch(() => [])));
  return [...new Set(found.flat())];
}

/**
 * @param {string} key
 * @returns {Promise<boolean>} whether nothing of it is left
 */
export async function remove(key) {
  const gone = await Promise.all(PLACES.map((place) => place.remove(key).then(() => true, () => place.find(key).then((kept) => kept === null, () => true))));
  return gone.every(Boolean);
}

/** @returns {Promise<{quota: number, usage: number} | null>} what the browser allows this site, null where it does not tell */
export async function room() {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? null : { quota, usage };
  } catch {
    return null;
  }
}

/**
 * Writes one file, in the best place that takes it; when that fails half-way, in the next one.
 */
export class Keeper {
  #meta;
  /** @type {Place | null} */
  #place = null;
  /** @type {import("./kept.js").Writer | null} */
  #writer = null;
  #markedAt = -Infinity;
  /** Why the file is not kept in storage. @type {string | null} */ reason = null;

  /** @param {Meta} meta */
  constructor(meta) {
    this.#meta = meta;
  }

  /** Where the file is kept; null where it is not. */
  get where() {
    return this.#writer === null ? null : (this.#place?.where ?? null);
  }

  get bytes() {
    return this.#writer?.bytes ?? 0;
  }

  /**
   * @param {Kept | null} kept  a part of it that is kept already
   */
  async open(kept) {
    const first = kept === null ? 0 : PLACES.findIndex((place) => place.where === kept.where);
    const missing = (this.#meta.total ?? 0) - (kept?.bytes ?? 0);
    const free = await room();
    const full = free !== null && free.quota - free.usage < missing;
    if (full) this.reason = `The browser lets this site keep ${megabytes(free.quota)}, of which ${megabytes(free.usage)} are taken, and ${megabytes(missing)} are missing.`;
    await this.#start(full ? 2 : first, kept);
  }

  /** @param {Uint8Array} piece */
  async append(piece) {
    while (this.#writer !== null) {
      try {
        return await this.#writer.append(piece);
      } catch (error) {
        await this.#move(error);
      }
    }
  }

  /**
   * Writes down, now and then, how much there is, so that a tab that is closed leaves something.
   *
   * @param {number} bytes   that were handed over
   * @param {() => string} sha256  of all of them
   */
  async mark(bytes, sha256) {
    const [place, writer] = [this.#place, this.#writer];
    if (place === null || writer === null || writer.bytes !== bytes || performance.now() - this.#markedAt < place.markEvery) return;
    this.#markedAt = performance.now();
    this.#meta = { ...this.#meta, part: { bytes, sha256: sha256() } };
    try {
      await writer.mark(this.#meta);
    } catch (error) {
      await this.#move(error);
    }
  }

  /**
   * Ends the writing; what there is stays.
   *
   * @param {Partial<Meta>} news  what has become known of the file
   */
  async close(news) {
    const last = { ...this.#meta, ...news, at: Date.now() };
    while (this.#writer !== null) {
      try {
        return await this.#writer.close(last);
      } catch (error) {
        await this.#move(error);
      }
    }
  }

  /** Ends the writing and takes away what there is. */
  async discard() {
    await this.#writer?.close(this.#meta).catch(() => {});
    this.#writer = null;
    await remove(this.#meta.key);
  }

  /**
   * @param {number} from  the first place to try
   * @param {Kept | null} kept
   */
  async #start(from, kept) {
    for (const place of PLACES.slice(from)) {
      try {
        await place.probe();
        const here = kept?.where === place.where ? kept : null;
        [this.#place, this.#writer] = [place, await place.write(this.#meta, here)];
        if (kept !== null && here === null) await this.#copy(kept.read(), kept.bytes);
        break;
      } catch (error) {
        if (this.reason === null || isFull(error)) this.reason = why(error);
        this.#writer = null;
      }
    }
    if (kept !== null && kept.where !== this.where) await placeOf(kept.where).remove(this.#meta.key).catch(() => {});
  }

  /**
   * Goes on in the next place, with what was written so far.
   *
   * @param {unknown} error
   */
  async #move(error) {
    const [place, writer] = [this.#place, this.#writer];
    this.#writer = null;
    this.reason = why(error);
    if (place === null || writer === null) return;
    // What is full is full for the Cache as well.
    const next = PLACES[isFull(error) ? 2 : PLACES.indexOf(place) + 1];
    if (next !== undefined && next !== place) {
      try {
        await next.probe();
        [this.#place, this.#writer] = [next, await next.write(this.#meta, null)];
        await this.#copy(writer.all(), writer.bytes);
      } catch {
        this.#writer = null;
      }
    }
    await writer.close(this.#meta).catch(() => {});
    await place.remove(this.#meta.key).catch(() => {});
  }

  /**
   * @param {AsyncGenerator<Uint8Array, void, void>} pieces
   * @param {number} bytes
   */
  async #copy(pieces, bytes) {
    for await (const piece of pieces) await this.#writer?.append(piece);
    if (this.#writer?.bytes !== bytes) throw new Error("What was kept is gone.");
  }
}

/** @param {import("./kept.js").Where} where @returns {Place} */
function placeOf(where) {
  return where === "opfs" ? opfs : where === "cache" ? cache : memory;
}

/** @param {unknown} error */
function isFull(error) {
  return error instanceof Error && error.name === "QuotaExceededError";
}

/** @param {unknown} error */
function why(error) {
  return isFull(error) ? "The browser's storage for this site is full, or was cleared meanwhile." : `The browser does not let this page keep files (${describe(error)}).`;
}
