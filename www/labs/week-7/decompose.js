// @ts-check
// Cell 17: a random vector, a real difference of means and a probe, each read by the autoencoder.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { count, counted, decimals, percent, rough } from "../../ui/format.js";
import { MOOD_PAIRS } from "../texts/week7.js";
import { printedBox } from "../shared/printed.js";
import { atNorm, contrastVectors, DECOMPOSE, decompose, randomVector } from "../work/decompose.js";
import { benchOf, seedField } from "./fields.js";
import { compareSnippets } from "./snippets-compare.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/decompose.js").Decomposition} Decomposition */
/** @typedef {{key: string, title: string, made: Decomposition}} Read */
/** @typedef {{reads: Read[], probe: {accuracy: number, heldOut: number | null}, accuracyAlong: number, cosine: number, pairs: number, dSae: number, dIn: number, hook: string, threshold: number, seed: number}} Value */

const two = decimals(2);

/** The largest cosine that one of `n` random directions is expected to have with a given one: the greatest of n normal numbers (Gumbel's law), over √d. @param {number} n @param {number} d */
export function chanceCosine(n, d) {
  const b = Math.sqrt(2 * Math.log(Math.max(n, 2)));
  return Math.min(1, (b - (Math.log(Math.log(Math.max(n, 3))) + Math.log(4 * Math.PI)) / (2 * b) + 0.5772 / b) / Math.sqrt(d));
}

