// Sizes, counts and times of the built lab, as a table for README. Beside others that run in a browser: peers.mjs.
//
//   node tests/bench/bench.mjs [--root www]
//
// Counts (dispatches, submits, readbacks, bytes) come from the browser's own WebGPU calls, so they hold for any
// device. Times are of this machine; where WebGPU is SwiftShader, they say nothing about a GPU.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { launch } from "../browser/browser.mjs";
import { startServer } from "../browser/server.mjs";
import { COUNT_WEBGPU } from "./count-webgpu.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({ options: { root: { type: "string", default: join(here, "../../www") } } });

sizes();
const site = await startServer({ root: flags.root, base: "/" });
const browser = await launch({ adapter: true });
console.log(`\nChromium ${browser.version()}, ${cpus().length} × ${cpus()[0]?.model}`);
try {
  // The counter must be there before the engine's worker starts.
  site.prelude = COUNT_WEBGPU;
  const rows = [];
  for (const device of ["webgpu", "cpu"]) rows.push(await measure(device));
  table(rows);
} finally {
  await browser.close();
  await site.close();
}
process.exit(0);

function sizes() {
  const files = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)]));
  const module = readFileSync(join(flags.root, "pkg/sae_lab_bg.wasm"));
  const own = files(flags.root).filter((file) => file.endsWith(".js") || file.endsWith(".css") || file.endsWith(".html"));
  const bytes = own.reduce((sum, file) => sum + statSync(file).size, 0);
  const zipped = own.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0);
  const mb = (n) => `${(n / 1e6).toFixed(2)} MB`;
  console.log("| size | raw | gzip -9 | brotli 11 |\n|---|---|---|---|");
  console.log(`| WebAssembly module | ${mb(module.length)} | ${mb(gzipSync(module, { level: 9 }).length)} | ${mb(brotliCompressSync(module).length)} |`);
  console.log(`| JavaScript, CSS and HTML, ${own.length} files | ${mb(bytes)} | ${mb(zipped)} | |`);
}

async function measure(device) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site.url}__blank`);
  const result = await page.evaluate(async (device) => {
    const channel = new BroadcastChannel("counts");
    const counts = () => {
      if (device === "cpu") return { dispatches: 0, submits: 0, readbacks: 0, shaders: 0, shaderBytes: 0 };
      channel.postMessage("ask");
      return new Promise((done) => { channel.onmessage = ({ data }) => typeof data === "object" && done(data); });
    };
    const minus = (a, b, n) => Object.fromEntries(Object.keys(a).map((key) => [key, (a[key] - b[key]) / n]));
    const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
    const start = performance.now();
    const { openLab } = await import("./sae-lab.js");
    const lab = await openLab({ device });
    const opened = performance.now() - start;
    const model = await lab.loadModel("tiny");
    const loaded = performance.now() - start;
    let firstToken = 0;
    await model.generate("Once upon a time", { maxNewTokens: 1, temperature: 0, onToken: () => (firstToken = performance.now() - start) });
    const shaders = await counts();

    // Decoding with the KV cache: from the second token on.
    await model.generate("Once upon a time", { maxNewTokens: 4, temperature: 0 });
    const stamps = [];
    const long = await counts();
    await model.generate("Once upon a time", { maxNewTokens: 25, temperature: 0, stopAtEos: false, onToken: () => stamps.push(performance.now()) });
    const decode25 = await counts();
    await model.generate("Once upon a time", { maxNewTokens: 5, temperature: 0, stopAtEos: false });
    const decode5 = await counts();
    const perToken = minus(minus(decode25, long, 1), minus(decode5, decode25, 1), 20);
    const token = median(stamps.slice(1).map((t, i) => t - stamps[i]));

    // One SAE training step: lab C.4's sizes on the tiny model, batch 256 of 96 into 384.
    const data = new Float32Array(1024 * 96).map((_, i) => Math.sin(i * 1.7) * 3);
    const steps = {};
    for (const architecture of ["tied", "untied", "standard", "topk", "batchtopk", "jumprelu", "gated", "matryoshka_batchtopk"]) {
      const sae = await lab.createSae({ architecture, dIn: 96 });
      const rows = { data, shape: [1024, 96] };
      await sae.train(rows, { epochs: 1 });
      const from = await counts();
      const epochs = device === "cpu" ? 20 : 5;
      const last = performance.now();
      await sae.train(rows, { epochs, onProgress: () => {} });
      steps[architecture] = { ms: (performance.now() - last) / (epochs * 4), ...minus(await counts(), from, epochs * 4) };
      await sae.dispose();
    }
    return { device, adapter: lab.info.adapter, opened, loaded, firstToken, token, shaders, perToken, steps };
  }, device);
  await context.close();
  return result;
}

function table(rows) {
  const [gpu] = rows;
  console.log(`\n| tiny model | ${rows.map(({ device, adapter }) => (device === "cpu" ? "CPU" : `WebGPU (${adapter?.architecture})`)).join(" | ")} |\n|---|${rows.map(() => "---|").join("")}`);
  const line = (name, of) => console.log(`| ${name} | ${rows.map(of).join(" | ")} |`);
  const ms = (t) => (t >= 100 ? `${Math.round(t)} ms` : `${t.toFixed(1)} ms`);
  const count = (n) => (n === undefined ? "–" : String(Math.round(n * 10) / 10));
  const onGpu = (of) => (row) => (row.device === "cpu" ? "–" : of(row));
  line("from opening to an open engine", (row) => ms(row.opened));
  line("… to a loaded model", (row) => ms(row.loaded));
  line("… to the first generated token", (row) => ms(row.firstToken));
  line("one more token, KV cache (median)", (row) => ms(row.token));
  for (const key of ["dispatches", "submits", "readbacks"]) line(`${key} per token`, onGpu((row) => count(row.perToken[key])));
  line("shaders compiled up to the first token", onGpu((row) => `${row.shaders.shaders}, ${(row.shaders.shaderBytes / 1e6).toFixed(2)} MB of WGSL`));

  console.log(`\n| one training step, 96 → 384, batch 256 | ${rows.map(({ device }) => (device === "cpu" ? "CPU" : "WebGPU")).join(" | ")} | dispatches | submits | readbacks |`);
  console.log(`|---|${rows.map(() => "---|").join("")}---|---|---|`);
  for (const [architecture, step] of Object.entries(gpu.steps)) {
    const counted = ["dispatches", "submits", "readbacks"].map((key) => (gpu.device === "cpu" ? "–" : count(step[key])));
    console.log(`| ${[architecture, ...rows.map((row) => ms(row.steps[architecture].ms)), ...counted].join(" | ")} |`);
  }
}
