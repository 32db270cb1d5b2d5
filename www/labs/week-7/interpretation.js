// @ts-check
// Cell 14: three rules that guess a meaning, the same with something to compare with, and a prompt for a language model elsewhere.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { copyButton, h, make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { percent } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { guessByContrast, guessByRule } from "../work/feature-rule.js";
import { featureSnippets } from "./snippets-features.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/corpus-examples.js").Example} Example */
/** @typedef {{feature: number, rule: import("../work/feature-rule.js").Guess, contrast: ReturnType<typeof guessByContrast>, prompt: string, examples: Example[]}} Value */

/** @param {number} feature @param {Example[]} examples */
export function explanationPrompt(feature, examples) {
  const most = Math.max(...examples.map(({ activation }) => activation), 1e-9);
  const lines = examples.map(({ context, token, activation, position }) => `- token ${JSON.stringify(token)} at position ${position}, strength ${Math.round((10 * activation) / most)} of 10, in: ${context}`);
  return [
    "A feature of a sparse autoencoder responds to certain tokens of texts, given what stands before them. Below are the tokens on which it is strongest.",
    "",
    `Feature ${feature}`,
    ...(lines.length ? lines : ["(no examples)"]),
    "",
    "1. Describe in one short sentence what these places have in common. If nothing but position or spelling does, say so.",
    "2. Say how sure you are, from 0 to 10.",
    "3. Write three new short texts on which the feature should be strong if you are right, and three similar ones on which it should not.",
  ].join("\n");
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function interpretationStep(step) {
  const { session } = step;
  const printed = printedBox(),
    table = make(DataTable),
    figure = make(LabFigure);
  const prompt = h("textarea", { rows: 12, readonly: true, spellcheck: "false", "aria-label": "Prompt for a language model", class: "prompt-text" });
  const promptBox = h("div", { class: "llm-prompt" }, h("h4", {}, "A prompt to take along"), prompt, h("div", { class: "actions" }, copyButton("Copy the prompt", () => prompt.value)));
  /** @type {Value | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const traits = () => ({
    caption: "What the examples' tokens are like",
    columns: [
      { key: "words", label: "tokens that" },
      { key: "share", label: "of the examples", kind: "number", format: percent },
      { key: "base", label: "of all tokens", kind: "number", format: percent },
    ],
    rows: (shown?.contrast.traits ?? []).map(({ words, share, base }) => ({ words, share, base })),
  });

  return {
    uses: [STEPS.load, STEPS.examples],
    conventions: ["skipPosition0"],
    promise: "Run guesses a meaning by rules, compares it with all tokens, and writes a prompt for a language model.",
    body: [printed.element, figure, promptBox],
    fields: () => [],

    async run({ use, values }) {
      /** @type {Awaited<ReturnType<typeof import("../work/corpus-examples.js").maxActivating>>} */ const found = use(STEPS.examples);
      const all = /** @type {import("./load.js").Value} */ (use(STEPS.load)).tokens.flatMap(({ raw }) => raw);
      const examples = values.skipPosition0 ? found.withoutPosition0 : found.sorted;
      const value = {
        feature: found.feature,
        rule: guessByRule((values.skipPosition0 ? examples : found.inCorpusOrder).map(({ raw }) => raw)),
        contrast: guessByContrast(examples, all),
        prompt: explanationPrompt(found.feature, examples),
        examples,
      };
      return { value };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      printed.show([`Feature ${value.feature}, by the notebook's rules: ${value.rule.words}`, `Compared with all tokens: ${value.contrast.words}`]);
      table.show(traits());
      figure.show({ name: `feature-${value.feature}-traits`, caption: "Rules need something to compare with", body: [table], table: traits });
      prompt.value = value.prompt;
    },

    conclusion(/** @type {Value} */ { rule, contrast }) {
      const first =
        rule.rule === "tokens"
          ? "None of the notebook's three rules fits, so it can only list tokens."
          : rule.rule === "space"
            ? "The notebook's first rule fits; it does not ask how many of all tokens begin with a space."
            : "A rule of the notebook fits; whether it says anything depends on how common that is among all tokens.";
      return `${first} ${contrast.words} A reading becomes a finding only when it predicts something: write texts on which the feature should be active, and test.`;
    },
    provenance: (/** @type {Value} */ { feature }) => `${session.modelName} · feature ${feature}`,
    code: () => featureSnippets.interpretation(),
  };
}
