// @ts-check
// Another model beside the open one: what it would take, loading it, stopping, going on.
//
// Safety: the open model is replaced only by one that has been loaded whole and checked, or that the visitor accepts all the same.
// Liveness: one thing at a time; what is superseded or stopped ends at once and leaves the page as it was, with the old model open.

import { announce } from "./announce.js";
import { isCancelled } from "./errors.js";
import { keptBytes, words } from "./model-source.js";

/** @typedef {import("./model-source.js").Wanted} Wanted */
/** @typedef {import("./types.js").Estimate} Estimate */
/** @typedef {import("./types.js").Progress} Progress */
/** @typedef {"idle" | "looking" | "looked" | "loading" | "stopped" | "failed"} LoadingState */

export class ModelLoading extends EventTarget {
  /** @type {LoadingState} */ state = "idle";
  /** @type {Wanted | null} */ wanted = null;
  /** @type {Estimate | null} */ estimate = null;
  /** @type {Progress | null} */ progress = null;
  /** @type {unknown} */ error = null;
  /** What is kept of a download that was stopped, in bytes. */ kept = 0;
  /** Whether the open model was closed to make room. */ closed = false;
  /** @type {AbortController | null} */ #work = null;
  #session;

  /** @param {import("./session.js").Session} session */
  constructor(session) {
    super();
    this.#session = session;
  }

  /** Whether the open model has to make room first: there is one memory for both. */
  get mustClose() {
    const { estimate } = this;
    const heap = this.#session.wasmBytes;
    return estimate !== null && this.#session.model !== null && heap !== null && estimate.heap < estimate.limits.heap && estimate.heap + heap > estimate.limits.heap;
  }

  /** Finds out what a model would take. @param {Wanted} wanted */
  async look(wanted) {
    const { lab } = this.#session;
    if (!lab || this.state === "loading") return;
    const work = this.#begin("looking", wanted);
    this.estimate = null;
    this.#tell();
    try {
      const [estimate] = await Promise.all([lab.estimate(wanted.source, { weights: wanted.weights }), this.#session.measure()]);
      if (this.#work !== work) return;
      this.estimate = estimate;
      this.#end("looked");
    } catch (error) {
      if (this.#work === work) this.#end("failed", error);
    }
  }

  /** Loads what was looked at. @param {{acceptFailedCheck?: boolean, closeFirst?: boolean}} [options] @returns {Promise<boolean>} whether it is open */
  async load({ acceptFailedCheck = false, closeFirst = false } = {}) {
    const session = this.#session;
    const { wanted } = this;
    const { lab } = session;
    if (!lab || !wanted || this.state === "loading") return false;
    const work = this.#begin("loading", wanted);
    const name = words(wanted.source, session.models);
    this.closed = closeFirst;
    announce(`Loading ${name} has started`);
    this.#tell();
    try {
      if (closeFirst) await session.closeModel();
      const onProgress = (/** @type {Progress} */ progress) => {
        if (this.#work !== work) return;
        this.progress = progress;
        this.#tell();
      };
      const model = await lab.loadModel(wanted.source, { weights: wanted.weights, acceptFailedCheck, signal: work.signal, onProgress });
      if (session.lab !== lab) return this.#end("idle");
      await session.adopt(model, wanted);
      announce(`${name} is open.`);
      this.#end("idle");
      return true;
    } catch (error) {
      if (session.lab !== lab) return this.#end("idle"); // a new engine: what was asked of the old one is over
      this.kept = isCancelled(error) ? await keptBytes(lab, wanted.source, session.models).catch(() => 0) : 0;
      if (closeFirst) await session.reopen();
      announce(isCancelled(error) ? `Loading ${name} was stopped` : `Loading ${name} failed`);
      return this.#end(isCancelled(error) ? "stopped" : "failed", error);
    }
  }

  stop() {
    this.#work?.abort();
  }

  /** Puts a failure there that happened elsewhere, such as when the page was opened. @param {Wanted} wanted @param {unknown} error */
  failed(wanted, error) {
    this.#begin("failed", wanted);
    this.#end("failed", error);
  }

  /** Nothing is chosen any more. */
  forget() {
    if (this.state === "loading") return;
    this.wanted = this.estimate = null;
    this.#end("idle");
  }

  /** @param {LoadingState} state @param {Wanted} wanted */
  #begin(state, wanted) {
    const work = (this.#work = new AbortController());
    this.state = state;
    this.wanted = wanted;
    this.progress = this.error = null;
    return work;
  }

  /** @param {LoadingState} state @param {unknown} [error] @returns {false} */
  #end(state, error = null) {
    this.#work = null;
    this.state = state;
    this.error = error;
    this.#tell();
    return false;
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
