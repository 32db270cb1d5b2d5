// @ts-check
// The three common mistakes, each one made here.

import "../../ui/bar-plot.js";
import { BarPlot } from "../../ui/bar-plot.js";
import { make } from "../../ui/dom.js";
import { count, decimals, number } from "../../ui/format.js";
import { ownTexts } from "../../ui/prompts.js";
import { SAMPLE_PROMPTS, TEST_PROMPTS, TOO_FEW_PROMPTS } from "../texts/c4.js";
import { residPost } from "../work/bench.js";
import { concludeBalance, concludeLittleData, MISTAKEN_COEFFICIENTS, tooLittleData } from "../work/c4-mistakes.js";
import { concludeNeurons, featuresAndNeurons } from "../work/c4-neurons.js";
import { sparsitySweep } from "../work/c4-sweep.js";
import { bench, tableFigure } from "./parts.js";
import { ev, losses, origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";
import { coefficientsIn, sweepView } from "./sweep.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../work/c4-mistakes.js").DataSize} DataSize */
/** @typedef {import("../work/c4-neurons.js").Neurons} Neurons */
/** @typedef {{hook: string, center: boolean, prependBos: boolean, seed: number}} Source */

/** @param {LabStep} step @returns {Definition} */
export function mistakeDataStep(step) {
  const { session } = step;
  const figure = tableFigure("too-little-data");

  /** @param {{few: DataSize, many: DataSize}} sizes @returns {import("../../ui/data-table.js").Table} */
  function table({ few, many }) {
    const chosen = ev(session);
    const { dModel } = session.config;
    const units = losses(session, dModel, 4 * dModel);
    return {
      caption: "As many steps for both; position 0 left out",
      columns: [
        { key: "what", label: "trained on" },
        { key: "prompts", label: "prompts", kind: "number", format: count },
        { key: "rows", label: "distinct rows", kind: "number", format: count },
        { key: "own", label: `${units.sums ? "row error" : "mean error"}, own rows`, kind: "number" },
        { key: "other", label: `${units.sums ? "row error" : "mean error"}, other texts`, kind: "number" },
        { key: "evOwn", label: "explained, own rows", kind: "number", format: decimals(3) },
        { key: "evOther", label: "explained, other texts", kind: "number", format: decimals(3) },
      ],
      rows: [few, many].map((size) => ({
        what: size.name === "few" ? "the mistake" : "the sample prompts",
        prompts: size.prompts,
        rows: size.distinctRows,
        own: units.error(size.train.meanMse),
        other: units.error(size.elsewhere.meanMse),
        evOwn: chosen.of(size.train),
        evOther: chosen.of(size.elsewhere),
      })),
    };
  }

  return {
    uses: [],
    conventions: ["prependBos", "view"],
    promise: "Run trains one autoencoder on very little text and one on more, and judges both on text that neither has seen.",
    body: [figure.element],
    fields: () => [
      { name: "few", label: "Too little", kind: "lines", value: TOO_FEW_PROMPTS.join("\n"), rows: 1, wide: true },
      { name: "elsewhere", label: "Text to judge on", kind: "lines", value: TEST_PROMPTS.map(({ prompt }) => prompt).join("\n"), rows: 4, wide: true, hint: "one per line" },
      { name: "steps", label: "Steps", kind: "integer", value: 500, min: 1, max: 20_000, hint: "for both" },
      { name: "l1", label: "Coefficient c", kind: "log", value: 5e-4, min: 1e-4, max: 1e3 },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],
    async run(context) {
      const { values, model } = context;
      const layer = Math.min(6, model.config.nLayers - 1);
      const { steps, l1, seed, prependBos } = values;
      const center = values.view === "tl";
      const options = /** @type {Parameters<typeof tooLittleData>[1]} */ ({
        few: ownTexts({ own: values.few }), many: SAMPLE_PROMPTS, elsewhere: ownTexts({ own: values.elsewhere }), layer, steps, l1, seed, prependBos, center,
      });
      return { value: { sizes: await tooLittleData(bench(context), options), hook: residPost(layer), center, prependBos, seed } };
    },
    render: ({ sizes }) => figure.show("Little and more data", () => table(sizes)),
    conclusion: ({ sizes }) => concludeLittleData(sizes),
    provenance: (/** @type {Source} */ value) => origin(session, value),
    code: (values) => ({ javascript: javascript.littleData(values), python: python.littleData(values) }),
  };
}

