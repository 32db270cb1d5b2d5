// Lab C.4 and its solutions: what the compute modules of the pages give, against torch and TransformerLens on the same model
// (tests/reference/labs_c4.py). Starts, orders and random tokens are drawn by the same formulas on both sides.
//
// Tolerances: torch's f32 and f64 runs of these trainings stay within 1e-5 in the losses of 100 epochs (3e-5 for layer 2) and within 1e-3 in the number of
// active features, since a feature at the edge of zero may count or not. Ours may be as far apart on the other side: 1e-4 and 3e-3.

import assert from "node:assert/strict";
import { uniform, permutation } from "../../www/labs/work/random.js";
import { drawSequences } from "../../www/labs/work/c4-data.js";
import { test } from "./harness.mjs";
import { close, closeNumber, json, tensors } from "./reference.mjs";

const reference = json("labs_c4");
const stored = tensors("labs_c4");
const { dIn: D, dSae: N } = reference.sae;
const LOSS = 1e-4, ACTIVE = 3e-3;

/** The initial weights of labs_c4.py. */
function start(seed, torchBias) {
  const next = uniform(seed);
  const draw = (count, bound) => Float32Array.from({ length: count }, () => (2 * next() - 1) * bound);
  const W_enc = { data: draw(D * N, Math.sqrt(6 / D)), shape: [D, N] };
  return { W_enc, b_enc: { data: torchBias ? draw(N, 1 / Math.sqrt(D)) : new Float32Array(N), shape: [N] }, b_dec: { data: new Float32Array(D), shape: [D] } };
}

/** The order of batches of labs_c4.py. */
function order(seed, rows, epochs) {
  const next = uniform(seed);
  return Uint32Array.from(Array.from({ length: epochs }, () => [...permutation(rows, next)]).flat());
}

/** Weights after training, from the reference. */
const finished = (name) => Object.fromEntries(["W_enc", "b_enc", "b_dec"].map((key) => [key, stored[`${name}/${key}`]]));

/** The two may differ in the order of what is equal but for rounding. */
function sameFeatures(name, ours, theirs, value, tolerance) {
  for (const [i, entry] of theirs.entries()) {
    closeNumber(`${name} ${i}`, value(ours[i]), value(entry), tolerance);
    const tied = theirs.some((other, j) => j !== i && Math.abs(value(other) / value(entry) - 1) < 2 * tolerance);
    if (!tied) assert.equal(ours[i].feature, entry.feature, `${name} ${i}`);
  }
}

function sameHistory(name, ours, theirs, epochs) {
  let largest = 0;
  for (const [key, tolerance] of [["total", LOSS], ["recon", LOSS], ["sparsity", LOSS], ["fracNonzero", ACTIVE], ["nActive", ACTIVE]]) {
    assert.equal(ours[key].length, epochs);
    for (const [epoch, value] of ours[key].entries()) {
      closeNumber(`${name} ${key} of epoch ${epoch + 1}`, value, theirs[key][epoch], epoch < 10 && tolerance === ACTIVE ? LOSS : tolerance);
      if (tolerance === LOSS) largest = Math.max(largest, Math.abs(value / theirs[key][epoch] - 1));
    }
  }
  return largest;
}

/**
 * Puts on the page, once: `bench`, the exports of all modules as `work`, `rows()` for the data set of part 3, and `sae` with the reference's weights.
 * On WebGPU, which tests emulate on the processor, the last of the 50 random sequences has to do.
 */
const ready = (lab) => lab(async ({ lab, weights, ids }) => {
  if (window.sae) return;
  window.bench = { lab, model: await lab.loadModel("tiny") };
  const names = ["data", "sae", "training", "features", "heatmap", "steering", "sweep", "correlation", "layers", "neurons", "mistakes", "challenge"];
  window.work = Object.assign({}, ...(await Promise.all(names.map((name) => import(`./labs/work/c4-${name}.js`)))));
  let data;
  window.rows = () => (data ??= work.collectData(bench, lab.info.device === "cpu" ? {} : { ids }));
  window.sae = await work.makeSae(bench, { weights });
}, { weights: finished("lab"), ids: drawSequences({ count: 50, length: 20, minId: 256, maxId: 4094, seed: 0 }).slice(-1) });

