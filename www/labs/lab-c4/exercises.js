// @ts-check
// The exercises' questions, and how an answer is judged: always by the visitor's own run, never by a number written down beforehand.

import { PageError } from "../../ui/errors.js";
import { count, counted, decimals, exact, number, percent, rough } from "../../ui/format.js";
import { CONCEPTS } from "../texts/concepts.js";
import { heldOutAurocs, PASS } from "../work/c4-concept-check.js";
import { pairFigures } from "../work/c4-pairs.js";
import { sparsitySweep } from "../work/c4-sweep.js";
import { CLEAR, moreBound } from "../work/c4-token-bound.js";
import { autoencoderOptions } from "./autoencoder.js";
import { leavesOut } from "./said.js";
import { collectSolution } from "./solution-data.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../ui/exercise.js").Exercise} Exercise */
/** @typedef {import("../../ui/exercise.js").Verdict} Verdict */
/** @typedef {import("../../ui/fields.js").Field} Field */
/** @typedef {import("../work/c4-sweep.js").SweepRow} SweepRow */

const unanswered = { value: "", label: "choose" };

/** The result of a workplace, or what to do to have one. @param {Session} session @param {number} step */
function resultOf(session, step) {
  const result = session.usable(step);
  if (!result || session.steps.get(step)?.stale)
    throw new PageError("LAB-EMPTY-INPUT", result ? `The workplace, step ${step}, has other settings now than its result was made with.` : `The workplace, step ${step}, has no result yet.`, "Run it, then check again.");
  return result;
}

/** Several answers in one verdict: right only when all are; where some are, each says which it is. @param {Verdict[]} parts @returns {Verdict} */
function together(parts) {
  const mixed = parts.some(({ right }) => right === true) && parts.some(({ right }) => right === false);
  const message = parts.map(({ right, message }) => (mixed && right !== null ? `${right ? "Right" : "Not right"}: ${message}` : message)).join(" ");
  if (parts.some(({ right }) => right === false)) return { right: false, message };
  return { right: parts.every(({ right }) => right === true) ? true : null, message };
}

/** The engine and the model, or the reason why there are none. @param {Session} session */
function opened({ lab, model }) {
  if (!lab || !model) throw new PageError("LAB-ENGINE-STOPPED", "The engine is not running.", "Restart it from the header.");
  return { lab, model };
}

// ---- exercise 1

/** What is asked of a coefficient: at most so many features active, at least so much explained. */
const SPARSE = 0.1,
  EXPLAINED = 0.5;
const THE_THREE = [1e-2, 1e-3, 1e-4];

/** @param {Session} session @returns {Exercise} */
export function sparsityExercise(session) {
  const step = () => session.steps.get(STEPS.sweep);
  return {
    fields: () => [
      {
        name: "effect",
        label: "From 0.0001 to 0.01, the number of active features …",
        kind: "choice",
        wide: true,
        value: "",
        options: [unanswered, { value: "falls", label: "falls by more than a tenth" }, { value: "same", label: "stays the same within a tenth" }, { value: "rises", label: "rises by more than a tenth" }],
      },
      {
        name: "c",
        label: "A coefficient that makes it sparse",
        kind: "number",
        wide: true,
        emptyText: "",
        value: null,
        min: 0,
        max: 1e6,
        optional: true,
        rangeText: `at most ${percent(SPARSE)} of the features active, at least ${percent(EXPLAINED)} of the variance explained`,
      },
    ],
    async check({ effect, c }, signal) {
      const { value, values } = resultOf(session, STEPS.sweep);
      const rows = /** @type {SweepRow[]} */ (value.sweep.rows);
      return together([effectVerdict(effect, rows), await coefficientVerdict(session, c, { rows, values, dSae: value.sweep.dSae }, signal)]);
    },
    solve: () => step()?.settings.take({ coefficients: "0.0001, 0.001, 0.01, 1, 3, 7, 10, 20, 100" }),
  };
}

