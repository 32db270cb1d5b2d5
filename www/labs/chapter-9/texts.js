// @ts-check
// Cell 11: one feature on several texts, with the notebook's bars and with bars that fit.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { fill, h, make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { inline } from "../../ui/format.js";
import { TEST_TEXTS } from "../texts/chapter9.js";
import { BARS, barLengths, concludeBars, featureOnTexts } from "../work/activation-bars.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets.js";
import { asLines, conventionsOf, featureField, followFeature, linesOf, piece, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../work/activation-bars.js").TextActivation} TextActivation */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("./strongest.js").Strongest} Strongest */
/** @typedef {{feature: number, rows: TextActivation[]}} Tested */
/** @typedef {{hook: string, name: string, tested: Tested, notebook: Tested | null}} Value  `notebook`: the feature of cell 10, when that is another one */

/** @param {LabStep} step @returns {Definition} */
export function texts(step) {
  const { session } = step;
  const boxes = h("div", {});
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  followFeature(step);

  const skips = () => conventionsOf(session).values.skipPosition0;
  /** What counts on a text, by the page's switch. @param {TextActivation} row */
  const value = ({ all, withoutPosition0 }) => (skips() ? (withoutPosition0?.activation ?? 0) : all.activation);

  /** The cell's lines, once with its own bars and once with bars that are scaled. @param {Tested} tested @param {string} title */
  function bars({ feature, rows }, title) {
    const activations = rows.map(value);
    const { notebook, scaled } = barLengths(activations);
    const box = (/** @type {string} */ name, /** @type {number[]} */ lengths) => {
      const printed = printedBox();
      printed.element.classList.add("unbounded");
      printed.show([
        `Testing feature #${feature}:`,
        "",
        ...rows.map(({ text }, i) => `${activations[i].toFixed(2).padStart(5)} ${"█".repeat(Math.min(lengths[i], 2000)).padEnd(BARS.width)} ${inline(text, BARS.shownCharacters)}`),
      ]);
      return h("div", {}, h("h4", {}, name), printed.element);
    };
    return [
      h("h4", {}, title),
      box(`The notebook's bars: ${BARS.perUnit} characters for each unit, without a bound`, notebook),
      box(`Scaled: ${BARS.width} characters for the largest`, scaled),
    ];
  }

  /** @returns {import("../../ui/data-table.js").Table} */
  const peaks = () => ({
    caption: "Where on each text",
    columns: [
      { key: "text", label: "text" },
      ...(shown?.notebook ? /** @type {const} */ ([{ key: "feature", label: "feature" }]) : []),
      { key: "all", label: "activation", kind: "number" },
      { key: "token", label: "on", kind: "token" },
      { key: "position", label: "position", kind: "number", format: String },
      { key: "rest", label: "without pos. 0", kind: "number" },
    ],
    rows: [shown?.tested, shown?.notebook].flatMap((tested) =>
      (tested?.rows ?? []).map(({ text, all, withoutPosition0: rest }) => {
        const found = all.activation > 0;
        return { feature: `#${tested?.feature}`, text: inline(text, 44), all: all.activation, token: found ? piece(session, all.token) : "", position: found ? all.position : null, rest: rest?.activation ?? null };
      }),
    ),
  });

  return {
    uses: [STEPS["load-sae"]],
    needs: () => (step.settings.values().feature === null ? [STEPS["load-sae"], STEPS["most-active"]] : [STEPS["load-sae"]]),
    conventions: READING,
    promise: "Run reads each text and shows the feature's largest activation on it as a bar.",
    body: [boxes, figure],
    fields: () => [
      { name: "texts", label: "Texts, one a line", kind: "lines", value: asLines(TEST_TEXTS), rows: 6, wide: true, hint: "\\n stands for a line break within a text" },
      featureField(session),
    ],

    async run({ lab, model, signal, progress, values, use }) {
      /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
      const { feature } = values;
      session.selectFeature(feature);
      const options = { ...site(values, loaded), texts: linesOf(values.texts) };
      if (!options.texts.length) throw new PageError("LAB-BAD-SETTING", "There is no text.", "Write one, or reset the setting.");
      const bench = { lab, model, signal, progress };
      const tested = { feature, rows: await featureOnTexts(bench, loaded.sae, { ...options, feature }) };
      const other = /** @type {Strongest | undefined} */ (session.usable(STEPS["most-active"])?.value)?.all?.feature;
      const notebook = other === undefined || other === feature ? null : { feature: other, rows: await featureOnTexts(bench, loaded.sae, { ...options, feature: other }) };
      return { value: { hook: loaded.hook, name: loaded.name, tested, notebook } };
    },

    render(/** @type {Value} */ found) {
      shown = found;
      fill(boxes, bars(found.tested, `Feature #${found.tested.feature}${skips() ? ", position 0 left out" : ""}`), found.notebook ? bars(found.notebook, `#${found.notebook.feature}, which the notebook's cell 10 would test`) : null);
      table.show(peaks());
      figure.show({ name: `feature-${found.tested.feature}-on-texts`, caption: "The token that carries each bar", body: [table], table: peaks });
    },

    conclusion: (/** @type {Value} */ { tested, notebook }) => `#${tested.feature}: ${concludeBars(tested)}${notebook ? ` #${notebook.feature}: ${concludeBars(notebook)}` : ""}`,
    provenance: (found, values) => provenance(session, found, values),
    code: (values) => ({ javascript: snippets.textsJs(values, session.feature), python: snippets.textsPy(values, session.feature) }),
  };
}
