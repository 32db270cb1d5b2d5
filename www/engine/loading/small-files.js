// @ts-check
// The files that are read whole before the weights: what lies below an address, the configuration and the tokenizer.
import { LabError, describe } from "../errors.js";
import { isMissing, isUnreachable, memoryError } from "./failures.js";
import { piecesOf } from "./kept.js";
import { FILE_NAMES, SMALL, partsOf, toManifest } from "./layout.js";
import { readPart } from "./read-part.js";
import { release } from "./release.js";

/** @typedef {import("../models.js").Plan} Plan */
/** @typedef {import("./layout.js").Part} Part */
/** @typedef {import("./layout.js").Parts} Parts */
/** @typedef {import("./layout.js").Small} Small */
/** @typedef {import("./read-part.js").Context} Context */
/** @typedef {import("./context.js").Amounts} Amounts */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** What the small files may have, in bytes: a tokenizer with a million tokens has less. */
const LARGEST = 1 << 28;

/**
 * What lies where, as far as that is known without trying: `small` lacks what has to be tried, `weights` are null below an address
 * without a manifest.
 *
 * @typedef {{small: Partial<Record<Small, Part>>, weights: import("./layout.js").Weights[] | null, check: import("../models.js").LossOnRecord | null}} Layout
 */

/**
 * @param {Plan} plan
 * @param {Context} context
 * @param {Amounts} amounts
 * @returns {Promise<Layout>}
 */
export async function layoutOf(plan, context, amounts) {
  let { parts, check } = plan;
  if (parts === null) {
    const manifest = await manifestBelow(plan, context, amounts);
    if (manifest !== null) {
      parts = partsOf(manifest.files, (file) => remoteBelow(plan, file));
      ({ check } = manifest);
    }
  }
  if (parts !== null) amounts.plan(parts);
  else amounts.size(FILE_NAMES.weights, null);
  const { weights = null, ...small } = parts ?? {};
  return { small, weights, check };
}

/**
 * Reads the configuration. To be called first: it is small, and a wrong address shows at once.
 *
 * @param {Plan} plan
 * @param {Layout} layout  is told where it was
 * @param {Context} context
 * @param {Amounts} amounts
 * @returns {Promise<Bytes>}
 */
export async function readConfig(plan, layout, context, amounts) {
  if (plan.config !== null) return new TextEncoder().encode(JSON.stringify(plan.config));
  return readInto(layout, "config", layout.small.config ?? unknownBelow(plan, FILE_NAMES.config), context, amounts);
}

/**
 * Reads the tokenizer's files. Where it is not known which there are, trying is the only way to know.
 *
 * @param {Plan} plan
 * @param {Layout} layout  is told where they were
 * @param {Context} context
 * @param {Amounts} amounts
 * @returns {Promise<{tokenizer?: Bytes, vocab?: Bytes, merges?: Bytes}>}
 */
export async function readTokenizer(plan, layout, context, amounts) {
  /** @type {Partial<Record<Small, Bytes>>} */
  const files = {};
  /** @param {Small} role @param {Part} [part] */
  const read = async (role, part = unknownBelow(plan, FILE_NAMES[role])) => {
    files[role] = await readInto(layout, role, part, context, amounts);
  };
  const known = SMALL.filter((role) => role !== "config" && layout.small[role] !== undefined);
  for (const role of known) await read(role, layout.small[role]);
  if (known.length > 0) return files;
  if (plan.url === null || plan.kind === "list") throw new LabError("LAB-BAD-FILE", `“${plan.name}” has no tokenizer on record.`, "It needs tokenizer.json, or vocab.json and merges.txt.");
  try {
    await read("tokenizer");
  } catch (error) {
    if (!isMissing(error)) throw error;
    await read("vocab");
    await read("merges");
  }
  return files;
}

/**
 * @param {Plan} plan
 * @param {import("./layout.js").OnRecord} file
 * @returns {import("./read-part.js").Remote}
 */
export function remoteBelow({ url }, file) {
  return { ...file, url: new URL(encodeURIComponent(file.name), url ?? "").href };
}

/**
 * @param {Plan} plan
 * @param {string} name
 */
export function unknownBelow(plan, name) {
  return remoteBelow(plan, { name, bytes: null, sha256: null });
}

/**
 * @param {Layout} layout
 * @param {Small} role
 * @param {Part} part
 * @param {Context} context
 * @param {Amounts} amounts
 */
async function readInto(layout, role, part, context, amounts) {
  const { bytes, sha256 } = await readWhole(part, context);
  amounts.size(part.name, bytes.byteLength);
  layout.small[role] = "file" in part ? part : { ...part, bytes: bytes.byteLength, sha256 };
  return bytes;
}

/**
 * @param {Part} part
 * @param {Context} context
 * @returns {Promise<{bytes: Bytes, sha256: string | null}>}
 */
export async function readWhole(part, context) {
  /** @type {Uint8Array[]} */
  const pieces = [];
  let length = 0;
  const feed = async (/** @type {Uint8Array} */ piece) => {
    length += piece.byteLength;
    if (length > LARGEST) throw new LabError("LAB-BAD-FILE", `${part.name} has more than ${LARGEST} bytes.`, "Check that the files are those of a GPT-2 model.");
    pieces.push(piece.slice());
    return null;
  };
  const sha256 = "file" in part ? await readLocal(part, context, feed) : (await readPart(part, context, feed)).sha256;
  let bytes;
  try {
    bytes = new Uint8Array(length);
  } catch {
    throw memoryError("url" in part ? part.url : part.name, length);
  }
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return { bytes, sha256 };
}

/**
 * A file of this computer, piece by piece.
 *
 * @param {import("./layout.js").Local} part
 * @param {Context} context
 * @param {(bytes: Uint8Array) => Promise<unknown>} feed
 * @returns {Promise<string | null>} its hash, where one is on record
 */
export async function readLocal({ file, name, bytes, sha256 }, context, feed) {
  if (bytes !== null && file.size !== bytes) throw new LabError("LAB-BAD-FILE", `${name} has ${file.size} bytes, and should have ${bytes}.`, "Choose the file again, or fetch it anew.");
  const hash = sha256 === null ? null : context.hash();
  try {
    const pieces = piecesOf(file);
    for (;;) {
      const step = await pieces.next().catch((error) => {
        throw new LabError("LAB-BAD-FILE", `${name} could not be read: ${describe(error)}`, "Check that the file is still there and unchanged, and choose it again.", error);
      });
      if (step.done) break;
      hash?.update(step.value);
      await feed(step.value);
      await context.advance("read", step.value.byteLength);
      release(step.value);
    }
    if (hash !== null && hash.hex() !== sha256) throw new LabError("LAB-BAD-FILE", `${name} is not the file on record: its SHA-256 differs.`, "Fetch the file again.");
    return sha256;
  } finally {
    hash?.free();
  }
}

/**
 * @param {Plan} plan
 * @param {Context} context
 * @param {Amounts} amounts
 * @returns {Promise<import("./layout.js").Manifest | null>} null where there is none
 */
async function manifestBelow(plan, context, amounts) {
  try {
    const { bytes } = await readWhole(unknownBelow(plan, FILE_NAMES.manifest), context);
    amounts.size(FILE_NAMES.manifest, bytes.byteLength);
    return toManifest(new TextDecoder().decode(bytes), FILE_NAMES.manifest);
  } catch (error) {
    // Offline, a model that was kept without one can still be loaded; its next file tells.
    if (isMissing(error) || isUnreachable(error)) return null;
    throw error;
  }
}
