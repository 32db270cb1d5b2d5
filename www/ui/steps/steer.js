// @ts-check
// Step 7: greedy text with and without a feature's direction, and the controls that tell a meaning from a push.

import "../figure.js";
import "../text-compare.js";
import { defaults } from "../../engine/defaults.js";
import { make } from "../dom.js";
import { PageError } from "../errors.js";
import { LabFigure } from "../figure.js";
import { counted, exact, norm, percent, rough, visible } from "../format.js";
import { STEERING_PROMPT } from "../prompts.js";
import { cosine, randomDirection } from "../random-direction.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";
import { lastFeature } from "./examples.js";
import { differing, firstDifference, TextCompare } from "../text-compare.js";

/** @typedef {import("../text-compare.js").Version} Version */
/** @typedef {import("../step.js").Context} Context */
/** @typedef {import("../types.js").Steer} SteerEntry */
/**
 * `strength` is the setting, `pushNorm` the length of the added vector, `typicalNorm` the median length of the rows at the same hook (null elsewhere).
 * @typedef {{versions: Version[], hook: string, trainedHook: string, seed: number, strength: number, pushNorm: number, typicalNorm: number | null, bias: number | null}} Value
 */

const same = "same";

/** The feature numbers in the field. @param {string} text @param {number | undefined} last @returns {number[]} */
function featuresIn(text, last) {
  const parts = text
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map((part) => part.replace(/^F/i, ""));
  const features = parts.map(Number);
  if (!parts.length || features.some((f) => !Number.isInteger(f) || f < 0 || (last !== undefined && f > last))) {
    throw new PageError(
      "LAB-BAD-SETTING",
      `Features is ${text.trim() === "" ? "empty" : `“${text}”`}; it must be one or more feature numbers${last === undefined ? "" : ` from 0 to ${last}`}, separated by commas.`,
      "Choose a feature in step 4, or type its number.",
    );
  }
  return features;
}

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function steerStep(step) {
  const { session } = step;
  const compare = make(TextCompare),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  session.addEventListener("feature", () => step.settings?.set("features", session.feature === null ? "" : String(session.feature)));

  /** @returns {import("../data-table.js").Table} */
  const table = () => ({
    caption: "The texts, token by token",
    columns: [
      { key: "i", label: "new token", kind: "number", format: String },
      ...(shown?.versions ?? []).map(({ label }, k) => /** @type {const} */ ({ key: `v${k}`, label, kind: "token" })),
    ],
    rows: Array.from({ length: Math.max(0, ...(shown?.versions ?? []).map(({ tokens }) => tokens.length)) }, (_, i) => ({
      i: i + 1,
      ...Object.fromEntries((shown?.versions ?? []).map(({ tokens }, k) => [`v${k}`, tokens[i]])),
    })),
  });

  /**
   * One greedy text, added to the value as it appears.
   * @param {Context} context @param {Value} value @param {string} label @param {string} note @param {SteerEntry[]} steer
   */
  async function write({ model, values, signal, progress, live }, value, label, note, steer) {
    /** @type {Version} */ const version = { label, note, prompt: values.prompt, tokens: [], ids: [] };
    value.versions.push(version);
    await model.generate(values.prompt, {
      maxNewTokens: values.maxNewTokens,
      temperature: 0,
      prependBos: values.prependBos,
      stopAtEos: values.stopAtEos,
      steer,
      signal,
      onToken(p) {
        version.tokens.push(p.token ?? "");
        version.ids.push(p.id ?? -1);
        progress(version.tokens.length, values.maxNewTokens, "tokens");
        live(value);
      },
    });
  }

  /** @param {Record<string, any>} values @param {string} trained */
  const hookOf = (values, trained) => (values.hook === same ? trained : values.hook);

  /** One more text for the value shown, made with the settings that it was made with. @param {Context} context @param {string} label @param {(value: Value, values: Record<string, any>) => {note: string, steer: SteerEntry[]}} entries */
  async function control(context, label, entries) {
    const before = /** @type {NonNullable<Context["shown"]>} */ (context.shown);
    const value = { ...before.value, versions: before.value.versions.filter((/** @type {Version} */ v) => v.label !== label) };
    const { note, steer } = entries(value, before.values);
    await write({ ...context, values: before.values }, value, label, note, steer);
    return { value, values: before.values };
  }

  /** @param {Record<string, any>} values @param {string} hook @param {number} sign @returns {SteerEntry[]} */
  const steering = (values, hook, sign) =>
    featuresIn(values.features, lastFeature(session)).map((feature) => ({
      hook,
      sae: session.usable(3)?.value.sae,
      feature,
      strength: sign * values.strength,
      direction: values.direction,
    }));

  return {
    uses: [3],
    needs: () => (step.settings.values().features === "" ? [3, 4] : [3]),
    promise: "Run writes the prompt's greedy continuation twice, plain and steered, side by side.",
    body: [figure],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: STEERING_PROMPT, rows: 2, wide: true },
      {
        name: "features",
        label: "Features",
        kind: "text",
        value: "",
        hint: "one, or several with commas; chosen in step 4 or 6",
        noReset: true,
      },
      { name: "strength", label: "Strength", kind: "slider", value: defaults.steer.strength, min: -1000, max: 1000, slide: [-50, 50] },
      {
        name: "direction",
        label: "Direction",
        kind: "choice",
        value: defaults.steer.direction,
        hint: "only the first carries the bias",
        options: [
          { value: "decode-one-hot-unit", label: "decoded feature, length 1" },
          { value: "decoder-unit", label: "decoder row, length 1" },
          { value: "decoder", label: "decoder row as it is" },
        ],
      },
      { name: "hook", label: "Hook", kind: "choice", value: same, options: hookOptions(session) },
      {
        name: "maxNewTokens",
        label: "New tokens",
        kind: "integer",
        value: defaults.generate.maxNewTokens,
        min: 1,
        max: session.config.nCtx - 1,
        advanced: true,
      },
      { name: "prependBos", label: "Put a BOS token in front", kind: "switch", value: defaults.generate.prependBos, advanced: true },
      { name: "stopAtEos", label: "Stop at the end-of-text token", kind: "switch", value: defaults.generate.stopAtEos, advanced: true },
      {
        name: "controlSeed",
        label: "Seed",
        kind: "integer",
        value: 0,
        min: 0,
        max: 4294967295,
        rangeText: "a whole number",
        hint: "for the next random direction",
        advanced: true,
        apart: true,
      },
    ],

    async run(context) {
      const { values, use } = context;
      const { sae, data } = use(3);
      const features = featuresIn(values.features, lastFeature(session));
      const hook = hookOf(values, data.hook);
      const directions = await Promise.all(features.map((feature) => sae.direction({ feature, kind: values.direction })));
      const rows = await Promise.all(features.map((feature) => sae.direction({ feature, kind: "decoder-unit" })));
      const sum = directions[0].data.map(
        (/** @type {number} */ _, /** @type {number} */ i) => directions.reduce((total, { data }) => total + data[i], 0) * values.strength,
      );
      const stats = session.usable(2)?.value.acts;
      /** @type {Value} */ const value = {
        versions: [],
        hook,
        trainedHook: data.hook,
        seed: sae.config.seed,
        strength: values.strength,
        pushNorm: Math.hypot(...sum),
        typicalNorm: stats?.hook === hook ? stats.stats.withoutPosition0.medianNorm : null,
        bias: values.direction === "decode-one-hot-unit" && features.length === 1 ? cosine(directions[0].data, rows[0].data) : null,
      };
      await write(context, value, "Plain", "nothing added", []);
      await write(
        context,
        value,
        "Steered",
        `${features.map((f) => `F${f}`).join(" + ")}, strength ${exact(values.strength)}`,
        steering(values, hook, 1),
      );
      return { value };
    },

    more: [
      {
        name: "control-flip",
        label: "Compare: opposite sign",
        run: (context) =>
          control(context, "Opposite sign", (value, values) => ({
            note: `strength ${exact(-values.strength)}`,
            steer: steering(values, value.hook, -1),
          })),
      },
      {
        name: "control-random",
        label: "Compare: random direction",
        run: (context) =>
          control(context, "Random direction", (value) => {
            const { dIn } = context.use(3).sae.config;
            const { controlSeed } = context.values;
            return {
              note: `length ${norm(value.pushNorm)}, seed ${controlSeed}`,
              steer: [{ hook: value.hook, vector: randomDirection(dIn, value.pushNorm, controlSeed), strength: 1 }],
            };
          }),
      },
    ],

    render(/** @type {Value} */ value) {
      shown = value;
      compare.show(value.versions);
      figure.show({ name: "steering", caption: "Greedy continuations, the first difference marked", body: [compare], table });
    },

    conclusion(/** @type {Value} */ { versions, strength, pushNorm, typicalNorm, bias }) {
      const [plain, steered, ...controls] = versions;
      if (!plain || !steered) return null;
      const told = controls.map((version) => ` ${version.label}: ${difference(plain, version)}.`).join("");
      if (pushNorm === 0) {
        return `${strength === 0 ? "The strength is 0" : "The direction has length 0"}: nothing was added. Steered: ${difference(plain, steered)}.${told}`;
      }
      const share = typicalNorm ? pushNorm / typicalNorm : 0;
      const size = typicalNorm
        ? `The added vector is ${share < 2 ? percent(share) : `${rough(share)} times`} as long as a typical vector at this hook (${norm(pushNorm)} against ${norm(typicalNorm)}). `
        : "";
      const shared =
        bias !== null
          ? ` The direction has a cosine of ${rough(bias)} with the feature's own decoder row; the rest, ${percent(1 - bias * bias)} of its squared length, comes from the bias that every feature shares.`
          : "";
      const changed = firstDifference(plain.ids, steered.ids) !== null;
      return `${size}Steered: ${difference(plain, steered)}.${shared}${told ? `${told}${asMuch(plain, steered, controls)}` : changed ? " The two comparisons below help to tell whether this is the feature's meaning or merely a push." : ""}`;
    },
    provenance: (value) => `${session.modelName} · ${value.hook} · seed ${value.seed}`,
    code(values) {
      const hook = hookOf(values, session.usable(3)?.value.data.hook ?? "blocks.6.hook_resid_post");
      const features = (String(values.features).match(/\d+/g) ?? []).map(Number);
      return { javascript: javascript.steer(values, hook, features), python: python.steer(values, hook, features) };
    },
  };
}

