// @ts-check
// Lab C.4, common mistake 3: a feature is a direction, not a neuron. Over how many dimensions does each decoder row spread?
import { count, decimals, percent, rough } from "../../ui/format.js";
import { fixed } from "./bench.js";
import { normals } from "./random.js";

/** @typedef {import("./bench.js").Sae} Sae */

/**
 * How a vector lies to the axes. `participation` is (Σ w²)² / Σ w⁴: 1 for a basis vector, d where all d entries are of one size, about d/3 for a
 * direction drawn at random. `cosine` is that with the nearest axis, `dimension`.
 *
 * @typedef {{participation: number, cosine: number, dimension: number}} Spread
 * @param {Float32Array} w
 * @returns {Spread}
 */
export function spread(w) {
  let [squares, fourths, dimension] = [0, 0, 0];
  for (const [i, x] of w.entries()) {
    squares += x * x;
    fourths += x ** 4;
    if (Math.abs(x) > Math.abs(w[dimension])) dimension = i;
  }
  if (squares === 0) return { participation: 0, cosine: 0, dimension: 0 };
  return { participation: squares ** 2 / fourths, cosine: Math.abs(w[dimension]) / Math.sqrt(squares), dimension };
}

/** Enough for a mean that is right to a percent or two. */
const RANDOM_DIRECTIONS = 512;

export const NEURONS = fixed({ features: /** @type {readonly number[] | null} */ (null), seed: 0 });

/**
 * @typedef {{feature: number} & Spread} FeatureSpread
 * @typedef {{features: FeatureSpread[], random: Spread[], dIn: number, meanParticipation: number, meanCosine: number, randomParticipation: number, randomCosine: number}} Neurons
 * @param {Sae} sae
 * @param {Partial<typeof NEURONS>} [options]  the features to look at; all of them where none are named
 * @returns {Promise<Neurons>}  `random` are directions drawn at random, at most 512
 */
export async function featuresAndNeurons(sae, options) {
  const { features, seed } = { ...NEURONS, ...options };
  const { W_dec } = await sae.weights();
  const [dSae, dIn] = /** @type {[number, number]} */ (W_dec.shape);
  const wanted = features ?? Array.from({ length: dSae }, (_, n) => n);
  const row = (/** @type {Float32Array} */ data, /** @type {number} */ n) => data.subarray(n * dIn, (n + 1) * dIn);
  const found = wanted.map((feature) => ({ feature, ...spread(row(W_dec.data, feature)) }));
  const drawn = normals(Math.min(found.length, RANDOM_DIRECTIONS) * dIn, seed);
  const random = found.slice(0, RANDOM_DIRECTIONS).map((_, n) => spread(row(drawn, n)));
  const mean = (/** @type {readonly Spread[]} */ list, /** @type {"participation" | "cosine"} */ key) => list.reduce((sum, one) => sum + one[key], 0) / list.length;
  return {
    features: found,
    random,
    dIn,
    meanParticipation: mean(found, "participation"),
    meanCosine: mean(found, "cosine"),
    randomParticipation: mean(random, "participation"),
    randomCosine: mean(random, "cosine"),
  };
}

/** @param {Neurons} neurons */
export function concludeNeurons({ features, dIn, meanParticipation, meanCosine, randomParticipation, randomCosine }) {
  const aligned = features.filter(({ cosine }) => cosine > 0.9).length;
  const said = [
    `A feature's decoder row spreads over ${rough(meanParticipation)} of ${count(dIn)} dimensions (a random direction: ${rough(randomParticipation)}), ` +
      `and the cosine with the dimension nearest to it is ${decimals(2)(meanCosine)} (random: ${decimals(2)(randomCosine)}).`,
    aligned === 0
      ? "No feature is a single dimension."
      : `${count(aligned)} of ${count(features.length)} features (${percent(aligned / features.length)}) are nearly one dimension each, with a cosine above 0.9; the others are not.`,
  ];
  if (meanCosine > 1.5 * randomCosine) {
    const often = mode(features.map(({ dimension }) => dimension));
    const one = often.times > features.length / 10 ? `, ${percent(often.times / features.length)} of them closest to dimension ${often.value}` : "";
    said.push(`They lie closer to single dimensions than chance has it${one}.`);
  }
  return said.join(" ");
}

/** @param {readonly number[]} values */
function mode(values) {
  const times = new Map();
  for (const value of values) times.set(value, (times.get(value) ?? 0) + 1);
  const [value, most] = [...times].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [-1, 0]);
  return { value, times: most };
}
