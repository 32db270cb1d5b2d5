// Week 7 cell by cell on the tiny model (its toy models apart): every figure that the notebook prints or plots, from the labs' work
// modules, against its own code in torch on Hugging Face's model (tests/reference/labs_week7.py). Weights and batch orders are fed to both.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { close, closeNumber, closeRelative, json, tensors } from "./reference.mjs";

const { cells, seeds } = json("labs_week7");
const numbers = tensors("labs_week7");
const TOLERANCE = 1e-4;
const trained = Object.fromEntries(["W_enc", "b_enc", "W_dec", "b_dec"].map((name) => [name, numbers[`trained/${name}`]]));

/** Opens the model, the rows and the SAE of the stored weights once for all tests of a page; `window.weights(dSae, seed)` are initial ones. */
const open = (lab) =>
  lab(async ({ lab, trained }) => {
    if (window.bench) return;
    const [{ normals }, { collectHf }] = await Promise.all([import("./labs/work/random.js"), import("./labs/work/hf-index.js")]);
    window.bench = { lab, model: await lab.loadModel("tiny") };
    window.found = await collectHf(window.bench);
    window.trained = await lab.createSae({ architecture: "untied", weights: trained });
    const scaled = (dSae, seed, width) => normals(96 * dSae, seed).map((x) => x / Math.sqrt(width));
    window.weights = (dSae, seed) => ({
      W_enc: { data: scaled(dSae, seed, 96), shape: [96, dSae] }, b_enc: { data: new Float32Array(dSae), shape: [dSae] },
      W_dec: { data: scaled(dSae, seed + 1, dSae), shape: [dSae, 96] }, b_dec: { data: new Float32Array(96), shape: [96] },
    });
  }, { trained });

const variances = (name, ours, theirs) => {
  closeNumber(`${name} mse`, ours.meanMse, theirs.mse, 1e-3);
  for (const key of ["evGlobal", "evPerDimension", "evLegacy", "evDictionaryLearning"]) assert.ok(Math.abs(ours[key] - theirs[key]) < 1e-5, `${name} ${key}: ${ours[key]} against ${theirs[key]}`);
};

