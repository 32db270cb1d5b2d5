// @ts-check
// One exercise for each of the Parts 3 to 6. What is right is computed from the results of the visitor's own runs.

import { count, exact, number, percent, visible } from "../../ui/format.js";
import { randomDirection } from "../../ui/random-direction.js";
import { multiplyFeature } from "../work/multiply-feature.js";
import { chanceCosine } from "./decompose.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../ui/exercise.js").Exercise} Exercise */
/** @typedef {import("../../ui/exercise.js").Verdict} Verdict */

const RARE = Object.freeze({ active: 0.1, explained: 0.8, rows: 3, most: 0.1 });

/** @param {string} message @returns {Verdict} */
const unknown = (message) => ({ right: null, message });
/** @param {string} message @returns {Verdict} */
const wrong = (message) => ({ right: false, message });
/** @param {string} message @returns {Verdict} */
const right = (message) => ({ right: true, message });

/** @param {Session} session @param {keyof typeof STEPS} name @param {Record<string, any>} values */
const put = (session, name, values) => session.steps.get(STEPS[name])?.settings.take(values);

/** Part 3: a sparse code, and a feature that is neither a constant nor a place. @param {Session} session @returns {Exercise} */
export const rareFeature = (session) => ({
  fields: () => [{ name: "feature", label: "Feature", kind: "integer", value: 0, min: 0, hint: "its number in the autoencoder trained last" }],
  async check({ feature }, signal) {
    const trained = session.usable(STEPS.train)?.value;
    const data = session.usable(STEPS.activations)?.value;
    const { lab } = session;
    if (!lab || !trained || !data) return unknown(`There is no autoencoder yet: run step ${STEPS.train}.`);
    const quality = await lab.analysis.quality(trained.sae, data.acts, { signal });
    const ev = quality.evPerDimension ?? 0;
    const figures = `With c = ${exact(trained.l1)} ${percent(quality.fracActive)} of the features are active on a row, and ${percent(Math.max(0, ev))} of the variance is explained.`;
    if (quality.fracActive > RARE.active) return wrong(`${figures} That is not sparse: raise c in step ${STEPS.sae} by a factor of ten and train again.`);
    if (ev < RARE.explained) return wrong(`${figures} The code is sparse, but says too little about the vectors: c is too large, or the training too short.`);
    if (feature >= trained.dSae) return wrong(`${figures} So far right; now name a feature from 0 to ${trained.dSae - 1}.`);
    const { active, rows, examples } = await lab.analysis.examples(trained.sae, data.acts, { feature, k: data.acts.stats.rows, context: 0, signal });
    if (active < RARE.rows) return wrong(`${figures} Feature ${feature} is active on ${active} of ${rows} rows: too few to see what it stands for.`);
    if (active > RARE.most * rows) return wrong(`${figures} Feature ${feature} is active on ${active} of ${rows} rows, ${percent(active / rows)}: ${active > rows / 2 ? "nearly a constant" : "more than the task allows"}. Look further down in the table, with more features listed.`);
    const first = examples.filter(({ position }) => position === 0).length;
    if (first > active / 2) return wrong(`${figures} ${first} of the ${active} rows of feature ${feature} stand at position 0: it answers to a place, not to a text.`);
    const tokens = [...new Set(examples.map(({ token }) => token))].slice(0, 4).map((token) => `“${visible(token)}”`);
    return right(`${figures} Feature ${feature} is active on ${active} of ${rows} rows, ${first ? `${first} of them at position 0` : "none at position 0"}, among them ${tokens.join(", ")}. Whether these share a meaning is the question of Part 4.`);
  },
  solve: () => put(session, "sae", { l1: 3 }),
});

/** Part 4: a change that the next token shows. @param {Session} session @returns {Exercise} */
export const causalFeature = (session) => ({
  fields: () => [
    { name: "feature", label: "Feature", kind: "integer", value: 0, min: 0 },
    { name: "alpha", label: "Factor α", kind: "number", value: 1, min: -100, max: 100 },
  ],
  async check({ feature, alpha }, signal) {
    const trained = session.usable(STEPS.train)?.value;
    const data = session.usable(STEPS.activations)?.value;
    const { lab, model } = session;
    if (!lab || !model || !trained || !data) return unknown(`There is no autoencoder yet: run step ${STEPS.train}.`);
    if (feature >= trained.dSae) return wrong(`The autoencoder has features 0 to ${trained.dSae - 1}.`);
    const text = session.steps.get(STEPS.steering)?.settings.values().text ?? "";
    const { prependBos, center, index } = data;
    const made = await multiplyFeature({ lab, model, signal }, trained.sae, { feature, text, layer: index, alpha, prependBos, center });
    if (made.activations.every((x) => x <= 0)) return wrong(`Feature ${feature} is silent on this prompt, and ${exact(alpha)} times nothing is nothing. Step ${STEPS.steering} lists features that are active on the last token.`);
    const [before] = made.baseline;
    const [after] = made.withError.steered;
    const told = `“${visible(before.token)}” had ${percent(before.prob)}; now “${visible(after.token)}” leads with ${percent(after.prob)} (KL ${number(made.withError.kl)} nats).`;
    if (before.id === after.id) return wrong(`${told} The likeliest token is the same: take a feature that is stronger on the last token, or a larger factor. Negative ones count too.`);
    const { top } = await model.run(text, { prependBos, center, topK: 1, edits: [{ hook: made.hook, add: randomDirection(trained.sae.config.dIn, made.added, 1) }], signal });
    const other = top?.[0];
    const control = !other ? "" : other.id === before.id ? "A random direction of the same length leaves the likeliest token as it was: the feature does more than push." : `A random direction of the same length changes it too, to “${visible(other.token)}”: so large a push breaks the prediction whatever its direction. Try a smaller factor.`;
    return right(`${told} ${control}`);
  },
  solve() {
    const last = session.results.get(STEPS.steering)?.value.atLast?.[0];
    if (last) session.selectFeature(last.feature);
    put(session, "steering", { alpha: 20 });
  },
});

