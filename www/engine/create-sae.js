// @ts-check
// New SAEs: with random weights or the caller's, or from a stored training.
import { defaults } from "./defaults.js";
import { sameCall } from "./handles.js";
import { toIds, toWeights } from "./inputs.js";
import { kept } from "./kept-sae.js";
import { bad, show, take } from "./options.js";
import { onceMore } from "./recovery.js";
import { Sae, required } from "./sae.js";
import { copy } from "./walk.js";

/**
 * Makes an SAE of a training that `sae.checkpoint()` stored.
 *
 * @param {import("./client.js").Client} client
 * @param {unknown} bytes
 * @returns {Promise<Sae>}
 */
export async function restoreSae(client, bytes) {
  const given = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  if (!(given instanceof Uint8Array)) {
    throw bad(`restoreSae: the checkpoint must be a Uint8Array, and is ${show(bytes)}.`, "Pass what sae.checkpoint() gave.");
  }
  const stored = given.slice();
  const made = await onceMore(() => client.call("restoreSae", [stored.slice()]).result);
  return new Sae(client, made, kept(client, stored, 0));
}

/**
 * Makes an SAE with random weights from `seed`, or with `weights` of the caller's.
 *
 * @param {import("./client.js").Client} client
 * @param {unknown} options
 * @returns {Promise<Sae>}
 */
export async function createSae(client, options) {
  const { settings } = take("createSae", defaults.createSae, options);
  const { weights: given, architecture, dIn: width, dSae: latents, dOut, seed, init, lossUnit, l1Weighted, applyBDecToInput, normalizeActivations, transcoder, skip, ...extras } = settings;
  const weights = given === null ? null : toWeights("createSae", given);
  const [rows = null, columns = null] = weights?.W_enc?.shape ?? [];
  const dIn = required("createSae", "dIn", width ?? rows);
  const dSae = latents ?? columns ?? 4 * dIn;
  const { matryoshkaWidths, ...others } = extras;
  const sent = {
    architecture, dIn, dSae, seed, normalizeActivations, transcoder, skip,
    ...present({ dOut, weights, init, lossUnit, l1Weighted, applyBDecToInput }),
    extras: { ...others, matryoshkaWidths: matryoshkaWidths === null ? [] : [...toIds("createSae", "width of “matryoshkaWidths”", matryoshkaWidths)] },
  };
  const args = [sent];
  const recipe = sameCall(client, "createSae", args);
  const made = await onceMore(() => client.call("createSae", /** @type {unknown[]} */ (copy(args))).result);
  return new Sae(client, made, recipe);
}

/**
 * Without what is null.
 *
 * @param {Record<string, unknown>} options
 */
function present(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
}
