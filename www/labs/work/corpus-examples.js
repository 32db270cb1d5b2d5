// @ts-check
// Week 7, cell 13: the tokens that activate a feature most, in the order of the texts and sorted.

import { visible } from "../../ui/format.js";
import { WEEK7_TEXTS } from "../texts/week7.js";
import { fixed } from "./bench.js";
import { above, column, largest } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {{text: number, context: string, position: number, row: number, token: string, raw: string, activation: number}} Example  `raw`: the tokenizer's piece, Ġ for a space */

export const EXAMPLES = fixed({ k: 5, prependBos: false, texts: /** @type {readonly string[]} */ (WEEK7_TEXTS) });

/**
 * The k rows with the largest activation: as the notebook lists them, in the order of the texts, and sorted with those at 0
 * left out. `withoutPosition0` is sorted.
 * @param {Bench} bench @param {import("./bench.js").Sae} sae @param {import("./bench.js").Acts} acts @param {{feature: number} & Partial<typeof EXAMPLES>} options
 *   texts and prependBos as the rows were collected
 * @returns {Promise<{feature: number, active: number, rows: number, inCorpusOrder: Example[], sorted: Example[], withoutPosition0: Example[]}>}
 */
export async function maxActivating(bench, sae, acts, options) {
  const { feature, k, texts, prependBos } = { ...EXAMPLES, ...options };
  const values = await column(bench, sae, acts, feature);
  const list = await examplesOf(bench, acts, values, texts, prependBos);
  const top = largest(values, k).map(({ index }) => list[index]);
  const later = largest(list.map(({ position, activation }) => (position > 0 ? activation : 0)), k).map(({ index }) => list[index]);
  return {
    feature,
    active: above(values),
    rows: values.length,
    inCorpusOrder: [...top].sort((a, b) => a.row - b.row),
    sorted: top.filter(({ activation }) => activation > 0),
    withoutPosition0: later.filter(({ activation, position }) => activation > 0 && position > 0),
  };
}

/**
 * Every row with its token and its text.
 * @param {Bench} bench @param {import("./bench.js").Acts} acts @param {Float32Array} values @param {readonly string[]} texts @param {boolean} prependBos
 * @returns {Promise<Example[]>}
 */
export async function examplesOf({ model }, acts, values, texts, prependBos) {
  const origins = await acts.rows();
  const tokens = await Promise.all(texts.map((text) => model.tokenize(text, { prependBos })));
  return Array.from(values, (activation, row) => {
    const [text, position] = [origins.text[row], origins.position[row]];
    const of = tokens[text];
    return { text, context: texts[text] ?? "", position, row, token: of?.tokens[position] ?? "", raw: of?.raw[position] ?? "", activation };
  });
}

/** @param {Awaited<ReturnType<typeof maxActivating>>} result */
export function concludeExamples({ feature, active, rows, inCorpusOrder, sorted }) {
  if (active === 0) return `Feature ${feature} is active on no row: choose another.`;
  const first = sorted[0];
  const listed = inCorpusOrder[0];
  const order = listed.row === first.row ? "the first in the order of the texts happens to be the strongest" : `in the order of the texts “${visible(listed.token)}” comes first (${listed.activation.toFixed(3)}), though “${visible(first.token)}” is the strongest (${first.activation.toFixed(3)})`;
  const atStart = sorted.filter(({ position }) => position === 0).length;
  const start = atStart >= Math.min(sorted.length, 3) ? ` ${atStart} of these ${sorted.length} are the first token of a text: this may be a position feature.` : "";
  return `Feature ${feature} is active on ${active} of ${rows} rows; ${order}.${start}`;
}
