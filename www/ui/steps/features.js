// @ts-check
// Step 4: which features are most active over the collected rows.

import "../data-table.js";
import "../figure.js";
import { defaults } from "../../engine/defaults.js";
import { DataTable } from "../data-table.js";
import { make } from "../dom.js";
import { LabFigure } from "../figure.js";
import { count, counted, decimals, is, percent, rough } from "../format.js";
import { sameHook } from "../hooks.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";

/** @typedef {import("../types.js").FeatureRow} FeatureRow */
/** @typedef {{rows: number, alive: number, dSae: number, features: FeatureRow[], skipped: boolean, hook: string, readAt: string, seed: number}} Value `readAt`: where the rows come from, which may be elsewhere than the autoencoder was made for */

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function featuresStep(step) {
  const { session } = step;
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../data-table.js").Table} */
  const featureTable = () => ({
    caption: "Features by score",
    sortable: true,
    columns: [
      { key: "feature", label: "feature" },
      { key: "score", label: "score", kind: "number", format: decimals(3) },
      { key: "meanActive", label: "mean when active", kind: "number", format: decimals(3) },
      { key: "frequency", label: "frequency", kind: "number", format: percent },
      { key: "max", label: "largest", kind: "number", format: decimals(3) },
    ],
    rows: (shown?.features ?? []).map((row) => ({ ...row, score: row.meanActive * row.frequency })),
    choose: {
      key: "feature",
      label: ({ feature }) => `F${feature}`,
      chosen: session.feature,
      on: ({ feature }) => session.selectFeature(Number(feature)),
    },
  });
  const show = () => {
    if (!shown) return;
    table.show(featureTable());
    figure.show({
      name: "features",
      caption: `The first ${counted(shown.features.length, "feature")}${shown.skipped ? ", position 0 left out" : ""}`,
      body: [table],
      table: featureTable,
    });
  };
  session.addEventListener("feature", show);

  return {
    uses: [2, 3],
    promise: "Run orders the features by score; the row you choose is the one that the next steps look at.",
    body: [figure],
    fields: () => [
      { name: "skipPosition0", label: "Leave position 0 out", kind: "switch", value: defaults.topFeatures.skipPosition0 },
      { name: "k", label: "Features to list", kind: "integer", value: defaults.topFeatures.k, min: 1, max: 1000 },
      {
        name: "by",
        label: "Order by",
        kind: "choice",
        value: defaults.topFeatures.by,
        advanced: true,
        options: [
          { value: "score", label: "score" },
          { value: "frequency", label: "frequency" },
          { value: "mean", label: "mean over all rows" },
          { value: "max", label: "largest activation" },
        ],
      },
    ],

    async run({ lab, values, signal, progress, use }) {
      const { sae, data } = use(3);
      const found = await lab.analysis.topFeatures(sae, use(2).acts, {
        ...values,
        signal,
        onProgress: (p) => {
          if (p.done !== undefined && p.total !== undefined) progress(p.done, p.total, "rows");
        },
      });
      if (session.feature === null && found.features[0]) session.selectFeature(found.features[0].feature);
      return { value: { ...found, dSae: sae.config.dSae, skipped: values.skipPosition0, hook: data.hook, readAt: use(2).acts.hook, seed: sae.config.seed } };
    },

    render(value) {
      shown = value;
      show();
    },

    conclusion({ rows, alive, dSae, features, hook, readAt }) {
      const elsewhere = sameHook(hook, readAt) ? "" : ` The rows were read at ${readAt}, but this autoencoder was made for ${hook}: its features mean little there.`;
      if (!alive) return `No feature is active on any of these rows.${elsewhere}`;
      const everywhere = features.filter((/** @type {FeatureRow} */ f) => f.frequency > 0.9).length;
      return (
        `${count(alive)} of ${counted(dSae, "feature")} ${is(alive)} active on at least one of ${counted(rows, "row")}. ` +
        (everywhere
          ? `${count(everywhere)} of the ${count(features.length)} listed ${is(everywhere)} active on more than 90 % of the rows, and so ${everywhere === 1 ? "says" : "say"} little about any one row. `
          : `None of the ${count(features.length)} listed is active on more than 90 % of the rows. `) +
        `The first, F${features[0].feature}, is active on ${percent(features[0].frequency)} of the rows, with a mean activation of ${rough(features[0].meanActive)} there.${elsewhere}`
      );
    },
    provenance: (value) => `${session.modelName} · ${value.hook} · seed ${value.seed}`,
    code: (values) => ({ javascript: javascript.features(values), python: python.features(values) }),
  };
}
