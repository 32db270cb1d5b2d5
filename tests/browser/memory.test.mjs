// Memory is flat: over forward passes, training steps and loaded models, on both devices. GPU buffers, WebAssembly's memory and the JavaScript heaps of page and
// worker are looked at now and then, after a garbage collection; what was there at first, when pools and caches fill, is what the rest may exceed by 5 %.
//
// With --full 2,000 passes, 2,000 steps and 50 models, of which the first three tenths count as the beginning: WebAssembly's memory grows in the first 600
// steps of a training on WebGPU, and then no more in 4,000. The ordinary run is a small part of that and three quarters of it the beginning, in which cubecl's
// record of the last 512 launches fills: it sees a leak of whole buffers the day it is made.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { MEMORY_PRELUDE, MemoryWatch } from "./memory.mjs";

const GROWTH = 1.05;
/** How often it is looked at, and how many of these are the beginning. */
const LOOKS = { full: [10, 3], short: [4, 3] };

/** What a repetition does, on the page: part number `part`, `n` times. */
const KINDS = {
  passes: {
    begin: async ({ lab }) => { window.model = await lab.loadModel("tiny"); },
    // Of all lengths, so that buffers of all sizes come and go; with an intervention and without, from every hook.
    repeat: async ({ n, part, positions }) => {
      const ids = (length, seed) => Uint32Array.from({ length }, (_, i) => (seed * 31 + i * 17) % 1000);
      for (let i = 0; i < n; i += 1) {
        const at = part * n + i;
        const hooks = at % 4 === 0 ? [`blocks.${at % 12}.hook_resid_post`] : [];
        await window.model.run(ids(1 + (at * 7) % positions, at), { topK: 3, logits: "last", hooks });
      }
    },
  },
  steps: {
    begin: async ({ lab }) => {
      const data = Float32Array.from({ length: 1024 * 96 }, (_, i) => Math.sin(i * 1.7) * 3);
      window.rows = { data, shape: [1024, 96] };
      window.saes = await Promise.all(["tied", "topk"].map((architecture) => lab.createSae({ architecture, dIn: 96, dSae: 192, k: 16 })));
    },
    // Four steps an epoch, half of them of each SAE.
    repeat: async ({ n }) => {
      for (const sae of window.saes) await sae.train(window.rows, { epochs: Math.ceil(n / 8), batchSize: 256, continue: true });
    },
  },
  models: {
    begin: async () => {},
    repeat: async ({ lab, n }) => {
      for (let i = 0; i < n; i += 1) {
        const model = await lab.loadModel("tiny");
        await model.run("The capital of France is", { topK: 1 });
        await model.dispose();
      }
    },
  },
};

/** How often each is done; on a software adapter a pass takes a hundred times what it takes on the CPU. */
const TIMES = {
  cpu: { full: { passes: 2000, steps: 2000, models: 50 }, short: { passes: 100, steps: 96, models: 8 } },
  webgpu: { full: { passes: 2000, steps: 2000, models: 50 }, short: { passes: 40, steps: 192, models: 4 } },
};

for (const [device, sizes] of Object.entries(TIMES)) {
  for (const [size, times] of Object.entries(sizes)) {
    for (const [kind, n] of Object.entries(times)) {
      test(`${device}: ${n} ${kind}`, { device, full: size === "full", timeout: 1_800_000, prelude: MEMORY_PRELUDE }, (session) => flat(session, kind, n, LOOKS[size]));
    }
  }
}

async function flat(session, kind, n, [looks, beginning]) {
  const { begin, repeat } = KINDS[kind];
  await session.open("__blank");
  const watch = await MemoryWatch.on(session);
  await session.lab(begin);
  const seen = [];
  for (let part = 0; part < looks; part += 1) {
    await session.lab(repeat, { n: n / looks, part, positions: 24 });
    const { gpu, wasm, page, worker } = await watch.settled();
    seen.push({ "GPU buffers": gpu.now, "WebAssembly": wasm, "JavaScript": page.objects + page.buffers + worker.objects + worker.buffers });
  }
  for (const name of Object.keys(seen[0])) {
    const all = seen.map((one) => one[name]);
    const most = Math.max(...all.slice(0, beginning));
    if (most > 0) session.note(`${name}: ${all.map((bytes) => (bytes / 1e6).toFixed(2)).join(" ")} MB`);
    assert.ok(Math.max(...all.slice(beginning)) <= GROWTH * most, `${name} grew`);
  }
  session.quiet();
}
