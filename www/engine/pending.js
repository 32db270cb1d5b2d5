// @ts-check
// A call between its start and its answer, as the client keeps it.
import { shielded } from "./progress.js";

/**
 * @typedef {object} Pending
 * @property {string} method
 * @property {import("./handles.js").Handle[]} handles   objects of the engine among its arguments
 * @property {() => {message: import("./protocol.js").ToWorker, transfer: Transferable[]}} message   made when it is sent, since an object's number may be another by then
 * @property {boolean} sent
 * @property {boolean} repeat    can be sent once more when the engine is lost meanwhile
 * @property {import("./client.js").Watchers} watchers
 * @property {(value: any) => void} resolve
 * @property {(error: import("./errors.js").LabError) => void} reject
 * @property {() => void} settle
 * @property {boolean} abandoned   cancelled: the caller has its answer, the worker is winding down
 * @property {boolean} held        paused, and standing still at a checkpoint
 * @property {Set<(held: boolean) => void>} pauses   those who wait for that
 */

/** @returns {{promise: Promise<void>, resolve: () => void}} */
export function deferred() {
  let resolve = () => {};
  const promise = new Promise((/** @type {(value: void) => void} */ given) => (resolve = given));
  return { promise, resolve };
}

/**
 * @param {Pending} pending
 * @param {(pending: Pending) => void} tell
 */
export function answer(pending, tell) {
  answerPauses(pending, false);
  if (!pending.abandoned) tell(pending);
  pending.settle();
}

/**
 * @param {Pending | undefined} pending
 * @param {object[]} entries
 * @param {import("./types.js").Progress | null} step
 */
export function report(pending, entries, step) {
  if (pending === undefined) return;
  const { onEntry, onStep } = pending.watchers;
  // A watcher may cancel the call it watches; it hears nothing more then.
  for (const entry of entries) if (!pending.abandoned) shielded(onEntry, entry);
  if (step !== null && !pending.abandoned) shielded(onStep, step);
}

/**
 * @param {Pending} pending
 * @param {boolean} held
 */
export function answerPauses(pending, held) {
  pending.held = held;
  for (const resolve of pending.pauses) resolve(held);
  pending.pauses.clear();
}
