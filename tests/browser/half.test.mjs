// Weights as f16: the GPU's kernels against the CPU's plain products, over sizes that fit no tile, and the check that
// notices when a GPU computes something else.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { difference } from "./reference.mjs";

/** In the page: the files of a random GPT-2 in f32, from its sizes. */
const randomModel = ({ d, heads, layers, vocab, ctx, seed }) => {
  let state = seed >>> 0;
  const uniform = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5);
  const shapes = { "wte.weight": [vocab, d], "wpe.weight": [ctx, d], "ln_f.weight": [d], "ln_f.bias": [d] };
  for (let l = 0; l < layers; l++) {
    for (const [name, shape] of Object.entries({ ln_1: [d], "attn.c_attn": [d, 3 * d], "attn.c_proj": [d, d], ln_2: [d], "mlp.c_fc": [d, 4 * d], "mlp.c_proj": [4 * d, d] })) {
      shapes[`h.${l}.${name}.weight`] = shape;
      shapes[`h.${l}.${name}.bias`] = [shape.at(-1)];
    }
  }
  const header = {}, data = [];
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const n = shape.reduce((a, b) => a * b);
    const around = /ln_.*weight/.test(name) ? 1 : 0;
    // Values over the whole range of f16, some of them too small for it to hold exactly.
    data.push(Float32Array.from({ length: n }, (_, i) => around + uniform() * (i % 7 === 0 ? 1e-5 : 0.8)));
    header[name] = { dtype: "F32", shape, data_offsets: [at, (at += 4 * n)] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(text.length), true);
  const config = { model_type: "gpt2", vocab_size: vocab, n_positions: ctx, n_embd: d, n_layer: layers, n_head: heads, bos_token_id: 256, eos_token_id: 256 };
  const bytes = {};
  const visible = [...Array(256).keys()].filter((b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
  const hidden = [...Array(256).keys()].filter((b) => !visible.includes(b));
  for (const b of visible) bytes[String.fromCharCode(b)] = b;
  hidden.forEach((b, i) => (bytes[String.fromCharCode(256 + i)] = b));
  const vocabulary = { ...bytes, "<|endoftext|>": 256 };
  return [
    new File([JSON.stringify(config)], "config.json"),
    new File([JSON.stringify(vocabulary)], "vocab.json"),
    new File(["#version: 0.2\n"], "merges.txt"),
    new File([length.buffer, text, ...data], "model.safetensors"),
  ];
};

const SIZES = [
  { d: 66, heads: 3, layers: 1, vocab: 300, ctx: 80, seed: 2, lengths: [1, 2, 3, 7, 8, 9, 64, 65] },
  { d: 130, heads: 5, layers: 2, vocab: 513, ctx: 80, seed: 4, lengths: [1, 5, 63] },
  { d: 2, heads: 1, layers: 1, vocab: 1000, ctx: 80, seed: 3, lengths: [1, 4, 9] },
  // An odd width cannot be packed: its matrices stay f32.
  { d: 63, heads: 7, layers: 1, vocab: 259, ctx: 80, seed: 5, lengths: [1, 5] },
];

/** In the page: logits of all positions at these lengths, and those of the last alone with the cache's single rows. */
const computed = async ({ lab, sizes, randomModel }) => {
  const make = new Function(`return (${randomModel})`)();
  const all = [];
  for (const size of sizes) {
    const model = await lab.loadModel({ files: make(size) }, { weights: "f16" });
    const ids = (n) => Array.from({ length: n }, (_, i) => (i * 7919 + n) % size.vocab);
    const outputs = [];
    for (const n of size.lengths) outputs.push((await model.run(ids(n), { logits: "all", center: false })).logits.data);
    const { newIds, logprobs } = await model.generate(ids(5), { maxNewTokens: 6, temperature: 0, stopAtEos: false, logprobs: true });
    const anew = await model.generate(ids(5), { maxNewTokens: 6, temperature: 0, stopAtEos: false, logprobs: true, useCache: false });
    // Where a hook looks inside, that half of a block takes the plain way.
    const looked = [];
    for (const site of ["attn.hook_pattern", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "mlp.hook_post", "hook_mlp_out"]) {
      looked.push((await model.run(ids(9), { logits: "all", center: false, hooks: [`blocks.0.${site}`] })).logits.data);
    }
    const whole = (await model.run(ids(9), { logits: "all", center: false })).logits.data;
    all.push({ outputs, newIds, logprobs, anew, looked, whole, weights: model.weights, deviceBytes: model.deviceBytes, check: model.check[0] });
    await model.dispose();
  }
  return all;
};

const results = {};
for (const device of /** @type {const} */ (["cpu", "webgpu"])) {
  test(`${device}: f16 weights, over odd sizes`, { device, timeout: 300_000 }, async ({ lab, note, quiet }) => {
    results[device] = await lab(computed, { sizes: SIZES, randomModel: String(randomModel) });
    for (const { check, weights, newIds, logprobs, anew, looked, whole } of results[device]) {
      assert.ok(check.passed && weights === "f16", JSON.stringify(check));
      assert.deepEqual(anew.newIds, newIds);
      assert.ok(difference(anew.logprobs, logprobs) < 1e-4, "with the cache and without");
      const scale = Math.max(...whole.map(Math.abs));
      for (const [i, logits] of looked.entries()) assert.ok(difference(logits, whole) < 1e-5 * scale, `hook ${i}`);
    }
    note(`largest error of the check: ${Math.max(...results[device].map(({ check }) => check.error)).toExponential(1)}`);
    quiet();
  });
}

test("f16 weights: WebGPU's products are the CPU's", async ({ note }) => {
  assert.ok(results.cpu && results.webgpu, "run together with the two tests above");
  let largest = 0;
  for (const [i, size] of SIZES.entries()) {
    const [a, b] = [results.cpu[i], results.webgpu[i]];
    assert.equal(a.deviceBytes, b.deviceBytes);
    assert.deepEqual(a.newIds, b.newIds);
    for (const [n, expected] of a.outputs.entries()) {
      assert.equal(b.outputs[n].length, expected.length);
      const scale = Math.max(...expected.map(Math.abs));
      expected.forEach((x, at) => {
        const off = Math.abs(x - b.outputs[n][at]) / scale;
        assert.ok(off < 1e-5, `d ${size.d}, ${size.lengths[n]} tokens, value ${at}: ${b.outputs[n][at]} for ${x}`);
        largest = Math.max(largest, off);
      });
    }
  }
  note(`largest difference of a logit, relative to the largest: ${largest.toExponential(1)}`);
});

// A GPU whose sums begin at 0.01, where one row is multiplied: what wrong drivers do is of this kind, or worse.
const WRONG = `if (globalThis.GPUDevice) {
  const original = GPUDevice.prototype.createShaderModule;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    return original.call(this, { ...descriptor, code: descriptor.code.replace("var sum = vec4<f32>();", "var sum = vec4<f32>(0.01);") });
  };
}`;

test("webgpu: a GPU that computes something else is found out", { device: "webgpu", prelude: WRONG, timeout: 120_000 }, async ({ lab, rejection }) => {
  const error = await rejection(({ lab }) => lab.loadModel("tiny"));
  assert.equal(error.code, "LAB-CHECK-FAILED");
  assert.match(error.message, /tiny.*differs by/);
  assert.match(error.hint, /CPU/);
  const seen = await lab(async ({ lab }) => {
    const model = await lab.loadModel("tiny", { acceptFailedCheck: true });
    const { text } = await model.generate("Once upon a time", { maxNewTokens: 2 });
    return { passed: model.check.map(({ passed }) => passed), text };
  });
  assert.deepEqual(seen.passed, [false]);
  assert.ok(seen.text.startsWith("Once upon a time"));
});
