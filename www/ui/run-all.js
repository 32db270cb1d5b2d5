// @ts-check
// Runs many steps in their order: the whole lab, or those whose results are out of date. It can be stopped, and goes on where it was.

import { fill, h, setText } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").SessionStep} SessionStep */
/**
 * What is being done. `ran` are the steps that had their turn, `step` works now, and `anew` says that it was stopped only to begin again;
 * `stale`: steps whose results are out of date are to be run in any case.
 * @typedef {{stale: boolean, stopped: AbortController, ran: Set<SessionStep>, step: SessionStep | null, anew: boolean}} Task
 */

export class RunAll extends HTMLElement {
  /** @type {Session} */ #session = /** @type {any} */ (null);
  #button = h("button", { type: "button", class: "primary", name: "run-all", "aria-disabled": "true" }, "Run all");
  #stop = h("button", { type: "button", name: "stop-all", hidden: true }, "Stop");
  #text = h("p", { class: "hint", role: "status" });
  #bar = h("progress", { "aria-label": "Steps of this lab", hidden: true });
  /** @type {Task | null} */ #task = null;

  /** @param {Session} session */
  start(session) {
    this.#session = session;
    this.#button.addEventListener("click", () => {
      if (this.#button.getAttribute("aria-disabled") !== "true") void this.runAll();
    });
    this.#stop.addEventListener("click", () => this.stop());
    fill(this, h("div", { class: "actions" }, this.#button, this.#stop, this.#bar), this.#text);
    for (const type of ["session", "results"]) session.addEventListener(type, () => this.#refresh());
    this.#refresh();
  }

  /** Runs every step of the page that has no result, one that was stopped, or one that is out of date. @returns {Promise<boolean>} whether all came to their end */
  runAll() {
    const done = (/** @type {SessionStep} */ step) => {
      const result = this.#session.usable(step.number);
      return result !== null && !result.stopped && !step.stale;
    };
    return this.#run("", (step) => !step.manual && !done(step));
  }

  /**
   * Runs those again whose results were made otherwise than they would be now. A run that is under way goes on with these among its steps, and the
   * step at work begins anew if it works with what was before.
   */
  runStale() {
    const task = this.#task;
    if (!task) {
      if (this.#session.phase === "ready" && [...this.#session.steps.values()].some(outOfDate)) void this.#run(" again", outOfDate);
      return;
    }
    task.stale = true;
    task.ran.clear();
    if (!task.step?.overtaken) return;
    task.anew = true;
    task.step.stop();
  }

  stop() {
    const task = this.#task;
    if (!task) return;
    task.stopped.abort();
    task.step?.stop();
  }

  /** @param {string} again what is said of steps that were run @param {(step: SessionStep) => boolean} wanted asked of each step before every turn */
  async #run(again, wanted) {
    this.stop();
    const steps = () => [...this.#session.steps.values()].sort((a, b) => a.number - b.number);
    /** @type {Task} */ const task = { stale: false, stopped: new AbortController(), ran: new Set(), step: null, anew: false };
    this.#task = task;
    const next = () => steps().find((step) => !task.ran.has(step) && (wanted(step) || (task.stale && outOfDate(step))));
    let ran = 0;
    for (let step = next(); step && !task.stopped.signal.aborted; step = next()) {
      if (this.#session.phase !== "ready") return this.#end(task, "The engine has stopped. When it runs again, run all once more.");
      const busy = steps().find(({ running }) => running);
      if (busy) {
        this.#show(task, step, `Step ${busy.number} is running already; the others follow when it has ended.`);
        await ended(this.#session, busy, task.stopped.signal);
        continue;
      }
      this.#show(task, step, `Step ${step.number} of ${steps().length}: ${step.title}`);
      task.ran.add((task.step = step));
      task.anew = false;
      const done = await step.start();
      task.step = null;
      if (done) ran += 1;
      else if (task.stopped.signal.aborted) return this.#end(task, `Stopped at step ${step.number}. Run all goes on from there.`);
      else if (task.anew) task.ran.delete(step);
      else return this.#end(task, this.#broken(step));
    }
    if (task.stopped.signal.aborted) return this.#end(task, "Stopped. Run all goes on from here.");
    return this.#end(task, ran ? `Done: ${counted(ran, "step")} run${again}.` : "Every step has its result already.", true);
  }

  /** @param {SessionStep} step one that failed, or was stopped by its own button */
  #broken({ number }) {
    return this.#session.phase === "ready"
      ? `Step ${number} did not come to its end: the reason stands there. Run all goes on from there.`
      : `The engine stopped at step ${number}. When it runs again, run all once more.`;
  }

  /** @param {Task} task @param {SessionStep} step @param {string} text */
  #show(task, step, text) {
    if (this.#task !== task) return;
    const numbers = [...this.#session.steps.keys()];
    this.#bar.hidden = this.#stop.hidden = false;
    this.#bar.max = numbers.length;
    this.#bar.value = numbers.filter((number) => number < step.number).length;
    setText(this.#text, text);
    this.#refresh();
  }

  /** @param {Task} task @param {string} text @param {boolean} [whole] whether all came to their end */
  #end(task, text, whole = false) {
    if (this.#task !== task) return false;
    this.#task = null;
    const focused = document.activeElement === this.#stop;
    this.#bar.hidden = this.#stop.hidden = true;
    if (focused) this.#button.focus({ preventScroll: true });
    setText(this.#text, text);
    this.#refresh();
    return whole;
  }

  #refresh() {
    this.#button.setAttribute("aria-disabled", String(this.#session.phase !== "ready" || this.#task !== null));
    if (!this.#text.textContent) setText(this.#text, "Every step from the first to the last, with the settings as they stand. On a slow computer that takes some minutes; it can be stopped at any time.");
  }
}

/** Whether a step's result, or what it computes just now, would be another one if it began now. @param {SessionStep} step */
const outOfDate = (step) => step.stale || step.overtaken;

/** Waits for a step that the visitor started, until it is to be waited for no longer. @param {Session} session @param {SessionStep} step @param {AbortSignal} signal @returns {Promise<void>} */
function ended(session, step, signal) {
  return new Promise((resolve) => {
    const look = () => {
      if (step.running && !signal.aborted) return;
      session.removeEventListener("results", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    session.addEventListener("results", look);
    signal.addEventListener("abort", look);
    look();
  });
}
customElements.define("run-all", RunAll);
