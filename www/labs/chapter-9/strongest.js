// @ts-check
// Cells 9 and 10: the strongest features of each token, and the strongest of all, with a look at whether that is a feature of a place.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { fill, h, make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { counted, rough, visible } from "../../ui/format.js";
import { mostActiveBoth, PER_TOKEN, topPerToken } from "../work/per-token.js";
import { concludeProfile, positionProfile } from "../work/position-feature.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets.js";
import { conventionsOf, provenance, STEPS } from "./steps.js";
import { written } from "./text.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/data-table.js").Column} Column */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("./features.js").Features} Features */
/** @typedef {import("../work/per-token.js").TokenFeatures} TokenFeatures */
/** @typedef {import("../work/per-token.js").MostActive} MostActive */
/** @typedef {import("../work/position-feature.js").Profile} Profile */
/** @typedef {{extracted: Features, rows: TokenFeatures[], k: number}} PerToken */
/** @typedef {{extracted: Features, all: MostActive | null, rest: MostActive | null, profiles: Profile[], next: number | null}} Strongest  `next`: what the page goes on with */

/** @param {LabStep} step @returns {Definition} */
export function topFeatures(step) {
  const { session } = step;
  const printed = printedBox();
  printed.element.classList.add("unbounded");
  const list = h("div", { class: "token-features", role: "group", "aria-label": "Strongest features of each token; choose one" });
  const figure = make(LabFigure);
  /** @type {PerToken | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const table = () => ({
    caption: "Strongest features of each token",
    columns: [
      { key: "position", label: "position", kind: "number", format: String },
      { key: "token", label: "token", kind: "token" },
      ...Array.from({ length: shown?.k ?? 0 }, (_, i) => /** @type {Column[]} */ ([
        { key: `f${i}`, label: `${i + 1}.` },
        { key: `v${i}`, label: "activation", kind: "number" },
      ])).flat(),
    ],
    rows: (shown?.rows ?? []).map(({ position, features }) => ({
      position,
      token: shown ? written(session, shown.extracted)[position] : "",
      ...Object.fromEntries(features.flatMap(({ feature, value }, i) => [[`f${i}`, `#${feature}`], [`v${i}`, value]])),
    })),
  });

  const show = () => {
    if (!shown) return;
    const { extracted, rows } = shown;
    const tokens = written(session, extracted);
    fill(
      list,
      rows.map(({ position, features }) => [
        h("span", { class: "token-features-token" }, visible(tokens[position])),
        h(
          "span",
          { class: "token-features-list" },
          features.map(({ feature, value }) =>
            h(
              "button",
              { type: "button", class: "choose", "aria-pressed": String(session.feature === feature), "data-row": feature, on: { click: () => session.selectFeature(feature) } },
              `#${feature} `,
              h("span", { class: "hint" }, value.toFixed(2)),
            ),
          ),
          features.length ? null : h("span", { class: "hint" }, "none"),
        ),
      ]).flat(),
    );
  };
  session.addEventListener("feature", () => {
    for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.row) === session.feature));
  });

  return {
    uses: [STEPS.features],
    promise: "Run lists the strongest features of each token; a click chooses one for the later steps.",
    body: [printed.element, figure],
    fields: () => [{ name: "k", label: "Features per token", kind: "integer", value: PER_TOKEN.k, min: 1, max: 20 }],
    async run({ use, values: { k } }) {
      const extracted = use(STEPS.features);
      return { value: { extracted, rows: topPerToken(extracted, { k }), k } };
    },
    render(/** @type {PerToken} */ value) {
      shown = value;
      const tokens = written(session, value.extracted);
      printed.show([
        `Top ${value.k} features per token:`,
        "",
        ...value.rows.map(({ position, features }) => `${visible(tokens[position]).padEnd(15)} → ${features.map((f) => `#${f.feature}(${f.value.toFixed(2)})`).join(", ")}`),
      ]);
      show();
      figure.show({ name: "top-features-per-token", caption: "Choose a feature", body: [list], table });
    },
    conclusion(/** @type {PerToken} */ { rows }) {
      /** @type {Map<number, number>} */ const leads = new Map();
      for (const { features: [first] } of rows) if (first) leads.set(first.feature, (leads.get(first.feature) ?? 0) + 1);
      const often = [...leads].sort((a, b) => b[1] - a[1])[0];
      const everywhere = new Map(rows.flatMap(({ features }) => features.map(({ feature }) => [feature, rows.filter((r) => r.features.some((f) => f.feature === feature)).length])));
      const common = [...everywhere].sort((a, b) => b[1] - a[1])[0];
      if (!often || !common) return "No feature is active on this text.";
      return (
        `${counted(leads.size, "feature")} ${leads.size === 1 ? "leads" : "take turns in leading"} at ${counted(rows.length, "position")}${leads.size > 1 && often[1] > 1 ? `; #${often[0]} leads at ${often[1]}` : ""}. ` +
        (rows.length < 4
          ? "So short a text does not show which features come back."
          : common[1] > rows.length / 3
            ? `#${common[0]} is among the strongest at ${common[1]} of them: what is strong on so many tokens says little about any one of them.`
            : "None is among the strongest at more than a third of them: each is choosy on this text.")
      );
    },
    provenance: (value) => provenance(session, value.extracted, value.extracted.values),
    code: (values) => ({ javascript: snippets.topJs(values), python: snippets.topPy(values) }),
  };
}