/** Part 5: what chance reaches. @param {Session} session @returns {Exercise} */
export const aboveChance = (session) => ({
  fields: () => [
    { name: "chance", label: "Largest cosine by chance", kind: "number", value: 0, min: 0, max: 1, hint: "about, among as many random rows" },
    {
      name: "above",
      label: "Does a feature beat that?",
      hint: "the decoder row nearest to the difference of means",
      kind: "choice",
      value: "",
      options: [
        { value: "", label: "choose" },
        { value: "yes", label: "yes, clearly" },
        { value: "no", label: "no, about as near" },
      ],
    },
  ],
  check({ chance, above }) {
    const value = session.results.get(STEPS.decompose)?.value;
    if (!value) return unknown(`Run step ${STEPS.decompose} first.`);
    const { dSae, dIn, reads } = value;
    const expected = chanceCosine(dSae, dIn);
    const best = reads[1].made.cosines[0].cosine;
    if (Math.abs(chance - expected) > 0.06)
      return wrong(
        `${exact(chance)} is too ${chance > expected ? "high" : "low"}. One random cosine in ${dIn} dimensions is about ± ${number(1 / Math.sqrt(dIn))}; the largest of ${count(dSae)} is about ${number(expected * Math.sqrt(dIn))} times that.`,
      );
    const truth = best > expected + 0.1 ? "yes" : "no";
    if (!above) return wrong("The estimate is good. Now the second question.");
    return above === truth
      ? right(`Chance reaches about ${number(expected)}, the difference of means ${number(best)}: ${truth === "yes" ? "some feature points its way." : "this autoencoder has no feature for it, whatever the table lists."}`)
      : wrong(`Chance reaches about ${number(expected)}, and the best decoder row has ${number(best)} with the difference of means: ${truth === "yes" ? "that is clearly more" : "that is no more"}.`);
  },
});

/** Part 6: which size is best where it has not learnt. @param {Session} session @returns {Exercise} */
export const heldOutSize = (session) => ({
  fields: () => [{ name: "capacity", label: "Size", kind: "integer", value: 0, min: 0, unit: "features", hint: "of the one that explains most of the texts held out" }],
  check({ capacity }) {
    /** @type {import("../work/capacity.js").Capacity[] | undefined} */ const results = session.results.get(STEPS.capacity)?.value.results;
    if (!results) return unknown(`Run step ${STEPS.capacity} first.`);
    const held = results.map((r) => ({ capacity: r.capacity, ev: r.heldOut?.explainedVariance ?? null, recon: r.recon }));
    if (held.some(({ ev }) => ev === null)) return wrong(`In step ${STEPS.capacity} nothing is held out: all rows are learnt from. Under “More settings” hold out 0.3 of the texts, and run it again.`);
    const known = held.map((r) => ({ ...r, ev: /** @type {number} */ (r.ev) }));
    const best = Math.max(...known.map(({ ev }) => ev));
    const told = known.map((r) => `${count(r.capacity)}: ${percentOf(r.ev)}`).join(", ");
    const chosen = known.find((r) => r.capacity === capacity);
    if (!chosen) return wrong(`Choose among ${known.map((r) => count(r.capacity)).join(", ")}.`);
    if (chosen.ev < best - 0.005) return wrong(`On the texts held out the sizes explain ${told}: not that one.`);
    const smallest = known.reduce((a, b) => (b.recon < a.recon ? b : a));
    return right(`On the texts held out the sizes explain ${told}. ${smallest.capacity === chosen.capacity ? "It is the best on the learnt rows too, but see how far the two figures are apart." : `On all rows, most of them learnt, ${count(smallest.capacity)} features are best: that is memory, not insight.`}`);
  },
  solve: () => put(session, "capacity", { heldOut: 0.3 }),
});

/** @param {number} ev */
const percentOf = (ev) => (ev < 0 ? `less than nothing (${Math.round(100 * ev)} %)`.replace("-", "−") : percent(ev));
