// @ts-check
// Sampled texts side by side: one row for each seed, the plain text first; in the others the first word that differs is marked.

import { fill, h } from "../../ui/dom.js";
import { readableNodes } from "../../ui/token-text.js";

/** @typedef {{label: string, note: string, texts: readonly string[]}} Column */

/** Where two texts part, at the beginning of a word; null when they are the same. @param {string} a @param {string} b */
export function parting(a, b) {
  if (a === b) return null;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i += 1;
  while (i > 0 && !/\s/.test(b[i - 1] ?? "")) i -= 1;
  return i;
}

/** @param {string} text @param {string} prompt @param {string | null} plain */
function shown(text, prompt, plain) {
  const begins = text.startsWith(prompt) ? prompt.length : 0;
  const at = plain === null ? null : parting(plain, text);
  const rest = Math.max(at ?? text.length, begins);
  const [word = ""] = /^\s*\S+/.exec(text.slice(rest)) ?? [];
  return h(
    "p",
    { class: "version-text" },
    h("span", { class: "prompt-part" }, readableNodes(text.slice(0, begins))),
    readableNodes(text.slice(begins, rest)),
    word ? h("mark", { class: "first-difference" }, readableNodes(word), h("span", { class: "visually-hidden" }, " (first difference) ")) : null,
    readableNodes(text.slice(rest + word.length)),
  );
}

/** @param {HTMLElement} place @param {{prompt: string, rows: readonly string[], columns: readonly Column[]}} samples `rows` name what the texts of one row share */
export function showSamples(place, { prompt, rows, columns }) {
  fill(
    place,
    rows.map((name, i) =>
      h(
        "section",
        { class: "samples-row" },
        h("h4", {}, name),
        h(
          "div",
          { class: "samples-columns" },
          columns.map(({ label, note, texts }, k) =>
            h("div", { class: k === 0 ? "version reference" : "version" }, h("h5", {}, label), h("p", { class: "hint" }, note), shown(texts[i] ?? "", prompt, k === 0 ? null : (columns[0].texts[i] ?? ""))),
          ),
        ),
      ),
    ),
  );
}

/** In how many rows a column differs from the first. @param {readonly Column[]} columns @param {number} k */
export const differing = (columns, k) => columns[k].texts.filter((text, i) => text !== columns[0].texts[i]).length;
