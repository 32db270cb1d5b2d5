// @ts-check
// Lab C.4, part 2: the autoencoder itself — its sizes, its start, and a first pass over random numbers.
import { count, percent, rough } from "../../ui/format.js";
import { fixed, using } from "./bench.js";
import { normals } from "./random.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */

/**
 * The solutions' autoencoder differs in one thing: `encoderBias` "torch-linear", U(±1/√d), where the lab has zeros.
 * `weights` are the caller's own start.
 */
export const AUTOENCODER = fixed({
  tied: true,
  expansion: 4,
  encoderBias: /** @type {"zeros" | "torch-linear"} */ ("zeros"),
  seed: 0,
  weights: /** @type {import("../../engine/types.js").WeightsLike | null} */ (null),
});

/**
 * @param {Bench} bench
 * @param {Partial<typeof AUTOENCODER>} [options]
 * @returns {Promise<Sae>}
 */
export async function makeSae({ lab, model }, options) {
  const { tied, expansion, encoderBias, seed, weights } = { ...AUTOENCODER, ...options };
  const dIn = model.config.dModel;
  const common = { architecture: tied ? "tied" : "untied", dIn, dSae: Math.round(expansion * dIn), seed };
  if (weights !== null) return lab.createSae({ ...common, weights });
  return lab.createSae({ ...common, init: { encoder: "kaiming", decoder: "kaiming-linear", decoderNorm: null, encoderBias } });
}

/**
 * @param {Sae} sae
 */
export function describeSae({ config: { dIn, dSae, parameters } }) {
  return { dIn, dSae, expansion: dSae / dIn, parameters };
}

/** `input` are rows of the caller's own, instead of standard normal numbers. */
export const FORWARD = fixed({ rows: 32, seed: 0, input: /** @type {Float32Array | null} */ (null) });

/**
 * One pass over random numbers: does every shape fit, and what does an untrained autoencoder do?
 *
 * @param {Sae} sae
 * @param {Partial<typeof FORWARD>} [options]
 */
export async function forwardTest(sae, options) {
  const { rows, seed, input } = { ...FORWARD, ...options };
  const { dIn } = sae.config;
  const data = input ?? normals(rows * dIn, seed);
  const x = { data, shape: [data.length / dIn, dIn] };
  return using(await sae.encode(x), async (features) =>
    using(await sae.decode(features), async (output) => {
      const [{ data: f }, { data: back }] = await Promise.all([features.read(), output.read()]);
      const active = f.reduce((n, value) => n + (value > 0 ? 1 : 0), 0);
      const squares = (/** @type {(i: number) => number} */ of) => data.reduce((sum, _, i) => sum + of(i) ** 2, 0) / data.length;
      return {
        inputShape: x.shape,
        featuresShape: features.shape,
        outputShape: output.shape,
        min: f.reduce((m, value) => Math.min(m, value), Infinity),
        max: f.reduce((m, value) => Math.max(m, value), -Infinity),
        fracActive: active / f.length,
        meanSquare: squares((i) => data[i]),
        error: squares((i) => back[i] - data[i]),
      };
    }),
  );
}

/** @param {Awaited<ReturnType<typeof forwardTest>>} result */
export function concludeForward({ featuresShape: [, dSae = 0], fracActive, meanSquare, error }) {
  const times = error / meanSquare;
  const half = Math.abs(fracActive - 0.5) < 0.1 ? ", as chance has it: a ReLU without a trained bias lets half of everything through" : "";
  return (
    `${percent(fracActive)} of the ${count(dSae)} features are active${half}. ` +
    `The error of the untrained autoencoder is ${rough(times)} times the mean square of its input${times > 1 ? ", worse than answering zero: all that it will know has to be learnt" : ""}.`
  );
}
