// Bad input: each a typed error with a hint, and the lab goes on. Cancelling, pausing, and an engine that dies.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { DEFAULT_LIMITS_PRELUDE } from "./memory.mjs";

test("what the smallest of WebGPU's devices cannot hold is refused beforehand", { device: "webgpu", prelude: DEFAULT_LIMITS_PRELUDE, timeout: 240_000 }, async ({ lab, rejection }) => {
  await lab(async ({ lab }) => { window.model = await lab.loadModel("tiny"); });
  const cases = [
    [({ lab }) => lab.createSae({ dIn: 768, dSae: 49_152 }), /dSae is 49152.*at most 43690 on this device/],
    [() => model.collect([], { randomSequences: { count: 100_000, length: 4, minId: 0, maxId: 9 } }), /400000.*at most 349525/],
  ];
  for (const [run, message] of cases) {
    const error = await rejection(run);
    assert.equal(error.code, "LAB-BAD-SETTING", error.message);
    assert.match(error.message, message);
  }
});

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  test(`${device}: bad input is a typed error with a hint, and the lab goes on`, { device, timeout: 240_000 }, async ({ lab, rejection, quiet, sameOrigin, fixtures }) => {
    await lab(async ({ lab, fixtures }) => {
      window.model = await lab.loadModel("tiny");
      window.other = await lab.loadModel({ baseUrl: `${fixtures}models/random/` });
      window.acts = await window.model.collect(["The weather today is cold."]);
      window.narrow = await window.other.collect(["The weather"], { hook: "blocks.1.hook_resid_post" });
      window.sae = await lab.createSae({ dIn: 96, dSae: 32 });
    }, { fixtures });
    const cases = [
      ["LAB-EMPTY-INPUT", () => model.run("", { prependBos: false })],
      ["LAB-EMPTY-INPUT", () => model.generate("", { prependBos: false })],
      ["LAB-EMPTY-INPUT", () => model.collect(["", ""])],
      ["LAB-TOO-LONG", () => model.run("weather ".repeat(12_500)), /256/],
      ["LAB-TOO-LONG", () => model.generate("weather ".repeat(12_500)), /256/],
      ["LAB-TOO-LONG", () => model.generate("Once", { maxNewTokens: 1000 })],
      ["LAB-BAD-TEXT", () => model.run("half a pair: \ud83d")],
      ["LAB-BAD-TEXT", () => model.tokenize("\udc00")],
      ["LAB-UNKNOWN-HOOK", () => model.run("a", { hooks: ["blocks.12.hook_resid_post"] }), /12 layers/],
      ["LAB-UNKNOWN-HOOK", () => model.run("a", { hooks: ["blocks.0.hook_nothing"] })],
      ["LAB-UNKNOWN-HOOK", () => model.collect(["a"], { hook: "blocks.-1.hook_resid_post" })],
      ["LAB-UNKNOWN-HOOK", () => model.generate("a", { steer: [{ hook: "blocks.99.hook_resid_post", vector: new Float32Array(96), strength: 1 }] })],
      ["LAB-WIDTH-MISMATCH", () => model.collect(["a"], { hook: "blocks.0.attn.hook_pattern" })],
      ["LAB-WIDTH-MISMATCH", () => sae.train(narrow, { epochs: 1 }), /96.*48|48.*96/],
      ["LAB-WIDTH-MISMATCH", () => sae.encode(narrow)],
      ["LAB-WIDTH-MISMATCH", ({ lab }) => lab.analysis.topFeatures(sae, narrow)],
      ["LAB-WIDTH-MISMATCH", ({ lab }) => lab.analysis.heatmap(other, sae, "a", { hook: "blocks.1.hook_resid_post" })],
      ["LAB-WIDTH-MISMATCH", () => other.generate("a", { steer: [{ hook: "blocks.1.hook_resid_post", sae, feature: 0, strength: 5 }] })],
      ["LAB-BAD-SETTING", () => sae.train(acts, { epochs: 0 }), /epochs/],
      ["LAB-BAD-SETTING", () => sae.train(acts, { lr: NaN }), /lr/],
      ["LAB-BAD-SETTING", () => sae.train(acts, { l1: -1 }), /l1/],
      ["LAB-BAD-SETTING", () => sae.train(acts, { batchSize: 2.5 }), /batchSize/],
      ["LAB-BAD-SETTING", async ({ lab }) => {
        const wide = await lab.createSae({ dIn: 2, dSae: 131_072 });
        const rows = { data: new Float32Array(2 * 8192).fill(1), shape: [8192, 2] };
        await wide.train(rows, { batchSize: 8192 }).finally(() => wide.dispose());
      }, /batchSize is 8192.*at most \d+ for 131072 features/],
      ["LAB-BAD-SETTING", () => sae.train(acts, { learningRate: 1 }), /learningRate/],
      ["LAB-BAD-SETTING", () => model.generate("a", { temperature: -1 }), /temperature/],
      ["LAB-BAD-SETTING", () => model.generate("a", { temperature: NaN }), /temperature/],
      ["LAB-BAD-SETTING", () => model.generate("a", { topK: 0 }), /topK/],
      ["LAB-BAD-SETTING", () => model.generate("a", { topP: 2 }), /topP/],
      ["LAB-BAD-SETTING", () => model.generate("a", { maxNewTokens: 0 }), /maxNewTokens/],
      ["LAB-BAD-SETTING", () => model.generate("a", { seed: -3 }), /seed/],
      ["LAB-BAD-SETTING", () => model.generate("a", { steer: [{ sae, feature: 32, strength: 1 }] }), /feature/],
      ["LAB-BAD-SETTING", () => model.generate("a", { steer: [{ sae, feature: 0, strength: Infinity }] }), /strength/],
      ["LAB-BAD-SETTING", () => model.collect(["a"], { position: "first" }), /position/],
      ["LAB-BAD-SETTING", () => model.collect([], { randomSequences: { count: 1, length: 1, minId: 0, maxId: 4096 } }), /4096/],
      ["LAB-BAD-SETTING", () => model.run(new Uint32Array([5000])), /5000/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.createSae({ dIn: 96, architecture: "sparse" }), /sparse/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.createSae({ dIn: 96, dSae: -4 }), /dSae/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.analysis.examples(sae, acts, { feature: 1e9 }), /feature/],
      ["LAB-BAD-FILE", ({ lab }) => lab.loadModel({ files: [new File(["{}"], "config.json"), new File(["{}"], "tokenizer.json"), new File(["no"], "model.safetensors")] })],
    ];
    for (const [code, run, message] of cases) {
      const error = await rejection(run);
      assert.deepEqual([error.name, error.code], ["LabError", code], `${run}: ${error.message}`);
      assert.ok(error.message.length > 10 && error.hint.length > 5, `${run}: ${JSON.stringify(error)}`);
      if (message) assert.match(error.message, message, String(run));
    }
    // What is unusual but right.
    const odd = await lab(async () => {
      const bos = await model.run("", { topK: 1 });
      const emoji = await model.tokenize("🙂 é");
      const special = await model.tokenize("a<|endoftext|>b", { prependBos: false });
      const long = await model.tokenize("weather ".repeat(12_500));
      const { text } = await model.generate("🙂", { maxNewTokens: 3, temperature: 0 });
      return { bos: bos.tokens.tokens, emoji: emoji.tokens, special: [...special.ids], count: long.ids.length, text };
    });
    assert.deepEqual(odd.bos, ["<|endoftext|>"]);
    assert.ok(odd.emoji.some((token) => token.includes("<0xF0>")), String(odd.emoji));
    assert.equal(odd.special.filter((id) => id === 4095).length, 1);
    assert.ok(odd.count > 10_000);
    assert.ok(odd.text.startsWith("🙂"));
    quiet();
    sameOrigin();
  });

  test(`${device}: training is paused, stopped and continued, and the lab is usable meanwhile`, { device, timeout: 240_000 }, async ({ lab, quiet }) => {
    const seen = await lab(async ({ lab }) => {
      const model = await lab.loadModel("tiny");
      const acts = await model.collect(["The weather today is cold and windy.", "Once upon a time there was a fox."]);
      const sae = await lab.createSae({ dIn: 96, dSae: 192 });
      const epochs = [];
      const training = { epochs: 4000, batchSize: 8, l1: 1e-3 };
      const abort = new AbortController();
      let progressed;
      const first = new Promise((done) => (progressed = done));
      const onProgress = (p) => {
        if ("phase" in p) return;
        epochs.push(p.epoch);
        progressed();
      };
      const run = sae.train(acts, { ...training, signal: abort.signal, onProgress }).then(() => "ended", (error) => error.code);
      await first;
      const meanwhile = await model.generate("Once upon a time", { maxNewTokens: 2, temperature: 0 });
      const features = await lab.analysis.topFeatures(sae, acts, { k: 3 });
      const held = await sae.pause();
      const atPause = (await sae.info()).stepsTrained;
      await new Promise((done) => setTimeout(done, 400));
      const afterWait = (await sae.info()).stepsTrained;
      await sae.resume();
      const busy = await sae.train(acts, training).then(() => "trained", (error) => error.code);
      const t = performance.now();
      abort.abort();
      const code = await run;
      const latency = performance.now() - t;
      const more = await sae.train(acts, { ...training, epochs: 2, continue: true });
      const info = await sae.info();
      return { epochs, meanwhile: meanwhile.newIds.length, features: features.features.length, held, atPause, afterWait, busy, code, latency, more: more.epochs.map((e) => e.epoch), trained: info.epochsTrained, history: info.history.map((e) => e.epoch) };
    });
    assert.deepEqual([seen.meanwhile, seen.features, seen.held, seen.busy, seen.code], [2, 3, true, "LAB-BUSY", "LAB-CANCELLED"]);
    assert.equal(seen.afterWait, seen.atPause);
    assert.deepEqual(seen.epochs, seen.epochs.map((_, i) => i + 1)); // each epoch, in order
    assert.deepEqual(seen.history, Array.from({ length: seen.trained }, (_, i) => i + 1));
    assert.deepEqual(seen.more, [seen.trained - 1, seen.trained]);
    quiet();
  });

  test(`${device}: generation is stopped in the middle`, { device, timeout: 240_000 }, async ({ lab, quiet }) => {
    const seen = await lab(async ({ lab }) => {
      const model = await lab.loadModel("tiny");
      const abort = new AbortController();
      const tokens = [];
      const onToken = ({ token }) => tokens.push(token) === 3 && abort.abort();
      const code = await model.generate("Once upon a time", { maxNewTokens: 200, temperature: 0, signal: abort.signal, onToken }).then(() => "ended", (e) => e.code);
      const again = await model.generate("Once upon a time", { maxNewTokens: 3, temperature: 0 });
      return { code, tokens, again: again.text };
    });
    assert.equal(seen.code, "LAB-CANCELLED");
    assert.equal(seen.again, `Once upon a time${seen.tokens.join("")}`);
    quiet();
  });
}