for (const device of /** @type {const} */ (["cpu", "webgpu"])) {
  const options = { device, shared: true, timeout: 600_000 };
  const whole = device === "cpu";
  const epochs = whole ? 100 : 3;
  // Means, frequencies and correlations are the same however often all texts are repeated.
  const repeats = whole ? 10 : 1;

  test(`${device}: 000 c1–c4: device, model, sizes, forward pass`, options, async ({ lab }) => {
    await ready(lab);
    const ours = await lab(async ({ lab, weights }) => {
      const { model } = bench;
      const tied = await work.makeSae(bench, { weights });
      const untied = await work.makeSae(bench, { tied: false });
      const forward = await work.forwardTest(tied, { seed: 1 });
      return { device: lab.info.device, config: model.config, tied: work.describeSae(tied), untied: work.describeSae(untied), forward, said: work.concludeForward(forward) };
    }, { weights: start(99, false) });
    assert.equal(ours.device, device);
    assert.deepEqual([ours.config.nLayers, ours.config.dModel], [reference.model.layers, reference.model.dModel]);
    const { untiedParameters, ...sizes } = reference.sae;
    assert.deepEqual(ours.tied, sizes);
    assert.equal(ours.untied.parameters, untiedParameters);
    for (const key of ["inputShape", "featuresShape", "outputShape"]) assert.deepEqual(ours.forward[key], reference.forward[key]);
    assert.equal(ours.forward.min, reference.forward.min);
    for (const key of ["max", "error"]) closeNumber(key, ours.forward[key], reference.forward[key], 1e-5);
    closeNumber("fraction", ours.forward.fracActive, reference.forward.fracActive, 1e-4);
    assert.match(ours.said, /^50 % of the 384 features are active, as chance has it/);
  });

  test(`${device}: 000 c5–c7: shapes, mean and deviation of the data, random tokens`, options, async ({ lab, note }) => {
    await ready(lab);
    const ours = await lab(async ({ whole }) => {
      const data = await rows();
      const { all, prompts, ids } = data;
      const origins = await work.byOrigin(data);
      const result = {
        shape: prompts.shape, stats: prompts.stats, total: all.shape, allStats: all.stats, ids, rows: (await all.read()).data.slice(-20 * 96),
        marks: origins.random.reduce((sum, x) => sum + x, 0), groups: origins.groups, said: work.concludeData(all.stats, origins.groups), others: [],
      };
      for (const other of whole ? [{ position: "last" }, { position: "random" }, { position: "last", randomCount: 0 }, { randomBos: true }] : []) {
        const { all, handles } = await work.collectData(bench, other);
        result.others.push(all.shape);
        for (const handle of handles) await handle.dispose();
      }
      return result;
    }, { whole });
    const theirs = reference.data;
    assert.deepEqual([ours.shape, ours.total], [theirs.shape, whole ? theirs.totalShape : [theirs.shape[0] + 20, D]]);
    const [last] = theirs.lastShape, [random] = theirs.randomShape;
    assert.deepEqual(ours.others, [[last + random, D], [last + random, D], [last, D], [theirs.shape[0] + random + 50, D]].slice(0, whole ? 4 : 0));
    assert.ok(Math.abs(ours.stats.mean - theirs.mean) < 1e-6);
    closeNumber("standard deviation", ours.stats.std, theirs.std, 1e-5);
    close("the last random rows", { data: ours.rows, shape: [20, 96] }, stored.lastRandomRows, 1e-4);
    assert.equal(ours.marks, whole ? random : 20);
    if (!whole) return;
    assert.deepEqual(ours.ids[0], theirs.firstIds);
    assert.equal(ours.ids.flat().reduce((sum, id) => sum + id, 0), theirs.idSum);
    assert.equal(ours.allStats.distinctRows, theirs.distinctRows);
    const norm = (origin) => ours.groups.filter((group) => group.origin === origin).reduce((sum, { rows, meanNorm }) => sum + rows * meanNorm, 0);
    closeNumber("norm of random rows", norm("random") / 1000, theirs.randomMeanNorm, 1e-5);
    closeNumber("norm of the prompts' rows", norm("prompts") / theirs.shape[0], theirs.promptsMeanNorm, 1e-5);
    assert.match(ours.said, /^1,241 rows, of which 1,211 differ/);
    note(ours.said);
  });

  test(`${device}: 000 c8–c10: ${epochs} epochs of training, all five series`, options, async ({ lab, note }) => {
    await ready(lab);
    const ours = await lab(async ({ weights, order, epochs, whole }) => {
      const sae = await work.makeSae(bench, { weights });
      const data = await rows();
      const trained = await work.trainSae(bench, sae, whole ? data.all : data.prompts, whole ? { epochs, order } : { epochs, order, l1: 1e-4, batchSize: 64 });
      window.own = sae;
      return { trained, said: work.concludeTraining(trained) };
    }, { weights: start(whole ? 100 : 140, false), order: whole ? order(200, reference.data.totalShape[0], epochs) : order(240, reference.data.shape[0], epochs), epochs, whole });
    const { history, final } = reference.training;
    const largest = sameHistory("lab", ours.trained.history, whole ? history.f64 : reference.balance[0].history, epochs);
    note(`losses of ${epochs} epochs differ by ${largest.toExponential(1)}`);
    if (!whole) return;
    closeNumber("λ", ours.trained.lambda, 5e-4 / 4, 1e-12);
    assert.deepEqual(ours.trained.printed.map(({ epoch }) => epoch), [20, 40, 60, 80, 100]);
    assert.deepEqual([ours.trained.final.recon, ours.trained.final.nActive], [ours.trained.history.recon[99], ours.trained.history.nActive[99]]);
    closeNumber("error of all rows", ours.trained.quality.all.meanMse, final.f64.recon, LOSS);
    closeNumber("L0 of all rows", ours.trained.quality.all.l0, final.f64.nActive, ACTIVE);
    note(ours.said);
  });

  test(`${device}: 000 c11–c13: the twenty features and the examples of five`, options, async ({ lab, note }) => {
    await ready(lab);
    const ours = await lab(async ({ whole, features }) => {
      const data = await rows();
      const top = await work.topFeatures(bench, sae, data.all);
      const examples = await work.topExamples(bench, sae, data.prompts, features);
      const own = whole ? await work.topFeatures(bench, window.own, data.all) : null;
      return { top, examples, own, said: [work.concludeTop(top), work.concludeExamples(examples, data.prompts.stats.rows)] };
    }, { whole, features: reference.examples.map(({ feature }) => feature) });
    const score = (one) => one.meanActive * one.frequency;
    if (whole) sameFeatures("top", ours.top.features, reference.top, score, 1e-4);
    for (const [i, { meanActive, frequency }] of whole ? reference.top.entries() : []) {
      closeNumber(`mean ${i}`, ours.top.features[i].meanActive, meanActive, 1e-4);
      closeNumber(`frequency ${i}`, ours.top.features[i].frequency, frequency, 1e-3);
    }
    if (whole) sameFeatures("top after our own training", ours.own.features, reference.top, score, 1e-3);
    for (const [i, theirs] of reference.examples.entries()) {
      const one = ours.examples[i];
      assert.ok(Math.abs(one.active - theirs.active) <= 1 && one.examples.length === theirs.examples.length);
      for (const [j, example] of theirs.examples.entries()) {
        closeNumber(`example ${j} of F${theirs.feature}`, one.examples[j].activation, example.activation, 1e-4);
        const tied = theirs.examples.filter(({ activation }) => Math.abs(activation / example.activation - 1) < 1e-4);
        const last = j === theirs.examples.length - 1;
        if (tied.length === 1 && !last) assert.deepEqual([one.examples[j].text, one.examples[j].position, one.examples[j].token], [example.text, example.position, example.token]);
      }
    }
    if (whole) for (const said of ours.said) note(said);
  });

  test(`${device}: 000 c14: ten features on each of three prompts`, options, async ({ lab, note }) => {
    await ready(lab);
    const ours = await lab(async () => {
      const maps = await work.heatMaps(bench, sae);
      return { maps, said: work.concludeMaps(maps) };
    });
    for (const [n, theirs] of reference.heatmaps.entries()) {
      const { prompt, map } = ours.maps[n];
      assert.deepEqual([prompt, map.tokens, [...map.features]], [theirs.prompt, theirs.tokens, theirs.features]);
      close(prompt, map, stored[`heatmap/${n}`], 2e-4);
    }
    if (whole) note(ours.said);
  });

  test(`${device}: 000 c15–c16: greedy and steered texts, with the bias in the direction and without`, options, async ({ lab, note }) => {
    await ready(lab);
    const { steered: theirs, normal, prompt } = reference.steering;
    const ours = await lab(async ({ features, whole }) => {
      const data = await rows();
      const made = await work.steer(bench, sae, whole ? features : features.slice(0, 1), { control: whole });
      const directions = await work.directions(sae, features, data.all);
      return { made, directions, ranks: work.atRanks((await work.topFeatures(bench, sae, data.all)).features), said: [work.concludeSteering(made), work.concludeDirections(directions)] };
    }, { features: theirs.map(({ feature }) => feature), whole });
    if (whole) assert.deepEqual(ours.ranks, theirs.map(({ feature }) => feature));
    assert.equal(ours.made.prompt, prompt);
    assert.deepEqual(ours.made.baseline.newIds, normal.ids);
    assert.equal(`<|endoftext|>${ours.made.baseline.text}`, normal.text);
    for (const [n, entry] of theirs.entries()) {
      for (const kind of whole || n === 0 ? ["decode-one-hot-unit", "decoder-unit"] : []) {
        const one = ours.made.steered.find((made) => made.feature === entry.feature && made.kind === kind);
        assert.deepEqual(one.newIds, entry[kind].ids, `F${entry.feature} ${kind}`);
        assert.equal(one.text, entry[kind].text);
      }
      close(`kinds of F${entry.feature}`, ours.directions.kinds[n], { data: entry.kinds, shape: [3, 3] }, 1e-5);
    }
    for (const kind of ["decode-one-hot-unit", "decoder"]) close(`between ${kind}`, ours.directions.between[kind], { data: reference.steering[`between ${kind}`], shape: [3, 3] }, 1e-5);
    if (whole) for (const said of ours.said) note(said);
  });

  test(`${device}: mistake 3: features are not neurons`, options, async ({ lab, note }) => {
    await ready(lab);
    const ours = await lab(async () => {
      const neurons = await work.featuresAndNeurons(sae);
      return { ...neurons, said: work.concludeNeurons(neurons) };
    });
    for (const key of ["meanParticipation", "meanCosine"]) closeNumber(key, ours[key], reference.neurons[key], 1e-5);
    closeNumber("participation of F0", ours.features[0].participation, reference.neurons.first[0], 1e-5);
    // Of a Gaussian direction E[(Σw²)²] / E[Σw⁴] = (d + 2) / 3.
    closeNumber("a random direction", ours.randomParticipation, (D + 2) / 3, 0.05);
    if (whole) note(ours.said);
  });

  if (whole) {
    test(`${device}: 001 c3 and 000 c17: the sweep over three coefficients`, options, async ({ lab, note }) => {
    await ready(lab);
      const rows = reference.sweep.shape[0];
      const ours = await lab(async ({ weights, orders }) => {
        const sweep = await work.sparsitySweep(bench, { weightsOf: (run) => weights[run], orderOf: (run) => orders[run] });
        return { ...sweep, said: work.concludeSweep(sweep) };
      }, { weights: [110, 111, 112].map((seed) => start(seed, true)), orders: [210, 211, 212].map((seed) => order(seed, rows, 50)) });
      assert.deepEqual([ours.shape, ours.distinctRows], [reference.sweep.shape, reference.sweep.distinctRows]);
      sameTable(ours.rows, reference.sweep.rows);
      note(ours.said);
    });

    test(`${device}: mistake 2: coefficients of 1e-4, 1 and 1000`, options, async ({ lab, note }) => {
    await ready(lab);
      const ours = await lab(async ({ weights, order }) => {
        const sweep = await work.wrongBalance(bench, { epochs: 20, weightsOf: () => weights, orderOf: () => order });
        return { ...sweep, said: work.concludeBalance(sweep) };
      }, { weights: start(140, false), order: order(240, reference.data.shape[0], 20) });
      sameTable(ours.rows, reference.balance);
      note(ours.said);
    });
  }

  test(`${device}: 001 c4 and 000 c18: features that are active together`, options, async ({ lab, note }) => {
    await ready(lab);
    const ours = await lab(async ({ weights, repeats }) => {
      const { SOLUTION_PROMPTS, repeated } = await import("./labs/texts/c4.js");
      const acts = await bench.model.collect(repeated(SOLUTION_PROMPTS, repeats));
      const sae = await work.makeSae(bench, { weights });
      const { all, withoutPosition0, ...rest } = await work.correlate(bench, sae, acts);
      const few = await bench.lab.analysis.featureActs(sae, acts, { features: all.pairs.flatMap(({ a, b }) => [a, b]) });
      return { all, few, shape: acts.shape, said: work.concludeCorrelation({ all, withoutPosition0, ...rest }) };
    }, { weights: finished("correlation"), repeats });
    const theirs = reference.correlation;
    assert.equal(ours.all.active, theirs.active);
    assert.equal(ours.all.pairs.length, 10);
    for (const [i, pair] of ours.all.pairs.entries()) {
      assert.ok(Math.abs(pair.correlation - theirs.largest[i]) < 1e-4, `pair ${i}`);
      // Which of equal pairs come first is open; so each is computed again from its two columns.
      const column = (n) => Array.from({ length: ours.shape[0] }, (_, row) => ours.few.data[row * ours.few.shape[1] + n]);
      assert.ok(Math.abs(pearson(column(2 * i), column(2 * i + 1)) - pair.correlation) < 1e-4);
      assert.ok(pair.a < pair.b);
    }
    const names = (pairs) => pairs.map(({ a, b }) => `${a} ${b}`).sort();
    assert.deepEqual(names(ours.all.pairs.slice(0, 6)), names(theirs.pairs.slice(0, 6))); // six of 1.0, then a gap
    for (const [i, { correlation }] of ours.all.lowest.entries()) assert.ok(Math.abs(correlation - theirs.lowest[i]) < 1e-4);
    if (!whole) return;
    note(ours.said);
    const own = await lab(async ({ weights, order }) => {
      const { AUTOENCODER } = work;
      const { correlated, trained, sae, acts } = await work.correlationExercise(bench, { autoencoder: { ...AUTOENCODER, weights }, training: { ...work.SOLUTION_TRAINING, order } });
      await Promise.all([sae.dispose(), acts.dispose()]);
      return { correlated, all: trained.quality.all };
    }, { weights: start(120, true), order: order(220, reference.sweep.shape[0], 50) });
    closeNumber("recon", own.all.meanMse, theirs.final.f64.recon, LOSS);
    closeNumber("active", own.all.l0, theirs.final.f64.nActive, ACTIVE);
    assert.ok(Math.abs(own.correlated.all.pairs[0].correlation - theirs.largest[0]) < 1e-3 && Math.abs(own.correlated.all.active - theirs.active) <= 2);
  });

  test(`${device}: 001 c5 and 000 c19: two layers, and the last token of four prompts`, options, async ({ lab, note }) => {
    await ready(lab);
    const rows = reference.layers[0].shape[0];
    const ours = await lab(async ({ trained, weights, orders, whole, repeats }) => {
      const { SOLUTION_PROMPTS, repeated } = await import("./labs/texts/c4.js");
      const saes = [];
      for (const [n, layer] of [2, 10].entries()) {
        const sae = await work.makeSae(bench, { weights: trained[n] });
        const acts = await bench.model.collect(repeated(SOLUTION_PROMPTS, repeats), { hook: `blocks.${layer}.hook_resid_post` });
        const { features } = await bench.lab.analysis.topFeatures(sae, acts, { k: 5, by: "mean" });
        saes.push({ layer, sae, shape: acts.shape, top: features, l0: (await work.judge(bench, sae, acts)).all.l0 });
      }
      const last = await work.comparePrompts(bench, saes);
      const done = { last, saes: saes.map(({ sae, ...rest }) => rest), said: [work.concludePrompts(last)] };
      if (!whole) return done;
      const sweep = await work.layerSweep(bench, { weightsOf: (run) => weights[run], orderOf: (run) => orders[run] });
      return { ...done, sweep: sweep.map(({ sae, ...rest }) => rest), lastOfOwn: await work.comparePrompts(bench, sweep), said: [...done.said, work.concludeLayers(sweep)] };
    }, { trained: ["layer2", "layer10"].map(finished), weights: [130, 131].map((seed) => start(seed, true)), orders: whole ? [230, 231].map((seed) => order(seed, rows, 50)) : [], whole, repeats });
    const check = (name, results, last, tolerance) => {
      for (const [n, theirs] of reference.layers.entries()) {
        assert.deepEqual([results[n].layer, results[n].shape[0]], [theirs.layer, (theirs.shape[0] * repeats) / 10]);
        sameFeatures(`${name}, layer ${theirs.layer}`, results[n].top, theirs.top.map((feature, i) => ({ feature, mean: theirs.means[i] })), ({ mean }) => mean, tolerance);
        closeNumber(`${name}, average active`, results[n].averageActive ?? results[n].l0, theirs.averageActive, tolerance === 1e-4 ? 1e-3 : ACTIVE);
        if (results[n].recon !== undefined) closeNumber(`${name}, recon`, results[n].recon, theirs.final.f64.recon, LOSS);
      }
      for (const [i, theirs] of reference.lastTokens.entries()) {
        assert.deepEqual([last[i].prompt, last[i].layer, last[i].feature], [theirs.prompt, theirs.layer, theirs.feature], name);
        closeNumber(`${name}, strongest`, last[i].value, theirs.value, tolerance);
        assert.ok(Math.abs(last[i].nActive - theirs.nActive) <= 1, `${name}: ${last[i].nActive} active against ${theirs.nActive}`);
      }
    };
    check("finished weights", ours.saes, ours.last, 1e-4);
    if (whole) check("our own training", ours.sweep, ours.lastOfOwn, 2e-3);
    if (whole) for (const said of ours.said) note(said);
  });
}

