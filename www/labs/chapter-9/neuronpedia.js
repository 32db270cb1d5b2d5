// @ts-check
// Cell 15: the feature's page on Neuronpedia where there is one, and a card of the lab's own in any case.

import "../../ui/bar-plot.js";
import "../../ui/feature-card.js";
import "../../ui/figure.js";
import { BarPlot } from "../../ui/bar-plot.js";
import { fill, h, make } from "../../ui/dom.js";
import { FeatureCard } from "../../ui/feature-card.js";
import { LabFigure } from "../../ui/figure.js";
import { count, counted, decimals, number, percent, visible } from "../../ui/format.js";
import { alike, following } from "../../ui/steps/examples.js";
import { tokenNodes } from "../../ui/token-text.js";
import { concludeFacts, featureFacts } from "../work/feature-card.js";
import { featurePage, neuronpediaUrl } from "../work/neuronpedia.js";
import { printedBox } from "../shared/printed.js";
import * as snippets from "./snippets-steering.js";
import { conventionsOf, featureField, followFeature, piece, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("../work/feature-card.js").FeatureFacts} FeatureFacts */
/** @typedef {{hook: string, name: string, feature: number, page: {url: string | null, why: string}, facts: FeatureFacts}} Value */

/** @param {LabStep} step @returns {Definition} */
export function neuronpedia(step) {
  const { session } = step;
  const printed = printedBox(),
    link = h("p", { class: "fact", "data-part": "neuronpedia" });
  const card = make(FeatureCard),
    logits = h("div", { class: "side-by-side pair" }),
    plot = make(BarPlot),
    list = h("ol", { class: "examples" }),
    sampled = h("ol", { class: "examples" }),
    sampledTitle = h("h4", {}, "Places drawn at random from all where it is active"),
    figure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  followFeature(step);
  const shownToken = (/** @type {string} */ token) => piece(session, token);

  /** @returns {import("../../ui/data-table.js").Table} */
  const table = () => ({
    caption: "Where it is strongest",
    columns: [
      { key: "activation", label: "activation", kind: "number" },
      { key: "before", label: "before", kind: "token" },
      { key: "token", label: "token", kind: "token" },
      { key: "after", label: "after", kind: "token" },
      { key: "position", label: "position", kind: "number", format: String },
    ],
    rows: (shown?.facts.examples ?? []).map(({ activation, before, token, after, position }) => ({ activation, before: before.map(shownToken).join(""), token: shownToken(token), after: after.map(shownToken).join(""), position })),
  });

  return {
    uses: [STEPS["load-sae"]],
    needs: () => (step.settings.values().feature === null ? [STEPS["load-sae"], STEPS["most-active"]] : [STEPS["load-sae"]]),
    conventions: [...READING, "skipPosition0"],
    promise: "Run looks for the feature's page and makes a card of it here.",
    body: [printed.element, link, card, plot, logits, figure, sampledTitle, sampled],
    fields: () => [featureField(session)],

    async run({ lab, model, signal, progress, values, use }) {
      /** @type {Loaded} */ const { sae, listed, hook, name } = use(STEPS["load-sae"]);
      const { feature, skipPosition0 } = values;
      session.selectFeature(feature);
      const facts = await featureFacts({ lab, model, signal, progress }, sae, { ...site(values, use(STEPS["load-sae"])), feature, skipPosition0 });
      return { value: { hook, name, feature, page: featurePage(sae, feature, { listed }), facts } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      const { feature, page, facts } = value;
      printed.show([`Explore feature #${feature} on Neuronpedia:`, page.url ?? `no page. The notebook would print ${neuronpediaUrl(feature)}, which is a feature of another autoencoder.`]);
      fill(link, page.url ? [h("a", { href: page.url, target: "_blank", rel: "noopener noreferrer" }, `Feature ${feature} on Neuronpedia`), " opens a page of another site."] : `There is no page: this autoencoder is not among the published ones. Under the same number, #${feature}, each autoencoder has another feature.`);
      card.show(feature, [
        ["active on", `${count(facts.active)} of ${counted(facts.rows, "token")} (${percent(facts.active / facts.rows)})`],
        ["largest", number(facts.max)],
        ["mean when active", number(facts.mean)],
        ["texts", `${facts.texts.length}, position 0 ${conventionsOf(session).values.skipPosition0 ? "left out" : "counted"}`],
      ]);
      plot.hidden = facts.active === 0;
      if (facts.active) plot.show({ name: `feature-${feature}-histogram`, caption: "How strong it is where it is active", xLabel: "activation", yLabel: "tokens", edges: facts.edges, values: facts.counts });
      fill(logits, effects("Tokens that its direction makes likelier", facts.raises, shownToken), effects("… and less likely", facts.lowers, shownToken));
      fill(list, alike(facts.examples).slice(0, 10).map((group) => placeOf(group, shownToken)));
      fill(sampled, alike(facts.sampled).map((group) => placeOf(group, shownToken)));
      sampledTitle.hidden = sampled.hidden = facts.sampled.length === 0;
      figure.show({ name: `feature-${feature}-card`, caption: "Where it is strongest", body: [list], table });
    },

    conclusion: (/** @type {Value} */ { facts }) => concludeFacts(facts),
    provenance: (value, values) => provenance(session, value, values),
    code: (values) => ({ javascript: snippets.cardJs(values, session.feature), python: snippets.cardPy(values, session.feature) }),
  };
}

/** Places with one beginning, which the model cannot tell apart, as one line. @param {import("../../ui/types.js").Example[]} group @param {(token: string) => string} shown */
const placeOf = (group, shown) => {
  const [example] = group;
  return h(
    "li",
    {},
    h("span", { class: "example-value" }, decimals(3)(example.activation)),
    h(
      "span",
      { class: "example-text" },
      example.before.map((token) => h("span", { class: "piece" }, tokenNodes(shown(token)))),
      h("mark", {}, tokenNodes(shown(example.token))),
      following(group).map((token) => h("span", { class: "piece" }, tokenNodes(shown(token)))),
      group.length > 1 ? h("span", { class: "example-times" }, ` × ${count(group.length)}`) : null,
      h("span", { class: "hint" }, `position ${example.position}`),
    ),
  );
};

/** @param {string} title @param {{token: string, logit: number}[]} tokens @param {(token: string) => string} shown */
const effects = (title, tokens, shown) =>
  h(
    "div",
    {},
    h("h4", {}, title),
    h("p", { class: "logits" }, tokens.length ? tokens.map(({ token, logit }) => h("span", { class: "logit" }, h("span", { class: "token" }, visible(shown(token))), ` ${logit >= 0 ? "+" : "−"}${Math.abs(logit).toFixed(2)}`)) : "not for vectors of this width"),
  );
