// Chapter 9 cell by cell on the tiny model: every figure that the notebook prints, from the labs' work modules, against
// TransformerLens and SAELens (tests/reference/labs_chapter9.py). Activations agree to 1e-4 of their size, counts and orders exactly.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { closeNumber, json } from "./reference.mjs";

const expected = json("labs_chapter9");
const { cells, exercises } = expected;
const TOLERANCE = 1e-4;

/** Explained variances, whose errors are of 1 − x. */
function sameVariances(name, ours, theirs) {
  closeNumber(`${name} mse`, ours.meanMse, theirs.mse, TOLERANCE);
  for (const key of ["evGlobal", "evPerDimension", "evLegacy", "evDictionaryLearning"]) assert.ok(Math.abs(ours[key] - theirs[key]) < 1e-5, `${name} ${key}: ${ours[key]} against ${theirs[key]}`);
}

/** Opens the model and the shipped SAE once for all tests of the page. */
const open = (lab) =>
  lab(async ({ lab }) => {
    window.bench ??= { lab, model: await lab.loadModel("tiny") };
    window.sae ??= await lab.loadSae({ baseUrl: new URL("models/saes/tiny/blocks.8.hook_resid_pre_768/", document.baseURI) });
  });

for (const device of /** @type {const} */ (["cpu", "webgpu"])) {
  const options = { device, shared: true, timeout: 300_000 };
  // On WebGPU a subset: where the GPU is emulated, compiling for each new shape takes longer than all else.
  const cell = (name, run, everywhere = true) => (device === "cpu" || everywhere) && test(`${device}: chapter 9, ${name}`, options, async (session) => {
    await open(session.lab);
    await run(session);
  });

  cell("cells 3 to 8: sizes, tokens, shapes, sparsity", async ({ lab, note }) => {
    const { sizes, found, words } = await lab(async () => {
      const { concludeSparsity, extract, sizes } = await import("./labs/work/extract.js");
      const found = await extract(window.bench, window.sae);
      return { sizes: sizes(window.bench, window.sae), found, words: concludeSparsity(found) };
    });
    const { parameters, ...rest } = sizes;
    assert.deepEqual(rest, cells["3-4"]);
    const theirs = cells["5-8"];
    assert.equal(found.text, theirs.text);
    assert.deepEqual(found.ids, theirs.ids);
    assert.deepEqual(found.tokens, theirs.tokens);
    assert.deepEqual(found.activationShape, theirs.activationShape);
    assert.deepEqual(found.featureShape, theirs.featureShape);
    assert.deepEqual(found.sparsity.active, theirs.active);
    for (const [ours, reference] of [[found.sparsity, theirs], [found.withoutPosition0, theirs.withoutPosition0]]) {
      closeNumber("mean active", ours.meanActive, reference.meanActive, 1e-6);
      closeNumber("sparsity", ours.sparsity, reference.sparsity, 1e-6);
    }
    note(words);
  });

  cell("cells 9 and 10: top 3 per token, the most active feature", async ({ lab, note }) => {
    const { rows, both, words } = await lab(async () => {
      const [{ extract }, { concludeMostActive, mostActiveBoth, topPerToken }] = await Promise.all([import("./labs/work/extract.js"), import("./labs/work/per-token.js")]);
      const found = await extract(window.bench, window.sae);
      const both = mostActiveBoth(found);
      return { rows: topPerToken(found), both, words: concludeMostActive(both) };
    });
    assert.equal(rows.length, cells["9"].length);
    for (const [i, { token, features }] of cells["9"].entries()) {
      assert.equal(rows[i].token, token);
      assert.deepEqual(rows[i].features.map(({ feature }) => feature), features.map(({ feature }) => feature));
      features.forEach(({ value }, k) => closeNumber(`${token} ${k}`, rows[i].features[k].value, value, TOLERANCE));
    }
    for (const name of ["all", "withoutPosition0"]) {
      const { activation, ...where } = cells["10"][name];
      closeNumber(name, both[name].activation, activation, TOLERANCE);
      assert.deepEqual({ ...both[name], activation: 0 }, { ...where, activation: 0 });
    }
    note(words);
  });

  cell("cell 11: one feature on six texts, and its bars", async ({ lab, note }) => {
    for (const { feature, rows: theirs } of cells["11"]) {
      const { rows, bars, words } = await lab(async ({ feature }) => {
        const { barLengths, concludeBars, featureOnTexts } = await import("./labs/work/activation-bars.js");
        const rows = await featureOnTexts(window.bench, window.sae, { feature });
        return { rows, bars: barLengths(rows.map(({ all }) => all.activation)), words: concludeBars({ feature, rows }) };
      }, { feature });
      assert.deepEqual(rows.map(({ text }) => text), theirs.map(({ text }) => text));
      for (const [i, { activation, position, bar, withoutPosition0 }] of theirs.entries()) {
        for (const [ours, reference] of [[rows[i].all, { activation, position }], [rows[i].withoutPosition0, withoutPosition0]]) {
          assert.ok(Math.abs(ours.activation - reference.activation) <= TOLERANCE * Math.max(reference.activation, 1), rows[i].text);
          if (reference.activation > 0) assert.equal(ours.position, reference.position);
        }
        assert.equal(bars.notebook[i], bar);
      }
      assert.equal(Math.max(...bars.scaled), 20);
      note(words);
    }
  });

  cell("cell 12: MSE and four explained variances", async ({ lab, note }) => {
    const { found, table, words } = await lab(async () => {
      const { concludeReconstruction, explainedVariances, reconstruction } = await import("./labs/work/reconstruction.js");
      const found = await reconstruction(window.bench, window.sae);
      return { found, table: explainedVariances(found), words: concludeReconstruction(found) };
    });
    closeNumber("the notebook's MSE", found.all.meanMse, cells["12"].mse, TOLERANCE);
    assert.ok(Math.abs(found.all.evGlobal - cells["12"].ev) < 1e-5);
    sameVariances("all", found.all, cells["12"].all);
    sameVariances("without position 0", found.withoutPosition0, cells["12"].withoutPosition0);
    assert.deepEqual(table.map(({ key }) => key), ["evPerDimension", "evGlobal", "evLegacy", "evDictionaryLearning"]);
    note(words);
  });

  cell("cells 13 to 15: steering, greedy and what samples are drawn from, and the address", async ({ lab, note }) => {
    const { WHY_IT_BROKE: why } = await lab(async () => ({ WHY_IT_BROKE: (await import("./labs/work/feature-steering.js")).WHY_IT_BROKE }));
    assert.equal(why.error, cells["13"].asWritten.error);
    assert.equal(cells["13"].asWritten.generateReturned, "str");
    const { prompt, plain, steered } = cells["14"];
    for (const { feature, strength, ...theirs } of device === "cpu" ? steered : steered.slice(0, 1)) {
      const { samples, next, words } = await lab(async ({ options }) => {
        const { concludeSteering, nextTokens, steeringSamples } = await import("./labs/work/feature-steering.js");
        const samples = await steeringSamples(window.bench, window.sae, { ...options, samples: 1 });
        const next = await nextTokens(window.bench, window.sae, options);
        return { samples, next, words: concludeSteering({ samples, next, ...options }) };
      }, { options: { feature, strength } });
      assert.equal(samples.prompt, prompt);
      assert.deepEqual(samples.greedyIds, { plain: plain.ids, steered: theirs.ids });
      assert.deepEqual(samples.greedy, { plain: plain.text, steered: theirs.text });
      for (const [ours, reference] of [[next.plain, plain.top], [next.steered, theirs.top]]) {
        assert.deepEqual(ours.map(({ id, token }) => [id, token]), reference.map(({ id, token }) => [id, token]));
        reference.forEach(({ prob }, i) => assert.ok(Math.abs(ours[i].prob - prob) < 1e-5));
      }
      assert.deepEqual(next.shifts.map(({ id }) => id), theirs.shifts.map(({ id }) => id));
      theirs.shifts.forEach((shift, i) => assert.ok(Math.abs(next.shifts[i].steered - shift.steered) < 1e-5 && Math.abs(next.shifts[i].plain - shift.plain) < 1e-5));
      closeNumber("KL", next.kl, theirs.kl, 1e-3);
      for (const [key, value] of Object.entries(theirs.norms)) closeNumber(key, samples.norms[key], value, TOLERANCE);
      note(words);
    }
    const pages = await lab(async ({ feature }) => {
      const { featurePage, neuronpediaUrl } = await import("./labs/work/neuronpedia.js");
      return { url: neuronpediaUrl(feature), page: featurePage(window.sae, feature) };
    }, { feature: cells["15"].feature });
    assert.equal(pages.url, cells["15"].url);
    assert.equal(pages.page.url, null);
  });

  cell("samples are drawn from that distribution", async ({ lab, note }) => {
    const { feature, strength, top } = cells["14"].steered[0];
    const draws = 300;
    const counts = await lab(async ({ feature, strength, prompt, draws }) => {
      const steer = [{ hook: "blocks.8.hook_resid_pre", sae: window.sae, feature, strength, direction: "decoder" }];
      const seen = {};
      for (let seed = 0; seed < draws; seed += 1) {
        const { newIds: [id] } = await window.bench.model.generate(prompt, { maxNewTokens: 1, temperature: 0.7, seed, steer });
        seen[id] = (seen[id] ?? 0) + 1;
      }
      return seen;
    }, { feature, strength, prompt: cells["14"].prompt, draws });
    for (const { id, token, prob } of top.slice(0, 4)) {
      const share = (counts[id] ?? 0) / draws;
      assert.ok(Math.abs(share - prob) < 4 * Math.sqrt((prob * (1 - prob)) / draws) + 1e-9, `${token}: drawn ${share}, expected ${prob}`);
    }
    note(`${draws} first tokens, the likeliest: ${top.slice(0, 3).map(({ id, prob }) => `${((counts[id] ?? 0) / draws).toFixed(3)} for ${prob.toFixed(3)}`).join(", ")}`);
  }, false);

  cell("exercise 1: a code feature, and the check of an answer", async ({ lab, note }) => {
    const { ranking, heldOut } = exercises["1"];
    const { ranked, checked } = await lab(async ({ features }) => {
      const { checkCodeFeature, rankCodeFeatures } = await import("./labs/work/code-feature.js");
      const ranked = await rankCodeFeatures(window.bench, window.sae, { k: 40 });
      const checked = [];
      for (const feature of features) checked.push(await checkCodeFeature(window.bench, window.sae, feature));
      return { ranked, checked };
    }, { features: [...heldOut.map(({ feature }) => feature), 768] });
    ranking.forEach(({ auroc }, i) => closeNumber(`rank ${i}`, ranked.features[i].auroc, auroc, 1e-9));
    assert.deepEqual(ranked.features.filter(({ auroc }) => auroc === 1).map(({ feature }) => feature).sort(), ranking.filter(({ auroc }) => auroc === 1).map(({ feature }) => feature).sort());
    for (const [i, theirs] of heldOut.entries()) {
      const { accepted, words, separation } = checked[i];
      closeNumber("held-out AUROC", separation.auroc, theirs.auroc, 1e-9);
      assert.equal(accepted, theirs.auroc >= 0.9, words);
      assert.ok(Math.abs(separation.tokenAuroc - theirs.tokenAuroc) < 1e-3);
      for (const side of ["code", "prose"]) separation[side].forEach((x, t) => assert.ok(Math.abs(x - theirs[side][t]) < 1e-4 * Math.max(1, x)));
      for (const key of ["meanCode", "meanProse", "frequencyCode", "frequencyProse"]) assert.ok(Math.abs(separation[key] - theirs[key]) < 1e-5, key);
      note(words);
    }
    assert.ok(heldOut.some(({ auroc }) => auroc >= 0.9));
    assert.equal(checked.at(-1).accepted, false);
    assert.match(checked.at(-1).words, /0 to 767/);
  }, false);

  cell("exercise 3: sparsity against reconstruction", async ({ lab, note }) => {
    const theirs = exercises["3"];
    const { texts, levels, words } = await lab(async () => {
      const { acrossLevels, acrossTexts, concludeTradeOff } = await import("./labs/work/trade-off.js");
      const [texts, levels] = [await acrossTexts(window.bench, window.sae), await acrossLevels(window.bench, window.sae)];
      return { texts, levels, words: concludeTradeOff({ texts, levels }) };
    });
    assert.equal(texts.points.length, theirs.points.length);
    for (const [i, point] of theirs.points.entries()) {
      const ours = texts.points[i];
      assert.equal(ours.text, point.text);
      closeNumber("l0", ours.l0, point.l0, 1e-9);
      closeNumber("l0 without position 0", ours.withoutPosition0.l0, point.l0WithoutPosition0, 1e-9);
      assert.ok(Math.abs(ours.ev - point.all.evGlobal) < 1e-5 && Math.abs(ours.withoutPosition0.ev - point.withoutPosition0.evPerDimension) < 1e-5);
      closeNumber("mse", ours.mse, point.all.mse, TOLERANCE);
    }
    closeNumber("rank correlation", texts.correlation, theirs.correlation, 1e-9);
    closeNumber("without position 0", texts.correlationWithoutPosition0, theirs.correlationWithoutPosition0, 1e-9);
    assert.deepEqual(levels.map(({ k }) => k), theirs.levels.map(({ k }) => k));
    for (const [i, { l0, ev, mse }] of theirs.levels.entries()) {
      closeNumber("l0", levels[i].l0, l0, 1e-9);
      closeNumber("mse", levels[i].mse, mse, TOLERANCE);
      assert.ok(Math.abs(levels[i].ev - ev) < 1e-5);
    }
    note(words);
  });
}

