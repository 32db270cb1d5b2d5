// @ts-check
// The challenge, second half: features that tell texts with a concept from texts without.

import { fill, h } from "../../ui/dom.js";
import { count, decimals, percent } from "../../ui/format.js";
import { CONCEPTS } from "../texts/concepts.js";
import { concludeConcept, findConcepts, SEARCH } from "../work/c4-challenge.js";
import { PASS } from "../work/c4-concept-check.js";
import { bench, tableFigure } from "./parts.js";
import { origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/c4-challenge.js").ConceptResult} ConceptResult */
/** @typedef {{results: ConceptResult[], hook: string, center: boolean, prependBos: boolean, seed: number, layer: number}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function conceptsStep(step) {
  const { session } = step;
  const figures = CONCEPTS.map(({ id }) => tableFigure(`concept-${id}`));
  const notes = CONCEPTS.map(() => h("p", { class: "fact" }));
  const sections = CONCEPTS.map(({ label }, i) => h("section", { "aria-label": label }, figures[i].element, notes[i]));
  const list = h("div", {}, sections);

  /** @param {ConceptResult} result @returns {import("../../ui/data-table.js").Table} */
  const table = ({ concept, features }) => ({
    caption: concept.label,
    sortable: true,
    columns: [
      { key: "feature", label: "feature" },
      { key: "auroc", label: "AUROC", kind: "number", format: decimals(3) },
      { key: "heldOut", label: "held out", kind: "number", format: decimals(3) },
      { key: "meanPositive", label: "mean with", kind: "number" },
      { key: "meanNegative", label: "mean without", kind: "number" },
      { key: "frequencyPositive", label: "active with", kind: "number", format: percent },
      { key: "frequencyNegative", label: "active without", kind: "number", format: percent },
    ],
    rows: features.map((row) => ({ ...row, feature: `F${row.feature}` })),
  });

  return {
    uses: [STEPS["challenge-train"]],
    conventions: [],
    promise: "Run ranks all features by how well each tells texts with a concept from texts without.",
    body: [list],
    fields: () => [
      { name: "concepts", label: "Concepts", kind: "checks", value: CONCEPTS.map(({ id }) => id), wide: true, options: CONCEPTS.map(({ id, label, pairs }) => ({ value: id, label, detail: [`with: ${pairs[0][0]}`, `without: ${pairs[0][1]}`] })) },
      { name: "k", label: "Features of each", kind: "integer", value: SEARCH.k, min: 1, max: 100 },
      {
        name: "per",
        label: "Tell apart",
        kind: "choice",
        value: SEARCH.per,
        options: [
          { value: "text", label: "whole sentences" },
          { value: "token", label: "single tokens" },
        ],
      },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", hint: "which half is held out", advanced: true },
    ],
    async run(context) {
      const { values, use } = context;
      const { sae, hook, layer, center, prependBos, seed } = /** @type {import("./challenge.js").Value} */ (use(STEPS["challenge-train"]));
      const options = /** @type {Parameters<typeof findConcepts>[2]} */ ({
        concepts: CONCEPTS.filter(({ id }) => values.concepts.includes(id)), k: values.k, per: values.per, layer, prependBos, center, seed: values.seed,
      });
      const results = await findConcepts(bench(context), /** @type {import("../../ui/types.js").Sae} */ (sae), options);
      return { value: { results, hook, layer, center, prependBos, seed } };
    },
    render(/** @type {Value} */ { results }) {
      CONCEPTS.forEach(({ id }, i) => {
        const result = results.find(({ concept }) => concept.id === id);
        sections[i].hidden = !result;
        if (!result) return;
        figures[i].show(`${result.concept.label}: the best of ${count(result.features.length)}, chosen on ${count(result.texts)} sentences; best by chance ${decimals(2)(result.chance)}`, () => table(result));
        fill(notes[i], concludeConcept(result));
      });
    },
    conclusion(/** @type {Value} */ { results }) {
      if (!results.length) return "No concept is chosen.";
      const held = results.filter(({ features: [best], chance }) => best && (best.heldOut ?? 0) >= PASS && best.auroc > chance + 0.02);
      return held.length === results.length
        ? `All ${count(results.length)} concepts have a candidate that holds on new sentences. That they tell these sentences apart is evidence, not yet a name: a word that goes with the concept would do as well.`
        : `${held.length || "None"} of ${count(results.length)} concepts${held.length ? ` (${held.map(({ concept }) => concept.label).join(", ")})` : ""} ${held.length === 1 ? "has" : "have"} a best feature that holds on new sentences. For the others look further down in the table, or train on more text: there may be no single feature.`;
    },
    provenance: (/** @type {Value} */ value) => origin(session, { ...value, more: `autoencoder of step ${STEPS["challenge-train"]}` }),
    code: (values) => ({ javascript: javascript.concepts(values), python: python.concepts(values) }),
  };
}
