// @ts-check
import { allDone, isAhead, oneDone, slowStart } from "./pace.js";
import { ProgressFeed } from "./progress.js";
import { isDue, turn } from "./turn.js";

/**
 * One call in the worker that can be watched, held and stopped. The engine awaits `checkpoint` between
 * units of work.
 *
 * Safety: once cancelled, `checkpoint` answers true for ever, and no progress leaves. Liveness: a held
 * checkpoint is let go by `resume` and by `cancel`.
 */
export class Watch {
  #cancelled = false;
  /** @type {{opened: Promise<void>, open: () => void, told: boolean} | null} */
  #gate = null;
  #feed;
  #onHeld;
  #abort = new AbortController();

  /**
   * @param {((entries: object[], step: import("./types.js").Progress | null) => void) | null} send  null: nobody watches
   * @param {() => void} onHeld  called when a pause has taken hold
   */
  constructor(send, onHeld) {
    this.#feed = send === null ? null : new ProgressFeed(send);
    this.#onHeld = onHeld;
    slowStart();
  }

  /**
   * @param {import("./types.js").Progress} [progress]
   * @param {boolean} [isOfGpu]  whether what comes next may be work for a GPU, which must not get too much of it
   * @returns {Promise<boolean>} whether the call has been cancelled and should end
   */
  async checkpoint(progress, isOfGpu = true) {
    if (progress !== undefined && progress !== null && !this.#cancelled) this.#feed?.add(progress);
    while (!this.#cancelled) {
      if (this.#gate !== null) await this.#hold(this.#gate);
      else if (isOfGpu && isAhead()) await this.#keepPace();
      else if (isDue()) await turn();
      else return false;
    }
    return true;
  }

  /** Aborted by `cancel`, for what waits elsewhere. */
  get signal() {
    return this.#abort.signal;
  }

  cancel() {
    this.#cancelled = true;
    this.#abort.abort();
    this.#feed?.close();
    this.resume();
  }

  pause() {
    if (this.#gate !== null || this.#cancelled) return;
    let open = () => {};
    const opened = new Promise((/** @type {(value: void) => void} */ resolve) => (open = resolve));
    this.#gate = { opened, open, told: false };
  }

  resume() {
    this.#gate?.open();
    this.#gate = null;
  }

  /** The call is over: what waits goes out, unless nobody wants it any more. */
  finish() {
    if (!this.#cancelled) this.#feed?.flush();
  }

  /** Waits for the GPU, or until the call is cancelled. */
  async #keepPace() {
    let stop = () => {};
    const stopped = new Promise((/** @type {(value: void) => void} */ resolve) => (stop = resolve));
    this.signal.addEventListener("abort", stop, { once: true });
    await Promise.race([oneDone(), stopped]);
    this.signal.removeEventListener("abort", stop);
  }

  /** @param {{opened: Promise<void>, told: boolean}} gate */
  async #hold(gate) {
    this.#feed?.flush();
    await Promise.race([allDone(), gate.opened]);
    if (!gate.told && this.#gate === gate) this.#onHeld();
    gate.told = true;
    await gate.opened;
  }
}
