// @ts-check
// Step 3: what there is to set when an autoencoder is trained, and the numbers that follow from it.

import { defaults } from "../../engine/defaults.js";
import { conversion, dictionarySize, KINDS, kindOf, ownFields, parameters } from "../architectures.js";
import { count, exact } from "../format.js";

/** @typedef {import("../fields.js").Field} Field */

const { train: recipe, trainStream: stream } = defaults;
const advanced = true;

/** @param {Record<string, any>} values as they stand, or none yet @param {number} dIn @param {number} nCtx the model's context @returns {Field[]} */
export function trainFields(values, dIn, nCtx) {
  const kind = kindOf(values.architecture);
  const expansion = values.expansion > 0 ? values.expansion : kind.defaults.expansion;
  const streaming = values.rowsFrom === "stream";
  const own = ownFields(kind, Math.round(expansion * dIn), values);
  /** @type {Field[]} */ const fields = [
    {
      name: "architecture",
      label: "Architecture",
      kind: "choice",
      value: defaults.createSae.architecture,
      term: kind.term,
      hint: kind.says,
      options: KINDS.map(({ name, label, family }) => ({ value: name, label, group: family })),
    },
    {
      name: "expansion",
      label: "Expansion",
      kind: "number",
      value: kind.defaults.expansion,
      above: 0,
      max: 64,
      unit: "features per dimension",
    },
    ...own.filter(({ advanced }) => !advanced),
    {
      name: "rowsFrom",
      label: "Learn from",
      kind: "choice",
      value: "rows",
      options: [
        { value: "rows", label: "the rows of step 2" },
        { value: "stream", label: "text, streamed through the model" },
      ],
    },
    ...(streaming
      ? streamFields
      : [/** @type {Field} */ ({ name: "epochs", label: "Epochs", kind: "integer", value: kind.defaults.epochs, min: 1, max: 100000 })]),
    { name: "lr", label: "Learning rate", kind: "number", value: kind.defaults.lr, above: 0, max: 1 },
  ];
  return [...fields, ...moreFields(kind, values, streaming, nCtx), ...own.filter(({ advanced }) => advanced)];
}

/** SAELens always clips, the notebooks never do. @param {import("../architectures.js").Kind} kind */
const clipping = (kind) => (kind.family === KINDS[0].family ? recipe.gradientClip : 1);

/** @type {Field[]} */
const streamFields = [
  { name: "tokens", label: "Tokens to see", kind: "integer", value: 100_000, min: 1, max: 1e9, rangeText: "read again when they run out" },
  {
    name: "bufferRows",
    label: "Buffer",
    kind: "integer",
    value: 8192,
    min: 2,
    max: 1e6,
    rangeText: "shuffled, half renewed at a time",
    unit: "rows",
  },
  {
    name: "streamFiles",
    label: "Text files",
    kind: "files",
    value: [],
    accept: ".txt,.md,.text,text/plain",
    wide: true,
    hint: "instead of the texts of step 2; read here, sent nowhere",
  },
  {
    name: "streamText",
    label: "Or pasted text",
    kind: "lines",
    value: "",
    rows: 3,
    wide: true,
    hint: "empty lines part one text from the next",
  },
];