test("cpu: chapter 9, exercise 2: two layers trained alike", { device: "cpu", shared: true, timeout: 300_000 }, async ({ lab, note }) => {
  await open(lab);
  const { texts, dSae, epochs, batchSize, l1, lr, seeds, runs } = exercises["2"];
  for (const { normalizeActivations, layers, matching } of runs) {
    const { pair, words } = await lab(async ({ settings, seeds, dSae, rows }) => {
      const [{ compareLayers, concludeLayers }, { normals }, { batchOrder }] = await Promise.all([import("./labs/work/layer-pair.js"), import("./labs/work/random.js"), import("./labs/work/seeded.js")]);
      const scaled = (seed, width) => normals(96 * dSae, seed).map((x) => x / Math.sqrt(width));
      const weights = (n) => ({
        W_enc: { data: scaled(seeds.weights[n], 96), shape: [96, dSae] }, b_enc: { data: new Float32Array(dSae), shape: [dSae] },
        W_dec: { data: scaled(seeds.weights[n] + 1, dSae), shape: [dSae, 96] }, b_dec: { data: new Float32Array(96), shape: [96] },
      });
      const pair = await compareLayers(window.bench, { ...settings, weightsOf: weights, order: batchOrder(rows, settings.epochs, seeds.order) });
      return { pair, words: concludeLayers(pair) };
    }, { settings: { texts, epochs, batchSize, l1, lr, normalizeActivations }, seeds, dSae, rows: layers[0].rows });
    for (const [ours, theirs] of [[pair.a, layers[0]], [pair.b, layers[1]]]) {
      assert.equal(ours.layer, theirs.layer);
      closeNumber("mean norm", ours.meanNorm, theirs.meanNorm, 1e-5);
      theirs.losses.forEach((loss, epoch) => closeNumber(`loss of epoch ${epoch}`, ours.history[epoch].total, loss, 1e-4));
      closeNumber("l0", ours.all.l0, theirs.l0, 2e-3);
      closeNumber("l0 without position 0", ours.withoutPosition0.l0, theirs.l0WithoutPosition0, 2e-3);
      for (const [figures, reference] of [[ours.all, theirs.all], [ours.withoutPosition0, theirs.withoutPosition0]]) {
        for (const key of ["evGlobal", "evPerDimension", "evLegacy", "evDictionaryLearning"]) assert.ok(Math.abs(figures[key] - reference[key]) < 1e-4, key);
      }
      closeNumber("mean density", ours.all.fracActive, theirs.meanDensity, 2e-3);
      assert.ok(Math.abs(ours.all.deadLatents - theirs.dead) <= 1);
    }
    for (const key of ["mean", "median", "matched", "sameNumber"]) assert.ok(Math.abs(pair.matching[key] - matching[key]) < 1e-4, key);
    matching.first.forEach(({ feature, cosine }, i) => {
      assert.equal(pair.matching.features[i], feature);
      closeNumber("cosine", pair.matching.cosines[i], cosine, 1e-3);
    });
    note(words);
  }
  const { pair, words } = await lab(async () => {
    const { compareLoaded, concludeLayers } = await import("./labs/work/layer-pair.js");
    const pair = await compareLoaded(window.bench, { sae: window.sae, layer: 8 }, { sae: window.sae, layer: 8 });
    return { pair, words: concludeLayers(pair) };
  });
  assert.deepEqual(pair.a, pair.b);
  closeNumber("an SAE matches itself", pair.matching.mean, 1, 1e-5);
  assert.match(words, /equally sparse/);
});

