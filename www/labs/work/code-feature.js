// @ts-check
// Chapter 9, cell 16 and exercise 1: a feature that answers to code, and a check of any answer.

import { CODE_HELD_OUT, CODE_TEXT, CODE_TEXTS, PROSE_HELD_OUT, PROSE_TEXTS } from "../texts/chapter9.js";
import { auroc } from "./auroc.js";
import { fixed, using, watch } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { above, column, mean } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */

export const CODE_SEARCH = fixed({ ...CHAPTER9_SITE, code: /** @type {readonly string[]} */ (CODE_TEXTS), prose: /** @type {readonly string[]} */ (PROSE_TEXTS), k: 20 });
/** An answer is right that tells so large a share of pairs of held-out texts apart. */
export const CODE_CHECK = fixed({ ...CHAPTER9_SITE, code: /** @type {readonly string[]} */ (CODE_HELD_OUT), prose: /** @type {readonly string[]} */ (PROSE_HELD_OUT), threshold: 0.9 });
export { CODE_TEXT };

/**
 * Features ranked by how well their largest activation in a text, position 0 left out, tells code from prose.
 * @param {Bench} bench @param {Sae} sae @param {Partial<typeof CODE_SEARCH>} [options]
 */
export async function rankCodeFeatures(bench, sae, options) {
  const { code, prose, k, ...site } = { ...CODE_SEARCH, ...options };
  return withBoth(bench, site, code, prose, (positive, negative) =>
    bench.lab.analysis.concepts(sae, positive, negative, { k, per: "text", skipPosition0: true, ...watch(bench, "rows") }),
  );
}

/**
 * How one feature answers to the two groups: per text its largest activation after position 0.
 * @typedef {{code: number[], prose: number[], auroc: number | null, tokenAuroc: number | null, meanCode: number, meanProse: number, frequencyCode: number, frequencyProse: number, proseText: string | null, silentCode: string | null}} Separation
 *   `frequency…`: share of the tokens; `proseText`: the prose it answers to most; `silentCode`: a code text without it
 */

/**
 * @param {Bench} bench @param {Sae} sae @param {number} feature @param {Partial<typeof CODE_CHECK>} [options]
 * @returns {Promise<Separation>}
 */
export async function separation(bench, sae, feature, options) {
  const { code, prose, threshold: _, ...site } = { ...CODE_CHECK, ...options };
  return withBoth(bench, site, code, prose, async (positive, negative) => {
    const [ofCode, ofProse] = [await byText(bench, sae, positive, feature, code.length), await byText(bench, sae, negative, feature, prose.length)];
    const [mostCode, mostProse] = [ofCode, ofProse].map((texts) => texts.map((values) => Math.max(0, ...values)));
    const [tokensCode, tokensProse] = [ofCode.flat(), ofProse.flat()];
    const highest = Math.max(0, ...mostProse);
    const silent = mostCode.findIndex((x) => x === 0);
    return {
      code: mostCode,
      prose: mostProse,
      auroc: auroc(mostCode, mostProse),
      tokenAuroc: auroc(tokensCode, tokensProse),
      meanCode: mean(tokensCode),
      meanProse: mean(tokensProse),
      frequencyCode: above(tokensCode) / Math.max(tokensCode.length, 1),
      frequencyProse: above(tokensProse) / Math.max(tokensProse.length, 1),
      proseText: highest > 0 ? prose[mostProse.indexOf(highest)] : null,
      silentCode: silent < 0 ? null : code[silent],
    };
  });
}

/**
 * Accepts any feature that separates held-out code from held-out prose, and says of another what is wrong with it.
 * @param {Bench} bench @param {Sae} sae @param {number} feature @param {Partial<typeof CODE_CHECK>} [options]
 * @returns {Promise<{accepted: boolean, words: string, separation: Separation | null}>}
 */
export async function checkCodeFeature(bench, sae, feature, options) {
  const { dSae } = sae.config;
  if (!Number.isInteger(feature) || feature < 0 || feature >= dSae) {
    return { accepted: false, words: `This SAE has features 0 to ${dSae - 1}; ${feature} is none of them.`, separation: null };
  }
  const found = await separation(bench, sae, feature, options);
  return { ...judgeCodeFeature(feature, found, { ...CODE_CHECK, ...options }.threshold), separation: found };
}

/** @param {number} feature @param {Separation} found @param {number} threshold @returns {{accepted: boolean, words: string}} */
export function judgeCodeFeature(feature, found, threshold) {
  const { code, prose } = found;
  const [activeCode, activeProse] = [above(code), above(prose)];
  const score = found.auroc ?? 0.5;
  const groups = `It is active in ${activeCode} of ${code.length} code texts and ${activeProse} of ${prose.length} prose texts that it was not chosen on`;
  if (score >= threshold) {
    return { accepted: true, words: `Yes: feature #${feature} ranks ${percent(score)} of all pairs of held-out code and prose rightly. ${groups}.` };
  }
  const words = (() => {
    if (activeCode + activeProse === 0) return `Feature #${feature} is active in none of the held-out texts, so it says nothing about code. Take one from the top of the ranking.`;
    if (score < 0.4) return `Feature #${feature} answers to prose rather than code (${percent(score)} of pairs, where chance gives 50 %). ${groups}; most on “${found.proseText}”.`;
    if (activeProse > 0.5 * prose.length) return `Feature #${feature} is no code feature: it answers to prose too (${percent(score)} of pairs; chance is 50 %). ${groups}; on prose most for “${found.proseText}”.`;
    if (activeCode < 0.8 * code.length) return `Feature #${feature} is too narrow: ${percent(score)} of pairs, ${percent(threshold)} are asked for. ${groups}; it is silent on “${shown(found.silentCode)}”. It may stand for one construct or one token.`;
    return `Feature #${feature} does not tell them apart well enough: ${percent(score)} of pairs, ${percent(threshold)} are asked for. ${groups}.`;
  })();
  return { accepted: false, words };
}

/**
 * Collects both groups, and frees them.
 * @template T
 * @param {Bench} bench @param {{hook: string, prependBos: boolean, center: boolean}} site
 * @param {readonly string[]} positive @param {readonly string[]} negative @param {(positive: Acts, negative: Acts) => Promise<T>} use
 * @returns {Promise<T>}
 */
async function withBoth(bench, { hook, prependBos, center }, positive, negative, use) {
  const collect = (/** @type {readonly string[]} */ texts) => bench.model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") });
  return using(await collect(positive), async (first) => using(await collect(negative), (second) => use(first, second)));
}

/** The feature's values after position 0, text by text. @param {Bench} bench @param {Sae} sae @param {Acts} acts @param {number} feature @param {number} texts */
async function byText(bench, sae, acts, feature, texts) {
  const values = await column(bench, sae, acts, feature);
  const { text, position } = await acts.rows();
  const lists = Array.from({ length: texts }, () => /** @type {number[]} */ ([]));
  values.forEach((value, i) => {
    if (position[i] > 0) lists[text[i]]?.push(value);
  });
  return lists;
}

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(0)} %`;
/** @param {string | null} text */
const shown = (text) => (text ?? "").trim().replaceAll("\n", " ⏎ ");
