// @ts-check
// Exercise 3: autoencoders of an early and of a late layer.

import { PageError } from "../../ui/errors.js";
import { count, decimals, number } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { TEST_PROMPTS } from "../texts/c4.js";
import { comparePrompts, concludeLayers, concludePrompts, layerSweep } from "../work/c4-layers.js";
import { concludeBound, numbering, tokenBound } from "../work/c4-token-bound.js";
import { autoencoderFields, autoencoderOptions } from "./autoencoder.js";
import { bench, numbersIn, tableFigure } from "./parts.js";
import { ev, leavesOut, losses, origin, place, position0Words, rawTokens } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { collectSolution, SOLUTION_RECIPE, solutionDataFields, solutionTexts } from "./solution-data.js";
import { trainingFields } from "./train.js";

/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../work/c4-layers.js").LayerResult} LayerResult */
/** @typedef {import("../work/c4-layers.js").LastToken} LastToken */
/** @typedef {import("../work/c4-token-bound.js").TokenBound} TokenBound */
/** @typedef {import("../work/c4-token-bound.js").Numbering} Numbering */
/** @typedef {LayerResult & {bound: TokenBound}} Layer */
/**
 * `raw` is the last token of each prompt as the tokenizer writes it.
 * @typedef {{layers: Layer[], handles: Sae[], last: LastToken[], raw: string[], numbers: Numbering | null, center: boolean, prependBos: boolean, seed: number}} Value
 */

