// @ts-check
// Lab C.4, exercise 2: features that are active together.
import { count, decimals, percent } from "../../ui/format.js";
import { REPEATS, SOLUTION_PROMPTS, repeated } from "../texts/c4.js";
import { fixed, residPost, watch } from "./bench.js";
import { AUTOENCODER, makeSae } from "./c4-sae.js";
import { SOLUTION_TRAINING, trainSae } from "./c4-training.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */

/** Features active on more than `minFrequency` of the rows; the matrix only where at most `matrixUpTo` of them are. */
export const CORRELATION = fixed({ minFrequency: 0.01, pairs: 10, matrixUpTo: 100 });

/**
 * Pearson correlation of feature activations, as the notebook has it, and without position 0. Repeating every text equally often
 * changes neither.
 *
 * @typedef {Awaited<ReturnType<import("../../engine/analysis.js").Analysis["coactivation"]>>} Coactivation
 * @typedef {{all: Coactivation, withoutPosition0: Coactivation, rows: number, distinctRows: number, dSae: number}} Correlated
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 * @param {Partial<typeof CORRELATION>} [options]
 * @returns {Promise<Correlated>}
 */
export async function correlate({ lab, signal }, sae, acts, options) {
  const settings = { ...CORRELATION, ...options, signal };
  const all = await lab.analysis.coactivation(sae, acts, settings);
  const withoutPosition0 = await lab.analysis.coactivation(sae, acts, { ...settings, skipPosition0: true });
  return { all, withoutPosition0, rows: acts.stats.rows, distinctRows: acts.stats.distinctRows, dSae: sae.config.dSae };
}

/** The whole exercise: `training` and `autoencoder` as in their own files, with the solutions' values. */
export const EXERCISE = fixed({
  prompts: SOLUTION_PROMPTS,
  repeats: REPEATS,
  layer: 6,
  prependBos: true,
  center: true,
  autoencoder: fixed({ ...AUTOENCODER, encoderBias: /** @type {"zeros" | "torch-linear"} */ ("torch-linear") }),
  training: SOLUTION_TRAINING,
  correlation: CORRELATION,
});

/**
 * Collects, trains a fresh autoencoder and correlates its features. `sae` and `acts` are the caller's to dispose of.
 *
 * @param {Bench} bench
 * @param {Partial<typeof EXERCISE>} [options]
 * @returns {Promise<{correlated: Correlated, trained: import("./c4-training.js").Trained, sae: Sae, acts: Acts, texts: string[]}>}
 */
export async function correlationExercise(bench, options) {
  const { prompts, repeats, layer, prependBos, center, autoencoder, training, correlation } = { ...EXERCISE, ...options };
  const texts = repeated(prompts, repeats);
  const acts = await bench.model.collect(texts, { hook: residPost(layer), prependBos, center, ...watch(bench, "sequences") });
  /** @type {Sae | null} */
  let sae = null;
  try {
    sae = await makeSae(bench, autoencoder);
    const trained = await trainSae(bench, sae, acts, training);
    return { correlated: await correlate(bench, sae, acts, correlation), trained, sae, acts, texts };
  } catch (error) {
    await Promise.all([acts.dispose(), sae?.dispose()]);
    throw error;
  }
}

/** `all` may be `withoutPosition0` itself, where position 0 is left out. @param {Correlated} correlated */
export function concludeCorrelation({ all, withoutPosition0, distinctRows, dSae }) {
  const [best] = all.pairs;
  if (best === undefined) return "Fewer than two features are active often enough to correlate: lower the frequency limit, or train with a smaller coefficient.";
  const total = all.pairs.length;
  const perfect = total > 1 && all.pairs.every(({ correlation }) => correlation > 0.999);
  const said = [
    perfect
      ? `${count(all.active)} of ${count(dSae)} features are compared, and all ${count(total)} pairs listed have a correlation of practically 1. ` +
        `With ${count(distinctRows)} distinct rows that is arithmetic: two features that fire on the same one or two, and nowhere else, must correlate, and which such pair stands first is chance.`
      : `${count(all.active)} of ${count(dSae)} features are compared. ` +
        `The closest pair is F${best.a} and F${best.b}, with a correlation of ${decimals(3)(best.correlation)}; both are active on ${percent(best.together)} of the rows.`,
  ];
  if (all === withoutPosition0) return said.join(" ");
  const [later] = withoutPosition0.pairs;
  const key = (/** @type {{a: number, b: number}} */ { a, b }) => `${a} ${b}`;
  const left = new Set(withoutPosition0.pairs.map(key));
  const kept = all.pairs.filter((pair) => left.has(key(pair))).length;
  const owed = !perfect && kept < total / 2 ? ": the others owe their place to the first token" : "";
  said.push(
    later === undefined
      ? "Without position 0 no pair is left."
      : total === 1
        ? `Without position 0 the closest pair has ${decimals(3)(later.correlation)}.`
        : `Without position 0 the closest pair has ${decimals(3)(later.correlation)}, and ${count(kept)} of these ${count(total)} are still among the closest${owed}.`,
  );
  return said.join(" ");
}
