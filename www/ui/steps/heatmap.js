// @ts-check
// Step 6: features × tokens for one prompt.

import "../figure.js";
import "../heat-map.js";
import "../token-strip.js";
import { defaults } from "../../engine/defaults.js";
import { h, make } from "../dom.js";
import { LabFigure } from "../figure.js";
import { inline, is, rough, visible } from "../format.js";
import { HeatMap } from "../heat-map.js";
import { HEATMAP_PROMPTS } from "../prompts.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";
import { TokenStrip } from "../token-strip.js";

/** @typedef {{map: import("../types.js").Heatmap, prompt: string, hook: string, seed: number}} Value */

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function heatmapStep(step) {
  const { session } = step;
  const map = make(HeatMap),
    figure = make(LabFigure),
    strip = make(TokenStrip);
  const stripHead = h("h3", {});
  /** @type {Value | null} */ let shown = null;
  map.onchoose = (feature) => session.selectFeature(feature);

  /** @returns {import("../data-table.js").Table} */
  const table = () => {
    const data = shown?.map;
    const columns = data?.shape[1] ?? 0;
    return {
      caption: "Activation of each feature at each token",
      pageSize: 25,
      columns: [
        { key: "token", label: "token", kind: "token" },
        ...(data?.features ?? []).map((f) => /** @type {const} */ ({ key: `F${f}`, label: `F${f}`, kind: "number" })),
      ],
      rows: (data?.tokens ?? []).map((token, i) => ({
        token,
        ...Object.fromEntries((data?.features ?? []).map((f, k) => [`F${f}`, data?.data[k * columns + i]])),
      })),
    };
  };

  /** The prompt shaded by the chosen feature, or by the first row's. */
  const shade = () => {
    if (!shown) return;
    const {
      features,
      data,
      shape: [, columns],
      tokens,
      ids,
    } = shown.map;
    const row = Math.max(0, features.indexOf(session.feature ?? -1));
    stripHead.textContent = `The prompt, shaded by feature ${features[row]}`;
    strip.show({
      label: "Tokens of the prompt",
      tokens,
      ids,
      values: data.subarray(row * columns, (row + 1) * columns),
      valueName: `feature ${features[row]}`,
    });
  };
  session.addEventListener("feature", shade);

  return {
    uses: [3],
    promise: "Run reads the prompt and maps its most active features, token by token.",
    body: [figure, stripHead, strip],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: HEATMAP_PROMPTS[0], rows: 3, wide: true },
      {
        name: "preset",
        label: "Ready-made prompts",
        kind: "choice",
        value: HEATMAP_PROMPTS[0],
        hint: "fills the prompt in",
        fills: "prompt",
        options: [
          ...HEATMAP_PROMPTS.map((prompt) => ({ value: prompt, label: inline(prompt, 34) })),
          { value: "", label: "your own", disabled: true },
        ],
      },
      { name: "k", label: "Features to show", kind: "integer", value: defaults.heatmap.k, min: 1, max: 100 },
      { name: "skipPosition0", label: "Choose them without position 0", kind: "switch", value: defaults.heatmap.skipPosition0 },
      { name: "prependBos", label: "Put a BOS token in front", kind: "switch", value: defaults.collect.prependBos, advanced: true },
    ],

    async run({ lab, model, values, signal, use }) {
      const { sae, data } = use(3);
      const { prompt, k, skipPosition0, prependBos } = values;
      const found = await lab.analysis.heatmap(model, sae, prompt, {
        hook: data.hook,
        center: data.center,
        prependBos,
        k,
        skipPosition0,
        signal,
      });
      return { value: { map: found, prompt, hook: data.hook, seed: sae.config.seed } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const caption = `Feature activations on “${inline(value.prompt, 40)}”`;
      figure.show({ name: "heat-map", caption, body: [map], pictures: () => [map.picture.canvas], table });
      map.show(value.map, caption);
      shade();
    },

    conclusion(
      /** @type {Value} */ {
        map: {
          data,
          features,
          tokens,
          shape: [rows, columns],
        },
      },
    ) {
      if (!rows || !columns) return null;
      const peak = data.reduce((best, x, i) => (x > data[best] ? i : best), 0);
      const peaks = features.map((_, k) =>
        data.subarray(k * columns, (k + 1) * columns).reduce((best, x, i, row) => (x > row[best] ? i : best), 0),
      );
      const atFirst = peaks.filter((position, k) => position === 0 && data[k * columns] > 0).length;
      const wide = features.filter((_, k) => data.subarray(k * columns, (k + 1) * columns).every((x) => x > 0)).length;
      if (!(data[peak] > 0)) return "None of these features is active on this prompt.";
      const highest = `The highest activation is ${rough(data[peak])}, feature ${features[Math.floor(peak / columns)]} at “${visible(tokens[peak % columns])}” (position ${peak % columns}).`;
      if (columns === 1) return highest;
      return `${highest} Position 0 is the peak of ${atFirst || "none"} of the ${rows} features; ${wide || "none"} of them ${is(wide)} active at every token.`;
    },
    provenance: (value) => `${session.modelName} · ${value.hook} · seed ${value.seed}`,
    code(values) {
      const data = session.usable(3)?.value.data ?? { hook: "blocks.6.hook_resid_post", center: true };
      return { javascript: javascript.heatmap(values, data), python: python.heatmap(values) };
    },
  };
}