/** The exercise's two layers; in a model of fewer, an early one and the last. @param {number} nLayers */
const twoLayers = (nLayers) => (nLayers > 10 ? "2, 10" : `${Math.max(0, Math.min(1, nLayers - 2))}, ${nLayers - 1}`);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function layersStep(step) {
  const { session } = step;
  const printed = printedBox();
  const figure = tableFigure("layers");
  const prompts = tableFigure("layers-by-prompt");
  const out = () => leavesOut(session);

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  function table({ layers, numbers }) {
    const chosen = ev(session);
    const [{ sae }] = layers;
    const units = losses(session, sae.config.dIn, sae.config.dSae);
    const figures = (/** @type {Layer} */ { quality }) => (out() && quality.withoutPosition0) || quality.all;
    /** @type {[string, (layer: Layer) => import("../../ui/data-table.js").Cell][]} */ const rows = [
      ["the five most active features", (layer) => (out() ? layer.topWithoutPosition0 : layer.top).map(({ feature }) => `F${feature}`).join(", ")],
      ["active features per row", (layer) => number(figures(layer).l0)],
      [units.errorWord, (layer) => number(units.error(figures(layer).meanMse))],
      [`explained, ${chosen.label}`, (layer) => decimals(3)(chosen.of(figures(layer)) ?? NaN)],
      ["mean length of the rows", (layer) => number(figures(layer).normIn)],
      ["never active", (layer) => count(layer.quality.deadLatents)],
      ["bound to one token", ({ bound }) => `${decimals(3)(bound.mean)} ± ${decimals(3)(bound.error)}`],
      ...(numbers
        ? /** @type {[string, (layer: Layer) => string][]} */ ([
            ["same number: mean cosine", (layer) => (layer === layers[0] ? "–" : decimals(3)(numbers.same))],
            ["nearest: mean cosine", (layer) => (layer === layers[0] ? "–" : decimals(3)(numbers.nearest))],
          ])
        : []),
    ];
    return {
      caption: "The layers beside each other",
      columns: [{ key: "what", label: "" }, ...layers.map(({ layer }, k) => ({ key: `l${k}`, label: `layer ${layer}` }))],
      rows: rows.map(([what, of]) => ({ what, ...Object.fromEntries(layers.map((layer, k) => [`l${k}`, of(layer)])) })),
    };
  }

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  const promptTable = ({ last, raw }) => ({
    caption: "At the last token of each prompt",
    columns: [
      { key: "name", label: "prompt" },
      { key: "token", label: "last token", kind: "token" },
      { key: "layer", label: "layer", kind: "number", format: String },
      { key: "nActive", label: "active", kind: "number", format: count },
      { key: "strongest", label: "strongest" },
      { key: "value", label: "its activation", kind: "number", format: decimals(2) },
    ],
    rows: last.map(({ name, prompt, token, layer, nActive, feature, value }) => ({
      name: `${name}: ${prompt}`,
      token: rawTokens(session) ? raw[TEST_PROMPTS.findIndex((test) => test.prompt === prompt)] : token,
      layer,
      nActive,
      strongest: `F${feature}`,
      value,
    })),
  });

  /** @param {Value} value */
  const lines = ({ layers, last }) => [
    ...layers.flatMap((layer) => [
      `Layer ${layer.layer} (${place(session, layer.hook)}):`,
      "=".repeat(40),
      `Top 5 most active features: [${(out() ? layer.topWithoutPosition0 : layer.top).map(({ feature }) => feature).join(", ")}]`,
      `Average active features: ${decimals(1)(((out() && layer.quality.withoutPosition0) || layer.quality.all).l0)}`,
      "",
    ]),
    "Feature activation comparison:",
    ...TEST_PROMPTS.flatMap(({ name, prompt }) => [
      `'${prompt}' (${name}):`,
      ...last.filter((row) => row.prompt === prompt).map((row) => `  Layer ${row.layer}: ${row.nActive} active features, strongest=F${row.feature} (${decimals(2)(row.value)})`),
    ]),
  ];

  return {
    uses: [],
    conventions: ["prependBos", "view"],
    promise: "Run trains an autoencoder on each layer and compares what they find.",
    body: [printed.element, figure.element, prompts.element],
    fields: () => [
      ...solutionDataFields(session, { layer: false }),
      { name: "layers", label: "Layers", kind: "text", value: twoLayers(session.config.nLayers), hint: "two or more, with commas" },
      { name: "l1", label: "Coefficient c", kind: "log", value: 5e-4, min: 1e-4, max: 1e3 },
      ...trainingFields(SOLUTION_RECIPE),
      ...autoencoderFields("torch-linear"),
    ],
    async run(context) {
      const { values, model } = context;
      const { nLayers } = model.config;
      const layers = numbersIn(values.layers, { label: "Layers", least: 0, most: nLayers - 1, whole: true, hint: `The model has layers 0 to ${nLayers - 1}.` });
      if (new Set(layers).size < 2 || layers.length > 6) throw new PageError("LAB-BAD-SETTING", "Layers must be two to six different numbers.", "2, 10 are the exercise's.");
      const { epochs, batchSize, lr, l1, prependBos } = values;
      const center = values.view === "tl";
      const options = /** @type {Parameters<typeof layerSweep>[1]} */ ({
        layers, prompts: solutionTexts({ ...values, repeats: 1 }), repeats: values.repeats, epochs, batchSize, lr, l1, prependBos, center, ...autoencoderOptions(values),
      });
      const results = await layerSweep(bench(context), options);
      try {
        /** @type {Layer[]} */ const bound = [];
        for (const result of results) {
          const acts = await collectSolution(context, { ...values, repeats: 1 }, result.layer);
          bound.push({ ...result, bound: await tokenBound(result.sae, acts).finally(() => acts.dispose()) });
        }
        const last = await comparePrompts(bench(context), results, /** @type {any} */ ({ prependBos, center }));
        const raw = await Promise.all(TEST_PROMPTS.map(async ({ prompt }) => (await model.tokenize(prompt)).raw.at(-1) ?? ""));
        const numbers = await numbering(bench(context), results[0].sae, results[results.length - 1].sae);
        return { value: { layers: bound, handles: results.map(({ sae }) => sae), last, raw, numbers, center, prependBos, seed: values.seed } };
      } catch (error) {
        for (const { sae } of results) void sae.dispose().catch(() => {});
        throw error;
      }
    },
    render(/** @type {Value} */ value) {
      printed.show(lines(value));
      figure.show(`The layers beside each other, ${position0Words(session)}`, () => table(value));
      prompts.show("Four prompts at their last token", () => promptTable(value));
    },
    conclusion: (/** @type {Value} */ { layers, last, numbers }) => `${concludeBound(layers, numbers)} ${concludeLayers(layers)} ${concludePrompts(last)}`,
    provenance: (/** @type {Value} */ { layers, center, prependBos, seed }) =>
      origin(session, { center, prependBos, seed, more: `layers ${layers.map(({ layer }) => layer).join(", ")}` }),
    code: (values) => ({ javascript: javascript.layers(values), python: python.layers(values) }),
  };
}

