// Quality figures and spliced losses in the browser, on WebGPU and on the CPU, against SAELens's.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { closeNumber, json, tensors } from "./reference.mjs";

/** Our names for SAELens's (the last two are dictionary_learning's and the notebooks'). */
const FIGURES = {
  normIn: "l2_norm_in", normOut: "l2_norm_out", normRatio: "l2_ratio", relativeReconstructionBias: "relative_reconstruction_bias", l0: "l0", l1: "l1", mse: "mse", cosine: "cossim",
  evPerDimension: "explained_variance", evLegacy: "explained_variance_legacy", evDictionaryLearning: "explained_variance_dictionary_learning", evGlobal: "explained_variance_labs",
};
const LOSSES = {
  positions: "positions", predictions: "predictions",
  ceClean: "ce_loss_without_sae", ceSae: "ce_loss_with_sae", ceZero: "ce_loss_with_ablation", ceMean: "ce_loss_with_mean_ablation",
  lossRecovered: "ce_loss_score", lossRecoveredMean: "ce_loss_score_mean_ablation",
  klSae: "kl_div_with_sae", klZero: "kl_div_with_ablation", klMean: "kl_div_with_mean_ablation", klScore: "kl_div_score", klScoreMean: "kl_div_score_mean_ablation",
};

/** Compares all named numbers and returns the largest relative difference. */
function compare(name, names, ours, theirs, tolerance) {
  let largest = 0;
  for (const [key, saelens] of Object.entries(names)) {
    closeNumber(`${name} ${key}`, ours[key], theirs[saelens], tolerance);
    largest = Math.max(largest, Math.abs(ours[key] - theirs[saelens]) / Math.abs(theirs[saelens]));
  }
  return largest;
}

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  const options = { device, shared: true, timeout: 300_000 };

  test(`${device}: sparsity, error and the four explained variances are SAELens's`, options, async ({ lab, note }) => {
    const [description, weights] = [json("saelens_evals"), tensors("saelens_evals")];
    let largest = 0;
    for (const { name, config, evals } of description.saes) {
      const { all, withoutBos, density, rest } = await lab(async ({ lab, weights, texts, hook, name, k }) => {
        window.model ??= await lab.loadModel("tiny");
        window.acts ??= await window.model.collect(texts, { hook });
        const sae = await lab.createSae({ architecture: name, weights, ...(k ? { k, rescaleActsByDecoderNorm: false } : {}) });
        (window.saes ??= {})[name] = sae;
        const steps = [];
        const all = await lab.analysis.quality(sae, window.acts, { onProgress: (step) => steps.push(step) });
        const withoutBos = await lab.analysis.quality(sae, window.acts, { skipSpecial: true });
        const types = [all.density, all.fired, all.maxActivation, all.meanActive].map((array) => array.constructor.name);
        return { all, withoutBos, density: [...all.density], rest: { steps, types } };
      }, { weights, texts: description.texts, hook: description.hook, name, k: config.k });
      const of = (excludesBos) => evals.find((e) => e.set === "whole" && e.excludesBos === excludesBos);
      largest = Math.max(
        largest,
        compare(`${name}, all`, FIGURES, all, of(false).f64, 1e-5),
        compare(`${name}, later`, FIGURES, all.withoutPosition0, of(true).f64, 1e-5),
        compare(`${name}, without BOS`, FIGURES, withoutBos, of(true).f64, 1e-5),
      );
      for (const [i, theirs] of of(false).feature_density.entries()) assert.ok(Math.abs(density[i] - theirs) < 1e-9, `density of ${i}`);
      assert.equal(all.histogram.zeros, all.deadLatents);
      assert.equal(all.histogram.counts.reduce((a, b) => a + b, 0) + all.histogram.zeros, 192);
      assert.equal(all.rows, all.all.rows);
      assert.equal(withoutBos.rows, all.rows - description.texts.length);
      assert.deepEqual(rest.types, ["Float64Array", "Uint32Array", "Float32Array", "Float64Array"]);
      const last = rest.steps.at(-1);
      assert.deepEqual({ phase: last.phase, done: last.done }, { phase: "analyse", done: all.rows });
    }
    note(`largest relative difference: ${largest.toExponential(1)}`);
  });

  test(`${device}: cross-entropy and KL with an SAE spliced in are SAELens's`, options, async ({ lab, note }) => {
    const description = json("saelens_evals");
    let largest = 0;
    for (const [name, set, excludesBos] of [["standard", "whole", true], ["topk", "cropped", false]]) {
      const texts = set === "whole" ? description.texts : description.ids.cropped.map((ids) => Uint32Array.from(ids));
      const { ours, steps } = await lab(async ({ lab, name, texts, hook, skipSpecial }) => {
        const steps = [];
        const ours = await lab.analysis.spliced(window.model, window.saes[name], texts, { hook, skipSpecial, onProgress: (step) => steps.push(step) });
        return { ours, steps };
      }, { name, texts, hook: description.hook, skipSpecial: excludesBos });
      const theirs = description.saes.find((s) => s.name === name).evals.find((e) => e.set === set && e.excludesBos === excludesBos).f64;
      largest = Math.max(largest, compare(`${name}, ${set}`, LOSSES, ours, theirs, 1e-4));
      assert.equal(ours.deltaCe, ours.ceSae - ours.ceClean);
      assert.deepEqual([ours.hook, ours.outHook, ours.center, ours.prependBos], [description.hook, description.hook, true, true]);
      assert.deepEqual([steps.at(-1).done, steps.at(-1).total], [12, 12]);
    }
    note(`largest relative difference: ${largest.toExponential(1)}`);
  });

  test(`${device}: with its error kept an SAE changes nothing; both views; what is refused`, options, async ({ lab, rejection }) => {
    const hook = "blocks.3.hook_mlp_out";
    const ours = await lab(async ({ lab, hook }) => {
      const sae = await lab.createSae({ architecture: "untied", dIn: 96, dSae: 192, seed: 3 });
      window.untied = sae;
      const of = (options) => lab.analysis.spliced(window.model, sae, "The capital of France is Paris.", { hook, ...options });
      return [await of({ keepError: true }), await of({ keepError: true, center: false }), await of({ keepError: true, withoutFeatures: [0, 1, 2, 3, 4, 5] })];
    }, { hook });
    for (const kept of ours.slice(0, 2)) {
      assert.equal(kept.ceSae, kept.ceClean);
      assert.equal(kept.klSae, 0);
      assert.ok(kept.ceZero !== kept.ceClean && kept.klZero > 0);
    }
    closeNumber("the views are one model", ours[1].ceClean, ours[0].ceClean, 1e-5);
    assert.ok(ours[2].klSae > 0);

    const code = async (fn) => (await rejection(fn, { hook })).code;
    assert.equal(await code(({ lab }) => lab.analysis.spliced(window.model, window.untied, "Text.")), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab, hook }) => lab.analysis.spliced(window.model, window.untied, [], { hook })), "LAB-EMPTY-INPUT");
    assert.equal(await code(({ lab, hook }) => lab.analysis.spliced(window.model, window.untied, "Text.", { hook, outHook: "blocks.2.hook_mlp_out" })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab, hook }) => lab.analysis.spliced(window.model, window.untied, "Text.", { hook, contextSize: 257 })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.quality(window.untied, window.acts, { skipPosition: true })), "LAB-BAD-SETTING");
    assert.equal(await code(async ({ lab }) => lab.analysis.quality(await lab.createSae({ architecture: "tied", dIn: 12 }), window.acts)), "LAB-WIDTH-MISMATCH");
    assert.equal(await code(({ lab, hook }) => {
      const stop = new AbortController();
      return lab.analysis.spliced(window.model, window.untied, Array(40).fill("One two three. ".repeat(20)), { hook, signal: stop.signal, onProgress: () => stop.abort() });
    }), "LAB-CANCELLED");
    // The engine is free again.
    assert.ok((await lab(({ lab }) => lab.analysis.quality(window.untied, window.acts))).rows > 0);
  });
}