/** @param {LabStep} step @returns {Definition} */
export function mostActive(step) {
  const { session } = step;
  const panels = [0, 1].map(() => ({ feature: /** @type {number | undefined} */ (undefined), title: h("h4", {}), printed: printedBox(), words: h("p", { class: "fact" }), button: h("button", { type: "button", class: "quiet-button" }) }));
  const table = make(DataTable),
    figure = make(LabFigure);
  /** @type {Strongest | null} */ let shown = null;

  /** @returns {import("../../ui/data-table.js").Table} */
  const placesTable = () => ({
    caption: "Activation by place in the text",
    columns: [
      { key: "feature", label: "feature" },
      { key: "place", label: "position" },
      { key: "bosMean", label: "mean, BOS", kind: "number" },
      { key: "bosMax", label: "largest, BOS", kind: "number" },
      { key: "mean", label: "mean, no BOS", kind: "number" },
      { key: "max", label: "largest, no BOS", kind: "number" },
    ],
    rows: (shown?.profiles ?? []).flatMap(({ feature, withBos, withoutBos }) =>
      /** @type {const} */ ([
        ["first", "0"],
        ["second", "1"],
        ["later", "2 and on"],
      ]).map(([key, place]) => ({ feature: `#${feature}`, place, bosMean: withBos[key].mean, bosMax: withBos[key].max, mean: withoutBos[key].mean, max: withoutBos[key].max })),
    ),
  });

  const mark = () => {
    for (const { button } of panels) button.setAttribute("aria-pressed", String(session.feature !== null && button.dataset.row === String(session.feature)));
  };
  session.addEventListener("feature", mark);
  for (const { button } of panels) button.addEventListener("click", () => session.selectFeature(Number(button.dataset.row)));

  return {
    uses: [STEPS["load-sae"], STEPS.features],
    promise: "Run finds the largest activation, with position 0 and without, and tries the feature on other texts.",
    body: [
      h("div", { class: "side-by-side pair" }, panels.map(({ title, printed, words, button }) => h("div", {}, title, printed.element, words, h("p", {}, button)))),
      figure,
    ],
    fields: () => [
      {
        name: "next",
        label: "Go on with",
        kind: "choice",
        value: "judged",
        options: [
          { value: "judged", label: "what the figures recommend" },
          { value: "notebook", label: "the notebook's" },
          { value: "rest", label: "the one after position 0" },
        ],
      },
    ],
    conventions: ["skipPosition0"],

    async run({ lab, model, signal, progress, values, use }) {
      const { sae } = /** @type {Loaded} */ (use(STEPS["load-sae"]));
      /** @type {Features} */ const extracted = use(STEPS.features);
      const { all, withoutPosition0: rest } = mostActiveBoth(extracted);
      const features = [...new Set([all, rest].flatMap((found) => (found ? [found.feature] : [])))];
      /** @type {Profile[]} */ const profiles = [];
      for (const feature of features) {
        const part = profiles.length;
        const told = (/** @type {number} */ done, /** @type {number} */ total, /** @type {string} */ unit) => progress(part * total + done, features.length * total, unit);
        profiles.push(await positionProfile({ lab, model, signal, progress: told }, sae, { feature, hook: extracted.hook, center: extracted.values.view === "tl" }));
      }
      const placed = profiles.some(({ feature, kind }) => feature === all?.feature && (kind === "position" || kind === "bos"));
      const wanted = values.next === "notebook" ? all : values.next === "rest" || values.skipPosition0 || placed ? rest : all;
      const next = (wanted ?? all)?.feature ?? null;
      session.selectFeature(next);
      return { value: { extracted, all, rest, profiles, next } };
    },

    render(/** @type {Strongest} */ value) {
      shown = value;
      const { extracted, all, rest, profiles } = value;
      const tokens = written(session, extracted);
      const both = /** @type {[string, MostActive | null][]} */ ([
        ["All positions, as in the notebook", all],
        ["Without position 0", rest],
      ]);
      (conventionsOf(session).values.skipPosition0 ? both.toReversed() : both).forEach(([title, found], i) => {
        const { title: heading, printed, words, button } = panels[i];
        heading.textContent = title;
        printed.show(
          found
            ? [`Most active feature: #${found.feature}`, `  Activation: ${found.activation.toFixed(2)}`, `  Token: '${visible(tokens[found.position])}' (position ${found.position})`]
            : ["No feature is active."],
        );
        const profile = profiles.find(({ feature }) => feature === found?.feature);
        words.textContent = i === 1 && found?.feature === panels[0].feature ? "The same feature: it does not owe its place to position 0." : profile ? concludeProfile(profile) : "";
        panels[i].feature = found?.feature;
        button.hidden = !found || (i === 1 && found.feature === panels[0].feature);
        button.dataset.row = String(found?.feature);
        button.textContent = `Go on with #${found?.feature}`;
      });
      mark();
      table.show(placesTable());
      figure.show({ name: "activation-by-place", caption: `Does its place in the text explain it? ${profiles[0]?.texts ?? 0} other texts, with BOS and without`, body: [table], table: placesTable });
    },

    conclusion(/** @type {Strongest} */ { all, rest, profiles, next }) {
      if (!all) return "No feature is active on this text: was the autoencoder made for this model and place?";
      const kind = profiles.find(({ feature }) => feature === all.feature)?.kind;
      const gone = ` The steps below go on with #${next}.`;
      if (kind === "position" || kind === "bos") {
        const factor = rest ? all.activation / rest.activation : null;
        return `The notebook's winner, #${all.feature}, is a feature of ${kind === "bos" ? "the BOS token" : "position 0"}${factor ? `, ${rough(factor)} times as strong as anything after it` : ""}. It has this strength on every text, whatever the text says.${gone}`;
      }
      if (kind === "start") return `The winner, #${all.feature}, answers to the beginning of some texts: it stands at position ${all.position}, and would win on many texts that begin so, whatever follows. A feature chosen in step ${STEPS["top-features"]} may be more telling.${gone}`;
      return all.position === 0
        ? `The winner stands at position 0, but other places activate it too.${gone}`
        : `The winner stands at position ${all.position}, not at position 0, so both ways of asking give the same answer.${gone}`;
    },
    provenance: (value) => provenance(session, value.extracted, value.extracted.values),
    code: () => ({ javascript: snippets.strongestJs(), python: snippets.strongestPy() }),
  };
}
