// @ts-check
// Lab C.4, exercise 2: all that can be said about single pairs of features.
import { cosine } from "../../ui/random-direction.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("./bench.js").Acts} Acts */

/**
 * `correlation` is null where one of the two does not vary. `together` is the share of rows on which both are active, `distinctTogether` how many
 * different pairs of values those rows have; `cosine` is that of the decoder rows.
 *
 * @typedef {{a: number, b: number, correlation: number | null, withoutPosition0: number | null, together: number, distinctTogether: number, frequencyA: number, frequencyB: number, cosine: number}} PairFigures
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 * @param {readonly {a: number, b: number}[]} pairs
 * @returns {Promise<PairFigures[]>}
 */
export async function pairFigures({ lab, signal }, sae, acts, pairs) {
  if (pairs.length === 0) return [];
  const features = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))];
  const [all, { position }] = await Promise.all([lab.analysis.featureActs(sae, acts, { features, signal }), acts.rows()]);
  const directions = await Promise.all(features.map(async (feature) => (await sae.direction({ feature, kind: "decoder" })).data));
  const columns = features.map((_, k) => Float64Array.from({ length: all.shape[0] }, (_, row) => all.data[row * features.length + k]));
  const later = columns.map((column) => column.filter((_, row) => position[row] !== 0));
  const at = (/** @type {number} */ feature) => features.indexOf(feature);
  return pairs.map(({ a, b }) => {
    const [x, y] = [columns[at(a)], columns[at(b)]];
    const both = [...x.keys()].filter((row) => x[row] > 0 && y[row] > 0);
    const share = (/** @type {Float64Array} */ column) => column.reduce((n, value) => n + (value > 0 ? 1 : 0), 0) / Math.max(column.length, 1);
    return {
      a,
      b,
      correlation: pearson(x, y),
      withoutPosition0: pearson(later[at(a)], later[at(b)]),
      together: both.length / Math.max(x.length, 1),
      distinctTogether: new Set(both.map((row) => `${x[row].toPrecision(5)} ${y[row].toPrecision(5)}`)).size,
      frequencyA: share(x),
      frequencyB: share(y),
      cosine: cosine(directions[at(a)], directions[at(b)]),
    };
  });
}

/**
 * The correlations of a few features with one another; one that does not vary has none, which is NaN here.
 *
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {Acts} acts
 * @param {readonly number[]} features
 * @param {boolean} [skipPosition0]
 * @returns {Promise<{features: number[], data: Float32Array, shape: number[]}>}
 */
export async function correlationsOf({ lab, signal }, sae, acts, features, skipPosition0 = false) {
  const n = features.length;
  if (n === 0) return { features: [], data: new Float32Array(), shape: [0, 0] };
  const { data, shape } = await lab.analysis.featureActs(sae, acts, { features: [...features], skipPosition0, signal });
  const columns = features.map((_, k) => Float64Array.from({ length: shape[0] }, (_, row) => data[row * n + k]));
  return { features: [...features], data: Float32Array.from(columns.flatMap((x) => columns.map((y) => pearson(x, y) ?? NaN))), shape: [n, n] };
}

/** Pearson's correlation, as np.corrcoef; null where one of the two is constant. @param {Float64Array} x @param {Float64Array} y */
export function pearson(x, y) {
  const n = x.length;
  const mean = (/** @type {Float64Array} */ list) => list.reduce((sum, value) => sum + value, 0) / n;
  const [mx, my] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null;
}
