// @ts-check
// Lab C.4, common mistakes 1 and 2, to be made: too little data, and the wrong weight on sparsity.
import { count, counted, exact, rough } from "../../ui/format.js";
import { SAMPLE_PROMPTS, TEST_PROMPTS, TOO_FEW_PROMPTS } from "../texts/c4.js";
import { fixed, residPost, using } from "./bench.js";
import { AUTOENCODER, makeSae } from "./c4-sae.js";
import { SWEEP, sparsitySweep } from "./c4-sweep.js";
import { SOLUTION_TRAINING, TRAINING, explains, judge, trainSae } from "./c4-training.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Figures} Figures */

/** `elsewhere` are prompts that neither of the two has seen. */
export const LITTLE_DATA = fixed({
  few: TOO_FEW_PROMPTS,
  many: SAMPLE_PROMPTS,
  elsewhere: /** @type {readonly string[]} */ (TEST_PROMPTS.map(({ prompt }) => prompt)),
  layer: 6,
  tied: AUTOENCODER.tied,
  expansion: AUTOENCODER.expansion,
  steps: 500,
  batchSize: TRAINING.batchSize,
  lr: TRAINING.lr,
  l1: TRAINING.l1,
  prependBos: true,
  center: true,
  seed: 0,
});

/**
 * `train` is on the rows it was trained on, `elsewhere` on others, both without position 0, which is the same in every text with a BOS.
 *
 * @typedef {{name: "few" | "many", prompts: number, rows: number, distinctRows: number, train: Figures, elsewhere: Figures}} DataSize
 * @param {Bench} bench
 * @param {Partial<typeof LITTLE_DATA>} [options]
 * @returns {Promise<{few: DataSize, many: DataSize}>}
 */
export async function tooLittleData(bench, options) {
  const { few, many, elsewhere, layer, tied, expansion, steps, batchSize, lr, l1, prependBos, center, seed } = { ...LITTLE_DATA, ...options };
  const { model, signal } = bench;
  const hook = residPost(layer);
  return using(await model.collect(elsewhere, { hook, prependBos, center, signal }), async (others) => {
    const train = async (/** @type {"few" | "many"} */ name, /** @type {readonly string[]} */ prompts, /** @type {number} */ part) =>
      using(await model.collect(prompts, { hook, prependBos, center, signal }), async (acts) =>
        using(await makeSae(bench, { tied, expansion, seed }), async (sae) => {
          const { rows, distinctRows } = acts.stats;
          // As many steps for both: the difference is then the data's alone.
          const epochs = Math.max(1, Math.round(steps / Math.ceil(rows / batchSize)));
          const { quality } = await trainSae(bench, sae, acts, { epochs, batchSize, lr, l1, seed, share: { part, of: 2 } });
          const there = await judge(bench, sae, others);
          return { name, prompts: prompts.length, rows, distinctRows, train: quality.withoutPosition0 ?? quality.all, elsewhere: there.withoutPosition0 ?? there.all };
        }),
      );
    return { few: await train("few", few, 0), many: await train("many", many, 1) };
  });
}

/** @param {{few: DataSize, many: DataSize}} sizes */
export function concludeLittleData({ few, many }) {
  const relative = (/** @type {DataSize} */ { train, elsewhere }) => elsewhere.meanMse / Math.max(train.meanMse, 1e-12);
  const gain = few.elsewhere.meanMse / many.elsewhere.meanMse;
  const times = (/** @type {number} */ x) => (x > 1000 ? "more than a thousand" : rough(x));
  const of = (/** @type {DataSize} */ size) =>
    `trained on ${counted(size.prompts, "prompt")} (${counted(size.distinctRows, "distinct row")}) it ${explains(size.elsewhere.evPerDimension)} ` +
    `on new texts, where its error is ${times(relative(size))} times that on its own`;
  const said = [`${of(few)}; ${of(many)}.`.replace(/^./, (letter) => letter.toUpperCase())];
  said.push(gain > 1.1 ? `More data makes the error on new text ${rough(gain)} times smaller.` : "More data did not help on new text: train longer, for what neither has learnt tells nothing.");
  if (gain > 1.1 && relative(many) > 2) said.push(`But ${count(many.distinctRows)} rows are still few: it fits its own text far better than any other.`);
  return said.join(" ");
}

/** The notebook's right coefficient, its wrong one, and one that is wrong indeed. */
export const MISTAKEN_COEFFICIENTS = Object.freeze([1e-4, 1, 1000]);

/**
 * Sweep over the coefficients of mistake 2, on the sample prompts and with the lab's start.
 *
 * @param {Bench} bench
 * @param {Partial<typeof SWEEP> & {onRow?: (row: import("./c4-sweep.js").SweepRow) => void}} [options]
 */
export function wrongBalance(bench, options) {
  return sparsitySweep(bench, { coefficients: MISTAKEN_COEFFICIENTS, prompts: SAMPLE_PROMPTS, repeats: 1, encoderBias: "zeros", ...SOLUTION_STEPS, ...options });
}

const SOLUTION_STEPS = { epochs: SOLUTION_TRAINING.epochs * 2, batchSize: SOLUTION_TRAINING.batchSize };

/** Is a coefficient of 1 too much, as the notebook says? @param {import("./c4-sweep.js").Sweep} sweep */
export function concludeBalance({ rows, dSae }) {
  const one = rows.find(({ coefficient }) => coefficient === 1);
  const weak = rows.reduce((least, row) => (row.coefficient < least.coefficient ? row : least), rows[0]);
  const strong = rows.reduce((most, row) => (row.coefficient > most.coefficient ? row : most), rows[0]);
  const said = [];
  if (one !== undefined) {
    const active = `${rough(one.nActive)} of ${count(dSae)}`;
    said.push(
      one.nActive > 0.5 * weak.nActive
        ? `At 1.0, called too high in the notebook, ${active} features are active, against ${rough(weak.nActive)} at ${exact(weak.coefficient)}: on this model it is not too high at all.`
        : one.nActive < 1
          ? `At 1.0 hardly any feature is active (${active}), as the notebook says.`
          : `At 1.0 ${active} features are active, against ${rough(weak.nActive)} at ${exact(weak.coefficient)}: fewer, but far from none.`,
    );
  }
  if (strong !== one) {
    const active = strong.nActive < 1 ? `the autoencoder is silent (${rough(strong.nActive)} active)` : `${rough(strong.nActive)} features are active`;
    said.push(`At ${exact(strong.coefficient)}, ${active}, and it ${explains(strong.ev)}.`);
  }
  return said.join(" ");
}
