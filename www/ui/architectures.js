// @ts-check
// The kinds of autoencoder that can be trained: what each does, in a sentence, and the settings that matter to it.

import { defaults } from "../engine/defaults.js";
import { convertL1 } from "../engine/units.js";
import { count, exact } from "./format.js";

/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("../engine/types.js").ArchitectureName} Name */
/**
 * The factor of the sparsity term. `per` says what it multiplies: a mean of activations over rows and features ("mean"), a sum over a row's features ("sum"),
 * the number of active features ("count"); null where the number of active features is set instead.
 * @typedef {{label: string, per: "mean" | "sum" | "count", value: number}} Coefficient
 */
/**
 * @typedef {{name: Name, label: string, family: string, term: [name: string, label: string], says: string,
 *   coefficient: Coefficient | null, defaults: {expansion: number, lr: number, epochs: number}}} Kind
 */

const notebooks = "As in the notebooks",
  saeLens = "As in SAELens";

/** @type {readonly Kind[]} */
export const KINDS = [
  {
    name: "tied",
    label: "Tied",
    family: notebooks,
    term: ["tied", "Tied weights:"],
    says: "the decoder is the encoder transposed, so a feature is read and written along one direction.",
    coefficient: { label: "L1 coefficient c", per: "mean", value: defaults.train.l1 },
    defaults: { expansion: 4, lr: defaults.train.lr, epochs: defaults.train.epochs },
  },
  {
    name: "untied",
    label: "Untied",
    family: notebooks,
    term: ["untied", "Untied weights:"],
    says: "the decoder learns directions of its own.",
    coefficient: { label: "L1 coefficient c", per: "mean", value: defaults.train.l1 },
    defaults: { expansion: 4, lr: defaults.train.lr, epochs: defaults.train.epochs },
  },
  {
    name: "standard",
    label: "Standard",
    family: saeLens,
    term: ["standard", "Standard:"],
    says: "untied, b_dec is subtracted first, and the L1 penalty counts each activation times the length of its decoder row.",
    coefficient: { label: "L1 coefficient λ", per: "sum", value: 1 },
    defaults: { expansion: 4, lr: 3e-3, epochs: 100 },
  },
  {
    name: "topk",
    label: "TopK",
    family: saeLens,
    term: ["topk", "TopK:"],
    says: "on each row the k largest features stay, all others become zero. No penalty is needed.",
    coefficient: null,
    defaults: { expansion: 4, lr: 3e-3, epochs: 100 },
  },
  {
    name: "batchtopk",
    label: "BatchTopK",
    family: saeLens,
    term: ["batchtopk", "BatchTopK:"],
    says: "k features a row on average: rows that need more take from rows that need less.",
    coefficient: null,
    defaults: { expansion: 4, lr: 3e-3, epochs: 100 },
  },
  {
    name: "jumprelu",
    label: "JumpReLU",
    family: saeLens,
    term: ["jumprelu", "JumpReLU:"],
    says: "a feature counts only above a threshold, which every feature learns for itself; the penalty counts active features.",
    coefficient: { label: "L0 coefficient", per: "count", value: 0.5 },
    defaults: { expansion: 4, lr: 3e-3, epochs: 100 },
  },
  {
    name: "gated",
    label: "Gated",
    family: saeLens,
    term: ["gated", "Gated:"],
    says: "one path decides whether a feature is active, another how strongly, so the penalty on the first does not shrink the second.",
    coefficient: { label: "L1 coefficient λ", per: "sum", value: 1 },
    defaults: { expansion: 4, lr: 3e-3, epochs: 100 },
  },
  {
    name: "matryoshka_batchtopk",
    label: "Matryoshka",
    family: saeLens,
    term: ["matryoshka", "Matryoshka:"],
    says: "dictionaries inside one another: the first features alone must give the vector back as well as they can, then the first few more, up to all.",
    coefficient: null,
    defaults: { expansion: 4, lr: 3e-3, epochs: 100 },
  },
];

/** @param {string | undefined} name @returns {Kind} */
export const kindOf = (name) => KINDS.find((kind) => kind.name === name) ?? KINDS[0];

/** "tied", "TopK": as it stands within a sentence. @param {string} name */
export const kindWord = (name) => (["tied", "untied", "standard", "gated"].includes(name) ? name : kindOf(name).label);

/** Features of an autoencoder on vectors of a width. @param {Record<string, any>} values @param {number} dIn */
export const dictionarySize = ({ expansion }, dIn) => Math.max(1, Math.round(expansion * dIn));

