// @ts-check
import { GLOSSARY } from "./glossary.js";
import { h } from "./dom.js";

/** A word of the glossary inside running text; its meaning opens in place. `<lab-term name="token">tokens</lab-term>` */
export class LabTerm extends HTMLElement {
  connectedCallback() {
    const meaning = GLOSSARY.get(this.getAttribute("name") ?? "");
    if (!meaning || this.querySelector("button")) return;
    const definition = h("span", { class: "definition", hidden: true }, ` (${meaning})`);
    const button = h("button", { type: "button", class: "term", "aria-expanded": "false" }, this.textContent ?? "");
    button.addEventListener("click", () => {
      definition.hidden = !definition.hidden;
      button.setAttribute("aria-expanded", String(!definition.hidden));
    });
    this.replaceChildren(button, definition);
  }
}
customElements.define("lab-term", LabTerm);
