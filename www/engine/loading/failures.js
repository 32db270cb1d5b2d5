// @ts-check
// Everything that can go wrong with a download, as a LAB-DOWNLOAD error that names the address, the cause and what to do.
import { LabError, describe } from "../errors.js";

/**
 * What went wrong with a download: the `cause` of a LAB-DOWNLOAD error.
 *
 * @typedef {object} Failure
 * @property {"network" | "redirect" | "stalled" | "http" | "html" | "length" | "hash" | "changed" | "memory"} kind
 * @property {string} url
 * @property {number} [status]    "http": the server's answer
 * @property {number} [expected]  "length": bytes
 * @property {number} [received]  "length": bytes
 * @property {boolean} [kept]     whether the part that has arrived is kept, so that the next attempt goes on from there
 */

/** Addresses whose last answer was wrong: asked again, they are not taken from the browser's cache. @type {Set<string>} */
const doubtful = new Set();

/**
 * Remembers that what came from an address was not what it should be.
 *
 * @param {string} url
 */
export function distrust(url) {
  doubtful.add(url);
}

/** @param {string} url */
export function isDoubtful(url) {
  return doubtful.has(url);
}

/** Whether a failed download means that the server has no such file. @param {unknown} error */
export function isMissing(error) {
  const failure = failureOf(error);
  // Some stores answer 403 for a file they do not have, and some hosts their start page.
  return failure?.kind === "html" || (failure?.kind === "http" && [403, 404, 410].includes(failure.status ?? 0));
}

/** Whether the server could not be reached. @param {unknown} error */
export function isUnreachable(error) {
  return ["network", "stalled"].includes(failureOf(error)?.kind ?? "");
}

/** @param {unknown} error @returns {Failure | null} */
export function failureOf(error) {
  return error instanceof LabError && error.code === "LAB-DOWNLOAD" ? /** @type {Failure} */ (error.cause) : null;
}

/**
 * @param {string} url
 * @param {unknown} error
 */
export function networkError(url, error) {
  const offline = navigator.onLine === false;
  const why = offline ? "This computer is offline" : `The connection failed (${describe(error)})`;
  const hint = offline ? "Connect to the network and try again." : "Try again. If it fails at once, the server may not allow other pages to read its files (CORS), or the page's security policy does not name it.";
  return failure({ kind: "network", url }, why, hint);
}

/** @param {string} url */
export function redirectError(url) {
  return failure({ kind: "redirect", url }, "The server sends on to another address, which cannot be read from here", "That other server may be down, or it does not allow other pages to read its files (CORS). Download the file by hand and drop it here.");
}

/**
 * @param {string} url
 * @param {number} seconds
 */
export function stalledError(url, seconds) {
  return failure({ kind: "stalled", url }, `Nothing has arrived for ${seconds} seconds`, "Try again; the server or the network may be overloaded.");
}

/**
 * @param {string} url
 * @param {Response} response
 */
export function httpError(url, { status, statusText }) {
  return failure({ kind: "http", url, status }, `The server answered ${status} ${statusText}`.trim(), hintFor(status));
}

/** @param {string} url */
export function htmlError(url) {
  return failure({ kind: "html", url }, "The server sent a web page in place of the file", "Check the address. Networks that ask for a login answer like this too: open another page, log in, and try again.");
}

/**
 * @param {string} url
 * @param {number} expected
 * @param {number} received
 */
export function lengthError(url, expected, received) {
  const what = received < expected ? `broke off after ${received} of ${expected} bytes` : `is longer than the ${expected} bytes that it should have`;
  return failure({ kind: "length", url, expected, received }, `The file ${what}`, "Try again; nothing of the wrong file is kept.");
}

/** @param {string} url */
export function hashError(url) {
  return failure({ kind: "hash", url }, "The file is complete, but its SHA-256 is not the one on record", "The copy on the server was changed or damaged. Try again later, or take the model from another place.");
}

/** @param {string} url */
export function changedError(url) {
  return failure({ kind: "changed", url }, "The file on the server changed while it was downloaded", "Try again; the download begins anew.");
}

/**
 * @param {string} url
 * @param {number} bytes
 */
export function memoryError(url, bytes) {
  return failure({ kind: "memory", url }, `The browser has no ${megabytes(bytes)} of memory free for the file`, "Close other tabs, or choose a smaller model.");
}

/**
 * The same failure, saying that the part that has arrived is kept.
 *
 * @param {LabError} error
 * @param {number} bytes
 * @param {number | null} total
 */
export function withKept(error, bytes, total) {
  const hint = `${error.hint} What has arrived is kept (${megabytes(bytes)}${total === null ? "" : ` of ${megabytes(total)}`}): the next attempt goes on from there.`;
  return new LabError(error.code, error.message, hint, { .../** @type {Failure} */ (error.cause), kept: true });
}

/** @param {number} bytes */
export function megabytes(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/**
 * @param {Failure} cause
 * @param {string} what
 * @param {string} hint
 */
function failure(cause, what, hint) {
  if (["html", "length", "hash", "changed"].includes(cause.kind)) distrust(cause.url);
  return new LabError("LAB-DOWNLOAD", `${what}: ${cause.url}`, hint, cause);
}

/** @param {number} status */
function hintFor(status) {
  if (status === 401 || status === 403) return "The server does not give this file to everybody. Check the address, or download it with your account and drop it here.";
  if (status === 404 || status === 410) return "Check the address: there is no such file.";
  if (status === 429) return "The server asks for a pause because of too many downloads. Try again in a few minutes.";
  return "Try again in a few minutes; if it stays, tell the owner of the server.";
}
