// @ts-check
// One download of a file at a time, whatever number of tabs want it.
//
// Safety: of all workers of a site, one holds a file's lock. Liveness: a lock is let go when its work ends, however it ends, and by the
// browser when its tab is closed; where there are no locks (http, an iframe without storage), everybody works alone.
import { cancelled } from "../errors.js";

/** Least time between two words to the other tabs, in milliseconds. */
const INTERVAL = 250;
const CHANNEL = "sae-lab-downloads";

/** @typedef {{done: number, total: number | null}} Amount */

/**
 * @param {string} key
 */
function lockOf(key) {
  return `sae-lab-download ${key}`;
}

/**
 * Does the work once nobody else does the same.
 *
 * @template T
 * @param {string} key
 * @param {AbortSignal} signal
 * @param {(other: Amount) => void} onWait  called while another tab works, with how far it is
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function exclusive(key, signal, onWait, work) {
  let began = false;
  /** @type {(() => void) | null} */
  let deafen = null;
  const begin = () => {
    began = true;
    deafen?.();
    return work();
  };
  try {
    const locks = /** @type {LockManager | undefined} */ (navigator.locks);
    if (locks === undefined) return await begin();
    const first = await locks.request(lockOf(key), { ifAvailable: true }, async (lock) => (lock === null ? null : { value: await begin() }));
    if (first !== null) return first.value;
    onWait({ done: 0, total: null });
    deafen = listen(key, onWait);
    return await locks.request(lockOf(key), { signal }, begin);
  } catch (error) {
    if (began) throw error;
    if (signal.aborted) throw cancelled(signal.reason);
    // Locks are denied here.
    return begin();
  } finally {
    deafen?.();
  }
}

/**
 * Whether somebody is downloading a file right now.
 *
 * @param {string} key
 */
export async function isBusy(key) {
  try {
    return await navigator.locks.request(lockOf(key), { ifAvailable: true }, async (lock) => lock === null);
  } catch {
    return false;
  }
}

/** Tells the tabs that wait for a file how far it is. */
export class Speaker {
  #key;
  #channel = openChannel();
  #spokeAt = -Infinity;

  /** @param {string} key */
  constructor(key) {
    this.#key = key;
  }

  /** @param {Amount} amount */
  say(amount) {
    if (this.#channel === null || performance.now() - this.#spokeAt < INTERVAL) return;
    this.#spokeAt = performance.now();
    this.#channel.postMessage({ key: this.#key, ...amount });
  }

  close() {
    this.#channel?.close();
  }
}

/**
 * @param {string} key
 * @param {(amount: Amount) => void} onAmount
 */
function listen(key, onAmount) {
  const channel = openChannel();
  if (channel !== null) {
    channel.onmessage = ({ data }) => {
      if (data?.key === key && Number.isFinite(data.done) && (data.total === null || Number.isFinite(data.total))) onAmount({ done: data.done, total: data.total });
    };
  }
  return () => channel?.close();
}

function openChannel() {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null;
  }
}
