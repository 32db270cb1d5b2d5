// @ts-check
// Cell 12: features by how often they are active; choosing one here chooses it for the steps after it.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { decimals, percent } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { concludeFrequent, FREQUENT, mostFrequent } from "../work/frequency.js";
import { benchOf } from "./fields.js";
import { featureSnippets } from "./snippets-features.js";
import { STEPS } from "./steps.js";

/** @typedef {Awaited<ReturnType<typeof mostFrequent>>} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function topFeaturesStep(step) {
  const { session } = step;
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  const skips = () => session.conventions?.values.skipPosition0 ?? false;
  const list = (/** @type {Value} */ value) => (skips() ? value.withoutPosition0 : value.all);

  /** @returns {import("../../ui/data-table.js").Table} */
  const rows = () => ({
    caption: `The most frequent features, position 0 ${skips() ? "left out" : "counted"}`,
    columns: [
      { key: "feature", label: "feature" },
      { key: "frequency", label: "active on", kind: "number", format: percent },
      { key: "magnitude", label: "mean over all rows", kind: "number", format: decimals(4) },
    ],
    rows: shown ? list(shown).map((f) => ({ ...f })) : [],
    choose: { key: "feature", label: (row) => `F${row.feature}`, chosen: session.feature, on: (row) => session.selectFeature(Number(row.feature)) },
  });
  const draw = () => {
    if (shown) table.show(rows());
  };
  session.addEventListener("feature", draw);

  return {
    uses: [STEPS.activations, STEPS.train],
    promise: "Run counts on how many rows each feature is active and lists the most frequent.",
    body: [printed.element, figure],
    fields: () => [{ name: "k", label: "Features", kind: "integer", value: FREQUENT.k, min: 1, max: 200, hint: "how many to list" }],

    async run(context) {
      const { use, values } = context;
      const value = await mostFrequent(benchOf(context), use(STEPS.train).sae, use(STEPS.activations).acts, { k: values.k });
      const first = list(value)[0];
      // numbers of another autoencoder's features mean nothing for this one
      if (first) session.selectFeature(first.feature);
      return { value };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      printed.show(
        list(value).flatMap(({ feature, frequency, magnitude }, i) => [`${i + 1}. Feature ${feature}: active on ${(100 * frequency).toFixed(1)} % of the rows, mean ${magnitude.toFixed(4)}`]),
      );
      draw();
      figure.show({ name: "frequent-features", caption: "Choose the feature to look at", body: [table], table: rows });
    },

    conclusion(/** @type {Value} */ value) {
      const others = value.all.filter(({ feature }) => !value.withoutPosition0.some((f) => f.feature === feature)).length;
      return `${concludeFrequent({ ...value, all: list(value) })}${others ? ` ${others} of these ${value.all.length} ${others === 1 ? "is" : "are"} not among the first ${value.all.length} without position 0.` : ""}`;
    },
    provenance: () => `${session.modelName} · seed ${session.results.get(STEPS.train)?.value.seed ?? ""}`,
    code: (values) => featureSnippets.frequent(values),
  };
}
