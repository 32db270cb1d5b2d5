// @ts-check
// SAEs from SAELens's files and to them, and whether one fits what it is used on.
import { linked, orAborted } from "./abort.js";
import { defaults } from "./defaults.js";
import { download } from "./download.js";
import { LabError, describe } from "./errors.js";
import { handleOf } from "./handles.js";
import { fields, toName } from "./inputs.js";
import { hashError, isMissing } from "./loading/failures.js";
import { bad, take } from "./options.js";
import { ProgressFeed, shielded } from "./progress.js";
import { SAE_FILES, locateSae } from "./saes.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** What files of this computer that are read whole may have, in bytes. */
const LARGEST = Object.freeze({ cfg: 2 ** 20, sparsity: 2 ** 24 });

/**
 * Reads an SAE's files and puts it on the device. A downloaded file moves to the worker and is not copied; a file of this
 * computer is read there, piece by piece.
 *
 * @param {import("./client.js").Client} client
 * @param {unknown} source
 * @param {{signal?: AbortSignal, onProgress?: (progress: import("./types.js").Progress) => void}} control
 * @returns {Promise<{id: number, config: import("./types.js").SaeConfig, logSparsity: Float32Array | null}>}
 */
export async function loadSae(client, source, { signal, onProgress }) {
  const files = await readFiles(source, client, { signal, onProgress });
  return client.call("loadSae", [files], { signal, onStep: onProgress }).result;
}

/**
 * @param {unknown} source
 * @param {import("./client.js").Client} client
 * @param {{signal?: AbortSignal, onProgress?: (progress: import("./types.js").Progress) => void}} control
 */
async function readFiles(source, client, { signal: callerSignal, onProgress }) {
  if (client.end !== null) throw client.end;
  const { signal, unlink } = linked(callerSignal, client);
  const feed = new ProgressFeed((_, step) => step !== null && !signal.aborted && shielded(onProgress, step));
  try {
    const { parts, overrides, inputScale } = await orAborted(locateSae(source), signal);
    const sizes = parts.map((part) => ("file" in part ? part.file.size : part.bytes));
    const total = sizes.includes(null) ? null : sizes.reduce((/** @type {number} */ sum, size) => sum + (size ?? 0), 0);
    let done = 0;
    const onBytes = (/** @type {number} */ bytes) => feed.add({ phase: "download", done: (done += bytes), total });
    /** @type {Partial<Record<import("./saes.js").Role, Bytes | File>>} */
    const files = {};
    // The weights come last, so that a wrong address shows at once.
    for (const part of [...parts].sort((a, b) => Number(a.role === "weights") - Number(b.role === "weights"))) {
      if ("file" in part) files[part.role] = part.role === "weights" ? part.file : await readFile(part.file, signal, LARGEST[part.role]);
      else {
        const bytes = await fetchPart(part, client, signal, onBytes);
        if (bytes !== null) files[part.role] = bytes;
      }
      await refuseStrangers(SAE_FILES[part.role], files[part.role], signal);
    }
    feed.flush();
    const limit = client.choice?.device === "webgpu" ? client.choice.limits : null;
    const largestBuffer = limit && Math.min(limit.maxBufferSize ?? Infinity, limit.maxStorageBufferBindingSize ?? Infinity);
    return { ...files, ...(overrides === null ? {} : { overrides }), inputScale, largestBuffer };
  } catch (error) {
    throw client.end ?? error;
  } finally {
    unlink();
    feed.close();
  }
}

/**
 * @param {import("./saes.js").Remote} part
 * @param {import("./client.js").Client} client
 * @param {AbortSignal} signal
 * @param {(bytes: number) => void} onBytes
 * @returns {Promise<Bytes | null>} null for a sparsity file that is not there
 */
