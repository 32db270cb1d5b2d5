// @ts-check
// Week 7, cell 12: the features that are most often active, with their mean over all rows.

import { fixed, watch } from "./bench.js";


/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {{feature: number, frequency: number, magnitude: number}} Frequent */

export const FREQUENT = fixed({ k: 10 });

/**
 * With position 0 as the notebook takes it and without. Of equally frequent features the first come first.
 * @param {Bench} bench @param {import("./bench.js").Sae} sae @param {import("./bench.js").Acts} acts @param {Partial<typeof FREQUENT>} [options]
 * @returns {Promise<{all: Frequent[], withoutPosition0: Frequent[], rows: number, tied: number}>}  `tied`: how many of `all` share the frequency of the first
 */
export async function mostFrequent(bench, sae, acts, options) {
  const { k } = { ...FREQUENT, ...options };
  const ask = async (/** @type {boolean} */ skipPosition0) => {
    const { rows, features } = await bench.lab.analysis.topFeatures(sae, acts, { k, by: "frequency", skipPosition0, ...watch(bench, "rows") });
    return { rows, list: features.map(({ feature, frequency, mean }) => ({ feature, frequency, magnitude: mean })) };
  };
  const all = await ask(false);
  const withoutPosition0 = acts.stats.withoutPosition0.rows > 0 ? await ask(true) : { list: [] };
  const tied = all.list.filter(({ frequency }) => frequency === all.list[0].frequency).length;
  return { all: all.list, withoutPosition0: withoutPosition0.list, rows: all.rows, tied };
}

/** @param {Awaited<ReturnType<typeof mostFrequent>>} result */
export function concludeFrequent({ all, rows, tied }) {
  const [first] = all;
  const last = all[all.length - 1];
  const range = `The ${all.length} most frequent features are active on ${share(last.frequency)} to ${share(first.frequency)} of ${rows} rows`;
  if (first.frequency > 0.5) {
    const ties = tied > 1 ? ` ${tied} share the first place, so which of them is listed first is arbitrary.` : "";
    return `${range}: so common a feature cannot stand for one concept.${ties} List more features and look further down, or train with a larger coefficient.`;
  }
  return `${range}: rare enough to stand for something. Look at their examples.`;
}

/** @param {number} x */
const share = (x) => `${(100 * x).toFixed(0)} %`;
