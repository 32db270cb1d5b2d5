// @ts-check
// What is asked about features and directions, and the answers. No code.

/**
 * @typedef {object} CoactivationSettings
 * @property {number} minFrequency   only features above zero on more than this fraction of the rows; at most 4096 of them
 * @property {number} pairs          how many pairs to name, at either end
 * @property {boolean} skipPosition0
 * @property {number} matrixUpTo     the whole matrix is given for at most so many features
 *
 * Pearson's correlation over all rows, as np.corrcoef. `together` is the fraction of rows on which both are above zero.
 * @typedef {{a: number, b: number, correlation: number, together: number}} Pair  a < b
 *
 * `active` features are active often enough; `constant` of them are the same on every row and left out; `features` are the others, ascending.
 * @typedef {{rows: number, active: number, constant: number, features: Uint32Array, pairs: Pair[], lowest: Pair[], matrix: import("./types.js").Tensor | null}} Coactivation
 */

/**
 * @typedef {{features: Uint32Array | readonly number[] | null, skipPosition0: boolean}} FeatureActsSettings
 *
 * Columns of the encoded data set, [rows, features]; `rows` are the rows' numbers in it.
 * @typedef {{data: Float32Array, shape: number[], features: Uint32Array, rows: Uint32Array}} FeatureActs
 */

/**
 * @typedef {{k: number}} PerTokenSettings
 *
 * The strongest features of each row, [rows, k]; one whose value is 0 is not active. `active` counts those above zero on each row, `meanActive`
 * is its mean, `total` how many features the SAE has; `max` is the largest activation of all, null where nothing is active.
 * @typedef {{features: Uint32Array, values: Float32Array, shape: number[], active: Uint32Array, max: {row: number, feature: number, value: number} | null,
 *   total: number, meanActive: number}} PerToken
 */

/**
 * @typedef {{k: number}} MatchingSettings
 *
 * For each feature of the second SAE the k features of the first whose decoder rows point most in its direction: [dSae of the second, k], the
 * nearest first. `best` is the first cosine of each, `histogram` is of those.
 * @typedef {{features: Uint32Array, cosines: Float32Array, shape: number[], best: Float32Array, histogram: {edges: number[], counts: number[]}}} Matching
 */

/**
 * @typedef {object} ConceptsSettings
 * @property {number} k
 * @property {"token" | "text"} per   what is told apart: rows, or texts by the largest activation in each
 * @property {number} minFrequency    only features above zero on more than this fraction of all of them
 * @property {boolean} skipPosition0
 *
 * `auroc`: how often a positive row (or text) has more of the feature than a negative one, ties counting half. Means and frequencies are over all
 * rows (or texts) of a side.
 * @typedef {{feature: number, auroc: number, meanPositive: number, meanNegative: number, frequencyPositive: number, frequencyNegative: number,
 *   max: number}} ConceptFeature
 * @typedef {{features: ConceptFeature[], positives: number, negatives: number, judged: number}} Concepts  `judged` features are active often enough
 */

/**
 * @typedef {{skipPosition0: boolean}} ContrastSettings
 *
 * `accuracyAlong`: the fraction of rows on their own side of the middle between the means, along the vector; `aurocAlong` takes all thresholds at once.
 * @typedef {{vector: Float32Array, norm: number, accuracyAlong: number, aurocAlong: number, positives: number, negatives: number}} Contrast
 *
 * @typedef {object} ProbeSettings
 * @property {number} l2              weight of the penalty, 1 / C in scikit-learn
 * @property {boolean} standardize    fit on dimensions of mean 0 and standard deviation 1
 * @property {number} folds           parts of the texts that are left out in turn; 0 for none
 * @property {boolean} skipPosition0
 *
 * A row x is positive where ⟨vector, x⟩ + bias > 0, x as it was collected. `accuracy` is of the rows it was fitted to; `heldOut` of rows whose text was
 * left out, `folds` has it for each fold; null and empty where a side has a single text.
 * @typedef {{vector: Float32Array, bias: number, norm: number, accuracy: number, heldOut: number | null, folds: Float64Array, positives: number,
 *   negatives: number}} Probe
 */

/**
 * @typedef {{k: number, threshold: number}} DecomposeSettings
 *
 * `active` features are above the threshold when the vector itself is encoded, `features` the largest of them; `error` is the squared error of what the
 * SAE makes of it, `norm` the vector's length; `cosines` are the decoder rows that point most in its direction.
 * @typedef {{active: number, features: {feature: number, value: number}[], error: number, norm: number, cosines: {feature: number, cosine: number}[]}} Decomposition
 */

export {};