/** The table of a sweep, from the final weights. */
function sameTable(ours, theirs) {
  assert.equal(ours.length, theirs.length);
  for (const [i, { coefficient, final }] of theirs.entries()) {
    assert.equal(ours[i].coefficient, coefficient);
    closeNumber(`recon at ${coefficient}`, ours[i].recon, final.f64.recon, LOSS);
    closeNumber(`l1 at ${coefficient}`, ours[i].l1, final.f64.sparsity, LOSS);
    closeNumber(`active at ${coefficient}`, ours[i].nActive, final.f64.nActive, ACTIVE);
  }
}

function pearson(x, y) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [a, b] = [mean(x), mean(y)];
  const dot = (u, v, m, n) => u.reduce((sum, value, i) => sum + (value - m) * (v[i] - n), 0);
  return dot(x, y, a, b) / Math.sqrt(dot(x, x, a, a) * dot(y, y, b, b));
}

test("cpu: mistake 1: one prompt is too little data", { device: "cpu", shared: true, timeout: 600_000 }, async ({ lab, note }) => {
  await ready(lab);
  const ours = await lab(async () => {
    const sizes = await work.tooLittleData(bench, { steps: 150 });
    return { ...sizes, said: work.concludeLittleData(sizes) };
  });
  const { few, many } = ours;
  assert.deepEqual([few.prompts, few.rows === few.distinctRows, many.prompts, many.rows], [1, true, 26, reference.data.shape[0]]);
  assert.ok(few.train.meanMse < 0.1 * few.elsewhere.meanMse, JSON.stringify([few.train.meanMse, few.elsewhere.meanMse]));
  assert.ok(many.elsewhere.meanMse < few.elsewhere.meanMse);
  assert.match(ours.said, /^Trained on 1 prompt/);
  note(ours.said);
});

