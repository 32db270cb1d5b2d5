// @ts-check
// The panel of switches: one choice for each convention, a button for each notebook's preset.

import { announce } from "./announce.js";
import { PRESETS, SWITCHES } from "./conventions.js";
import { fill, h, setText } from "./dom.js";

/** @typedef {import("./conventions.js").Conventions} Conventions */
/** @typedef {import("./conventions.js").PresetName} PresetName */

export class ConventionsPanel extends HTMLElement {
  /** @type {Conventions} */ #conventions = /** @type {any} */ (null);
  /** @type {Map<string, HTMLSelectElement>} */ #selects = new Map();
  #summary = h("span", { class: "provenance" });
  #presets = h("div", { class: "presets", role: "group", "aria-label": "Conventions of" });

  /** @param {Conventions} conventions */
  start(conventions) {
    this.#conventions = conventions;
    fill(
      this.#presets,
      h("span", { class: "presets-label" }, "As in"),
      Object.entries(PRESETS).map(([name, { label }]) =>
        h(
          "button",
          {
            type: "button",
            class: "quiet-button",
            name: `preset-${name}`,
            on: {
              click: () => {
                conventions.take(/** @type {PresetName} */ (name));
                announce(`The page follows the conventions of ${label}.`);
              },
            },
          },
          label,
        ),
      ),
    );
    fill(
      this,
      h(
        "details",
        { class: "conventions" },
        h("summary", {}, h("strong", {}, "Conventions"), " ", this.#summary),
        h(
          "p",
          { class: "prose" },
          "The notebooks differ in these, and so do their figures. A switch changes every figure of this page: what only has to be written otherwise changes at once, what has to be computed otherwise is run again.",
        ),
        this.#presets,
        h("div", { class: "conventions-grid" }, SWITCHES.map((s) => this.#field(s))),
      ),
    );
    conventions.addEventListener("change", () => this.#show());
    this.#show();
  }

  /** @param {import("./conventions.js").Switch} s */
  #field({ name, label, options, why }) {
    const id = `convention-${name}`;
    const select = h(
      "select",
      { id, name: id, autocomplete: "off", "aria-describedby": `${id}-hint` },
      options.map((option, i) => h("option", { value: String(i) }, option.label)),
    );
    select.addEventListener("change", () => this.#conventions.set(name, options[select.selectedIndex].value));
    this.#selects.set(name, select);
    return h("div", { class: "field" }, h("label", { for: id }, label), select, h("p", { class: "hint", id: `${id}-hint` }, why));
  }

  #show() {
    const { values, preset } = this.#conventions;
    for (const { name, options } of SWITCHES) {
      const select = this.#selects.get(name);
      if (select) select.selectedIndex = options.findIndex(({ value }) => value === values[name]);
    }
    for (const button of this.#presets.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.name === `preset-${preset}`));
    const { home } = this.#conventions;
    const other = SWITCHES.filter((s) => values[s.name] !== PRESETS[home].values[s.name]).map((s) => s.label);
    setText(this.#summary, preset ? `as in ${PRESETS[preset].label}` : `as in ${PRESETS[home].label} but for ${other.join(", ")}`);
  }
}
customElements.define("conventions-panel", ConventionsPanel);
