// @ts-check
// Cells 5 and 6: the tokens of a text, and the model's vectors at one place.

import "../../ui/bar-plot.js";
import "../../ui/token-strip.js";
import { BarPlot } from "../../ui/bar-plot.js";
import { make } from "../../ui/dom.js";
import { counted, norm, rough, visible } from "../../ui/format.js";
import { TokenStrip } from "../../ui/token-strip.js";
import { LANDMARK_TEXT } from "../texts/chapter9.js";
import { length, row } from "../work/rows.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets.js";
import { conventionsOf, hookName, notebookHook, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../engine/types.js").Tensor} Tensor */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {{text: string, ids: number[], tokens: string[], raw: string[]}} Text */
/** @typedef {Text & {hook: string, name: string, activations: Tensor, norms: number[], median: number}} Activations  `median`: of the norms after position 0 */

/** Tokens as the page's switch has them. @param {import("../../ui/session.js").Session} session @param {{tokens: readonly string[], raw: readonly string[]}} text */
export const written = (session, text) => text.tokens.map((_, i) => conventionsOf(session).token(text, i));

/** @param {readonly number[]} list */
function median(list) {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : 0;
}

/** @param {LabStep} step @returns {Definition} */
export function tokens(step) {
  const { session } = step;
  const printed = printedBox();
  const strip = make(TokenStrip);
  return {
    uses: [],
    conventions: ["prependBos"],
    promise: "Run cuts the text into the model's tokens.",
    body: [printed.element, strip],
    fields: () => [{ name: "text", label: "Sample text", kind: "lines", value: LANDMARK_TEXT, rows: 2, wide: true }],
    async run({ model, values: { text, prependBos } }) {
      const { ids, tokens, raw } = await model.tokenize(text, { prependBos });
      return { value: { text, ids: [...ids], tokens, raw } };
    },
    render(/** @type {Text} */ value) {
      printed.show([`Tokens: [${written(session, value).map((token) => `'${token.replaceAll("\n", "\\n")}'`).join(", ")}]`]);
      strip.show({ label: "Tokens of the text", tokens: value.tokens, raw: value.raw, ids: value.ids, showRaw: conventionsOf(session).values.tokens === "raw" });
    },
    conclusion({ ids, text, tokens }) {
      const { bos, nCtx } = session.config;
      const first = ids[0] === bos ? `The first is ${visible(tokens[0])}, which was put in front. ` : "";
      const words = text.split(/\s+/).filter(Boolean).length;
      const long = ids.length > nCtx ? ` The model reads at most ${counted(nCtx, "token")} at once: the next steps need a shorter text.` : "";
      return `${first}${counted(words, "word")} became ${counted(ids.length - (first ? 1 : 0), "token")}: a word that the model's list does not hold comes in pieces, and a sign such as a full stop is a token of its own.${long}`;
    },
    provenance: (_value, values) => `${session.modelName} · ${values.prependBos ? "BOS" : "no BOS"}`,
    code: (values) => ({ javascript: snippets.tokensJs(values), python: snippets.tokensPy(values) }),
  };
}

/** @param {LabStep} step @returns {Definition} */
export function activations(step) {
  const { session } = step;
  const printed = printedBox();
  const plot = make(BarPlot);
  /** @type {Activations | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const normTable = () => ({
    caption: "Length of each position's vector",
    columns: [
      { key: "position", label: "position", kind: "number", format: String },
      { key: "token", label: "token", kind: "token" },
      { key: "norm", label: "length", kind: "number" },
      { key: "times", label: "of the median", kind: "number", format: (x) => `${x.toFixed(2)} ×` },
    ],
    rows: shown ? written(session, shown).map((token, i) => ({ position: i, token, norm: shown?.norms[i], times: (shown?.norms[i] ?? 0) / (shown?.median || 1) })) : [],
  });

  return {
    uses: [STEPS["load-sae"], STEPS.tokens],
    conventions: READING,
    promise: "Run reads the residual stream at the autoencoder's place, one vector a token.",
    body: [printed.element, plot],
    fields: () => [],
    async run({ model, values, use, signal }) {
      /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
      const { text } = use(STEPS.tokens);
      const { hook, prependBos, center } = site(values, loaded);
      const made = await model.run(text, { hooks: [hook], prependBos, center, logits: "none", signal });
      const found = made.hooks[hook];
      const norms = Array.from({ length: found.shape[0] }, (_, i) => length(row(found, i)));
      const { ids, tokens, raw } = made.tokens;
      return { value: { text, ids: [...ids], tokens, raw, hook, name: loaded.name, activations: found, norms, median: median(norms.slice(1)) } };
    },
    render(/** @type {Activations} */ value) {
      shown = value;
      printed.show([`Activation shape: [1, ${value.activations.shape.join(", ")}]`, "  (batch, sequence_length, d_model)", `Hook: ${hookName(session, value.hook)}`]);
      const labels = written(session, value).map((token) => visible(token));
      const rules = [{ y: value.median, label: "median" }];
      plot.show({ name: "activation-norms", caption: "How long the vector of each position is", yLabel: "length", labels, values: value.norms, rules, table: normTable });
    },
    conclusion({ norms, median: middle, activations: { shape } }) {
      if (norms.length < 2) return "A single vector: write a longer text.";
      const times = norms[0] / middle;
      const share = (100 * norms[0] ** 2) / norms.reduce((/** @type {number} */ sum, /** @type {number} */ x) => sum + x * x, 0);
      return (
        `${counted(shape[0], "vector")} of ${shape[1]} numbers; their median length after position 0 is ${norm(middle)}. ` +
        (times > 2
          ? `Position 0 is ${rough(times)} times as long and holds ${share.toFixed(0)} % of all squared length: what is averaged over positions is mostly about it.`
          : `Position 0 has length ${norm(norms[0])}, ${rough(times)} times that: in this model it stands out little. In GPT-2 small it is some thirty times as long as the others.`)
      );
    },
    provenance: (value, values) => provenance(session, value, values),
    code: (values) => ({ javascript: snippets.activationsJs(values, loadedHook()), python: snippets.activationsPy(values, loadedHook()) }),
  };

  function loadedHook() {
    return /** @type {Loaded | undefined} */ (session.usable(STEPS["load-sae"])?.value)?.hook ?? notebookHook(session);
  }
}