for (const device of /** @type {const} */ (["cpu", "webgpu"])) {
  const options = { device, shared: true, timeout: 400_000 };
  // On WebGPU a subset: where the GPU is emulated, compiling for each new shape takes longer than all else.
  const cell = (name, run, everywhere = true) => (device === "cpu" || everywhere) && test(`${device}: week 7, ${name}`, options, async (session) => {
    await open(session.lab);
    await run(session);
  });

  cell("cells 7 to 9: the rows of hidden_states", async ({ lab, note }) => {
    const theirs = cells["9"];
    const { facts, rows, last, texts, words } = await lab(async () => {
      const [{ collectHf, concludeRows, hfHook, hfTable, HF_DEFAULT_LAYER }, { WEEK7_TEXTS }, { week7Sae }] = await Promise.all(
        [import("./labs/work/hf-index.js"), import("./labs/texts/week7.js"), import("./labs/work/week7-training.js")]);
      const { acts, ...found } = window.found;
      const { sae, ...sizes } = await week7Sae(window.bench);
      await sae.dispose();
      const last = await collectHf(window.bench, { layer: HF_DEFAULT_LAYER });
      const { mean, std, acts: { stats } } = last;
      const post = await window.bench.model.collect(WEEK7_TEXTS, { hook: "blocks.5.hook_resid_post", center: false, prependBos: false });
      return {
        facts: { found, sizes, hook: hfHook(6, 12), beyond: hfHook(13, 12), table: hfTable(12).length, hidden: window.bench.model.config.dModel },
        rows: { pre: await acts.read(), post: await post.read() },
        last: { mean, std, meanNorm: stats.all.meanNorm, rows: await last.acts.read(), hook: last.hook },
        texts: [...WEEK7_TEXTS], words: concludeRows(window.found),
      };
    });
    assert.deepEqual(texts, theirs.texts);
    assert.equal(facts.hidden, cells["7-8"].hiddenSize);
    for (const key of ["dIn", "dSae", "expansion", "parameters"]) assert.equal(facts.sizes[key], cells["7-8"][key]);
    assert.deepEqual([facts.found.shape, facts.found.distinctRows, facts.found.position0Rows], [theirs.shape, theirs.distinctRows, theirs.position0Rows]);
    assert.deepEqual([facts.hook.before, facts.hook.after, facts.beyond, facts.table], ["blocks.6.hook_resid_pre", "blocks.5.hook_resid_post", null, 13]);
    assert.ok(Math.abs(facts.found.mean - theirs.mean) < 1e-6);
    closeNumber("std", facts.found.std, theirs.std, 1e-5);
    closeRelative("hidden_states[6]", rows.pre, numbers["hidden_states/6"], TOLERANCE);
    closeRelative("as resid_post 5", rows.post, numbers["hidden_states/6"], TOLERANCE);
    const first = numbers["hidden_states/-1/first"];
    closeRelative("hidden_states[-1]", { shape: first.shape, data: last.rows.data.slice(0, first.data.length) }, first, TOLERANCE);
    assert.equal(last.hook, "ln_final.hook_normalized");
    for (const key of ["mean", "std", "meanNorm"]) assert.ok(Math.abs(last[key] - theirs.default[key]) < 1e-4, key);
    note(words);
  });

  cell("cells 10 and 11: the history of 100 epochs, its lines, the final figures", async ({ lab, note }) => {
    const epochs = device === "cpu" ? 100 : 2;
    const theirs = cells["10"].f64;
    const { training, plain, final, words } = await lab(async ({ epochs, seeds }) => {
      const [{ concludeTraining, finalFigures, trainWeek7, week7Sae }, { batchOrder }] = await Promise.all([import("./labs/work/week7-training.js"), import("./labs/work/seeded.js")]);
      const { acts } = window.found;
      const order = batchOrder(acts.shape[0], epochs, seeds.order);
      const weights = window.weights(384, seeds.weights);
      const { sae } = await week7Sae(window.bench, { weights });
      const training = await trainWeek7(window.bench, sae, acts, { epochs, order });
      const final = await finalFigures(window.bench, sae, acts, training);
      const other = await week7Sae(window.bench, { weights });
      const plain = await trainWeek7(window.bench, other.sae, acts, { epochs, order, l0: "before" });
      await sae.dispose();
      await other.sae.dispose();
      return { training, plain, final, words: concludeTraining({ training, final }) };
    }, { epochs, seeds });
    assert.equal(training.steps, 4 * epochs);
    const apart = {};
    for (const key of ["loss", "recon", "sparsity", "l0", "l0Before"]) {
      const isCount = key.startsWith("l0");
      for (let epoch = 0; epoch < epochs; epoch++) {
        const difference = isCount ? Math.abs(training.history[key][epoch] - theirs[key][epoch]) : Math.abs(training.history[key][epoch] / theirs[key][epoch] - 1);
        apart[key] = Math.max(apart[key] ?? 0, difference);
      }
      assert.ok(apart[key] <= (isCount ? 0.1 : 1e-3), `${key}: ${apart[key]} apart`);
    }
    // One training call per step gives the history of one call for all.
    for (const [ours, single] of [["loss", "loss"], ["recon", "recon"], ["sparsity", "sparsity"], ["l0Before", "l0"]]) {
      plain.history[single].forEach((value, epoch) => closeNumber(`${ours} of epoch ${epoch}`, training.history[ours][epoch], value, 1e-3));
    }
    assert.deepEqual(training.lines.map(({ epoch }) => epoch), theirs.loss.map((_, i) => i).filter((i) => i % 10 === 0 && i < epochs));
    if (epochs === 100) {
      closeNumber("final recon", final.recon, cells["11"].recon, 1e-3);
      assert.ok(Math.abs(final.l0 - cells["11"].l0) < 0.1 && Math.abs(final.share - cells["11"].share) < 1e-3 && Math.abs(final.ev - cells["11"].ev) < 1e-5);
    }
    note(`largest differences over ${epochs} epochs: ${Object.entries(apart).map(([key, x]) => `${key} ${x.toExponential(1)}`).join(", ")}`);
    note(words);
  });

  cell("cells 11 and 12: the stored weights' quality, the most frequent features", async ({ lab, note }) => {
    const { quality, frequent, words } = await lab(async () => {
      const { concludeFrequent, mostFrequent } = await import("./labs/work/frequency.js");
      const frequent = await mostFrequent(window.bench, window.trained, window.found.acts);
      return { quality: await window.bench.lab.analysis.quality(window.trained, window.found.acts), frequent, words: concludeFrequent(frequent) };
    });
    const theirs = cells["11"].ofTheStoredWeights;
    closeNumber("l0", quality.all.l0, theirs.l0, 1e-3);
    variances("all", quality.all, theirs.all);
    variances("without position 0", quality.withoutPosition0, theirs.withoutPosition0);
    for (const side of ["all", "withoutPosition0"]) {
      assert.equal(frequent[side].length, 10);
      cells["12"][side].forEach(({ feature, frequency, magnitude }, i) => {
        const ours = frequent[side][i];
        assert.ok(Math.abs(ours.frequency - frequency) < 1e-6, `${side} ${i}: ${ours.frequency} against ${frequency}`);
        assert.equal(ours.feature, feature); // ties in the order of their numbers, as a stable argsort
        closeNumber(`magnitude of ${feature}`, ours.magnitude, magnitude, TOLERANCE);
      });
    }
    note(words);
  });

  cell("cells 13 to 15: examples in corpus order and sorted, the rule, the monosemanticity check", async ({ lab, note }) => {
    for (const theirs of cells["13-15"]) {
      const { found, guess, contrast, mono, words } = await lab(async ({ feature }) => {
        const [examples, rule, check, { uniform }] = await Promise.all(
          [import("./labs/work/corpus-examples.js"), import("./labs/work/feature-rule.js"), import("./labs/work/monosemanticity.js"), import("./labs/work/random.js")]);
        const { acts } = window.found;
        const found = await examples.maxActivating(window.bench, window.trained, acts, { feature });
        const all = (await examples.examplesOf(window.bench, acts, new Float32Array(acts.shape[0]), (await import("./labs/texts/week7.js")).WEEK7_TEXTS, false)).map(({ raw }) => raw);
        const mono = await check.monosemanticity(window.bench, window.trained, acts, { feature });
        if (uniform(0)() >= 1) throw new Error("not in [0, 1)");
        const contrast = rule.guessByContrast(found.sorted, all);
        return {
          found, mono, contrast, guess: rule.guessByRule(found.inCorpusOrder.map(({ raw }) => raw)),
          words: [examples.concludeExamples(found), contrast.words, check.concludeMonosemanticity(mono)],
        };
      }, { feature: theirs.feature });
      assert.deepEqual(found.inCorpusOrder.map(({ row, text, raw }) => ({ row, text, token: raw })), theirs.examples.map(({ row, text, token }) => ({ row, text, token })));
      found.inCorpusOrder.forEach(({ activation }, i) => closeNumber("activation", activation, theirs.examples[i].activation, TOLERANCE));
      found.sorted.forEach(({ activation }, i) => {
        const of = theirs.examples.find(({ row }) => row === theirs.sorted[i]); // rows of the same prefix are equal but for rounding
        closeNumber("sorted activation", activation, of.activation, TOLERANCE);
      });
      assert.equal(guess.rule, theirs.rule);
      assert.equal(found.active, theirs.active);
      assert.deepEqual(mono.active.map(({ row }) => row), theirs.rowsAboveThreshold);
      assert.deepEqual([mono.count, mono.distinctTokens, mono.atPosition0], [theirs.aboveThreshold, theirs.distinctTokens, theirs.atPosition0]);
      assert.equal(mono.drawn.length, Math.min(10, mono.count));
      assert.equal(mono.shown.length, Math.min(5, mono.count));
      assert.ok(contrast.words.length > 0);
      words.forEach(note);
    }
    const rules = await lab(async ({ lists }) => {
      const { guessByRule } = await import("./labs/work/feature-rule.js");
      return lists.map((tokens) => guessByRule(tokens).rule);
    }, { lists: cells["14"].rules.map(({ tokens }) => tokens) });
    assert.deepEqual(rules, cells["14"].rules.map(({ rule }) => rule));
  });

  cell("cell 16: the table before, and a feature multiplied with and without the error", async ({ lab, note }) => {
    for (const theirs of cells["16"].multiplied) {
      const { made, greedy, words } = await lab(async ({ feature }) => {
        const { concludeMultiply, multiplyFeature, multiplyGreedy } = await import("./labs/work/multiply-feature.js");
        const made = await multiplyFeature(window.bench, window.trained, { feature });
        return { made, greedy: await multiplyGreedy(window.bench, window.trained, { feature }), words: concludeMultiply(made) };
      }, { feature: theirs.feature });
      const same = (ours, reference) => {
        assert.deepEqual(ours.map(({ id, token }) => [id, token]), reference.map(({ id, token }) => [id, token]));
        reference.forEach(({ prob }, i) => assert.ok(Math.abs(ours[i].prob - prob) < 1e-5, `${ours[i].prob} against ${prob}`));
      };
      same(made.baseline, cells["16"].baseline);
      made.activations.forEach((x, i) => assert.ok(Math.abs(x - theirs.activations[i]) < 1e-4 * Math.max(1, x)));
      closeNumber("length of the change", made.added, theirs.added, 1e-3);
      for (const way of ["withError", "withoutError", "reconstructionOnly"]) {
        same(made[way].steered, theirs[way].top);
        assert.ok(Math.abs(made[way].kl - theirs[way].kl) < 1e-5 + 1e-3 * theirs[way].kl, `${way}: KL ${made[way].kl} against ${theirs[way].kl}`);
      }
      const prompt = cells["16"].text;
      assert.equal(greedy.plain, prompt + cells["16"].greedy.text);
      assert.equal(greedy.withError, prompt + theirs.withError.greedy.text);
      assert.equal(greedy.withoutError, prompt + theirs.withoutError.greedy.text);
      note(words);
    }
  }, false);

  cell("cell 17: a random vector, a contrast vector and a probe's direction, decomposed", async ({ lab, note }) => {
    const theirs = cells["17"];
    const { vectors, parts, random, words } = await lab(async ({ seed, given }) => {
      const { concludeDecompose, contrastVectors, decompose, randomVector } = await import("./labs/work/decompose.js");
      const vectors = await contrastVectors(window.bench);
      const parts = {};
      for (const [name, vector] of Object.entries(given)) parts[name] = await decompose(window.bench, window.trained, vector);
      return { vectors, parts, random: randomVector(96, seed), words: concludeDecompose({ ...parts, dSae: 384 }) };
    }, { seed: seeds.vector, given: Object.fromEntries(["random", "contrast", "probe"].map((name) => [name, numbers[`vectors/${name}`].data])) });
    close("random vector", { data: random, shape: [96] }, numbers["vectors/random"], 1e-6);
    closeRelative("contrast vector", { data: vectors.contrast.vector, shape: [96] }, numbers["vectors/contrast"], TOLERANCE);
    closeRelative("probe's direction", { data: vectors.probe.vector, shape: [96] }, numbers["vectors/probe"], 1e-3);
    closeNumber("cosine", vectors.cosine, theirs.cosineOfContrastAndProbe, 1e-3);
    assert.equal(vectors.probe.accuracy, theirs.probeAccuracy);
    closeNumber("accuracy along the contrast", vectors.contrast.accuracyAlong, theirs.accuracyAlong, 1e-9);
    for (const [name, ours] of Object.entries(parts)) {
      closeNumber("norm", ours.norm, theirs[name].norm, 1e-5);
      assert.equal(ours.active, theirs[name].active);
      closeNumber("error", ours.error, theirs[name].error, 1e-3);
      for (const list of ["features", "cosines"]) {
        assert.deepEqual(ours[list].map(({ feature }) => feature), theirs[name][list].map(({ feature }) => feature));
        theirs[name][list].forEach((entry, i) => closeNumber(list, ours[list][i].value ?? ours[list][i].cosine, entry.value ?? entry.cosine, TOLERANCE));
      }
    }
    note(`probe on left-out texts: ${vectors.probe.heldOut}`);
    note(words);
  });

  cell("cells 18 and 19: three capacities", async ({ lab, note }) => {
    const epochs = 20;
    const { results, plots, words } = await lab(async ({ seeds, epochs }) => {
      const [{ capacityPlots, capacitySweep, concludeCapacity }, { batchOrder }] = await Promise.all([import("./labs/work/capacity.js"), import("./labs/work/seeded.js")]);
      const { acts } = window.found;
      const results = await capacitySweep(window.bench, acts, {
        epochs, weights: (capacity) => window.weights(capacity, seeds.capacityWeights[Math.log2(capacity / 192)]), order: (i) => batchOrder(acts.shape[0], epochs, seeds.capacityOrder[i]),
      });
      return { results, plots: capacityPlots(results), words: concludeCapacity(results) };
    }, { seeds, epochs });
    cells["18"].forEach(({ capacity, recon, l0, sparsity }, i) => {
      assert.equal(results[i].capacity, capacity);
      closeNumber("recon", results[i].recon, recon, 1e-3);
      assert.ok(Math.abs(results[i].l0 - l0) < 0.1 && Math.abs(results[i].sparsity - sparsity) < 1e-3);
      assert.deepEqual([plots.recon[i].x, plots.active[i].y, plots.all[i].y], [capacity, results[i].l0, capacity]);
    });
    note(words);
  }, false);
}
