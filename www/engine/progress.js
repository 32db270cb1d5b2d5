// @ts-check

/** Least time between two reports of ordinary progress, in milliseconds: four a second. */
const INTERVAL = 250;

/**
 * Thins the progress of one call out to what a page can use. A report goes on at once when
 *
 * - it is a generated token (none may be lost),
 * - it is the first of its phase, the first time: phases that take turns (a stream fills its buffer and trains, fills and
 *   trains) are no more reports than any others,
 * - the last one went 250 ms ago or more;
 *
 * otherwise it waits, and a newer one replaces it; the last of the call goes out at its end. A finished epoch (`entry`) is never replaced: epochs that come faster than
 * four a second travel together, in order.
 */
export class ProgressFeed {
  /** @type {(entries: object[], step: import("./types.js").Progress | null) => void} */
  #send;
  /** @type {object[]} */
  #entries = [];
  /** @type {import("./types.js").Progress | null} */
  #step = null;
  /** Phases that were heard of. @type {Set<string>} */
  #phases = new Set();
  #sentAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(entries: object[], step: import("./types.js").Progress | null) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {import("./types.js").Progress} progress */
  add(progress) {
    const { entry, ...step } = progress;
    if (typeof entry === "object" && entry !== null) this.#entries.push(entry);
    this.#step = step;
    const isNew = !this.#phases.has(step.phase);
    this.#phases.add(step.phase);
    const wait = this.#sentAt + INTERVAL - performance.now();
    if ("token" in step || isNew || wait <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait);
  }

  /** Sends what waits. */
  flush() {
    this.close();
    if (this.#entries.length === 0 && this.#step === null) return;
    this.#sentAt = performance.now();
    const [entries, step] = [this.#entries, this.#step];
    this.#entries = [];
    this.#step = null;
    this.#send(entries, step);
  }

  /** Stops the clock; what waits is dropped unless it is flushed. */
  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * Calls a caller's function so that its exception is the caller's: reported like any other of the page, and no end of the engine's work.
 *
 * @template T
 * @param {((value: T) => void) | undefined} watcher
 * @param {T} value
 */
export function shielded(watcher, value) {
  try {
    watcher?.(value);
  } catch (error) {
    reportError(error);
  }
}
