// @ts-check
// Part 2: the autoencoder's sizes, and a first pass over random numbers.

import { parameters } from "../../ui/architectures.js";
import { count, counted, decimals, exact, number } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { concludeForward, describeSae, forwardTest, makeSae } from "../work/c4-sae.js";
import { bench, tableFigure } from "./parts.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {{sae: Sae, handles: Sae[], dIn: number, dSae: number, expansion: number, parameters: number, tied: boolean, seed: number}} Made */

const shape = (/** @type {readonly number[]} */ numbers) => `(${numbers.join(", ")})`;

/** The settings of an autoencoder of the notebook's kind. @param {"zeros" | "torch-linear"} encoderBias @returns {import("../../ui/fields.js").Field[]} */
export const autoencoderFields = (encoderBias) => [
  {
    name: "weights",
    label: "Weights",
    kind: "choice",
    value: "tied",
    options: [
      { value: "tied", label: "tied: one set for both" },
      { value: "untied", label: "untied: two sets" },
    ],
  },
  { name: "expansion", label: "Expansion", kind: "number", value: 4, above: 0, max: 32, unit: "features per dimension" },
  {
    name: "encoderBias",
    label: "Encoder's bias starts at",
    kind: "choice",
    value: encoderBias,
    advanced: true,
    options: [
      { value: "zeros", label: "zero (the lab)" },
      { value: "torch-linear", label: "random, ±1/√d (the solutions)" },
    ],
  },
  { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
];

/** From these settings to what the compute modules take. @param {Record<string, any>} values */
export const autoencoderOptions = ({ weights, expansion, encoderBias, seed }) => ({ tied: weights === "tied", expansion, encoderBias, seed });

/** What follows from them. @param {Record<string, any>} values @param {number} dIn */
export function sizeWords({ weights, expansion }, dIn) {
  if (!(expansion > 0)) return null;
  const dSae = Math.max(1, Math.round(expansion * dIn));
  return `${count(dIn)} dimensions, ${count(dSae)} features: ${count(parameters(weights, dIn, dSae))} parameters`;
}

/** @param {LabStep} step @returns {Definition} */
export function autoencoderStep(step) {
  const printed = printedBox();
  const figure = tableFigure("autoencoder");

  const table = (/** @type {Made} */ { dIn, dSae, tied }) => ({
    caption: "What it learns",
    columns: /** @type {import("../../ui/data-table.js").Column[]} */ ([
      { key: "name", label: "array" },
      { key: "shape", label: "shape" },
      { key: "n", label: "numbers", kind: "number", format: count },
      { key: "start", label: "starts as", kind: "prose" },
    ]),
    rows: [
      { name: "W_enc", shape: shape([dIn, dSae]), n: dIn * dSae, start: `between −${number(Math.sqrt(6 / dIn))} and ${number(Math.sqrt(6 / dIn))}, evenly` },
      { name: "b_enc", shape: shape([dSae]), n: dSae, start: step.settings.values().encoderBias === "zeros" ? "zeros" : `between −${number(1 / Math.sqrt(dIn))} and ${number(1 / Math.sqrt(dIn))}` },
      tied
        ? { name: "W_dec", shape: shape([dSae, dIn]), n: 0, start: "is W_enc transposed: nothing of its own" }
        : { name: "W_dec", shape: shape([dSae, dIn]), n: dIn * dSae, start: `between −${number(Math.sqrt(3 / dSae))} and ${number(Math.sqrt(3 / dSae))}, evenly` },
      { name: "b_dec", shape: shape([dIn]), n: dIn, start: "zeros" },
    ],
  });

  return {
    uses: [],
    promise: "Run makes an autoencoder with random weights and says how large it is.",
    body: [printed.element, figure.element],
    fields: () => autoencoderFields("zeros"),
    readout: (values) => sizeWords(values, step.session.config.dModel),
    async run(context) {
      const options = autoencoderOptions(context.values);
      const sae = await makeSae(bench(context), options);
      return { value: { sae, handles: [sae], ...describeSae(sae), tied: options.tied, seed: options.seed } };
    },
    render(/** @type {Made} */ value) {
      printed.show([
        "SAE created:",
        `  Input dim: ${value.dIn}`,
        `  Features: ${value.dSae}`,
        `  Expansion: ${exact(value.expansion)}x`,
        `  Parameters: ${count(value.parameters)}`,
      ]);
      figure.show("Its arrays", () => table(value));
    },
    conclusion: ({ dIn, dSae, tied, parameters: learnt }) =>
      `${counted(learnt, "parameter")} = ${tied ? "" : "2 × "}${count(dIn)} × ${count(dSae)} weights + ${count(dSae)} + ${count(dIn)} biases. ` +
      (tied
        ? `Untied it would learn ${count(parameters("untied", dIn, dSae))}. `
        : `Tied it would learn ${count(parameters("tied", dIn, dSae))}. `) +
      (dIn === 768 ? "" : `At GPT-2 small's width of 768 and four features per dimension these are ${count(parameters("tied", 768, 3072))} tied and ${count(parameters("untied", 768, 3072))} untied.`),
    provenance: ({ seed, tied }) => `${step.session.modelName} · ${tied ? "tied" : "untied"} · seed ${seed}`,
    code: (values) => ({ javascript: javascript.autoencoder(values), python: python.autoencoder(values) }),
  };
}

/** @param {LabStep} step @returns {Definition} */
export function forwardStep(step) {
  const printed = printedBox();
  return {
    uses: [STEPS.autoencoder],
    promise: "Run sends 32 rows of noise through the untrained autoencoder.",
    body: [printed.element],
    fields: () => [
      { name: "rows", label: "Rows", kind: "integer", value: 32, min: 1, max: 4096 },
      { name: "seed", label: "Seed of the noise", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],
    async run({ values, use }) {
      const { sae } = /** @type {Made} */ (use(STEPS.autoencoder));
      return { value: { ...(await forwardTest(sae, { rows: values.rows, seed: values.seed })), seed: values.seed } };
    },
    render(value) {
      printed.show([
        `Input shape: ${shape(value.inputShape)}`,
        `Features shape: ${shape(value.featuresShape)}`,
        `Reconstructed shape: ${shape(value.outputShape)}`,
        "",
        "Feature statistics:",
        `  Min: ${decimals(4)(value.min)}`,
        `  Max: ${decimals(4)(value.max)}`,
        `  Fraction > 0: ${decimals(2)(100 * value.fracActive)}%`,
        "",
        `Mean square of the input: ${decimals(4)(value.meanSquare)}`,
        `Mean squared error of the reconstruction: ${decimals(4)(value.error)}`,
      ]);
    },
    conclusion: (value) => concludeForward(value),
    provenance: ({ seed }) => `untrained autoencoder of step ${STEPS.autoencoder} · standard normal noise · seed ${seed}`,
    code: (values) => ({ javascript: javascript.forward(values), python: python.forward(values) }),
  };
}
