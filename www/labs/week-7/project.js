// @ts-check
// Cell 20: the seven stages of a project, where this page does each of them, and what this visit has done.

import { STAGES } from "../../ui/catalogue-data.js";
import { h } from "../../ui/dom.js";
import { counted, exact, number, percent, visible } from "../../ui/format.js";
import { compareSnippets } from "./snippets-compare.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** `told`: what the notebook names besides; `done`: what this visit has of it. @typedef {{told: string, where: [name: keyof typeof STEPS, label: string][], done(value: (name: keyof typeof STEPS) => any): string | null}} Here */

/** By the ids of the stages. @type {Readonly<Record<string, Here>>} */
const HERE = Object.freeze({
  train: {
    told: "Train your own on the layers that matter for your concept, or take published ones.",
    where: [["train", "training"]],
    done: (value) => {
      const trained = value("train");
      return trained && `one of ${trained.dSae} features, on ${counted(trained.rows, "row")}`;
    },
  },
  extract: {
    told: "Put your own sentences in place of the ten.",
    where: [
      ["load", "the texts"],
      ["top-features", "frequent features"],
    ],
    done: (value) => {
      const found = value("top-features");
      return found && `the ${found.all.length} most frequent, by no concept yet`;
    },
  },
  interpret: {
    told: "Let a language model describe the strongest examples; 10 to 20 features are enough.",
    where: [
      ["examples", "examples"],
      ["interpretation", "the prompt"],
    ],
    done: (value) => {
      const guess = value("interpretation");
      return guess && `feature ${guess.feature}, by rules`;
    },
  },
  validate: {
    told: "Coherent, reliable, causal; steering as in week 2.",
    where: [
      ["monosemanticity", "one concept or many"],
      ["steering", "steering"],
    ],
    done: (value) => {
      const steered = value("steering");
      return steered && `feature ${steered.made.feature} multiplied by ${exact(steered.made.alpha)}`;
    },
  },
  compare: {
    told: "Steering vectors (week 2), parts of circuits (week 5), probe directions (week 6).",
    where: [["decompose", "vectors and a probe"]],
    done: (value) => {
      const compared = value("decompose");
      return compared && `a difference of means and a probe, of ${counted(compared.pairs, "pair")}`;
    },
  },
  completeness: {
    told: "Which sides of the concept does no feature cover, and how many does it take?",
    where: [
      ["capacity", "sizes"],
      ["splitting", "correspondence"],
    ],
    done: (value) => {
      const matched = value("splitting");
      return matched && `${counted(matched.pairs.length, "pair")} of sizes compared`;
    },
  },
  document: { told: "In the catalogue below: interpretations, tests, comparison.", where: [], done: () => null },
});

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function projectStep(step) {
  const list = h("ol", { class: "project-stages" });
  const value = (/** @type {keyof typeof STEPS} */ name) => step.session.results.get(STEPS[name])?.value;

  return {
    uses: [],
    promise: "Run lists the seven stages and what of each has been done on this page.",
    body: [list],
    fields: () => [],
    run: async () => ({ value: { done: STAGES.map(({ id }) => HERE[id]?.done(value) ?? null) } }),

    render({ done }) {
      list.replaceChildren(
        ...STAGES.map(({ id, title, asks }, i) => {
          const { told, where } = HERE[id];
          const links = where.flatMap(([name, label], k) => [k ? ", " : "", h("a", { href: `#${name}` }, label)]);
          return h(
            "li",
            {},
            h("strong", {}, `${title}.`),
            ` ${asks} ${told}`,
            h("span", { class: "hint" }, where.length ? ["On this page: ", ...links, done[i] ? `. So far: ${done[i]}.` : ". Not done yet."] : ""),
          );
        }),
      );
    },

    conclusion: ({ done }) =>
      `Of the first six stages ${done.filter(Boolean).length} have been tried here, on the example. A project goes through each with texts and a concept of its own; leave the most time for validation.`,
    provenance: () => step.session.modelName,
    code: () => compareSnippets.project(),
  };
}

/** What the catalogue takes over of the chosen feature. @param {Session} session @returns {{sae: string, hook: string, evidence: string}} */
export function chosenFeature(session) {
  const value = (/** @type {keyof typeof STEPS} */ name) => session.results.get(STEPS[name])?.value;
  const { feature } = session;
  const trained = value("train");
  const found = value("examples");
  const mono = value("monosemanticity");
  const steered = value("steering")?.made;
  const evidence = [
    found?.feature === feature && found.sorted.length
      ? `Active on ${found.active} of ${found.rows} rows; strongest: ${found.sorted.map((/** @type {any} */ e) => `“${visible(e.token)}” ${number(e.activation)} (position ${e.position})`).join(", ")}.`
      : "",
    mono?.feature === feature ? `Above ${mono.threshold} on ${mono.count} rows, ${mono.distinctTokens} different tokens, ${percent(mono.count ? mono.atPosition0 / mono.count : 0)} at position 0.` : "",
    steered?.feature === feature ? `Multiplied by ${exact(steered.alpha)} on “${steered.text}”: KL ${number(steered.withError.kl)} nats with the error kept.` : "",
  ];
  return {
    sae: trained ? `untied, ${trained.dSae} features, c ${exact(trained.l1)}, ${trained.epochs} epochs on ${counted(trained.rows, "row")}, seed ${trained.seed}, ${session.modelName}` : "",
    hook: trained ? (session.conventions?.hook(trained.hook, session.config.nLayers) ?? trained.hook) : "",
    evidence: evidence.filter(Boolean).join(" "),
  };
}
