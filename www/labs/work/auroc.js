// @ts-check
// How well a number tells two groups apart.

/**
 * The probability that a member of the first group has the larger number, ties counting half (scikit-learn's roc_auc_score).
 * @param {readonly number[]} positive @param {readonly number[]} negative @returns {number | null} null where a group is empty
 */
export function auroc(positive, negative) {
  if (positive.length === 0 || negative.length === 0) return null;
  const sorted = [...negative].sort((a, b) => a - b);
  const below = (/** @type {number} */ x, /** @type {boolean} */ inclusive) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < x || (inclusive && sorted[middle] === x)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const wins = positive.reduce((sum, x) => sum + (below(x, false) + below(x, true)) / 2, 0);
  return wins / (positive.length * negative.length);
}

/**
 * Spearman's rank correlation, of equals the mean rank (scipy.stats.spearmanr).
 * @param {readonly number[]} a @param {readonly number[]} b @returns {number | null} null where one does not vary
 */
export function rankCorrelation(a, b) {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < x.length; i += 1) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) ** 2;
    yy += (y[i] - middle) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null;
}

/** @param {readonly number[]} list @returns {number[]} 1 for the smallest */
function ranks(list) {
  const order = [...list.keys()].sort((i, j) => list[i] - list[j]);
  const result = Array.from(list, () => 0);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && list[order[end]] === list[order[start]]) end += 1;
    for (const i of order.slice(start, end)) result[i] = (start + 1 + end) / 2;
    start = end;
  }
  return result;
}