test("seeds: the same settings give the same SAE, sample and data, on both processors", { timeout: 240_000 }, async ({ lab }) => {
  const same = await lab(async () => {
    const { openLab } = await import("./sae-lab.js");
    const runs = [];
    for (const device of ["webgpu", "webgpu", "cpu"]) {
      const lab = await openLab({ device });
      const model = await lab.loadModel("tiny");
      const acts = await model.collect(["A dog."], { position: "random", randomSequences: { count: 2, length: 5, minId: 300, maxId: 4000 }, seed: 9 });
      const sae = await lab.createSae({ architecture: "untied", dIn: 96, dSae: 48, seed: 4 });
      const start = (await sae.weights()).W_dec.data.slice(0, 8);
      const { epochs } = await sae.train(acts, { epochs: 3, batchSize: 4, seed: 2 });
      const { newIds } = await model.generate("The", { maxNewTokens: 6, temperature: 1, topK: 20, seed: 5 });
      runs.push({ start: [...start], tokens: [...(await acts.rows()).token], losses: epochs.map((e) => e.total), newIds: [...newIds] });
      lab.dispose();
    }
    return runs;
  });
  assert.deepEqual(same[1], same[0]);
  const { losses, ...cpu } = same[2];
  const { losses: gpuLosses, ...gpu } = same[0];
  assert.deepEqual(cpu, gpu);
  losses.forEach((loss, i) => assert.ok(Math.abs(loss - gpuLosses[i]) / loss < 1e-4));
});

