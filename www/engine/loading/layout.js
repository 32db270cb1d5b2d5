// @ts-check
// Which files make a model, by GPT-2's own names, by an index of shards, or by a manifest of pieces with their hashes.
import { LabError } from "../errors.js";

/** What is looked for below an address or among files. */
export const FILE_NAMES = Object.freeze({
  manifest: "manifest.json",
  config: "config.json",
  tokenizer: "tokenizer.json",
  vocab: "vocab.json",
  merges: "merges.txt",
  weights: "model.safetensors",
  index: "model.safetensors.index.json",
});

/**
 * The small files, by what the engine calls them.
 * @typedef {"config" | "tokenizer" | "vocab" | "merges"} Small
 *
 * A file as a list has it: its length and hash, where they are on record.
 * @typedef {{name: string, bytes: number | null, sha256: string | null}} OnRecord
 * @typedef {import("./read-part.js").Remote} Remote
 * @typedef {OnRecord & {file: File}} Local
 * @typedef {Remote | Local} Part
 *
 * A safetensors file: its pieces, put behind one another.
 * @typedef {{name: string, bytes: number | null, pieces: Part[]}} Weights
 * @typedef {Partial<Record<Small, Part>> & {weights: Weights[]}} Parts
 *
 * `files` of an entry of models.json or of a manifest.
 * @typedef {{name: string, bytes: number, sha256: string}} FileOnRecord
 * @typedef {Partial<Record<Small, FileOnRecord>> & {weights: FileOnRecord | {bytes: number, sha256: string, pieces: FileOnRecord[]}}} FilesOnRecord
 *
 * @typedef {{id: string | null, files: FilesOnRecord, check: import("../models.js").LossOnRecord | null}} Manifest
 */

/** @type {readonly Small[]} */
export const SMALL = Object.freeze(["config", "tokenizer", "vocab", "merges"]);
const FORMAT = "sae-lab-model/1";
/** Files that a manifest or an index may name. */
const MOST = 10_000;

/**
 * @param {FilesOnRecord} files
 * @param {(file: OnRecord) => Part} toPart  where a file is
 * @returns {Parts}
 */
export function partsOf({ weights, ...small }, toPart) {
  const pieces = "pieces" in weights ? weights.pieces : [weights];
  const name = "pieces" in weights ? FILE_NAMES.weights : weights.name;
  /** @type {Parts} */
  const parts = { weights: [{ name, bytes: weights.bytes, pieces: pieces.map(toPart) }] };
  for (const role of SMALL) {
    const file = small[role];
    if (file !== undefined) parts[role] = toPart(file);
  }
  return parts;
}

/**
 * @param {string} text
 * @param {string} name  of the file, for messages
 * @returns {Manifest}
 * @throws {LabError} LAB-BAD-FILE
 */
export function toManifest(text, name) {
  const { format, id, files, check } = toObject(text, name);
  if (format !== FORMAT) throw broken(name, `Its format is ${JSON.stringify(format) ?? "not named"}, and not “${FORMAT}”.`);
  if (typeof files !== "object" || files === null) throw broken(name, "It names no files.");
  const all = /** @type {Record<string, unknown>} */ (files);
  for (const role of SMALL) if (all[role] !== undefined) checkFile(name, role, all[role]);
  const weights = /** @type {Record<string, unknown> | undefined} */ (all.weights);
  if (weights?.pieces === undefined) checkFile(name, "weights", weights);
  else {
    const { bytes, pieces } = weights;
    if (!Array.isArray(pieces) || pieces.length === 0 || pieces.length > MOST) throw broken(name, "Its list of pieces cannot be used.");
    pieces.forEach((piece, i) => checkFile(name, `piece ${i}`, piece));
    const sum = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    if (sum !== bytes) throw broken(name, `Its pieces have ${sum} bytes together, and its weights ${JSON.stringify(bytes)}.`);
  }
  return { id: typeof id === "string" ? id : null, files: /** @type {FilesOnRecord} */ (all), check: toCheck(check) };
}

/**
 * @param {string} text  of an index
 * @param {string} name
 * @returns {string[]} the shards, in order
 * @throws {LabError} LAB-BAD-FILE
 */
export function shardNames(text, name) {
  const { weight_map: map } = toObject(text, name);
  if (typeof map !== "object" || map === null) throw broken(name, "It has no weight_map.");
  const names = [...new Set(Object.values(map))].sort();
  if (names.length === 0 || names.length > MOST) throw broken(name, `It names ${names.length} files.`);
  for (const shard of names) if (!isPlainName(shard)) throw broken(name, `It names ${JSON.stringify(shard)} as a file.`);
  return /** @type {string[]} */ (names);
}

/**
 * @param {string} text
 * @param {string} name
 * @returns {Record<string, unknown>}
 */
function toObject(text, name) {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw broken(name, "It is no JSON object.");
}

/**
 * @param {string} name
 * @param {string} role
 * @param {unknown} file
 */
function checkFile(name, role, file) {
  const { name: its, bytes, sha256 } = /** @type {Record<string, unknown>} */ (file ?? {});
  if (!isPlainName(its)) throw broken(name, `Its ${role} has ${JSON.stringify(its) ?? "no name"} for a name.`);
  if (!Number.isSafeInteger(bytes) || /** @type {number} */ (bytes) < 0) throw broken(name, `Its ${role} has ${JSON.stringify(bytes) ?? "no number"} of bytes.`);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw broken(name, `Its ${role} has no SHA-256.`);
}

/**
 * A name that leads nowhere but into the folder itself.
 *
 * @param {unknown} name
 */
function isPlainName(name) {
  return typeof name === "string" && name.length <= 255 && /^[^/\\:?#%\0]+$/.test(name) && name !== "." && name !== "..";
}

/** @param {unknown} check @returns {import("../models.js").LossOnRecord | null} */
function toCheck(check) {
  const { text, loss, allowed } = /** @type {Record<string, unknown>} */ (check ?? {});
  return typeof text === "string" && Number.isFinite(loss) && Number.isFinite(allowed) ? /** @type {any} */ ({ text, loss, allowed }) : null;
}

/**
 * @param {string} name
 * @param {string} why
 */
function broken(name, why) {
  return new LabError("LAB-BAD-FILE", `${name} cannot be used. ${why}`, "Fetch or make the model's files again.");
}
