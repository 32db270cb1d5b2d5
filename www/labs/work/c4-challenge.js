// @ts-check
// Lab C.4, the challenge: a wider autoencoder on more text, and a search for named concepts in it.
import { count, decimals, exact, percent, rough } from "../../ui/format.js";
import { CONCEPTS } from "../texts/concepts.js";
import { fixed, residPost, using, watch } from "./bench.js";
import { PASS } from "./c4-concept-check.js";
import { permutation, uniform } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */
/** @typedef {import("../texts/concepts.js").Concept} Concept */

/**
 * At 8 or 16 times the width and on text that streams, the notebook's own loss keeps too many features active; what is here by default is SAELens's: sums
 * instead of means, an input scaled to unit size, a warm-up, decoder rows in the penalty.
 */
export const WIDE = fixed({
  expansion: 8,
  layer: 6,
  architecture: "standard",
  tokens: 200_000,
  batchSize: 512,
  bufferRows: 16_384,
  contextSize: /** @type {number | null} */ (128),
  lr: 1e-3,
  l1: 2,
  l1WarmUpSteps: 100,
  lrWarmUpSteps: 20,
  heldOut: 0.05,
  skipPosition0: true,
  prependBos: true,
  center: true,
  entryEvery: 20,
  seed: 0,
});

/**
 * Trains a wide autoencoder on the visitor's texts. `sae` is the caller's to dispose of; aborting rejects, and frees it.
 *
 * @typedef {import("../../engine/types.js").Epoch} Epoch
 * @typedef {{sae: Sae, history: Epoch[], texts: number, tokens: number, hook: string, layer: number, l1: number}} Wide
 * @param {Bench} bench
 * @param {readonly string[]} texts
 * @param {Partial<typeof WIDE> & {onEntry?: (entry: Epoch) => void}} [options]
 * @returns {Promise<Wide>}
 */
export async function trainWide(bench, texts, options = {}) {
  const { onEntry, ...own } = options;
  const { expansion, layer, architecture, tokens, ...recipe } = { ...WIDE, ...own };
  const { lab, model } = bench;
  const dIn = model.config.dModel;
  const hook = residPost(layer);
  const contextSize = recipe.contextSize === null ? null : Math.min(recipe.contextSize, model.config.nCtx);
  const sae = await lab.createSae({ architecture, dIn, dSae: Math.round(expansion * dIn), seed: recipe.seed, normalizeActivations: "expected_average_only_in" });
  try {
    const { signal, onProgress } = watch(bench, "steps");
    const watched = (/** @type {any} */ p) => ("phase" in p ? onProgress(p) : onEntry?.(p));
    const { histories } = await lab.trainStream(model, [sae], texts, { ...recipe, contextSize, hook, tokens, signal, onProgress: watched });
    return { sae, history: histories[0], texts: texts.length, tokens, hook, layer, l1: recipe.l1 };
  } catch (error) {
    await sae.dispose();
    throw error;
  }
}

/** @param {Omit<Wide, "sae"> & {dSae: number}} wide */
export function concludeWide({ history, dSae, l1 }) {
  const last = history[history.length - 1];
  if (last === undefined) return "There was too little text for a single entry of the history: give more, or a smaller batch.";
  const ev = last.heldOut?.explainedVariance ?? null;
  const dense = last.nActive > 0.05 * dSae;
  const explained = ev === null ? "" : `, and ${decimals(3)(ev)} of the variance of text it was not trained on is explained`;
  const said = [`After ${count(last.rows)} tokens ${rough(last.nActive)} of ${count(dSae)} features are active on a row${explained}.`];
  if (dense) said.push(`That is dense for concepts: raise the coefficient above ${exact(l1)}, or train longer.`);
  if (last.dead > 0.5 * dSae) said.push(`${percent(last.dead / dSae)} of the features are dead: lower the coefficient, or train on more text.`);
  if (ev !== null && ev < 0.5) said.push("It explains little yet: more text or a smaller coefficient comes before any interpretation.");
  return said.join(" ");
}

/** `per` "text": of each text counts the largest activation. */
export const SEARCH = fixed({
  concepts: CONCEPTS,
  k: 10,
  per: /** @type {"token" | "text"} */ ("text"),
  layer: 6,
  prependBos: true,
  center: true,
  skipPosition0: true,
  seed: 0,
});