test("an engine that dies is reported and can be opened again", { timeout: 240_000 }, async ({ lab }) => {
  const seen = await lab(async () => {
    const { openLab } = await import("./sae-lab.js");
    const lab = await openLab({ device: "cpu" });
    const model = await lab.loadModel("tiny");
    lab.dispose();
    const after = await model.run("a").then(() => "ran", (error) => error.code);
    const closed = (await lab.closed).code;
    const second = await openLab({ device: "cpu" });
    const again = await (await second.loadModel("tiny")).generate("Once upon a time", { maxNewTokens: 2, temperature: 0 });
    return { after, closed, text: again.text };
  });
  assert.deepEqual(seen, { after: "LAB-CLOSED", closed: "LAB-CLOSED", text: "Once upon a time, there" });
});

test("without WebGPU the same lab runs on the CPU and says why", { noWebGPU: true }, async ({ lab, quiet }) => {
  const { info, text } = await lab(async ({ lab }) => ({ info: lab.info, text: (await (await lab.loadModel("tiny")).generate("The capital of France is", { maxNewTokens: 2, temperature: 0 })).text }));
  assert.equal(info.device, "cpu");
  assert.match(info.reason, /WebGPU/);
  assert.equal(text, "The capital of France is Paris.");
  quiet();
});
