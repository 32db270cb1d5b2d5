// @ts-check
// Part 6: greedy text with features' directions added, the decoder's bias inside and left out side by side.

import "../../ui/matrix-map.js";
import "../../ui/figure.js";
import "../../ui/text-compare.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { counted, decimals, exact } from "../../ui/format.js";
import { MatrixMap } from "../../ui/matrix-map.js";
import { STEERING_PROMPT } from "../../ui/prompts.js";
import { TextCompare } from "../../ui/text-compare.js";
import { concludeMatrix, directionMatrix } from "../work/c4-controls.js";
import { concludeSteering, steer } from "../work/c4-steering.js";
import { bench, foldedLines, numbersIn } from "./parts.js";
import { conventionsOf, origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";
import { firstList } from "./top-features.js";

/** @typedef {import("../../ui/text-compare.js").Version} Version */
/** @typedef {import("../work/c4-steering.js").Steering} Steering */
/** @typedef {import("../work/c4-controls.js").DirectionMatrix} DirectionMatrix */
/** @typedef {{feature: number | null, rank: number | null, kind: "plain" | "bias" | "bare" | "random", tokens: string[], ids: number[]}} Text */
/** @typedef {{steering: Steering, texts: Text[], matrix: DirectionMatrix, share: number, prompt: string, strength: number, hook: string, center: boolean, prependBos: boolean, seed: number}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function steerStep(step) {
  const { session } = step;
  const compare = make(TextCompare);
  const figure = make(LabFigure);
  const matrix = make(MatrixMap);
  const printed = foldedLines();
  /** @type {Value | null} */ let shown = null;

  /** @param {Text} text @param {Value} value @returns {Version} */
  function version({ feature, rank, kind, tokens, ids }, { prompt, strength }) {
    const label = { plain: "Plain", random: "Random direction", bias: `F${feature} with the bias`, bare: `F${feature} without the bias` }[kind];
    const note = {
      plain: "nothing added",
      random: `length ${exact(strength)}, for comparison`,
      bias: `rank ${rank}, as in the notebook`,
      bare: `rank ${rank}, the decoder row alone`,
    }[kind];
    return { label, note, prompt, tokens, ids };
  }

  /** Plain and random first, then the two of each feature, the one that the page's conventions choose in front. @param {Value} value @returns {Text[]} */
  function ordered({ texts }) {
    const { bias } = conventionsOf(session).values;
    const order = { plain: 0, random: 1, bias: bias ? 2 : 3, bare: bias ? 3 : 2 };
    const place = (/** @type {Text} */ text) => 10 * ((text.rank ?? -1) + 1) + order[text.kind];
    return [...texts].sort((a, b) => place(a) - place(b));
  }

  /** @returns {import("../../ui/data-table.js").Table} */
  const table = () => {
    const versions = shown ? ordered(shown).map((text) => version(text, /** @type {Value} */ (shown))) : [];
    return {
      caption: "The texts, token by token",
      pageSize: 100,
      columns: [
        { key: "i", label: "new token", kind: "number", format: String },
        ...versions.map(({ label }, k) => /** @type {const} */ ({ key: `v${k}`, label, kind: "token" })),
      ],
      rows: Array.from({ length: Math.max(0, ...versions.map(({ tokens }) => tokens.length)) }, (_, i) => ({
        i: i + 1,
        ...Object.fromEntries(versions.map(({ tokens }, k) => [`v${k}`, tokens[i]])),
      })),
    };
  };

  return {
    uses: [STEPS["random-tokens"], STEPS.train, STEPS["top-features"]],
    conventions: ["prependBos", "skipPosition0"],
    promise: "Run continues the prompt plainly, then along three features, each with the bias and without.",
    body: [figure, printed.element, matrix],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: STEERING_PROMPT, rows: 2, wide: true },
      { name: "ranks", label: "Ranks", kind: "text", value: "0, 5, 10", hint: "places in the table of the most active features, from 0" },
      { name: "strength", label: "Strength", kind: "slider", value: 10, min: -1000, max: 1000, slide: [-50, 50], hint: "length of what is added" },
      { name: "maxNewTokens", label: "New tokens", kind: "integer", value: 20, min: 1, max: session.config.nCtx - 1, advanced: true },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", hint: "of the random direction", advanced: true },
    ],
    async run(context) {
      const { values, use, model, signal } = context;
      const { prompt, strength, maxNewTokens, prependBos } = values;
      const { sae, hook, layer, center, seed } = /** @type {import("./train.js").Value} */ (use(STEPS.train));
      const { acts } = /** @type {import("./random-tokens.js").Value} */ (use(STEPS["random-tokens"]));
      const { top } = /** @type {import("./top-features.js").Value} */ (use(STEPS["top-features"]));
      const list = firstList(session, top);
      const ranks = numbersIn(values.ranks, { label: "Ranks", least: 0, most: Math.max(list.length - 1, 0), whole: true, hint: `The table of step ${STEPS["top-features"]} has ${counted(list.length, "row")}; list more there for higher ranks.` });
      const features = ranks.map((rank) => list[rank].feature);
      const steering = await steer(bench(context), sae, features, { prompt, strength, layer, maxNewTokens, prependBos, control: true, seed: values.seed });
      const tokensOf = async (/** @type {number[]} */ ids) => (ids.length ? (await model.run(ids, { logits: "none", signal })).tokens.tokens : []);
      /** @type {Text[]} */ const texts = [{ feature: null, rank: null, kind: "plain", ids: steering.baseline.newIds, tokens: await tokensOf(steering.baseline.newIds) }];
      for (const { feature, kind, newIds } of steering.steered)
        texts.push({
          feature,
          rank: feature === null ? null : ranks[features.indexOf(feature)],
          kind: kind === "random" ? "random" : kind === "decode-one-hot-unit" ? "bias" : "bare",
          ids: newIds,
          tokens: await tokensOf(newIds),
        });
      const { medianNorm } = acts.stats.withoutPosition0.rows ? acts.stats.withoutPosition0 : acts.stats.all;
      const matrix = await directionMatrix(sae, features);
      return { value: { steering, texts, matrix, share: Math.abs(strength) / medianNorm, prompt, strength, hook, center, prependBos, seed } };
    },
    render(/** @type {Value} */ value) {
      shown = value;
      const texts = ordered(value);
      compare.show(texts.map((text) => version(text, value)));
      figure.show({ name: "steering", caption: "Greedy continuations; the first token that differs from the plain text is marked", body: [compare], table });
      printed.show([
        "Normal generation:",
        `  ${value.prompt}${texts[0].tokens.join("")}`,
        "",
        ...texts
          .filter(({ kind }) => kind === "bias")
          .flatMap(({ feature, tokens }) => [`Steered with feature ${feature}:`, `  ${value.prompt}${tokens.join("")}`, ""]),
      ]);
      const { labels, data, shape, between } = value.matrix;
      matrix.show({
        name: "directions",
        caption: "How alike the directions are: cosines",
        panels: [{ rows: labels, columns: labels, data, shape, diverging: true, max: 1, unit: "cosine" }],
        summary: `Mean cosine between different features: ${between.withBias === null ? "–" : decimals(2)(between.withBias)} with the bias, ${between.without === null ? "–" : decimals(2)(between.without)} without`,
        table: () => ({
          caption: "Cosines of the directions",
          columns: [{ key: "row", label: "" }, ...labels.map((label, k) => /** @type {const} */ ({ key: `c${k}`, label, kind: "number", format: decimals(3) }))],
          rows: labels.map((row, i) => ({ row, ...Object.fromEntries(labels.map((_, k) => [`c${k}`, data[i * shape[1] + k]])) })),
        }),
      });
    },
    conclusion: (/** @type {Value} */ { steering, matrix, share }) => `${concludeSteering(steering)} ${concludeMatrix(matrix, share)}`,
    provenance: (value) => origin(session, { ...value, more: `strength ${exact(value.strength)}, greedy` }),
    code: (values) => ({ javascript: javascript.steer(values, conventionsOf(session)), python: python.steer(values, conventionsOf(session)) }),
  };
}
