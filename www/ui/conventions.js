// @ts-check
// The conventions in which the notebooks differ, as switches of a whole page, with one preset for each notebook.
// Some change what is computed (BOS, view, bias, position 0): results made otherwise are out of date. The others change how a result is written.

import { convertL1 } from "../engine/units.js";

/**
 * @typedef {object} ConventionValues
 * @property {boolean} prependBos      a BOS token stands in front of each text
 * @property {boolean} skipPosition0   statistics leave out the first position of each text
 * @property {"tl" | "hf"} view        TransformerLens subtracts each vector's mean, Hugging Face does not
 * @property {"tl" | "hf"} hookNames   how a place in the model is written
 * @property {"evGlobal" | "evPerDimension" | "evLegacy" | "evDictionaryLearning"} ev  which explained variance stands first
 * @property {"mean" | "sum"} l1Unit   the loss that a sparsity coefficient is written for
 * @property {boolean} bias            a steering direction contains the decoder's bias
 * @property {"decoded" | "raw"} tokens
 */

/**
 * A switch: how it is called, what it may be, and why it matters.
 * @typedef {{name: keyof ConventionValues, label: string, options: {value: string | boolean, label: string}[], why: string}} Switch
 */

/** @type {readonly Switch[]} */
export const SWITCHES = Object.freeze([
  {
    name: "prependBos",
    label: "BOS token",
    options: [
      { value: true, label: "in front" },
      { value: false, label: "none" },
    ],
    why: "Without it the first word of a text stands at position 0, where GPT-2's vectors are unlike all others.",
  },
  {
    name: "skipPosition0",
    label: "Position 0",
    options: [
      { value: false, label: "counted" },
      { value: true, label: "left out" },
    ],
    why: "Its rows can outweigh all others in a mean, in an error and in what is strongest.",
  },
  {
    name: "view",
    label: "View",
    options: [
      { value: "tl", label: "TransformerLens" },
      { value: "hf", label: "Hugging Face" },
    ],
    why: "TransformerLens takes the mean out of every vector of the residual stream. The model's probabilities are the same.",
  },
  {
    name: "hookNames",
    label: "Names of places",
    options: [
      { value: "tl", label: "blocks.6.hook_resid_post" },
      { value: "hf", label: "hidden_states[7]" },
    ],
    why: "Hugging Face counts the embedding as number 0, so what follows block 6 is its number 7; its last entry is after the final layer norm.",
  },
  {
    name: "ev",
    label: "Explained variance",
    options: [
      { value: "evPerDimension", label: "per dimension" },
      { value: "evGlobal", label: "one mean for all (notebooks)" },
      { value: "evLegacy", label: "mean of rows (legacy)" },
      { value: "evDictionaryLearning", label: "errors around their mean" },
    ],
    why: "Four formulas go by one name. The notebooks' has one mean for all numbers and is mostly the highest.",
  },
  {
    name: "l1Unit",
    label: "Sparsity coefficient",
    options: [
      { value: "mean", label: "c, of means (notebooks)" },
      { value: "sum", label: "λ, of sums (SAELens)" },
    ],
    why: "λ = c · d_model / features is the same trade between error and sparsity in the other loss.",
  },
  {
    name: "bias",
    label: "Steering direction",
    options: [
      { value: true, label: "with the decoder's bias" },
      { value: false, label: "without the bias" },
    ],
    why: "Decoding a single feature brings the bias along, which all features share.",
  },
  {
    name: "tokens",
    label: "Tokens",
    options: [
      { value: "decoded", label: "as text" },
      { value: "raw", label: "as pieces (Ġ)" },
    ],
    why: "A tokenizer writes a leading space as Ġ.",
  },
]);

/** What a switch is called where a result says what has changed since. @param {string} name */
export const switchLabel = (name) => SWITCHES.find((s) => s.name === name)?.label ?? name;

