// Every architecture in the browser, on WebGPU and on the CPU, against SAELens: features and output, loss
// terms and gradients at each of ten steps, and ten steps of the lab's own training.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { close, closeNumber, closeRelative, difference, json, tensors } from "./reference.mjs";

const description = json("saelens"), numbers = tensors("saelens");
const { dIn, dSae, dOut, batchSize, steps } = description;

/** The tensors below a prefix, by the rest of their name. @param {string} prefix */
const below = (prefix) =>
  Object.fromEntries(Object.entries(numbers).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]));

/** A batch of the recorded rows, as the case takes it. @param {string} name @param {number} step @param {number} scale @param {number} width */
function batch(name, step, scale, width) {
  const data = numbers[name].data.slice(step * batchSize * width, (step + 1) * batchSize * width);
  return { data: scale === 1 ? data : data.map((x) => Math.fround(x * Math.fround(scale))), shape: [batchSize, width] };
}

/** SAELens's configuration as the lab's settings. */
function settings({ config: c, name }) {
  const transcoder = c.architecture.endsWith("transcoder");
  return {
    architecture: transcoder ? "standard" : c.architecture, dIn, dSae, dOut: transcoder ? dOut : null, transcoder, skip: name.startsWith("skip"),
    applyBDecToInput: c.apply_b_dec_to_input, normalizeActivations: c.normalize_activations,
    ...(c.k === undefined ? {} : { k: c.k, rescaleActsByDecoderNorm: c.rescale_acts_by_decoder_norm }),
    ...(c.topk_threshold_lr === undefined ? {} : { topkThresholdLr: c.topk_threshold_lr }),
    ...(c.matryoshka_widths === undefined ? {} : { matryoshkaWidths: c.matryoshka_widths, matryoshkaAuxLoss: c.use_matryoshka_aux_loss }),
    ...(c.jumprelu_bandwidth === undefined ? {} : {
      jumpreluBandwidth: c.jumprelu_bandwidth, jumpreluPenalty: c.jumprelu_sparsity_loss_mode, jumpreluTanhScale: c.jumprelu_tanh_scale,
      jumpreluSteToInput: c.jumprelu_ste_to_input, preActLossCoefficient: c.pre_act_loss_coefficient ?? 0, ...(c.target_l0 === null ? {} : { jumpreluTargetL0: c.target_l0 }),
    }),
  };
}

/** Adam on the host in f64, after clipping all gradients together to norm 1. */
class Adam {
  #moments = new Map();
  #steps = 0;

