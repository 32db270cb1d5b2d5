// @ts-check
// Exercise 3: active features against explained variance, over texts, and within one text with all else equal.

import "../../ui/curve-plot.js";
import "../../ui/data-table.js";
import "../../ui/figure.js";
import "../../ui/scatter-plot.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { make } from "../../ui/dom.js";
import { isCancelled, PageError } from "../../ui/errors.js";
import { count, decimals, inline, percent, rough } from "../../ui/format.js";
import { ScatterPlot } from "../../ui/scatter-plot.js";
import { TRADE_OFF_TEXTS } from "../texts/chapter9.js";
import { rankCorrelation } from "../work/auroc.js";
import { EXPLAINED_VARIANCES, reconstruction } from "../work/reconstruction.js";
import { acrossLevels, concludeTradeOff } from "../work/trade-off.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets-exercises.js";
import { asLines, conventionsOf, linesOf, loadedOf, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../engine/types.js").Figures} Figures */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("../work/trade-off.js").LevelPoint} LevelPoint */
/** @typedef {{text: string, all: Figures, withoutPosition0: Figures | null}} Measured */
/** @typedef {{hook: string, name: string, measured: Measured[], levels: LevelPoint[], levelText: string}} Value */
/** @typedef {{x: (number | null)[], y: (number | null)[], correlation: number | null, chance: number, n: number}} Relation */

/** Active features and explained variance by the page's switches, and their rank correlation. @param {Session} session @param {Value} value @returns {Relation} */
function relation(session, { measured }) {
  const { ev, skipPosition0 } = conventionsOf(session).values;
  const figures = measured.map(({ all, withoutPosition0 }) => (skipPosition0 ? withoutPosition0 : all));
  const x = figures.map((f) => f?.l0 ?? null),
    y = figures.map((f) => f?.[ev] ?? null);
  const known = figures.filter((f) => f && f[ev] !== null);
  const correlation = rankCorrelation(known.map((f) => f?.l0 ?? 0), known.map((f) => f?.[ev] ?? 0));
  // two standard errors of a rank correlation where there is no relation
  return { x, y, correlation, chance: 2 / Math.sqrt(Math.max(known.length - 1, 1)), n: known.length };
}

/** @param {LabStep} step @returns {Definition} */
export function tradeOff(step) {
  const { session } = step;
  const printed = printedBox();
  const scatter = make(ScatterPlot),
    curve = make(CurvePlot);

  const evName = () => EXPLAINED_VARIANCES.find(({ key }) => key === conventionsOf(session).values.ev)?.name ?? "";

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  const textTable = (value) => {
    const { x, y } = relation(session, value);
    return {
      caption: "Text by text",
      sortable: true,
      columns: [
        { key: "text", label: "text", kind: "prose" },
        { key: "rows", label: "positions", kind: "number", format: count },
        { key: "l0", label: "active features", kind: "number" },
        { key: "ev", label: `explained, ${evName()}`, kind: "number", format: percent },
      ],
      rows: value.measured.map(({ text, all }, i) => ({ text: inline(text), rows: all.rows, l0: x[i], ev: y[i] })),
    };
  };

  return {
    uses: [STEPS["load-sae"]],
    conventions: READING,
    promise: "Run measures each text, plots active features against explained variance, and thins out the features of one text.",
    body: [printed.element, scatter, curve],
    fields: () => [{ name: "texts", label: "Texts, one a line", kind: "lines", value: asLines(TRADE_OFF_TEXTS), rows: 8, wide: true, hint: "\\n stands for a line break within a text; the longest of them is thinned out" }],

    async run({ lab, model, signal, progress, values, use }) {
      /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
      const texts = linesOf(values.texts);
      if (texts.length < 4) throw new PageError("LAB-BAD-SETTING", "There are too few texts for a correlation.", "Give at least four, one a line.");
      const bench = { lab, model, signal };
      /** @type {Measured[]} */ const measured = [];
      /** @type {Value} */ const value = { hook: loaded.hook, name: loaded.name, measured, levels: [], levelText: texts.reduce((longest, text) => (text.length > longest.length ? text : longest), "") };
      try {
        for (const [i, text] of texts.entries()) {
          signal.throwIfAborted();
          const { all, withoutPosition0 } = await reconstruction(bench, loaded.sae, { ...site(values, loaded), texts: [text] });
          measured.push({ text, all, withoutPosition0 });
          progress(i + 1, texts.length, "texts");
        }
        value.levels = await acrossLevels(bench, loaded.sae, { ...site(values, loaded), text: value.levelText });
      } catch (error) {
        if (!isCancelled(error) || measured.length < 4) throw error;
        return { value, stopped: `Stopped after ${measured.length} of ${texts.length} texts; these are kept.` };
      }
      return { value };
    },

    render(/** @type {Value} */ value) {
      const { x, y, correlation, chance, n } = relation(session, value);
      const where = conventionsOf(session).values.skipPosition0 ? "position 0 left out" : "all positions";
      printed.show([
        `${n} texts, ${where}, explained variance: ${evName()}`,
        `Rank correlation of active features and explained variance: ${correlation === null ? "none" : decimals(3)(correlation)}`,
        `Without any relation it would lie between ±${chance.toFixed(2)} nineteen times in twenty.`,
      ]);
      scatter.show({
        name: "sparsity-and-reconstruction",
        caption: `Text by text, ${where}`,
        xLabel: "active features at a position",
        yLabel: "explained variance",
        groups: [{ label: "texts", x, y, names: value.measured.map(({ text }) => inline(text, 40)) }],
        table: () => textTable(value),
      });
      curve.hidden = value.levels.length === 0;
      curve.show({
        name: "features-kept",
        caption: `One text, “${inline(value.levelText, 40)}”, with only the strongest features of each position kept; position 0 left out, per dimension`,
        xLabel: "features kept at a position",
        yLabel: "explained variance",
        xLog: true,
        lines: [{ label: "explained", x: value.levels.map(({ l0 }) => l0), y: value.levels.map(({ ev }) => ev), markers: true }],
      });
    },

    conclusion(/** @type {Value} */ value) {
      const { ev } = conventionsOf(session).values;
      const points = value.measured.map(({ text, all, withoutPosition0: rest }) => ({
        text,
        rows: all.rows,
        l0: all.l0,
        mse: all.meanMse,
        ev: all[ev],
        withoutPosition0: rest && { l0: rest.l0, mse: rest.meanMse, ev: rest[ev] },
      }));
      const { correlation } = relation(session, value);
      return concludeTradeOff({ texts: { points, correlation, correlationWithoutPosition0: correlation }, levels: value.levels });
    },
    provenance: (value, values) => provenance(session, value, values),
    code: (values) => ({ javascript: snippets.tradeOffJs(values), python: snippets.tradeOffPy(values) }),
  };
}

/** @param {Session} session @returns {import("../../ui/exercise.js").Exercise} */
export function tradeOffExercise(session) {
  const choose = { value: "", label: "choose" };
  return {
    fields: () => [
      {
        name: "across",
        label: "Over these texts, where more features are active …",
        kind: "choice",
        wide: true,
        value: "",
        options: [choose, { value: "more", label: "more is explained" }, { value: "less", label: "less is explained" }, { value: "chance", label: "neither, beyond what chance gives" }],
      },
      {
        name: "within",
        label: "Within one text, the more features are kept …",
        kind: "choice",
        wide: true,
        value: "",
        options: [choose, { value: "more", label: "the more is explained" }, { value: "less", label: "the less is explained" }, { value: "none", label: "it makes no difference" }],
      },
      {
        name: "why",
        label: "Which of the two shows the autoencoder's trade-off?",
        kind: "choice",
        wide: true,
        value: "",
        options: [choose, { value: "across", label: "the plot over texts" }, { value: "within", label: "the curve within one text" }],
      },
    ],
    check({ across, within, why }) {
      const value = /** @type {Value | undefined} */ (session.usable(STEPS["trade-off"])?.value);
      if (!value || !loadedOf(session)) return { right: null, message: `Run step ${STEPS["trade-off"]} first: the answers are judged by its figures.` };
      if ([across, within, why].includes("")) return { right: null, message: "Answer all three questions." };
      const { correlation, chance, n } = relation(session, value);
      const r = correlation ?? 0;
      const measured = Math.abs(r) < chance ? "chance" : r > 0 ? "more" : "less";
      const [first, last] = [value.levels[0], value.levels.at(-1)];
      const gain = (last?.ev ?? 0) - (first?.ev ?? 0);
      const kept = Math.abs(gain) < 0.01 ? "none" : gain > 0 ? "more" : "less";
      const wrong = [
        across !== measured ? `Over the texts the rank correlation is ${decimals(2)(r)}; with ${n} texts anything within ±${chance.toFixed(2)} is what chance gives.` : "",
        within !== kept ? `Keeping ${rough(first?.l0 ?? 0)} at a position explains ${percent(first?.ev ?? 0)}, keeping ${rough(last?.l0 ?? 0)} explains ${percent(last?.ev ?? 0)}.` : "",
        why === "across" ? "Over texts two things change at once: how many features are active, and how hard the text is. Only within one text all else is equal." : "",
      ].filter(Boolean);
      return wrong.length ? { right: false, message: wrong.join(" ") } : { right: true, message: `Over texts the rank correlation is ${decimals(2)(r)} (chance: ±${chance.toFixed(2)}); within one text, ${percent(first?.ev ?? 0)} rises to ${percent(last?.ev ?? 0)} as more features are kept.` };
    },
    solve() {
      session.steps.get(STEPS["trade-off"])?.settings.reset();
    },
  };
}
