// @ts-check
// A feature's own page, computed here: how often and how strongly it is active, which tokens its direction makes likelier, where it is strongest.

import { visible } from "../../ui/format.js";
import { LANDMARK_TEXT, PROSE_TEXTS, TEST_TEXTS } from "../texts/chapter9.js";
import { SAMPLE_PROMPTS } from "../texts/c4.js";
import { fixed, using, watch } from "./bench.js";
import { CHAPTER9_SITE } from "./extract.js";
import { above, mean } from "./rows.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").Example} Example */
/**
 * `edges` and `counts`: the activations above zero in bins of equal width. `sampled`: places drawn from all where it is active, strongest first. `raises`, `lowers`: the logits that the decoder's row adds, largest and smallest.
 * @typedef {{feature: number, rows: number, texts: readonly string[], active: number, max: number, mean: number, edges: number[], counts: number[], examples: Example[],
 *   sampled: Example[],
 *   raises: {token: string, logit: number}[], lowers: {token: string, logit: number}[]}} FeatureFacts
 */

export const CARD = fixed({ ...CHAPTER9_SITE, texts: /** @type {readonly string[]} */ ([LANDMARK_TEXT, ...TEST_TEXTS, ...PROSE_TEXTS, ...SAMPLE_PROMPTS]), examples: 30, sampled: 6, seed: 0, bins: 10, logits: 10, skipPosition0: true });

/** @param {Bench} bench @param {Sae} sae @param {{feature: number} & Partial<typeof CARD>} options @returns {Promise<FeatureFacts>} */
export async function featureFacts(bench, sae, options) {
  const { feature, texts, hook, prependBos, center, examples: k, sampled: drawn, seed, bins, logits, skipPosition0 } = { ...CARD, ...options };
  const { lab, model } = bench;
  return using(await model.collect(texts, { hook, prependBos, center, ...watch(bench, "texts") }), async (acts) => {
    const { data } = await lab.analysis.featureActs(sae, acts, { features: [feature], skipPosition0 });
    const { examples } = await lab.analysis.examples(sae, acts, { feature, k, skipPosition0, context: 5 });
    const { examples: sampled } = await lab.analysis.examples(sae, acts, { feature, k: drawn, skipPosition0, context: 5, sample: { count: drawn, seed } });
    const active = data.filter((x) => x > 0);
    const max = active.reduce((most, x) => Math.max(most, x), 0);
    const edges = Array.from({ length: bins + 1 }, (_, i) => (i * max) / bins);
    const counts = Array.from({ length: bins }, () => 0);
    for (const x of active) counts[Math.min(bins - 1, Math.floor((x / max) * bins))] += 1;
    const effects = await logitEffects(bench, sae, { feature, k: logits });
    return { feature, rows: data.length, texts, active: above(data), max, mean: mean(active), edges, counts, examples, sampled, ...effects };
  });
}

/**
 * The logits that the feature's decoder row adds by itself, TransformerLens's W_dec[i] @ W_U: what the unembedding makes of the row without its
 * mean, less what it makes of nothing. The final layer norm's weights are in it; its division, which depends on the text, is left out.
 * @param {Bench} bench @param {Sae} sae @param {{feature: number, k: number}} options
 */
export async function logitEffects({ model }, sae, { feature, k }) {
  const { dModel, nLayers, bos } = model.config;
  const { data: row } = await sae.direction({ feature, kind: "decoder" });
  if (row.length !== dModel || nLayers === 0) return { raises: [], lowers: [] };
  const middle = mean(row);
  const replace = { data: Float32Array.from({ length: 2 * dModel }, (_, i) => (i < dModel ? 0 : row[i - dModel] - middle)), shape: [2, dModel] };
  const run = await model.run([bos, bos], { edits: [{ hook: "ln_final.hook_normalized", replace }], logits: "all", center: true, topK: model.config.dVocab });
  const names = new Map((run.top ?? []).map(({ id, token }) => [id, token]));
  const { data, shape } = /** @type {import("../../engine/types.js").Tensor} */ (run.logits);
  const width = shape[1];
  const effect = Float32Array.from({ length: width }, (_, i) => data[width + i] - data[i]);
  const order = Array.from(effect.keys()).sort((a, b) => effect[b] - effect[a]);
  const named = (/** @type {number[]} */ ids) => ids.map((id) => ({ token: names.get(id) ?? "", logit: effect[id] }));
  return { raises: named(order.slice(0, k)), lowers: named(order.slice(-k).reverse()) };
}

/** @param {FeatureFacts} facts */
export function concludeFacts({ feature, rows, active, max, examples, raises, edges, counts }) {
  if (active === 0) return `Feature #${feature} is active on none of the ${rows} tokens looked at: its card is empty.`;
  /** @type {Map<string, number>} */ const tally = new Map();
  for (const { token } of examples) tally.set(token, (tally.get(token) ?? 0) + 1);
  const [token, times] = [...tally].reduce((best, entry) => (entry[1] > best[1] ? entry : best));
  const strong = counts.slice(counts.length / 2).reduce((sum, n) => sum + n, 0);
  return (
    `It is active on ${((100 * active) / rows).toFixed(1)} % of ${rows} tokens, up to ${max.toFixed(2)}; ${times > 1 ? `${times} of its ${examples.length} strongest places hold “${visible(token)}”` : `its ${examples.length} strongest places hold different tokens`}. ` +
    `Its direction raises “${visible(raises[0]?.token ?? "")}” most. ${strong < 5 ? `Only ${strong} ${strong === 1 ? "token reaches" : "tokens reach"} half its range (${edges[counts.length / 2].toFixed(2)}): too few to say what it means.` : "Before you name it, read the places that were drawn at random too."}`
  );
}
