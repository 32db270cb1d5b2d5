// @ts-check
// Which model: how the visitor, a link or an earlier visit names one, and how it is written in words and in code.
// What a link or an earlier visit says is data: it is checked here, and nothing large is fetched for it before the visitor has agreed.

import { PageError } from "./errors.js";
import { PageMemory } from "./page-memory.js";

/** @typedef {import("./types.js").Lab} Lab */
/** @typedef {import("./types.js").ListedModel} ListedModel */
/** @typedef {"auto" | "f16" | "f32"} Weights */
/** @typedef {string | {baseUrl: string, name?: string} | {files: File[], name?: string}} Source */
/** @typedef {{source: Source, weights: Weights}} Wanted */

/** The model that comes with the page. @type {Readonly<Wanted>} */
export const TINY = Object.freeze({ source: "tiny", weights: "auto" });

const longest = 2000;
const memory = new PageMemory("model");

/** @param {unknown} weights @returns {weights is Weights} */
const isWeights = (weights) => weights === "auto" || weights === "f16" || weights === "f32";

/** @param {Wanted} wanted */
export const isTiny = ({ source }) => source === "tiny";

/** @param {string} message @param {string} hint */
const wrong = (message, hint) => new PageError("LAB-BAD-SETTING", message, hint);

/**
 * The folder that an address means. A page of a model on the hub stands for that model's files.
 * @param {string} text @returns {{baseUrl: string, name?: string}}
 * @throws {PageError} LAB-BAD-SETTING
 */
export function address(text) {
  const hint = "Give the address of a folder that holds config.json, the weights and the tokenizer's files.";
  /** @type {URL} */ let url;
  try {
    url = new URL(text.trim(), document.baseURI);
  } catch {
    throw wrong("This is no address.", hint);
  }
  if (text.length > longest) throw wrong("This address is too long.", hint);
  if (url.username || url.password) throw wrong("An address with a name or a password in it is not used.", hint);
  if (url.protocol !== "https:" && url.origin !== location.origin)
    throw wrong(`The address begins with ${url.protocol} and must begin with https:, so that nobody on the way can change what arrives.`, hint);
  url.search = url.hash = "";
  const [, repository, , revision] = (url.hostname === "huggingface.co" && /^\/([\w.-]+\/[\w.-]+|[\w.-]+)\/?((?:tree|resolve|blob)\/([^/]+)\/?.*)?$/.exec(url.pathname)) || [];
  if (repository && !url.pathname.includes("/resolve/")) url.pathname = `/${repository}/resolve/${revision ?? "main"}/`;
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return repository ? { baseUrl: url.href, name: repository.split("/").at(-1) } : { baseUrl: url.href };
}

