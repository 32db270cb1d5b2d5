// @ts-check
// Chapter 9, cell 15: a feature's page on Neuronpedia, where it has one.

import { fixed } from "./bench.js";


/** @typedef {import("./bench.js").Sae} Sae */

export const NEURONPEDIA = fixed({ model: "gpt2-small", layer: 8, source: "res-jb" });

/** The notebook's address, of the residual-stream SAEs of GPT-2 small. @param {number} feature @param {Partial<typeof NEURONPEDIA>} [options] */
export function neuronpediaUrl(feature, options) {
  const { model, layer, source } = { ...NEURONPEDIA, ...options };
  return `https://www.neuronpedia.org/${model}/${layer}-${source}/${feature}`;
}

/**
 * The page of a feature of this SAE; without one, why there is none.
 * @param {Sae} sae @param {number} feature @param {{listed?: {neuronpedia: string | null} | null}} [options]  `listed`: its entry in listSaes(), if it was loaded by that
 * @returns {{url: string | null, why: string}}
 */
export function featurePage({ config: { dSae, metadata } }, feature, { listed = null } = {}) {
  const id = listed?.neuronpedia ?? metadata.other?.["neuronpedia_id"] ?? null;
  if (typeof id === "string" && id.includes("/")) return { url: `https://www.neuronpedia.org/${id}/${feature}`, why: "This SAE is published there." };
  const layer = /^blocks\.(\d+)\.hook_resid_pre$/.exec(metadata.hookName ?? "")?.[1];
  const isResJb = metadata.modelName === "gpt2-small" && dSae === 24576 && layer !== undefined;
  if (isResJb) return { url: neuronpediaUrl(feature, { layer: Number(layer) }), why: "It has the size and the place of the published one." };
  return { url: null, why: `Neuronpedia has pages for published SAEs; this one, ${dSae} features on ${metadata.modelName ?? "a model"} here, is not among them. Its feature #${feature} would be another feature there.` };
}
