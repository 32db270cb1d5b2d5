// @ts-check
// Exercise 2: which features are active together.

import "../../ui/matrix-map.js";
import { make } from "../../ui/dom.js";
import { count, counted, decimals, percent } from "../../ui/format.js";
import { MatrixMap } from "../../ui/matrix-map.js";
import { printedBox } from "../shared/printed.js";
import { concludeCorrelation, correlate, correlationExercise, EXERCISE } from "../work/c4-correlation.js";
import { correlationsOf, pairFigures } from "../work/c4-pairs.js";
import { autoencoderFields, autoencoderOptions } from "./autoencoder.js";
import { bench, tableFigure } from "./parts.js";
import { leavesOut, origin, position0Words } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { SOLUTION_RECIPE, solutionDataFields, solutionSource, solutionTexts } from "./solution-data.js";
import { STEPS } from "./steps.js";
import { trainingFields } from "./train.js";

/** @typedef {import("../../ui/types.js").Acts} Acts */
/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../work/c4-correlation.js").Correlated} Correlated */
/** @typedef {import("../work/c4-pairs.js").PairFigures} PairFigures */
/** @typedef {{features: number[], data: Float32Array, shape: number[]}} Small */
/**
 * `pairs` are the figures of the listed pairs, with position 0 and without; `small` has the correlations of the features in them.
 * @typedef {{sae: Sae, acts: Acts, handles: (Acts | Sae)[], correlated: Correlated, pairs: PairFigures[], pairsRest: PairFigures[], small: Small, smallRest: Small, minFrequency: number, source: {hook: string, center: boolean, prependBos: boolean, seed: number}, own: boolean}} Value
 */

