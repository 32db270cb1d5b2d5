// @ts-check
import { defaults } from "./defaults.js";
import { handleOf } from "./handles.js";
import { fields, toList, toName, toTexts } from "./inputs.js";
import { bytesOf } from "./kept-sae.js";
import { bad, take } from "./options.js";
import { split } from "./sae.js";
import { occupy } from "./training.js";

const STOPPED = "The SAEs keep what they have learnt: the same call with {continue: true} goes on from there.";

/**
 * Trains SAEs on the same batches of activations while text streams through the model.
 *
 * @param {import("./client.js").Client} client
 * @param {import("./model.js").Model} model
 * @param {readonly import("./sae.js").Sae[]} saes
 * @param {string | readonly string[]} texts
 * @param {Partial<import("./types.js").TrainStreamSettings> & import("./types.js").Control} [options]
 * @returns {Promise<import("./types.js").TrainStreamResult>}
 */
export async function trainStream(client, model, saes, texts, options) {
  const { settings, control } = take("trainStream", defaults.trainStream, options, ["signal", "onProgress"]);
  const { signal, onProgress } = control;
  const list = /** @type {import("./sae.js").Sae[]} */ (toList("trainStream", "saes", saes));
  const { recipe, rest } = split(settings);
  const { perSae, ...sent } = rest;
  const recipes = toRecipes(recipe, perSae, list.length);
  const targetHook = sent.targetHook === null ? null : toName("trainStream", sent.targetHook);
  const handles = list.map((sae) => handleOf(sae, client, "sae"));
  const modelId = handleOf(model, client, "model");
  const stream = { ...sent, targetHook, texts: toTexts("trainStream", texts) };
  return occupy(list, signal, () => ({
    handles,
    bytes: Math.max(0, ...list.map(({ config }) => bytesOf(config, sent.bufferRows))),
    goesOn: sent.continue,
    once: false,
    start: (watchers, from) => {
      const changed = recipes.map((recipe, k) => ({ ...recipe, l1: from?.l1[k] ?? recipe.l1 }));
      const { onEntry } = watchers;
      return client.call("trainStream", [modelId, handles, { ...stream, continue: from?.within || stream.continue, recipes: changed }], {
        ...watchers,
        onEntry: onEntry && ((entry) => onEntry({ sae: 0, ...entry })),
      });
    },
    result: (value, before) => ({ stopped: false, ...value, histories: before.map((entries, k) => [...entries, ...(value?.histories[k] ?? [])]) }),
    signal, onProgress, stoppedHint: STOPPED,
  }), client);
}

/**
 * @param {import("./types.js").Recipe} common
 * @param {unknown} perSae   null, or what differs from `common` for each
 * @param {number} count
 * @returns {import("./types.js").Recipe[]}
 */
function toRecipes(common, perSae, count) {
  if (perSae === null) return Array.from({ length: count }, () => common);
  const given = toList("trainStream", "perSae", perSae);
  if (given.length !== count) {
    throw bad(`trainStream: “perSae” has ${given.length} entries for ${count} SAEs.`, "Give one entry for each SAE; an empty one, {}, changes nothing.");
  }
  return given.map((entry, index) => {
    const own = fields("trainStream", `perSae[${index}]`, entry, "{lr, l1, …}");
    take(`trainStream, perSae[${index}]`, defaults.recipe, own); // its names and types
    return { ...common, ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) };
  });
}