async function fetchPart({ role, url, bytes, sha256 }, client, signal, onBytes) {
  let file;
  try {
    file = await download(url, { bytes, signal, onBytes });
  } catch (error) {
    if (role === "sparsity" && isMissing(error)) return null;
    throw error;
  }
  if (sha256 === null) return file;
  const digest = await client.digest(file, signal);
  if (digest.hex !== sha256) throw hashError(url);
  return digest.bytes;
}

/**
 * @param {Blob & {name?: string}} file
 * @param {AbortSignal} signal
 * @param {number} [largest]  in bytes
 * @returns {Promise<Bytes>}
 */
async function readFile(file, signal, largest = Infinity) {
  if (file.size > largest) {
    throw new LabError("LAB-BAD-FILE", `${file.name} has ${file.size} bytes, and at most ${largest} are read.`, "Choose the files of one SAE, as SAELens saves them.");
  }
  const buffer = await orAborted(file.arrayBuffer(), signal).catch((error) => {
    if (error instanceof LabError) throw error;
    throw new LabError("LAB-BAD-FILE", `${file.name ?? "The file"} could not be read: ${describe(error)}`, "Check that the file is still there, and choose it again.", error);
  });
  return new Uint8Array(buffer);
}

/**
 * What often lies where a file of an SAE should be, told by its first bytes.
 *
 * @param {string} name
 * @param {Bytes | File | undefined} file
 * @param {AbortSignal} signal
 */
async function refuseStrangers(name, file, signal) {
  if (file === undefined) return;
  const start = file instanceof File ? await readFile(file.slice(0, 64), signal) : file.subarray(0, 64);
  const text = new TextDecoder().decode(start).trimStart().toLowerCase();
  if (text.startsWith("version https://git-lfs")) {
    throw new LabError("LAB-BAD-FILE", `${name} is a git-lfs pointer, which only says where the file is.`, "Fetch the file itself: git lfs pull, or the hub's address with /resolve/ in it, not /raw/.");
  }
  if (text.startsWith("<!doctype html") || text.startsWith("<html")) {
    throw new LabError("LAB-BAD-FILE", `${name} is a web page.`, "Download the file itself: on the Hugging Face hub its address has /resolve/ in it, not /blob/.");
  }
}

/**
 * @param {import("./client.js").Client} client
 * @param {object} sae
 * @param {unknown} options
 * @returns {Promise<import("./types.js").SaeFiles>}
 */
export async function saveSae(client, sae, options) {
  const { settings } = take("save", defaults.save, options);
  const metadata = plain(settings.metadata);
  return client.call("saveSae", [handleOf(sae, client, "sae"), { ...settings, metadata }]).result;
}

/**
 * @param {import("./client.js").Client} client
 * @param {object} sae
 * @param {import("./model.js").Model} model
 * @param {unknown} options
 * @returns {Promise<import("./types.js").Mismatch[]>}
 */
export async function mismatches(client, sae, model, options) {
  const { settings } = take("mismatches", defaults.mismatches, options);
  const hook = settings.hook === null ? null : toName("mismatches", settings.hook);
  for (const name of /** @type {const} */ (["center", "prependBos"])) {
    const value = settings[name];
    if (value !== null && typeof value !== "boolean") throw bad(`mismatches: “${name}” must be true, false or null.`, "null leaves it out.");
  }
  const modelId = handleOf(model, client, "model");
  // Files of this computer say nothing about whose model they are.
  const modelName = model.name === "file" ? null : model.name;
  return client.call("mismatches", [handleOf(sae, client, "sae"), modelId, { ...settings, hook, modelName }]).result;
}

/**
 * @param {unknown} metadata
 * @returns {object} as plain JSON, which is what a file can hold
 */
function plain(metadata) {
  const given = fields("save", "metadata", metadata, "{key: value}");
  try {
    return JSON.parse(JSON.stringify(given));
  } catch (error) {
    throw bad(`save: “metadata” cannot be written as JSON: ${describe(error)}`, "Leave out what is no plain data.");
  }
}
