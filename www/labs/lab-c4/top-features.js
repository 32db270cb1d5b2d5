// @ts-check
// Part 5: the most active features by the notebook's score.

import { count, counted, decimals, percent } from "../../ui/format.js";
import { concludeTop, topFeatures } from "../work/c4-features.js";
import { bench, foldedLines, tableFigure } from "./parts.js";
import { leavesOut, origin, position0Words } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/c4-features.js").Top} Top */
/** @typedef {import("../work/c4-features.js").Feature} Feature */
/** @typedef {{top: Top, hook: string, center: boolean, prependBos: boolean, seed: number}} Value */

/** The list that the page's conventions put first. @param {import("../../ui/session.js").Session} session @param {Top} top @returns {Feature[]} */
export const firstList = (session, top) => (leavesOut(session) && top.withoutPosition0.length ? top.withoutPosition0 : top.features);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function topFeaturesStep(step) {
  const { session } = step;
  const figure = tableFigure("top-features");
  const printed = foldedLines();
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  function table() {
    const { top } = /** @type {Value} */ (shown);
    const list = firstList(session, top);
    const other = list === top.features ? top.withoutPosition0 : top.features;
    const ranks = new Map(other.map(({ feature }, i) => [feature, i]));
    return {
      caption: "Features by score",
      sortable: true,
      columns: [
        { key: "rank", label: "rank", kind: "number", format: String },
        { key: "feature", label: "feature" },
        { key: "meanActive", label: "mean when active", kind: "number", format: decimals(3) },
        { key: "frequency", label: "frequency", kind: "number", format: percent },
        { key: "score", label: "score", kind: "number", format: decimals(3) },
        { key: "max", label: "largest", kind: "number", format: decimals(3) },
        { key: "other", label: list === top.features ? "rank without position 0" : "rank with position 0", kind: "number", format: String },
      ],
      rows: list.map((row, rank) => ({ rank, ...row, score: row.meanActive * row.frequency, other: ranks.get(row.feature) ?? null })),
      choose: {
        key: "feature",
        label: ({ feature }) => `F${feature}`,
        chosen: session.feature,
        on: ({ feature }) => session.selectFeature(Number(feature)),
      },
    };
  }
  const show = () => {
    if (!shown) return;
    const list = firstList(session, shown.top);
    figure.show(`The ${counted(list.length, "most active feature", "most active features")}, ${position0Words(session)}`, table);
    printed.show([
      "Most Active Features:",
      "=".repeat(50),
      ...list.map(({ feature, meanActive, frequency }) => `Feature ${String(feature).padStart(4)}: mean_act=${decimals(3)(meanActive)}, freq=${decimals(2)(100 * frequency)}%`),
    ]);
  };
  session.addEventListener("feature", show);

  return {
    uses: [STEPS["random-tokens"], STEPS.train],
    promise: "Run ranks the features; the one you choose is looked at further down.",
    body: [figure.element, printed.element],
    fields: () => [
      { name: "k", label: "Features to list", kind: "integer", value: 20, min: 1, max: 1000 },
      {
        name: "by",
        label: "Order by",
        kind: "choice",
        value: "score",
        advanced: true,
        options: [
          { value: "score", label: "mean when active × frequency (the notebook's)" },
          { value: "frequency", label: "frequency" },
          { value: "mean", label: "mean over all rows (the solutions')" },
          { value: "max", label: "largest activation" },
        ],
      },
    ],
    async run(context) {
      const { values, use } = context;
      const { sae, hook, center, prependBos, seed } = /** @type {import("./train.js").Value} */ (use(STEPS.train));
      const { acts } = /** @type {import("./random-tokens.js").Value} */ (use(STEPS["random-tokens"]));
      const top = await topFeatures(bench(context), sae, acts, { k: values.k, by: values.by });
      return { value: { top, hook, center, prependBos, seed } };
    },
    render(/** @type {Value} */ value) {
      shown = value;
      show();
    },
    conclusion: (/** @type {Value} */ { top }) => concludeTop(top),
    provenance: (value) => origin(session, value),
    code: (values) => ({ javascript: javascript.topFeatures(values, leavesOut(session)), python: python.topFeatures(values, leavesOut(session)) }),
  };
}
