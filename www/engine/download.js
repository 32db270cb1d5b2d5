// @ts-check
// One file fetched into memory whole: for what is small, and for SAEs.
import { memoryError } from "./loading/failures.js";
import { openRemote } from "./loading/fetching.js";
import { isDue, turn } from "./turn.js";

/**
 * @typedef {object} Wanted
 * @property {number | null} [bytes]  the length that the file must have. Never taken from Content-Length, which
 *   counts compressed bytes on some servers
 * @property {AbortSignal} [signal]
 * @property {(bytes: number) => void} [onBytes]  called with the length of each piece as it arrives
 */

/**
 * Fetches one file. Nothing about the page is sent along.
 *
 * @param {string} url
 * @param {Wanted} [wanted]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {import("./errors.js").LabError} LAB-DOWNLOAD with a Failure as its cause, LAB-CANCELLED
 */
export async function download(url, { bytes = null, signal, onBytes } = {}) {
  const remote = await openRemote(url, { total: bytes, signal });
  // Where the length is known, one allocation; else the pieces are put together in the end.
  const target = bytes === null ? null : allocate(url, bytes);
  /** @type {Uint8Array[]} */
  const pieces = [];
  let length = 0;
  for await (const piece of remote.pieces()) {
    if (target === null) pieces.push(piece);
    else target.set(piece, length);
    length += piece.byteLength;
    onBytes?.(piece.byteLength);
    // Pieces that have arrived already come without a pause, and half a gigabyte of them would hold up the page.
    if (isDue()) await turn();
  }
  return target ?? joined(url, pieces, length);
}

/**
 * @param {string} url
 * @param {Uint8Array[]} pieces  emptied on the way, so that no byte is held twice for long
 * @param {number} length
 */
function joined(url, pieces, length) {
  const target = allocate(url, length);
  let offset = 0;
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    target.set(piece, offset);
    offset += piece.byteLength;
  }
  return target;
}

/**
 * @param {string} url
 * @param {number} bytes
 */
function allocate(url, bytes) {
  try {
    return new Uint8Array(bytes);
  } catch {
    throw memoryError(url, bytes);
  }
}
