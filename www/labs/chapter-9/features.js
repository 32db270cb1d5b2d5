// @ts-check
// Cells 7 and 8: the text's features, and how few of them are active.

import "../../ui/bar-plot.js";
import { BarPlot } from "../../ui/bar-plot.js";
import { h, make } from "../../ui/dom.js";
import { count, number, percent, visible } from "../../ui/format.js";
import { concludeSparsity, sparsity as sparsityOf } from "../work/extract.js";
import { encoded, from } from "../work/rows.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets.js";
import { conventionsOf, provenance, STEPS } from "./steps.js";
import { written } from "./text.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("./text.js").Activations} Activations */
/** @typedef {import("../work/extract.js").Extracted & {hook: string, name: string, values: {prependBos: boolean, view: string}}} Features  `values`: how the activations were read */

/** The conventions that an earlier result was made with, for a step that adds none of its own. @param {import("../../ui/session.js").Session} session @param {number} n */
const readWith = (session, n) => {
  const { prependBos, view } = session.results.get(n)?.values ?? {};
  return { prependBos: Boolean(prependBos), view: String(view) };
};

/** @param {LabStep} step @returns {Definition} */
export function features(step) {
  const { session } = step;
  const printed = printedBox();
  return {
    uses: [STEPS["load-sae"], STEPS.activations],
    promise: "Run gives each vector to the encoder.",
    body: [printed.element],
    fields: () => [],
    async run({ use }) {
      const { sae, name } = /** @type {Loaded} */ (use(STEPS["load-sae"]));
      const { text, ids, tokens, raw, activations, hook } = /** @type {Activations} */ (use(STEPS.activations));
      const found = await encoded(sae, activations);
      /** @type {Features} */ const value = {
        text,
        ids,
        tokens,
        raw,
        activations,
        features: found,
        dSae: sae.config.dSae,
        activationShape: [1, ...activations.shape],
        featureShape: [1, ...found.shape],
        sparsity: sparsityOf(found),
        withoutPosition0: sparsityOf(from(found, 1)),
        hook,
        name,
        values: readWith(session, STEPS.activations),
      };
      return { value };
    },
    render(/** @type {Features} */ { featureShape }) {
      printed.show([`Feature activation shape: [${featureShape.join(", ")}]`, "  (batch, sequence_length, n_features)"]);
    },
    conclusion: (/** @type {Features} */ { dSae, activationShape, sparsity }) =>
      `Each vector of ${count(activationShape[2])} numbers has become ${count(dSae)} activations, none below 0, of which ${number(sparsity.meanActive)} are above it on average.`,
    provenance: (value) => provenance(session, value, value.values),
    code: () => ({ javascript: snippets.featuresJs(), python: snippets.featuresPy() }),
  };
}

/** @param {LabStep} step @returns {Definition} */
export function sparsity(step) {
  const { session } = step;
  const printed = [printedBox(), printedBox()];
  const titles = [h("h4", {}), h("h4", {})];
  const plot = make(BarPlot);
  /** @type {Features | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const activeTable = () => ({
    caption: "Active features at each position",
    columns: [
      { key: "position", label: "position", kind: "number", format: String },
      { key: "token", label: "token", kind: "token" },
      { key: "active", label: "active", kind: "number", format: count },
      { key: "share", label: "of all", kind: "number", format: percent },
    ],
    rows: shown ? written(session, shown).map((token, i) => ({ position: i, token, active: shown?.sparsity.active[i], share: (shown?.sparsity.active[i] ?? 0) / (shown?.dSae ?? 1) })) : [],
  });

  return {
    uses: [STEPS.features],
    promise: "Run counts the features above zero at each position.",
    body: [h("div", { class: "side-by-side pair" }, titles.map((title, i) => h("div", {}, title, printed[i].element))), plot],
    fields: () => [],
    async run({ use }) {
      return { value: use(STEPS.features) };
    },
    render(/** @type {Features} */ value) {
      shown = value;
      const lines = (/** @type {import("../work/extract.js").Sparsity} */ { meanActive, sparsity }) =>
        ["Sparsity analysis:", `  Total features: ${value.dSae}`, `  Avg active per position: ${meanActive.toFixed(1)}`, `  Sparsity: ${(100 * sparsity).toFixed(2)}%`];
      const both = /** @type {const} */ ([
        ["All positions, as in the notebook", value.sparsity],
        ["Without position 0", value.withoutPosition0],
      ]);
      const skips = conventionsOf(session).values.skipPosition0;
      (skips ? both.toReversed() : both).forEach(([title, found], i) => {
        titles[i].textContent = title;
        printed[i].show(lines(found));
      });
      const labels = written(session, value).map((token) => visible(token));
      plot.show({ name: "active-features", caption: "Active features of each position", yLabel: "active features", labels, values: value.sparsity.active, table: activeTable });
    },
    conclusion: (value) => concludeSparsity(value),
    provenance: (value) => provenance(session, value, value.values),
    code: () => ({ javascript: snippets.sparsityJs(), python: snippets.sparsityPy() }),
  };
}
