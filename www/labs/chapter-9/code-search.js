// @ts-check
// Cell 16 and exercise 1: a feature that answers to code. Any feature that tells code from prose on texts not seen before is right.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { decimals, percent } from "../../ui/format.js";
import { CODE_TEXT, CODE_TEXTS, PROSE_TEXTS } from "../texts/chapter9.js";
import { CODE_CHECK, CODE_SEARCH, checkCodeFeature, rankCodeFeatures } from "../work/code-feature.js";
import { extract } from "../work/extract.js";
import { from, largest } from "../work/rows.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets-exercises.js";
import { asLines, conventionsOf, linesOf, loadedOf, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("../../engine/types-analysis.js").Concepts} Concepts */
/** @typedef {{hook: string, name: string, ranked: Concepts, ofText: {feature: number, value: number}[], counts: {code: number, prose: number}}} Value `ofText`: the strongest on the cell's own text */

/** @param {LabStep} step @returns {Definition} */
export function codeSearch(step) {
  const { session } = step;
  const printed = printedBox();
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const ranking = () => ({
    caption: "Features by how well they tell code from prose",
    sortable: true,
    columns: [
      { key: "feature", label: "feature" },
      { key: "auroc", label: "pairs right", kind: "number", format: percent },
      { key: "meanPositive", label: "mean, code", kind: "number", format: decimals(3) },
      { key: "meanNegative", label: "mean, prose", kind: "number", format: decimals(3) },
      { key: "frequencyPositive", label: "active, code", kind: "number", format: percent },
      { key: "frequencyNegative", label: "active, prose", kind: "number", format: percent },
    ],
    rows: (shown?.ranked.features ?? []).map(({ feature, auroc, meanPositive, meanNegative, frequencyPositive, frequencyNegative }) => ({ feature, auroc, meanPositive, meanNegative, frequencyPositive, frequencyNegative })),
    choose: { key: "feature", label: ({ feature }) => `#${feature}`, chosen: session.feature, on: ({ feature }) => session.selectFeature(Number(feature)) },
  });
  const show = () => {
    if (!shown) return;
    table.show(ranking());
    figure.show({ name: "code-features", caption: "The strongest activation on each text, position 0 left out: in how many pairs is it higher on code than on prose?", body: [table], table: ranking });
  };
  session.addEventListener("feature", show);

  return {
    uses: [STEPS["load-sae"]],
    conventions: READING,
    promise: "Run ranks all features by how well they tell your code texts from your prose texts.",
    body: [printed.element, figure],
    fields: () => [
      { name: "code", label: "Code, one text a line", kind: "lines", value: asLines(CODE_TEXTS), rows: 5, wide: true, hint: "\\n stands for a line break within a text" },
      { name: "prose", label: "Prose, one text a line", kind: "lines", value: asLines(PROSE_TEXTS), rows: 5, wide: true },
      { name: "k", label: "Features to list", kind: "integer", value: CODE_SEARCH.k, min: 1, max: 200 },
    ],

    async run({ lab, model, signal, progress, values, use }) {
      /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
      const [code, prose] = [linesOf(values.code), linesOf(values.prose)];
      if (code.length < 2 || prose.length < 2) throw new PageError("LAB-BAD-SETTING", "There are too few texts to compare.", "Give at least two of code and two of prose, one a line.");
      const bench = { lab, model, signal, progress };
      const ranked = await rankCodeFeatures(bench, loaded.sae, { ...site(values, loaded), code, prose, k: values.k });
      const { features } = await extract(bench, loaded.sae, { ...site(values, loaded), text: CODE_TEXT });
      const later = from(features, 1);
      const width = later.shape[1];
      const most = Float32Array.from({ length: width }, (_, f) => {
        let best = 0;
        for (let i = 0; i < later.shape[0]; i += 1) best = Math.max(best, later.data[i * width + f]);
        return best;
      });
      const ofText = largest(most, 5).map(({ index, value }) => ({ feature: index, value }));
      return { value: { hook: loaded.hook, name: loaded.name, ranked, ofText, counts: { code: code.length, prose: prose.length } } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      printed.show([
        `code_text = ${JSON.stringify(CODE_TEXT)}`,
        `Top features for this text: ${value.ofText.map(({ feature, value: x }) => `#${feature}(${x.toFixed(2)})`).join(", ")}`,
        "Strong on one text is not yet a feature of code: the table asks which of all features prefer code to prose.",
      ]);
      show();
    },

    conclusion(/** @type {Value} */ { ranked: { features }, ofText, counts }) {
      const [best] = features;
      if (!best) return "No feature is active on these texts.";
      const top = ofText[0];
      const place = features.findIndex(({ feature }) => feature === top?.feature);
      return (
        `#${best.feature} ranks ${percent(best.auroc)} of ${counts.code * counts.prose} pairs rightly, where chance gives 50 %. ` +
        `The strongest on the cell's own text, #${top?.feature}, ${place < 0 ? `is not among the first ${features.length}` : `comes ${place === 0 ? "first" : `at place ${place + 1}`}`}. ` +
        `These are the texts that the ranking was made on; your answer is judged on others.`
      );
    },
    provenance: (value, values) => provenance(session, value, values),
    code: (values) => ({ javascript: snippets.codeJs(values), python: snippets.codePy(values) }),
  };
}

/** @param {Session} session @returns {import("../../ui/exercise.js").Exercise} */
export function codeExercise(session) {
  return {
    fields: () => [{ name: "feature", label: "Your feature", kind: "integer", wide: true, value: null, min: 0, hint: `accepted when it ranks ${percent(CODE_CHECK.threshold)} of pairs of texts rightly that are not shown here`, noReset: true }],
    async check({ feature }, signal) {
      const { lab, model } = session;
      const loaded = loadedOf(session);
      if (!lab || !model || !loaded) return { right: null, message: `Run step ${STEPS["load-sae"]} first: the answer is tried on its autoencoder.` };
      if (feature === null) return { right: null, message: "Give the number of a feature." };
      const { accepted, words } = await checkCodeFeature({ lab, model, signal }, loaded.sae, feature, site(conventionsOf(session).values, loaded));
      return { right: accepted, message: words };
    },
    solve() {
      const step = session.steps.get(STEPS["code-search"]);
      step?.settings.reset();
      void step?.start().then((ended) => {
        const best = /** @type {Value | undefined} */ (session.usable(STEPS["code-search"])?.value)?.ranked.features[0];
        if (ended && best) session.selectFeature(best.feature);
      });
    },
  };
}