/** @param {string} answer @param {SweepRow[]} rows @returns {Verdict} */
function effectVerdict(answer, rows) {
  const [strong, middle, weak] = THE_THREE.map((c) => rows.find(({ coefficient }) => Math.abs(coefficient - c) < 1e-9));
  if (!weak || !middle || !strong) return { right: null, message: "For the first question the workplace must have 0.01, 0.001 and 0.0001 among its coefficients." };
  if (!answer) return { right: null, message: "The first question has no answer yet." };
  const ratio = strong.nActive / Math.max(weak.nActive, 1e-9);
  const truth = ratio < 0.9 ? "falls" : ratio > 1.1 ? "rises" : "same";
  const figures = `${number(weak.nActive)} features are active at 0.0001, ${number(middle.nActive)} at 0.001 and ${number(strong.nActive)} at 0.01`;
  if (answer === truth)
    return { right: true, message: `${figures}${truth === "same" ? ": a hundred times the price and no visible effect" : ""}.` };
  return { right: false, message: `${figures}: from the first to the last a factor of ${decimals(2)(ratio)}. Compare that with your answer.` };
}

/** @param {Session} session @param {number | null} c @param {{rows: SweepRow[], values: Record<string, any>, dSae: number}} run @param {AbortSignal} signal @returns {Promise<Verdict>} */
async function coefficientVerdict(session, c, { rows, values, dSae }, signal) {
  if (c === null) return { right: null, message: "The second question has no answer yet." };
  const known = rows.find(({ coefficient }) => Math.abs(coefficient - c) <= 1e-6 * c);
  const row = known ?? (await trained(session, c, values, signal));
  const out = leavesOut(session);
  const active = (out ? row.nActiveWithoutPosition0 : row.nActive) ?? row.nActive;
  const ev = (out ? row.evWithoutPosition0 : row.ev) ?? 0;
  const figures = `At ${exact(c)}, ${number(active)} of ${count(dSae)} features are active (${percent(active / dSae)}) and ${percent(Math.max(0, ev))} of the variance is explained${known ? "" : ", as training it just now shows"}`;
  const [sparse, explains] = [active <= SPARSE * dSae, ev >= EXPLAINED];
  if (sparse && explains) return { right: true, message: `${figures}.` };
  if (active < 1) return { right: false, message: `${figures}: nothing is left to fire. Take less, by a factor of ten.` };
  return { right: false, message: `${figures}. ${sparse ? "Sparse enough, but too little is explained: take less." : `Not sparse enough: take more${active > 0.3 * dSae ? ", by factors of ten" : ""}.`}` };
}

/** Trains at one more coefficient, as the workplace did. @param {Session} session @param {number} coefficient @param {Record<string, any>} values @param {AbortSignal} signal @returns {Promise<SweepRow>} */
async function trained(session, coefficient, values, signal) {
  const { lab, model } = opened(session);
  const acts = await collectSolution({ model, signal }, values);
  try {
    const { epochs, batchSize, lr } = values;
    const { rows } = await sparsitySweep({ lab, model, signal }, { coefficients: [coefficient], acts, epochs, batchSize, lr, ...autoencoderOptions(values) });
    return rows[0];
  } finally {
    void acts.dispose().catch(() => {});
  }
}

// ---- exercise 2

const LIMIT = 0.5;

/** @param {Session} session @returns {Exercise} */
export function pairsExercise(session) {
  /** @param {string} name @param {string} label @returns {Field} */
  const feature = (name, label) => ({
    name,
    label,
    kind: "integer",
    value: null,
    min: 0,
    max: session.usable(STEPS.coactivation) ? session.usable(STEPS.coactivation)?.value.sae.config.dSae - 1 : undefined,
    optional: true,
    emptyText: "",
    rangeText: "a feature's number",
  });
  return {
    fields: () => [
      feature("a", "One feature"),
      feature("b", "The other"),
      {
        name: "holds",
        label: "Without position 0",
        kind: "choice",
        value: "",
        options: [unanswered, { value: "above", label: "above 0.5 still" }, { value: "below", label: "0.5 or less, or none" }],
        hint: "their correlation",
      },
    ],
    async check({ a, b, holds }, signal) {
      const { value } = resultOf(session, STEPS.coactivation);
      if (a === null || b === null) return { right: null, message: "Name two features." };
      if (a === b) return { right: false, message: `F${a} with itself has a correlation of 1, as everything has. Name two different features.` };
      const { lab, model } = opened(session);
      const [pair] = await pairFigures({ lab, model, signal }, value.sae, value.acts, [{ a, b }]);
      return together([pairVerdict(pair, value.acts.stats.rows, value.minFrequency), positionVerdict(holds, pair.withoutPosition0)]);
    },
    solve: () => session.steps.get(STEPS.coactivation)?.settings.reset(),
  };
}

