// @ts-check
// Where the files of an SAE are: in the list of saes.json, below an address, or in the caller's hands.
import { LabError } from "./errors.js";
import { request } from "./loading/asking.js";
import { bad, show } from "./options.js";
import { toFiles, toFolder } from "./sources.js";

/** SAELens's own file names. */
export const SAE_FILES = Object.freeze({ cfg: "cfg.json", weights: "sae_weights.safetensors", sparsity: "sparsity.safetensors" });

/** @typedef {keyof typeof SAE_FILES} Role */

/**
 * A file to fetch; `bytes` and `sha256` are what it must have, where that is on record.
 * @typedef {{role: Role, url: string, bytes: number | null, sha256: string | null}} Remote
 * @typedef {{role: Role, file: File}} Local
 */

/**
 * An SAE before any of it is read.
 *
 * @typedef {object} Plan
 * @property {(Remote | Local)[]} parts   cfg.json first; the sparsity may turn out not to be there
 * @property {object | null} overrides    keys of cfg.json that its release replaces
 * @property {number | null} inputScale
 */

/**
 * A release in saes.json: SAEs of one model below one address, which is relative to saes.json.
 *
 * @typedef {object} Release
 * @property {string} release
 * @property {string} model
 * @property {string | null} repo   on the Hugging Face hub; null for those that come with the page
 * @property {string} base
 * @property {string} architecture
 * @property {number} dIn
 * @property {number | null} dSae   null where each SAE says its own
 * @property {string} [unavailable]  why none of them can be loaded
 * @property {object} [overrides]
 * @property {string} [publication]
 * @property {Entry[]} saes
 *
 * @typedef {object} Entry
 * @property {string} id      as in SAELens
 * @property {string} [path]  the folder below the release's base, where it is not the id
 * @property {string} [hook]  where it is not the id
 * @property {number} [dSae]
 * @property {number} [l0]
 * @property {number} [varianceExplained]
 * @property {number} [inputScale]
 * @property {string} [neuronpedia]
 * @property {object} [overrides]
 * @property {Partial<Record<Role, {bytes: number, sha256: string}>>} [files]  what is on record; a role that is left out has no file
 */

const LIST = new URL("../models/saes/saes.json", import.meta.url);
/** @type {Promise<Release[]> | null} */
let list = null;

/**
 * The published SAEs that can be loaded by name, and those of SAELens's list that cannot, with the reason.
 *
 * @returns {Promise<import("./types.js").ListedSae[]>}
 * @throws {LabError} LAB-DOWNLOAD
 */
export async function listSaes() {
  return (await releases()).flatMap((release) => release.saes.map((entry) => describe(release, entry)));
}

/**
 * @param {unknown} source  id | {baseUrl} | {files}
 * @returns {Promise<Plan>}
 * @throws {LabError} LAB-BAD-SETTING, LAB-BAD-FILE (files missing), LAB-DOWNLOAD (saes.json)
 */
export async function locateSae(source) {
  if (typeof source === "string") return fromList(source);
  if (typeof source === "object" && source !== null) {
    const { baseUrl, files, ...others } = /** @type {Record<string, unknown>} */ (source);
    const stranger = Object.keys(others)[0];
    if (stranger !== undefined) throw bad(`loadSae: a source has no field “${stranger}”.`, "It is {baseUrl} or {files}.");
    if (baseUrl !== undefined && files === undefined) return fromAddress(baseUrl);
    if (files !== undefined && baseUrl === undefined) return fromFiles(files);
  }
  throw bad(`loadSae cannot load ${show(source)}.`, 'Give a name of listSaes(), such as "gpt2-small-res-jb/blocks.8.hook_resid_pre", {baseUrl: "https://…"} or {files: […]}.');
}

/** @returns {Promise<Release[]>} */
function releases() {
  list ??= readList().catch((error) => {
    list = null;
    throw error;
  });
  return list;
}

async function readList() {
  const response = await request(LIST.href);
  try {
    const { releases } = await response.json();
    if (Array.isArray(releases)) return releases;
  } catch {
    // said below
  }
  throw new LabError("LAB-DOWNLOAD", `The list of SAEs cannot be read: ${LIST.href}`, "The file is damaged on the server: put the original back.");
}

/**
 * @param {Release} release
 * @param {Entry} entry
 * @returns {import("./types.js").ListedSae}
 */