/** How many numbers an autoencoder learns. @param {string} architecture @param {number} dIn @param {number} dSae */
export function parameters(architecture, dIn, dSae) {
  const vectors = { gated: 3, jumprelu: 2 }[architecture] ?? 1; // b_gate, b_mag, r_mag; b_enc, threshold; b_enc
  return (architecture === "tied" ? 1 : 2) * dIn * dSae + vectors * dSae + dIn;
}

/** The nested widths: given ones, else an eighth, three eighths and all. @param {Record<string, any>} values @param {number} dSae @returns {number[] | null} null: not a list of whole numbers that grow */
export function matryoshkaWidths({ matryoshkaWidths: text }, dSae) {
  const parts = String(text ?? "")
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map(Number);
  const widths = (parts.length ? parts : [Math.round(dSae / 8), Math.round((3 * dSae) / 8)]).filter((width) => width !== dSae);
  const sound = widths.every((width, i) => Number.isInteger(width) && width > (widths[i - 1] ?? 0) && width < dSae);
  return sound ? [...widths, dSae] : null;
}

/** The settings that only this kind has. @param {Kind} kind @param {number} dSae @param {Record<string, any>} values @returns {Field[]} */
export function ownFields({ name, coefficient }, dSae, values) {
  const extra = defaults.createSae;
  /** @type {Field[]} */ const fields = [];
  const group = `Only ${kindWord(name)}`;
  if (coefficient)
    fields.push({ name: "l1", label: coefficient.label, kind: "log", value: coefficient.value, min: 1e-4, max: 1e3, per: coefficient.per });
  else
    fields.push({
      name: "k",
      label: "Active features k",
      kind: name === "topk" ? "integer" : "number",
      value: Math.min(16, dSae),
      min: name === "topk" ? 1 : undefined,
      above: name === "topk" ? undefined : 0,
      max: dSae,
      unit: name === "topk" ? "per row" : "per row on average",
    });
  if (name === "matryoshka_batchtopk")
    fields.push({
      name: "matryoshkaWidths",
      label: "Widths, from the inside out",
      kind: "text",
      value: "",
      hint: `empty: ${matryoshkaWidths({}, dSae)?.join(", ") ?? ""}; the last is always d_sae`,
    });
  if (name === "jumprelu")
    fields.push(
      {
        name: "jumpreluPenalty",
        label: "Penalty",
        kind: "choice",
        value: extra.jumpreluPenalty,
        options: [
          { value: "step", label: "step: count of active features" },
          { value: "tanh", label: "tanh of the activation" },
          { value: "quadratic", label: "distance to a wanted L0, squared" },
        ],
        advanced: true,
        group,
      },
      ...(values.jumpreluPenalty === "quadratic"
        ? [
            /** @type {Field} */ ({
              name: "jumpreluTargetL0",
              label: "Wanted L0",
              kind: "number",
              value: extra.jumpreluTargetL0,
              above: 0,
              max: dSae,
              unit: "features per row",
              advanced: true,
              group,
            }),
          ]
        : []),
      {
        name: "jumpreluBandwidth",
        label: "Bandwidth",
        kind: "number",
        value: extra.jumpreluBandwidth,
        above: 0,
        max: 100,
        advanced: true,
        group,
        hint: "how near the threshold a feature must be to teach it",
      },
      {
        name: "jumpreluInitThreshold",
        label: "First threshold",
        kind: "number",
        value: extra.jumpreluInitThreshold,
        above: 0,
        max: 100,
        advanced: true,
        group,
      },
    );
  if (coefficient === null)
    fields.push({
      name: "rescaleActsByDecoderNorm",
      label: "Count activations times their decoder row's length",
      kind: "switch",
      value: extra.rescaleActsByDecoderNorm,
      advanced: true,
      group,
    });
  return fields;
}

/** What the coefficient is in the other unit. @param {Kind} kind @param {Record<string, any>} values @param {number} dIn @param {number} dSae */
export function conversion({ name, coefficient }, values, dIn, dSae) {
  const three = (/** @type {number} */ x) => exact(Number(x.toPrecision(3)));
  if (!coefficient) return `k of ${count(dSae)} features, ${three((100 * values.k) / dSae)} %: there is no coefficient, so no λ`;
  if (coefficient.per === "mean")
    return `λ = c · d_in / d_sae = ${three(convertL1(values.l1, { from: "mean", to: "sum", dIn, dSae }))}: what c is called where losses are sums over a row, not means`;
  if (coefficient.per === "sum")
    return `c = λ · d_sae / d_in = ${three(convertL1(values.l1, { from: "sum", to: "mean", dIn, dSae }))}: what λ is called where losses are means, as in the notebooks`;
  return `the ${name === "jumprelu" ? "L0 " : ""}coefficient counts features, not their activations: it has no c and no λ`;
}
