// @ts-check
// Chapter 9, cell 11: the largest activation of one feature on several texts, as bars.

import { visible } from "../../ui/format.js";
import { TEST_TEXTS } from "../texts/chapter9.js";
import { fixed, using, watch } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { column } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {{activation: number, position: number, token: string}} Peak */
/** @typedef {{text: string, all: Peak, withoutPosition0: Peak | null}} TextActivation */

export const BARS = fixed({ ...CHAPTER9_SITE, texts: /** @type {readonly string[]} */ (TEST_TEXTS), width: 20, perUnit: 5, shownCharacters: 50 });

/**
 * The largest activation on each text, with position 0 as the notebook takes it and without.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof BARS>} options
 * @returns {Promise<TextActivation[]>}
 */
export async function featureOnTexts(bench, sae, options) {
  const { feature, texts, hook, prependBos, center } = { ...BARS, ...options };
  const { model } = bench;
  return using(await model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") }), async (acts) => {
    const values = await column(bench, sae, acts, feature);
    const origins = await acts.rows();
    const tokens = await Promise.all(texts.map((text) => model.tokenize(text, { prependBos })));
    const peak = (/** @type {number} */ text, /** @type {number} */ first) => {
      let best = -1;
      for (let i = 0; i < values.length; i += 1) {
        if (origins.text[i] === text && origins.position[i] >= first && (best < 0 || values[i] > values[best])) best = i;
      }
      if (best < 0) return null;
      const position = origins.position[best];
      return { activation: values[best], position, token: tokens[text].tokens[position] };
    };
    return texts.map((text, i) => ({ text, all: peak(i, 0) ?? { activation: 0, position: 0, token: "" }, withoutPosition0: peak(i, 1) }));
  });
}

/**
 * The bars' lengths in characters: the notebook's ⌊activation · 5⌋, which has no bound, and scaled to the largest of all.
 * @param {readonly number[]} activations @param {{width?: number, perUnit?: number}} [options]
 * @returns {{notebook: number[], scaled: number[]}}
 */
export function barLengths(activations, { width = BARS.width, perUnit = BARS.perUnit } = {}) {
  const most = Math.max(0, ...activations);
  return {
    notebook: activations.map((x) => Math.max(0, Math.trunc(x * perUnit))),
    scaled: activations.map((x) => (most > 0 ? Math.round((width * Math.max(x, 0)) / most) : 0)),
  };
}

/** @param {{feature: number, rows: readonly TextActivation[]}} result */
export function concludeBars({ feature, rows }) {
  const all = rows.map((r) => r.all.activation);
  const rest = rows.map((r) => r.withoutPosition0?.activation ?? 0);
  const spread = Math.max(...all) - Math.min(...all);
  const atZero = rows.every((r) => r.all.position === 0);
  if (Math.max(...all) === 0) return `Feature #${feature} is active on none of these texts: take one that is, or add texts.`;
  const first =
    rows.length > 1 && atZero && spread < 1e-3 * Math.max(...all)
      ? `All ${rows.length} bars are equal (${all[0].toFixed(2)}), because each is of position 0, which no text changes: the feature tells nothing about these texts.`
      : rows.length > 1
        ? `The activations run from ${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}.`
        : `The activation is ${all[0].toFixed(2)}.`;
  const active = rest.filter((x) => x > 0).length;
  if (active === 0) return `${first} After position 0 it is active on none of them: choose the strongest feature of a later position.`;
  const most = Math.max(...rest);
  const best = rows.filter((_, i) => rest[i] > (1 - 1e-3) * most);
  const places = new Set(best.map(({ withoutPosition0: peak }) => `“${visible(peak?.token ?? "")}” at position ${peak?.position}`));
  const strongest =
    best.length === 1
      ? `most on “${best[0].text}” (${most.toFixed(2)})`
      : `${best.length === active ? "equally strong on each" : `equally strong on ${best.length}`} (${most.toFixed(2)})${places.size === 1 ? `, each time on ${[...places][0]}: what these texts share is that token, not what they are about` : ""}`;
  return `${first} Without position 0 it is active on ${active} of ${rows.length}, ${strongest}.`;
}