/** @param {string} text @returns {[string, string][]} */
export function pairsIn(text) {
  const pairs = String(text)
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => line.split("|").map((side) => side.trim()));
  const wrong = pairs.find((pair) => pair.length !== 2 || pair.some((side) => !side));
  if (wrong || pairs.length < 2)
    throw new PageError("LAB-BAD-SETTING", wrong ? `“${wrong.join(" | ")}” is not a pair of texts.` : "There are fewer than two pairs.", "Write one pair a line, its two texts parted by a vertical bar.");
  return /** @type {[string, string][]} */ (pairs);
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function decomposeStep(step) {
  const { session } = step;
  const sides = h("div", { class: "side-by-side three" });
  const boxes = new Map();
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  const name = (/** @type {string} */ hook) => session.conventions?.hook(hook, session.config.nLayers) ?? hook;

  /** @returns {import("../../ui/data-table.js").Table} */
  const numbers = () => {
    const of = (/** @type {number} */ x) => (Math.abs(x) < 1 ? x.toFixed(3) : rough(x)).replace("-", "−");
    return {
      caption: "The same test for each vector",
      columns: [
        { key: "what", label: "vector" },
        { key: "norm", label: "length", kind: "number", format: of },
        { key: "active", label: `above ${shown?.threshold ?? 0.1}`, kind: "number", format: String },
        { key: "topShare", label: "share in those listed", kind: "number", format: percent },
        { key: "share", label: "error / length²", kind: "number", format: percent },
        { key: "best", label: "nearest decoder row" },
      ],
      rows: (shown?.reads ?? []).map(({ title, made }) => ({
        what: title,
        norm: made.norm,
        active: made.active,
        topShare: made.topShare,
        share: made.share,
        best: made.cosines.slice(0, 1).map(({ feature, cosine }) => `F${feature},\u00a0${two(cosine)}`).join(""),
      })),
    };
  };

  return {
    uses: [STEPS.activations, STEPS.train],
    promise: "Run makes three vectors and shows what the autoencoder makes of each.",
    body: [sides, figure],
    fields: () => [
      { name: "pairs", label: "Pairs of texts", kind: "lines", value: MOOD_PAIRS.map((pair) => pair.join(" | ")).join("\n"), rows: 5, wide: true, hint: "one pair a line, parted by |; read at the last token of each" },
      {
        name: "lengths",
        label: "Lengths",
        kind: "choice",
        value: "own",
        hint: "the notebook leaves them",
        options: [
          { value: "own", label: "as they come out" },
          { value: "row", label: "all as long as a usual row" },
        ],
      },
      { name: "threshold", label: "Threshold", kind: "number", value: DECOMPOSE.threshold, min: 0, max: 1e6 },
      { name: "k", label: "Features listed", kind: "integer", value: DECOMPOSE.k, min: 1, max: 50 },
      { name: "l2", label: "Probe's penalty", kind: "number", value: 1, above: 0, max: 1e6, advanced: true, hint: "1/C in scikit-learn" },
      seedField({ hint: "of the random vector", advanced: false }),
    ],
    readout: ({ pairs }) => counted(String(pairs).split("\n").filter((line) => line.trim()).length, "pair"),

    async run(context) {
      const { use, values } = context;
      const { acts, index, prependBos, center, shape } = use(STEPS.activations);
      const { sae, dSae, hook } = use(STEPS.train);
      const { threshold, k, seed, l2 } = values;
      const pairs = pairsIn(values.pairs);
      const bench = benchOf(context);
      const real = await contrastVectors(bench, { pairs, layer: index, prependBos, center, l2 });
      const length = acts.stats.withoutPosition0.medianNorm || acts.stats.all.medianNorm;
      const made = async (/** @type {string} */ key, /** @type {string} */ title, /** @type {Float32Array} */ vector) => ({
        key,
        title,
        made: await decompose(bench, sae, values.lengths === "row" ? atNorm(vector, length) : vector, { k, threshold }),
      });
      const reads = [
        await made("random", "random, N(0, 1)", randomVector(shape[1], seed)),
        await made("contrast", "difference of means", real.contrast.vector),
        await made("probe", "probe", real.probe.vector),
      ];
      return {
        value: { reads, probe: { accuracy: real.probe.accuracy, heldOut: real.probe.heldOut }, accuracyAlong: real.contrast.accuracyAlong, cosine: real.cosine, pairs: pairs.length, dSae, dIn: shape[1], hook, threshold, seed },
      };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      for (const { key, title, made } of value.reads) {
        if (!boxes.has(key)) {
          const printed = printedBox();
          boxes.set(key, printed);
          sides.append(h("div", {}, h("h4", {}, title), printed.element));
        }
        boxes.get(key).show([
          `Active features: ${made.active}`,
          ...(made.features.length ? [...made.features.map(({ feature, value: f }, i) => `${i + 1}. Feature ${feature}: ${f.toFixed(4)}`)] : []),
          `Error: ${made.error.toFixed(4)}`,
        ]);
      }
      table.show(numbers());
      figure.show({ name: "vectors", caption: "Side by side", body: [table], table: numbers });
    },

    conclusion(/** @type {Value} */ { reads, probe, accuracyAlong, cosine, dSae, dIn, pairs, threshold }) {
      const [random, contrast, fit] = reads.map(({ made }) => made);
      const chance = chanceCosine(dSae, dIn);
      const few = [contrast, fit].every(({ active }) => active > 0 && active <= 3);
      const near = Math.max(contrast.cosines[0].cosine, fit.cosines[0].cosine) > chance + 0.1;
      return (
        `Above ${threshold} are ${random.active} features for the random vector, ${contrast.active} for the difference of means and ${fit.active} for the probe, of ${count(dSae)}. ` +
        (few ? "Here the notebook's sentence, one to three main features, holds. " : "The notebook's sentence, one to three main features, does not hold for this autoencoder. ") +
        `The nearest decoder rows have cosines of ${two(contrast.cosines[0].cosine)} with the difference and ${two(fit.cosines[0].cosine)} with the probe, ${two(random.cosines[0].cosine)} with the random vector; the best of ${count(dSae)} random rows would reach about ${two(chance)}: ` +
        `${near ? "some feature does point their way." : "no feature stands for this difference. Train on more text, or with a larger coefficient."} ` +
        `Of ${pairs} pairs the difference tells ${percent(accuracyAlong)} of the texts apart, the probe ${percent(probe.accuracy)}${probe.heldOut === null ? "" : `, ${percent(probe.heldOut)} of those it has not seen`}; the two have a cosine of ${two(cosine)}.`
      );
    },
    provenance: (/** @type {Value} */ value) => `${session.modelName} · ${name(value.hook)} · seed ${value.seed}`,
    code: (values) => compareSnippets.decompose(values, session.usable(STEPS.activations)?.value),
  };
}