test("cpu: the challenge: a wide autoencoder on a stream, and the four concepts", { device: "cpu", shared: true, timeout: 600_000 }, async ({ lab, note }) => {
  await ready(lab);
  const ours = await lab(async () => {
    const { CONCEPTS } = await import("./labs/texts/concepts.js");
    const texts = CONCEPTS.flatMap(({ pairs }) => pairs.flat());
    const entries = [];
    const wide = await work.trainWide(bench, texts, { tokens: 8192, batchSize: 256, bufferRows: 1024, entryEvery: 8, l1: 0.5, onEntry: (entry) => entries.push(entry.epoch) });
    const found = await work.findConcepts(bench, wide.sae, { k: 3 });
    const { sae, ...rest } = wide;
    return {
      ...rest, entries, dSae: sae.config.dSae, found, pairs: CONCEPTS.map(({ id, pairs }) => [id, pairs.length, new Set(pairs.flat()).size]),
      said: [work.concludeWide({ ...rest, dSae: sae.config.dSae }), work.concludeConcepts(found)],
    };
  });
  assert.equal(ours.dSae, 8 * D);
  assert.deepEqual(ours.entries, ours.history.map(({ epoch }) => epoch));
  assert.ok(ours.history.length >= 4 && ours.history.at(-1).recon < ours.history[0].recon);
  for (const [id, pairs, texts] of ours.pairs) assert.ok(pairs >= 24 && texts === 2 * pairs, id);
  for (const { concept, features, chance, texts } of ours.found) {
    assert.equal(texts, 24);
    assert.ok(features.length === 3 && features[0].auroc >= features[1].auroc && features[0].auroc <= 1, concept.id);
    assert.ok(features.every(({ heldOut }) => heldOut !== null && heldOut >= 0 && heldOut <= 1));
    assert.ok(chance > 0.5 && chance <= 1);
  }
  // Code and prose differ in nearly every token.
  const [code] = ours.found;
  assert.ok(code.features[0].auroc > 0.9 && code.features[0].heldOut > 0.7, JSON.stringify(code.features[0]));
  for (const said of ours.said) note(said);
});

