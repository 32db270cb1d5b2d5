// @ts-check
import { LabError, cancelled, describe } from "./errors.js";
import { isDue, turn } from "./turn.js";

/**
 * What went wrong with a download: the `cause` of a LAB-DOWNLOAD error.
 *
 * @typedef {object} Failure
 * @property {"network" | "http" | "html" | "length" | "hash" | "memory"} kind
 * @property {string} url
 * @property {number} [status]    "http": the server's answer
 * @property {number} [expected]  "length": bytes
 * @property {number} [received]  "length": bytes
 */

/**
 * @typedef {object} Wanted
 * @property {number | null} [bytes]  the length that the file must have. Never taken from Content-Length, which
 *   counts compressed bytes on some servers
 * @property {AbortSignal} [signal]
 * @property {(bytes: number) => void} [onBytes]  called with the length of each piece as it arrives
 */

/** Addresses whose last answer was wrong: asked again, they are not taken from the browser's cache. @type {Set<string>} */
const doubtful = new Set();

/**
 * Fetches one file. Nothing about the page is sent along.
 *
 * @param {string} url
 * @param {Wanted} [wanted]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {LabError} LAB-DOWNLOAD with a Failure as its cause, LAB-CANCELLED
 */
export async function download(url, { bytes = null, signal, onBytes } = {}) {
  const response = await request(url, signal);
  if (response.body === null) throw lengthError(url, bytes ?? 1, 0);
  return readAll(url, response.body, { bytes, signal, onBytes });
}

/**
 * Asks for a file and looks at the answer's head.
 *
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
export async function request(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal, referrerPolicy: "no-referrer", cache: doubtful.has(url) ? "reload" : "default" });
  } catch (error) {
    throw signal?.aborted ? cancelled(signal.reason) : networkError(url, error);
  }
  // A 206 is a part of the file, which was not asked for.
  if (response.status !== 200) {
    void response.body?.cancel();
    throw failure({ kind: "http", url, status: response.status }, `The server answered ${response.status} ${response.statusText}`.trim(), hintFor(response.status));
  }
  if (/^text\/html\b/i.test(response.headers.get("Content-Type") ?? "")) {
    void response.body?.cancel();
    throw htmlError(url);
  }
  return response;
}

/**
 * Reads a stream to its end.
 *
 * @param {string} name   where it comes from, for messages
 * @param {ReadableStream<Uint8Array>} stream
 * @param {Wanted} wanted
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function readAll(name, stream, { bytes = null, signal, onBytes }) {
  const reader = stream.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  signal?.addEventListener("abort", stop);
  try {
    const target = bytes === null ? new Pieces(name) : new Fixed(name, bytes);
    for (;;) {
      const { done, value } = await next(name, reader, signal);
      if (done) return target.end();
      target.add(value);
      onBytes?.(value.byteLength);
      // Pieces that have arrived already come without a pause, and half a gigabyte of them would hold up the page.
      if (isDue()) await turn();
    }
  } catch (error) {
    stop();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/**
 * Remembers that what came from an address was not what it should be.
 *
 * @param {string} url
 */
export function distrust(url) {
  doubtful.add(url);
}

/** Whether a failed download means that the server has no such file. @param {unknown} error */
export function isMissing(error) {
  if (!(error instanceof LabError) || error.code !== "LAB-DOWNLOAD") return false;
  const { kind, status } = /** @type {Failure} */ (error.cause);
  // Some stores answer 403 for a file they do not have, and some hosts their start page.
  return kind === "html" || (kind === "http" && (status === 403 || status === 404 || status === 410));
}

/** @param {string} url */
export function hashError(url) {
  return failure({ kind: "hash", url }, "The file is complete, but its SHA-256 is not the one on record", "The copy on the server was changed or damaged. Try again later, or take the model from another place.");
}

/** A file whose length is known: one allocation, and too much or too little is noticed. */
class Fixed {
  #name;
  #target;
  #length = 0;

  /**
   * @param {string} name
   * @param {number} bytes
   */
  constructor(name, bytes) {
    this.#name = name;
    this.#target = allocate(name, bytes);
  }

