// @ts-check
// Step 2: activations as a data set.

import "../data-table.js";
import "../figure.js";
import { defaults } from "../../engine/defaults.js";
import { DataTable } from "../data-table.js";
import { h, make, setText } from "../dom.js";
import { LabFigure } from "../figure.js";
import { count, counted, inline, norm, number, percent, rough } from "../format.js";
import { PROMPT_GROUPS, textsOf } from "../prompts.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";

/** @typedef {import("../types.js").Acts} Acts */
/** @typedef {import("../types.js").Norms} Norms */
/** @typedef {{acts: Acts, handles: Acts[], texts: string[], hook: string, center: boolean, prependBos: boolean}} Value */

const sites = [
  ["hook_resid_pre", "before the block"],
  ["hook_resid_mid", "after attention"],
  ["hook_resid_post", "after the block"],
  ["hook_attn_out", "from attention"],
  ["hook_mlp_out", "from the MLP"],
  ["mlp.hook_post", "MLP neurons"],
];

/** @type {{key: keyof Norms, label: string}[]} */
const quantities = [
  { key: "rows", label: "number" },
  { key: "meanNorm", label: "mean norm" },
  { key: "medianNorm", label: "median norm" },
  { key: "maxNorm", label: "largest norm" },
  { key: "mean", label: "mean of all elements" },
  { key: "std", label: "standard deviation" },
];

/** In the TransformerLens view nothing but rounding is left of a mean. @param {number} mean @param {boolean} center */
const isRounding = (mean, center) => center && Math.abs(mean) < 1e-6;

/** The lesson draws ids 1000 to 39999; a smaller vocabulary leaves out single bytes and the end-of-text token. @param {number} dVocab */
const randomIds = (dVocab) => (dVocab > 40000 ? [1000, 39999] : [Math.min(256, dVocab - 2), dVocab - 2]);

