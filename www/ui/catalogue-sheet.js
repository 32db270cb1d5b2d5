// @ts-check
// A project as a sheet for printing: what was written, whole, where inputs on paper would cut it off.

import { STAGES } from "./catalogue-data.js";
import { h } from "./dom.js";

/** @param {import("./catalogue-data.js").Project} project @returns {HTMLElement[]} */
export function catalogueSheet({ title, stages, features }) {
  const facts = (/** @type {[string, string][]} */ pairs) =>
    h("dl", {}, pairs.filter(([, value]) => value.trim()).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  return [
    h("h2", {}, title.trim() || "Features of a concept"),
    ...STAGES.map(({ id, title: name, items }, i) =>
      h(
        "section",
        {},
        h("h3", {}, `${i + 1}. ${name}`),
        h("ul", {}, items.map((item, k) => h("li", {}, `${stages[id].done[k] ? "☑" : "☐"} ${item}`))),
        stages[id].notes.trim() ? h("p", { class: "written" }, stages[id].notes) : null,
      ),
    ),
    h("h3", {}, "Catalogue of features"),
    ...features.map((row) =>
      h(
        "section",
        {},
        h("h4", {}, row.feature === null ? "Feature without a number" : `Feature ${row.feature}`),
        facts([
          ["Autoencoder", row.sae],
          ["Hook", row.hook],
          ["Interpretation", row.interpretation],
          ["Evidence", row.evidence],
          ["One meaning?", row.monosemantic || "not judged"],
          ["Causal?", row.causal || "not judged"],
          ["Notes", row.notes],
        ]),
      ),
    ),
  ];
}