  /** @param {Uint8Array} piece */
  add(piece) {
    const received = this.#length + piece.byteLength;
    if (received > this.#target.byteLength) throw lengthError(this.#name, this.#target.byteLength, received);
    // The first bytes of a page in place of the file, from a server that gives no type.
    if (this.#length === 0 && looksLikeHtml(piece)) throw htmlError(this.#name);
    this.#target.set(piece, this.#length);
    this.#length = received;
  }

  end() {
    if (this.#length < this.#target.byteLength) throw lengthError(this.#name, this.#target.byteLength, this.#length);
    return this.#target;
  }
}

/** A file of unknown length. */
class Pieces {
  #name;
  /** @type {Uint8Array[]} */
  #pieces = [];
  #length = 0;

  /** @param {string} name */
  constructor(name) {
    this.#name = name;
  }

  /** @param {Uint8Array} piece */
  add(piece) {
    if (this.#length === 0 && looksLikeHtml(piece)) throw htmlError(this.#name);
    this.#pieces.push(piece);
    this.#length += piece.byteLength;
  }

  end() {
    const target = allocate(this.#name, this.#length);
    let offset = 0;
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      target.set(piece, offset);
      offset += piece.byteLength;
    }
    return target;
  }
}

/**
 * @param {string} name
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {AbortSignal} [signal]
 */
async function next(name, reader, signal) {
  try {
    const step = await reader.read();
    if (!signal?.aborted) return step;
  } catch (error) {
    if (!signal?.aborted) throw networkError(name, error);
  }
  throw cancelled(signal.reason);
}

/**
 * @param {string} url
 * @param {number} bytes
 */
function allocate(url, bytes) {
  try {
    return new Uint8Array(bytes);
  } catch {
    throw failure({ kind: "memory", url }, `The browser has no ${megabytes(bytes)} of memory free for the file`, "Close other tabs, or choose a smaller model.");
  }
}

/** @param {Uint8Array} piece */
function looksLikeHtml(piece) {
  const start = new TextDecoder().decode(piece.subarray(0, 64)).trimStart().toLowerCase();
  return start.startsWith("<!doctype html") || start.startsWith("<html");
}

/** @param {number} status */
function hintFor(status) {
  if (status === 401 || status === 403) return "The server does not give this file to everybody. Check the address, or download it with your account and drop it here.";
  if (status === 404 || status === 410) return "Check the address: there is no such file.";
  if (status === 429) return "The server asks for a pause because of too many downloads. Try again in a few minutes.";
  return "Try again in a few minutes; if it stays, tell the owner of the server.";
}

/**
 * @param {string} url
 * @param {unknown} error
 */
function networkError(url, error) {
  const offline = navigator.onLine === false;
  const why = offline ? "This computer is offline" : `The connection failed (${describe(error)})`;
  const hint = offline ? "Connect to the network and try again." : "Try again. If it fails at once, the server may not allow other pages to read its files (CORS), or the page's security policy does not name it.";
  return failure({ kind: "network", url }, why, hint);
}

/** @param {string} url */
function htmlError(url) {
  return failure({ kind: "html", url }, "The server sent a web page in place of the file", "Check the address. Networks that ask for a login answer like this too: open another page, log in, and try again.");
}

/**
 * @param {string} url
 * @param {number} expected
 * @param {number} received
 */
function lengthError(url, expected, received) {
  const what = received < expected ? `broke off after ${received} of ${expected} bytes` : `is longer than the ${expected} bytes on record`;
  return failure({ kind: "length", url, expected, received }, `The file ${what}`, "Try again; nothing of the cut file is kept.");
}

/**
 * @param {Failure} cause
 * @param {string} what
 * @param {string} hint
 */
function failure(cause, what, hint) {
  if (cause.kind === "html" || cause.kind === "length" || cause.kind === "hash") distrust(cause.url);
  return new LabError("LAB-DOWNLOAD", `${what}: ${cause.url}`, hint, cause);
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