/** @param {Record<string, any>} values */
export const collectOptions = (values) => ({
  hook: `blocks.${values.layer}.${values.site}`,
  position: values.position,
  prependBos: values.prependBos,
  center: values.view === "tl",
  randomSequences:
    values.randomCount > 0 ? { count: values.randomCount, length: values.randomLength, minId: values.minId, maxId: values.maxId } : null,
  seed: values.seed,
});

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function collectStep(step) {
  const table = make(DataTable),
    figure = make(LabFigure);
  const shape = h("p", { class: "fact", "data-part": "shape" });
  /** @type {Value | null} */ let shown = null;

  const quantity = (/** @type {number} */ x, /** @type {import("../data-table.js").Row} */ row) =>
    row.key === "rows" ? count(x) : row.key === "mean" && isRounding(x, shown?.center ?? false) ? "0" : number(x);

  const statsTable = () => ({
    caption: "The rows, with and without position 0",
    columns: /** @type {import("../data-table.js").Column[]} */ ([
      { key: "what", label: "rows" },
      { key: "all", label: "all", kind: "number", format: quantity },
      { key: "rest", label: "without position 0", kind: "number", format: quantity },
    ]),
    rows: quantities.map(({ key, label }) => ({
      key,
      what: label,
      all: shown?.acts.stats.all[key],
      rest: shown?.acts.stats.withoutPosition0[key],
    })),
  });

  return {
    uses: [],
    promise: "Run reads one vector per token and shows how many there are, how long they are, and what position 0 does.",
    body: [shape, figure],
    fields() {
      const { nLayers, dVocab } = step.session.config;
      const [minId, maxId] = randomIds(dVocab);
      const known = new Set(step.session.model?.hooks ?? []);
      return [
        {
          name: "samples",
          label: "Sample prompts",
          kind: "checks",
          value: PROMPT_GROUPS.map(({ id }) => id),
          wide: true,
          options: PROMPT_GROUPS.map(({ id, label, prompts }) => ({
            value: id,
            label,
            detail: prompts.map((prompt) => inline(prompt)),
          })),
        },
        {
          name: "own",
          label: "Your own texts",
          kind: "lines",
          value: "",
          rows: 2,
          wide: true,
          hint: "one per line; \\n stands for a line break inside a text",
        },
        { name: "layer", label: "Layer", kind: "integer", value: Math.min(6, nLayers - 1), min: 0, max: nLayers - 1 },
        {
          name: "site",
          label: "Site",
          kind: "choice",
          value: "hook_resid_post",
          options: sites
            .filter(([site]) => !known.size || known.has(`blocks.0.${site}`))
            .map(([value, what]) => ({ value, label: `${value} · ${what}` })),
        },
        {
          name: "position",
          label: "Positions",
          kind: "choice",
          value: defaults.collect.position,
          hint: "random sequences give all of theirs",
          options: [
            { value: "all", label: "all" },
            { value: "last", label: "the last of each text" },
            { value: "random", label: "a random one of each text" },
          ],
        },
        {
          name: "view",
          label: "View",
          kind: "choice",
          value: defaults.collect.center ? "tl" : "hf",
          hint: "TransformerLens subtracts each vector's mean",
          options: [
            { value: "tl", label: "TransformerLens" },
            { value: "hf", label: "Hugging Face" },
          ],
        },
        { name: "prependBos", label: "Put a BOS token in front of each text", kind: "switch", value: defaults.collect.prependBos },
        { name: "randomCount", label: "Random sequences", kind: "integer", value: 50, min: 0, max: 1000, hint: "0: none" },
        {
          name: "randomLength",
          label: "Length of each",
          kind: "integer",
          value: 20,
          min: 1,
          max: step.session.config.nCtx,
          unit: "tokens",
        },
        {
          name: "minId",
          label: "Token ids from",
          kind: "integer",
          value: minId,
          min: 0,
          max: dVocab - 1,
          advanced: true,
          hint:
            dVocab > 40000
              ? undefined
              : "all but single bytes and the end-of-text token",
        },
        { name: "maxId", label: "Token ids to", kind: "integer", value: maxId, min: 0, max: dVocab - 1, advanced: true, hint: "included" },
        {
          name: "seed",
          label: "Seed",
          kind: "integer",
          value: defaults.collect.seed,
          min: 0,
          max: 4294967295,
          rangeText: "a whole number",
          advanced: true,
          hint: "for all that is drawn at random",
        },
      ];
    },
    readout(values) {
      const texts = textsOf(values).length;
      return `${counted(texts, "text")}${values.randomCount > 0 ? ` and ${counted(values.randomCount, "random sequence")}` : ""}`;
    },

    async run({ model, values, signal, progress }) {
      const texts = textsOf(values);
      const options = collectOptions(values);
      const acts = await model.collect(texts, {
        ...options,
        signal,
        onProgress: (p) => {
          if (p.done !== undefined && p.total !== undefined) progress(p.done, p.total, "sequences");
        },
      });
      return { value: { acts, handles: [acts], texts, hook: options.hook, center: options.center, prependBos: options.prependBos } };
    },

    render(value) {
      shown = value;
      const { stats } = value.acts;
      setText(
        shape,
        `${counted(stats.rows, "vector")} of ${counted(stats.width, "dimension")}, ${count(stats.distinctRows)} of them distinct. ` +
          `Mean ${isRounding(stats.mean, value.center) ? "0 (each vector's mean is subtracted in this view)" : number(stats.mean)}, standard deviation ${number(stats.std)} over all elements.`,
      );
      table.show(statsTable());
      figure.show({ name: "activations", caption: "How long the vectors are", body: [table], table: statsTable });
    },

    conclusion({ acts }) {
      const { all, withoutPosition0: rest } = acts.stats;
      const first = all.rows - rest.rows;
      const few =
        acts.stats.rows < 10 * acts.stats.width
          ? ` There are ${rough(acts.stats.rows / acts.stats.width)} rows per dimension: too few to generalise from.`
          : "";
      if (first === 0) return `None of these rows stands at position 0.${few}`;
      if (rest.rows === 0) return `Every one of these rows stands at position 0.${few}`;
      const firstMean = (all.meanNorm * all.rows - rest.meanNorm * rest.rows) / first;
      const times = firstMean / rest.meanNorm;
      const share = percent(first / all.rows);
      const norms = `mean norm ${norm(firstMean)} against ${norm(rest.meanNorm)}`;
      if (times > 2)
        return `Position 0 is ${share} of the rows, and its vectors are ${rough(times)} times as long as the others (${norms}): it weighs on every mean, and on what an autoencoder learns first.${few}`;
      if (times > 1.1)
        return `Position 0 is ${share} of the rows, and its vectors are ${rough(times)} times as long as the others (${norms}): a difference, but a mild one.${few}`;
      return `Position 0 is ${share} of the rows, and its vectors are not longer than the others (${norms}).${few}`;
    },
    provenance: (value, values) =>
      `${step.session.modelName} · ${value.hook} · ${values.view === "tl" ? "TransformerLens" : "Hugging Face"} view · seed ${values.seed}`,
    code: (values) => ({
      javascript: javascript.collect(values, collectOptions(values)),
      python: python.collect(values, collectOptions(values)),
    }),
  };
}
