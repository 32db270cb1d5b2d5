// @ts-check
// "The same in code": a step's work as a script, with the settings as they stand now.

import { copyButton, h } from "./dom.js";

/** @typedef {{javascript: string, python: string}} Snippets */

export class CodeBox extends HTMLElement {
  #code = h("code");
  #pre = h("pre", { tabindex: 0, role: "group" }, this.#code);
  #buttons = /** @type {const} */ (["javascript", "python"]).map((language) =>
    h(
      "button",
      {
        type: "button",
        name: `code-${language}`,
        "aria-pressed": String(language === "javascript"),
        on: { click: () => this.#choose(language) },
      },
      language === "javascript" ? "JavaScript" : "Python",
    ),
  );
  #details = h(
    "details",
    { class: "code" },
    h("summary", {}, "The same in code"),
    h(
      "div",
      { class: "code-head" },
      this.#buttons,
      copyButton("Copy", () => this.#code.textContent ?? ""),
    ),
    this.#pre,
  );
  /** @type {"javascript" | "python"} */ #language = "javascript";
  /** Gives the scripts; asked only while the box is open. @type {() => Snippets} */ source = () => ({ javascript: "", python: "" });

  connectedCallback() {
    if (this.#details.isConnected) return;
    this.append(this.#details);
    this.#details.addEventListener("toggle", () => this.refresh());
  }

  refresh() {
    if (!this.#details.open) return;
    const text = this.source()[this.#language];
    if (this.#code.textContent !== text) this.#code.textContent = text;
    this.#pre.setAttribute("aria-label", this.#language === "javascript" ? "JavaScript" : "Python");
  }

  /** @param {"javascript" | "python"} language */
  #choose(language) {
    this.#language = language;
    this.#buttons[0].setAttribute("aria-pressed", String(language === "javascript"));
    this.#buttons[1].setAttribute("aria-pressed", String(language === "python"));
    this.refresh();
  }
}
customElements.define("code-box", CodeBox);