/** @param {import("../work/c4-pairs.js").PairFigures} pair @param {number} rows @param {number} minFrequency @returns {Verdict} */
function pairVerdict({ a, b, correlation, together: share, distinctTogether, frequencyA, frequencyB, cosine }, rows, minFrequency) {
  const names = `F${a} and F${b}`;
  const rare = [[a, frequencyA] , [b, frequencyB]].find(([, frequency]) => frequency <= minFrequency);
  if (rare) return { right: false, message: `F${rare[0]} is active on ${percent(rare[1])} of ${counted(rows, "row")}, not on more than ${percent(minFrequency)}: too rarely to speak of firing together.` };
  if (correlation === null) return { right: false, message: `${names}: one of them is the same on every row, so it has no correlation with anything.` };
  const figures = `${names} have a correlation of ${decimals(3)(correlation)}; both are active on ${percent(share)} of the rows (if they had nothing to do with each other: ${percent(frequencyA * frequencyB)})`;
  if (correlation <= LIMIT) return { right: false, message: `${figures}. That is not above ${LIMIT}.` };
  const doubt = distinctTogether <= 2 ? ` Beware: they fire together on only ${counted(distinctTogether, "distinct row")}, all others being copies.` : "";
  const twins = cosine > 0.9 ? ` Their directions have a cosine of ${decimals(2)(cosine)}: one feature in two copies.` : "";
  return { right: true, message: `${figures}.${doubt}${twins}` };
}

/** @param {string} answer @param {number | null} correlation @returns {Verdict} */
function positionVerdict(answer, correlation) {
  if (!answer) return { right: null, message: "Say also whether it holds without position 0." };
  const truth = correlation !== null && correlation > LIMIT ? "above" : "below";
  const figure = correlation === null ? "Without position 0 one of them does not vary at all" : `Without position 0 it is ${decimals(3)(correlation)}`;
  return answer === truth ? { right: true, message: `${figure}.` } : { right: false, message: `${figure}: that is ${truth === "above" ? "above" : "not above"} ${LIMIT}.` };
}

// ---- exercise 3

/** @param {Session} session @returns {Exercise} */
export function layersExercise(session) {
  return {
    fields: () => [
      {
        name: "bound",
        label: "More bound to single tokens are the features of …",
        kind: "choice",
        wide: true,
        value: "",
        options: [unanswered, { value: "early", label: "the first layer" }, { value: "late", label: "the last layer" }, { value: "neither", label: "neither, clearly" }],
        hint: `clearly: more than ${CLEAR} standard errors apart`,
      },
      {
        name: "same",
        label: "Features with the same number in both …",
        kind: "choice",
        wide: true,
        value: "",
        options: [unanswered, { value: "alike", label: "point the same way" }, { value: "unrelated", label: "have little to do with each other" }],
      },
    ],
    check({ bound, same }) {
      const { value } = resultOf(session, STEPS.layers);
      const layers = /** @type {import("./layers.js").Layer[]} */ (value.layers);
      const [early, late] = [layers[0], layers[layers.length - 1]];
      return together([boundVerdict(bound, early, late), numberVerdict(same, value.numbers)]);
    },
    solve: () => session.steps.get(STEPS.layers)?.settings.take({ layers: "2, 10" }),
  };
}

/** @param {string} answer @param {import("./layers.js").Layer} early @param {import("./layers.js").Layer} late @returns {Verdict} */
function boundVerdict(answer, early, late) {
  if (!answer) return { right: null, message: "The first question has no answer yet." };
  const truth = moreBound(early.bound, late.bound);
  const errors = Math.abs(early.bound.mean - late.bound.mean) / Math.max(Math.hypot(early.bound.error, late.bound.error), 1e-12);
  const figures = `Layer ${early.layer}: ${decimals(3)(early.bound.mean)} ± ${decimals(3)(early.bound.error)}, layer ${late.layer}: ${decimals(3)(late.bound.mean)} ± ${decimals(3)(late.bound.error)}, ${rough(errors)} standard errors apart`;
  return answer === truth ? { right: true, message: `${figures}.` } : { right: false, message: `${figures}: ${truth === "neither" ? "no clear difference" : `layer ${(truth === "early" ? early : late).layer} is clearly more bound to single tokens`}.` };
}

