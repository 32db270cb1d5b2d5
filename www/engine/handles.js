// @ts-check
// What lives on the device is a number in the engine and an object on the page. This file knows which object
// stands for which number, and which have been given back.
import { LabError } from "./errors.js";

/** @typedef {"model" | "acts" | "features" | "sae"} Kind */

/** @type {Record<Kind, string>} */
const WORDS = { model: "a model", acts: "a set of activations", features: "an array of features", sae: "an SAE" };

/** @type {WeakMap<object, {client: import("./client.js").Client, kind: Kind, id: number, released: boolean}>} */
const handles = new WeakMap();

/**
 * @param {object} object   what the caller holds
 * @param {import("./client.js").Client} client  the engine that it lives in
 * @param {Kind} kind
 * @param {number} id       the engine's number for it
 */
export function register(object, client, kind, id) {
  handles.set(object, { client, kind, id, released: false });
}

/**
 * @param {unknown} object
 * @param {import("./client.js").Client} client
 * @param {...Kind} kinds   what may stand here
 * @returns {number} the engine's number for it
 * @throws {LabError} LAB-RELEASED when it was disposed of, belongs to another lab, or is none of ours
 */
export function idOf(object, client, ...kinds) {
  const wanted = kinds.map((kind) => WORDS[kind]).join(" or ");
  const handle = typeof object === "object" && object !== null ? handles.get(object) : undefined;
  if (handle === undefined || !kinds.includes(handle.kind)) {
    const found = handle === undefined ? "something that is not of this lab" : WORDS[handle.kind];
    throw new LabError("LAB-RELEASED", `Expected ${wanted}, and was given ${found}.`, "Pass the object itself, as the lab handed it out.");
  }
  if (handle.released) {
    throw new LabError("LAB-RELEASED", `This is ${WORDS[handle.kind]} that was disposed of and is no longer on the device.`, "Make it again, or dispose of it later.");
  }
  if (handle.client !== client) {
    throw new LabError("LAB-RELEASED", `This is ${WORDS[handle.kind]} of another lab.`, "Every openLab() has a device memory of its own: make it in the lab that uses it.");
  }
  return handle.id;
}

/**
 * @param {unknown} object
 * @param {Kind} kind
 * @returns {boolean} whether it is one, even if it has been released
 */
export function isHandle(object, kind) {
  return typeof object === "object" && object !== null && handles.get(object)?.kind === kind;
}

/**
 * Gives an object back: from now on it counts as released, and the device frees its memory.
 *
 * @param {object} object
 * @param {Promise<void>} [idle]  what to wait for before the device frees it
 * @returns {Promise<void>} resolves when the memory is free; never rejects, and a second call does nothing
 */
export async function release(object, idle) {
  const handle = handles.get(object);
  if (handle === undefined || handle.released) return;
  handle.released = true;
  await idle;
  // An engine that has stopped has freed everything already.
  await handle.client.call("release", [handle.id]).result.catch(() => {});
}
