// @ts-check
// Runs many steps in their order: the whole lab, or those whose results are out of date. It can be stopped, and goes on where it was.

import { announce } from "./announce.js";
import { fill, h, setText } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").SessionStep} SessionStep */
/** `all`: every step is wanted, not only those that are out of date @typedef {{all: boolean, stopped: boolean, step: SessionStep | null}} Task */

export class RunAll extends HTMLElement {
  /** @type {Session} */ #session = /** @type {any} */ (null);
  #button = h("button", { type: "button", class: "primary", name: "run-all", "aria-disabled": "true" }, "Run all");
  #stop = h("button", { type: "button", name: "stop-all", hidden: true }, "Stop");
  #text = h("p", { class: "hint", role: "status" });
  #bar = h("progress", { "aria-label": "Steps of this lab", hidden: true });
  /** What is being done; a new task takes the place of one that runs. @type {Task | null} */ #task = null;

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
    const done = (/** @type {SessionStep} */ step) => this.#session.usable(step.number)?.stopped === null && !step.stale;
    return this.#run("steps", (step) => !step.manual && !done(step), true);
  }

  /** Runs those again whose results were made otherwise than they would be now; where all are being run, that begins anew. @returns {Promise<boolean>} */
  runStale() {
    if (this.#task?.all && !this.#task.stopped) return this.runAll();
    return this.#run("steps again", (step) => this.#session.usable(step.number) !== null && step.stale);
  }

  stop() {
    if (!this.#task) return;
    this.#task.stopped = true;
    this.#task.step?.stop();
  }

  /** @param {string} what @param {(step: SessionStep) => boolean} wanted asked of each step when its turn has come @param {boolean} [all] */
  async #run(what, wanted, all = false) {
    this.stop();
    /** @type {Task} */ const task = (this.#task = { all, stopped: false, step: null });
    const steps = [...this.#session.steps.values()].sort((a, b) => a.number - b.number);
    let ran = 0;
    for (const step of steps) {
      await ended(this.#session, step);
      if (task.stopped || this.#session.phase !== "ready") break;
      if (!wanted(step)) continue;
      task.step = step;
      this.#show(task, step.number, steps.length, `Step ${step.number} of ${steps.length}: ${step.title}`);
      if (!(await step.start())) {
        if (this.#task === task) this.#end(task.stopped ? `Stopped at step ${step.number}. Run all goes on from there.` : this.#broken(step));
        return false;
      }
      ran += 1;
    }
    if (this.#task !== task) return false;
    if (!task.stopped && this.#session.phase !== "ready") this.#end("The engine has stopped. When it runs again, run all once more.");
    else this.#end(task.stopped ? "Stopped. Run all goes on from here." : ran ? `Done: ${counted(ran, what.replace(/^steps/, "step"), what)} run.` : "Every step has its result already.");
    return !task.stopped && this.#session.phase === "ready";
  }

  /** @param {SessionStep} step one that failed, or was stopped by its own button */
  #broken({ number }) {
    return this.#session.phase === "ready"
      ? `Step ${number} did not come to its end: the reason stands there. Run all goes on from there.`
      : `The engine stopped at step ${number}. When it runs again, run all once more.`;
  }

  /** @param {object} task @param {number} at @param {number} of @param {string} text */
  #show(task, at, of, text) {
    if (this.#task !== task) return;
    this.#bar.hidden = this.#stop.hidden = false;
    this.#bar.max = of;
    this.#bar.value = at - 1;
    setText(this.#text, text);
    this.#refresh();
  }

  /** @param {string} text */
  #end(text) {
    this.#task = null;
    if (document.activeElement === this.#stop) this.#button.focus({ preventScroll: true });
    this.#bar.hidden = this.#stop.hidden = true;
    setText(this.#text, text);
    announce(text);
    this.#refresh();
  }

  #refresh() {
    this.#button.setAttribute("aria-disabled", String(this.#session.phase !== "ready" || this.#task !== null));
    if (!this.#text.textContent) setText(this.#text, "Every step from the first to the last, with the settings as they stand. On a slow computer that takes some minutes; it can be stopped at any time.");
  }
}

/** Waits for a step that the visitor started. @param {Session} session @param {SessionStep} step @returns {Promise<void>} */
function ended(session, step) {
  if (!step.running) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (step.running) return;
      session.removeEventListener("results", look);
      resolve();
    };
    session.addEventListener("results", look);
  });
}
customElements.define("run-all", RunAll);
