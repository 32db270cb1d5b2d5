// @ts-check
// Addresses and files as a caller may hand them over, for models and SAEs.
import { bad, show } from "./options.js";

/**
 * @param {string} method
 * @param {unknown} baseUrl  relative addresses count from the page
 * @param {string} files     which files lie there, for the hint
 * @returns {URL} of a folder: it ends in a slash
 */
export function toFolder(method, baseUrl, files) {
  const hint = `Give the address of the folder in which ${files} lie.`;
  if (typeof baseUrl !== "string" && !(baseUrl instanceof URL)) throw bad(`${method}: “baseUrl” must be an address, and is ${show(baseUrl)}.`, hint);
  let base;
  try {
    base = new URL(baseUrl, document.baseURI);
  } catch {
    throw bad(`${method}: “baseUrl” is no address: ${show(baseUrl)}.`, hint);
  }
  if (base.protocol !== "https:" && base.protocol !== "http:") throw bad(`${method}: “baseUrl” must begin with https: or http:, and begins with ${base.protocol}`, hint);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return base;
}

/**
 * @param {string} method
 * @param {unknown} files  a FileList or any list of File objects
 * @returns {File[]}
 */
export function toFiles(method, files) {
  const array = typeof files === "object" && files !== null && (Symbol.iterator in files || "length" in files) ? Array.from(/** @type {Iterable<unknown>} */ (files)) : [files];
  if (array.every((file) => file instanceof File)) return array;
  throw bad(`${method}: “files” must be a list of File objects.`, "Pass the files of an <input type=file multiple> or of a drop.");
}
