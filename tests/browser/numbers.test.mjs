// The numbers of the engine in the browser, on WebGPU and on the CPU, against Hugging Face,
// TransformerLens and torch; and the two processors against each other.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { close, closeNumber, closeRelative, difference, json, tensors } from "./reference.mjs";

/** @param {Float32Array} row */
function logSoftmax(row) {
  const max = row.reduce((m, x) => Math.max(m, x), -Infinity);
  const log = max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
  return row.map((x) => x - log);
}

/** The last run of each processor, to compare them. */
const results = { webgpu: new Map(), cpu: new Map() };

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  const options = { device, shared: true, timeout: 300_000 };

  for (const name of ["tiny", "random"]) {
    test(`${device}: ${name} logits, log-probabilities, loss and hooks in both views`, options, async ({ lab, fixtures, note }) => {
      const [text, numbers] = [json(`gpt2_${name}`), tensors(`gpt2_${name}`)];
      let largest = 0, hooksCompared = 0;
      for (const [n, prompt] of text.prompts.entries()) {
        for (const view of ["hf", "tl"]) {
          const stored = Object.keys(numbers).filter((key) => key.startsWith(`${view}/`) && key.endsWith(`/${n}`) && /hook/.test(key));
          const hooks = stored.map((key) => key.slice(3, -`/${n}`.length));
          const run = await lab(async ({ lab, name, fixtures, prompt, options }) => {
            window.models ??= {};
            // The random model's file is f32, and held against what f32 gives.
            window.models[name] ??= await (name === "tiny" ? lab.loadModel("tiny") : lab.loadModel({ baseUrl: `${fixtures}models/random/` }, { weights: "f32" }));
            return window.models[name].run(prompt, options);
          }, { name, fixtures, prompt: prompt.text, options: { hooks, center: view === "tl", logits: "all", topK: 5 } });
          assert.deepEqual([...run.tokens.ids], prompt.ids);
          closeNumber(`loss ${n}`, run.loss, prompt.loss.f64, 1e-5);
          assert.deepEqual(run.top.map(({ id }) => id), prompt.top.map(({ id }) => id));
          const theirs = numbers[`${view}/logits/${n}`];
          const ours = { shape: theirs.shape, data: run.logits.data.slice(-theirs.data.length) };
          largest = Math.max(largest, close(`${view} logits ${n}`, ours, theirs, 1e-3));
          const logprobs = numbers[`hf/logprobs/${n}`];
          if (logprobs) {
            const width = logprobs.shape[1];
            for (let p = 0; p < logprobs.shape[0]; p++) {
              const row = logSoftmax(run.logits.data.slice(p * width, (p + 1) * width));
              assert.ok(difference(row, logprobs.data.slice(p * width, (p + 1) * width)) < 1e-4);
            }
          }
          for (const [i, key] of stored.entries()) {
            closeRelative(key, run.hooks[hooks[i]], numbers[key], 1e-4);
            hooksCompared++;
          }
          results[device].set(`${name} ${view} ${n}`, run.logits.data);
        }
      }
      assert.ok(hooksCompared > 40);
      note(`largest difference of a logit: ${largest.toExponential(1)}; ${hooksCompared} hooks compared`);
    });
  }

  test(`${device}: edits at hooks give TransformerLens's logits`, options, async ({ lab }) => {
    const [description, numbers] = [json("edits"), tensors("edits")];
    for (const { name, edits } of description.edits) {
      for (const view of ["hf", "tl"]) {
        const given = edits.map(({ hook, kind, positions }, k) => {
          const value = numbers[`${name}/${k}`];
          return { hook, ...(kind === "add" ? { add: value.data } : { replace: value }), ...(positions ? { positions } : {}) };
        });
        const run = await lab(({ ids, options }) => window.models.random.run(ids, options),
          { ids: new Uint32Array(description.ids), options: { logits: "all", center: view === "tl", edits: given } });
        close(`${name} ${view}`, run.logits, numbers[`${name}/${view}/logits`], 1e-3);
      }
    }
  });

  test(`${device}: values of hundreds pass through GELU`, options, async ({ lab, fixtures }) => {
    // The random model with a bias that no trained tiny model has, but GPT-2's first position does.
    const output = await lab(async ({ lab, fixtures }) => {
      const names = ["config.json", "tokenizer.json", "model.safetensors"];
      const contents = await Promise.all(names.map(async (name) => (await fetch(`${fixtures}models/random/${name}`)).arrayBuffer()));
      const weights = new DataView(contents[2]), length = Number(weights.getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(contents[2], 8, length)));
      const { dtype, data_offsets: [start, end] } = header["h.0.mlp.c_fc.bias"] ?? header["transformer.h.0.mlp.c_fc.bias"];
      if (dtype !== "F32") throw new Error(`the bias is ${dtype}`);
      for (let at = start; at < end; at += 4) weights.setFloat32(8 + length + at, ((at / 4) % 7) * 100 - 300, true);
      const model = await lab.loadModel({ files: names.map((name, i) => new File([contents[i]], name)) }, { weights: "f32" });
      const { hooks } = await model.run("The weather today", { hooks: ["blocks.0.hook_mlp_out"], logits: "none" });
      await model.dispose();
      return hooks["blocks.0.hook_mlp_out"];
    }, { fixtures });
    assert.ok(output.data.every(Number.isFinite));
    assert.ok(output.data.some((x) => Math.abs(x) > 100));
    results[device].set("large GELU", output.data);
    if (device === "cpu") assert.ok(difference(results.webgpu.get("large GELU"), output.data) < 0.01);
  });

  test(`${device}: ten greedy continuations of 40 tokens are Hugging Face's`, options, async ({ lab }) => {
    const cases = json("generate");
    assert.equal(cases.tiny.length, 10);
    for (const [name, list] of [["tiny", cases.tiny], ["random", cases.random]]) {
      for (const { prompt, new_ids } of list) {
        assert.equal(new_ids.length, 40);
        const made = await lab(({ name, prompt }) => window.models[name].generate(prompt, { maxNewTokens: 40, temperature: 0, stopAtEos: false }), { name, prompt });
        assert.deepEqual([...made.newIds], new_ids, prompt);
      }
    }
    const vector = tensors("steering").vector.data;
    for (const { prompt, new_ids } of cases.steered.prompts) {
      const steer = [{ hook: cases.steered.hook, vector, strength: 1 }];
      const made = await lab(({ prompt, steer }) => window.models.tiny.generate(prompt, { maxNewTokens: 20, temperature: 0, stopAtEos: false, steer }), { prompt, steer });
      assert.deepEqual([...made.newIds], new_ids, prompt);
    }
  });

  for (const [file, what] of [["sae", "synthetic rows"], ["sae_tiny", "the tiny model's activations"]]) {
    test(`${device}: the first ten losses of tied and untied SAEs on ${what} are torch's`, options, async ({ lab, note }) => {
      const [description, numbers] = [json(file), tensors(file)];
      const rows = numbers.activations;
      let largest = 0;
      for (const run of description.runs) {
        const prefix = `${run.architecture}/init/`;
        const weights = Object.fromEntries(Object.entries(numbers).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]));
        const { batchSize, lr } = description;
        const l1 = run.l1 ?? description.l1;
        const batches = [];
        for (let start = 0; start < description.order.length; start += rows.shape[0]) {
          const epoch = description.order.slice(start, start + rows.shape[0]);
          for (let at = 0; at < epoch.length; at += batchSize) batches.push(epoch.slice(at, at + batchSize));
        }
        const steps = await lab(async ({ lab, architecture, weights, rows, batches, lr, l1 }) => {
          const [dIn, dSae] = weights.W_enc.shape;
          const sae = await lab.createSae({ architecture, dIn, dSae, weights });
          const steps = [];
          for (const [n, batch] of batches.slice(0, 10).entries()) {
            const data = new Float32Array(batch.length * dIn);
            batch.forEach((row, i) => data.set(rows.data.subarray(row * dIn, (row + 1) * dIn), i * dIn));
            const order = Uint32Array.from(batch, (_, i) => i);
            const { epochs } = await sae.train({ data, shape: [batch.length, dIn] }, { epochs: 1, batchSize: batch.length, order, lr, l1, continue: n > 0 });
            steps.push(epochs[0]);
          }
          await sae.dispose();
          return steps;
        }, { architecture: run.architecture, weights, rows, batches, lr, l1 });
        for (const [n, step] of steps.entries()) {
          for (const key of ["total", "recon", "l1", "fracActive", "nActive"]) {
            const theirs = run.steps.f32[n][key];
            closeNumber(`${run.architecture} step ${n} ${key}`, step[key], theirs, 1e-4);
            largest = Math.max(largest, Math.abs(step[key] - theirs) / Math.abs(theirs));
          }
        }
      }
      note(`largest relative difference: ${largest.toExponential(1)}`);
    });
  }

  test(`${device}: activations, features, examples, heat map and directions`, options, async ({ lab }) => {
    const [description, numbers] = [json("sae_tiny"), tensors("sae_tiny")];
    const run = description.runs.find(({ architecture }) => architecture === "tied");
    const weights = Object.fromEntries(["W_enc", "b_enc", "b_dec"].map((key) => [key, numbers[`tied/init/${key}`]]));
    const ours = await lab(async ({ lab, weights, texts, hook, features, text }) => {
      const model = window.models.tiny;
      const acts = await model.collect(texts, { hook });
      const sae = await lab.createSae({ architecture: "tied", dIn: 96, dSae: 384, weights });
      const { analysis } = lab;
      return {
        stats: acts.stats,
        data: await acts.read(),
        top: await analysis.topFeatures(sae, acts, { k: 20 }),
        topLater: await analysis.topFeatures(sae, acts, { k: 20, skipPosition0: true }),
        examples: await Promise.all(features.map((feature) => analysis.examples(sae, acts, { feature, k: 10 }))),
        map: await analysis.heatmap(model, sae, text, { hook, k: 10 }),
      };
    }, { weights, texts: description.texts, hook: description.hook, features: run.examples.map(({ feature }) => feature), text: run.heatmap.text });
    close("activations", ours.data, numbers.activations, 1e-4);
    assert.equal(ours.stats.distinctRows, description.stats.distinctRows);
    closeNumber("std", ours.stats.std, description.stats.std, 1e-5);
    for (const part of ["all", "withoutPosition0"]) {
      for (const key of ["rows", "meanNorm", "medianNorm", "maxNorm"]) closeNumber(`${part} ${key}`, ours.stats[part][key], description.stats[part][key], 1e-5);
    }
    for (const [key, top] of [["topFeatures", ours.top], ["topFeaturesWithoutPosition0", ours.topLater]]) {
      assert.deepEqual(top.features.map(({ feature }) => feature), run[key].map(({ feature }) => feature));
      for (const [i, theirs] of run[key].entries()) {
        for (const name of ["meanActive", "frequency", "max"]) closeNumber(`${key} ${name}`, top.features[i][name], theirs[name], 1e-4);
      }
    }
    for (const [i, theirs] of run.examples.entries()) {
      assert.equal(ours.examples[i].active, theirs.active);
      for (const [j, example] of theirs.examples.entries()) {
        closeNumber("activation", ours.examples[i].examples[j].activation, example.activation, 1e-4);
        assert.equal(ours.examples[i].examples[j].position, example.position);
      }
    }
    assert.deepEqual([...ours.map.features], run.heatmap.features);
    close("heat map", ours.map, numbers["tied/heatmap"], 1e-4);
  });
}

test("WebGPU and the CPU agree with each other", async ({ note }) => {
  assert.ok(results.webgpu.size > 0 && results.webgpu.size === results.cpu.size);
  let largest = 0;
  for (const [key, logits] of results.webgpu) {
    const apart = difference(logits, results.cpu.get(key));
    assert.ok(apart < 1e-3, `${key}: ${apart}`);
    largest = Math.max(largest, apart);
  }
  note(`largest difference of a logit: ${largest.toExponential(1)}`);
});