/** What a link names: the id of a listed model, or an address. @param {string} text @param {readonly ListedModel[]} list @returns {Source} @throws {PageError} */
export function named(text, list) {
  if (list.some(({ id }) => id === text)) return text;
  if (/^https?:\/\//i.test(text)) return address(text);
  const known = list.map(({ id }) => id).join(", ");
  throw wrong(`The address of this page names a model that is not known here: “${text.slice(0, 60)}”.`, `It may name ${known}, or the https address of a model's folder.`);
}

/** What this page's own address asks for. @returns {string | null} */
export const asked = () => new URLSearchParams(location.search).get("model");

/** Once the visitor has opened another model, loading the page anew is to open that one. */
export function forgetLink() {
  if (asked() === null) return;
  const url = new URL(location.href);
  url.searchParams.delete("model");
  history.replaceState(history.state, "", url);
}

/** The model of an earlier page, or of this page before it was loaded anew. @param {readonly ListedModel[]} list @returns {Wanted | null} */
export function remembered(list) {
  const { source, weights } = /** @type {Record<string, unknown>} */ (Object(memory.get("wanted")));
  if (typeof source !== "string" || !isWeights(weights)) return null;
  try {
    return { source: named(source, list), weights };
  } catch {
    return null;
  }
}

/**
 * Remembers the open model for the next page: an id or an address. Files of this computer cannot be opened again without the visitor.
 * @param {Wanted} wanted @param {number | null} whole bytes that are kept of an address's files, all of them there
 */
export function remember({ source, weights }, whole) {
  const text = typeof source === "string" ? source : "baseUrl" in source ? source.baseUrl : null;
  memory.set("wanted", text === null || text === "tiny" ? undefined : { source: text, weights });
  if (text !== null && typeof source !== "string" && whole) memory.set(`whole ${text}`, whole);
}

/** The folder that a model's files are in, on the web. @param {Source} source @param {readonly ListedModel[]} list @returns {URL | null} */
function folderOf(source, list) {
  const base = typeof source === "string" ? list.find(({ id }) => id === source)?.base : "baseUrl" in source ? source.baseUrl : null;
  return base == null ? null : new URL(base, new URL("../models/models.json", import.meta.url));
}

/** The kept files of a model, whole or not. @param {Lab} lab @param {Source} source @param {readonly ListedModel[]} list */
async function keptOf(lab, source, list) {
  const folder = folderOf(source, list);
  return folder === null ? [] : (await lab.kept()).filter(({ url }) => url.startsWith(folder.href));
}

/** Bytes of a model's files that are kept. @param {Lab} lab @param {Source} source @param {readonly ListedModel[]} list @returns {Promise<number>} */
export async function keptBytes(lab, source, list) {
  return (await keptOf(lab, source, list)).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Whether a model can be opened without asking for its weights on the network. @param {Lab} lab @param {Source} source @param {readonly ListedModel[]} list */
export async function isHere(lab, source, list) {
  if (source === "tiny") return true;
  const kept = await keptOf(lab, source, list);
  const here = kept.filter(({ complete }) => complete).reduce((sum, { bytes }) => sum + bytes, 0);
  const size = typeof source === "string" ? list.find(({ id }) => id === source)?.files.weights?.bytes : "baseUrl" in source ? memory.get(`whole ${source.baseUrl}`) : null;
  return typeof size === "number" && size > 0 && here >= size;
}

/** The host that a model's files come from; null for files of this computer and of the page itself. @param {Source} source @param {readonly ListedModel[]} list */
export function hostOf(source, list) {
  const folder = folderOf(source, list);
  return folder === null || folder.origin === location.origin ? null : folder.host;
}

/** A model in a few words. @param {Source} source @param {readonly ListedModel[]} list */
export function words(source, list) {
  if (typeof source === "string") return list.find(({ id }) => id === source)?.title ?? source;
  if ("baseUrl" in source) return `${source.name ?? new URL(source.baseUrl).pathname.split("/").filter(Boolean).at(-1) ?? "the model"} from ${new URL(source.baseUrl).host}`;
  return source.name ?? "the chosen files";
}

let files = 0;
/** @type {WeakMap<object, string>} */ const numbers = new WeakMap();

/** The same for the same model, so that a result can tell whether it was made with the open one. @param {Wanted} wanted */
export function keyOf({ source, weights }) {
  if (typeof source === "string") return `${source} ${weights}`;
  if ("baseUrl" in source) return `${source.baseUrl} ${weights}`;
  if (!numbers.has(source.files)) numbers.set(source.files, `files ${++files}`);
  return `${numbers.get(source.files)} ${weights}`;
}

/** Scripts that are written for the bundled model, for another one. @param {import("./code-box.js").Snippets} snippets @param {Wanted} wanted @returns {import("./code-box.js").Snippets} */
export function spell({ javascript, python }, { source, weights }) {
  if (source === "tiny" && weights === "auto") return { javascript, python };
  const given = typeof source === "string" ? JSON.stringify(source) : "baseUrl" in source ? `{ baseUrl: ${JSON.stringify(source.baseUrl)} }` : "{ files }";
  const options = weights === "auto" ? "" : `, { weights: ${JSON.stringify(weights)} }`;
  const [, hub] = (typeof source === "object" && "baseUrl" in source && /^https:\/\/huggingface\.co\/(.+?)\/resolve\//.exec(source.baseUrl)) || [];
  const folder = hub ?? (typeof source === "string" ? (source === "tiny" ? "www/models/tiny" : source) : "path/to/the/model");
  return {
    javascript: javascript.replaceAll('lab.loadModel("tiny")', () => `lab.loadModel(${given}${options})`),
    python: python.replaceAll('"www/models/tiny"', () => JSON.stringify(folder)),
  };
}