/** @type {Readonly<Record<"c4" | "chapter9" | "week7" | "reference", {label: string, values: Readonly<ConventionValues>}>>} */
export const PRESETS = Object.freeze({
  c4: {
    label: "Lab C.4",
    values: Object.freeze(
      /** @type {ConventionValues} */ ({
        prependBos: true, skipPosition0: false, view: "tl", hookNames: "tl", ev: "evPerDimension", l1Unit: "mean", bias: true, tokens: "decoded",
      }),
    ),
  },
  chapter9: {
    label: "Chapter 9",
    values: Object.freeze(
      /** @type {ConventionValues} */ ({
        prependBos: true, skipPosition0: false, view: "tl", hookNames: "tl", ev: "evGlobal", l1Unit: "sum", bias: false, tokens: "decoded",
      }),
    ),
  },
  week7: {
    label: "Week 7",
    values: Object.freeze(
      /** @type {ConventionValues} */ ({
        prependBos: false, skipPosition0: false, view: "hf", hookNames: "hf", ev: "evGlobal", l1Unit: "mean", bias: false, tokens: "raw",
      }),
    ),
  },
  reference: {
    label: "SAELens",
    values: Object.freeze(
      /** @type {ConventionValues} */ ({
        prependBos: true, skipPosition0: true, view: "tl", hookNames: "tl", ev: "evPerDimension", l1Unit: "sum", bias: false, tokens: "decoded",
      }),
    ),
  },
});

/** @typedef {keyof typeof PRESETS} PresetName */

/** The switches of one page. Tells of "change". */
export class Conventions extends EventTarget {
  /** @type {ConventionValues} */ #values;
  /** The page's own preset. @readonly @type {PresetName} */ home;

  /** @param {PresetName} home @param {unknown} [kept] what was set in an earlier visit; what does not fit is left out */
  constructor(home, kept) {
    super();
    this.home = home;
    this.#values = { ...PRESETS[home].values };
    const known = typeof kept === "object" && kept !== null ? /** @type {Record<string, unknown>} */ (kept) : {};
    for (const { name, options } of SWITCHES)
      if (Object.hasOwn(known, name) && options.some(({ value }) => value === known[name])) this.#write(name, /** @type {any} */ (known[name]));
  }

  /** @returns {Readonly<ConventionValues>} */
  get values() {
    return this.#values;
  }

  /** The preset whose values these are, or null. @returns {PresetName | null} */
  get preset() {
    const names = /** @type {PresetName[]} */ (Object.keys(PRESETS));
    return names.find((name) => SWITCHES.every((s) => PRESETS[name].values[s.name] === this.#values[s.name])) ?? null;
  }

  /** @param {keyof ConventionValues} name @param {string | boolean} value */
  set(name, value) {
    if (this.#values[name] === value) return;
    this.#write(name, value);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {PresetName} name */
  take(name) {
    this.#values = { ...PRESETS[name].values };
    this.dispatchEvent(new Event("change"));
  }

  /** @param {keyof ConventionValues} name @param {string | boolean} value */
  #write(name, value) {
    this.#values = { ...this.#values, [name]: value };
  }

  /**
   * A hook in the chosen way of writing. Hugging Face has names for the residual stream between blocks only, and for what is
   * after the final layer norm; everything else keeps TransformerLens's name.
   * @param {string} hook by TransformerLens's name @param {number} nLayers
   */
  hook(hook, nLayers) {
    if (this.#values.hookNames === "tl") return hook;
    const [, layer, side] = /^blocks\.(\d+)\.hook_resid_(pre|post)$/.exec(hook) ?? [];
    if (hook === "ln_final.hook_normalized") return `hidden_states[${nLayers}]`;
    if (layer === undefined) return hook;
    const index = Number(layer) + (side === "post" ? 1 : 0);
    return index < nLayers ? `hidden_states[${index}]` : hook;
  }

  /** A token as text or as the tokenizer's piece. @param {{tokens: readonly string[], raw: readonly string[]}} tokens @param {number} i */
  token({ tokens, raw }, i) {
    return (this.#values.tokens === "raw" ? raw : tokens)[i] ?? "";
  }

  /**
   * A sparsity coefficient of the notebooks' loss, which is of means, in the chosen unit.
   * @param {number} c @param {number} dIn @param {number} dSae @returns {{symbol: "c" | "λ", value: number}}
   */
  coefficient(c, dIn, dSae) {
    return this.#values.l1Unit === "mean" ? { symbol: "c", value: c } : { symbol: "λ", value: convertL1(c, { from: "mean", to: "sum", dIn, dSae }) };
  }

  /** The direction of a feature for steering. @returns {import("../engine/types.js").DirectionKind} */
  get direction() {
    return this.#values.bias ? "decode-one-hot-unit" : "decoder-unit";
  }
}
