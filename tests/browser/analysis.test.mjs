// Questions about features and directions in the browser, on WebGPU and on the CPU, against numpy, scikit-learn, SAELens and TransformerLens.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { close, closeNumber, closeRelative, json, tensors } from "./reference.mjs";

const description = json("analysis");
const numbers = tensors("analysis");

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  const options = { device, shared: true, timeout: 300_000 };

  test(`${device}: features that are active together, on each token, and in columns`, options, async ({ lab, note }) => {
    const { texts, hook, coactivation, featureActs, perToken } = description;
    const ours = await lab(async ({ lab, texts, hook, positive, negative, coactivation, features }) => {
      window.model = await lab.loadModel("tiny");
      window.sae = await lab.loadSae("tiny-res/blocks.8.hook_resid_pre_384");
      window.acts = await window.model.collect(texts, { hook });
      window.positive = await window.model.collect(positive, { hook });
      window.negative = await window.model.collect(negative, { hook });
      const steps = [];
      const found = [];
      for (const { skipPosition0, minFrequency } of coactivation) {
        found.push(await lab.analysis.coactivation(window.sae, window.acts, { skipPosition0, minFrequency, onProgress: (step) => steps.push(step) }));
      }
      const columns = await lab.analysis.featureActs(window.sae, window.acts, { features });
      const later = await lab.analysis.featureActs(window.sae, window.acts, { features: new Uint32Array(features), skipPosition0: true });
      return { found, steps, columns, later: { shape: later.shape, rows: [...later.rows] }, strongest: await lab.analysis.perToken(window.sae, window.acts) };
    }, { ...description, features: featureActs.features });
    let largest = 0;
    for (const [n, theirs] of coactivation.entries()) {
      const found = ours.found[n];
      assert.deepEqual([found.rows, found.active, found.constant], [theirs.rows, theirs.active, 0]);
      assert.deepEqual([...found.features], theirs.features);
      for (const key of ["pairs", "lowest"]) {
        for (const [i, pair] of found[key].entries()) {
          assert.deepEqual([pair.a, pair.b], [theirs[key][i].a, theirs[key][i].b]);
          largest = Math.max(largest, Math.abs(pair.correlation - theirs[key][i].correlation));
          closeNumber("together", pair.together, theirs[key][i].together, 1e-9);
        }
      }
      if (theirs.matrix) largest = Math.max(largest, close("matrix", found.matrix, numbers[theirs.matrix], 1e-5));
      else assert.equal(found.matrix, null);
    }
    assert.ok(largest < 1e-5, `${largest}`);
    assert.deepEqual(ours.steps.at(-1), { phase: "analyse", done: 2 * coactivation.at(-1).rows, total: 2 * coactivation.at(-1).rows });
    closeRelative("columns", ours.columns, numbers.featureActs, 1e-5);
    assert.deepEqual(ours.later.rows, description.textsRows.position.flatMap((position, row) => (position > 0 ? [row] : [])));
    assert.deepEqual(ours.later.shape, [ours.later.rows.length, featureActs.features.length]);
    const { strongest } = ours;
    assert.deepEqual([...strongest.features], perToken.features.flat());
    closeRelative("strongest", { shape: strongest.shape, data: strongest.values }, numbers.perToken, 1e-5);
    assert.deepEqual([...strongest.active], perToken.active);
    assert.equal(strongest.total, 384);
    closeNumber("meanActive", strongest.meanActive, perToken.meanActive, 1e-12);
    assert.deepEqual([strongest.max.row, strongest.max.feature], [perToken.max.row, perToken.max.feature]);
    note(`largest difference of a correlation: ${largest.toExponential(1)}`);
  });

  test(`${device}: examples above a threshold, in the corpus's order, and of a sample`, options, async ({ lab }) => {
    const feature = description.featureActs.features[0];
    const { columns, plain, corpus, above, sample, again } = await lab(async ({ lab, feature }) => {
      const of = (options) => lab.analysis.examples(window.sae, window.acts, { feature, k: 5, ...options });
      const { data } = await lab.analysis.featureActs(window.sae, window.acts, { features: [feature] });
      const plain = await of({});
      return {
        columns: data,
        plain,
        corpus: await of({ order: "corpus" }),
        above: await of({ threshold: plain.examples[2].activation }),
        sample: await of({ sample: { count: 4, seed: 1 }, order: "corpus" }),
        again: await of({ sample: { count: 4, seed: 1 }, order: "corpus" }),
      };
    }, { feature });
    const rows = ({ examples }) => examples.map(({ row }) => row);
    assert.deepEqual(rows(corpus), rows(plain).sort((a, b) => a - b));
    assert.deepEqual(rows(above), rows(plain).slice(0, above.active));
    assert.equal(above.active, columns.filter((value) => value > plain.examples[2].activation).length);
    assert.equal(sample.examples.length, 4);
    assert.ok(rows(sample).every((row) => columns[row] > 0));
    assert.deepEqual(rows(again), rows(sample));
  });

  test(`${device}: SAEs matched, concepts found, directions made and taken apart`, options, async ({ lab, note }) => {
    const { matching, concepts, contrast, probe, decompose } = description;
    const ours = await lab(async ({ lab, concepts, contrast, probe, vectors }) => {
      const small = await lab.loadSae("tiny-res/blocks.8.hook_resid_pre_192");
      const { analysis } = lab;
      const { sae, positive, negative } = window;
      const all = (list, ask) => list.reduce(async (before, entry) => [...(await before), await ask(entry)], Promise.resolve([]));
      const start = performance.now();
      const probes = await all(probe, ({ l2, standardize, skipPosition0 }) => analysis.probe(positive, negative, { l2, standardize, skipPosition0 }));
      const probeTime = performance.now() - start;
      return {
        matching: await analysis.matching(small, sae),
        concepts: await all(concepts, ({ per, skipPosition0 }) => analysis.concepts(sae, positive, negative, { per, skipPosition0 })),
        contrast: await all(contrast, ({ skipPosition0 }) => analysis.contrast(positive, negative, { skipPosition0 })),
        probes,
        probeTime,
        decompose: await all(vectors, (vector) => analysis.decompose(sae, vector)),
      };
    }, { concepts, contrast, probe, vectors: decompose.map((_, n) => numbers[`decompose/${n}`].data) });
    assert.deepEqual([...ours.matching.features], matching.features.flat());
    close("cosines", { shape: ours.matching.shape, data: ours.matching.cosines }, numbers.matching, 1e-6);
    assert.deepEqual(ours.matching.histogram.counts, matching.histogram);
    assert.equal(ours.matching.best.length, 384);
    for (const [n, theirs] of concepts.entries()) {
      const { features, ...counts } = ours.concepts[n];
      assert.deepEqual(counts, { positives: theirs.positives, negatives: theirs.negatives, judged: theirs.judged });
      assert.deepEqual(features.map(({ feature }) => feature), theirs.features.map(({ feature }) => feature));
      for (const [i, found] of features.entries()) {
        for (const [key, value] of Object.entries(theirs.features[i])) closeNumber(key, found[key], value, /auroc|frequency/.test(key) ? 1e-9 : 5e-5);
      }
    }
    for (const [n, theirs] of contrast.entries()) {
      closeRelative("contrast", { data: ours.contrast[n].vector, shape: [96] }, numbers[`contrast/${n}`], 1e-5);
      for (const key of ["norm", "accuracyAlong", "aurocAlong"]) closeNumber(key, ours.contrast[n][key], theirs[key], 1e-5);
    }
    let largest = 0;
    for (const [n, theirs] of probe.entries()) {
      const found = ours.probes[n];
      largest = Math.max(largest, closeRelative("probe", { data: found.vector, shape: [96] }, numbers[`probe/${n}`], 1e-4));
      for (const key of ["bias", "norm"]) closeNumber(key, found[key], theirs[key], 1e-4);
      for (const key of ["accuracy", "heldOut"]) closeNumber(key, found[key], theirs[key], 1e-9);
      close("folds", { data: found.folds, shape: [5] }, { data: theirs.folds, shape: [5] }, 1e-9);
    }
    for (const [n, theirs] of decompose.entries()) {
      const found = ours.decompose[n];
      assert.equal(found.active, theirs.active);
      closeNumber("error", found.error, theirs.error, 1e-5);
      closeNumber("norm", found.norm, theirs.norm, 1e-6);
      for (const [key, value] of [["features", "value"], ["cosines", "cosine"]]) {
        assert.deepEqual(found[key].map(({ feature }) => feature), theirs[key].map(({ feature }) => feature));
        for (const [i, entry] of found[key].entries()) closeNumber(value, entry[value], theirs[key][i][value], 2e-5);
      }
    }
    note(`largest relative difference of a probe's weight: ${largest.toExponential(1)}; ${probe.length} probes with five folds: ${ours.probeTime.toFixed(0)} ms`);
  });

  test(`${device}: next tokens after a feature was scaled, with the SAE's error and without, are TransformerLens's`, options, async ({ lab, note }) => {
    const { hook, steering } = description;
    let largest = 0;
    for (const [n, { text, feature, alpha, ways }] of steering.entries()) {
      const runs = await lab(async ({ text, hook, feature, alpha }) => {
        const { model, sae } = window;
        const run = (...steer) => model.run(text, { topK: 5, steer });
        return {
          none: await run(),
          "scale 1": await run({ hook, sae, feature, strength: 1, direction: "scale" }),
          scale: await run({ hook, sae, feature, strength: alpha, direction: "scale" }),
          "scale-decode": await run({ hook, sae, feature, strength: alpha, direction: "scale-decode" }),
          "scale-decode 1": await run({ hook, sae, feature, strength: 1, direction: "scale-decode" }),
        };
      }, { text, hook, feature, alpha });
      ways["scale 1"] = ways.none;
      numbers[`steering/${n}/scale 1`] = numbers[`steering/${n}/none`];
      for (const [way, run] of Object.entries(runs)) {
        assert.deepEqual(run.top.map(({ id }) => id), ways[way].map(({ id }) => id), way);
        for (const [i, { prob }] of run.top.entries()) closeNumber(`${way} ${i}`, prob, ways[way][i].prob, 1e-3);
        largest = Math.max(largest, close(way, { data: run.logits.data, shape: [4096] }, numbers[`steering/${n}/${way}`], 1e-3));
      }
    }
    // The same entries as in generate, which continues with the first of them.
    const { text, feature, alpha } = steering[0];
    const [first, vector, refused] = await lab(async ({ text, hook, feature, alpha }) => {
      const { model, sae } = window;
      const steer = [{ hook, sae, feature, strength: alpha, direction: "scale-decode" }];
      const { newIds } = await model.generate(text, { maxNewTokens: 1, temperature: 0, steer });
      const v = new Float32Array(96).fill(0.5);
      const { logits } = await model.run(text, { steer: [{ hook, vector: v, strength: 2, positions: "last" }] });
      const { logits: same } = await model.run(text, { edits: [{ hook, add: v.map((x) => 2 * x), positions: "last" }] });
      const refused = await model.run(text, { steer: [{ hook }] }).catch(({ code, message }) => ({ code, message }));
      return [newIds[0], [logits.data, same.data], refused];
    }, { text, hook, feature, alpha });
    assert.equal(first, steering[0].ways["scale-decode"][0].id);
    assert.deepEqual(vector[0], vector[1]);
    assert.equal(refused.code, "LAB-BAD-SETTING");
    assert.match(refused.message, /^run/);
    note(`largest difference of a logit: ${largest.toExponential(1)}`);
  });

  test(`${device}: token ids are collected as they are; what is refused; stopping`, options, async ({ lab, rejection }) => {
    const { hook } = description;
    const { ids, data, rows } = await lab(async ({ hook }) => {
      const { model } = window;
      const { ids } = await model.tokenize("One two three.");
      const acts = await model.collect(["One two three.", ids, [...ids.slice(1)]], { hook });
      const { data } = await acts.read();
      const { text, token } = await acts.rows();
      await acts.dispose();
      return { ids: [...ids], data, rows: { text: [...text], token: [...token] } };
    }, { hook });
    const n = ids.length;
    assert.deepEqual(rows.token, [...ids, ...ids, ...ids.slice(1)]);
    assert.deepEqual(rows.text, [...ids.map(() => 0), ...ids.map(() => 1), ...ids.slice(1).map(() => 2)]);
    close("ids are what the text is", { data: data.slice(n * 96, 2 * n * 96), shape: [n, 96] }, { data: data.slice(0, n * 96), shape: [n, 96] }, 1e-4);

    const code = async (fn) => (await rejection(fn, { hook })).code;
    assert.equal(await code(({ hook }) => window.model.collect([[5000]], { hook })), "LAB-BAD-SETTING");
    assert.equal(await code(({ hook }) => window.model.collect([[-1]], { hook })), "LAB-BAD-SETTING");
    assert.equal(await code(({ hook }) => window.model.collect([3], { hook })), "LAB-BAD-TEXT");
    assert.equal(await code(({ lab }) => lab.analysis.featureActs(window.sae, window.acts)), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.featureActs(window.sae, window.acts, { features: [384] })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.coactivation(window.sae, window.acts, { minFrequency: 0.9999 })), "LAB-EMPTY-INPUT");
    assert.equal(await code(({ lab }) => lab.analysis.perToken(window.sae, window.acts, { k: 0 })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.examples(window.sae, window.acts, { feature: 1, order: "any" })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.examples(window.sae, window.acts, { feature: 1, sample: 3 })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.concepts(window.sae, window.positive, window.negative, { per: "word" })), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.decompose(window.sae, [1, 2, 3])), "LAB-WIDTH-MISMATCH");
    assert.equal(await code(({ lab }) => lab.analysis.decompose(window.sae, [NaN])), "LAB-BAD-SETTING");
    assert.equal(await code(({ lab }) => lab.analysis.probe(window.positive, window.negative, { l2: 0 })), "LAB-BAD-SETTING");
    assert.equal(await code(async ({ lab, hook }) => {
      const bosOnly = await window.model.collect("a", { hook, position: "random", maxTokens: 1, prependBos: false });
      return lab.analysis.contrast(window.positive, bosOnly);
    }), "LAB-EMPTY-INPUT");
    assert.equal(await code(async ({ lab }) => lab.analysis.matching(await lab.createSae({ architecture: "tied", dIn: 12 }), window.sae)), "LAB-WIDTH-MISMATCH");
    assert.equal(await code(({ lab }) => {
      const stop = new AbortController();
      return lab.analysis.coactivation(window.sae, window.acts, { signal: stop.signal, onProgress: () => stop.abort() });
    }), "LAB-CANCELLED");
  });
}