/** @param {Version} plain @param {Version} other */
function difference(plain, other) {
  const first = firstDifference(plain.ids, other.ids);
  if (first === null) return "the same text";
  const token = other.tokens[first];
  return `${token === undefined ? "ends earlier" : `first differs at new token ${first + 1}, “${visible(token)}”`}, and in ${differing(plain.ids, other.ids)} of ${counted(Math.max(plain.ids.length, other.ids.length), "place")} in all`;
}

/** Says so when a control changes the text as much as the feature does. @param {Version} plain @param {Version} steered @param {Version[]} controls */
function asMuch(plain, steered, controls) {
  const places = differing(plain.ids, steered.ids);
  const names = controls.filter(({ ids }) => differing(plain.ids, ids) >= places).map(({ label }) => `the ${label.toLowerCase()}`);
  if (!places || !names.length) return "";
  const subject = names.join(" and ");
  return ` ${subject[0].toUpperCase()}${subject.slice(1)} ${names.length === 1 ? "changes" : "change"} the text at least as much as the feature does: that it changes is no sign of a meaning.`;
}

/** The hooks whose vectors have the autoencoder's width. @param {import("../session.js").Session} session */
function hookOptions(session) {
  const { nLayers, dModel, dMlp } = session.config;
  const trained = session.outdated(3) ? null : session.usable(3)?.value.sae.config.dIn;
  const width = trained ?? session.usable(2)?.value.acts.stats.width ?? dModel;
  const sites = [
    ...(width === dModel ? ["hook_resid_pre", "hook_resid_mid", "hook_resid_post"] : []),
    ...(width === dMlp ? ["mlp.hook_post"] : []),
  ];
  return [
    { value: same, label: "where it was trained" },
    ...Array.from({ length: nLayers }, (_, layer) =>
      sites.map((site) => ({
        value: `blocks.${layer}.${site}`,
        label: `blocks.${layer}.${site}`,
        group: `Layer ${layer}`,
      })),
    ).flat(),
  ];
}
