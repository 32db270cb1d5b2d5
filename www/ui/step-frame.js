// @ts-check
// The frame around a step: where everything stands, and the buttons. What it says is decided in step.js.

import "./code-box.js";
import { CodeBox } from "./code-box.js";
import { fill, h, make, setText } from "./dom.js";
import { WorkProgress } from "./progress.js";

/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {{run(): void, pause(): void, stop(): void, more(name: string): void}} Handlers */
/** @typedef {{on: boolean, paused: boolean, stoppable: boolean, pausable: boolean, more: boolean, moreOn: boolean, label: string}} ButtonState */

const NOTEBOOKS = /** @type {Record<string, string>} */ ({ "000": "Lab C.4", "001": "its solutions", "002": "Chapter 9", "003": "Week 7" });

/** Which cells of the notebooks a step stands for, in words. @param {string} cells as in "000.c6 000.c7" */
function cellWords(cells) {
  /** @type {Map<string, string[]>} */ const found = new Map();
  for (const cell of cells.split(/\s+/)) {
    const [notebook, number] = cell.split(".c");
    found.set(notebook, [...(found.get(notebook) ?? []), number]);
  }
  return `Notebook: ${[...found].map(([notebook, numbers]) => `${NOTEBOOKS[notebook] ?? notebook}, ${numbers.length === 1 ? "cell" : "cells"} ${numbers.join(", ")}`).join("; ")}`;
}

/** A button that is switched off keeps the focus, so it is marked rather than disabled. @param {HTMLElement} button */
const isOff = (button) => button.getAttribute("aria-disabled") === "true";

export class StepFrame {
  progress = new WorkProgress();
  code = make(CodeBox);
  state = h("span", { class: "state", "data-part": "state" });
  provenance = h("span", { class: "provenance", "data-part": "provenance" });
  #notice = h("div", { class: "notice", "data-part": "notice", hidden: true });
  result = h("div", { class: "result", "data-part": "result", hidden: true });
  conclusion = h("p", { class: "conclusion", "data-part": "conclusion", hidden: true });
  #more = h("div", { class: "more-actions", hidden: true });
  #run = h("button", { type: "submit", class: "primary", name: "run", "aria-disabled": "true" }, "Run");
  #pause;
  #stop;
  #handlers;

  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#pause = h("button", { type: "button", name: "pause", hidden: true, on: { click: handlers.pause } }, "Pause");
    this.#stop = h("button", { type: "button", name: "stop", hidden: true, on: { click: handlers.stop } }, "Stop");
  }

  /**
   * Puts the frame around what is written in the page.
   * @param {HTMLElement} step @param {number} number @param {HTMLElement} heading @param {HTMLElement} prose
   * @param {Settings} settings @param {Node[]} body what shows the result @param {{name: string, label: string}[]} more
   */
  mount(step, number, heading, prose, settings, body, more) {
    heading.id = `${step.id}-title`;
    heading.prepend(h("span", { class: "step-number" }, String(number)), " ");
    step.setAttribute("role", "region");
    step.setAttribute("aria-labelledby", heading.id);
    this.progress.name(`Progress of step ${number}`);
    fill(
      this.#more,
      more.map(({ name, label }) => {
        const button = h("button", { type: "button", name }, label);
        button.addEventListener("click", () => {
          if (!isOff(button)) this.#handlers.more(name);
        });
        return button;
      }),
    );
    fill(this.result, body, this.conclusion, this.#more);
    const actions = h("div", { class: "actions" }, this.#run, this.#pause, this.#stop, this.progress.element);
    const form = h("form", { class: "bench", novalidate: true }, settings.wide);
    form.append(h("div", { class: "controls" }, settings.panel, actions), h("div", { class: "outcome" }, this.#notice, this.result));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!isOff(this.#run)) this.#handlers.run();
    });
    const status = h("p", { class: "step-status" }, this.state, " ", this.provenance);
    const link = h("a", { href: `#${step.id}`, class: "step-link" }, "Link to this step");
    const cells = step.dataset.cells ? h("span", { class: "cells" }, cellWords(step.dataset.cells)) : null;
    fill(step, h("header", { class: "step-head" }, heading, status), prose, form, h("div", { class: "step-foot" }, this.code, cells, link));
  }

  /** Puts up the notice, and leaves it alone when it says the same already. @param {string} state @param {(Node | null)[]} nodes */
  tell(state, nodes) {
    const told = h("div", {}, nodes);
    this.#notice.dataset.state = state;
    if (told.textContent === this.#notice.textContent) return;
    const focused = this.#notice.contains(document.activeElement);
    this.#notice.replaceChildren(...told.childNodes);
    this.#notice.hidden = this.#notice.childElementCount === 0;
    if (focused) this.#run.focus({ preventScroll: true });
  }

  /** @param {ButtonState} to */
  buttons(to) {
    const focused = document.activeElement;
    this.#run.setAttribute("aria-disabled", String(!to.on));
    setText(this.#run, to.label);
    this.#stop.hidden = !to.stoppable;
    this.#pause.hidden = !to.pausable;
    setText(this.#pause, to.paused ? "Continue" : "Pause");
    this.#more.hidden = !to.more;
    for (const button of this.#more.children) button.setAttribute("aria-disabled", String(!to.moreOn));
    const left = [this.#stop, this.#pause].find((button) => button === focused && button.hidden);
    if (left) this.#run.focus({ preventScroll: true });
  }
}
