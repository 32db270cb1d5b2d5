// @ts-check
// Step 5: the places where one feature is strongest.

import "../feature-card.js";
import "../figure.js";
import { defaults } from "../../engine/defaults.js";
import { fill, h, make } from "../dom.js";
import { FeatureCard } from "../feature-card.js";
import { LabFigure } from "../figure.js";
import { count, counted, decimals, inline, number, percent, visible } from "../format.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";
import { tokenNodes } from "../token-text.js";

/** @typedef {import("../types.js").Example} Example */
/** @typedef {{feature: number, active: number, rows: number, distinct: number, examples: Example[], texts: string[], hook: string, seed: number}} Value */

/** Where examples come from: the first of them, and how many more. @param {Example[]} examples @param {string[]} texts */
function source([{ text, position }, ...others], texts) {
  const first = text < 0 ? `random sequence ${-text}` : `text ${text + 1}, “${inline(texts[text] ?? "", 24)}”`;
  return `${first}${others.length ? ` and ${counted(others.length, "other")}` : ""} · position ${position}`;
}

/**
 * Examples that the model cannot tell apart, together: what comes after a token does not reach it, so texts with one beginning
 * give the same activation there.
 * @param {Example[]} examples @returns {Example[][]}
 */
export function alike(examples) {
  /** @type {Map<string, Example[]>} */ const groups = new Map();
  for (const example of examples) {
    const { position, before, token, activation } = example;
    const key = JSON.stringify([position, before, token, activation.toPrecision(5)]);
    groups.set(key, [...(groups.get(key) ?? []), example]);
  }
  return [...groups.values()];
}

/** The tokens after the marked one, where the examples of a group agree on them. @param {Example[]} group */
export function following(group) {
  const [{ after }] = group;
  const agreed = after.findIndex((token, i) => group.some((other) => other.after[i] !== token));
  return agreed < 0 ? after : after.slice(0, agreed);
}

/** The highest feature number there is now. @param {import("../session.js").Session} session @returns {number | undefined} */
export function lastFeature(session) {
  const dSae = session.usable(3)?.value.sae.config.dSae;
  return dSae === undefined ? undefined : dSae - 1;
}

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function examplesStep(step) {
  const { session } = step;
  const card = make(FeatureCard),
    list = h("ol", { class: "examples" }),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  session.addEventListener("feature", () => step.settings?.set("feature", session.feature));

  /** @returns {import("../data-table.js").Table} */
  const table = () => ({
    caption: "Top activating examples",
    columns: [
      { key: "activation", label: "activation", kind: "number" },
      { key: "before", label: "before", kind: "token" },
      { key: "token", label: "token", kind: "token" },
      { key: "after", label: "after", kind: "token" },
      { key: "source", label: "source" },
      { key: "position", label: "position", kind: "number", format: String },
    ],
    rows: (shown?.examples ?? []).map((e) => ({
      activation: e.activation,
      before: e.before.join(""),
      token: e.token,
      after: e.after.join(""),
      source: e.text < 0 ? `random ${-e.text}` : `text ${e.text + 1}`,
      position: e.position,
    })),
  });

  return {
    uses: [2, 3],
    needs: () => (step.settings.values().feature === null ? [2, 3, 4] : [2, 3]),
    promise: "Run lists the tokens on which the chosen feature is strongest, each among its neighbours.",
    body: [card, figure],
    fields: () => [
      {
        name: "feature",
        label: "Feature",
        kind: "integer",
        value: null,
        min: 0,
        max: lastFeature(session),
        hint: "chosen in step 4 or 6",
        noReset: true,
      },
      { name: "skipPosition0", label: "Leave position 0 out", kind: "switch", value: defaults.examples.skipPosition0 },
      { name: "k", label: "Examples", kind: "integer", value: defaults.examples.k, min: 1, max: 200 },
      {
        name: "context",
        label: "Neighbours on each side",
        kind: "integer",
        value: defaults.examples.context,
        min: 0,
        max: 50,
        unit: "tokens",
        advanced: true,
      },
    ],

    async run({ lab, values, signal, progress, use }) {
      const { sae, data } = use(3),
        { acts, texts } = use(2);
      const { feature, k, skipPosition0, context } = values;
      session.selectFeature(feature);
      const found = await lab.analysis.examples(sae, acts, {
        feature,
        k,
        skipPosition0,
        context,
        signal,
        onProgress: (p) => {
          if (p.done !== undefined && p.total !== undefined) progress(p.done, p.total, "rows");
        },
      });
      return {
        value: {
          ...found,
          feature,
          rows: acts.stats.rows,
          distinct: acts.stats.distinctRows,
          texts,
          hook: data.hook,
          seed: sae.config.seed,
        },
      };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const known = /** @type {import("./features.js").Value | undefined} */ (session.usable(4)?.value)?.features.find(
        ({ feature }) => feature === value.feature,
      );
      card.show(value.feature, [
        ["active on", `${count(value.active)} of ${counted(value.rows, "row")} (${percent(value.active / value.rows)})`],
        ["largest", number(value.examples[0]?.activation ?? 0)],
        ...(known
          ? /** @type {[string, string][]} */ ([
              ["mean when active", number(known.meanActive)],
              ["score", number(known.meanActive * known.frequency)],
            ])
          : []),
      ]);
      fill(
        list,
        alike(value.examples).map((group) => {
          const [example] = group;
          return h(
            "li",
            {},
            h("span", { class: "example-value" }, decimals(3)(example.activation)),
            h(
              "span",
              { class: "example-text" },
              example.before.map((token) => h("span", { class: "piece" }, tokenNodes(token))),
              h("mark", {}, tokenNodes(example.token)),
              following(group).map((token) => h("span", { class: "piece" }, tokenNodes(token))),
              group.length > 1 ? h("span", { class: "example-times" }, ` × ${count(group.length)}`) : null,
              h("span", { class: "hint" }, source(group, value.texts)),
            ),
          );
        }),
      );
      figure.show({
        name: `feature-${value.feature}-examples`,
        caption: `Where feature ${value.feature} is strongest`,
        body: [list],
        table,
      });
    },

    conclusion({ feature, examples, rows, distinct, active }) {
      if (!examples.length) return `Feature ${feature} is not active on any of the rows looked at; choose another one.`;
      /** @type {Map<string, number>} */ const tally = new Map();
      for (const { token } of examples) tally.set(token, (tally.get(token) ?? 0) + 1);
      const [token, times] = [...tally].reduce((best, entry) => (entry[1] > best[1] ? entry : best));
      const n = examples.length;
      const first = examples.filter((/** @type {Example} */ e) => e.position === 0).length;
      return (
        (n === 1
          ? `The strongest place holds the token “${visible(token)}”`
          : times > 1
            ? `${times === n ? "All" : `${times} of the`} ${n} strongest places hold the token “${visible(token)}”`
            : `The ${n} strongest places hold ${n} different tokens`) +
        (!first ? ". " : n === 1 ? " and stands at position 0. " : `; ${first} of the ${n} ${first === 1 ? "stands" : "stand"} at position 0. `) +
        (active / rows > 0.5
          ? "The feature is active on more than half of all rows, so its strongest places say little about the rest. "
          : "") +
        `Measured on ${counted(rows, "row")}, ${count(distinct)} of them distinct.`
      );
    },
    provenance: (value) => `${session.modelName} · ${value.hook} · seed ${value.seed}`,
    code: (values) => ({ javascript: javascript.examples(values), python: python.examples(values) }),
  };
}
