// @ts-check
// Part 5: features by tokens, for three prompts.

import "../../ui/figure.js";
import "../../ui/heat-map.js";
import { fill, h, make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { inline } from "../../ui/format.js";
import { HeatMap } from "../../ui/heat-map.js";
import { HEATMAP_PROMPTS, ownTexts } from "../../ui/prompts.js";
import { PageError } from "../../ui/errors.js";
import { concludeMaps, heatMaps } from "../work/c4-heatmap.js";
import { bench } from "./parts.js";
import { leavesOut, origin, position0Words, rawTokens } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/c4-heatmap.js").PromptMap} PromptMap */
/** @typedef {{maps: PromptMap[], raw: string[][], hook: string, center: boolean, prependBos: boolean, seed: number}} Value */

const oneLine = (/** @type {readonly string[]} */ prompts) => prompts.map((prompt) => prompt.replaceAll("\n", "\\n")).join("\n");

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function heatMapsStep(step) {
  const { session } = step;
  const list = h("div", { class: "map-list" });
  /** @type {{figure: LabFigure, map: HeatMap}[]} */ const pairs = [];

  /** The figures of so many prompts. @param {number} n */
  function hang(n) {
    while (pairs.length < n) {
      const map = make(HeatMap);
      map.onchoose = (feature) => session.selectFeature(feature);
      pairs.push({ figure: make(LabFigure), map });
    }
    if (list.childElementCount !== n) fill(list, pairs.slice(0, n).map(({ figure }) => figure));
  }

  /** @param {PromptMap["map"]} map @returns {import("../../ui/data-table.js").Table} */
  const table = ({ tokens, features, data, shape }) => ({
    caption: "Activation of each feature at each token",
    pageSize: 50,
    columns: [
      { key: "token", label: "token", kind: "token" },
      ...features.map((f) => /** @type {const} */ ({ key: `F${f}`, label: `F${f}`, kind: "number" })),
    ],
    rows: tokens.map((token, i) => ({ token, ...Object.fromEntries(features.map((f, k) => [`F${f}`, data[k * shape[1] + i]])) })),
  });

  return {
    uses: [STEPS.train],
    promise: "Run maps the ten strongest features along each prompt, token by token.",
    body: [list],
    fields: () => [
      { name: "prompts", label: "Prompts", kind: "lines", value: oneLine(HEATMAP_PROMPTS), rows: 3, wide: true, hint: "one per line; \\n stands for a line break inside a prompt" },
      { name: "k", label: "Features of each", kind: "integer", value: 10, min: 1, max: 50 },
    ],
    async run(context) {
      const { values, use, model } = context;
      const { sae, hook, layer, center, prependBos, seed } = /** @type {import("./train.js").Value} */ (use(STEPS.train));
      const prompts = ownTexts({ own: values.prompts });
      if (!prompts.length) throw new PageError("LAB-BAD-SETTING", "There is no prompt.", "Write one, or reset the prompts.");
      const maps = await heatMaps(bench(context), sae, { prompts, k: values.k, layer, center, prependBos });
      const raw = await Promise.all(prompts.map(async (prompt) => (await model.tokenize(prompt, { prependBos })).raw));
      return { value: { maps, raw, hook, center, prependBos, seed } };
    },
    render(/** @type {Value} */ { maps, raw }) {
      hang(maps.length);
      maps.forEach(({ prompt, map, withoutPosition0 }, i) => {
        const chosen = leavesOut(session) ? withoutPosition0 : map;
        const shown = rawTokens(session) ? { ...chosen, tokens: raw[i] } : chosen;
        const caption = `Feature activations on “${inline(prompt, 40)}”, ${position0Words(session)} in choosing them`;
        pairs[i].figure.show({ name: `heat-map-${i + 1}`, caption, body: [pairs[i].map], pictures: () => [pairs[i].map.picture.canvas], table: () => table(shown) });
        pairs[i].map.show(shown, caption);
      });
    },
    conclusion: (/** @type {Value} */ { maps }) => concludeMaps(maps),
    provenance: (value) => origin(session, value),
    code: (values) => ({ javascript: javascript.heatMaps(values), python: python.heatMaps(values) }),
  };
}
