// @ts-check
// What a notebook's cell prints, as lines of text: for reading beside the notebook. Text only.

import { h } from "../../ui/dom.js";

/** A box of printed lines; `show` replaces them. */
export function printedBox() {
  const element = h("pre", { class: "printed", "data-part": "printed", role: "group", tabindex: 0, "aria-label": "As printed in the notebook" });
  return {
    element,
    /** @param {readonly string[]} lines */
    show(lines) {
      element.textContent = lines.join("\n");
    },
  };
}