/** Each feature of some pairs once, pairs beside each other. @param {readonly {a: number, b: number}[]} pairs */
const featuresIn = (pairs) => [...new Set(pairs.slice(0, 20).flatMap(({ a, b }) => [a, b]))];

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function coactivationStep(step) {
  const { session } = step;
  const printed = printedBox();
  const figure = tableFigure("coactivation");
  const matrix = make(MatrixMap);
  const usesOwn = () => step.settings?.values().which === "trained";

  /** @param {Value} value */
  const chosen = ({ correlated: { all, withoutPosition0 }, pairs, pairsRest, small, smallRest }) =>
    leavesOut(session) ? { found: withoutPosition0, pairs: pairsRest, small: smallRest } : { found: all, pairs, small };

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  const table = (value) => ({
    caption: "The closest pairs",
    sortable: true,
    columns: [
      { key: "pair", label: "features" },
      { key: "correlation", label: "correlation", kind: "number", format: decimals(3) },
      { key: "rest", label: "without position 0", kind: "number", format: decimals(3) },
      { key: "together", label: "both active on", kind: "number", format: percent },
      { key: "distinct", label: "distinct rows with both", kind: "number", format: count },
      { key: "cosine", label: "cosine of directions", kind: "number", format: decimals(3) },
    ],
    rows: chosen(value).pairs.map((pair) => ({
      pair: `F${pair.a}\u00a0and\u00a0F${pair.b}`,
      correlation: pair.correlation,
      rest: pair.withoutPosition0,
      together: pair.together,
      distinct: pair.distinctTogether,
      cosine: pair.cosine,
    })),
  });

  return {
    get uses() {
      return usesOwn() ? [STEPS["random-tokens"], STEPS.train] : [];
    },
    conventions: ["prependBos", "view"],
    promise: "Run correlates the activations of all features that are active often enough.",
    body: [printed.element, figure.element, matrix],
    fields: () => [
      {
        name: "which",
        label: "Autoencoder",
        kind: "ways",
        wide: true,
        value: "fresh",
        options: [
          { value: "fresh", label: "A fresh one", detail: ["trained on the prompts below, as in the solutions"] },
          { value: "trained", label: `The one of step ${STEPS.train}`, detail: [`on all rows of step ${STEPS["random-tokens"]}`] },
        ],
      },
      ...(usesOwn()
        ? []
        : /** @type {import("../../ui/fields.js").Field[]} */ ([
            ...solutionDataFields(session),
            { name: "l1", label: "Coefficient c", kind: "log", value: 5e-4, min: 1e-4, max: 1e3 },
            ...trainingFields(SOLUTION_RECIPE),
            ...autoencoderFields("torch-linear"),
          ])),
      { name: "minFrequency", label: "Frequency above", kind: "number", value: 0.01, min: 0, max: 1, hint: "share of the rows; rarer features are left out" },
      { name: "pairs", label: "Pairs to list", kind: "integer", value: 10, min: 1, max: 200 },
      { name: "matrixUpTo", label: "Draw the matrix up to", kind: "integer", value: 100, min: 2, max: 400, unit: "features", advanced: true },
    ],
    async run(context) {
      const { values, use } = context;
      const { minFrequency, pairs, matrixUpTo } = values;
      const own = values.which === "trained";
      const made = own ? null : await fresh(context);
      try {
        const trained = own ? /** @type {import("./train.js").Value} */ (use(STEPS.train)) : null;
        const sae = made?.sae ?? /** @type {Sae} */ (trained?.sae);
        const acts = made?.acts ?? /** @type {import("./random-tokens.js").Value} */ (use(STEPS["random-tokens"])).acts;
        const correlated = made?.correlated ?? (await correlate(bench(context), sae, acts, { minFrequency, pairs, matrixUpTo }));
        const figures = (/** @type {readonly {a: number, b: number}[]} */ list) => pairFigures(bench(context), sae, acts, list);
        return {
          value: {
            sae, acts, handles: made ? [made.sae, made.acts] : [], correlated, minFrequency, own,
            pairs: await figures(correlated.all.pairs),
            pairsRest: await figures(correlated.withoutPosition0.pairs),
            small: await correlationsOf(bench(context), sae, acts, featuresIn(correlated.all.pairs)),
            smallRest: await correlationsOf(bench(context), sae, acts, featuresIn(correlated.withoutPosition0.pairs), true),
            source: trained ? { hook: trained.hook, center: trained.center, prependBos: trained.prependBos, seed: trained.seed } : solutionSource(values),
          },
        };
      } catch (error) {
        void made?.sae.dispose().catch(() => {});
        void made?.acts.dispose().catch(() => {});
        throw error;
      }
    },
    render(/** @type {Value} */ value) {
      const { found, pairs, small } = chosen(value);
      printed.show([
        `${counted(found.active, "feature")} active on more than ${percent(value.minFrequency)} of the rows${leavesOut(session) ? ", position 0 left out" : ""}${found.constant ? `, ${count(found.constant)} of them constant` : ""}`,
        "",
        "Top correlated feature pairs:",
        ...pairs.map(({ a, b, correlation }) => `  Feature ${a} <-> Feature ${b}: corr = ${correlation === null ? "none" : decimals(3)(correlation)}`),
      ]);
      figure.show(`The closest pairs, ${position0Words(session)}`, () => table(value));
      // where there are too many features for one picture, those of the pairs
      const whole = found.matrix !== null;
      const labels = Array.from(whole ? found.features : small.features, (f) => `F${f}`);
      const { data, shape } = found.matrix ?? small;
      matrix.hidden = labels.length < 2;
      if (labels.length < 2) return;
      matrix.show({
        name: "correlations",
        caption: `Correlations of ${whole ? counted(labels.length, "feature") : `the ${counted(labels.length, "feature")} in these pairs`}, ${position0Words(session)}`,
        panels: [{ rows: labels, columns: labels, data, shape, diverging: true, max: 1, unit: "correlation" }],
        table: () => ({
          caption: "The matrix",
          pageSize: 25,
          columns: [{ key: "row", label: "" }, ...labels.map((label, k) => /** @type {const} */ ({ key: `c${k}`, label, kind: "number", format: decimals(3) }))],
          rows: labels.map((row, i) => ({ row, ...Object.fromEntries(labels.map((_, k) => [`c${k}`, data[i * shape[1] + k]])) })),
        }),
      });
    },
    conclusion(/** @type {Value} */ value) {
      const { found } = chosen(value);
      const limit = step.settings.values().matrixUpTo;
      return concludeCorrelation({ ...value.correlated, all: found }) + (found.matrix || found.active < 2 ? "" : ` The picture shows only the features of these pairs: more than ${count(limit)} would be too many.`);
    },
    provenance: (/** @type {Value} */ { source, own }) => origin(session, { ...source, more: own ? `autoencoder of step ${STEPS.train}` : undefined }),
    code: (values) => ({ javascript: javascript.coactivation(values), python: python.coactivation(values) }),
  };
}

/** The exercise as in the solutions: rows, an autoencoder, its correlations. @param {import("../../ui/step.js").Context} context */
function fresh(context) {
  const { values } = context;
  const { layer, repeats, prependBos, epochs, batchSize, lr, l1, seed, minFrequency, pairs, matrixUpTo } = values;
  const options = {
    prompts: solutionTexts({ ...values, repeats: 1 }), repeats, layer, prependBos, center: values.view === "tl",
    autoencoder: { ...EXERCISE.autoencoder, ...autoencoderOptions(values) },
    training: { ...EXERCISE.training, epochs, batchSize, lr, l1, seed },
    correlation: { minFrequency, pairs, matrixUpTo },
  };
  return correlationExercise(bench(context), options);
}