  step(weights, gradients, lr) {
    const names = Object.keys(gradients);
    const norm = Math.hypot(...names.map((name) => Math.hypot(...gradients[name].data)));
    const clip = Math.min(1, 1 / (norm + 1e-6));
    this.#steps++;
    const [c1, c2] = [1 - 0.9 ** this.#steps, 1 - 0.999 ** this.#steps];
    for (const name of names) {
      if (!this.#moments.has(name)) this.#moments.set(name, { m: new Float64Array(weights[name].data.length), v: new Float64Array(weights[name].data.length) });
      const { m, v } = this.#moments.get(name);
      const data = Float32Array.from(weights[name].data, (w, i) => {
        const g = gradients[name].data[i] * clip;
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        const moved = w - (lr * m[i]) / c1 / (Math.sqrt(v[i] / c2) + 1e-8);
        return name === "threshold" ? Math.max(0, moved) : moved;
      });
      weights[name] = { data, shape: weights[name].shape };
    }
  }
}

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  const options = { device, shared: true, timeout: 300_000 };

  for (const run of description.cases) {
    const { name, config, coefficients, dead, lr, scale, losses, parameters } = run;
    const transcoder = config.architecture.endsWith("transcoder");
    const coefficient = (step) => Object.values(coefficients[step])[0] ?? 0;

    test(`${device}: ${name} encodes, decodes and learns as SAELens's`, options, async ({ lab, note }) => {
      const weights = below(`${name}/init/`);
      const adam = new Adam();
      let term = 0;
      for (let step = 0; step < steps; step++) {
        const x = batch("batches", step, scale, dIn);
        const target = transcoder ? batch("targets", step, scale, dOut) : null;
        const auxKCoefficient = config.aux_loss_coefficient ?? 0;
        const loss = await lab(async ({ lab, made, weights, x, options }) => {
          const sae = await lab.createSae({ ...made, weights });
          const loss = await sae.loss(x, options);
          await sae.dispose();
          return loss;
        }, { made: settings(run), weights, x, options: { l1: coefficient(step), dead: dead[step], target, auxKCoefficient } });

        // Terms by SAELens's names: theirs include the coefficient, and some architectures have none of a term.
        const { recon, l1, ...extra } = loss.terms;
        const sparsity = ["l1_loss", "l0_loss"].find((key) => key in losses.f64[step]);
        const ours = { mse_loss: recon, ...(sparsity ? { [sparsity]: l1 * coefficient(step) } : {}), ...extra };
        for (const [key, theirs] of Object.entries(losses.f64[step])) {
          const value = key === "overall_loss" ? Object.values(ours).reduce((sum, x) => sum + x, 0) : ours[key] ?? 0;
          closeNumber(`step ${step} ${key}`, value, theirs, 1e-5);
          if (theirs !== 0) term = Math.max(term, Math.abs(value - theirs) / Math.abs(theirs));
        }
        closeNumber(`step ${step} l0`, loss.nActive, run.l0[step], 1e-5);
        if (step === 0) for (const key of parameters) closeRelative(`gradient of ${key}`, loss.gradients[key], numbers[`${name}/gradients/${key}`], 1e-4);
        adam.step(weights, loss.gradients, lr[step]);
      }
      for (const key of parameters) {
        const theirs = numbers[`${name}/after/${key}`];
        // SAELens brings a threshold back to 0 at the start of a step, the lab at its end.
        const after = key === "threshold" ? { ...theirs, data: theirs.data.map((t) => Math.max(0, t)) } : theirs;
        close(`${key} after ${steps} steps`, weights[key], after, 1e-4);
      }
      note(`largest relative difference of a term: ${term.toExponential(1)}`);

      const used = await lab(async ({ lab, made, weights, x }) => {
        const sae = await lab.createSae({ ...made, weights });
        const features = await sae.encode(x), output = await sae.decode(features);
        const read = { features: await features.read(), output: await output.read() };
        for (const handle of [sae, features, output]) await handle.dispose();
        return read;
      }, { made: settings(run), weights: below(`${name}/init/`), x: batch("batches", 0, scale, dIn) });
      // A batch top-k is trained by its batch and used by its threshold: numbers/saelens_files has the latter.
      if (!config.architecture.includes("batchtopk")) closeRelative("features", used.features, numbers[`${name}/features`], 1e-5);
      // Decoding alone cannot undo a normalisation of rows, nor add what skips the latents.
      if (config.normalize_activations === "none" && !name.startsWith("skip") && !config.architecture.includes("batchtopk"))
        closeRelative("output", used.output, numbers[`${name}/sae_out`], 1e-5);
    });

    if (dead.some((list) => list.length > 0)) continue;
    test(`${device}: ${name} trained by the lab is SAELens's after ten steps`, options, async ({ lab }) => {
      const final = config.l1_coefficient ?? config.l0_coefficient ?? (transcoder ? 0.1 : 0);
      const schedule = run.trainer;
      const all = { data: Float32Array.from(numbers.batches.data, (x) => Math.fround(x * Math.fround(scale))), shape: [steps * batchSize, dIn] };
      const target = transcoder ? { data: numbers.targets.data, shape: [steps * batchSize, dOut] } : null;
      const trained = await lab(async ({ lab, made, weights, all, options }) => {
        const sae = await lab.createSae({ ...made, weights });
        await sae.train(all, options);
        const after = await sae.weights();
        await sae.dispose();
        return after;
      }, {
        made: settings(run), weights: below(`${name}/init/`), all,
        options: {
          epochs: 1, batchSize, order: Uint32Array.from({ length: steps * batchSize }, (_, i) => i), target, l1: final, gradientClip: 1, remedy: "none",
          lr: schedule.lr, lrSchedule: schedule.lr_scheduler_name === "constant" ? "constant" : "cosine", lrEnd: schedule.lr_end,
          lrWarmUpSteps: schedule.lr_warm_up_steps, lrDecaySteps: schedule.lr_decay_steps, l1WarmUpSteps: config.l1_warm_up_steps ?? config.l0_warm_up_steps ?? 0,
        },
      });
      for (const key of parameters) {
        const theirs = numbers[`${name}/after/${key}`];
        const after = key === "threshold" ? { ...theirs, data: theirs.data.map((t) => Math.max(0, t)) } : theirs;
        assert.ok(difference(trained[key].data, after.data) < 1e-4, `${key}: ${difference(trained[key].data, after.data)}`);
      }
    });
  }
}
