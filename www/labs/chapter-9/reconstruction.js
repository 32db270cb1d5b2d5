// @ts-check
// Cell 12: how near the autoencoder's output comes to the vectors, by MSE and by four figures that go by one name.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { number } from "../../ui/format.js";
import { RECONSTRUCTION_TEXT } from "../texts/chapter9.js";
import { concludeReconstruction, EXPLAINED_VARIANCES, explainedVariances, reconstruction as reconstruct } from "../work/reconstruction.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets.js";
import { asLines, conventionsOf, linesOf, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../engine/types.js").Figures} Figures */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("../work/reconstruction.js").Reconstruction & {hook: string, name: string}} Value */

const share = (/** @type {number | null | undefined} */ x) => (x === null || x === undefined ? "–" : `${(100 * x).toFixed(1)}%`.replace("-", "−"));

/** @param {LabStep} step @returns {Definition} */
export function reconstruction(step) {
  const { session } = step;
  const panels = [0, 1].map(() => ({ title: h("h4", {}), printed: printedBox() }));
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;

  /** The formula that the page's switch puts first. */
  const first = () => {
    const { ev } = conventionsOf(session).values;
    return EXPLAINED_VARIANCES.find(({ key }) => key === ev) ?? EXPLAINED_VARIANCES[0];
  };

  /** @returns {import("../../ui/data-table.js").Table} */
  const evTable = () => {
    const { key } = first();
    const rows = shown ? explainedVariances(shown) : [];
    return {
      caption: "Explained variance, four ways",
      columns: [
        { key: "name", label: "explained variance" },
        { key: "all", label: "all", kind: "number", format: share },
        { key: "rest", label: "without pos. 0", kind: "number", format: share },
        { key: "formula", label: "formula" },
        { key: "why", label: "why it differs", kind: "prose" },
      ],
      rows: [...rows.filter((ev) => ev.key === key), ...rows.filter((ev) => ev.key !== key)].map((ev) => ({ name: ev.name, all: ev.all, rest: ev.withoutPosition0, formula: ev.formula, why: ev.why })),
    };
  };

  return {
    uses: [STEPS["load-sae"]],
    conventions: READING,
    promise: "Run encodes and decodes the text's vectors and measures what is lost.",
    body: [h("div", { class: "side-by-side pair" }, panels.map(({ title, printed }) => h("div", {}, title, printed.element))), figure],
    fields: () => [{ name: "texts", label: "Text, or several, one a line", kind: "lines", value: asLines([RECONSTRUCTION_TEXT]), rows: 2, wide: true }],

    async run({ lab, model, signal, progress, values, use }) {
      /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
      const texts = linesOf(values.texts);
      if (!texts.length) throw new PageError("LAB-BAD-SETTING", "There is no text.", "Write one, or reset the setting.");
      const found = await reconstruct({ lab, model, signal, progress }, loaded.sae, { ...site(values, loaded), texts });
      return { value: { ...found, hook: loaded.hook, name: loaded.name } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const { key, name } = first();
      const lines = (/** @type {Figures | null} */ figures) =>
        figures
          ? [
              "Reconstruction quality:",
              `  MSE: ${figures.meanMse.toFixed(4)}`,
              `  Explained variance: ${share(figures[key])} (${name})`,
              `  Active features: ${number(figures.l0)} at a position, ${figures.rows} positions`,
            ]
          : ["There is no other position."];
      const both = /** @type {[string, Figures | null][]} */ ([
        ["All positions, as in the notebook", value.all],
        ["Without position 0", value.withoutPosition0],
      ]);
      (conventionsOf(session).values.skipPosition0 ? both.toReversed() : both).forEach(([title, figures], i) => {
        panels[i].title.textContent = title;
        panels[i].printed.show(lines(figures));
      });
      table.show(evTable());
      figure.show({ name: "explained-variance", caption: "One name, four formulas", body: [table], table: evTable });
    },

    conclusion(/** @type {Value} */ value) {
      const few = value.all.distinctRows < 2 * (loadedWidth() ?? 0) ? ` ${value.all.distinctRows} distinct vectors are far too few to judge an autoencoder by: give it more text.` : "";
      return concludeReconstruction(value) + few;
    },
    provenance: (value, values) => provenance(session, value, values),
    code: (values) => ({ javascript: snippets.reconstructionJs(values), python: snippets.reconstructionPy(values) }),
  };

  function loadedWidth() {
    return /** @type {Loaded | undefined} */ (session.results.get(STEPS["load-sae"])?.value)?.sae.config.dIn;
  }
}
