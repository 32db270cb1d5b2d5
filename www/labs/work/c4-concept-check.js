// @ts-check
// Lab C.4, the challenge: judges a feature on the sentences that the search did not choose it on.
import { residPost, using } from "./bench.js";
import { permutation, uniform } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../texts/concepts.js").Concept} Concept */

/** A feature passes with so many of all pairs of sentences in the right order. */
export const PASS = 0.75;

/**
 * The pairs that `findConcepts` with this seed holds out.
 *
 * @param {Concept} concept
 * @param {number} seed
 */
export function heldOutPairs({ pairs }, seed) {
  const order = permutation(pairs.length, uniform(seed));
  return Array.from(order.subarray(Math.ceil(pairs.length / 2)), (n) => pairs[n]);
}

/**
 * The AUROC of every feature on the pairs held out, by the largest activation of each sentence after position 0.
 *
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Concept} concept
 * @param {{layer: number, prependBos: boolean, center: boolean, seed: number}} settings
 * @returns {Promise<{aurocs: Map<number, import("../../engine/types-analysis.js").ConceptFeature>, sentences: number}>}
 */
export async function heldOutAurocs({ lab, model, signal }, sae, concept, { layer, prependBos, center, seed }) {
  const pairs = heldOutPairs(concept, seed);
  const read = (/** @type {0 | 1} */ side) => model.collect(pairs.map((pair) => pair[side]), { hook: residPost(layer), prependBos, center, signal });
  const { features } = await using(await read(0), async (yes) =>
    using(await read(1), (no) => lab.analysis.concepts(sae, yes, no, { k: sae.config.dSae, per: "text", skipPosition0: true, signal })),
  );
  return { aurocs: new Map(features.map((row) => [row.feature, row])), sentences: 2 * pairs.length };
}