function describe(release, entry) {
  const { dIn } = release;
  const dSae = entry.dSae ?? release.dSae ?? 0;
  const { l0 = null, varianceExplained = null, files } = entry;
  return {
    id: `${release.release}/${entry.id}`,
    release: release.release,
    model: release.model,
    hook: entry.hook ?? entry.id,
    architecture: release.architecture,
    dIn,
    dSae,
    // Of the tensors as float32, where the file's own length is not on record.
    bytes: files?.weights?.bytes ?? 4 * (2 * dIn * dSae + dIn + dSae),
    baseUrl: folder(release, entry),
    l0,
    varianceExplained,
    unavailable: release.unavailable ?? null,
    publication: release.publication ?? null,
    neuronpedia: entry.neuronpedia === undefined ? null : `https://www.neuronpedia.org/${entry.neuronpedia}`,
  };
}

/**
 * @param {Release} release
 * @param {Entry} entry
 * @returns {string} with a slash at its end. Some folders have a colon in their name, which must not become a scheme.
 */
function folder(release, entry) {
  const path = (entry.path ?? entry.id).split("/").map(encodeURIComponent).join("/");
  return `${new URL(release.base, LIST).href}${path}/`;
}

/** @param {string} name */
async function fromList(name) {
  const all = await releases();
  const release = all.find((release) => name.startsWith(`${release.release}/`));
  const entry = release?.saes.find((entry) => `${release.release}/${entry.id}` === name);
  if (release === undefined || entry === undefined) {
    const known = release === undefined ? `The releases are ${all.map((release) => release.release).join(", ")}.` : `${release.release} has ${release.saes.map((entry) => entry.id).join(", ")}.`;
    throw bad(`There is no SAE ${show(name)}.`, `${known} Others can be loaded by {baseUrl} or {files}.`);
  }
  if (release.unavailable !== undefined) throw new LabError("LAB-BAD-FILE", `${name} cannot be loaded here.`, release.unavailable);
  const roles = /** @type {Role[]} */ (Object.keys(entry.files ?? SAE_FILES));
  const parts = below(folder(release, entry), roles).map((part) => ({ ...part, ...entry.files?.[part.role] }));
  const overrides = { ...release.overrides, ...entry.overrides };
  return { parts, overrides: Object.keys(overrides).length === 0 ? null : overrides, inputScale: entry.inputScale ?? null };
}

/**
 * @param {string} base  with a slash at its end
 * @param {readonly Role[]} roles
 * @returns {Remote[]}
 */
function below(base, roles) {
  return roles.map((role) => ({ role, url: new URL(SAE_FILES[role], base).href, bytes: null, sha256: null }));
}

/**
 * @param {unknown} baseUrl  relative addresses count from the page
 * @returns {Plan}
 */
function fromAddress(baseUrl) {
  const base = toFolder("loadSae", baseUrl, "cfg.json and sae_weights.safetensors");
  return { parts: below(base.href, ["cfg", "weights", "sparsity"]), overrides: null, inputScale: null };
}

/**
 * @param {unknown} files  a FileList or any list of File objects; those with other names are left alone
 * @returns {Plan}
 */
function fromFiles(files) {
  const array = toFiles("loadSae", files);
  /** @type {Local[]} */
  const parts = [];
  for (const role of /** @type {const} */ (["cfg", "weights", "sparsity"])) {
    const name = SAE_FILES[role];
    const found = array.filter((file) => file.name === name);
    if (found.length > 1) throw new LabError("LAB-BAD-FILE", `There are ${found.length} files named ${name}.`, "Choose the files of one SAE only.");
    const [file] = found;
    if (file !== undefined) parts.push({ role, file });
    else if (role !== "sparsity") {
      const pickle = array.find((file) => /\.(pt|pth|bin|pkl|npz)$/i.test(file.name));
      const hint = pickle === undefined ? "Choose cfg.json and sae_weights.safetensors, as SAELens saves them. Other names do not count: rename them if need be." : `${pickle.name} is no safetensors file. Load it in Python, save it with SAELens, and open those files here.`;
      throw new LabError("LAB-BAD-FILE", `An SAE needs a file named ${name}.`, hint);
    }
  }
  return { parts, overrides: null, inputScale: null };
}
