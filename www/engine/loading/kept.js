// @ts-check
// What a kept file is, whatever place it is kept in.

/**
 * What is written beside a kept file. `sha256` is that of all its bytes: on record beforehand, or computed when it was complete. `part` is how much of
 * an incomplete file counts, with the hash of that: written now and then, so that a tab that was closed leaves something, and wrong bytes are told.
 *
 * @typedef {object} Meta
 * @property {string} key
 * @property {string} url
 * @property {string} name     of the file
 * @property {string} model    whose file it is
 * @property {number | null} total
 * @property {string | null} sha256
 * @property {string | null} etag
 * @property {string | null} modified
 * @property {boolean} complete
 * @property {{bytes: number, sha256: string} | null} part
 * @property {number} at       when it was written, by Date.now()
 *
 * @typedef {"opfs" | "cache" | "memory"} Where
 *
 * @typedef {object} Kept
 * @property {Meta} meta
 * @property {Where} where
 * @property {number} bytes   how many there are that count
 * @property {() => AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>} read  may fail at any time: the browser may have evicted the file
 *
 * A file that is being written. Its bytes are `bytes` of the file, from its start.
 * @typedef {object} Writer
 * @property {number} bytes
 * @property {(piece: Uint8Array) => Promise<void>} append   all of the piece is kept, or it rejects
 * @property {(meta: Meta) => Promise<void>} mark    writes what has become known beside it
 * @property {(meta: Meta) => Promise<void>} close   what was appended stays
 * @property {() => AsyncGenerator<Uint8Array, void, void>} all   what was appended, also after a failure
 *
 * Every method may reject where the browser denies storage.
 * @typedef {object} Place
 * @property {Where} where
 * @property {number} markEvery   milliseconds between two marks that cost little here
 * @property {() => Promise<void>} probe      rejects where nothing can be kept
 * @property {(key: string) => Promise<Kept | null>} find
 * @property {() => Promise<Kept[]>} list
 * @property {() => Promise<string[]>} keys   of all that takes room, also of what is damaged or half there
 * @property {(meta: Meta, kept: Kept | null) => Promise<Writer>} write  on from a kept part of it, or anew
 * @property {(key: string) => Promise<void>} remove   also of what is damaged, or not there
 */

/** In which pieces kept files are read and small writes are gathered, in bytes. */
export const PIECE = 4 << 20;

/**
 * The key of an address: short, and a file name. What it names is told by `url` beside the file; two addresses of one key
 * would only push each other out.
 *
 * @param {string} url
 */
export function keyOf(url) {
  // FNV-1a, twice 32 bits, the second over the text backwards.
  let [a, b] = [0x811c9dc5, 0x811c9dc5];
  for (let i = 0; i < url.length; i++) {
    a = Math.imul(a ^ url.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ url.charCodeAt(url.length - 1 - i), 0x01000193);
  }
  const hex = [a, b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  const name = decodeURIComponentOr(url.split(/[?#]/, 1)[0]?.split("/").at(-1) ?? "").replace(/[^\w.-]+/g, "-").slice(-60);
  return `${hex}-${name}`;
}

/** @param {string} text */
function decodeURIComponentOr(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * What was read from beside a file, if it is what was written there: anything can stand in a damaged one.
 *
 * @param {unknown} value
 * @param {string} key
 * @returns {Meta | null}
 */
export function toMeta(value, key) {
  if (typeof value !== "object" || value === null) return null;
  const { url, name, model, total, sha256, etag, modified, complete, part, at } = /** @type {Record<string, unknown>} */ (value);
  const texts = [url, name, model].every((text) => typeof text === "string") && [sha256, etag, modified].every((text) => text === null || typeof text === "string");
  const numbers = (total === null || Number.isSafeInteger(total)) && Number.isFinite(at);
  if (!texts || !numbers || typeof complete !== "boolean" || /** @type {any} */ (value).key !== key) return null;
  return /** @type {Meta} */ ({ key, url, name, model, total, sha256, etag, modified, complete, part: toPart(part), at });
}

/**
 * @param {unknown} part
 * @returns {Meta["part"]}
 */
function toPart(part) {
  const { bytes, sha256 } = /** @type {Record<string, unknown>} */ (part ?? {});
  return typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes > 0 && typeof sha256 === "string" ? { bytes, sha256 } : null;
}

/**
 * @param {Meta} meta
 * @param {number} length  of what is there
 * @returns {number} how many bytes of it count
 */
export function countOf({ complete, part }, length) {
  if (complete) return length;
  return part !== null && part.bytes <= length ? part.bytes : 0;
}

/**
 * A Blob's bytes, piece by piece.
 *
 * @param {Blob} blob
 */
export async function* piecesOf(blob) {
  for (let at = 0; at < blob.size; at += PIECE) yield new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer());
}
