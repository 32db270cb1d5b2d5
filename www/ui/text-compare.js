// @ts-check
// Texts side by side, the first one the reference; in each other one the first token that differs is marked.

import { fill, h } from "./dom.js";
import { readableNodes } from "./token-text.js";

/** @typedef {{label: string, note?: string, prompt: string, tokens: string[], ids: number[]}} Version */

/** The index of the first token in which two continuations differ, or null. @param {number[]} a @param {number[]} b */
export function firstDifference(a, b) {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i += 1) if (a[i] !== b[i]) return i;
  return null;
}

/** How many places of two continuations hold different tokens. @param {number[]} a @param {number[]} b */
export const differing = (a, b) => Array.from({ length: Math.max(a.length, b.length) }, (_, i) => a[i] !== b[i]).filter(Boolean).length;

export class TextCompare extends HTMLElement {
  /** @param {Version[]} versions */
  show(versions) {
    const [plain] = versions;
    fill(
      this,
      versions.map((version, k) => {
        const first = k === 0 ? null : firstDifference(plain.ids, version.ids);
        return h(
          "div",
          { class: k === 0 ? "version reference" : "version" },
          h("h3", {}, version.label),
          version.note ? h("p", { class: "hint" }, version.note) : null,
          h(
            "p",
            { class: "version-text" },
            h("span", { class: "prompt-part" }, readableNodes(version.prompt)),
            version.tokens.flatMap((token, i) =>
              i === first
                ? marked(token)
                : h("span", { class: first !== null && i > first ? "after-difference" : "" }, readableNodes(token)),
            ),
          ),
        );
      }),
    );
  }
}

/** A token's leading space stays outside its mark, so that a mark never hangs at the end of a line. @param {string} token */
function marked(token) {
  const space = /^ (?=\S)/.test(token) ? " " : "";
  return [
    space,
    h(
      "mark",
      { class: "first-difference" },
      readableNodes(token.slice(space.length)),
      h("span", { class: "visually-hidden" }, " (first difference) "),
    ),
  ];
}

customElements.define("text-compare", TextCompare);
