// @ts-check
// What lives on the device is a number in the engine and an object on the page. This file knows which object stands for which
// number, which have been given back, and how each is made again when the engine is lost with everything in it.
//
// Safety: a number of an engine that is gone never reaches the next one; an object made again is what it was, or says that it is not.
// Liveness: objects that nobody holds are not kept, neither here nor for being made again.
import { LabError, describe } from "./errors.js";
import { copy, each, sizeOf } from "./walk.js";

/** @typedef {"model" | "acts" | "features" | "sae"} Kind */

/** @type {Record<Kind, string>} */
const WORDS = { model: "a model", acts: "a set of activations", features: "an array of features", sae: "an SAE" };

/** What may be held on the page so that one object can be made again, in bytes. */
export const MOST_KEPT = 256 * 2 ** 20;

/**
 * How to make an object again.
 *
 * @typedef {object} Recipe
 * @property {(() => Promise<{id: number}>) | null} make
 * @property {string} [why]     why there is none, in words
 * @property {{handle: Handle, version: number}[]} [needs]   what it is made from, as it was then
 * @property {number} [version]   which state of the object it makes, see `Handle.version`
 * @property {string} [state]     that state, in words
 * @property {object} [training]  stands for that in which it was kept
 */

/** The page's entry for one object in the engine. In the arguments of a call it stands for the number, which the client puts in. */
export class Handle {
  /** The engine's number for it. */
  id;
  /** Which of the client's engines that number is of. */
  engine;
  released = false;
  /** Counts what changes it: trainings, and being made again as it was before one. */
  version = 0;
  /** It is in training. */
  moving = false;
  /** What it was made again as, in words, where that is not what it was. @type {string | null} */
  behind = null;
  /** Why it could not be made again when that was last tried. @type {string | null} */
  failure = null;
  /** @type {Recipe} */
  recipe;
  /** @type {Promise<void> | null} */
  #restoring = null;

  /**
   * @param {import("./client.js").Client} client
   * @param {Kind} kind
   * @param {string} name   for people
   * @param {number} id
   * @param {Recipe} recipe
   */
  constructor(client, kind, name, id, recipe) {
    this.client = client;
    this.kind = kind;
    this.name = name;
    this.id = id;
    this.engine = client.engine;
    this.recipe = recipe;
  }

  /** Whether the present engine has it. */
  get isThere() {
    return this.engine === this.client.engine;
  }

  /** Why it cannot be made again, in words; null when it is there or can be. @returns {string | null} */
  get lost() {
    if (this.isThere) return null;
    const { make, why, needs = [] } = this.recipe;
    if (make === null) return why ?? "it was not made by a call that can be repeated";
    for (const { handle, version } of needs) {
      if (handle.released) return `${WORDS[handle.kind]} that it was made from has been disposed of`;
      if (handle.version !== version) return `${WORDS[handle.kind]} that it was made from has changed since`;
      const lost = handle.lost;
      if (lost !== null) return `${WORDS[handle.kind]} that it was made from is lost too: ${lost}`;
    }
    return null;
  }

  /**
   * Makes it again in the present engine, once however many ask; does nothing when it is there.
   *
   * @returns {Promise<void>}
   * @throws {LabError} LAB-RELEASED when that cannot be done; or what ended the engine meanwhile
   */
  restore() {
    if (this.isThere) return Promise.resolve();
    this.#restoring ??= this.#remake().finally(() => (this.#restoring = null));
    return this.#restoring;
  }

