// @ts-check
// Texts of tokens as nodes: nothing invisible stays hidden, and nothing acts on the page.

import { h } from "./dom.js";
import { readableRuns, visibleRuns } from "./format.js";

/** A token in a box: spaces and line ends are shown by signs too. @param {string} text */
export function tokenNodes(text) {
  const runs = visibleRuns(text);
  const onlyMarks = runs.every((run) => run.mark);
  return runs.map((run) =>
    run.mark ? h("span", { class: "invisible", "aria-hidden": onlyMarks ? null : "true" }, run.text) : document.createTextNode(run.text),
  );
}

/** Running text: spaces and line ends stay what they are. @param {string} text */
export function readableNodes(text) {
  return readableRuns(text).map((run) => (run.mark ? h("span", { class: "invisible" }, run.text) : document.createTextNode(run.text)));
}
