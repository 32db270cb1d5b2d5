// @ts-check
// Beside chapter 9's cell 10: whether a feature answers to a place in the text rather than to what the text says.

import { PROSE_TEXTS, TEST_TEXTS } from "../texts/chapter9.js";
import { fixed, using, watch } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { above, column, mean } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/**
 * A feature's activations by place: in each text's position 0, position 1, and all later ones.
 * @typedef {{rows: number, active: number, mean: number, max: number}} Place
 * @typedef {{first: Place, second: Place, later: Place}} Places
 * @typedef {"position" | "bos" | "start" | "text" | "silent"} Kind  `position`: whatever stands at position 0; `bos`: only a BOS token there;
 *   `start`: mainly a text's first word; `text`: none of these; `silent`: active nowhere
 * @typedef {{feature: number, texts: number, withBos: Places, withoutBos: Places, kind: Kind}} Profile
 */

export const PROFILE = fixed({ ...CHAPTER9_SITE, texts: /** @type {readonly string[]} */ ([...TEST_TEXTS, ...PROSE_TEXTS]) });

/** An activation counts as a place's own when nothing elsewhere comes to half of it. */
const APART = 0.5;

/**
 * The feature on some texts, with a BOS token in front of each and without: position 0 then holds the text's own first word.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof PROFILE>} options  `prependBos` is not looked at
 * @returns {Promise<Profile>}
 */
export async function positionProfile(bench, sae, options) {
  const { feature, texts, hook, center } = { ...PROFILE, ...options };
  const read = async (/** @type {boolean} */ prependBos, /** @type {number} */ part) =>
    using(await bench.model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts", { part, of: 2 }) }), async (acts) => {
      const values = await column({ ...bench, progress: undefined }, sae, acts, feature);
      const { position } = await acts.rows();
      const at = (/** @type {(position: number) => boolean} */ here) => place(values.filter((_, i) => here(position[i])));
      return { first: at((p) => p === 0), second: at((p) => p === 1), later: at((p) => p > 1) };
    });
  const withBos = await read(true, 0);
  const withoutBos = await read(false, 1);
  return { feature, texts: texts.length, withBos, withoutBos, kind: kindOf(withBos, withoutBos) };
}

/** @param {Float32Array} values @returns {Place} */
const place = (values) => ({ rows: values.length, active: above(values), mean: mean(values), max: values.reduce((m, x) => Math.max(m, x), 0) });

/** @param {Places} withBos @param {Places} withoutBos @returns {Kind} */
function kindOf({ first, second, later }, { first: word, second: afterWord, later: rest }) {
  const most = Math.max(first.max, second.max, later.max, word.max, afterWord.max, rest.max);
  if (most === 0) return "silent";
  const onlyFirst = first.mean > 0 && Math.max(second.max, later.max) < APART * first.mean;
  if (onlyFirst) return word.mean >= APART * first.mean && Math.max(afterWord.max, rest.max) < APART * word.mean ? "position" : "bos";
  return later.max < APART * second.max ? "start" : "text";
}

/** @param {Profile} profile */
export function concludeProfile({ feature, texts, withBos, withoutBos, kind }) {
  const written = (/** @type {number} */ x) => x.toFixed(2);
  const { first, second, later } = withBos;
  const measured = `On ${texts} other texts feature #${feature} has a mean of ${written(first.mean)} at position 0 (active in ${first.active}), at most ${written(second.max)} at position 1 and ${written(later.max)} later`;
  switch (kind) {
    case "position":
      return `${measured}. Without a BOS token it is ${written(withoutBos.first.mean)} at position 0, whatever word stands there: where it is strong, it is a feature of the position.`;
    case "bos":
      return `${measured}. Without a BOS token it falls to ${written(withoutBos.first.mean)} at position 0: where it is strong, it answers to the BOS token and not to the text.`;
    case "start":
      return `${measured}; without a BOS token, at most ${written(withoutBos.first.max)} at position 0. It answers to how some texts begin (${second.active} of these ${texts}), not to what they are about.`;
    case "silent":
      return `On ${texts} other texts feature #${feature} is active nowhere: nothing can be said about its place.`;
    default:
      return `${measured} (${later.active} of ${later.rows} later tokens): its place in the text does not explain it.`;
  }
}
