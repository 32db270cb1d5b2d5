// @ts-check
// Chapter 9, cell 12: how near the SAE's output comes to the activations, by four explained variances.

import { RECONSTRUCTION_TEXT } from "../texts/chapter9.js";
import { fixed, using, watch } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").Figures} Figures */
/** @typedef {"evGlobal" | "evPerDimension" | "evLegacy" | "evDictionaryLearning"} EvName */
/** @typedef {{texts: readonly string[], all: Figures, withoutPosition0: Figures | null}} Reconstruction */

export const RECONSTRUCTION = fixed({ ...CHAPTER9_SITE, texts: /** @type {readonly string[]} */ ([RECONSTRUCTION_TEXT]) });

/** The four explained variances: what each divides by, and why it differs from the right one. @type {readonly {key: EvName, name: string, formula: string, why: string}[]} */
export const EXPLAINED_VARIANCES = Object.freeze([
  {
    key: "evPerDimension",
    name: "per dimension",
    formula: "1 − Σ‖x − x̂‖² / Σ‖x − mean‖²",
    why: "One mean for each dimension: 0 is what the mean row alone explains. SAELens's explained_variance, the one to report.",
  },
  {
    key: "evGlobal",
    name: "the notebook's",
    formula: "1 − mean (x − x̂)² / var of all numbers",
    why: "One mean for all dimensions together, so what differs between dimensions in every row counts as variance that was explained: mostly higher.",
  },
  {
    key: "evLegacy",
    name: "mean of the rows'",
    formula: "mean of 1 − ‖x − x̂‖² / ‖x − mean‖²",
    why: "Each row's own ratio, then their mean: rows near the mean have little to explain and count as much as all others. SAELens's explained_variance_legacy.",
  },
  {
    key: "evDictionaryLearning",
    name: "dictionary_learning's",
    formula: "1 − Σ var(x − x̂) / Σ var(x)",
    why: "The variance of the error does not see an error that is the same in every row: never lower than per dimension.",
  },
]);

/**
 * MSE and explained variance of some texts, with position 0 as the notebook takes it and without.
 * @param {Bench} bench @param {Sae} sae @param {Partial<typeof RECONSTRUCTION>} [options]
 * @returns {Promise<Reconstruction>}
 */
export async function reconstruction(bench, sae, options) {
  const { texts, hook, prependBos, center } = { ...RECONSTRUCTION, ...options };
  return using(await bench.model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") }), async (acts) => {
    const { all, withoutPosition0 } = await bench.lab.analysis.quality(sae, acts, watch(bench, "rows"));
    return { texts, all, withoutPosition0 };
  });
}

/** A table's rows: each explained variance with and without position 0. @param {Reconstruction} result */
export function explainedVariances({ all, withoutPosition0 }) {
  return EXPLAINED_VARIANCES.map((ev) => ({ ...ev, all: all[ev.key], withoutPosition0: withoutPosition0?.[ev.key] ?? null }));
}

/** @param {Reconstruction} result */
export function concludeReconstruction({ all, withoutPosition0: rest }) {
  const percent = (/** @type {number | null | undefined} */ x) => (x === null || x === undefined ? "–" : `${(100 * x).toFixed(1)} %`);
  const first = `By the notebook's formula ${percent(all.evGlobal)} of the variance is explained, with one mean per dimension ${percent(all.evPerDimension)}.`;
  const inner = rest?.evPerDimension ?? null;
  if (inner === null) return `${first} Without position 0 there are too few rows to tell: write a longer text.`;
  // the same formula with position 0 and without, so that nothing else differs
  const gap = (all.evPerDimension ?? inner) - inner;
  const second =
    gap > 0.02
      ? `Position 0 carries that figure: without it, ${percent(inner)} per dimension is left.`
      : gap < -0.02
        ? `Position 0 is explained worse than the rest: without it, the figure per dimension rises to ${percent(inner)}.`
        : `Without position 0 the figure per dimension is ${percent(inner)}, nearly the same.`;
  const places = rest ? all.rows - rest.rows : 0;
  const share = all.mse > 0 && rest ? 1 - (rest.mse * rest.rows) / (all.mse * all.rows) : 0;
  const error = share > (2 * places) / all.rows ? ` Of all squared error, ${percent(share)} is at position 0, ${places} of the ${all.rows} rows.` : "";
  return `${first} ${second}${error}`;
}
