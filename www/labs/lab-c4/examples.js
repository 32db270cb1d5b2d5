// @ts-check
// Part 5: for the most active features, the tokens on which each is strongest.

import "../../ui/feature-card.js";
import "../../ui/figure.js";
import { fill, h, make } from "../../ui/dom.js";
import { FeatureCard } from "../../ui/feature-card.js";
import { LabFigure } from "../../ui/figure.js";
import { count, counted, decimals, inline, number, percent, visible } from "../../ui/format.js";
import { tokenNodes } from "../../ui/token-text.js";
import { concludeExamples, topExamples } from "../work/c4-features.js";
import { bench, foldedLines, numbersIn } from "./parts.js";
import { leavesOut, origin, rawTokens } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";
import { firstList } from "./top-features.js";

/** @typedef {import("../../ui/types.js").Example} Example */
/** @typedef {import("../work/c4-features.js").FeatureExamples} FeatureExamples */
/** @typedef {import("../../ui/types.js").FeatureRow} FeatureRow */
/** @typedef {{raw: string[], tokens: string[]}} Pieces */
/**
 * `pieces` of each text, to write tokens as the tokenizer does; `known` are the listed features' figures.
 * @typedef {{found: FeatureExamples[], known: Map<number, FeatureRow>, texts: string[], pieces: Pieces[], rows: number, hook: string, center: boolean, prependBos: boolean, seed: number}} Value
 */

