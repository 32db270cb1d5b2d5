// @ts-check
import { LabError, cancelled, fromPlain, isLoss, isOutOfMemory } from "./errors.js";
import { handlesIn, withNumbers } from "./handles.js";
import { hold } from "./loading/memory.js";
import { answer, answerPauses, deferred, report } from "./pending.js";
import { shielded } from "./progress.js";
import { MAKERS, METHODS } from "./protocol.js";
import { Recovery } from "./recovery.js";
import { pack } from "./transfer.js";
import { workerUrl } from "./trusted-types.js";

/** @typedef {import("./handles.js").Handle} Handle */
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

/** @typedef {import("./pending.js").Pending} Pending */

/**
 * The page's side of the engine, for the life of a lab: when the GPU is lost or the worker dies, a new worker takes its place
 * (recovery.js) and this object stays.
 *
 * Safety: each call settles exactly once, and none of its watchers is called afterwards; what an engine that is gone still says is
 * not heard. Liveness: when the engine is lost, every call that it had been sent rejects or is sent once more, and those that
 * wait are sent to the next one; when there is none, all reject and `closed` settles. Nothing waits for ever on an engine that is gone.
 * `close()` undoes everything: the worker ends, and with it its memory and its GPU device.
 */
export class Client {
  /** @type {Worker} */
  #worker;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #nextId = 1;
  /** @type {Set<(progress: {phase: "shaders", done: number, total: number}) => void>} */
  #shaders = new Set();
  /** @type {LabError | null} */
  #end = null;
  /** @type {(error: LabError) => void} */
  #settleClosed = () => {};
  /** @type {{resolve: (version: string) => void, reject: (error: LabError) => void} | null} */
  #opening = null;
  /** Resolves when there is an engine to send to, or none any more; null while there is one. @type {{promise: Promise<void>, resolve: () => void} | null} */
  #gap = deferred();

  /** What happens when the engine is lost. */
  recovery = new Recovery(this);

  /** Counts the engines that this lab has had; what was made in an earlier one is not there any more. */
  engine = 0;