  async #remake() {
    const { client, recipe } = this;
    const { engine } = client;
    const why = this.lost;
    if (why !== null || recipe.make === null) throw this.#gone(String(why));
    let made;
    try {
      made = await recipe.make();
    } catch (error) {
      if (client.engine !== engine || client.end !== null) throw error;
      throw this.#gone(`making it again failed: ${describe(error)}`, error);
    }
    if (client.engine !== engine) return; // whoever asked looks again
    this.id = made.id;
    this.engine = engine;
    const isBehind = (recipe.version ?? 0) !== this.version;
    this.behind = isBehind || this.moving ? (recipe.state ?? "as it was when it was made") : null;
    if (isBehind) this.recipe = { ...recipe, version: ++this.version };
    if (this.released) await client.call("release", [made.id]).result.catch(() => {});
  }

  /**
   * @param {string} why
   * @param {unknown} [cause]
   */
  #gone(why, cause) {
    this.failure = why;
    return new LabError("LAB-RELEASED", `This is ${WORDS[this.kind]} that was lost when the engine stopped: ${why}.`, "Make it again.", cause);
  }
}

/** @type {WeakMap<object, Handle>} */
const handles = new WeakMap();
/** What was made in each client, in order; what nobody holds any more is left out when it is asked for. @type {WeakMap<import("./client.js").Client, Set<WeakRef<object>>>} */
const made = new WeakMap();

/**
 * @param {object} object   what the caller holds
 * @param {import("./client.js").Client} client  the lab that it lives in
 * @param {Kind} kind
 * @param {{id: number, name: string, recipe: Recipe}} about   `id`: the engine's number for it
 * @returns {Handle}
 */
export function register(object, client, kind, { id, name, recipe }) {
  const handle = new Handle(client, kind, name, id, recipe);
  handles.set(object, handle);
  const all = made.get(client) ?? new Set();
  made.set(client, all.add(new WeakRef(object)));
  return handle;
}

/**
 * @param {unknown} object
 * @param {import("./client.js").Client} client
 * @param {...Kind} kinds   what may stand here
 * @returns {Handle} for the arguments of a call
 * @throws {LabError} LAB-RELEASED when it was disposed of, belongs to another lab, or is none of ours
 */
export function handleOf(object, client, ...kinds) {
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
  return handle;
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
 * @param {import("./client.js").Client} client
 * @returns {{object: object, handle: Handle}[]} what callers still hold and have not given back
 */
export function held(client) {
  const all = made.get(client) ?? new Set();
  const found = [];
  for (const reference of all) {
    const object = reference.deref();
    const handle = object && handles.get(object);
    if (object === undefined || handle === undefined || handle.released) all.delete(reference);
    else found.push({ object, handle });
  }
  return found;
}

/**
 * @param {unknown} value
 * @returns {unknown} the same with the engine's numbers in the place of handles
 */
export function withNumbers(value) {
  return value instanceof Handle ? value.id : each(value, withNumbers);
}

/**
 * @param {unknown} value
 * @returns {Handle[]} those in it
 */
export function handlesIn(value) {
  /** @type {Handle[]} */
  const found = [];
  const look = (/** @type {unknown} */ item) => (item instanceof Handle ? found.push(item) : each(item, look));
  look(value);
  return found;
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
  handle.recipe = { make: null };
  await idle;
  // An engine that has stopped has freed everything already.
  if (handle.isThere) await handle.client.call("release", [handle.id]).result.catch(() => {});
}

/**
 * Something is made again by the call that made it, which gives the same each time: seeds are among its arguments.
 *
 * @param {import("./client.js").Client} client
 * @param {string} method
 * @param {unknown[]} args   kept, and copied for each call
 * @param {number} [most]    bytes that may be kept
 * @returns {Recipe}
 */
export function sameCall(client, method, args, most = MOST_KEPT) {
  const size = sizeOf(args);
  const needs = handlesIn(args).map((handle) => ({ handle, version: handle.version }));
  if (size > most) return { make: null, why: `it was made from ${megabytes(size)} of numbers, and at most ${megabytes(most)} are kept` };
  if (needs.some(({ handle }) => handle.moving)) return { make: null, why: "it was made with an SAE that was in training" };
  return { make: () => client.call(method, /** @type {unknown[]} */ (copy(args))).result, needs };
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
