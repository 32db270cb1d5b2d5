// @ts-check
// The two models from several starts: which losses, and how often the notebook's conclusion about interference holds.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { isCancelled } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { decimals } from "../../ui/format.js";
import { STEPS } from "./steps.js";
import { deviation, meanOf, TOY_KINDS, trainToy } from "./toy-models.js";
import { toySnippets } from "./snippets-toy.js";

/** `one`, `three`: the notebook's example; `beyond`: interference in the mean over all sets. @typedef {{loss: number, one: number, three: number, beyond: number}} Outcome */
/** @typedef {{seed: number, notebook: Outcome, paper: Outcome}} SeedRow */
/** @typedef {{rows: SeedRow[], pca: {notebook: number, paper: number}, values: Record<string, any>}} Value */

const four = decimals(4);
const holds = (/** @type {Outcome} */ { one, three }) => three > one;

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function toySeedsStep(step) {
  const sides = TOY_KINDS.map((kind) => ({ ...kind, table: make(DataTable), figure: make(LabFigure) }));
  /** @type {SeedRow[]} */ let shown = [];

  /** @param {"notebook" | "paper"} key @returns {import("../../ui/data-table.js").Table} */
  const numbers = (key) => {
    const of = (/** @type {"loss" | "one" | "three"} */ field) => shown.map((row) => row[key][field]);
    const summary = (/** @type {string} */ name, /** @type {(list: number[]) => number} */ figure) => ({ seed: name, loss: figure(of("loss")), one: figure(of("one")), three: figure(of("three")) });
    return {
      caption: "Each row is a training",
      columns: [
        { key: "seed", label: "seed" },
        { key: "loss", label: "loss", kind: "number", format: four },
        { key: "one", label: "0 alone", kind: "number", format: decimals(3) },
        { key: "three", label: "0, 1, 2", kind: "number", format: decimals(3) },
        { key: "holds", label: "more?" },
      ],
      rows: [
        ...shown.map((row) => ({ seed: String(row.seed), loss: row[key].loss, one: row[key].one, three: row[key].three, holds: holds(row[key]) ? "yes" : "no" })),
        { ...summary("mean", meanOf), holds: `${shown.filter((row) => holds(row[key])).length} of ${shown.length}` },
        { ...summary("±", deviation), holds: "" },
      ],
    };
  };

  return {
    uses: [STEPS.toy],
    anyModel: true,
    promise: "Run trains both models from eight seeds and puts losses and interference in a table.",
    body: [h("div", { class: "side-by-side" }, sides.map(({ figure }) => figure))],
    fields: () => [{ name: "count", label: "Seeds", kind: "integer", value: 8, min: 2, max: 64, hint: "counted on from the seed above" }],

    async run(context) {
      const { lab, values, signal, progress, live, use } = context;
      const settings = use(STEPS.toy).values;
      const size = Math.min(3, settings.nFeatures);
      /** @type {Value} */ const value = { rows: [], pca: { notebook: NaN, paper: NaN }, values: settings };
      try {
        for (let k = 0; k < values.count; k += 1) {
          const seed = (settings.seed + k) >>> 0;
          /** @type {Record<string, Outcome>} */ const outcomes = {};
          for (const kind of TOY_KINDS) {
            const run = await trainToy(context, kind, { ...settings, seed });
            const [one, many] = await lab.toy.interference(run.instance, run.model, { sizes: [1, size], signal });
            outcomes[kind.key] = { loss: run.instance.finalLoss, one: one.example.error, three: many.example.error, beyond: many.mean - many.additive };
            value.pca[kind.key] = run.instance.pcaLoss;
            progress(2 * k + (kind.key === "paper" ? 2 : 1), 2 * values.count, "trainings");
          }
          value.rows.push({ seed, notebook: outcomes.notebook, paper: outcomes.paper });
          live(value);
        }
      } catch (error) {
        if (!isCancelled(error) || value.rows.length < 2) throw error;
        return { value, stopped: `Stopped after ${value.rows.length} of ${values.count} seeds; those stand below.` };
      }
      return { value };
    },

    render(/** @type {Value} */ { rows }) {
      shown = rows;
      for (const { key, title, table, figure } of sides) {
        table.show(numbers(key));
        figure.show({ name: `seeds-${key}`, caption: title, body: [table], table: () => numbers(key) });
      }
    },

    conclusion(/** @type {Value} */ { rows, pca }) {
      const [a, b] = TOY_KINDS.map(({ key }) => rows.map((row) => row[key].loss));
      const [failsA, failsB] = TOY_KINDS.map(({ key }) => rows.filter((row) => !holds(row[key])).length);
      const held = (/** @type {number} */ fails) => `${rows.length - fails} of ${rows.length}`;
      const beyond = (/** @type {"notebook" | "paper"} */ key) => {
        const list = rows.map((row) => row[key].beyond);
        const [more, whose] = [list.filter((x) => x > 0).length, key === "notebook" ? "runs of the notebook's model" : "of the paper's"];
        return `${more} of ${rows.length} ${whose} (${decimals(3)(meanOf(list)).replace(/^−(0\.0+)$/, "$1")} in the mean)`;
      };
      return (
        `The notebook's model: ${four(meanOf(a))} ± ${four(deviation(a))}, whatever the start; the PCA bound is ${four(pca.notebook)}. ` +
        `The paper's: from ${four(Math.min(...b))} to ${four(Math.max(...b))}, against ${four(pca.paper)}. ` +
        `That features 0, 1 and 2 together cost more than feature 0 alone holds in ${held(failsA)} runs of the notebook's model and in ${held(failsB)} of the paper's. ` +
        `Set against what the features lose one by one, three at once cost more in ${beyond("notebook")} and in ${beyond("paper")}.${
          rows.some((row) => row.notebook.beyond < 0) ? " Where they cost less, what one feature spills onto another's output happens to help." : ""
        }`
      );
    },
    provenance: (/** @type {Value} */ { rows }) => `toy models · seeds ${rows[0]?.seed ?? ""} to ${rows.at(-1)?.seed ?? ""}`,
    code: (values) => toySnippets.seeds(values, step.session.usable(STEPS.toy)?.value.values),
  };
}
