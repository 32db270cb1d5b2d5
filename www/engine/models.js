// @ts-check
// Where the files of a model are: in the list of models.json, below an address, or in the caller's hands. A plan is plain data
// (and File objects), so that it crosses to the worker, which reads the files.
import { request } from "./loading/asking.js";
import { FILE_NAMES, partsOf, shardNames, toManifest } from "./loading/layout.js";
import { LabError, describe } from "./errors.js";
import { bad, show } from "./options.js";
import { toFiles, toFolder } from "./sources.js";

/** @typedef {import("./loading/layout.js").Parts} Parts */
/** @typedef {import("./loading/layout.js").FilesOnRecord} FilesOnRecord */

/**
 * A model before any of it is read.
 *
 * @typedef {object} Plan
 * @property {string} name
 * @property {"list" | "address" | "files"} kind
 * @property {string | null} url      the folder of the files
 * @property {object | null} config   the configuration, where it is on record and no file
 * @property {Parts | null} parts     null where it has to be looked up what lies below `url`
 * @property {LossOnRecord | null} check
 *
 * The mean next-token loss that the model has on a text, BOS before it, in nats: what tells that weights and arithmetic are right.
 * @typedef {{text: string, loss: number, allowed: number}} LossOnRecord
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
 * @property {FilesOnRecord} files
 * @property {LossOnRecord} [check]
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

/**
 * @param {string} id
 * @returns {Promise<Plan>}
 */
async function fromList(id) {
  const models = await listModels();
  const listed = models.find((model) => model.id === id);
  if (listed === undefined) {
    throw bad(`There is no model ${show(id)}.`, `The models are ${models.map((model) => model.id).join(", ")}. Others can be loaded by {baseUrl} or {files}.`);
  }
  const base = new URL(listed.base, LIST);
  const parts = partsOf(listed.files, (file) => ({ ...file, url: new URL(file.name, base).href }));
  if (listed.config === undefined && parts.config === undefined) throw incomplete(id);
  return { name: listed.id, kind: "list", url: base.href, config: listed.config ?? null, parts, check: listed.check ?? null };
}

/** @param {string} name */
function incomplete(name) {
  return new LabError("LAB-BAD-FILE", `The entry of “${name}” in models.json does not name all of the model's files.`, "It needs config, weights, and tokenizer or vocab and merges.");
}

/**
 * @param {unknown} baseUrl  relative addresses count from the page
 * @param {string} [name]
 * @returns {Plan}
 */
function fromAddress(baseUrl, name) {
  const base = toFolder("loadModel", baseUrl, "config.json and model.safetensors");
  const folder = base.pathname.split("/").filter(Boolean).at(-1);
  return { name: name ?? folder ?? base.hostname, kind: "address", url: base.href, config: null, parts: null, check: null };
}

/**
 * @param {unknown} files  a FileList or any list of File objects; those with other names are left alone
 * @param {string} [name]
 * @returns {Promise<Plan>}
 */
async function fromFiles(files, name) {
  /** @type {Map<string, File>} */
  const byName = new Map();
  for (const file of toFiles("loadModel", files)) {
    if (byName.has(file.name) && /** @type {string[]} */ (Object.values(FILE_NAMES)).includes(file.name)) {
      throw new LabError("LAB-BAD-FILE", `There are two files named ${file.name}.`, "Choose the files of one model only.");
    }
    byName.set(file.name, file);
  }
  const common = { kind: /** @type {const} */ ("files"), url: null, config: null };
  const manifestFile = byName.get(FILE_NAMES.manifest);
  if (manifestFile !== undefined && !byName.has(FILE_NAMES.weights)) {
    const manifest = toManifest(await textOf(manifestFile), FILE_NAMES.manifest);
    const { parts, missing } = withFiles((take) => partsOf(manifest.files, take), byName);
    if (parts.config === undefined) parts.config = byName.get(FILE_NAMES.config) && { name: FILE_NAMES.config, file: /** @type {File} */ (byName.get(FILE_NAMES.config)), bytes: null, sha256: null };
    if (parts.config === undefined) missing.push(FILE_NAMES.config);
    if (missing.length > 0) throw missingError(missing, "");
    return { ...common, name: name ?? manifest.id ?? "file", parts, check: manifest.check };
  }
  /** @type {string[]} */
  const shards = byName.has(FILE_NAMES.weights) || !byName.has(FILE_NAMES.index) ? [FILE_NAMES.weights] : shardNames(await textOf(/** @type {File} */ (byName.get(FILE_NAMES.index))), FILE_NAMES.index);
  const { parts, missing } = withFiles((take) => {
    const of = (/** @type {string} */ name) => take({ name, bytes: null, sha256: null });
    const tokenizer = byName.has(FILE_NAMES.tokenizer) ? { tokenizer: of(FILE_NAMES.tokenizer) } : { vocab: of(FILE_NAMES.vocab), merges: of(FILE_NAMES.merges) };
    return { config: of(FILE_NAMES.config), ...tokenizer, weights: shards.map((name) => ({ name, bytes: null, pieces: [of(name)] })) };
  }, byName);
  if (missing.length > 0) {
    const instead = missing.includes(FILE_NAMES.vocab) || missing.includes(FILE_NAMES.merges) ? " (or tokenizer.json in place of vocab.json and merges.txt)" : "";
    throw missingError(missing, instead);
  }
  return { ...common, name: name ?? "file", parts, check: null };
}

/**
 * Makes parts of files of this computer, and lists those that are not there.
 *
 * @param {(take: (file: import("./loading/layout.js").OnRecord) => import("./loading/layout.js").Part) => Parts} make
 * @param {Map<string, File>} byName
 */
function withFiles(make, byName) {
  /** @type {string[]} */
  const missing = [];
  const parts = make((record) => {
    const file = byName.get(record.name);
    if (file === undefined) missing.push(record.name);
    return { ...record, file: file ?? new File([], record.name) };
  });
  return { parts, missing };
}

/**
 * @param {string[]} missing
 * @param {string} instead
 */
function missingError(missing, instead) {
  const names = missing.length > 8 ? `${missing.slice(0, 8).join(", ")} and ${missing.length - 8} more` : missing.join(", ");
  return new LabError("LAB-BAD-FILE", `A model needs more files. Missing: ${names}${instead}.`, "Choose all of the model's files at once. Other names do not count: rename them if need be.");
}

/** @param {File} file */
async function textOf(file) {
  if (file.size > 2 ** 26) throw new LabError("LAB-BAD-FILE", `${file.name} has ${file.size} bytes, which is too much for a list of files.`, "Choose the files of one model.");
  return file.text().catch((error) => {
    throw new LabError("LAB-BAD-FILE", `${file.name} could not be read: ${describe(error)}`, "Check that the file is still there, and choose it again.", error);
  });
}
