// @ts-check
// The data of the exercises: the solutions' five prompts, each ten times, or the texts of this page.

import { ownTexts } from "../../ui/prompts.js";
import { PageError } from "../../ui/errors.js";
import { residPost } from "../work/bench.js";
import { REPEATS, SOLUTION_PROMPTS, repeated } from "../texts/c4.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Acts} Acts */
/** @typedef {import("../../ui/step.js").Context} Context */
/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../ui/fields.js").Field} Field */

/** @param {Session} session @param {{layer?: boolean}} [options] @returns {Field[]} */
export const solutionDataFields = (session, { layer = true } = {}) => [
  {
    name: "texts",
    label: "Prompts",
    kind: "lines",
    value: SOLUTION_PROMPTS.join("\n"),
    rows: 5,
    wide: true,
    hint: "the solutions' five, one per line; \\n stands for a line break inside a prompt",
  },
  { name: "repeats", label: "Each taken", kind: "integer", value: REPEATS, min: 1, max: 100, unit: "times" },
  ...(layer
    ? [/** @type {Field} */ ({ name: "layer", label: "Layer", kind: "integer", value: Math.min(6, session.config.nLayers - 1), min: 0, max: session.config.nLayers - 1 })]
    : []),
];

/** The texts that these settings stand for. @param {Record<string, any>} values @returns {string[]} */
export function solutionTexts({ texts, repeats }) {
  const prompts = ownTexts({ own: texts });
  if (!prompts.length) throw new PageError("LAB-BAD-SETTING", "There is no prompt.", "Write one, or reset the prompts.");
  return repeated(prompts, repeats);
}

/**
 * Their activations, in the page's conventions. The caller disposes of them.
 * @param {Pick<Context, "model" | "signal">} context @param {Record<string, any>} values @param {number} [layer] @returns {Promise<Acts>}
 */
export const collectSolution = ({ model, signal }, values, layer = values.layer) =>
  model.collect(solutionTexts(values), { hook: residPost(layer), prependBos: values.prependBos, center: values.view === "tl", signal });

/** Where they come from, for a line below a result. @param {Record<string, any>} values @param {number} [layer] */
export const solutionSource = (values, layer = values.layer) => ({ hook: residPost(layer), center: values.view === "tl", prependBos: values.prependBos, seed: values.seed });

/** What the exercises' autoencoders are trained with unless told otherwise. */
export const SOLUTION_RECIPE = Object.freeze({ epochs: 50, batchSize: 64 });

/** In a hint. */
export const TRAINED_ABOVE = `the one of step ${STEPS.train}`;
