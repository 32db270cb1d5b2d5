// @ts-check
// Chapter 9, cells 9 and 10: the strongest features of each token, and the strongest of all.

import { fixed } from "./bench.js";
import { largest, row } from "./rows.js";

/** @typedef {import("./extract.js").Extracted} Extracted */
/** @typedef {{position: number, token: string, features: {feature: number, value: number}[], active: number}} TokenFeatures */
/** @typedef {{feature: number, activation: number, position: number, token: string}} MostActive */

export const PER_TOKEN = fixed({ k: 3 });

/** Cell 9. Features that are 0 are left out, so that a position may have fewer than `k`. @param {Extracted} extracted @param {Partial<typeof PER_TOKEN>} [options] @returns {TokenFeatures[]} */
export function topPerToken({ features, tokens, sparsity }, options) {
  const { k } = { ...PER_TOKEN, ...options };
  return tokens.map((token, position) => {
    const best = largest(row(features, position), k).filter(({ value }) => value > 0);
    return { position, token, active: sparsity.active[position], features: best.map(({ index, value }) => ({ feature: index, value })) };
  });
}

/** Cell 10: the largest activation; null where none is above zero. @param {Extracted} extracted @param {{skipPosition0?: boolean}} [options] @returns {MostActive | null} */
export function mostActive({ features: { data, shape }, tokens }, { skipPosition0 = false } = {}) {
  let at = -1;
  for (let i = skipPosition0 ? shape[1] : 0; i < data.length; i += 1) if (data[i] > (at < 0 ? 0 : data[at])) at = i;
  if (at < 0) return null;
  const position = Math.floor(at / shape[1]);
  return { feature: at % shape[1], activation: data[at], position, token: tokens[position] };
}

/** Both winners, and the features that lead at several positions. @param {Extracted} extracted */
export function mostActiveBoth(extracted) {
  return { all: mostActive(extracted), withoutPosition0: mostActive(extracted, { skipPosition0: true }) };
}

/** @param {ReturnType<typeof mostActiveBoth>} both */
export function concludeMostActive({ all, withoutPosition0: rest }) {
  if (all === null) return "No feature is active on this text: the SAE was made for other activations, or the text is empty.";
  const winner = `Feature #${all.feature} has the largest activation, ${all.activation.toFixed(2)} at position ${all.position}.`;
  if (rest === null) return `${winner} No other position has an active feature.`;
  if (all.position > 0) return `${winner} It is not at position 0, so leaving that out changes nothing.`;
  const factor = all.activation / rest.activation;
  return (
    `${winner} That is the first token, whose activations are unlike all others, so it says little about the text. ` +
    `Without position 0 it is #${rest.feature} with ${rest.activation.toFixed(2)} on “${rest.token}” (the first is ${factor.toFixed(1)} times as large): go on with this one.`
  );
}
