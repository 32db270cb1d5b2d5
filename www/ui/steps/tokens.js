// @ts-check
// Step 1: a text as the model sees it, what it expects next, and the text continued.

import "../data-table.js";
import "../figure.js";
import "../token-strip.js";
import { defaults } from "../../engine/defaults.js";
import { DataTable } from "../data-table.js";
import { fill, h, make, setText } from "../dom.js";
import { isCancelled } from "../errors.js";
import { LabFigure } from "../figure.js";
import { counted, decimals, number, percent, visible } from "../format.js";
import { STEERING_PROMPT } from "../prompts.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";
import { TokenStrip } from "../token-strip.js";
import { readableNodes } from "../token-text.js";

/** @typedef {{prompt: string, read: import("../types.js").RunResult, tokens: string[], ids: number[], text: string | null, stoppedAtEos: boolean}} Value */

/** The settings of generation, shared with nothing: steering is greedy. @param {import("../types.js").ModelConfig} config @returns {import("../fields.js").Field[]} */
const generation = (config) => [
  { name: "maxNewTokens", label: "New tokens", kind: "integer", value: defaults.generate.maxNewTokens, min: 1, max: config.nCtx - 1 },
  { name: "temperature", label: "Temperature", kind: "number", value: defaults.generate.temperature, min: 0, max: 5, hint: "0 is greedy" },
  { name: "seed", label: "Seed", kind: "integer", value: defaults.generate.seed, min: 0, max: 4294967295, rangeText: "a whole number" },
  {
    name: "topK",
    label: "Top-k",
    kind: "integer",
    value: defaults.generate.topK,
    min: 1,
    max: config.dVocab,
    optional: true,
    advanced: true,
    hint: "goes before top-p",
  },
  { name: "topP", label: "Top-p", kind: "number", value: defaults.generate.topP, above: 0, max: 1, optional: true, advanced: true },
  {
    name: "frequencyPenalty",
    label: "Frequency penalty",
    kind: "number",
    value: defaults.generate.frequencyPenalty,
    min: 0,
    max: 10,
    advanced: true,
    hint: "per earlier occurrence",
  },
  { name: "stopAtEos", label: "Stop at the end-of-text token", kind: "switch", value: defaults.generate.stopAtEos, advanced: true },
];

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function tokensStep(step) {
  const strip = make(TokenStrip);
  const raw = h("input", { type: "checkbox", name: "show-raw", id: "s1-show-raw", autocomplete: "off" });
  const loss = h("p", { class: "fact", "data-part": "loss" });
  const table = make(DataTable),
    figure = make(LabFigure);
  const continued = make(TokenStrip),
    text = h("p", { class: "version-text", "data-part": "text" });
  /** @type {Value | null} */ let shown = null;

  const showStrip = () => {
    if (!shown) return;
    const { tokens } = shown.read;
    strip.show({ label: "Tokens of the prompt", tokens: tokens.tokens, raw: tokens.raw, ids: tokens.ids, showRaw: raw.checked });
  };
  raw.addEventListener("change", showStrip);

  const topTable = () => ({
    caption: "Most probable next tokens",
    columns: /** @type {import("../data-table.js").Column[]} */ ([
      { key: "rank", label: "rank", kind: "number", format: String },
      { key: "token", label: "token", kind: "token" },
      { key: "id", label: "id", kind: "number", format: String },
      { key: "prob", label: "probability", kind: "number", format: percent },
      { key: "logit", label: "logit", kind: "number", format: decimals(3) },
    ]),
    rows: (shown?.read.top ?? []).map((top, i) => ({ rank: i + 1, ...top })),
  });

  return {
    uses: [],
    promise: "Run reads your text: its tokens, the loss, the ten most probable next tokens, and a continuation.",
    body: [
      h(
        "div",
        { class: "sub-head" },
        h("h3", {}, "Tokens of the prompt"),
        h("label", { for: "s1-show-raw" }, raw, " pieces as stored (Ġ is a space)"),
      ),
      strip,
      loss,
      figure,
      h("h3", {}, "The text continued"),
      text,
      continued,
    ],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: STEERING_PROMPT, rows: 2, wide: true },
      { name: "prependBos", label: "Put a BOS token in front", kind: "switch", value: defaults.generate.prependBos },
      ...generation(step.session.config),
    ],

    async run({ model, values, signal, progress, live }) {
      const { prompt, prependBos, ...sampling } = values;
      const read = await model.run(prompt, { prependBos, logits: "all", topK: 10, signal });
      /** @type {Value} */ const value = { prompt, read, tokens: [], ids: [], text: null, stoppedAtEos: false };
      live(value);
      try {
        const made = await model.generate(prompt, {
          ...sampling,
          prependBos,
          signal,
          onToken(p) {
            value.tokens.push(p.token ?? "");
            value.ids.push(p.id ?? -1);
            progress(value.tokens.length, sampling.maxNewTokens, "tokens");
            live(value);
          },
        });
        value.text = made.text;
        value.stoppedAtEos = made.newIds.length < sampling.maxNewTokens || made.newIds.at(-1) === model.config.eos;
      } catch (error) {
        if (!isCancelled(error)) throw error;
        const written = value.tokens.length;
        return {
          value,
          stopped: written
            ? `Stopped after ${written} of ${counted(sampling.maxNewTokens, "token")}; these are kept.`
            : "Stopped before the first new token.",
        };
      }
      return { value };
    },

    render(value) {
      const again = shown !== value;
      shown = value;
      if (again) {
        showStrip();
        setText(
          loss,
          value.read.loss === null || value.read.tokens.ids.length < 2
            ? "A single token has no loss: nothing was predicted."
            : `Loss ${number(value.read.loss)} nats per token, over ${counted(value.read.tokens.ids.length - 1, "predicted token")}; perplexity ${number(Math.exp(value.read.loss))}.`,
        );
        table.show(topTable());
        figure.show({ name: "next-tokens", caption: "What the model expects after the last token", body: [table], table: topTable });
      }
      const { prompt, tokens } = value;
      const more = value.text?.startsWith(prompt) ? value.text.slice(prompt.length) : tokens.join("");
      fill(text, h("span", { class: "prompt-part" }, readableNodes(prompt)), readableNodes(more));
      text.hidden = value.text === null && !value.tokens.length;
      continued.show({ label: "New tokens", tokens: value.tokens, ids: value.ids, firstPosition: value.read.tokens.ids.length });
      continued.hidden = !value.tokens.length;
    },

    conclusion(/** @type {Value} */ { read, stoppedAtEos }) {
      const top = read.top ?? [];
      if (!top.length) return null;
      const all = top.reduce((sum, { prob }) => sum + prob, 0);
      return (
        `After the last token the model gives “${visible(top[0].token)}” a probability of ${percent(top[0].prob)}; ` +
        `the ${top.length} tokens of the table share ${percent(all)}.${stoppedAtEos ? " The text ended itself before the limit." : ""}`
      );
    },
    provenance: (_value, values) =>
      `${step.session.modelName} · ${values.prependBos ? "with" : "without"} BOS · seed ${values.seed}`,
    code: (values) => ({ javascript: javascript.tokens(values), python: python.tokens(values) }),
  };
}