  /** Settles when the engine has died for good (LAB-ENGINE-STOPPED, LAB-DEVICE-LOST) or was closed (LAB-CLOSED). @type {Promise<LabError>} */
  closed = new Promise((resolve) => (this.#settleClosed = resolve));

  /** Where the engine computes; null until it has chosen. @type {import("./device.js").Choice | null} */
  choice = null;

  /** Why the engine is gone for good; null while it is there or being replaced. */
  get end() {
    return this.#end;
  }

  /**
   * @param {"auto" | "webgpu" | "cpu"} device  what will be opened
   * @throws {LabError} LAB-ENGINE-STOPPED when the browser refuses to start a worker
   */
  constructor(device) {
    this.#worker = this.#startWorker();
    this.#worker.postMessage({ type: "prepare", device });
  }

  /** @returns {Worker} */
  #startWorker() {
    let worker;
    try {
      worker = new Worker(workerUrl(), { type: "module", name: "sae-lab" });
    } catch (error) {
      // A worker has to come from the page's own origin.
      throw new LabError(
        "LAB-ENGINE-STOPPED",
        `This page may not start the engine's worker from ${new URL(import.meta.url).origin}.`,
        "Put the lab's files on the server of the page itself, or embed the lab's own page in an iframe.",
        error,
      );
    }
    // A worker that has been replaced is not listened to.
    const ours = () => this.#end === null && worker === this.#worker;
    worker.onmessage = (event) => ours() && this.#hear(event.data);
    worker.onmessageerror = () => ours() && this.#lose(engineStopped("An answer of the engine could not be read."));
    worker.onerror = (event) => {
      event.preventDefault();
      if (ours()) this.#lose(engineStopped(event.message ? `The engine's worker failed: ${event.message}` : "The engine's worker could not be loaded."));
    };
    return worker;
  }

  /**
   * Starts the engine in the worker.
   *
   * @param {WebAssembly.Module} module
   * @param {"auto" | "webgpu" | "cpu"} device
   * @param {boolean} [again]  the GPU was lost a moment ago: it is asked for more than once
   * @returns {Promise<string>} the engine's version
   * @throws {LabError} LAB-NO-WEBGPU, LAB-ENGINE-STOPPED, LAB-DEVICE-LOST, LAB-CLOSED
   */
  open(module, device, again = false) {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#opening = { resolve, reject };
      this.#worker.postMessage({ type: "open", module, device, again });
    });
  }

  /** A new worker in the place of one that is gone; to be opened next. @throws {LabError} LAB-ENGINE-STOPPED */
  replace() {
    this.#worker.terminate();
    this.#worker = this.#startWorker();
  }

  /**
   * Calls a method of the engine. Typed arrays in `args` are given up: they move to the worker. While the engine is being replaced
   * the call waits, and objects of the engine before are made again where they are needed.
   *
   * @param {string} method
   * @param {unknown[]} args
   * @param {Watchers} [watchers]
   * @returns {Call<any>}
   */
  call(method, args, watchers = {}) {
    const progress = watchers.onStep !== undefined || watchers.onEntry !== undefined;
    const repeat = METHODS.get(method)?.repeat ?? false;
    return this.#send(method, watchers, handlesIn(args), repeat, (id) => {
      const sent = /** @type {unknown[]} */ (withNumbers(args));
      // What may be sent once more is copied.
      const { value, transfer } = repeat ? { value: sent, transfer: [] } : pack(sent);
      return { message: { type: "call", id, method, args: /** @type {unknown[]} */ (value), progress }, transfer };
    });
  }

  /**
   * The SHA-256 of a file, computed in the worker: hashing half a gigabyte would hold up the page.
   *
   * @param {Uint8Array<ArrayBuffer>} bytes  given up, and handed back with the answer
   * @param {AbortSignal} [signal]
   * @returns {Promise<{hex: string, bytes: Uint8Array<ArrayBuffer>}>}
   */
  digest(bytes, signal) {
    return this.#send("digest", { signal }, [], false, (id) => ({ message: { type: "digest", id, bytes }, transfer: [bytes.buffer] })).result;
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
    if (pending.sent) this.#worker.postMessage({ type: "pause", id });
    return new Promise((resolve) => pending.pauses.add(resolve));
  }

  /** @param {number} id */
  resume(id) {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if (pending.sent) this.#worker.postMessage({ type: "resume", id });
    answerPauses(pending, false);
  }

  /**
   * @param {(progress: {phase: "shaders", done: number, total: number}) => void} watcher
   * @returns {() => void} ends the watching
   */
  watchShaders(watcher) {
    this.#shaders.add(watcher);
    return () => this.#shaders.delete(watcher);
  }

  /** Ends the worker. Pending calls reject with LAB-CLOSED, and so does every later call. */
  close() {
    this.stop(new LabError("LAB-CLOSED", "This lab was disposed of.", "Open a new one with openLab()."));
  }

  /**
   * Ends it for good.
   *
   * @param {LabError} error
   */
  stop(error) {
    if (this.#end !== null) return;
    this.#end = error;
    this.#worker.terminate();
    this.#opening?.reject(error);
    this.#opening = null;
    for (const pending of this.#pending.values()) answer(pending, (pending) => pending.reject(error));
    this.#pending.clear();
    this.#settleClosed(error);
    this.#gap?.resolve();
  }

  /**
   * @param {string} method
   * @param {Watchers} watchers
   * @param {Handle[]} handles
   * @param {boolean} repeat
   * @param {(id: number) => {message: ToWorker, transfer: Transferable[]}} message
   * @returns {Call<any>}
   */
  #send(method, watchers, handles, repeat, message) {
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
        handles,
        message: () => message(id),
        sent: false,
        repeat,
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
        if (!pending.sent) return this.#finish(id, () => pending.reject(error));
        pending.abandoned = true;
        this.#worker.postMessage({ type: "cancel", id });
        answerPauses(pending, false);
        pending.reject(error);
      };
      isCancelled = () => pending.abandoned;
      this.#pending.set(id, pending);
      this.#deliver(id, pending);
    });
    return { id, result, settled, cancel: (error) => cancel(error), isCancelled };
  }

  /**
   * Sends a call at once where the engine and all that it needs are there, else when they are.
   *
   * @param {number} id
   * @param {Pending} pending
   */
  #deliver(id, pending) {
    if (this.#gap === null && pending.handles.every((handle) => handle.isThere)) {
      const { message, transfer } = pending.message();
      pending.sent = true;
      this.#worker.postMessage(message, transfer);
      if (pending.pauses.size > 0) this.#worker.postMessage({ type: "pause", id });
      return;
    }
    this.#ready(pending.handles).then(
      () => this.#pending.has(id) && this.#deliver(id, pending),
      (error) => this.#finish(id, () => pending.reject(error)),
    );
  }

  /** @param {Handle[]} handles */
  async #ready(handles) {
    while (this.#gap !== null && this.#end === null) await this.#gap.promise;
    if (this.#end !== null) throw this.#end;
    const { engine } = this;
    try {
      for (const handle of handles) await handle.restore();
    } catch (error) {
      // Lost once more meanwhile: the next engine is waited for.
      if (this.engine === engine) throw error;
    }
  }

  /** @param {ToPage} message */
  #hear(message) {
    switch (message.type) {
      case "chosen":
        this.choice = message.choice;
        return;
      case "opened": {
        const [opening, gap] = [this.#opening, this.#gap];
        this.#opening = this.#gap = null;
        opening?.resolve(message.version);
        return gap?.resolve();
      }
      case "refused":
        this.#opening?.reject(fromPlain(message.error));
        this.#opening = null;
        return;
      case "died":
      case "lost":
        return this.#lose(fromPlain(message.error));
      case "progress":
        return report(this.#pending.get(message.id), message.entries, message.step);
      case "held": {
        const pending = this.#pending.get(message.id);
        // Nobody waits for it any more where it was resumed meanwhile.
        return pending && pending.pauses.size > 0 ? answerPauses(pending, true) : undefined;
      }
      case "shaders":
        for (const watcher of [...this.#shaders]) shielded(watcher, { phase: "shaders", done: message.done, total: message.total });
        return;
      case "hold":
        return hold(message.key, message.held);
      case "result":
        this.recovery.succeeded(this.#pending.get(message.id)?.method);
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
    // The cancellation came too late: what was made has no owner.
    if (pending.abandoned && MAKERS.has(pending.method) && typeof value?.id === "number") this.call("release", [value.id]).result.catch(() => {});
    answer(pending, tell);
  }

  /**
   * The engine is gone: its calls end, and it is replaced unless it never was open.
   *
   * @param {LabError} error
   */
  #lose(error) {
    const opening = this.#opening;
    if (this.recovery.isOff) return this.stop(error);
    this.#worker.terminate();
    this.engine += 1;
    this.#opening = null;
    this.#gap ??= deferred();
    for (const [id, pending] of [...this.#pending]) {
      if (!pending.sent) continue;
      if (pending.repeat && !pending.abandoned && isLoss(error) && !isOutOfMemory(error)) {
        pending.repeat = pending.sent = false;
        this.#deliver(id, pending);
      } else this.#finish(id, () => pending.reject(error));
    }
    opening?.reject(error);
    this.recovery.begin(error);
  }
}

/** @param {string} message */
function engineStopped(message) {
  return new LabError("LAB-ENGINE-STOPPED", message, "Open the lab again. If it happens at once, check that all of the lab's files are on the server and that its security policy allows workers and WebAssembly.");
}
