// @ts-check
// Which features of a larger autoencoder point the way of which of the smaller, beside two that were never trained.

import "../../ui/bar-plot.js";
import "../../ui/data-table.js";
import "../../ui/figure.js";
import { BarPlot } from "../../ui/bar-plot.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { count, decimals } from "../../ui/format.js";
import { using } from "../work/bench.js";
import { week7Sae } from "../work/week7-training.js";
import { benchOf } from "./fields.js";
import { compareSnippets } from "./snippets-compare.js";
import { STEPS } from "./steps.js";
import { meanOf } from "./toy-models.js";

/** @typedef {{feature: number, children: {feature: number, cosine: number}[]}} Family */
/** @typedef {{small: number, large: number, mean: number, chance: number, above: number, aboveByChance: number, split: number, families: Family[]}} Pair `above`: features of the larger one with a cosine above the threshold; `split`: features of the smaller one that are nearest to two of these */
/** @typedef {{pairs: Pair[], edges: number[], counts: number[], chanceCounts: number[], threshold: number, seed: number}} Value */

const two = decimals(2);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function splittingStep(step) {
  const { session } = step;
  const [table, figure, families, familiesFigure, bars] = [make(DataTable), make(LabFigure), make(DataTable), make(LabFigure), make(BarPlot)];
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const numbers = () => ({
    caption: "Nearest decoder rows",
    columns: [
      { key: "pair", label: "sizes" },
      { key: "mean", label: "mean of best", kind: "number", format: two },
      { key: "chance", label: "untrained", kind: "number", format: two },
      { key: "above", label: `above ${shown?.threshold}`, kind: "number", format: count },
      { key: "aboveByChance", label: "untrained", kind: "number", format: count },
      { key: "split", label: "split", kind: "number", format: count },
    ],
    rows: (shown?.pairs ?? []).map(({ small, large, mean, chance, above, aboveByChance, split }) => ({ pair: `${count(large)} in ${count(small)}`, mean, chance, above, aboveByChance, split })),
  });
  /** @returns {import("../../ui/data-table.js").Table} */
  const familyTable = () => ({
    caption: "Features of the smaller one with the most relatives in the larger",
    columns: [
      { key: "pair", label: "sizes" },
      { key: "feature", label: "feature" },
      { key: "n", label: "relatives", kind: "number", format: String },
      { key: "children", label: "which, with cosine" },
    ],
    rows: (shown?.pairs ?? []).flatMap(({ small, large, families: of }) =>
      of.slice(0, 5).map(({ feature, children }) => ({
        pair: `${count(large)} in ${count(small)}`,
        feature: `F${feature}`,
        n: children.length,
        children: children.slice(0, 6).map((child) => `F${child.feature} ${two(child.cosine)}`).join(", "),
      })),
    ),
  });

  return {
    uses: [STEPS.capacity],
    promise: "Run compares the decoder rows of neighbouring sizes, and the same for autoencoders that were never trained.",
    body: [figure, bars, familiesFigure],
    fields: () => [{ name: "threshold", label: "Related from a cosine of", kind: "number", value: 0.5, min: 0, max: 1 }],

    async run(context) {
      const { lab, signal, values, use, progress } = context;
      const { saes, results, seed } = /** @type {import("./capacity.js").Value} */ (use(STEPS.capacity));
      if (saes.length < 2) throw new PageError("LAB-BAD-SETTING", "There is one size only, so there is nothing to compare.", "Give two or more expansions in the step before, and run it again.");
      const bench = benchOf(context);
      const { threshold } = values;
      /** @type {Pair[]} */ const pairs = [];
      /** @type {Value} */ const value = { pairs, edges: [], counts: [], chanceCounts: [], threshold, seed };
      for (let i = 0; i + 1 < saes.length; i += 1) {
        const match = await lab.analysis.matching(saes[i], saes[i + 1], { k: 1, signal });
        const dIn = saes[i].config.dIn;
        const untrained = async (/** @type {number} */ k) => (await week7Sae(bench, { dIn, dSae: saes[k].config.dSae, seed: seed + 7001 + k })).sae;
        const random = await using(await untrained(i), async (a) => using(await untrained(i + 1), (b) => lab.analysis.matching(a, b, { k: 1, signal })));
        const related = familiesOf(match, threshold);
        pairs.push({
          small: results[i].capacity,
          large: results[i + 1].capacity,
          mean: meanOf(match.best),
          chance: meanOf(random.best),
          above: match.best.filter((c) => c >= threshold).length,
          aboveByChance: random.best.filter((c) => c >= threshold).length,
          split: related.filter(({ children }) => children.length > 1).length,
          families: related.filter(({ children }) => children.length > 1),
        });
        value.edges = match.histogram.edges;
        value.counts = added(value.counts, match.histogram.counts);
        value.chanceCounts = added(value.chanceCounts, random.histogram.counts);
        progress(i + 1, saes.length - 1, "pairs of sizes");
      }
      return { value };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      table.show(numbers());
      figure.show({ name: "matching", caption: "How near the nearest feature is", body: [table], table: numbers });
      const both = value.counts.map((n, i) => n + value.chanceCounts[i]);
      const [from, to] = [Math.max(0, both.findIndex((n) => n > 0)), both.findLastIndex((n) => n > 0) + 1];
      bars.show({
        name: "best-cosines",
        caption: "Best cosine of each feature of the larger autoencoder",
        xLabel: "cosine",
        yLabel: "features",
        edges: value.edges.slice(from, to + 1),
        series: [
          { label: "trained", values: value.counts.slice(from, to) },
          { label: "untrained", values: value.chanceCounts.slice(from, to) },
        ],
      });
      familiesFigure.hidden = !value.pairs.some(({ families: of }) => of.length);
      families.show(familyTable());
      familiesFigure.show({ name: "families", caption: "Families", body: [families], table: familyTable });
    },

    conclusion(/** @type {Value} */ { pairs, threshold }) {
      const told = pairs.map(({ small, large, mean, chance }) => `${count(large)} in ${count(small)}: ${two(mean)} against ${two(chance)} untrained`).join("; ");
      const beyond = pairs.some(({ mean, chance }) => mean > chance + 0.05);
      const split = pairs.reduce((sum, pair) => sum + pair.split, 0);
      const byChance = pairs.every(({ above, aboveByChance, large }) => above - aboveByChance < 0.02 * large);
      return (
        `Mean of the best cosines: ${told}. ` +
        (beyond && split > 0 && !byChance
          ? `Sizes share directions beyond chance, and ${count(split)} features of the smaller ones have two or more relatives above ${two(threshold)}: candidates for splitting. Look at the examples of both before calling it that.`
          : `That is ${beyond ? "a little more than" : "about what"} autoencoders reach that have learnt nothing: trained so briefly, on so few rows, they have ${byChance ? "no" : "few"} features in common, and splitting cannot be seen. Train longer, with a larger coefficient and on more text.`)
      );
    },
    provenance: (/** @type {Value} */ { seed }) => `${session.modelName} · seeds from ${seed}`,
    code: (values) => compareSnippets.matching(values),
  };
}

/** Features of the smaller one with those of the larger whose nearest they are. @param {import("../../engine/types-analysis.js").Matching} match @param {number} threshold @returns {Family[]} most relatives first */
function familiesOf({ features, best }, threshold) {
  /** @type {Map<number, Family>} */ const found = new Map();
  best.forEach((cosine, feature) => {
    if (cosine < threshold) return;
    const parent = features[feature];
    const family = found.get(parent) ?? { feature: parent, children: [] };
    family.children.push({ feature, cosine });
    found.set(parent, family);
  });
  for (const { children } of found.values()) children.sort((a, b) => b.cosine - a.cosine);
  return [...found.values()].sort((a, b) => b.children.length - a.children.length || b.children[0].cosine - a.children[0].cosine);
}

/** @param {number[]} a @param {number[]} b */
const added = (a, b) => (a.length ? a.map((n, i) => n + b[i]) : [...b]);
