// @ts-check
// One file over HTTP, from any byte on, as it arrives.
//
// Safety: the pieces are the file's bytes from `start` on, in order, of one version of the file, as far as the server's own words
// (Content-Range, ETag, Last-Modified) can tell; whoever has a hash compares it. A range that is not what was asked for is not
// used: the file begins anew. Liveness: every wait ends by bytes, the end, an error, 30 silent seconds, or the signal.
import { cancelled } from "../errors.js";
import { drop, patiently, request, sameVersion, versionOf } from "./asking.js";
import { distrust, htmlError, lengthError, networkError } from "./failures.js";

/**
 * @typedef {import("./asking.js").Version} Version
 *
 * @typedef {object} Remote  an answer whose body is still to be read
 * @property {number} start  where its pieces begin: where they were asked from, or 0
 * @property {number | null} total  the file's length, where it is certain
 * @property {Version} version
 * @property {() => AsyncGenerator<Uint8Array, void, void>} pieces  to be called once
 * @property {() => void} cancel
 */

/**
 * Opens a file, where it can be from byte `from` on.
 *
 * @param {string} url
 * @param {object} options
 * @param {number} [options.from]  how many bytes are there already
 * @param {number | null} [options.total]   the file's length, where it is on record
 * @param {Version | null} [options.version]  of the bytes that are there
 * @param {boolean} [options.hashed]   the whole will be compared with a hash on record, so that nothing depends on versions
 * @param {RequestCache} [options.cache]
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<Remote>}
 */
export async function openRemote(url, { from = 0, total = null, version = null, hashed = false, cache, signal }) {
  const mark = version?.etag ?? version?.modified ?? null;
  if (from > 0 && (hashed || mark !== null)) {
    const response = await requestRest(url, { from, mark, hashed, cache, signal });
    if (response?.status === 200) return remote(url, response, 0, total, signal);
    if (response?.status === 206 && continues(response, { from, total, version, hashed })) {
      return remote(url, response, from, total ?? rangeOf(response)?.total ?? null, signal);
    }
    if (response !== null) drop(response);
    // What the browser's cache has of it is no better.
    distrust(url);
  }
  return remote(url, await request(url, { cache, signal }), 0, total, signal);
}

/**
 * Asks for the rest of a file. To another site, If-Range costs a question beforehand (CORS) that many refuse; it is left out where
 * a hash decides in the end, and given up where it is refused.
 *
 * @param {string} url
 * @param {{from: number, mark: string | null, hashed: boolean, cache?: RequestCache, signal?: AbortSignal}} options
 * @returns {Promise<Response | null>} null where the question itself was refused
 */
async function requestRest(url, { from, mark, hashed, cache, signal }) {
  const range = { Range: `bytes=${from}-` };
  const own = new URL(url).origin === globalThis.location.origin;
  const careful = mark !== null && (own || !hashed);
  try {
    return await request(url, { cache, signal, headers: careful ? { ...range, "If-Range": mark } : range });
  } catch (error) {
    if (own || navigator.onLine === false || signal?.aborted || !isRefusal(error)) throw error;
  }
  if (!careful) return null;
  try {
    return await request(url, { cache, signal, headers: range });
  } catch (error) {
    if (signal?.aborted || !isRefusal(error)) throw error;
    return null;
  }
}

/** A network error: what a refused preflight looks like. @param {unknown} error */
function isRefusal(error) {
  const { kind } = /** @type {{cause?: {kind?: string}}} */ (error).cause ?? {};
  return kind === "network" || kind === "redirect";
}

/**
 * Whether a 206 is the rest of the file that was begun.
 *
 * @param {Response} response
 * @param {{from: number, total: number | null, version: Version | null, hashed: boolean}} begun
 */
function continues(response, { from, total, version, hashed }) {
  const same = version === null ? null : sameVersion(version, versionOf(response));
  if (same === false) return false;
  const range = rangeOf(response);
  if (range !== null) return range.from === from && (total === null || range.total === null || range.total === total) && (same === true || hashed);
  // Another site's Content-Range may be hidden; the length of the rest then has to fit.
  const length = response.headers.get("Content-Length");
  return hashed && total !== null && length !== null && Number(length) === total - from;
}

/**
 * @param {string} url
 * @param {Response} response
 * @param {number} start
 * @param {number | null} total
 * @param {AbortSignal} [signal]
 * @returns {Remote}
 */
function remote(url, response, start, total, signal) {
  const { body } = response;
  if (body === null) throw lengthError(url, total ?? 1, 0);
  return { start, total, version: versionOf(response), pieces: () => pieces(url, body, { start, total, signal }), cancel: () => void body.cancel().catch(() => {}) };
}

/**
 * @param {string} url
 * @param {ReadableStream<Uint8Array>} body
 * @param {{start: number, total: number | null, signal?: AbortSignal}} options
 */
async function* pieces(url, body, { start, total, signal }) {
  const reader = body.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", stop);
  let at = start;
  try {
    for (;;) {
      const { done, value } = await next(url, reader, signal).catch((error) => {
        // The connection broke when all was there.
        if (!signal?.aborted && total !== null && at === total) return { done: true, value: undefined };
        throw error;
      });
      if (done || value === undefined) break;
      // The first bytes of a page in place of the file, from a server that gives no type.
      if (at === 0 && looksLikeHtml(value)) throw htmlError(url);
      at += value.byteLength;
      if (total !== null && at > total) throw lengthError(url, total, at);
      yield value;
    }
    if (total !== null && at < total) throw lengthError(url, total, at);
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

/**
 * @param {string} url
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {AbortSignal} [signal]
 */
async function next(url, reader, signal) {
  try {
    const step = await patiently(url, reader.read());
    if (!signal?.aborted) return step;
  } catch (error) {
    if (!signal?.aborted) throw error instanceof Error && error.name === "LabError" ? error : networkError(url, error);
  }
  throw cancelled(signal.reason);
}

/**
 * @param {Response} response
 * @returns {{from: number, total: number | null} | null}
 */
function rangeOf({ headers }) {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("Content-Range")?.trim() ?? "");
  return match === null ? null : { from: Number(match[1]), total: match[2] === "*" ? null : Number(match[2]) };
}

/** @param {Uint8Array} piece */
function looksLikeHtml(piece) {
  const start = new TextDecoder().decode(piece.subarray(0, 64)).trimStart().toLowerCase();
  return start.startsWith("<!doctype html") || start.startsWith("<html");
}
