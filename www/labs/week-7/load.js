// @ts-check
// Cell 7: the model by Hugging Face's names, and how it reads the ten sentences.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { counted, visible } from "../../ui/format.js";
import { WEEK7_TEXTS } from "../texts/week7.js";
import { printedBox } from "../shared/printed.js";
import { modelSnippets } from "./snippets-model.js";

/** @typedef {import("../../engine/types.js").Tokens} Tokens */
/** @typedef {{name: string, dModel: number, eos: number, texts: string[], tokens: Tokens[], prependBos: boolean, cut: number}} Value `cut`: texts that were longer than allowed */

/** One text a line. @param {string} lines */
export const textsIn = (lines) =>
  String(lines)
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function loadStep(step) {
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const rows = () => ({
    caption: "The texts in tokens",
    columns: [
      { key: "n", label: "tokens", kind: "number", format: String },
      { key: "pieces", label: "pieces, parted by ·", kind: "prose" },
    ],
    rows: (shown?.tokens ?? []).map((tokens) => ({
      n: tokens.tokens.length,
      pieces: tokens.tokens.map((_, i) => visible(step.session.conventions?.token(tokens, i) ?? tokens.tokens[i])).join(" · "),
    })),
  });

  return {
    uses: [],
    conventions: ["prependBos"],
    promise: "Run says what model this is and shows the ten sentences as tokens.",
    body: [printed.element, figure],
    fields: () => [
      { name: "texts", label: "Texts", kind: "lines", value: WEEK7_TEXTS.join("\n"), rows: 6, wide: true, hint: "the notebook's ten sentences; one text a line" },
      { name: "maxTokens", label: "Most tokens", kind: "integer", value: Math.min(128, step.session.config.nCtx), min: 2, max: step.session.config.nCtx, hint: "longer texts are cut" },
    ],
    readout: ({ texts }) => counted(textsIn(texts).length, "text"),

    async run({ model, values, signal }) {
      const texts = textsIn(values.texts);
      if (!texts.length) throw new PageError("LAB-BAD-SETTING", "There is no text.", "Write at least one line, or reset the texts.");
      const { prependBos, maxTokens } = values;
      let cut = 0;
      const tokens = [];
      for (const text of texts) {
        signal.throwIfAborted();
        const all = await model.tokenize(text, { prependBos });
        if (all.tokens.length > maxTokens) cut += 1;
        tokens.push({ ids: all.ids.slice(0, maxTokens), tokens: all.tokens.slice(0, maxTokens), raw: all.raw.slice(0, maxTokens) });
      }
      const { dModel, eos } = model.config;
      return { value: { name: model.name, dModel, eos, texts, tokens, prependBos, cut, maxTokens } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      printed.show([`Model: ${value.name}`, `Hidden size: ${value.dModel}`, `Padding token: <|endoftext|>, id ${value.eos} (texts go through one by one, so none is padded)`]);
      table.show(rows());
      figure.show({ name: "texts", caption: "The texts in tokens", body: [table], table: rows });
    },

    conclusion(/** @type {Value} */ { tokens, prependBos, cut }) {
      const n = tokens.reduce((sum, { tokens }) => sum + tokens.length, 0);
      const first = prependBos
        ? `A BOS token stands in front of each, so no word of yours is at position 0.`
        : `Without a BOS token ${counted(tokens.length, "word")} stand at position 0: ${percentOf(tokens.length / n)} of all tokens.`;
      return `${counted(tokens.length, "text")}, ${counted(n, "token")}. ${first}${cut ? ` ${counted(cut, "text was", "texts were")} cut.` : ""}`;
    },
    provenance: (/** @type {Value} */ value) => `${value.name} · ${value.prependBos ? "BOS" : "no BOS"}`,
    code: (values) => modelSnippets.load(values),
  };
}

/** @param {number} share */
const percentOf = (share) => `${Math.round(100 * share)} %`;
