// @ts-check
// Cell 13: the rows on which the feature is strongest, in the order of the texts and sorted.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { decimals, visible } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { concludeExamples, EXAMPLES, maxActivating } from "../work/corpus-examples.js";
import { benchOf, featureField, needsFeature } from "./fields.js";
import { featureSnippets } from "./snippets-features.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/corpus-examples.js").Example} Example */
/** @typedef {Awaited<ReturnType<typeof maxActivating>>} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function examplesStep(step) {
  const { session } = step;
  const [corpus, sorted] = [printedBox(), printedBox()];
  const sortedTitle = h("h4", {}, "By activation");
  const table = make(DataTable),
    figure = make(LabFigure);
  const uses = [STEPS.activations, STEPS.train];
  const feature = featureField(step, STEPS.train);
  /** @type {Value | null} */ let shown = null;
  const piece = (/** @type {Example} */ { token, raw }) => visible(session.conventions?.values.tokens === "decoded" ? token : raw);
  const best = (/** @type {Value} */ value) => (session.conventions?.values.skipPosition0 ? value.withoutPosition0 : value.sorted);
  const lines = (/** @type {Example[]} */ list) =>
    list.length ? list.flatMap((example, i) => [`${i + 1}. Token: '${piece(example)}' (activation: ${example.activation.toFixed(4)})`, `   Context: ${example.context}`]) : ["none"];

  /** @returns {import("../../ui/data-table.js").Table} */
  const rows = () => ({
    caption: "The strongest rows",
    columns: [
      { key: "activation", label: "activation", kind: "number", format: decimals(4) },
      { key: "token", label: "token" },
      { key: "position", label: "position", kind: "number", format: String },
      { key: "context", label: "text", kind: "prose" },
    ],
    rows: (shown ? best(shown) : []).map((example) => ({ activation: example.activation, token: piece(example), position: example.position, context: example.context })),
  });

  return {
    uses,
    needs: needsFeature(step, uses, STEPS["top-features"]),
    promise: "Run lists the five rows on which the feature is strongest.",
    body: [h("div", { class: "side-by-side" }, h("div", {}, h("h4", {}, "In the order of the texts, as the notebook lists them"), corpus.element), h("div", {}, sortedTitle, sorted.element)), figure],
    fields: () => [feature(), { name: "k", label: "Examples", kind: "integer", value: EXAMPLES.k, min: 1, max: 100 }],

    async run(context) {
      const { use, values } = context;
      const { acts, texts, prependBos } = use(STEPS.activations);
      session.selectFeature(values.feature);
      return { value: await maxActivating(benchOf(context), use(STEPS.train).sae, acts, { feature: values.feature, k: values.k, texts, prependBos }) };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      corpus.show(lines(value.inCorpusOrder));
      sortedTitle.textContent = session.conventions?.values.skipPosition0 ? "By activation, without position 0" : "By activation";
      sorted.show(lines(best(value)));
      table.show(rows());
      figure.show({ name: `feature-${value.feature}-examples`, caption: `Feature ${value.feature}: where each example stands`, body: [table], table: rows });
    },

    conclusion: (/** @type {Value} */ value) => concludeExamples(value),
    provenance: (/** @type {Value} */ { feature: of }) => `${session.modelName} · feature ${of} · seed ${session.results.get(STEPS.train)?.value.seed ?? ""}`,
    code: (values) => featureSnippets.examples(values),
  };
}
