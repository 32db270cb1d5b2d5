// @ts-check
// An exercise: its steps are the place to work; below them an answer that is checked, hints one by one, and the solution, which a link can hide.

import { announce } from "./announce.js";
import { h, part, setText } from "./dom.js";
import { isCancelled, problem } from "./errors.js";
import { Settings } from "./settings.js";

/** @typedef {import("./session.js").Session} Session */

/**
 * What came of a check: whether the answer is right, and why, with the numbers that say so. `null` where nothing can be said yet.
 * @typedef {{right: boolean | null, message: string}} Verdict
 */
/**
 * @typedef {{
 *   fields(): import("./fields.js").Field[],
 *   check(answers: Record<string, any>, signal: AbortSignal): Verdict | Promise<Verdict>,
 *   solve?(): void,
 * }} Exercise `fields` are the questions; `check` accepts every right answer, not one that was written down beforehand;
 * `solve` puts the solution's settings into the steps
 */

export class LabExercise extends HTMLElement {
  /** @type {Settings} */ #answers = /** @type {any} */ (null);
  /** @type {Exercise} */ #exercise = /** @type {any} */ (null);
  #verdict = h("div", { class: "verdict", role: "status", hidden: true });
  #check = h("button", { type: "submit", class: "primary", name: "check" }, "Check");
  /** @type {AbortController | null} */ #checking = null;

  /** @param {Session} session @param {Exercise} exercise */
  define(session, exercise) {
    const name = `exercise ${this.id}`;
    this.#exercise = exercise;
    this.#answers = new Settings(this.id, () => {
      session.memory?.set(name, this.#answers.kept());
      this.#verdict.hidden = true;
    });
    this.#answers.restore(session.memory?.get(name));
    this.#answers.declare(exercise.fields());
    for (const type of ["session", "results"]) session.addEventListener(type, () => this.#answers.declare(exercise.fields()));
    const heading = part(this, "h3");
    heading.id ||= `${this.id}-title`;
    this.setAttribute("role", "region");
    this.setAttribute("aria-labelledby", heading.id);
    const form = h(
      "form",
      { class: "answer", novalidate: true, "aria-label": `Your answer to ${heading.textContent}` },
      h("h4", {}, "Your answer"),
      this.#answers.wide,
      this.#answers.panel,
      h("div", { class: "actions" }, this.#check),
      this.#verdict,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#judge();
    });
    const hints = this.querySelector(":scope > .hints");
    this.insertBefore(form, hints);
    if (hints instanceof HTMLElement) this.#hints(hints);
    this.#solution(exercise);
  }

  async #judge() {
    this.#checking?.abort();
    const { signal } = (this.#checking = new AbortController());
    this.#say({ right: null, message: "Checking …" });
    try {
      const verdict = await this.#exercise.check(this.#answers.checked(), signal);
      if (!signal.aborted) this.#say(verdict);
    } catch (error) {
      if (signal.aborted || isCancelled(error)) return;
      const { message, hint } = problem(error);
      this.#say({ right: null, message: `${message} ${hint}` });
    }
  }

  /** @param {Verdict} verdict */
  #say({ right, message }) {
    this.#verdict.hidden = false;
    this.#verdict.dataset.right = String(right);
    const head = right === null ? "" : right ? "Right. " : "Not yet. ";
    setText(this.#verdict, head + message);
    announce(head + message);
  }

  /** Hints appear one after the other. @param {HTMLElement} list */
  #hints(list) {
    const items = [...list.children].filter((item) => item instanceof HTMLElement);
    let shown = 0;
    const button = h("button", { type: "button", class: "quiet-button", name: "hint" });
    const label = () => setText(button, shown === 0 ? "Show a hint" : `Show another hint (${shown + 1} of ${items.length})`);
    for (const item of items) item.hidden = true;
    list.hidden = true;
    label();
    button.addEventListener("click", () => {
      list.hidden = false;
      items[shown].hidden = false;
      announce(items[shown].textContent ?? "");
      shown += 1;
      if (shown < items.length) return label();
      button.hidden = true;
      list.tabIndex = -1;
      list.focus({ preventScroll: true });
    });
    list.after(h("div", { class: "actions" }, button));
  }

  /** @param {Exercise} exercise */
  #solution({ solve }) {
    const written = this.querySelector(":scope > .solution");
    if (!(written instanceof HTMLElement)) return;
    if (new URLSearchParams(location.search).get("solutions") === "hide") return written.remove();
    const details = h("details", { class: "solution-box" }, h("summary", {}, "Solution"));
    written.before(details);
    details.append(written);
    if (solve)
      details.append(
        h("div", { class: "actions" }, h("button", { type: "button", class: "quiet-button", name: "solve", on: { click: () => solve() } }, "Put its settings into the step above")),
      );
  }
}
customElements.define("lab-exercise", LabExercise);
