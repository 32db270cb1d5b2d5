// @ts-check
// Part 3: the residual stream at every token of the prompts.

import { count, counted, decimals, norm, number, percent, rough } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { residPost } from "../work/bench.js";
import { tableFigure } from "./parts.js";
import { leavesOut, origin, place } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Acts} Acts */
/** @typedef {import("../../ui/types.js").Norms} Norms */
/** @typedef {{acts: Acts, handles: Acts[], texts: string[], layer: number, hook: string, center: boolean, prependBos: boolean, position: "all" | "last" | "random", seed: number}} Value */

/** @type {{key: keyof Norms, label: string}[]} */
const quantities = [
  { key: "rows", label: "rows" },
  { key: "mean", label: "mean of all numbers" },
  { key: "std", label: "standard deviation" },
  { key: "meanNorm", label: "mean length of a row" },
  { key: "medianNorm", label: "median length" },
  { key: "maxNorm", label: "largest length" },
];

/** Rows, means and lengths with position 0 and without. @param {Acts["stats"]} stats @param {boolean} center @returns {import("../../ui/data-table.js").Table} */
export function statsTable(stats, center) {
  // with each row's mean taken out nothing but rounding is left of the mean of all
  const shown = (/** @type {number} */ x, /** @type {import("../../ui/data-table.js").Row} */ row) =>
    row.what === "rows" ? count(x) : row.what === "mean of all numbers" && center && Math.abs(x) < 1e-6 ? "0" : number(x);
  return {
    caption: "The rows, with position 0 and without",
    columns: [
      { key: "what", label: "" },
      { key: "all", label: "all", kind: "number", format: shown },
      { key: "rest", label: "without position 0", kind: "number", format: shown },
    ],
    rows: quantities.map(({ key, label }) => ({ what: label, all: stats.all[key], rest: stats.withoutPosition0.rows ? stats.withoutPosition0[key] : null })),
  };
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function activationsStep(step) {
  const { session } = step;
  const printed = printedBox();
  const figure = tableFigure("activations");
  return {
    uses: [STEPS.prompts],
    conventions: ["prependBos", "view"],
    promise: "Run reads one vector per token and says what the data look like.",
    body: [printed.element, figure.element],
    fields() {
      const { nLayers } = session.config;
      return [
        { name: "layer", label: "Layer", kind: "integer", value: Math.min(6, nLayers - 1), min: 0, max: nLayers - 1, hint: "the residual stream after this block" },
        {
          name: "position",
          label: "Positions",
          kind: "choice",
          value: "all",
          options: [
            { value: "all", label: "all" },
            { value: "last", label: "the last of each prompt" },
            { value: "random", label: "a random one of each prompt" },
          ],
        },
        { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", hint: "for the random positions", advanced: true },
      ];
    },
    async run({ model, values, signal, progress, use }) {
      const { texts } = /** @type {import("./prompts.js").Value} */ (use(STEPS.prompts));
      const { layer, position, prependBos, seed } = values;
      const center = values.view === "tl";
      const hook = residPost(layer);
      const acts = await model.collect(texts, {
        hook,
        position,
        prependBos,
        center,
        seed,
        signal,
        onProgress: (p) => {
          if (p.done !== undefined && p.total) progress(p.done, p.total, "prompts");
        },
      });
      return { value: { acts, handles: [acts], texts, layer, hook, center, prependBos, position, seed } };
    },
    render(/** @type {Value} */ { acts, hook, center }) {
      const { stats } = acts;
      const from = leavesOut(session) && stats.withoutPosition0.rows ? stats.withoutPosition0 : stats.all;
      const mean = center && Math.abs(from.mean) < 1e-6 ? 0 : from.mean;
      printed.show([
        `Collected activations: (${from.rows}, ${stats.width})   at ${place(session, hook)}${from === stats.all ? "" : ", position 0 left out"}`,
        `Activation stats:`,
        `  Mean: ${decimals(4)(mean)}${center ? "   (TransformerLens takes each row's mean out)" : ""}`,
        `  Std: ${decimals(4)(from.std)}`,
        `  Distinct rows: ${count(stats.distinctRows)} of ${count(stats.rows)}`,
      ]);
      figure.show("The rows, with position 0 and without", () => statsTable(stats, center));
    },
    conclusion(/** @type {Value} */ { acts, texts, position }) {
      const { all, withoutPosition0: rest, distinctRows, rows } = acts.stats;
      const first = all.rows - rest.rows;
      const said = [];
      if (distinctRows < rows) said.push(`${counted(rows - distinctRows, "row")} ${rows - distinctRows === 1 ? "repeats" : "repeat"} another: the same tokens up to a place give the same vector.`);
      if (first && rest.rows) {
        const firstMean = (all.meanNorm * all.rows - rest.meanNorm * rest.rows) / first;
        const times = firstMean / rest.meanNorm;
        said.push(
          `Position 0 is ${percent(first / all.rows)} of the rows, of length ${norm(firstMean)} against ${norm(rest.meanNorm)} elsewhere` +
            (times > 2
              ? `, ${rough(times)} times as long: every mean over all rows is largely about it.`
              : times > 1.1
                ? `: longer, but mildly so. In GPT-2 small the ratio is about thirty.`
                : `: no longer than others in this model. In GPT-2 small it is about thirty times as long.`),
        );
      } else if (!first) said.push("None of these rows stands at position 0.");
      if (position !== "all") said.push(`With one row for each of ${counted(texts.length, "prompt")} there is little to learn from; the notebook trains on all positions.`);
      return said.join(" ") || "Every row is different from every other.";
    },
    provenance: (value) => origin(session, { ...value, seed: value.position === "random" ? value.seed : undefined }),
    code: (values) => ({ javascript: javascript.activations(values), python: python.activations(values) }),
  };
}
