// A GPT-2 of GPT-2 small's own size (tests/reference/gpt2_small.py): 124,439,808 random numbers, loaded as the page loads any model, on WebGPU and on the CPU,
// as f32 and as f16, against transformers; what that takes of memory; and the same within WebGPU's guaranteed limits.
// Minutes each on SwiftShader: `./build.sh test --full`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CACHE } from "./browser.mjs";
import { test } from "./harness.mjs";
import { DEFAULT_LIMITS_PRELUDE, MEMORY_PRELUDE, MemoryWatch } from "./memory.mjs";
import { difference, json, tensors } from "./reference.mjs";

const expected = json("gpt2_small");
const numbers = tensors("gpt2_small");
const columns = Uint32Array.from(numbers.columns.data);
const FOLDER = join(CACHE, "models/gpt2-small-random");
const MB = 1e6;

/** Largest difference of a logit from transformers', of the same weights. */
const ALLOWED = 1e-3;
/** What f16 weights may cost: tests/reference/README.md has 0.014 for these. */
const HALF_ALLOWED = 0.02;
/** The most that page and worker may hold while a model passes through to the GPU. */
const HEAP = 150 * MB;
/** The weights' bytes as they lie on the device: matrices in f16 or f32, the rest f32, and z_shift, a row a layer. */
const onDevice = (weights) => 4 * (expected.model.parameters + 12 * 768) - (weights === "f16" ? 2 * 123_532_032 : 0);

function present() {
  const file = join(FOLDER, "model.safetensors");
  assert.ok(existsSync(file) && statSync(file).size === expected.model.bytes, `${file} is missing: ./build.sh test --full makes it`);
}

/** Loads `folder` into window.model, and says in which phases and how fast. */
const load = (lab, baseUrl, weights, keep = false) => lab(async ({ lab, baseUrl, weights, keep }) => {
  const start = performance.now();
  const phases = {};
  const onProgress = ({ phase }) => (phases[phase] ??= (performance.now() - start) / 1000);
  window.model = await lab.loadModel({ baseUrl }, { weights, keep, onProgress });
  const { check, deviceBytes, parameters, source } = window.model;
  return { seconds: (performance.now() - start) / 1000, phases, check, deviceBytes, parameters, weights: window.model.weights, source };
}, { baseUrl, weights, keep });

/** Runs a prompt on window.model: the stored positions and columns of its logits, the best token at each position, its loss. */
const run = (lab, n) => lab(async ({ ids, columns, positions }) => {
  const start = performance.now();
  const { logits: { data, shape: [, width] }, loss } = await window.model.run(new Uint32Array(ids), { logits: "all", center: false });
  const row = (position) => data.subarray(position * width, (position + 1) * width);
  const best = ids.map((_, position) => row(position).reduce((at, x, i, all) => (x > all[at] ? i : at), 0));
  const kept = Float32Array.from(positions.flatMap((position) => Array.from(columns, (column) => row(position)[column])));
  return { kept, best, loss, seconds: (performance.now() - start) / 1000 };
}, { ids: expected.prompts[n].ids, columns, positions: expected.positions });

/** Holds prompt `n` against transformers: an engine of the same weights, and what their rounding costs. Returns both. */
async function compare(lab, weights, n) {
  const found = await run(lab, n);
  const same = weights === "f16" ? "half" : "f64";
  const apart = difference(found.kept, numbers[`${same}/logits/${n}`].data);
  const cost = difference(found.kept, numbers[`f64/logits/${n}`].data);
  assert.ok(apart <= ALLOWED, `prompt ${n}, ${weights}: ${apart} from the same weights`);
  assert.ok(cost <= (weights === "f16" ? HALF_ALLOWED : ALLOWED), `prompt ${n}, ${weights}: ${cost} from f32`);
  assert.ok(Math.abs(found.loss - expected.prompts[n].loss[same]) < 1e-4, `loss ${found.loss}`);
  assert.deepEqual(found.best, expected.prompts[n].best[same], `the best tokens of prompt ${n}`);
  return `prompt ${n}: ${apart.toExponential(1)} from transformers with these weights, ${cost.toExponential(1)} from f32, ${found.seconds.toFixed(1)} s`;
}

const spent = ({ seconds, phases }) => `loaded in ${seconds.toFixed(1)} s (${Object.entries(phases).map(([phase, at]) => `${phase} from ${at.toFixed(1)}`).join(", ")})`;
const millions = (bytes) => `${(bytes / MB).toFixed(1)} MB`;

