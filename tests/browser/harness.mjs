// What a test file imports. Five lines make a test:
//
//   import assert from "node:assert/strict";
//   import { test } from "./harness.mjs";
//   test("a prompt is cut into tokens", async ({ lab }) => {
//     const { tokens } = await lab(async ({ lab, text }) => (await lab.loadModel("tiny")).tokenize(text), { text: "Hello" });
//     assert.equal(tokens[0], "<|endoftext|>");
//   });
//
// Assertions come from node:assert. What a test is given stands in session.mjs.

/**
 * @typedef {object} Options
 * @property {number} [timeout]   milliseconds, 120,000 unless told
 * @property {boolean | "no-adapter" | "insecure"} [noWebGPU]
 *   true: `navigator.gpu` is absent, on the page and in its workers; "no-adapter": it is there and finds no adapter;
 *   "insecure": the page comes over http from a host that is not trusted, so the browser itself hides WebGPU.
 *   Every other test fails where there is no adapter: none is ever skipped.
 * @property {boolean} [software]   the adapter is taken for what it is, a renderer on the CPU; it stands in for a GPU unless told
 * @property {"auto" | "webgpu" | "cpu"} [device]   what `lab()` opens; "webgpu" unless noWebGPU, then "auto"
 * @property {boolean} [shared]   use one page for all shared tests of this file (with the same noWebGPU and device), in their order
 * @property {boolean} [full]   takes minutes: run with --full only
 * @property {string} [prelude]   JavaScript that runs before anything else on the page and in its workers
 * @property {object} [context]   options of Playwright's newContext: viewport, colorScheme, reducedMotion, …
 */

/** @type {{name: string, options: Options, run: Function}[]} */
export const registered = [];

/**
 * Registers a test.
 * @param {string} name
 * @param {Options | Function} options
 * @param {Function} [run]  receives a Session (session.mjs)
 */
export function test(name, options, run) {
  if (typeof options === "function") [options, run] = [{}, options];
  registered.push({ name, options: { timeout: 120_000, ...options }, run });
}
