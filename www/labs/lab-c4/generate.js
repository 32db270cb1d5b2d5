// @ts-check
// Part 6: how a text goes on by itself.

import "../../ui/token-strip.js";
import { h, make } from "../../ui/dom.js";
import { exact, percent, visible } from "../../ui/format.js";
import { TokenStrip } from "../../ui/token-strip.js";
import { printedBox } from "../shared/printed.js";
import { tableFigure } from "./parts.js";
import { rawTokens } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";

/** @typedef {{text: string, tokens: string[], raw: string[], ids: Uint32Array, from: number, top: {token: string, prob: number}[], temperature: number, prependBos: boolean, seed: number}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function generateStep(step) {
  const { session } = step;
  const printed = printedBox();
  const strip = make(TokenStrip);
  const figure = tableFigure("next-tokens");
  return {
    uses: [],
    conventions: ["prependBos"],
    promise: "Run continues the prompt by ten tokens.",
    body: [printed.element, h("h4", {}, "Its tokens"), strip, figure.element],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: "Hello world", rows: 2, wide: true },
      {
        name: "how",
        label: "Choose each token",
        kind: "choice",
        value: "greedy",
        options: [
          { value: "greedy", label: "the likeliest (greedy)" },
          { value: "sample", label: "drawn by its probability" },
        ],
      },
      { name: "temperature", label: "Temperature", kind: "number", value: 1, above: 0, max: 5, hint: "only when drawing" },
      { name: "maxNewTokens", label: "New tokens", kind: "integer", value: 10, min: 1, max: session.config.nCtx - 1 },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],
    async run({ model, values, signal, progress }) {
      const { prompt, how, maxNewTokens, prependBos, seed } = values;
      const temperature = how === "greedy" ? 0 : values.temperature;
      const made = await model.generate(prompt, {
        maxNewTokens,
        temperature,
        prependBos,
        seed,
        signal,
        onProgress: (p) => {
          if (p.total) progress(p.done ?? 0, p.total, "tokens");
        },
      });
      const { top } = await model.run(prompt, { prependBos, topK: 5, signal });
      const { tokens: all } = await model.run(made.ids, { logits: "none", signal });
      return { value: { text: made.text, ...all, from: made.ids.length - made.newIds.length, top: top ?? [], temperature, prependBos, seed } };
    },
    render(/** @type {Value} */ value) {
      printed.show([value.text]);
      strip.show({ label: "Tokens of the text", tokens: value.tokens, raw: value.raw, ids: value.ids, showRaw: rawTokens(session), newFrom: value.from });
      figure.show("What the model expected after the prompt", () => ({
        caption: "The five likeliest first tokens",
        columns: [
          { key: "token", label: "token", kind: "token" },
          { key: "prob", label: "probability", kind: "number", format: percent },
        ],
        rows: value.top.map(({ token, prob }) => ({ token, prob })),
      }));
    },
    conclusion: ({ top, temperature }) =>
      !top.length
        ? null
        : temperature === 0
          ? `The likeliest first token, “${visible(top[0].token)}”, had a probability of ${percent(top[0].prob)}; greedy generation takes it each time, however small its lead.`
          : `“${visible(top[0].token)}” was the likeliest first token, with ${percent(top[0].prob)}; drawn at temperature ${exact(temperature)}, another seed gives another text.`,
    provenance: ({ prependBos, temperature, seed }) =>
      `${session.modelName} · ${prependBos ? "BOS" : "no BOS"} · ${temperature === 0 ? "greedy" : `temperature ${exact(temperature)} · seed ${seed}`}`,
    code: (values) => ({ javascript: javascript.generate(values), python: python.generate(values) }),
  };
}