for (const weights of ["f32", "f16"]) {
  test(`on the CPU, ${weights}: logits and greedy tokens as transformers has them`, { full: true, device: "cpu", timeout: 1_200_000 }, async ({ lab, made, note, quiet }) => {
    present();
    const loaded = await load(lab, `${made}gpt2-small-random/`, weights);
    assert.equal(loaded.parameters, expected.model.parameters);
    assert.ok(loaded.check.length > 0 && loaded.check.every(({ passed }) => passed), JSON.stringify(loaded.check));
    note(spent(loaded));
    for (const n of expected.prompts.keys()) note(await compare(lab, weights, n));
    const { newIds } = await lab(({ ids, n }) => window.model.generate(new Uint32Array(ids), { maxNewTokens: n, temperature: 0, stopAtEos: false }), { ids: expected.prompts[2].ids, n: expected.greedy.ids.length });
    assert.deepEqual([...newIds], expected.greedy.ids);
    quiet();
  });
}

for (const [what, weights, limits, prompts] of [["WebGPU", "f16", "", [0, 2]], ["WebGPU", "f32", "", [2]], ["WebGPU's guaranteed limits", "f16", DEFAULT_LIMITS_PRELUDE, [2]], ["WebGPU's guaranteed limits", "f32", DEFAULT_LIMITS_PRELUDE, [2]]]) {
  test(`on ${what}, ${weights}: logits as transformers has them, in little memory`, { full: true, timeout: 2_400_000, prelude: `${MEMORY_PRELUDE}\n${limits}` }, async (session) => {
    present();
    const { lab, made, note, quiet } = session;
    const watch = await MemoryWatch.on(session);
    const info = await lab(({ lab }) => lab.info);
    assert.equal(info.device, "webgpu", info.reason ?? "");
    if (limits) assert.deepEqual([info.limits.maxStorageBufferBindingSize, info.limits.maxBufferSize, info.limits.maxStorageBuffersPerShaderStage], [2 ** 27, 2 ** 28, 8]);
    const { result: loaded, peak, samples, end } = await watch.during(load(lab, `${made}gpt2-small-random/`, weights));
    const size = onDevice(weights);
    note(spent(loaded));
    const parts = [["page", peak.page], ["worker", peak.worker]].map(([name, { objects, buffers }]) => `${name} ${millions(objects)} of objects and ${millions(buffers)} of buffers`);
    note(`while loading: ${millions(peak.heap)} in page and worker at most: WebAssembly ${millions(peak.wasm)}, ${parts.join(", ")}; ${samples} samples`);
    note(`GPU buffers: ${millions(end.gpu.peak)} at most, ${(end.gpu.peak / size).toFixed(3)} of the weights' ${millions(size)}; ${millions(end.gpu.uncollectedPeak)} with those that wait to be collected; the largest has ${millions(end.gpu.largest)}`);
    assert.equal(loaded.deviceBytes, size);
    assert.ok(loaded.check.length > 0 && loaded.check.every(({ passed }) => passed), JSON.stringify(loaded.check));
    for (const n of prompts) note(await compare(lab, weights, n));
    assert.ok(samples > 3, `${samples} samples`);
    assert.ok(peak.heap < HEAP, `${peak.heap} bytes of heap`);
    assert.ok(end.gpu.peak < 1.15 * size, `${end.gpu.peak} bytes of GPU buffers for ${size} of weights`);
    quiet();
  });
}

test("kept, it is read again in as little memory", { full: true, timeout: 1_200_000, prelude: MEMORY_PRELUDE }, async (session) => {
  present();
  const { lab, made, note } = session;
  const watch = await MemoryWatch.on(session);
  await lab(() => {});
  for (const phase of ["download", "read"]) {
    const { result: loaded, peak } = await watch.during(load(lab, `${made}gpt2-small-random/`, "f16", true));
    note(`${spent(loaded)}; kept in ${loaded.source.kept} ${loaded.source.keptReason ?? ""}`);
    note(`${millions(peak.heap)} in page and worker at most`);
    assert.ok(phase in loaded.phases, JSON.stringify(loaded.phases));
    assert.ok(peak.heap < HEAP, `${peak.heap} bytes of heap`);
    await lab(() => window.model.dispose());
  }
});

test("cut into f16 pieces of at most 16 MiB it is the same model", { full: true, device: "cpu", timeout: 1_200_000 }, async ({ lab, made, note }) => {
  present();
  const script = fileURLToPath(new URL("../tools/split-model.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "gpt2-small-random", "--from", FOLDER, "--to", join(CACHE, "models/gpt2-small-random-f16")], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  note(stdout.trim().split("/").at(-1));
  note(spent(await load(lab, `${made}gpt2-small-random-f16/`, "f16")));
  note(await compare(lab, "f16", 2));
});
