// @ts-check
// Cell 15: what activates the feature besides its strongest examples.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { count, decimals, visible } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { concludeMonosemanticity, MONOSEMANTICITY, monosemanticity } from "../work/monosemanticity.js";
import { benchOf, featureField, needsFeature, seedField } from "./fields.js";
import { featureSnippets } from "./snippets-features.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/corpus-examples.js").Example} Example */
/** @typedef {Awaited<ReturnType<typeof monosemanticity>> & {seed: number}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function monosemanticityStep(step) {
  const { session } = step;
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure);
  const uses = [STEPS.activations, STEPS.train];
  const feature = featureField(step, STEPS.train);
  /** @type {Value | null} */ let shown = null;
  const piece = (/** @type {Example} */ { token, raw }) => visible(session.conventions?.values.tokens === "decoded" ? token : raw);

  /** @returns {import("../../ui/data-table.js").Table} */
  const range = () => ({
    caption: "One row drawn for each tenth of the largest activation",
    columns: [
      { key: "tenth", label: "of the largest" },
      { key: "activation", label: "activation", kind: "number", format: decimals(3) },
      { key: "token", label: "token" },
      { key: "position", label: "position", kind: "number", format: String },
      { key: "context", label: "text", kind: "prose" },
    ],
    rows: (shown?.byTenth ?? [])
      .map((example, i) => ({ tenth: `${10 * i} to ${10 * i + 10} %`, activation: example?.activation, token: example ? piece(example) : "–", position: example?.position, context: example?.context ?? "no row" }))
      .reverse(),
  });

  return {
    uses,
    conventions: ["skipPosition0"],
    needs: needsFeature(step, uses, STEPS["top-features"]),
    promise: "Run draws some of the rows on which the feature is above the threshold, weak ones too.",
    body: [printed.element, figure],
    fields: () => [
      feature(),
      { name: "threshold", label: "Threshold", kind: "number", value: MONOSEMANTICITY.threshold, min: 0, max: 1e6 },
      { name: "sample", label: "Draw", kind: "integer", value: MONOSEMANTICITY.sample, min: 1, max: 200, advanced: true, unit: "rows" },
      { name: "shown", label: "Show", kind: "integer", value: MONOSEMANTICITY.shown, min: 1, max: 200, advanced: true, unit: "of them" },
      seedField({ hint: "of the sample", advanced: false }),
    ],

    async run(context) {
      const { use, values } = context;
      const { acts, texts, prependBos } = use(STEPS.activations);
      const { threshold, sample, shown: show, seed, skipPosition0 } = values;
      session.selectFeature(values.feature);
      const found = await monosemanticity(benchOf(context), use(STEPS.train).sae, acts, { feature: values.feature, threshold, sample, shown: show, seed, texts, prependBos, skipPosition0 });
      return { value: { ...found, seed } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      printed.show([
        `Feature ${value.feature} is above ${value.threshold} on ${count(value.count)} of ${count(value.rows)} rows`,
        `A sample, seed ${value.seed}:`,
        ...(value.shown.length ? value.shown.map((example) => `  '${piece(example)}' (${example.activation.toFixed(3)}) in: ${example.context}`) : ["  none"]),
        `Different tokens: ${value.distinctTokens}; at position 0: ${value.atPosition0} of ${value.count}`,
        "Do these places have one concept in common?",
      ]);
      table.show(range());
      figure.show({ name: `feature-${value.feature}-range`, caption: "One row from each tenth of the largest activation", body: [table], table: range });
    },

    conclusion: (/** @type {Value} */ value) => concludeMonosemanticity(value),
    provenance: (/** @type {Value} */ { feature: of, seed }) => `${session.modelName} · feature ${of} · sample seed ${seed}`,
    code: (values) => featureSnippets.monosemanticity(values),
  };
}
