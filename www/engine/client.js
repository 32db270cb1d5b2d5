// @ts-check
import { LabError, cancelled, fromPlain } from "./errors.js";
import { hold } from "./loading/memory.js";
import { shielded } from "./progress.js";
import { MAKERS } from "./protocol.js";
import { pack } from "./transfer.js";
import { workerUrl } from "./trusted-types.js";

/** @typedef {import("./protocol.js").ToPage} ToPage */
/** @typedef {import("./protocol.js").ToWorker} ToWorker */

/**
 * A call on its way. `settled` resolves when the worker has done with it, which after a cancellation is later
 * than `result`'s rejection; it never rejects.
 *
 * @template T
 * @typedef {object} Call
 * @property {number} id
 * @property {Promise<T>} result
 * @property {Promise<void>} settled
 * @property {(error: LabError) => void} cancel  rejects `result` at once and lets the worker wind down
 * @property {() => boolean} isCancelled
 */

/**
 * @typedef {object} Watchers
 * @property {AbortSignal} [signal]
 * @property {(step: import("./types.js").Progress) => void} [onStep]
 * @property {(entry: any) => void} [onEntry]   what the worker reports one by one and never leaves out
 * @property {string} [stoppedHint]   the hint of the LAB-CANCELLED error
 */

/**
 * @typedef {object} Pending
 * @property {string} method
 * @property {Watchers} watchers
 * @property {(value: any) => void} resolve
 * @property {(error: LabError) => void} reject
 * @property {() => void} settle
 * @property {boolean} abandoned   cancelled: the caller has its answer, the worker is winding down
 * @property {boolean} held        paused, and standing still at a checkpoint
 * @property {Set<(held: boolean) => void>} pauses   those who wait for that
 */

/**
 * The page's side of one worker.
 *
 * Safety: each call settles exactly once, and none of its watchers is called afterwards. Liveness: when the
 * worker dies or is closed, every pending call rejects and `closed` settles; nothing waits for ever on an
 * engine that is gone. `close()` undoes everything: the worker ends, and with it its memory and its GPU device.
 */
export class Client {
  /** @type {Worker} */
  #worker;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #nextId = 1;
  /** @type {LabError | null} */
  #end = null;
  /** @type {(error: LabError) => void} */
  #settleClosed = () => {};
  /** @type {{resolve: (version: string) => void, reject: (error: LabError) => void} | null} */
  #opening = null;