/**
 * How well single features tell texts with a concept from texts without, in AUROC: 0.5 is chance, 1 is perfect. Of thousands of features the best
 * looks good by luck alone, so two checks stand beside it: `heldOut`, the AUROC on pairs that the feature was not chosen on, and `chance`, the best
 * that any feature reaches when the labels are drawn by lot.
 *
 * @typedef {import("../../engine/types-analysis.js").ConceptFeature & {heldOut: number | null}} ConceptFeature
 * @typedef {{concept: Concept, features: ConceptFeature[], chance: number, texts: number}} ConceptResult
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Partial<typeof SEARCH>} [options]
 * @returns {Promise<ConceptResult[]>}
 */
export async function findConcepts(bench, sae, options) {
  const settings = { ...SEARCH, ...options };
  /** @type {ConceptResult[]} */
  const results = [];
  for (const concept of settings.concepts) {
    results.push(await findConcept(bench, sae, concept, settings));
    bench.progress?.(results.length, settings.concepts.length, "concepts");
  }
  return results;
}

/**
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Concept} concept
 * @param {typeof SEARCH} settings
 * @returns {Promise<ConceptResult>}
 */
async function findConcept(bench, sae, concept, { k, per, layer, prependBos, center, skipPosition0, seed }) {
  const { pairs } = concept;
  const next = uniform(seed);
  const order = permutation(pairs.length, next);
  const half = Math.ceil(pairs.length / 2);
  const [chosenOn, heldOut] = [Array.from(order.subarray(0, half)), Array.from(order.subarray(half))];
  const side = (/** @type {readonly number[]} */ which, /** @type {0 | 1} */ n) => which.map((pair) => pairs[pair][n]);
  const rank = async (/** @type {readonly string[]} */ positive, /** @type {readonly string[]} */ negative, /** @type {number} */ most) =>
    ranked(bench, sae, positive, negative, { k: most, per, skipPosition0, layer, prependBos, center });
  const { features } = await rank(side(chosenOn, 0), side(chosenOn, 1), k);
  const dSae = sae.config.dSae;
  const elsewhere = heldOut.length === 0 ? [] : (await rank(side(heldOut, 0), side(heldOut, 1), dSae)).features;
  const aurocs = new Map(elsewhere.map(({ feature, auroc }) => [feature, auroc]));
  // Of every pair chance decides which text is called positive.
  const flips = chosenOn.map(() => next() < 0.5);
  const drawn = (/** @type {boolean} */ first) => chosenOn.map((pair, i) => pairs[pair][flips[i] === first ? 0 : 1]);
  const { features: lucky } = await rank(drawn(true), drawn(false), 1);
  return {
    concept,
    features: features.map((one) => ({ ...one, heldOut: aurocs.get(one.feature) ?? null })),
    chance: lucky[0]?.auroc ?? 0.5,
    texts: 2 * chosenOn.length,
  };
}

/**
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {readonly string[]} positive
 * @param {readonly string[]} negative
 * @param {{k: number, per: "token" | "text", skipPosition0: boolean, layer: number, prependBos: boolean, center: boolean}} settings
 */
async function ranked({ lab, model, signal }, sae, positive, negative, { k, per, skipPosition0, layer, prependBos, center }) {
  const hook = residPost(layer);
  return using(await model.collect(positive, { hook, prependBos, center, signal }), async (yes) =>
    using(await model.collect(negative, { hook, prependBos, center, signal }), async (no) => lab.analysis.concepts(sae, yes, no, { k, per, skipPosition0, signal })),
  );
}

/** @param {readonly ConceptResult[]} results */
export function concludeConcepts(results) {
  return results.map(concludeConcept).join(" ");
}

/** @param {ConceptResult} result */
export function concludeConcept({ concept, features: [best], chance, texts }) {
  if (best === undefined) return `${concept.label}: no feature is active on these texts.`;
  const elsewhere = best.heldOut === null ? "" : ` (${decimals(2)(best.heldOut)} on new pairs)`;
  const found = `${concept.label}: F${best.feature} tells the texts apart with an AUROC of ${decimals(2)(best.auroc)}${elsewhere}`;
  const test = best.heldOut ?? best.auroc;
  if (best.auroc <= chance + 0.02) return `${found}; with labels drawn by lot the best feature reaches ${decimals(2)(chance)} on the same ${texts} texts, so this is no find.`;
  if (test < PASS) return `${found}: it does not hold on new pairs. A wider autoencoder or more text may have a better one.`;
  const rare = best.frequencyPositive < 0.3 ? ` It fires on only ${percent(best.frequencyPositive)} of what has the concept: on one part of it, a word perhaps.` : "";
  return `${found}, where labels drawn by lot give ${decimals(2)(chance)}: a candidate. ${concept.note}${rare}`;
}
