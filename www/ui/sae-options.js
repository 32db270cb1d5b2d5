// @ts-check
// From the settings of step 3 to the options of the public module, for the work itself and for the scripts that show it.

import { defaults } from "../engine/defaults.js";
import { dictionarySize, matryoshkaWidths } from "./architectures.js";
import { PageError } from "./errors.js";
import { count } from "./format.js";

const { train: recipe, trainStream: stream } = defaults;

/** The options of `lab.createSae`; those left out are at their defaults. @param {Record<string, any>} values @param {number} dIn */
export function saeOptions(values, dIn) {
  const {
    architecture,
    seed,
    normalizeActivations,
    k,
    jumpreluPenalty,
    jumpreluTargetL0,
    jumpreluBandwidth,
    jumpreluInitThreshold,
    rescaleActsByDecoderNorm,
  } = values;
  const dSae = dictionarySize(values, dIn);
  const nested = architecture === "matryoshka_batchtopk" ? { matryoshkaWidths: matryoshkaWidths(values, dSae) } : {};
  if (nested.matryoshkaWidths === null)
    throw new PageError(
      "LAB-BAD-SETTING",
      `Widths are “${values.matryoshkaWidths}”; they must be whole numbers that grow, below ${count(dSae)}.`,
      "Correct them, or leave them empty.",
    );
  return {
    architecture,
    dIn,
    dSae,
    seed,
    ...nested,
    ...changed(
      { normalizeActivations, jumpreluPenalty, jumpreluTargetL0, jumpreluBandwidth, jumpreluInitThreshold, rescaleActsByDecoderNorm },
      defaults.createSae,
    ),
    ...(k === undefined ? {} : { k }),
  };
}

/** The options of a training; those left out are at their defaults. @param {Record<string, any>} values */
export function trainingOptions(values) {
  const {
    lr,
    l1,
    lrSchedule,
    lrWarmUpSteps,
    lrDecaySteps,
    l1WarmUpSteps,
    gradientClip,
    decoderNorm,
    bDecInit,
    remedy,
    deadWindow,
    auxKCoefficient,
    resampleEvery,
  } = values;
  return {
    lr,
    ...(l1 === undefined ? {} : { l1 }),
    ...changed(
      {
        lrSchedule,
        lrWarmUpSteps,
        lrDecaySteps,
        l1WarmUpSteps,
        gradientClip,
        decoderNorm,
        bDecInit,
        remedy: remedy || undefined,
        deadWindow,
        auxKCoefficient,
        resampleEvery,
      },
      recipe,
    ),
  };
}

/** The options that only a run over the rows of step 2 has. @param {Record<string, any>} values */
export const rowsOptions = ({ epochs, batchSize, seed, heldOut }) => ({ epochs, batchSize, seed, ...changed({ heldOut }, recipe) });

/** The options that only a stream has. @param {Record<string, any>} values @param {{hook: string, center: boolean, prependBos: boolean}} data */
export const streamOptions = (
  { tokens, bufferRows, contextSize, batchSize, seed, heldOut, skipPosition0 },
  { hook, center, prependBos },
) => ({
  hook,
  center,
  prependBos,
  contextSize,
  tokens,
  bufferRows,
  batchSize,
  seed,
  ...changed({ heldOut, skipPosition0 }, stream),
  entryEvery: entryEvery(tokens, batchSize),
});

/** A hundred entries in a run, at least one step each. @param {number} tokens @param {number} batchSize */
const entryEvery = (tokens, batchSize) => Math.max(1, Math.round(tokens / batchSize / 100));

/** @param {Record<string, any>} options @param {Readonly<Record<string, any>>} defaults */
const changed = (options, defaults) =>
  Object.fromEntries(Object.entries(options).filter(([name, value]) => value !== undefined && value !== defaults[name]));
