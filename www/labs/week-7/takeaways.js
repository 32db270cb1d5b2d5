// @ts-check
// What the notebook states at its end, each beside what this run found of it: `<takeaways-list>`.

import { fill, h } from "../../ui/dom.js";
import { count, number, percent } from "../../ui/format.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** `found` says what the results come to, null as long as they are missing. @typedef {{says: string, needs: (keyof typeof STEPS)[], found(value: (name: keyof typeof STEPS) => any): string}} Takeaway */

/** @type {readonly Takeaway[]} */
const TAKEAWAYS = Object.freeze([
  {
    says: "Features can share dimensions, and that is why single dimensions mean many things.",
    needs: ["toy", "toy-seeds"],
    found(value) {
      const [notebook, paper] = value("toy").runs;
      const stored = [...paper.instance.norms].filter((/** @type {number} */ n) => n > 0.5).length;
      const { rows } = value("toy-seeds");
      const holds = rows.filter((/** @type {any} */ row) => row.notebook.three > row.notebook.one).length;
      return `The paper's model stores ${stored} features in ${paper.instance.weights.W_dec.shape[1]} dimensions at ${percent(paper.instance.finalLoss / paper.instance.pcaLoss)} of the PCA bound. The notebook's own model does not show it: with ${number(notebook.instance.finalLoss)} it stands at ${percent(notebook.instance.finalLoss / notebook.instance.pcaLoss)} of the bound of a linear map. That three features at once cost more than one held in ${holds} of ${rows.length} runs of it.`;
    },
  },
  {
    says: "An autoencoder finds features without labels.",
    needs: ["toy-sae", "curves"],
    found(value) {
      const { marks, nFeatures } = value("toy-sae");
      const best = marks.slice(1).reduce((/** @type {any} */ a, /** @type {any} */ b) => (b.score > a.score ? b : a));
      const { final, training } = value("curves");
      return `In the toy world it found ${best.found} of ${nFeatures} true features, given enough sparsity. On the sentences of Part 2 ${percent(final.share)} of its ${count(training.dSae)} features are active on a row${final.share > 0.1 ? ": too many for each to mean one thing" : ""}.`;
    },
  },
  {
    says: "That a feature is there does not say that the model uses it.",
    needs: ["monosemanticity", "steering"],
    found(value) {
      const { made } = value("steering");
      const mono = value("monosemanticity");
      const silent = made.activations.every((/** @type {number} */ x) => x <= 0);
      return `Feature ${mono.feature} is above ${mono.threshold} on ${mono.count} of ${mono.rows} rows. ${
        silent
          ? `On the prompt, feature ${made.feature} is silent, so multiplying it did nothing.`
          : `Feature ${made.feature} multiplied by ${made.alpha} moves the next token's probabilities by ${number(made.withError.kl)} nats (KL); the autoencoder's error alone by ${number(made.reconstructionOnly.kl)}.`
      }`;
    },
  },
  {
    says: "Comparing features with other directions shows what they are made of.",
    needs: ["decompose"],
    found(value) {
      const { reads, dSae } = value("decompose");
      const told = reads.map((/** @type {any} */ { title, made }, /** @type {number} */ i) => `${i ? "the" : "The"} ${["random vector", "difference of means", "probe"][i] ?? title} is read as ${made.active} of ${count(dSae)} features, and its nearest decoder row has a cosine of ${made.cosines[0].cosine.toFixed(2)}`);
      return `${told.join("; ")}.`;
    },
  },
  {
    says: "More features trade completeness against ease of reading.",
    needs: ["capacity", "splitting"],
    found(value) {
      const { results } = value("capacity");
      const { pairs } = value("splitting");
      const [first, last] = [results[0], results.at(-1)];
      return `From ${count(first.capacity)} to ${count(last.capacity)} features the error goes from ${number(first.recon)} to ${number(last.recon)}, the active ones from ${number(first.l0)} to ${number(last.l0)}. The decoder rows of the largest have a mean best cosine of ${pairs.at(-1).mean.toFixed(2)} with those of the next smaller, against ${pairs.at(-1).chance.toFixed(2)} where nothing was trained.`;
    },
  },
]);

export class TakeawaysList extends HTMLElement {
  #list = h("ol", { class: "takeaways" });
  #shown = "";

  /** @param {Session} session */
  start(session) {
    this.append(this.#list);
    for (const type of ["results", "session"]) session.addEventListener(type, () => this.#show(session));
    this.#show(session);
  }

  /** @param {Session} session */
  #show(session) {
    const items = TAKEAWAYS.map(({ says, needs, found }) => {
      const missing = needs.filter((name) => !session.results.get(STEPS[name]));
      const text = missing.length ? null : found((name) => session.results.get(STEPS[name])?.value);
      return h(
        "li",
        {},
        h("strong", {}, says),
        " ",
        text ?? h("span", { class: "hint" }, "This run: not yet. It takes ", missing.flatMap((name, i) => [i ? " and " : "", h("a", { href: `#${name}` }, `step ${STEPS[name]}`)]), "."),
      );
    });
    const key = items.map((item) => item.textContent).join("\n");
    if (key === this.#shown) return; // no link under the pointer or the focus is replaced for nothing
    this.#shown = key;
    fill(this.#list, items);
  }
}
customElements.define("takeaways-list", TakeawaysList);
