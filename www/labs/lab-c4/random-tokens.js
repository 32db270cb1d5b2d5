// @ts-check
// Part 3: random tokens beside the prompts, and where each row comes from.

import "../../ui/scatter-plot.js";
import { make } from "../../ui/dom.js";
import { count, counted, decimals, norm, number } from "../../ui/format.js";
import { ScatterPlot } from "../../ui/scatter-plot.js";
import { printedBox } from "../shared/printed.js";
import { byOrigin, collectData, concludeData, randomIds } from "../work/c4-data.js";
import { statsTable } from "./activations.js";
import { bench, tableFigure } from "./parts.js";
import { leavesOut, origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Acts} Acts */
/** @typedef {import("./activations.js").Value} Prompted */
/** @typedef {Awaited<ReturnType<typeof byOrigin>>} Origins */
/**
 * `prompted` rows are the prompts', `random` the others.
 * @typedef {{acts: Acts, handles: Acts[], origins: Origins, prompted: number, random: number, sequences: number, randomBos: boolean, hook: string, layer: number, center: boolean, prependBos: boolean, seed: number}} Value
 */

/** @param {{origin: string, position0: boolean}} group */
const groupName = ({ origin: from, position0 }) => `${from === "prompts" ? "prompts" : "random tokens"}${position0 ? ", position 0" : ""}`;

/** One position of each prompt, and all of each random sequence: the engine draws the sequences itself. @param {import("../../ui/step.js").Context} context @param {Prompted} prompted @returns {Promise<Acts>} */
function apart({ model, values, signal, progress }, { texts, hook, position }) {
  const { count, length, minId, maxId, prependBos, seed } = values;
  return model.collect(texts, {
    hook,
    position,
    prependBos,
    center: values.view === "tl",
    randomSequences: { count, length, minId, maxId },
    seed,
    signal,
    onProgress: (p) => {
      if (p.done !== undefined && p.total) progress(p.done, p.total, "sequences");
    },
  });
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function randomTokensStep(step) {
  const { session } = step;
  const printed = printedBox();
  const plot = make(ScatterPlot);
  const groups = tableFigure("rows-by-origin");
  const stats = tableFigure("all-activations");

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  const groupTable = ({ origins }) => ({
    caption: "Rows by where they come from",
    columns: [
      { key: "group", label: "rows of" },
      { key: "rows", label: "number", kind: "number", format: count },
      { key: "mean", label: "mean length", kind: "number" },
      { key: "max", label: "largest", kind: "number" },
    ],
    rows: origins.groups.map((group) => ({ group: groupName(group), rows: group.rows, mean: group.meanNorm, max: group.maxNorm })),
  });

  /** @param {Value} value */
  function picture({ origins }) {
    const { norms, random, position } = origins;
    const series = origins.groups.map((group) => {
      const own = [...norms.keys()].filter((row) => (random[row] === 1) === (group.origin === "random") && (position[row] === 0) === group.position0);
      return { label: groupName(group), x: own, y: own.map((row) => norms[row]) };
    });
    plot.show({
      name: "rows-by-origin-plot",
      caption: "The length of every row, by where it comes from",
      xLabel: "row of the data",
      yLabel: "length",
      yMin: 0,
      groups: series,
      summary: origins.groups.map((group) => `${groupName(group)}: ${counted(group.rows, "row")}, mean length ${norm(group.meanNorm)}`).join("; "),
      table: () => ({
        caption: "Every row",
        pageSize: 25,
        sortable: true,
        columns: [
          { key: "row", label: "row", kind: "number", format: count },
          { key: "from", label: "from" },
          { key: "position", label: "position", kind: "number", format: String },
          { key: "length", label: "length", kind: "number", format: number },
        ],
        rows: Array.from(norms, (length, row) => ({ row, from: random[row] ? "random tokens" : "prompts", position: position[row], length })),
      }),
    });
  }

  return {
    uses: [STEPS.prompts, STEPS.activations],
    conventions: ["prependBos", "view"],
    promise: "Run adds sequences of random tokens to the prompts' rows and shows the two kinds beside each other.",
    body: [printed.element, plot, groups.element, stats.element],
    fields() {
      const { dVocab, nCtx } = session.config;
      const { minId, maxId } = randomIds(dVocab);
      return [
        { name: "count", label: "Random sequences", kind: "integer", value: 50, min: 0, max: 2000, hint: "0: none" },
        { name: "length", label: "Length of each", kind: "integer", value: 20, min: 1, max: nCtx - 1, unit: "tokens" },
        { name: "randomBos", label: "A BOS token in front of them too", kind: "switch", value: false, hint: "the notebook has none" },
        {
          name: "minId",
          label: "Token ids from",
          kind: "integer",
          value: minId,
          min: 0,
          max: dVocab - 1,
          advanced: true,
          hint: dVocab > 40000 ? undefined : "the notebook's 1,000 to 39,999 need GPT-2's vocabulary; here all but single bytes and the end-of-text token",
        },
        { name: "maxId", label: "to", kind: "integer", value: maxId, min: 0, max: dVocab - 1, advanced: true, hint: "included" },
        { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
      ];
    },
    readout: ({ count: n, length, randomBos }) => (n > 0 && length > 0 ? `${counted(n * (length + (randomBos ? 1 : 0)), "row")} of random tokens` : null),
    async run(context) {
      const { values, use } = context;
      const { texts, layer, hook, position, acts: own } = /** @type {Prompted} */ (use(STEPS.activations));
      const center = values.view === "tl";
      const { prependBos, randomBos, minId, maxId, seed } = values;
      const acts = await (async () => {
        if (position !== "all" && values.count > 0) return apart(context, /** @type {Prompted} */ (use(STEPS.activations)));
        const common = { prompts: texts, layer, position, prependBos, center, randomCount: values.count, randomLength: values.length, minId, maxId, randomBos, seed };
        const { prompts, all } = await collectData(bench(context), common);
        if (prompts !== all) await prompts.dispose();
        return all;
      })();
      const origins = await byOrigin(/** @type {any} */ ({ all: acts, promptCount: texts.length }));
      return {
        value: {
          acts, handles: [acts], origins, prompted: own.stats.rows, random: acts.stats.rows - own.stats.rows, sequences: values.count, randomBos,
          hook, layer, center, prependBos, seed,
        },
      };
    },
    render(/** @type {Value} */ value) {
      const { acts } = value;
      const { width } = acts.stats;
      const from = leavesOut(session) && acts.stats.withoutPosition0.rows ? acts.stats.withoutPosition0 : acts.stats.all;
      printed.show([
        `Random activations: (${value.random}, ${width})`,
        "",
        `Total activations: (${acts.stats.rows}, ${width})`,
        `  Std: ${decimals(4)(from.std)}${from === acts.stats.all ? "" : ", position 0 left out"}`,
        `  Distinct rows: ${count(acts.stats.distinctRows)} of ${count(acts.stats.rows)}`,
      ]);
      picture(value);
      groups.show("Rows by where they come from", () => groupTable(value));
      stats.show("All rows, with position 0 and without", () => statsTable(acts.stats, value.center));
    },
    conclusion: (/** @type {Value} */ { acts, origins, randomBos, prependBos, sequences }) =>
      concludeData(acts.stats, origins.groups) +
      (sequences && prependBos !== randomBos ? ` At position 0 the prompts have ${prependBos ? "a BOS" : "a word"} and the random sequences ${randomBos ? "a BOS" : "an ordinary token"}: two distributions in one set.` : ""),
    provenance: (value) => origin(session, value),
    code: (values) => ({ javascript: javascript.randomTokens(values), python: python.randomTokens(values) }),
  };
}
