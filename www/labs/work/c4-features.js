// @ts-check
// Lab C.4, part 5: the most active features, and the tokens on which each is strongest.
import { count } from "../../ui/format.js";
import { fixed } from "./bench.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */

/** The score is mean-when-active × frequency, which is the mean over all rows. */
export const TOP = fixed({ k: 20, by: /** @type {"score" | "frequency" | "mean" | "max"} */ ("score") });

/**
 * The most active features on all rows, as the notebook ranks them, and beside them without position 0.
 *
 * @typedef {{feature: number, meanActive: number, frequency: number, mean: number, max: number}} Feature
 * @typedef {{features: Feature[], withoutPosition0: Feature[], rows: number, alive: number, dSae: number, kept: number}} Top  `kept`: how many stand in both lists
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 * @param {Partial<typeof TOP>} [options]
 * @returns {Promise<Top>}
 */
export async function topFeatures({ lab, signal }, sae, acts, options) {
  const { k, by } = { ...TOP, ...options };
  const { features, rows, alive } = await lab.analysis.topFeatures(sae, acts, { k, by, signal });
  const later = await lab.analysis.topFeatures(sae, acts, { k, by, skipPosition0: true, signal });
  const numbers = new Set(later.features.map(({ feature }) => feature));
  const kept = features.filter(({ feature }) => numbers.has(feature)).length;
  return { features, withoutPosition0: later.features, rows, alive, dSae: sae.config.dSae, kept };
}

/** @param {Top} top */
export function concludeTop({ features, withoutPosition0, alive, dSae, kept }) {
  if (features.length === 0) return "No feature is active on any row: the coefficient was too large, or the autoencoder is not trained.";
  const dense = features.filter(({ frequency }) => frequency > 0.5).length;
  const always = dense > features.length / 2 ? ": a feature that is nearly always on says little about any one token" : "";
  const said = [
    `${count(alive)} of ${count(dSae)} features fire on some row; of the ${features.length} most active, ${count(dense)} fire on more than half of all rows${always}.`,
  ];
  const gone = features.length - kept;
  if (withoutPosition0.length > 0) {
    const [before, after] = [features[0].feature, withoutPosition0[0].feature];
    const first = before === after ? "" : `${gone === 0 ? "," : " and"} puts F${after} first instead of F${before}`;
    said.push(`Leaving out position 0 ${gone === 0 ? "keeps all of them" : `replaces ${gone} of them`}${first}.`);
  }
  return said.join(" ");
}

export const EXAMPLES = fixed({ k: 10, context: 5, skipPosition0: false });

/**
 * The tokens on which some features are strongest, largest first, only where they are active. `acts` are the prompts' rows: the notebook does
 * not look for examples among random tokens.
 *
 * @typedef {import("../../engine/types.js").Examples & {distinct: number, atPosition0: number, prompts: number}} FeatureExamples  `distinct` contexts among the
 *   examples; `atPosition0` of them; from how many `prompts`
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 * @param {readonly number[]} features
 * @param {Partial<typeof EXAMPLES>} [options]
 * @returns {Promise<FeatureExamples[]>}
 */
export async function topExamples({ lab, signal, progress }, sae, acts, features, options) {
  const { k, context, skipPosition0 } = { ...EXAMPLES, ...options };
  /** @type {FeatureExamples[]} */
  const found = [];
  for (const feature of features) {
    const one = await lab.analysis.examples(sae, acts, { feature, k, context, skipPosition0, signal });
    const places = one.examples.map(({ position, before, token }) => JSON.stringify([position, before, token]));
    found.push({
      ...one,
      distinct: new Set(places).size,
      atPosition0: one.examples.filter(({ position }) => position === 0).length,
      prompts: new Set(one.examples.map(({ text }) => text)).size,
    });
    progress?.(found.length, features.length, "features");
  }
  return found;
}

/** @param {readonly FeatureExamples[]} found @param {number} rows  how many rows the prompts have */
export function concludeExamples(found, rows) {
  const silent = found.filter(({ active }) => active === 0);
  const first = found.filter(({ examples, atPosition0 }) => examples.length > 0 && atPosition0 > examples.length / 2);
  const pure = found.filter(({ examples }) => examples.length > 2 && new Set(examples.map(({ token }) => token.trim().toLowerCase())).size === 1);
  const broad = found.filter(({ active }) => active > rows / 2);
  const name = (/** @type {readonly FeatureExamples[]} */ list) => list.map(({ feature }) => `F${feature}`).join(", ");
  const said = [];
  if (first.length > 0) said.push(`${name(first)}: most of the strongest examples are at position 0, where every text has the same token; leave position 0 out (in the conventions) and look again.`);
  if (pure.length > first.length) said.push(`${name(pure.filter((one) => !first.includes(one)))}: all examples are one token — a feature of that token, not yet of a concept.`);
  if (broad.length > 0) said.push(`${name(broad)}: active on more than half of the prompts' rows, so that its ten strongest say little about the rest.`);
  if (silent.length > 0) said.push(`${name(silent)}: not active on any prompt; only random tokens raised it into the list.`);
  if (said.length === 0) said.push(`The examples of ${name(found)} differ in their tokens and positions: read them, name what they share, and test the name on a text of your own.`);
  return said.join(" ");
}