  /** Settles when the engine has died (LAB-ENGINE-STOPPED) or was closed (LAB-CLOSED). @type {Promise<LabError>} */
  closed = new Promise((resolve) => (this.#settleClosed = resolve));

  /** Where the engine computes; null until it has chosen. @type {import("./device.js").Choice | null} */
  choice = null;

  /** Why the engine is gone; null while it is there. */
  get end() {
    return this.#end;
  }

  /** @throws {LabError} LAB-ENGINE-STOPPED when the browser refuses to start a worker */
  constructor() {
    try {
      this.#worker = new Worker(workerUrl(), { type: "module", name: "sae-lab" });
    } catch (error) {
      // A worker has to come from the page's own origin.
      throw new LabError(
        "LAB-ENGINE-STOPPED",
        `This page may not start the engine's worker from ${new URL(import.meta.url).origin}.`,
        "Put the lab's files on the server of the page itself, or embed the lab's own page in an iframe.",
        error,
      );
    }
    this.#worker.onmessage = (event) => this.#hear(event.data);
    this.#worker.onmessageerror = () => this.#stop(engineStopped("An answer of the engine could not be read."));
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#stop(engineStopped(event.message ? `The engine's worker failed: ${event.message}` : "The engine's worker could not be loaded."));
    };
  }

  /**
   * Starts the engine in the worker; to be called once.
   *
   * @param {WebAssembly.Module} module
   * @param {"auto" | "webgpu" | "cpu"} device
   * @returns {Promise<string>} the engine's version
   * @throws {LabError} LAB-NO-WEBGPU, LAB-ENGINE-STOPPED, LAB-CLOSED
   */
  open(module, device) {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#opening = { resolve, reject };
      this.#post({ type: "open", module, device });
    });
  }

  /**
   * Calls a method of the engine. Typed arrays in `args` are given up: they move to the worker.
   *
   * @param {string} method
   * @param {unknown[]} args
   * @param {Watchers} [watchers]
   * @returns {Call<any>}
   */
  call(method, args, watchers = {}) {
    const progress = watchers.onStep !== undefined || watchers.onEntry !== undefined;
    const { value, transfer } = pack(args);
    return this.#send(method, watchers, (id) => ({ type: "call", id, method, args: /** @type {unknown[]} */ (value), progress }), transfer);
  }

  /**
   * The SHA-256 of a file, computed in the worker: hashing half a gigabyte would hold up the page.
   *
   * @param {Uint8Array<ArrayBuffer>} bytes  given up, and handed back with the answer
   * @param {AbortSignal} [signal]
   * @returns {Promise<{hex: string, bytes: Uint8Array<ArrayBuffer>}>}
   */
  digest(bytes, signal) {
    return this.#send("digest", { signal }, (id) => ({ type: "digest", id, bytes }), [bytes.buffer]).result;
  }

  /**
   * Holds a call at its next checkpoint.
   *
   * @param {number} id
   * @returns {Promise<boolean>} true once it stands still; false when it ended first, or was resumed
   */
  pause(id) {
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.abandoned) return Promise.resolve(false);
    if (pending.held) return Promise.resolve(true);
    this.#post({ type: "pause", id });
    return new Promise((resolve) => pending.pauses.add(resolve));
  }

  /** @param {number} id */
  resume(id) {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#post({ type: "resume", id });
    answerPauses(pending, false);
  }

  /** Ends the worker. Pending calls reject with LAB-CLOSED, and so does every later call. */
  close() {
    this.#stop(new LabError("LAB-CLOSED", "This lab was disposed of.", "Open a new one with openLab()."));
  }

  /**
   * @param {string} method
   * @param {Watchers} watchers
   * @param {(id: number) => ToWorker} message
   * @param {Transferable[]} transfer
   * @returns {Call<any>}
   */
  #send(method, watchers, message, transfer) {
    const id = this.#nextId++;
    const { signal } = watchers;
    /** @type {(error: LabError) => void} */
    let cancel = () => {};
    let isCancelled = () => true;
    /** @type {() => void} */
    let settle = () => {};
    const settled = new Promise((/** @type {(value: void) => void} */ resolve) => (settle = resolve));
    const result = new Promise((resolve, reject) => {
      const never = this.#end ?? (signal?.aborted ? cancelled(signal.reason, watchers.stoppedHint) : null);
      if (never !== null) {
        settle();
        return reject(never);
      }
      const onAbort = () => cancel(cancelled(signal?.reason, watchers.stoppedHint));
      signal?.addEventListener("abort", onAbort);
      const done = () => signal?.removeEventListener("abort", onAbort);
      /** @type {Pending} */
      const pending = {
        method,
        watchers,
        resolve: (value) => (done(), resolve(value)),
        reject: (error) => (done(), reject(error)),
        settle,
        abandoned: false,
        held: false,
        pauses: new Set(),
      };
      cancel = (error) => {
        if (pending.abandoned || !this.#pending.has(id)) return;
        pending.abandoned = true;
        this.#post({ type: "cancel", id });
        answerPauses(pending, false);
        pending.reject(error);
      };
      isCancelled = () => pending.abandoned;
      this.#pending.set(id, pending);
      this.#post(message(id), transfer);
    });
    return { id, result, settled, cancel: (error) => cancel(error), isCancelled };
  }

  /**
   * @param {ToWorker} message
   * @param {Transferable[]} [transfer]
   */
  #post(message, transfer = []) {
    if (this.#end === null) this.#worker.postMessage(message, transfer);
  }

  /** @param {ToPage} message */
  #hear(message) {
    if (this.#end !== null) return;
    switch (message.type) {
      case "chosen":
        this.choice = message.choice;
        return;
      case "opened":
        this.#opening?.resolve(message.version);
        this.#opening = null;
        return;
      case "refused":
        this.#opening?.reject(fromPlain(message.error));
        this.#opening = null;
        return;
      case "died":
        return this.#stop(fromPlain(message.error));
      case "progress":
        return report(this.#pending.get(message.id), message.entries, message.step);
      case "held": {
        const pending = this.#pending.get(message.id);
        return pending && answerPauses(pending, true);
      }
      case "hold":
        return hold(message.key, message.held);
      case "result":
        return this.#finish(message.id, (pending) => pending.resolve(message.value), message.value);
      case "error":
        return this.#finish(message.id, (pending) => pending.reject(fromPlain(message.error)));
    }
  }

  /**
   * @param {number} id
   * @param {(pending: Pending) => void} tell
   * @param {any} [value]
   */
  #finish(id, tell, value) {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    answerPauses(pending, false);
    if (!pending.abandoned) tell(pending);
    // The cancellation came too late: what was made has no owner.
    else if (MAKERS.has(pending.method) && typeof value?.id === "number") this.call("release", [value.id]).result.catch(() => {});
    pending.settle();
  }

  /** @param {LabError} error */
  #stop(error) {
    if (this.#end !== null) return;
    this.#end = error;
    this.#worker.terminate();
    this.#opening?.reject(error);
    this.#opening = null;
    for (const pending of this.#pending.values()) {
      answerPauses(pending, false);
      if (!pending.abandoned) pending.reject(error);
      pending.settle();
    }
    this.#pending.clear();
    this.#settleClosed(error);
  }
}

/**
 * @param {Pending | undefined} pending
 * @param {object[]} entries
 * @param {import("./types.js").Progress | null} step
 */
function report(pending, entries, step) {
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
function answerPauses(pending, held) {
  pending.held = held;
  for (const resolve of pending.pauses) resolve(held);
  pending.pauses.clear();
}

/** @param {string} message */
function engineStopped(message) {
  return new LabError("LAB-ENGINE-STOPPED", message, "Open the lab again. If it happens at once, check that all of the lab's files are on the server and that its security policy allows workers and WebAssembly.");
}
