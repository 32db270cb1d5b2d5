// @ts-check
// Cell 20: the seven stages of a project, with what this visit has done of each.

import { h } from "../../ui/dom.js";
import { counted } from "../../ui/format.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {{title: string, tasks: string[], where: {name: keyof typeof STEPS, label: string}[], done(session: Session): string | null}} Stage */

/** @param {Session} session @param {keyof typeof STEPS} name */
const valueOf = (session, name) => session.results.get(STEPS[name])?.value ?? null;

/** @type {readonly Stage[]} */
export const STAGES = Object.freeze([
  {
    title: "Train or load autoencoders",
    tasks: ["Train your own on the layers that matter for your concept", "or take published ones, as those on Neuronpedia"],
    where: [{ name: "train", label: "training" }],
    done: (session) => {
      const value = valueOf(session, "train");
      return value ? `one of ${value.dSae} features, on ${counted(value.rows, "row")}` : null;
    },
  },
  {
    title: "Extract features on your data",
    tasks: ["Run texts with your concept, and as many without it, through the autoencoder", "Note which features are active on the one kind and not on the other"],
    where: [
      { name: "load", label: "your texts" },
      { name: "top-features", label: "frequent features" },
    ],
    done: (session) => {
      const value = valueOf(session, "top-features");
      return value ? `the ${value.all.length} most frequent, none yet by concept` : null;
    },
  },
  {
    title: "Interpret them",
    tasks: ["Collect the strongest examples and let a language model describe them", "Choose the 10 to 20 features nearest to your concept"],
    where: [
      { name: "examples", label: "examples" },
      { name: "interpretation", label: "prompt" },
    ],
    done: (session) => {
      const value = valueOf(session, "interpretation");
      return value ? `feature ${value.feature}, by rules` : null;
    },
  },
  {
    title: "Validate them",
    tasks: ["One concept behind all activations, weak ones too?", "Reliable: active whenever the concept is there?", "Causal: does steering change what the model says?"],
    where: [
      { name: "monosemanticity", label: "one concept" },
      { name: "steering", label: "steering" },
    ],
    done: (session) => {
      const value = valueOf(session, "steering");
      return value ? `feature ${value.made.feature}, multiplied by ${value.made.alpha}` : null;
    },
  },
  {
    title: "Compare with other methods",
    tasks: ["Steering vectors (week 2)", "Probe directions (week 6)", "Parts of circuits (week 5)"],
    where: [{ name: "decompose", label: "vectors and a probe" }],
    done: (session) => {
      const value = valueOf(session, "decompose");
      return value ? `a difference of means and a probe of ${counted(value.pairs, "pair")}` : null;
    },
  },
  {
    title: "Ask what is missing",
    tasks: ["Do the features cover all sides of the concept?", "Which cases does none of them answer to?", "Does it take several together?"],
    where: [
      { name: "capacity", label: "sizes" },
      { name: "splitting", label: "correspondence" },
    ],
    done: (session) => {
      const value = valueOf(session, "splitting");
      return value ? `${counted(value.pairs.length, "pair")} of sizes compared` : null;
    },
  },
  {
    title: "Document what you found",
    tasks: ["A catalogue of features with their interpretations", "The tests and their outcomes, failures included", "The comparison with other methods"],
    where: [],
    done: () => null,
  },
]);

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function projectStep(step) {
  const list = h("ol", { class: "stages" });

  return {
    uses: [],
    promise: "Run lists the seven stages and what of each has been done on this page.",
    body: [list],
    fields: () => [],
    run: async () => ({ value: { done: STAGES.map((stage) => stage.done(step.session)) } }),

    render({ done }) {
      list.replaceChildren(
        ...STAGES.map(({ title, tasks, where }, i) =>
          h(
            "li",
            {},
            h("strong", {}, title),
            h("ul", {}, tasks.map((task) => h("li", {}, task))),
            h(
              "p",
              { class: "hint" },
              where.length ? ["On this page: ", ...where.flatMap(({ name, label }, k) => [k ? ", " : "", h("a", { href: `#${name}` }, label)]), ". "] : "On this page: the catalogue below. ",
              done[i] ? `Done so far: ${done[i]}.` : where.length ? "Not done yet." : "",
            ),
          ),
        ),
      );
    },

    conclusion({ done }) {
      const n = done.filter(Boolean).length;
      return `Tools of ${n} of the first six stages have been used, on the example. A project does each of them with texts and a concept of its own; leave the most time for validation.`;
    },
    provenance: () => step.session.model?.name ?? "tiny",
    code: () => ({
      javascript: `// A project is the steps above, with your own texts:
const yes = await model.collect(textsWithConcept, { hook, prependBos: false, center: false });
const no = await model.collect(textsWithout, { hook, prependBos: false, center: false });
const { features } = await lab.analysis.concepts(sae, yes, no, { k: 20, per: "text" });
console.table(features);   // ranked by how well each tells the two kinds apart
`,
      python: `# A project is the steps above, with your own texts:
from sklearn.metrics import roc_auc_score

yes, no = collect(texts_with_concept), collect(texts_without)
f = torch.cat([sae(yes)[1], sae(no)[1]])
labels = [1] * len(yes) + [0] * len(no)
auroc = [roc_auc_score(labels, f[:, i].cpu()) for i in range(f.shape[1])]
print(sorted(range(len(auroc)), key=lambda i: -auroc[i])[:20])
`,
    }),
  };
}
