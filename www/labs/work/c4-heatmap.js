// @ts-check
// Lab C.4, part 5: which features are active on each token of a prompt.
import { percent } from "../../ui/format.js";
import { HEATMAP_PROMPTS } from "../texts/c4.js";
import { fixed, residPost } from "./bench.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */

export const HEATMAPS = fixed({ prompts: HEATMAP_PROMPTS, k: 10, layer: 6, center: true, prependBos: true });

/**
 * Features by tokens for each prompt: the k features with the largest activation on it, as the notebook chooses them, and the k
 * largest when position 0 is not looked at.
 *
 * @typedef {import("../../engine/types.js").Heatmap} Heatmap  `data` is [features, tokens]
 * @typedef {{prompt: string, map: Heatmap, withoutPosition0: Heatmap, atPosition0: number, shared: number}} PromptMap  `atPosition0`: how many
 *   features of `map` have their maximum there; `shared`: how many stand in both
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Partial<typeof HEATMAPS>} [options]
 * @returns {Promise<PromptMap[]>}
 */
export async function heatMaps({ lab, model, signal, progress }, sae, options) {
  const { prompts, k, layer, center, prependBos } = { ...HEATMAPS, ...options };
  const settings = { hook: residPost(layer), center, prependBos, k, signal };
  /** @type {PromptMap[]} */
  const maps = [];
  for (const prompt of prompts) {
    const map = await lab.analysis.heatmap(model, sae, prompt, settings);
    const later = await lab.analysis.heatmap(model, sae, prompt, { ...settings, skipPosition0: true });
    const atPosition0 = map.features.filter((_, row) => strongest(map, row) === 0).length;
    const shared = map.features.filter((feature) => later.features.includes(feature)).length;
    maps.push({ prompt, map, withoutPosition0: later, atPosition0, shared });
    progress?.(maps.length, prompts.length, "prompts");
  }
  return maps;
}

/** The token on which a row of a heat map is strongest. @param {Heatmap} map @param {number} row */
function strongest({ data, tokens }, row) {
  const values = data.subarray(row * tokens.length, (row + 1) * tokens.length);
  return values.indexOf(values.reduce((m, x) => Math.max(m, x), -Infinity));
}

/** @param {readonly PromptMap[]} maps */
export function concludeMaps(maps) {
  const features = maps.flatMap(({ map }) => map.features);
  const first = maps.reduce((sum, { atPosition0 }) => sum + atPosition0, 0);
  const times = new Map();
  for (const feature of features) times.set(feature, (times.get(feature) ?? 0) + 1);
  const everywhere = [...times].filter(([, n]) => n === maps.length).map(([feature]) => `F${feature}`);
  const said = [];
  if (maps.length > 1) {
    const names = `${everywhere.slice(0, 5).join(", ")}${everywhere.length > 5 ? ", …" : ""}`;
    const are = everywhere.length === 1 ? "is" : "are";
    said.push(
      everywhere.length > 0
        ? `${everywhere.length} of the features shown (${names}) ${are} among the strongest of every prompt, and so hardly about what one of them says.`
        : "No feature is among the strongest of every prompt.",
    );
  }
  const kept = maps.reduce((sum, { shared }) => sum + shared, 0);
  if (first > 0) said.push(`${percent(first / features.length)} of the rows have their maximum at position 0; choosing without it keeps ${kept} of ${features.length}.`);
  return said.join(" ");
}
