// @ts-check
// Cell 16: the next token before and after a feature is multiplied, with the autoencoder's error and without.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import "../../ui/token-strip.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { exact, inline, number, percent, visible } from "../../ui/format.js";
import { TokenStrip } from "../../ui/token-strip.js";
import { printedBox } from "../shared/printed.js";
import { compareNext } from "../work/feature-steering.js";
import { concludeMultiply, MULTIPLY, multiplyFeature, multiplyGreedy } from "../work/multiply-feature.js";
import { benchOf, featureField, needsFeature } from "./fields.js";
import { featureSnippets } from "./snippets-features.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../work/multiply-feature.js").Multiplied} Multiplied */
/** @typedef {import("../work/feature-steering.js").NextTokens} NextTokens */
/** `pushed`: the feature's direction added instead, as long as the change at the last token. @typedef {{made: Multiplied, pushed: NextTokens, bias: boolean, greedy: {plain: string, withError: string, withoutError: string}, atLast: {feature: number, value: number}[], center: boolean, prependBos: boolean}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function steeringStep(step) {
  const { session } = step;
  const printed = printedBox(),
    strip = make(TokenStrip),
    table = make(DataTable),
    figure = make(LabFigure),
    last = make(DataTable),
    texts = printedBox();
  texts.element.setAttribute("aria-label", "Greedy continuations");
  const lastTitle = h("h4", {}, "Features that are active on the last token");
  const uses = [STEPS.activations, STEPS.train];
  const feature = featureField(step, STEPS.train);
  /** @type {Value | null} */ let shown = null;

  /** The tokens that are among the first of any of the four lists. @returns {import("../../ui/data-table.js").Table} */
  const next = () => {
    const made = shown?.made;
    /** @type {Map<number, {token: string, before: number, withError?: number, withoutError?: number, plain?: number, pushed?: number}>} */ const rows = new Map();
    const take = (/** @type {NextTokens | undefined} */ from, /** @type {"withError" | "withoutError" | "plain" | "pushed"} */ key) => {
      const known = new Map([...(from?.plain ?? []), ...(from?.shifts ?? [])].map((t) => [t.id, t]));
      for (const { id, token, prob } of from?.steered ?? []) {
        const shift = known.get(id);
        const row = rows.get(id) ?? { token, before: shift && "plain" in shift ? shift.plain : shift && "prob" in shift ? shift.prob : NaN };
        row[key] = prob;
        rows.set(id, row);
      }
    };
    for (const { id, token, prob } of made?.baseline ?? []) rows.set(id, { token, before: prob });
    take(made?.withError, "withError");
    take(made?.withoutError, "withoutError");
    take(made?.reconstructionOnly, "plain");
    take(shown?.pushed, "pushed");
    const format = (/** @type {number} */ x) => (Number.isFinite(x) ? percent(x) : "–");
    const number = /** @type {const} */ ("number");
    return {
      caption: `The likeliest next tokens after “${inline(made?.text ?? "", 40)}”; – where a token is not among the first`,
      columns: [
        { key: "token", label: "next token", kind: "token" },
        { key: "before", label: "before", kind: number, format },
        { key: "withError", label: `× ${exact(made?.alpha ?? 0)}, error kept`, kind: number, format },
        { key: "withoutError", label: `× ${exact(made?.alpha ?? 0)}, error lost`, kind: number, format },
        { key: "plain", label: "× 1, error lost", kind: number, format },
        { key: "pushed", label: "direction added", kind: number, format },
      ],
      rows: [...rows.values()],
    };
  };
  const lastTable = () => ({
    caption: "Choose one and run again",
    columns: [
      { key: "feature", label: "feature" },
      { key: "value", label: "activation", kind: /** @type {const} */ ("number") },
    ],
    rows: (shown?.atLast ?? []).map((f) => ({ ...f })),
    choose: { key: "feature", label: (/** @type {any} */ row) => `F${row.feature}`, chosen: session.feature, on: (/** @type {any} */ row) => session.selectFeature(Number(row.feature)) },
  });
  session.addEventListener("feature", () => {
    if (shown) last.show(lastTable());
  });

  return {
    uses,
    needs: needsFeature(step, uses, STEPS["top-features"]),
    conventions: ["prependBos", "view", "bias"],
    promise: "Run shows what the model expects next, before and after the feature is multiplied.",
    body: [printed.element, strip, figure, h("div", { class: "side-by-side" }, h("div", {}, lastTitle, last), h("div", {}, h("h4", {}, "Greedy continuations"), texts.element))],
    fields: () => [
      { name: "text", label: "Prompt", kind: "lines", value: MULTIPLY.text, rows: 2, wide: true },
      feature(),
      { name: "alpha", label: "Factor α", kind: "slider", value: MULTIPLY.alpha, min: -1000, max: 1000, slide: [-10, 30], hint: "1 leaves the feature as it is, 0 takes it out" },
      { name: "k", label: "Tokens listed", kind: "integer", value: MULTIPLY.k, min: 1, max: 50, advanced: true },
      { name: "maxNewTokens", label: "New tokens", kind: "integer", value: MULTIPLY.maxNewTokens, min: 1, max: 100, hint: "of the continuations", advanced: true },
    ],

    async run(context) {
      const { model, use, values, signal } = context;
      const { index } = use(STEPS.activations);
      const { sae } = use(STEPS.train);
      const { text, alpha, k, maxNewTokens, prependBos } = values;
      const center = values.view === "tl";
      if (!String(text).trim()) throw new PageError("LAB-BAD-SETTING", "The prompt is empty.", "Write a prompt, or reset it.");
      session.selectFeature(values.feature);
      const settings = { feature: values.feature, text, layer: index, alpha, k, prependBos, center, maxNewTokens };
      const bench = benchOf(context);
      const made = await multiplyFeature(bench, sae, settings);
      const greedy = await multiplyGreedy(bench, sae, settings);
      const reading = /** @type {const} */ ({ prependBos, center, logits: "last", topK: model.config.dVocab, signal });
      const direction = /** @type {import("../../engine/types.js").DirectionKind} */ (values.bias ? "decode-one-hot-unit" : "decoder-unit");
      const steer = [{ hook: made.hook, sae, feature: values.feature, strength: Math.sign(alpha - 1) * made.added, direction }];
      const pushed = compareNext(await model.run(text, reading), await model.run(text, { ...reading, steer }), { temperature: 1, k });
      return { value: { made, pushed, bias: values.bias, greedy, atLast: await activeAtLast(context, sae, made.hook, { text, prependBos, center }), center, prependBos } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const { made, greedy } = value;
      printed.show([`Before, after “${inline(made.text, 60)}”:`, ...made.baseline.map(({ token, prob }) => `  ${visible(token)}: ${prob.toFixed(4)}`)]);
      strip.show({ label: `Feature ${made.feature} on the prompt`, tokens: made.tokens, values: made.activations, valueName: `feature ${made.feature}` });
      table.show(next());
      figure.show({ name: `feature-${made.feature}-next-tokens`, caption: `Feature ${made.feature} multiplied by ${exact(made.alpha)}`, body: [table], table: next });
      lastTitle.hidden = last.hidden = value.atLast.length === 0;
      last.show(lastTable());
      texts.show(["plain", `  ${inline(greedy.plain)}`, "error kept", `  ${inline(greedy.withError)}`, "without the error", `  ${inline(greedy.withoutError)}`]);
    },

    conclusion: (/** @type {Value} */ { made, pushed, bias }) =>
      `${concludeMultiply(made)}${made.added > 0 ? ` Its direction, ${bias ? "the decoder's bias inside, " : ""}added at every position with the length of that change (${number(made.added)}), gives ${number(pushed.kl)} nats.` : ""}`,
    provenance: (/** @type {Value} */ { made, center }) =>
      `${session.modelName} · ${session.conventions?.hook(made.hook, session.config.nLayers) ?? made.hook} · ${center ? "TransformerLens" : "Hugging Face"} view · feature ${made.feature}`,
    code: (values) => featureSnippets.steering(values, session.usable(STEPS.activations)?.value.hook ?? "blocks.6.hook_resid_pre"),
  };
}

/**
 * @param {import("../../ui/step.js").Context} context @param {import("../../ui/types.js").Sae} sae @param {string} hook
 * @param {{text: string, prependBos: boolean, center: boolean}} how
 */
async function activeAtLast({ model, signal }, sae, hook, { text, prependBos, center }) {
  const { hooks } = await model.run(text, { hooks: [hook], prependBos, center, logits: "none", signal });
  const { data, shape } = hooks[hook];
  const encoded = await sae.encode({ data: data.slice((shape[0] - 1) * shape[1]), shape: [1, shape[1]] });
  try {
    const { data: f } = await encoded.read();
    return Array.from(f, (value, feature) => ({ feature, value }))
      .filter(({ value }) => value > 0)
      .sort((a, b) => b.value - a.value)
      .slice(0, 6);
  } finally {
    void encoded.dispose().catch(() => {});
  }
}