/** @param {string} answer @param {import("../work/c4-token-bound.js").Numbering} numbers @returns {Verdict} */
function numberVerdict(answer, { same, nearest }) {
  if (!answer) return { right: null, message: "The second question has no answer yet." };
  const truth = same > 0.5 ? "alike" : "unrelated";
  const figures = `Features with the same number have a mean cosine of ${decimals(2)(same)}, the nearest ones ${decimals(2)(nearest)}`;
  return answer === truth
    ? { right: true, message: `${figures}${truth === "alike" ? ": both autoencoders started from the same seed, and training moved them little. That is the start's doing, not the model's" : ""}.` }
    : { right: false, message: `${figures}: ${truth === "alike" ? "that is alike, for both started from the same seed" : "that is close to nothing"}.` };
}

// ---- challenge

/** @param {Session} session @returns {Exercise} */
export function challengeExercise(session) {
  return {
    fields: () =>
      CONCEPTS.map(({ id, label }) => ({
        name: id,
        label,
        kind: "integer",
        value: null,
        min: 0,
        max: session.usable(STEPS["challenge-train"]) ? session.usable(STEPS["challenge-train"])?.value.dSae - 1 : undefined,
        optional: true,
        emptyText: "empty: there is none",
        rangeText: "a feature's number",
      })),
    async check(answers, signal) {
      const { value } = resultOf(session, STEPS.concepts);
      const { sae, layer, prependBos, center } = resultOf(session, STEPS["challenge-train"]).value;
      const seed = session.steps.get(STEPS.concepts)?.settings.values().seed ?? 0;
      const { lab, model } = opened(session);
      if (CONCEPTS.every(({ id }) => answers[id] === null)) return { right: null, message: "Name a feature for at least one concept." };
      /** @type {Verdict[]} */ const parts = [];
      for (const concept of CONCEPTS) {
        const listed = value.results.find((/** @type {import("../work/c4-challenge.js").ConceptResult} */ result) => result.concept.id === concept.id)?.features ?? [];
        const judged = answers[concept.id] === null ? null : await heldOutAurocs({ lab, model, signal }, sae, concept, { layer, prependBos, center, seed });
        parts.push(conceptVerdict(concept, answers[concept.id], listed, judged));
      }
      return together(parts);
    },
    solve: () => session.steps.get(STEPS["challenge-train"])?.settings.take({ expansion: "16", l1: 5, tokens: 100_000 }),
  };
}

/**
 * @param {import("../texts/concepts.js").Concept} concept @param {number | null} feature @param {import("../work/c4-challenge.js").ConceptFeature[]} listed
 * @param {Awaited<ReturnType<typeof heldOutAurocs>> | null} judged @returns {Verdict}
 */
function conceptVerdict({ label }, feature, listed, judged) {
  const better = listed.find(({ heldOut }) => (heldOut ?? 0) >= PASS);
  if (feature === null || !judged)
    return better
      ? { right: false, message: `${label}: there is a candidate in the table that holds on new sentences; look at the column “held out”.` }
      : { right: true, message: `${label}: none of the listed features reaches ${PASS} on new sentences, so leaving it empty is right.` };
  const found = judged.aurocs.get(feature);
  const auroc = found?.auroc ?? 0.5;
  const figures = `${label}: F${feature} puts ${percent(auroc)} of all pairs of ${count(judged.sentences)} unseen sentences in the right order`;
  if (auroc >= PASS) return { right: true, message: `${figures}.` };
  if (!found || found.max === 0) return { right: false, message: `${label}: F${feature} is active on none of the unseen sentences, so it tells nothing apart.` };
  if (auroc < 0.4) return { right: false, message: `${figures}: it answers to the opposite (mean ${number(found.meanPositive)} with the concept, ${number(found.meanNegative)} without).` };
  return { right: false, message: `${figures}; ${percent(PASS)} are asked for, and chance has 50 %. It is active in ${percent(found.frequencyPositive)} of the sentences with the concept and ${percent(found.frequencyNegative)} of those without.` };
}