/** @param {LabStep} step @returns {Definition} */
export function mistakeSparsityStep(step) {
  const { session } = step;
  const view = sweepView(session, "wrong-balance");
  return {
    uses: [STEPS.activations],
    conventions: [],
    promise: "Run trains at the notebook's right coefficient, at its wrong one, and at one that is wrong indeed.",
    body: view.elements,
    fields: () => [
      { name: "coefficients", label: "Coefficients c", kind: "text", value: MISTAKEN_COEFFICIENTS.join(", ") },
      { name: "epochs", label: "Epochs", kind: "integer", value: 100, min: 1, max: 10_000 },
      { name: "batchSize", label: "Batch", kind: "integer", value: 64, min: 1, max: 65_536, unit: "rows" },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],
    async run(context) {
      const { values, use } = context;
      const { acts, hook, center, prependBos } = /** @type {import("./activations.js").Value} */ (use(STEPS.activations));
      const { epochs, batchSize, seed } = values;
      const sweep = await sparsitySweep(bench(context), { coefficients: coefficientsIn(values.coefficients), acts, encoderBias: "zeros", epochs, batchSize, seed });
      return { value: { sweep, hook, center, prependBos, seed } };
    },
    render: ({ sweep }) => view.show(sweep),
    conclusion: ({ sweep }) => concludeBalance(sweep),
    provenance: (/** @type {Source} */ value) => origin(session, value),
    code: (values) => ({ javascript: javascript.balance(values), python: python.balance(values) }),
  };
}

/** Counts in so many equal parts from 0 to a value. @param {readonly number[]} values @param {number} most @param {number} bins */
function histogram(values, most, bins) {
  const counts = Array.from({ length: bins }, () => 0);
  for (const value of values) counts[Math.min(bins - 1, Math.max(0, Math.floor((value / most) * bins)))] += 1;
  return counts;
}

/** @param {LabStep} step @returns {Definition} */
export function mistakeNeuronsStep(step) {
  const { session } = step;
  const plot = make(BarPlot);
  const figure = tableFigure("features-and-dimensions");
  const bins = 16;
  return {
    uses: [STEPS.train],
    promise: "Run measures over how many dimensions each decoder row spreads.",
    body: [plot, figure.element],
    fields: () => [{ name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", hint: "of the random directions", advanced: true }],
    async run({ values, use }) {
      const { sae, hook, center, prependBos, seed } = /** @type {import("./train.js").Value} */ (use(STEPS.train));
      return { value: { neurons: await featuresAndNeurons(sae, { seed: values.seed }), hook, center, prependBos, seed } };
    },
    render(/** @type {Source & {neurons: Neurons}} */ { neurons }) {
      const { features, random, dIn } = neurons;
      const edges = Array.from({ length: bins + 1 }, (_, i) => (i * dIn) / bins);
      const of = (/** @type {readonly {participation: number}[]} */ list) => histogram(list.map(({ participation }) => participation), dIn, bins);
      const [own, drawn] = [of(features), of(random)];
      plot.show({
        name: "spread-of-features",
        caption: `Over how many of ${count(dIn)} dimensions a direction spreads`,
        xLabel: "dimensions (1: a single one)",
        yLabel: "directions",
        edges,
        series: [
          { label: "features", values: own },
          { label: "random directions", values: drawn },
        ],
        summary: `Features spread over ${number(neurons.meanParticipation)} dimensions on average, random directions over ${number(neurons.randomParticipation)}`,
        table: () => ({
          caption: "Directions by how many dimensions they spread over",
          columns: [
            { key: "from", label: "from", kind: "number" },
            { key: "to", label: "to", kind: "number" },
            { key: "features", label: "features", kind: "number", format: count },
            { key: "random", label: "random directions", kind: "number", format: count },
          ],
          rows: own.map((n, i) => ({ from: edges[i], to: edges[i + 1], features: n, random: drawn[i] })),
        }),
      });
      const nearest = [...features].sort((a, b) => b.cosine - a.cosine).slice(0, 10);
      figure.show("The ten features nearest to a single dimension", () => ({
        caption: "The ten features nearest to a single dimension",
        columns: [
          { key: "feature", label: "feature" },
          { key: "dimension", label: "its dimension", kind: "number", format: String },
          { key: "cosine", label: "cosine with it", kind: "number", format: decimals(3) },
          { key: "participation", label: "spreads over", kind: "number" },
        ],
        rows: nearest.map((one) => ({ ...one, feature: `F${one.feature}` })),
      }));
    },
    conclusion: (/** @type {{neurons: Neurons}} */ { neurons }) =>
      concludeNeurons(neurons),
    provenance: (/** @type {Source} */ value) => origin(session, value),
    code: (values) => ({ javascript: javascript.neurons(values), python: python.neurons(values) }),
  };
}
