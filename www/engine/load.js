// @ts-check
// The page's side of loading a model: it finds out where the files are and hands that to the worker, which reads them. What is kept on this
// computer is listed and deleted from here.
import { orAborted } from "./abort.js";
import { LabError, fromPlain } from "./errors.js";
import { held } from "./loading/memory.js";
import { isBusy } from "./loading/sharing.js";
import { keys, list, remove } from "./loading/store.js";
import { locate } from "./models.js";

/** @typedef {import("./models.js").Plan} Plan */
/** @typedef {import("./types.js").LoadModelSettings} Settings */
/** @typedef {{signal?: AbortSignal, onProgress?: (progress: import("./types.js").Progress) => void}} Control */

/** From how many bytes on the browser is asked not to evict what is kept. */
const WORTH_ASKING = 64e6;

/**
 * Loads a model each time it is called. After the first success these are the very bytes of that time: their hashes are known, kept copies are
 * not compared with the server's, and a file that has changed there is refused. What was found when it was checked on a device stands.
 *
 * @param {import("./client.js").Client} client
 * @param {unknown} source  what loadModel was given
 * @param {Settings} settings
 * @returns {(control: Control) => Promise<any>} what Model is made of; rejects with LAB-DOWNLOAD, LAB-BAD-FILE, LAB-BAD-SETTING, LAB-TOO-LARGE,
 *   LAB-CHECK-FAILED, LAB-CANCELLED, or what ended the engine
 */
export function modelLoader(client, source, settings) {
  /** @type {Plan | null} */
  let known = null;
  /** What was found where it was checked. @type {{device: "webgpu" | "cpu", check: import("./types.js").ModelCheck[]} | null} */
  let proven = null;
  return async ({ signal, onProgress }) => {
    const plan = known ?? (await located(client, source, settings, signal));
    const { parts, device, ...made } = await client.call("loadModel", [{ plan, settings, held: held(), checkedOn: proven?.device ?? null }], { signal, onStep: onProgress }).result;
    known = { ...plan, parts };
    if (proven === null || made.check !== null) proven = { device, check: made.check };
    void persist(made.source.kept, parts);
    return { ...made, check: proven.check };
  };
}

/**
 * @param {import("./client.js").Client} client
 * @param {unknown} source
 * @param {Pick<Settings, "weights">} settings
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./types.js").Estimate>}
 */
export async function estimate(client, source, settings, signal) {
  const plan = await located(client, source, settings, signal);
  const found = await client.call("estimate", [{ plan, settings, held: held(), checkedOn: null }], { signal }).result;
  return { ...found, problems: found.problems.map(fromPlain) };
}

/** @returns {Promise<import("./types.js").KeptFile[]>} */
export async function kept() {
  return (await list()).map(({ where, bytes, meta: { key, name, url, total, complete, model } }) => ({ key, name, url, bytes, total, complete, where, model }));
}

/**
 * @param {unknown} key  of kept(), or "all"
 * @throws {LabError} LAB-BUSY for a file that is being downloaded; with "all", the others are gone then
 */
export async function forget(key) {
  let busy = null;
  for (const each of key === "all" ? await keys() : [String(key)]) if ((await isBusy(each)) || !(await remove(each))) busy = each;
  if (busy !== null) throw new LabError("LAB-BUSY", `${busy} is being downloaded, and cannot be deleted meanwhile.`, "Stop the download, here or in the other tab, and delete it then.");
}

/**
 * @param {import("./client.js").Client} client
 * @param {unknown} source
 * @param {Pick<Settings, "weights">} settings
 * @param {AbortSignal} [signal]
 */
async function located(client, source, { weights }, signal) {
  if (client.end !== null) throw client.end;
  if (!["auto", "f16", "f32"].includes(weights)) throw new LabError("LAB-BAD-SETTING", `loadModel: there are no weights “${weights}”.`, "They are auto, f16 or f32.");
  return orAborted(locate(source), signal);
}

/**
 * Asks the browser not to evict a large model. Chromium decides by itself, without a question to the visitor.
 *
 * @param {string | null} where
 * @param {import("./loading/layout.js").Parts} parts
 */
async function persist(where, { weights }) {
  const bytes = weights.flatMap(({ pieces }) => pieces).reduce((sum, part) => sum + (part.bytes ?? 0), 0);
  if ((where !== "opfs" && where !== "cache") || bytes < WORTH_ASKING) return;
  try {
    await navigator.storage.persist();
  } catch {
    // Then it may be evicted, and is downloaded again.
  }
}
