// Shaders are compiled while a model loads, while the lab is idle and when a training starts: beside all else, as a phase that is seen.
// What is done first with a model, and the steps of a training, compile nothing any more.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

/** Counts the worker's pipelines: `now`, which hold up the GPU, by the names of their kernels, and `aside`, which do not. */
const COUNT = `(() => {
  if (typeof window !== "undefined" || !globalThis.GPUDevice) return;
  let counts = { now: [], aside: 0 };
  const texts = new WeakMap();
  const wrap = (method, count) => {
    const original = GPUDevice.prototype[method];
    GPUDevice.prototype[method] = function (...args) { const made = original.apply(this, args); count(args[0], made); return made; };
  };
  wrap("createShaderModule", ({ code }, module) => texts.set(module, code));
  wrap("createComputePipeline", ({ compute: { entryPoint, module } }) => counts.now.push(entryPoint === "main" ? texts.get(module) : entryPoint));
  wrap("createComputePipelineAsync", () => counts.aside++);
  new BroadcastChannel("pipelines").onmessage = ({ data, target }) => {
    if (data !== "ask") return;
    target.postMessage(counts);
    counts = { now: [], aside: 0 };
  };
})();`;
const OPTIONS = { prelude: COUNT, timeout: 300_000 };

/** On the page: `pipelines()` since it was last asked. */
async function listen(session) {
  await session.lab(() => {
    const channel = new BroadcastChannel("pipelines");
    window.pipelines = () => new Promise((done) => {
      channel.onmessage = ({ data }) => typeof data === "object" && done(data);
      channel.postMessage("ask");
    });
  });
}

/** None of these, which would hold up the GPU. */
function none(counted) {
  for (const [what, { now }] of Object.entries(counted)) assert.equal(now.length, 0, `${what} compiled ${now.map((text) => text.slice(0, 600)).join("\n\n")}`);
}

test("what a model needs until its first token is compiled while it loads, and what may follow while nothing is asked for", OPTIONS, async (session) => {
  await listen(session);
  const { counted, loading, idle, tokens } = await session.lab(async ({ lab }) => {
    const counted = {};
    const [loading, idle] = [[], []];
    const over = new Promise((done) => lab.watchShaders((step) => (idle.push(step), step.done === step.total && done())));
    const model = await lab.loadModel("tiny", { onProgress: (step) => loading.push(step) });
    counted.load = await window.pipelines();
    const ids = (n) => Uint32Array.from({ length: n }, (_, i) => 100 + i);
    await model.generate(ids(5), { maxNewTokens: 1, temperature: 0 });
    const tokens = await window.pipelines();
    await over;
    counted.idle = await window.pipelines();
    await model.run(ids(16), { topK: 3, logits: "last" });
    counted["a prompt of 16"] = await window.pipelines();
    await model.generate(ids(16), { maxNewTokens: 3, temperature: 0 });
    counted["three tokens"] = await window.pipelines();
    for (const n of [3, 100]) {
      await model.run(ids(n), { hooks: ["blocks.6.hook_resid_post"] });
      counted[`a hook at ${n} positions`] = await window.pipelines();
    }
    for (const [k, n] of [[2, 16], [1, 3], [7, 100]]) {
      await model.collect(Array.from({ length: k }, () => ids(n)), { hook: "blocks.6.hook_resid_post" });
      counted[`activations of ${k} texts of ${n}`] = await window.pipelines();
    }
    return { counted, loading, idle, tokens };
  });
  const { load, idle: idly, ...after } = counted;
  session.note(`loading: ${load.aside} aside, ${load.now.length} not (${load.now.map((text) => text.slice(0, 30)).join(", ")}); idle: ${idly.aside}`);
  // The check reads weights back by slices, whose kernels are burn's own.
  assert.ok(load.now.length <= 2 && load.aside >= 10, "most of what loading needs is compiled aside");
  assert.deepEqual(tokens.now, [], "the first token");
  none({ idly, ...after });
  assert.ok(Object.values(after).every(({ aside }) => aside === 0));
  const steps = loading.filter(({ phase }) => phase === "shaders");
  assert.ok(steps.length > 0 && steps.every(({ done, total }) => done <= total && total === load.aside), JSON.stringify(steps));
  assert.deepEqual(idle.at(-1), { phase: "shaders", done: idle.at(-1).total, total: idle.at(-1).total });
});

test("a load that is stopped while its shaders are compiled ends at once, and the next one works", OPTIONS, async ({ lab }) => {
  const { code, milliseconds, top } = await lab(async ({ lab }) => {
    const stop = new AbortController();
    let at = 0;
    const onProgress = ({ phase }) => phase === "shaders" && ((at = performance.now()), stop.abort());
    const code = await lab.loadModel("tiny", { signal: stop.signal, onProgress }).then(() => null, (error) => error.code);
    const milliseconds = performance.now() - at;
    const model = await lab.loadModel("tiny");
    const { top } = await model.run("The capital of France is", { topK: 3 });
    return { code, milliseconds, top: top.length };
  });
  assert.equal(code, "LAB-CANCELLED");
  assert.ok(milliseconds < 200, `${milliseconds} ms`);
  assert.equal(top, 3);
});

for (const architecture of ["tied", "untied", "standard", "topk", "batchtopk", "jumprelu", "gated", "matryoshka_batchtopk"]) {
  test(`a training's shaders are compiled before its first step, ${architecture}`, OPTIONS, async (session) => {
    await listen(session);
    const { counted, phases } = await session.lab(async ({ lab, architecture }) => {
      const k = ["topk", "batchtopk", "matryoshka_batchtopk"].includes(architecture) ? { k: 8 } : {};
      const sae = await lab.createSae({ architecture, dIn: 32, dSae: 64, ...k });
      const rows = (n) => ({ data: Float32Array.from({ length: n * 32 }, (_, i) => Math.sin(i * 1.7) * 3), shape: [n, 32] });
      const phases = [];
      await window.pipelines();
      const onProgress = (step) => "phase" in step && phases.push(step);
      await sae.train(rows(160), { epochs: 2, batchSize: 64, onProgress });
      const first = await window.pipelines();
      await sae.train(rows(160), { epochs: 1, batchSize: 64 });
      return { counted: { first, again: await window.pipelines() }, phases };
    }, { architecture });
    session.note(`${counted.first.aside} aside`);
    none(counted);
    assert.equal(counted.again.aside, 0);
    const steps = phases.filter(({ phase }) => phase === "shaders");
    assert.deepEqual([phases[0].phase, steps.at(-1).total], ["shaders", counted.first.aside]);
  });
}