test("cpu: conclusions follow from the numbers, at their ends too", { device: "cpu", shared: true, timeout: 60_000 }, async ({ lab }) => {
  const said = await lab(async () => {
    const names = ["activation-bars", "capacity", "code-feature", "decompose", "feature-steering", "layer-pair", "monosemanticity", "multiply-feature", "per-token", "reconstruction", "trade-off", "week7-training"];
    const all = Object.assign({}, ...(await Promise.all(names.map((name) => import(`./labs/work/${name}.js`)))));
    const peak = (activation, position = 3) => ({ activation, position, token: "a" });
    const row = (x, y, position) => ({ text: "t", all: peak(x, position), withoutPosition0: peak(y) });
    const next = (kl) => ({ temperature: 1, plain: [], steered: [{ id: 1, token: " a", prob: 0.5 }], shifts: [{ id: 1, token: " a", plain: 0.5, steered: 0.5 }], kl });
    const samples = { greedy: { plain: "a", steered: "a" }, norms: { direction: 1, added: 5, residual: 100 } };
    const multiplied = (activations, kl) => ({ feature: 3, alpha: 5, activations, baseline: [{ id: 1, token: " a", prob: 0.5 }], withError: next(kl), withoutError: next(2 * kl), reconstructionOnly: next(2 * kl) });
    const size = (capacity, recon, sparsity) => ({ capacity, recon, l0: sparsity * capacity, sparsity, distinctRows: 1000 });
    const parts = (active, cosine) => ({ norm: 1, active, features: [{ feature: 1, value: 1 }], error: 0.1, share: 0.1, topShare: 1, cosines: [{ feature: 1, cosine }] });
    const training = (share) => ({ training: { history: { loss: [2, 1], recon: [1, 1], sparsity: [1, 0.01], l0: [100, 100 * share], l0Before: [100, 90] }, dSae: 200, l1: 1e-3 },
      final: { recon: 1, l0: 200 * share, share, ev: 0.9, evPerDimension: 0.8, reconAll: 1, l0All: 10, evWithoutPosition0: null } });
    return {
      silent: all.concludeBars({ feature: 1, rows: [row(0, 0, 0), row(0, 0, 0)] }),
      equal: all.concludeBars({ feature: 1, rows: [row(7, 0, 0), row(7, 0, 0)] }),
      weak: all.concludeSteering({ samples, next: next(1e-5), feature: 1, strength: 5 }),
      inactive: all.concludeMultiply(multiplied([0, 0], 0)),
      invisible: all.concludeMultiply(multiplied([1, 0], 1e-5)),
      worse: all.concludeCapacity([size(192, 0.1, 0.5), size(384, 0.2, 0.2)]),
      alone: all.concludeCapacity([size(192, 0.1, 0.5)]),
      sharp: all.concludeDecompose({ random: parts(2, 0.2), contrast: parts(2, 0.8), dSae: 8 }),
      none: all.concludeMonosemanticity({ feature: 1, threshold: 0.1, count: 0, rows: 5, distinctTokens: 0, atPosition0: 0 }),
      noFeature: all.concludeMostActive({ all: null, withoutPosition0: null }),
      first: all.concludeMostActive({ all: { feature: 1, activation: 90, position: 0, token: "<|endoftext|>" }, withoutPosition0: { feature: 2, activation: 9, position: 4, token: " Gate" } }),
      short: all.concludeReconstruction({ texts: [], all: { evGlobal: 0.9, evPerDimension: null, mse: 1, rows: 1 }, withoutPosition0: null }),
      flat: all.concludeTradeOff({ texts: { points: [], correlation: null, correlationWithoutPosition0: null }, levels: [] }),
      dense: all.concludeTraining(training(0.5)),
      sparse: all.concludeTraining(training(0.02)),
    };
  });
  const expectedWords = {
    silent: /active on none/, equal: /All 2 bars are equal \(7\.00\)/, weak: /too little .* Try 200/, inactive: /active on no token/, invisible: /no visible effect/, worse: /does not always mean less error/, alone: /choose two or more/,
    sharp: /something that points its way/, none: /lower the threshold/, noFeature: /No feature is active/, first: /10\.0 times as large/, short: /too few rows/, flat: /do not differ enough/, dense: /not sparse.*factors of ten, to 0\.01 first/, sparse: /the penalty works/,
  };
  for (const [name, words] of Object.entries(said)) {
    assert.match(words, expectedWords[name], `${name}: ${words}`);
    assert.doesNotMatch(words, /undefined|NaN|Infinity|null/, `${name}: ${words}`);
  }
});