/** @param {import("../architectures.js").Kind} kind @param {Record<string, any>} values @param {boolean} streaming @param {number} nCtx @returns {Field[]} */
function moreFields(kind, values, streaming, nCtx) {
  const remedy = values.remedy ?? "";
  const auxK = remedy === "aux-k" || (remedy === "" && kind.coefficient === null);
  /** @type {Field[]} */ const fields = [
    { name: "batchSize", label: "Batch size", kind: "integer", value: recipe.batchSize, min: 1, max: 65536, unit: "rows", advanced },
    { name: "seed", label: "Seed", kind: "integer", value: recipe.seed, min: 0, max: 4294967295, rangeText: "a whole number", advanced },
    {
      name: "heldOut",
      label: "Held out",
      kind: "number",
      value: recipe.heldOut,
      min: 0,
      max: 0.9,
      hint: "share of the texts to measure on only",
      advanced,
    },
    ...(streaming
      ? [
          /** @type {Field} */ ({
            name: "contextSize",
            label: "Context",
            kind: "integer",
            value: Math.min(128, nCtx),
            min: 2,
            max: nCtx,
            unit: "tokens",
            hint: "longer texts are cut into parts",
            advanced,
          }),
          /** @type {Field} */ ({
            name: "skipPosition0",
            label: "Leave position 0 out",
            kind: "switch",
            value: stream.skipPosition0,
            advanced,
          }),
        ]
      : []),
    {
      name: "lrSchedule",
      label: "Learning rate over time",
      kind: "choice",
      value: recipe.lrSchedule,
      options: [
        { value: "constant", label: "constant" },
        { value: "cosine", label: "falls along a cosine" },
      ],
      advanced,
      group: "Over time",
    },
    {
      name: "lrWarmUpSteps",
      label: "Rate: warm-up",
      kind: "integer",
      value: recipe.lrWarmUpSteps,
      min: 0,
      max: 1e7,
      rangeText: "0: none",
      unit: "steps",
      advanced,
      group: "Over time",
    },
    {
      name: "lrDecaySteps",
      label: "Rate: decay",
      kind: "integer",
      value: recipe.lrDecaySteps,
      min: 0,
      max: 1e7,
      rangeText: "0: none",
      unit: "steps",
      hint: "at the end",
      advanced,
      group: "Over time",
    },
  ];
  if (kind.coefficient)
    fields.push({
      name: "l1WarmUpSteps",
      label: "Coefficient: warm-up",
      kind: "integer",
      value: recipe.l1WarmUpSteps,
      min: 0,
      max: 1e7,
      rangeText: "0: none",
      unit: "steps",
      advanced,
      group: "Over time",
    });
  fields.push(
    {
      name: "gradientClip",
      label: "Gradient clipping",
      kind: "number",
      value: clipping(kind),
      above: 0,
      max: 1e6,
      rangeText: "largest norm",
      optional: true,
      advanced,
      group: "Steps and weights",
    },
    {
      name: "decoderNorm",
      label: "Decoder rows",
      kind: "choice",
      value: recipe.decoderNorm,
      options: [
        { value: "free", label: "any length" },
        { value: "unit", label: "kept at length 1" },
      ],
      advanced,
      group: "Steps and weights",
    },
    {
      name: "bDecInit",
      label: "b_dec starts at",
      kind: "choice",
      value: recipe.bDecInit,
      options: [
        { value: "keep", label: "0" },
        { value: "mean", label: "the mean of the rows" },
        { value: "geometric-median", label: "their geometric median" },
      ],
      advanced,
      group: "Steps and weights",
    },
    {
      name: "normalizeActivations",
      label: "Rows are scaled",
      kind: "choice",
      value: defaults.createSae.normalizeActivations,
      options: [
        { value: "none", label: "not at all" },
        { value: "expected_average_only_in", label: "all alike, to a mean norm of √d_in" },
        { value: "constant_norm_rescale", label: "each to norm √d_in" },
        { value: "layer_norm", label: "each to mean 0 and deviation 1" },
      ],
      advanced,
      group: "Steps and weights",
    },
    {
      name: "remedy",
      label: "Remedy",
      kind: "choice",
      value: "",
      options: [
        { value: "", label: kind.coefficient === null ? "this kind's own: auxiliary top-k" : "this kind's own: none" },
        { value: "none", label: "none" },
        { value: "aux-k", label: "auxiliary top-k: dead ones learn the error" },
        { value: "resample", label: "resampling: dead ones start anew" },
        { value: "ghost", label: "ghost gradients" },
      ],
      term: ["dead", "Dead features"],
      hint: "have been silent for the whole window",
      advanced,
      group: "Dead features",
    },
    {
      name: "deadWindow",
      label: "Window",
      kind: "integer",
      value: 100,
      min: 1,
      max: 1e7,
      rangeText: "1 or more",
      unit: "steps",
      advanced,
      group: "Dead features",
    },
  );
  if (auxK)
    fields.push({
      name: "auxKCoefficient",
      label: "Coefficient of it",
      kind: "number",
      value: recipe.auxKCoefficient,
      min: 0,
      max: 1e6,
      rangeText: "0 or more",
      advanced,
      group: "Dead features",
    });
  if (remedy === "resample")
    fields.push({
      name: "resampleEvery",
      label: "Resample every",
      kind: "integer",
      value: 200,
      min: 1,
      max: 1e7,
      rangeText: "1 or more",
      unit: "steps",
      advanced,
      group: "Dead features",
    });
  return fields;
}

/** @param {Record<string, any>} values @param {number} dIn @param {boolean} running @param {number | undefined} moved where the coefficient was moved to */
export function trainReadout(values, dIn, running, moved) {
  const kind = kindOf(values.architecture);
  const dSae = dictionarySize(values, dIn);
  if (!(dSae >= 1)) return null;
  const lines = [
    `d_in ${count(dIn)}, d_sae ${count(dSae)}: ${count(parameters(kind.name, dIn, dSae))} parameters`,
    conversion(kind, values, dIn, dSae),
  ];
  if (running && kind.coefficient)
    lines.push(
      moved === undefined
        ? "The coefficient can be moved while this runs: it counts from the next step on."
        : `The coefficient is ${exact(moved)} from the next step on.`,
    );
  return lines.join("\n");
}
