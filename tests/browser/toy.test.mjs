// Toy models of superposition in the browser: against torch, what they show, SAEs where the truth is known.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { closeNumber, closeRelative, json, tensors } from "./reference.mjs";

/** Part `k` along the first dimension. */
const part = ({ data, shape: [count, ...shape] }, k) => ({ data: data.slice((k * data.length) / count, ((k + 1) * data.length) / count), shape });

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  const options = { device, shared: true, timeout: 300_000 };

  test(`${device}: both models train as in torch, and their outputs, geometry and interference are torch's`, options, async ({ lab, quiet, note }) => {
    const [description, all] = [json("toy"), tensors("toy")];
    let largest = 0;
    for (const [number, described] of description.cases.entries()) {
      const named = (kind, k) => Object.fromEntries(described.weights.map((name) => [name, part(all[`case/${number}/${kind}/${name}`], k)]));
      const { model, nFeatures, nHidden, probabilities, importanceDecay, values, batchSize } = described;
      const each = probabilities.map((_, k) => k);
      const settings = {
        model, nFeatures, nHidden, probabilities, importanceDecay, values, batchSize, steps: description.steps, lr: description.lr, evalRows: 100,
        weights: each.map((k) => named("init", k)), batches: each.map((k) => part(all[`case/${number}/batches`], k)),
      };
      const sizes = described.interference.map(({ size }) => size);
      const { instances, made, lost } = await lab(async ({ lab, settings, rows, after, sizes }) => {
        const { instances } = await lab.toy.train(settings);
        const trained = after.map((weights) => ({ weights }));
        const made = await Promise.all(trained.map((instance) => lab.toy.reconstruct(instance, settings.model, rows)));
        const lost = await Promise.all(trained.map((instance) => lab.toy.interference(instance, settings.model, { sizes })));
        return { instances, made, lost };
      }, { settings, rows: all[`case/${number}/rows`], after: each.map((k) => named("after", k)), sizes });
      for (const [k, instance] of instances.entries()) {
        assert.equal(instance.probability, probabilities[k]);
        for (const [step, losses] of description.cases[number].losses.f64.entries()) {
          closeNumber(`loss ${step}`, instance.losses[step], losses[k], 1e-5);
          largest = Math.max(largest, Math.abs(instance.losses[step] / losses[k] - 1));
        }
        for (const name of described.weights) largest = Math.max(largest, closeRelative(name, instance.weights[name], part(all[`case/${number}/after/${name}`], k), 1e-5));
        assert.deepEqual(instance.weights.W_dec.shape, [nFeatures, nHidden]);
        for (const [i, value] of described.dimensionality[k].entries()) closeNumber("dimensionality", instance.dimensionality[i], value, 1e-5);
        for (const name of ["hidden", "outputs"]) closeRelative(name, made[k][name], part(all[`case/${number}/${name}`], k), 1e-6);
        for (const [n, theirs] of described.interference.entries()) {
          closeNumber("example", lost[k][n].example.error, theirs.first[k], 1e-6);
          closeNumber("mean", lost[k][n].mean, theirs.mean[k], 1e-6);
        }
      }
    }
    note(`losses and weights within ${largest.toExponential(1)}`);
    quiet();
  });

  test(`${device}: week 7's model stays at its PCA loss of 0.060, the paper's falls below 0.008`, options, async ({ lab, note }) => {
    const probabilities = Array(8).fill(0.1); // eight instances, each with random weights and data of its own
    const { week7, paper, lost, milliseconds } = await lab(async ({ lab, probabilities }) => {
      const start = performance.now();
      const week7 = await lab.toy.train({ probabilities });
      const between = performance.now();
      const paper = await lab.toy.train({ model: "relu-output", probabilities, steps: 1000 });
      const milliseconds = [between - start, performance.now() - between].map(Math.round);
      return { week7, paper, lost: await lab.toy.interference(week7.instances[0], "relu-hidden"), milliseconds };
    }, { probabilities });
    const last = (losses) => losses.slice(-50).reduce((a, b) => a + b, 0) / 50;
    for (const { losses, finalLoss, pcaLoss, zeroLoss } of week7.instances) {
      assert.equal(losses.length, 500);
      assert.ok(Math.abs(last(losses) - 0.06) < 0.002 && Math.abs(finalLoss - 0.06) < 0.002, `${last(losses)}, ${finalLoss}`);
      closeNumber("PCA", pcaLoss, 0.06, 1e-9);
      closeNumber("zero", zeroLoss, 0.1, 1e-9);
    }
    let pentagons = 0;
    for (const { finalLoss, zeroLoss, dimensionality, weights } of paper.instances) {
      assert.ok(finalLoss < 0.008, `${finalLoss}`);
      closeNumber("zero", zeroLoss, 0.1 / 3, 1e-9);
      const pentagon = dimensionality.every((d) => Math.abs(d - 0.4) < 0.03);
      pentagons += Number(pentagon);
      assert.ok(Math.abs(finalLoss - (pentagon ? 0.0053 : 0.0075)) < 0.0004, `${finalLoss}`);
      // W_dec is W transposed.
      assert.equal(weights.W_dec.data[2], weights.W.data[1]);
    }
    assert.ok(pentagons >= 4, `${pentagons}`);
    assert.deepEqual([lost[0].size, lost[0].subsets, lost[1].size, lost[1].subsets], [1, 5, 3, 10]);
    assert.deepEqual(lost[1].example.features, [0, 1, 2]);
    assert.deepEqual(lost[1].example.input, [1, 1, 1, 0, 0]);
    const finals = ({ instances }) => instances.map((i) => i.finalLoss.toFixed(4)).join(" ");
    note(`week 7 ${finals(week7)} in ${milliseconds[0]} ms; paper ${finals(paper)} (${pentagons} pentagons) in ${milliseconds[1]} ms`);
  });

  test(`${device}: eight sparsities at once, with progress, and other calls in between`, options, async ({ lab, note }) => {
    const done = await lab(async ({ lab }) => {
      const probabilities = Array.from({ length: 8 }, (_, k) => 100 ** (-k / 7));
      const steps = [];
      const settings = { model: "relu-output", nFeatures: 20, nHidden: 5, importanceDecay: 0.9, probabilities, batchSize: 500, steps: 1000, evalRows: 20_000 };
      let finished = false;
      const running = lab.toy.train({ ...settings, onProgress: (step) => steps.push(step) }).finally(() => (finished = true));
      await lab.memory();
      const between = !finished;
      const { instances, model, seed } = await running;
      const stop = new AbortController();
      const stopped = lab.toy.train({ ...settings, steps: 1_000_000, signal: stop.signal, onProgress: () => stop.abort() }).then(() => null, (e) => e.code);
      return { between, steps, model, seed, stopped: await stopped, again: (await lab.toy.train({ ...settings, steps: 1 })).instances.length,
        represented: instances.map(({ norms }) => norms.filter((n) => n > 0.5).length), losses: instances.map((i) => [i.finalLoss, i.pcaLoss, i.zeroLoss]) };
    });
    assert.ok(done.between, "another call was answered while it trained");
    assert.equal(done.stopped, "LAB-CANCELLED");
    assert.equal(done.again, 8);
    assert.deepEqual([done.model, done.seed], ["relu-output", 0]);
    const training = done.steps.filter((step) => step.phase === "toy");
    assert.deepEqual([training.at(-1).done, training.at(-1).total, training.at(-1).losses.length], [1000, 1000, 8]);
    assert.ok(training.every((step, k) => k === 0 || step.done >= training[k - 1].done));
    assert.equal(done.represented[0], 5);
    assert.ok(done.represented[7] >= 12 && done.represented.every((n, k) => k === 0 || n >= done.represented[k - 1] - 1), `${done.represented}`);
    for (const [final, , zero] of done.losses) assert.ok(final < 1.05 * zero);
    note(`features represented in five dimensions, from dense to sparse: ${done.represented.join(" ")}`);
  });

  test(`${device}: an SAE finds the directions of a world, and random ones score low`, options, async ({ lab, note }) => {
    const { scores, shapes, milliseconds } = await lab(async ({ lab }) => {
      const start = performance.now();
      const world = await lab.toy.world({ seed: 1 });
      const match = async (sae) => {
        const { W_dec } = await sae.weights();
        return lab.analysis.matchFeatures(W_dec, world.directions, { foundActs: await sae.encode(world.acts), truthActs: world.x });
      };
      const sae = await lab.createSae({ architecture: "standard", dIn: 10, dSae: 20, seed: 1 });
      const untrained = await match(sae);
      await sae.train(world.acts, { l1: 0.3, lr: 0.02, batchSize: 512, epochs: 5 });
      const trained = await match(sae);
      const random = { data: Float32Array.from({ length: 200 }, () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())), shape: [20, 10] };
      const chance = await lab.analysis.matchFeatures(random, world.directions);
      const shapes = [world.x.shape, world.acts.shape, world.directions.shape];
      return { scores: { untrained, trained, chance }, shapes, milliseconds: Math.round(performance.now() - start) };
    });
    assert.deepEqual(shapes, [[20_000, 20], [20_000, 10], [20, 10]]);
    const { trained, untrained, chance } = scores;
    note(`mcc ${trained.mcc.toFixed(3)}, f1 ${trained.f1.toFixed(3)} in ${milliseconds} ms; untrained ${untrained.mcc.toFixed(3)}, f1 ${untrained.f1.toFixed(3)}; random ${chance.mcc.toFixed(3)}`);
    assert.ok(trained.mcc > 0.9 && trained.f1 > 0.6 && trained.uniqueness > 0.8, JSON.stringify(trained));
    assert.ok(untrained.mcc < 0.72 && chance.mcc < 0.72 && untrained.f1 < 0.35);
    assert.ok(chance.f1 === undefined && chance.latents === undefined && trained.latents.precision > 0.5);
    assert.deepEqual(trained.pairs.map((pair) => pair.truth), Array.from({ length: 20 }, (_, t) => t));
  });

  test(`${device}: an SAE is trained on a toy model's hidden layer`, options, async ({ lab, note }) => {
    const { found, chance, shapes } = await lab(async ({ lab }) => {
      const { instances: [instance], model } = await lab.toy.train({ model: "relu-output", nFeatures: 20, nHidden: 10, probabilities: [0.05], batchSize: 500, steps: 1500, evalRows: 1000 });
      const { x, hidden, directions } = await lab.toy.sample({ instance, model, rows: 20_000, seed: 1 });
      const sae = await lab.createSae({ architecture: "standard", dIn: 10, dSae: 20, seed: 0 });
      await sae.train(hidden, { l1: 0.1, lr: 0.02, batchSize: 512, epochs: 5 });
      const found = await lab.analysis.matchFeatures((await sae.weights()).W_dec, directions, { foundActs: await sae.encode(hidden), truthActs: x, signed: true });
      const random = { data: Float32Array.from({ length: 200 }, () => Math.random() - 0.5), shape: [20, 10] };
      return { found, chance: await lab.analysis.matchFeatures(random, directions, { signed: true }), shapes: [x.shape, hidden.shape, directions.shape] };
    });
    assert.deepEqual(shapes, [[20_000, 20], [20_000, 10], [20, 10]]);
    note(`mcc ${found.mcc.toFixed(3)}, f1 ${found.f1.toFixed(3)}; random ${chance.mcc.toFixed(3)}`);
    assert.ok(found.mcc > 0.85 && found.f1 > 0.5 && chance.mcc < 0.72);
  });

  test(`${device}: what cannot be is refused in words`, options, async ({ lab, rejection, quiet }) => {
    const code = async (fn) => (await rejection(fn)).code;
    await lab(async ({ lab }) => (window.tiny5 = (await lab.toy.train({ steps: 1, batchSize: 2, evalRows: 2 })).instances[0]));
    const refusals = [
      [({ lab }) => lab.toy.train({ model: "linear" }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ features: 5 }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ probabilities: 0.1 }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ probabilities: [0.1, 2] }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ values: "cauchy" }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ nHidden: 0 }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ lr: 1e300 }), "LAB-NOT-FINITE"],
      [({ lab }) => lab.toy.train({ weights: [{ W_enc: 3 }] }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.train({ nFeatures: 6, weights: [window.tiny5.weights] }), "LAB-WIDTH-MISMATCH"],
      [({ lab }) => lab.toy.train({ batches: [{ data: [1, 2, 3, 4, 5], shape: [1, 1, 5] }] }), "LAB-WIDTH-MISMATCH"],
      [({ lab }) => lab.toy.reconstruct(window.tiny5, "relu-output", { data: [1, 0, 0, 0, 0], shape: [1, 5] }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.reconstruct(window.tiny5, "relu-hidden", { data: [1, 0], shape: [1, 2] }), "LAB-WIDTH-MISMATCH"],
      [({ lab }) => lab.toy.interference(window.tiny5, "relu-hidden", { sizes: [6] }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.interference({}, "relu-hidden"), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.sample({}), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.world({ correlation: 1 }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.toy.world({ rows: 1e9 }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.analysis.matchFeatures({ data: [1, 2], shape: [1, 2] }, { data: [1, 2, 3], shape: [1, 3] }), "LAB-WIDTH-MISMATCH"],
      [({ lab }) => lab.analysis.matchFeatures({ data: [1, 2], shape: [1, 2] }, { data: [1, 2], shape: [1, 2] }, { foundActs: { data: [1], shape: [1, 1] } }), "LAB-BAD-SETTING"],
      [({ lab }) => lab.analysis.matchFeatures(3, { data: [1, 2], shape: [1, 2] }), "LAB-BAD-SETTING"],
    ];
    for (const [fn, wanted] of refusals) assert.equal(await code(fn), wanted, String(fn));
    assert.match((await rejection(({ lab }) => lab.toy.train({ model: "linear" }))).message, /relu-hidden.*relu-output/);
    const tuple = await lab(async ({ lab }) => (await lab.toy.reconstruct(window.tiny5, "relu-hidden", { data: [1, 0, 0, 0, 0], shape: [1, 5] })).outputs.shape);
    assert.deepEqual(tuple, [1, 5]);
    quiet();
  });
}