test("cpu: sentences under sweeps follow the numbers", { device: "cpu", shared: true }, async ({ lab }) => {
  await ready(lab);
  const said = await lab(async () => {
    const row = (coefficient, nActive, recon, ev, l1 = 0.2) => ({ coefficient, lambda: coefficient / 4, recon, l1, nActive, fracActive: nActive / 384, deadLatents: 0, ev, evWithoutPosition0: ev, nActiveWithoutPosition0: nActive, evHeldOut: null });
    const sweep = (...rows) => work.concludeSweep({ rows, dSae: 384, dIn: 96 });
    const balance = (...rows) => work.concludeBalance({ rows, dSae: 384, dIn: 96 });
    const token = (prompt, feature, end) => ({ name: "", prompt, token: end, layer: 2, nActive: 90, feature, value: 1 });
    return {
      same: sweep(row(1e-2, 101, 0.03, 0.99), row(1e-3, 99, 0.03, 0.99), row(1e-4, 100, 0.03, 0.99)),
      clear: sweep(row(1e-4, 150, 0.03, 0.99), row(10, 15, 0.2, 0.9), row(1000, 0.4, 2, 0)),
      falls: sweep(row(1e-4, 150, 0.03, 0.99), row(1, 100, 0.02, 0.99)),
      none: sweep(row(1e-4, 150, 0.03, 0.99), row(1, 100, 0.02, 0.99), row(10, 140, 0.02, 0.99)),
      one: sweep(row(1, 100, 0.02, 0.99)),
      harmless: balance(row(1e-4, 98, 0.9, 0.9), row(1, 94, 0.9, 0.9), row(1000, 0, 5, -0.1)),
      harmful: balance(row(1e-4, 98, 0.9, 0.9), row(1, 0.2, 4, 0)),
      everywhere: work.concludePrompts([token("a!", 3, "!"), token("b?", 3, "?")]),
      own: work.concludePrompts([token("a b", 3, " b"), token("c d", 4, " d")]),
    };
  });
  assert.match(said.same, /^All three coefficients leave between 99 and 101 of 384 features active: no visible effect\. At 0\.01 the penalty is only 6\.7 % of the reconstruction loss\. Raise the coefficient by factors of ten, up to 1000\.$/);
  assert.match(said.clear, /the larger the coefficient, the fewer features are active and the worse the reconstruction\. From 1000 on .* Sparse and still explaining most: 10 \(15 active, 0\.90 of the variance\)\.$/);
  assert.match(said.falls, /did not get worse at every step/);
  assert.match(said.none, /not in one direction/);
  assert.match(said.one, /^One coefficient shows no trend/);
  assert.match(said.harmless, /it is not too high at all\. At 1000, the autoencoder is silent/);
  assert.match(said.harmful, /hardly any feature is active \(0\.2 of 384\), as the notebook says/);
  assert.match(said.everywhere, /F3 is the strongest on all 2 prompts, so it tells none of them apart.*last token alone/);
  assert.match(said.own, /each prompt has a strongest feature of its own\.$/);
});