/** An example's tokens as they are to be written. @param {Example} example @param {Pieces | undefined} pieces @param {boolean} raw */
export function written({ position, before, token, after }, pieces, raw) {
  if (!raw || !pieces) return { before, token, after };
  return {
    before: pieces.raw.slice(position - before.length, position),
    token: pieces.raw[position] ?? token,
    after: pieces.raw.slice(position + 1, position + 1 + after.length),
  };
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function examplesStep(step) {
  const { session } = step;
  const figure = make(LabFigure);
  const list = h("div", { class: "feature-list" });
  const printed = foldedLines();
  /** @type {Value | null} */ let shown = null;

  /** @param {FeatureExamples} found @param {Value} value */
  function section({ feature, active, examples }, { known, texts, pieces, rows }) {
    const card = make(FeatureCard);
    const figures = known.get(feature);
    card.show(feature, [
      ["active on", `${count(active)} of ${counted(rows, "prompt row")} (${percent(active / rows)})`],
      ["largest", number(examples[0]?.activation ?? 0)],
      ...(figures
        ? /** @type {[string, string][]} */ ([
            ["mean when active, all rows", number(figures.meanActive)],
            ["frequency, all rows", percent(figures.frequency)],
          ])
        : []),
    ]);
    const raw = rawTokens(session);
    return h(
      "section",
      { "aria-label": `Feature ${feature}` },
      card,
      examples.length
        ? h(
            "ol",
            { class: "examples" },
            examples.map((example) => {
              const { before, token, after } = written(example, pieces[example.text], raw);
              return h(
                "li",
                {},
                h("span", { class: "example-value" }, decimals(3)(example.activation)),
                h(
                  "span",
                  { class: "example-text" },
                  before.map((piece) => h("span", { class: "piece" }, tokenNodes(piece))),
                  h("mark", {}, tokenNodes(token)),
                  after.map((piece) => h("span", { class: "piece" }, tokenNodes(piece))),
                  h("span", { class: "hint" }, `prompt ${example.text + 1}, “${inline(texts[example.text] ?? "", 24)}” · position ${example.position}`),
                ),
              );
            }),
          )
        : h("p", { class: "hint" }, "Not active on any prompt: only random tokens raised it into the list."),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "quiet-button", on: { click: () => session.selectFeature(feature) } }, `Take F${feature} to the steps below`),
      ),
    );
  }

  /** @returns {import("../../ui/data-table.js").Table} */
  const table = () => ({
    caption: "The strongest tokens of each feature",
    pageSize: 25,
    sortable: true,
    columns: [
      { key: "feature", label: "feature" },
      { key: "activation", label: "activation", kind: "number", format: decimals(3) },
      { key: "before", label: "before", kind: "token" },
      { key: "token", label: "token", kind: "token" },
      { key: "after", label: "after", kind: "token" },
      { key: "prompt", label: "prompt", kind: "number", format: String },
      { key: "position", label: "position", kind: "number", format: String },
    ],
    rows: (shown?.found ?? []).flatMap(({ feature, examples }) =>
      examples.map((example) => {
        const { before, token, after } = written(example, shown?.pieces[example.text], rawTokens(session));
        return { feature: `F${feature}`, activation: example.activation, before: before.join(""), token, after: after.join(""), prompt: example.text + 1, position: example.position };
      }),
    ),
  });

  return {
    uses: [STEPS.prompts, STEPS.activations, STEPS.train, STEPS["top-features"]],
    conventions: ["skipPosition0"],
    promise: "Run lists, for each of the first five features, the ten tokens on which it is strongest.",
    body: [figure, printed.element],
    fields: () => [
      { name: "features", label: "Features", kind: "text", value: "", hint: "numbers with commas; empty: the first of the table above" },
      { name: "howMany", label: "How many", kind: "integer", value: 5, min: 1, max: 20 },
      { name: "k", label: "Examples", kind: "integer", value: 10, min: 1, max: 100 },
      { name: "context", label: "Neighbours on each side", kind: "integer", value: 5, min: 0, max: 30, unit: "tokens", advanced: true },
    ],
    async run(context) {
      const { values, use } = context;
      const { sae, hook, center, prependBos, seed } = /** @type {import("./train.js").Value} */ (use(STEPS.train));
      const { acts, texts } = /** @type {import("./activations.js").Value} */ (use(STEPS.activations));
      const { top } = /** @type {import("./top-features.js").Value} */ (use(STEPS["top-features"]));
      const { prompts } = /** @type {import("./prompts.js").Value} */ (use(STEPS.prompts));
      const listed = firstList(session, top);
      const wanted = numbersIn(values.features, {
        label: "Features",
        least: 0,
        most: sae.config.dSae - 1,
        whole: true,
        empty: true,
        hint: `The table of step ${STEPS["top-features"]} has numbers to choose from.`,
      });
      const features = wanted.length ? wanted : listed.slice(0, values.howMany).map(({ feature }) => feature);
      const found = await topExamples(bench(context), sae, acts, features, { k: values.k, context: values.context, skipPosition0: values.skipPosition0 });
      const known = new Map([...top.withoutPosition0, ...top.features, ...listed].map((row) => [row.feature, row]));
      return { value: { found, known, texts, pieces: prompts, rows: acts.stats.rows, hook, center, prependBos, seed } };
    },
    render(/** @type {Value} */ value) {
      shown = value;
      fill(
        list,
        value.found.map((found) => section(found, value)),
      );
      figure.show({ name: "examples", caption: `The strongest tokens of ${counted(value.found.length, "feature")}${leavesOut(session) ? ", position 0 left out" : ""}`, body: [list], table });
      printed.show(
        value.found.flatMap(({ feature, examples }) => [
          "=".repeat(60),
          `FEATURE ${feature}`,
          "=".repeat(60),
          "",
          ...(examples.length
            ? ["Top activating tokens:", ...examples.map((e) => `  [${decimals(3)(e.activation)}] '${visible(written(e, value.pieces[e.text], rawTokens(session)).token)}' in "${inline(value.texts[e.text] ?? "").slice(0, 40)}..."`)]
            : ["  (No activations found in the sample prompts)"]),
          "",
        ]),
      );
    },
    conclusion: (/** @type {Value} */ { found, rows }) => (found.length ? concludeExamples(found, rows) : "There is no feature to look at: none is active on any row."),
    provenance: (value) => origin(session, value),
    code: (values) => ({ javascript: javascript.examples(values, leavesOut(session)), python: python.examples(values, leavesOut(session)) }),
  };
}
