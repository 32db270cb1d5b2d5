// @ts-check
// Where the files of a model are: in the list of models.json, below an address, or in the caller's hands.
import { request } from "./download.js";
import { LabError } from "./errors.js";
import { bad, show } from "./options.js";
import { toFiles, toFolder } from "./sources.js";

/**
 * The files that make a model, by what the engine calls them.
 * @typedef {"config" | "tokenizer" | "vocab" | "merges" | "weights"} Role
 */

/** GPT-2's own file names. @type {Readonly<Record<Role, string>>} */
export const FILE_NAMES = Object.freeze({
  config: "config.json",
  tokenizer: "tokenizer.json",
  vocab: "vocab.json",
  merges: "merges.txt",
  weights: "model.safetensors",
});

/**
 * A file to fetch; `bytes` and `sha256` are what it must have, where that is on record.
 * @typedef {{role: Role, url: string, bytes: number | null, sha256: string | null}} Remote
 * @typedef {{role: Role, file: File}} Local
 */

/**
 * A model before any of it is read. `tokenizerUnknown`: look for tokenizer.json first, else for vocab.json and merges.txt.
 *
 * @typedef {object} Plan
 * @property {string} name
 * @property {object | null} config   the configuration, where it is on record and no file
 * @property {(Remote | Local)[]} parts
 * @property {boolean} tokenizerUnknown
 */

/**
 * An entry of models.json.
 *
 * @typedef {object} Listed
 * @property {string} id
 * @property {string} title
 * @property {string} about
 * @property {number} parameters
 * @property {string} base       address of the folder, relative to models.json
 * @property {object} [config]   the configuration, instead of a file
 * @property {Partial<Record<Role, {name: string, bytes: number, sha256: string}>>} files
 * @property {{name: string, url?: string, note?: string}} licence
 */

const LIST = new URL("../models/models.json", import.meta.url);
/** @type {Promise<Listed[]> | null} */
let list = null;

/**
 * The models that the page knows by id, with their sizes and licences.
 *
 * @returns {Promise<Listed[]>}
 * @throws {LabError} LAB-DOWNLOAD
 */
export function listModels() {
  list ??= readList().catch((error) => {
    list = null;
    throw error;
  });
  return list;
}

/**
 * @param {unknown} source  id | {baseUrl, name?} | {files, name?}
 * @returns {Promise<Plan>}
 * @throws {LabError} LAB-BAD-SETTING, LAB-BAD-FILE (files missing), LAB-DOWNLOAD (models.json)
 */
export async function locate(source) {
  if (typeof source === "string") return fromList(source);
  if (typeof source === "object" && source !== null) {
    const { baseUrl, files, name, ...others } = /** @type {Record<string, unknown>} */ (source);
    const stranger = Object.keys(others)[0];
    if (stranger !== undefined) throw bad(`loadModel: a source has no field “${stranger}”.`, "Its fields are baseUrl or files, and name.");
    if (name !== undefined && typeof name !== "string") throw bad(`loadModel: “name” must be text, and is ${show(name)}.`, "Give a name, or leave it out.");
    if (baseUrl !== undefined && files === undefined) return fromAddress(baseUrl, name);
    if (files !== undefined && baseUrl === undefined) return fromFiles(files, name);
  }
  throw bad(`loadModel cannot load ${show(source)}.`, 'Give the id of a model ("tiny", "gpt2"), {baseUrl: "https://…"} or {files: […]}.');
}

/** @returns {Promise<Listed[]>} */
async function readList() {
  const response = await request(LIST.href);
  try {
    const { models } = await response.json();
    if (Array.isArray(models)) return models;
  } catch {
    // said below
  }
  throw new LabError("LAB-DOWNLOAD", `The list of models cannot be read: ${LIST.href}`, "The file is damaged on the server: put the original back.");
}

/** @param {string} id */
async function fromList(id) {
  const models = await listModels();
  const listed = models.find((model) => model.id === id);
  if (listed === undefined) {
    throw bad(`There is no model ${show(id)}.`, `The models are ${models.map((model) => model.id).join(", ")}. Others can be loaded by {baseUrl} or {files}.`);
  }
  const base = new URL(listed.base, LIST);
  /** @type {Remote[]} */
  const parts = [];
  for (const [role, file] of Object.entries(listed.files)) {
    parts.push({ role: /** @type {Role} */ (role), url: new URL(file.name, base).href, bytes: file.bytes, sha256: file.sha256 });
  }
  return { name: listed.id, config: listed.config ?? null, parts, tokenizerUnknown: false };
}

/**
 * @param {unknown} baseUrl  relative addresses count from the page
 * @param {string} [name]
 * @returns {Plan}
 */
function fromAddress(baseUrl, name) {
  const base = toFolder("loadModel", baseUrl, "config.json and model.safetensors");
  const parts = (/** @type {const} */ (["config", "tokenizer", "vocab", "merges", "weights"])).map((role) => ({
    role,
    url: new URL(FILE_NAMES[role], base).href,
    bytes: null,
    sha256: null,
  }));
  const folder = base.pathname.split("/").filter(Boolean).at(-1);
  return { name: name ?? folder ?? base.hostname, config: null, parts, tokenizerUnknown: true };
}

/**
 * @param {unknown} files  a FileList or any list of File objects; those with other names are left alone
 * @param {string} [name]
 * @returns {Plan}
 */
function fromFiles(files, name) {
  /** @type {Map<string, File>} */
  const byName = new Map();
  for (const file of toFiles("loadModel", files)) {
    if (byName.has(file.name) && Object.values(FILE_NAMES).includes(file.name)) {
      throw new LabError("LAB-BAD-FILE", `There are two files named ${file.name}.`, "Choose the files of one model only.");
    }
    byName.set(file.name, file);
  }
  /** @type {Role[]} */
  const tokenizer = byName.has(FILE_NAMES.tokenizer) ? ["tokenizer"] : ["vocab", "merges"];
  /** @type {Role[]} */
  const roles = ["config", ...tokenizer, "weights"];
  const missing = roles.filter((role) => !byName.has(FILE_NAMES[role]));
  if (missing.length > 0) {
    const names = missing.map((role) => FILE_NAMES[role]).join(", ");
    const instead = missing.includes("vocab") || missing.includes("merges") ? " (or tokenizer.json in place of vocab.json and merges.txt)" : "";
    throw new LabError("LAB-BAD-FILE", `A model needs more files. Missing: ${names}${instead}.`, "Choose all of the model's files at once. Other names do not count: rename them if need be.");
  }
  const parts = roles.map((role) => ({ role, file: /** @type {File} */ (byName.get(FILE_NAMES[role])) }));
  return { name: name ?? "file", config: null, parts, tokenizerUnknown: false };
}
