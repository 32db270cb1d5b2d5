// @ts-check
// The steps of chapter 9 in their order, and what all of them share: where the model is read, how a result says where it is from.

import { numbered } from "../../ui/lab-page.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../../ui/types.js").ListedSae} Listed */
/** @typedef {import("../../ui/conventions.js").Conventions} Conventions */
/**
 * The autoencoder of the page. `name`: what it was loaded from, or how it was trained; `hook`: where the page reads the model;
 * `made`: what it was made for; `listed`: its entry in the list of published ones.
 * @typedef {{sae: Sae, handles: Sae[], name: string, hook: string, made: {hook: string, center: boolean, prependBos: boolean}, listed: Listed | null, seed: number | null}} Loaded
 */

export const STEPS = numbered([
  "setup",
  "load-sae",
  "tokens",
  "activations",
  "features",
  "sparsity",
  "top-features",
  "most-active",
  "texts",
  "reconstruction",
  "steering",
  "neuronpedia",
  "code-search",
  "layers",
  "trade-off",
  "cleanup",
]);

/** Where the notebook reads the model; a model of fewer layers, before its last block. @param {Session} session */
export const notebookHook = ({ config }) => `blocks.${Math.min(8, config.nLayers - 1)}.hook_resid_pre`;

/** The conventions that activations are computed with. */
export const READING = /** @type {const} */ (["prependBos", "view"]);

/** How the model is read, for the modules of work/. @param {Record<string, any>} values with the conventions `READING` @param {Loaded} loaded */
export const site = ({ prependBos, view }, { hook }) => ({ hook, prependBos: Boolean(prependBos), center: view === "tl" });

/** The page's switches. @param {Session} session */
export const conventionsOf = (session) => /** @type {Conventions} */ (session.conventions);

/** A hook as the page writes it. @param {Session} session @param {string} hook */
export const hookName = (session, hook) => conventionsOf(session).hook(hook, session.config.nLayers);

/** The autoencoder of the page, or null before it is loaded. @param {Session} session @returns {Loaded | null} */
export const loadedOf = (session) => session.usable(STEPS["load-sae"])?.value ?? null;

/**
 * Where a result is from.
 * @param {Session} session @param {{hook: string, name: string}} from @param {Record<string, any>} values @param {string} [more]
 */
export function provenance(session, { hook, name }, { prependBos, view }, more) {
  const model = session.modelName;
  return [model, hookName(session, hook), view === "tl" ? "TransformerLens" : "Hugging Face", prependBos ? "BOS" : "no BOS", name, more].filter(Boolean).join(" · ");
}

/**
 * The setting for a feature's number: what was chosen last on the page, until one is typed.
 * @param {Session} session @returns {import("../../ui/fields.js").Field}
 */
export function featureField(session) {
  const sae = loadedOf(session)?.sae;
  return {
    name: "feature",
    label: "Feature",
    kind: "integer",
    value: null,
    min: 0,
    max: sae ? sae.config.dSae - 1 : undefined,
    hint: "chosen in a table above, or typed",
    noReset: true,
  };
}

/** Lets a step's feature follow what is chosen on the page. @param {import("../../ui/step.js").LabStep} step */
export function followFeature(step) {
  step.session.addEventListener("feature", () => step.settings?.set("feature", step.session.feature));
}

/** Texts of a setting, one a line; \n stands for a line break within one. @param {string} lines @returns {string[]} */
export const linesOf = (lines) =>
  lines
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.replaceAll("\\n", "\n"));

/** Texts as such a setting. @param {readonly string[]} texts */
export const asLines = (texts) => texts.map((text) => text.replaceAll("\n", "\\n")).join("\n");

/** GPT-2's names of bytes in its pieces: those that can be printed name themselves, the others follow one another from Ā on. */
const BYTES = (() => {
  const plain = (/** @type {number} */ byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : next++));
})();

/** A decoded token as the page's switch has it: as text, or as the tokenizer's piece. @param {Session} session @param {string} token */
export function piece(session, token) {
  if (conventionsOf(session).values.tokens !== "raw") return token;
  const named = /^(?:<0x([0-9A-F]{2})>)+$/.test(token) ? [...token.matchAll(/<0x(..)>/g)].map(([, hex]) => parseInt(hex, 16)) : new TextEncoder().encode(token);
  return token === "<|endoftext|>" ? token : Array.from(named, (byte) => BYTES[byte]).join("");
}
