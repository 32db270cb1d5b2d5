// @ts-check
// Questions to a server: for a file or a part of it, and for what it says of a file. Nothing about the page is sent along.
//
// Liveness: every wait ends by an answer, an error, 30 silent seconds, or the signal.
import { cancelled } from "../errors.js";
import { htmlError, httpError, isDoubtful, networkError, redirectError, stalledError } from "./failures.js";

/** How long nothing may arrive, in milliseconds. */
const PATIENCE = 30_000;
/** How long a question about a file's version may take. */
const QUICK = 5_000;

/**
 * Which version of a file a server has, by its own words. Only a strong ETag is taken.
 * @typedef {{etag: string | null, modified: string | null}} Version
 */

/**
 * @param {string} url
 * @param {object} [wanted]
 * @param {AbortSignal} [wanted.signal]
 * @param {RequestCache} [wanted.cache]
 * @param {Record<string, string>} [wanted.headers]
 * @returns {Promise<Response>} 200, 206 or 416, and no web page
 * @throws {import("../errors.js").LabError} LAB-DOWNLOAD with a Failure as its cause, LAB-CANCELLED
 */
export async function request(url, { signal, cache = "default", headers } = {}) {
  const response = await ask(url, { signal, headers, cache: isDoubtful(url) ? "reload" : cache });
  // A part of the file is an answer only where one was asked for.
  const fits = response.status === 200 || (headers?.Range !== undefined && (response.status === 206 || response.status === 416));
  if (!fits) {
    drop(response);
    throw httpError(url, response);
  }
  if (response.status !== 416 && isPage(response)) {
    drop(response);
    throw htmlError(url);
  }
  return response;
}

/**
 * What the server says of a file without sending it.
 *
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<{missing: boolean, version: Version, bytes: number | null} | null>} null where it does not say
 */
export async function headOf(url, signal) {
  const quick = new AbortController();
  const stop = () => quick.abort();
  const timer = setTimeout(stop, QUICK);
  signal?.addEventListener("abort", stop);
  try {
    const response = await fetch(url, { method: "HEAD", signal: quick.signal, referrerPolicy: "no-referrer", cache: "no-store" });
    const missing = [404, 410].includes(response.status) || (response.ok && isPage(response));
    if (!response.ok && !missing) return null;
    const length = response.headers.get("Content-Length");
    // Of a compressed answer, the length says nothing.
    const bytes = length === null || response.headers.has("Content-Encoding") ? null : Number(length);
    return { missing, version: versionOf(response), bytes };
  } catch {
    if (signal?.aborted) throw cancelled(signal.reason);
    return null;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/**
 * @param {Version} a
 * @param {Version} b
 * @returns {boolean | null} null where nothing can be compared
 */
export function sameVersion(a, b) {
  if (a.etag !== null && b.etag !== null) return a.etag === b.etag;
  if (a.modified !== null && b.modified !== null) return a.modified === b.modified;
  return null;
}

/**
 * @param {string} url
 * @param {{signal?: AbortSignal, cache: RequestCache, headers?: Record<string, string>}} options
 * @returns {Promise<Response>}
 */
async function ask(url, { signal, cache, headers }) {
  if (signal?.aborted) throw cancelled(signal.reason);
  // An own controller, because a server that never answers is given up too.
  const controller = new AbortController();
  const stop = () => controller.abort();
  signal?.addEventListener("abort", stop);
  try {
    const response = await patiently(url, fetch(url, { signal: controller.signal, headers, cache, referrerPolicy: "no-referrer" }));
    if (!signal?.aborted) return response;
    drop(response);
  } catch (error) {
    stop();
    if (!signal?.aborted) {
      if (error instanceof Error && error.name === "LabError") throw error;
      throw (await isRedirect(url)) ? redirectError(url) : networkError(url, error);
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  throw cancelled(signal?.reason);
}

/**
 * @template T
 * @param {string} url
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function patiently(url, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((/** @type {(value: never) => void} */ _, reject) => {
    timer = setTimeout(() => reject(stalledError(url, PATIENCE / 1000)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether an address that failed leads to another one: fetch() does not say which of the two it was.
 *
 * @param {string} url
 */
async function isRedirect(url) {
  if (navigator.onLine === false) return false;
  const quick = new AbortController();
  const timer = setTimeout(() => quick.abort(), QUICK);
  try {
    const response = await fetch(url, { method: "HEAD", redirect: "manual", signal: quick.signal, referrerPolicy: "no-referrer", cache: "no-store" });
    return response.type === "opaqueredirect";
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {Response} response
 * @returns {Version}
 */
export function versionOf({ headers }) {
  const etag = headers.get("ETag");
  return { etag: etag !== null && etag.startsWith('"') ? etag : null, modified: headers.get("Last-Modified") };
}

/** @param {Response} response */
function isPage({ headers }) {
  return /^text\/html\b/i.test(headers.get("Content-Type") ?? "");
}

/** @param {Response} response */
export function drop(response) {
  void response.body?.cancel().catch(() => {});
}
