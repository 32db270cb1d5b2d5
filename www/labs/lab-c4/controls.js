// @ts-check
// Part 6: one feature beside the controls that tell a meaning from a push.

import "../../ui/figure.js";
import "../../ui/text-compare.js";
import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { decimals, exact, percent } from "../../ui/format.js";
import { STEERING_PROMPT } from "../../ui/prompts.js";
import { firstDifference, TextCompare } from "../../ui/text-compare.js";
import { concludeControls, controls, differing } from "../work/c4-controls.js";
import { bench, tableFigure, throttled } from "./parts.js";
import { conventionsOf, origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";
import { firstList } from "./top-features.js";

/** @typedef {import("../work/c4-controls.js").Version} Version */
/** @typedef {{versions: Version[], feature: number, other: number | null, prompt: string, strength: number, bias: boolean, hook: string, center: boolean, prependBos: boolean, seed: number}} Value */

/** @param {Value} value @param {Version} version */
const nameOf = ({ feature, other }, { role }) =>
  ({ plain: "Plain", steered: `F${feature}`, opposite: `F${feature}, opposite sign`, random: "Random direction", other: `Another: F${other}` })[role];

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function controlsStep(step) {
  const { session } = step;
  const compare = make(TextCompare);
  const figure = make(LabFigure);
  const table = tableFigure("controls");
  session.addEventListener("feature", () => step.settings?.set("feature", session.feature));

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  const effects = (value) => ({
    caption: "How much each changes",
    columns: [
      { key: "what", label: "added" },
      { key: "places", label: "tokens that differ", kind: "number", format: String },
      { key: "first", label: "from token", kind: "number", format: String },
      { key: "kl", label: "next token moved by, nats", kind: "number", format: decimals(3) },
      { key: "likeliest", label: "likeliest next token", kind: "token" },
      { key: "prob", label: "its probability", kind: "number", format: percent },
    ],
    rows: value.versions.map((version) => {
      const first = firstDifference(value.versions[0].ids, version.ids);
      return {
        what: nameOf(value, version),
        places: differing(value.versions[0].ids, version.ids),
        first: first === null ? null : first + 1,
        kl: version.kl,
        likeliest: version.likeliest?.token,
        prob: version.likeliest?.prob,
      };
    }),
  });

  return {
    uses: [STEPS.train, STEPS["top-features"]],
    conventions: ["prependBos", "bias", "skipPosition0"],
    promise: "Run steers with one feature, against it, along a random direction and with another feature.",
    body: [figure, table.element],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: STEERING_PROMPT, rows: 2, wide: true },
      { name: "feature", label: "Feature", kind: "integer", value: null, min: 0, max: session.usable(STEPS.train)?.value.sae.config.dSae - 1 || undefined, optional: true, rangeText: "chosen above", emptyText: "empty: the first" },
      { name: "strength", label: "Strength", kind: "slider", value: 10, min: -1000, max: 1000, slide: [-50, 50] },
      { name: "maxNewTokens", label: "New tokens", kind: "integer", value: 20, min: 1, max: session.config.nCtx - 1, advanced: true },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", hint: "of the random direction", advanced: true },
    ],
    async run(context) {
      const { values, use, live } = context;
      const { sae, hook, layer, center, seed } = /** @type {import("./train.js").Value} */ (use(STEPS.train));
      const { top } = /** @type {import("./top-features.js").Value} */ (use(STEPS["top-features"]));
      const list = firstList(session, top).map(({ feature }) => feature);
      const feature = values.feature ?? list[0];
      if (feature === undefined) throw new PageError("LAB-BAD-SETTING", "No feature is active, so there is none to steer with.", "Train with a smaller coefficient.");
      const other = list.find((one) => one !== feature) ?? null;
      const { prompt, strength, maxNewTokens, prependBos, bias } = values;
      /** @type {Value} */ const value = { versions: [], feature, other, prompt, strength, bias, hook, center, prependBos, seed };
      const draw = throttled(250, () => live(value));
      const versions = await controls(bench(context), sae, feature, {
        prompt, strength, layer, maxNewTokens, prependBos, direction: bias ? "decode-one-hot-unit" : "decoder-unit", other, seed: values.seed,
        onVersion(made) {
          value.versions = [...made];
          draw();
        },
      });
      return { value: { ...value, versions } };
    },
    render(/** @type {Value} */ value) {
      compare.show(value.versions.map((version) => ({ label: nameOf(value, version), prompt: value.prompt, tokens: version.tokens, ids: version.ids })));
      figure.show({
        name: "controls-texts",
        caption: `Greedy continuations, direction ${value.bias ? "with" : "without"} the decoder's bias`,
        body: [compare],
        table: () => ({
          caption: "The texts",
          columns: [{ key: "what", label: "added" }, { key: "text", label: "text", kind: "token" }],
          rows: value.versions.map((version) => ({ what: nameOf(value, version), text: version.tokens.join("") })),
        }),
      });
      table.show("How much each changes", () => effects(value));
    },
    conclusion: (/** @type {Value} */ { versions }) => concludeControls(versions) || null,
    provenance: (value) => origin(session, { ...value, more: `F${value.feature}, strength ${exact(value.strength)}` }),
    code: (values) => ({ javascript: javascript.controls(values, conventionsOf(session)), python: python.controls(values, conventionsOf(session)) }),
  };
}
