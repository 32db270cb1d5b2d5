// @ts-check
// Part 3: the sample prompts, cut into tokens.

import "../../ui/token-strip.js";
import { h, make, setText } from "../../ui/dom.js";
import { count, counted, inline } from "../../ui/format.js";
import { ownTexts, PROMPT_GROUPS } from "../../ui/prompts.js";
import { TokenStrip } from "../../ui/token-strip.js";
import { printedBox } from "../shared/printed.js";
import { tableFigure } from "./parts.js";
import { rawTokens } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";

/** @typedef {{kind: string, text: string, tokens: string[], raw: string[], ids: Uint32Array}} Prompt */
/** @typedef {{prompts: Prompt[], texts: string[], prependBos: boolean, total: number}} Value */

/** The chosen prompts with their kinds, then the visitor's own. @param {Record<string, any>} values @returns {{kind: string, text: string}[]} */
export const chosenPrompts = ({ samples, own }) => [
  ...PROMPT_GROUPS.filter(({ id }) => samples.includes(id)).flatMap(({ label, prompts }) => prompts.map((text) => ({ kind: label, text }))),
  ...ownTexts({ own }).map((text) => ({ kind: "your own", text })),
];

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function promptsStep(step) {
  const { session } = step;
  const printed = printedBox();
  const figure = tableFigure("prompts");
  const strip = make(TokenStrip);
  const stripHead = h("h4", {});
  /** @type {Value | null} */ let shown = null;
  let chosen = 0;

  /** @returns {import("../../ui/data-table.js").Table} */
  const table = () => ({
    caption: "The prompts and how many tokens each has",
    pageSize: 100,
    sortable: true,
    columns: [
      { key: "n", label: "prompt" },
      { key: "kind", label: "kind" },
      { key: "text", label: "text" },
      { key: "tokens", label: "tokens", kind: "number", format: count },
    ],
    rows: (shown?.prompts ?? []).map(({ kind, text, tokens }, i) => ({ n: i, kind, text: inline(text, 60), tokens: tokens.length })),
    choose: {
      key: "n",
      label: ({ n }) => String(Number(n) + 1),
      chosen,
      on({ n }) {
        chosen = Number(n);
        show();
      },
    },
  });

  function show() {
    if (!shown) return;
    figure.show("The prompts", table);
    const prompt = shown.prompts[Math.min(chosen, shown.prompts.length - 1)];
    if (!prompt) return;
    setText(stripHead, `Tokens of “${inline(prompt.text, 40)}”`);
    strip.show({ label: "Tokens of the chosen prompt", tokens: prompt.tokens, raw: prompt.raw, ids: prompt.ids, showRaw: rawTokens(session) });
  }

  return {
    uses: [],
    conventions: ["prependBos"],
    promise: "Run cuts the prompts into tokens and counts them.",
    body: [printed.element, figure.element, stripHead, strip],
    fields: () => [
      {
        name: "samples",
        label: "Kinds of prompts",
        kind: "checks",
        value: PROMPT_GROUPS.map(({ id }) => id),
        wide: true,
        options: PROMPT_GROUPS.map(({ id, label, prompts }) => ({ value: id, label, detail: prompts.map((prompt) => inline(prompt)) })),
      },
      { name: "own", label: "Texts of your own", kind: "lines", value: "", rows: 2, wide: true, hint: "one per line; \\n stands for a line break inside a text" },
    ],
    readout: (values) => counted(chosenPrompts(values).length, "prompt"),
    async run({ model, values, signal, progress }) {
      const list = chosenPrompts(values);
      /** @type {Prompt[]} */ const prompts = [];
      for (const { kind, text } of list) {
        signal.throwIfAborted();
        prompts.push({ kind, text, ...(await model.tokenize(text, { prependBos: values.prependBos })) });
        progress(prompts.length, list.length, "prompts");
      }
      return { value: { prompts, texts: list.map(({ text }) => text), prependBos: values.prependBos, total: prompts.reduce((sum, { ids }) => sum + ids.length, 0) } };
    },
    render(/** @type {Value} */ value) {
      shown = value;
      const kinds = [...new Set(value.prompts.map(({ kind }) => kind))];
      printed.show([
        `${counted(value.prompts.length, "prompt")}: ${kinds.map((kind) => `${kind} ${value.prompts.filter((p) => p.kind === kind).length}`).join(", ")}`,
        `${counted(value.total, "token")}${value.prependBos ? `, of which ${value.prompts.length} are BOS tokens` : ", no BOS tokens"}`,
      ]);
      show();
    },
    conclusion({ prompts, total, prependBos }) {
      if (!prompts.length) return "There is no prompt: choose a kind, or write one.";
      const lengths = prompts.map((/** @type {Prompt} */ { ids }) => ids.length);
      const pieces = prompts.flatMap((/** @type {Prompt} */ { ids }) => [...ids]);
      const different = new Set(pieces).size;
      return (
        `${counted(total, "token")}, ${count(Math.min(...lengths))} to ${count(Math.max(...lengths))} a prompt, ${count(different)} different ones. Each becomes one row of data` +
        `${prependBos ? `; the ${prompts.length} BOS tokens all give the same row, for nothing stands before them` : ""}.` +
        (session.config.dVocab === 50257 ? "" : " GPT-2's own tokenizer cuts the 26 prompts into 227 tokens, 253 with BOS; a smaller vocabulary has other pieces.")
      );
    },
    provenance: ({ prependBos }) => `${session.modelName}'s tokenizer · ${prependBos ? "BOS" : "no BOS"}`,
    code: (values) => ({ javascript: javascript.prompts(values), python: python.prompts(values) }),
  };
}
