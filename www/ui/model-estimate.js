// @ts-check
// What loading a model takes and how far it has come, in words and figures.

import { h } from "./dom.js";
import { facts } from "./facts.js";
import { bytes, count, percent } from "./format.js";

/** @typedef {import("./types.js").Estimate} Estimate */
/** @typedef {import("./types.js").Progress} Progress */

/** The phases of loading, as they are called on the page. @type {Record<string, string>} */
const phases = {
  wait: "Waiting for another tab of this browser, which is downloading it",
  download: "Downloading, checking and uploading",
  read: "Reading the kept copy",
  verify: "Checking the files",
  load: "Uploading",
  shaders: "Preparing shaders",
  "warm-up": "Warming up",
  check: "Checking the numbers",
};

/** @param {Progress | null} progress @param {boolean} files whether they are files of the visitor, and no kept copy */
export const phaseWords = (progress, files = false) => (progress?.phase === "read" && files ? "Reading the files" : (phases[progress?.phase ?? ""] ?? "Asking for the files"));

/** What the phases of loading count, where it is not bytes. @type {Record<string, string>} */
const units = { shaders: "shaders", check: "layers" };

/** @param {Progress | null} progress */
export const phaseUnit = (progress) => units[progress?.phase ?? ""] ?? "bytes";

/** A few characters for the header. @param {Progress | null} progress */
export const short = (progress) => (progress?.done && progress.total ? percent(progress.done / progress.total) : "…");

/** Bytes that would still come over the network; null where that is not known. @param {Estimate} estimate */
export const toFetch = ({ download, kept }) => (download === null ? null : Math.max(0, download - kept));

/** Whether the model cannot be loaded at all. @param {Estimate} estimate */
export const refused = ({ problems }) => problems.some(({ code }) => code === "LAB-TOO-LARGE");

/** "12 MB of the 128 MB that …". @param {number} n @param {number | null | undefined} limit @param {string} who */
const against = (n, limit, who) => (limit ? `${bytes(n)} of ${bytes(limit)} ${who}` : bytes(n));

/** @param {Estimate} estimate @param {{host: string | null, gpu: boolean, local: boolean}} place where the files come from and go to */
export function estimateElements(estimate, { host, gpu, local }) {
  const { parameters, kept, device, heap, largestBinding, limits } = estimate;
  const fetched = toFetch(estimate);
  const { storage } = limits;
  return [
    facts([
      ["parameters", count(parameters)],
      ["to fetch", local ? null : fetched === null ? `size not told, from ${host ?? "this site"}` : fetched === 0 ? "nothing" : `${bytes(fetched)} from ${host ?? "this site"}`],
      ["kept here already", kept ? bytes(kept) : null],
      ["memory on the GPU", gpu ? bytes(device) : null],
      ["largest piece of it", gpu ? against(largestBinding, limits.binding, "at most") : null],
      ["memory of the page", against(heap, limits.heap, "at most")],
      ["free for keeping it", fetched && storage ? bytes(Math.max(0, storage.quota - storage.usage)) : null],
    ]),
    ...estimate.problems.map(({ code, message, hint }) => h("p", { class: code === "LAB-TOO-LARGE" ? "refusal" : "caution" }, h("strong", {}, message), " ", hint)),
  ];
}
