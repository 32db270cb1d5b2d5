// @ts-check
import { orAborted } from "./abort.js";
import { LabError, describe } from "./errors.js";
import { distrust } from "./loading/failures.js";
import { request } from "./loading/asking.js";

/** @typedef {{module: WebAssembly.Module, wasmBytes: number | null}} Compiled */

/** @type {Promise<Compiled> | null} */
let compiled = null;

/**
 * The engine's WebAssembly, fetched and compiled once per page whatever the number of labs. A failure is not
 * kept: the next call tries again.
 *
 * @param {AbortSignal} [signal]  ends the waiting; the compilation goes on for others
 * @returns {Promise<Compiled>} with the size of the module in bytes, null where the browser does not tell
 * @throws {LabError} LAB-DOWNLOAD, LAB-ENGINE-STOPPED (this browser cannot compile it), LAB-CANCELLED
 */
export async function compileEngine(signal) {
  compiled ??= compile(new URL("../pkg/sae_lab_bg.wasm", import.meta.url).href).catch((error) => {
    compiled = null;
    throw error;
  });
  return orAborted(compiled, signal);
}

/**
 * @param {string} url
 * @returns {Promise<Compiled>}
 */
async function compile(url) {
  const response = await request(url);
  const streaming = /^application\/wasm\b/i.test(response.headers.get("Content-Type") ?? "") && "compileStreaming" in WebAssembly;
  try {
    // The response is passed on untouched: only then does the browser keep the compiled code for the next visit.
    if (streaming) return { module: await WebAssembly.compileStreaming(response), wasmBytes: await sizeOf(url, response) };
    const bytes = await response.arrayBuffer();
    return { module: await WebAssembly.compile(bytes), wasmBytes: bytes.byteLength };
  } catch (error) {
    distrust(url);
    throw new LabError(
      "LAB-ENGINE-STOPPED",
      `This browser could not compile the engine: ${describe(error)}`,
      "The lab needs WebAssembly with SIMD: use a browser of 2023 or later. If yours is newer, reload the page; the file may have been cut on its way.",
      error,
    );
  }
}

/**
 * The unpacked size of what was fetched from `url`: from the browser's own records, else from the header
 * where the file was not compressed on its way.
 *
 * @param {string} url
 * @param {Response} response
 */
async function sizeOf(url, response) {
  for (let attempt = 0; attempt < 2; attempt++) {
    const entry = /** @type {PerformanceResourceTiming | undefined} */ (performance.getEntriesByName(url, "resource").at(-1));
    if (entry !== undefined && entry.decodedBodySize > 0) return entry.decodedBodySize;
    // The record may come a moment after the last byte.
    await new Promise((resolve) => setTimeout(resolve));
  }
  const length = Number(response.headers.get("Content-Length"));
  return length > 0 && !response.headers.has("Content-Encoding") ? length : null;
}
