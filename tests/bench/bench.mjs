// Sizes, counts and times of the built lab, as tables for README. Beside others that run in a browser: peers.mjs. How cost grows with size: growth.mjs. Lab C.4: lab-c4.mjs.
//
//   node tests/bench/bench.mjs [--root www] [--visits 5]
//
// Counts (dispatches, submits, readbacks, bytes) come from the browser's own WebGPU calls, so they hold for any
// device. Times are of this machine; where WebGPU is SwiftShader, they say nothing about a GPU.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { launch } from "../browser/browser.mjs";
import { startServer } from "../browser/server.mjs";
import { COUNT_WEBGPU, bytesMoved } from "./count-webgpu.mjs";
import { ISOLATED, bytes, head, median, ms, row, whole } from "./peers-tables.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({ options: { root: { type: "string", default: join(here, "../../www") }, visits: { type: "string", default: "5" } } });
const ARCHITECTURES = ["tied", "untied", "standard", "topk", "batchtopk", "jumprelu", "gated", "matryoshka_batchtopk"];
const D = 96, FEATURES = 384, BATCH = 256;
/** A renderer on the CPU stands in for a GPU, which the page would otherwise leave alone. */
const AS_A_GPU = "if (globalThis.GPUAdapterInfo) Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });";

const site = await startServer({ root: flags.root, base: "/", headers: ISOLATED });
try {
  const started = {};
  for (const device of ["webgpu", "cpu"]) started[device] = await visits(device);
  sizes(started.webgpu.requests);
  const browser = await launch({ adapter: true });
  try {
    console.log(`\nChromium ${browser.version()}, ${cpus().length} × ${cpus()[0]?.model.trim()}`);
    const measured = {};
    for (const device of ["webgpu", "cpu"]) measured[device] = await measure(browser, device, "");
    const counted = await measure(browser, "webgpu", COUNT_WEBGPU);
    modelTable(started, measured, counted);
    trainingTable(measured, counted);
  } finally {
    await browser.close();
  }
} finally {
  await site.close();
}
process.exit(0);

/** Opens the page again and again, with one profile: what it asks for on the first visit, and the milliseconds from opening to the first generated token of each. */
async function visits(device) {
  const profile = mkdtempSync(join(tmpdir(), "sae-lab-bench-"));
  const context = await launch({ adapter: device === "webgpu", profile });
  const requests = new Set(), times = [];
  site.prelude = device === "webgpu" ? AS_A_GPU : "";
  context.on("request", (request) => requests.add(new URL(request.url()).pathname));
  // As soon as the page lets one, the text is continued.
  await context.addInitScript(() => {
    const watch = () => {
      const button = document.querySelector("#first-try button[name=try-continue]");
      const text = document.querySelector("#first-try [data-part=text]");
      if (text && !text.hidden) globalThis.firstToken = performance.now();
      else if (button?.getAttribute("aria-disabled") === "false") button.click();
      if (!globalThis.firstToken) setTimeout(watch, 5);
    };
    watch();
  });
  try {
    for (let visit = 0; visit <= Number(flags.visits); visit += 1) {
      const page = await context.newPage();
      await page.goto(site.url);
      times.push(await (await page.waitForFunction(() => globalThis.firstToken, null, { timeout: 120_000 })).jsonValue());
      // What is kept of the files and of the compiled module is written when there is time.
      await page.waitForTimeout(2000);
      await page.close();
    }
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
  return { cold: times[0], warm: median(times.slice(1)), requests: [...requests] };
}

function sizes(requests) {
  const all = readdirSync(flags.root, { recursive: true }).map((name) => `/${name}`);
  const isText = (name) => [".js", ".css", ".html"].includes(extname(name));
  const asked = requests.map((name) => (name === "/" ? "/index.html" : name)).filter((name) => all.includes(name));
  const mb = (n) => `${(n / 1e6).toFixed(2)} MB`;
  const line = (title, names) => {
    const files = names.map((name) => readFileSync(join(flags.root, name)));
    const sum = (of) => mb(files.reduce((sum, file) => sum + of(file), 0));
    console.log(row([title, sum((file) => file.length), sum((file) => gzipSync(file, { level: 9 }).length), sum((file) => brotliCompressSync(file).length)]));
  };
  const firstText = asked.filter(isText), allText = all.filter(isText);
  console.log(head(["size", "raw", "gzip -9", "brotli 11"]));
  line("WebAssembly module", ["/pkg/sae_lab_bg.wasm"]);
  line(`JavaScript, CSS and HTML of the main page up to its first token, ${firstText.length} files`, firstText);
  line(`JavaScript, CSS and HTML of all pages, ${allText.length} files`, allText);
  line("the bundled model", asked.filter((name) => name.startsWith("/models/")));
}

/** What this lab's own module does with the tiny model, and how long it takes; with a counter as `prelude`, what it asks of the GPU. */
async function measure(browser, device, prelude) {
  site.prelude = prelude;
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site.url}__blank`);
  const result = await page.evaluate(async ({ device, counting, ARCHITECTURES, D, FEATURES, BATCH }) => {
    const ask = (what) => {
      if (!counting) return {};
      const channel = new BroadcastChannel("counts");
      channel.postMessage(what);
      return new Promise((done) => { channel.onmessage = ({ data }) => typeof data === "object" && (channel.close(), done(data)); });
    };
    // Once half a second has passed without more: the lab keeps an SAE for a lost GPU when its training has answered.
    const settled = async () => {
      for (let last = await ask("ask"); counting; ) {
        await new Promise((done) => setTimeout(done, 500));
        const now = await ask("ask");
        if (now.submits === last.submits && now.readbacks === last.readbacks) return now;
        last = now;
      }
      return {};
    };
    const minus = (a, b, n) => Object.fromEntries(Object.keys(a).map((key) => [key, (a[key] - b[key]) / n]));
    const start = performance.now();
    const { openLab } = await import("./sae-lab.js");
    const lab = await openLab({ device });
    const opened = performance.now() - start;
    const model = await lab.loadModel("tiny");
    const loaded = performance.now() - start;
    let firstToken = 0;
    await model.generate("Once upon a time", { maxNewTokens: 1, temperature: 0, onToken: () => (firstToken = performance.now() - start) });
    const first = await ask("ask");

    // Decoding with the KV cache, from the second token on.
    const stamps = [];
    const before = await ask("ask");
    await model.generate("Once upon a time", { maxNewTokens: 33, temperature: 0, stopAtEos: false, onToken: () => stamps.push(performance.now()) });
    const token = (stamps[32] - stamps[0]) / 32;
    const after = await ask("ask");
    const marks = counting ? (await ask("marks")).slice(-17) : [];
    if (counting && after.readbacks - before.readbacks < 33) throw new Error("a token without a readback: count tokens otherwise");
    const perToken = counting ? minus(marks[16], marks[0], 16) : {};
    const cacheBytes = 2 * 4 * model.config.dModel * model.config.nLayers * (5 + 33);

    // SAE steps of lab C.4's sizes on the tiny model. What one more step costs is the difference between a long epoch and a short one.
    const rows = (steps) => ({ data: new Float32Array(steps * BATCH * D).map((_, i) => Math.sin(i * 1.7) * 3), shape: [steps * BATCH, D] });
    const [FEW, MORE] = device === "cpu" ? [4, 36] : [2, 6];
    const [few, more] = [rows(FEW), rows(MORE)];
    const steps = {};
    for (const architecture of ARCHITECTURES) {
      const sae = await lab.createSae({ architecture, dIn: D, dSae: FEATURES });
      const train = async (rows) => {
        const from = await settled();
        const start = performance.now();
        await sae.train(rows, { epochs: 1, batchSize: BATCH });
        return { ms: performance.now() - start, ...minus(await settled(), from, 1) };
      };
      await train(few);
      steps[architecture] = minus(...[await train(few), await train(more)].reverse(), MORE - FEW);
      await sae.dispose();
    }
    return { adapter: lab.info.adapter, weights: model.weights, weightBytes: model.deviceBytes, cacheBytes, opened, loaded, firstToken, token, first, perToken, steps };
  }, { device, counting: prelude !== "", ARCHITECTURES, D, FEATURES, BATCH });
  await context.close();
  return result;
}

function modelTable(started, { webgpu, cpu }, counted) {
  const { perToken: of, first } = counted;
  console.log(`\n${head(["tiny model", `WebGPU (${webgpu.adapter?.architecture})`, "CPU"])}`);
  const line = (name, gpu, onCpu = "–") => console.log(row([name, gpu, onCpu]));
  line("the page, from opening to its first generated token, first visit", ms(started.webgpu.cold), ms(started.cpu.cold));
  line("… with a warm cache (median)", ms(started.webgpu.warm), ms(started.cpu.warm));
  line("the module, from its import to an open engine", ms(webgpu.opened), ms(cpu.opened));
  line("… to a loaded model", ms(webgpu.loaded), ms(cpu.loaded));
  line("… to the first generated token", ms(webgpu.firstToken), ms(cpu.firstToken));
  line("one more token, KV cache", ms(webgpu.token), ms(cpu.token));
  for (const key of ["dispatches", "submits", "readbacks"]) line(`${key} per token`, whole(of[key]));
  line(`bytes moved per token, of the ${counted.weights} weights and the keys and values`, `${bytes(bytesMoved(of))}, ${(bytesMoved(of) / (counted.weightBytes + counted.cacheBytes)).toFixed(3)}`);
  line("… written by the page, copied, read back", `${bytes(of.bytesWritten)}, ${bytes(of.bytesCopied)}, ${bytes(of.bytesRead)}`);
  line("shaders compiled up to the first token", `${first.shaders}, ${(first.shaderBytes / 1e6).toFixed(2)} MB of WGSL`);
}

function trainingTable({ webgpu, cpu }, counted) {
  console.log(`\n${head([`one more training step, ${D} → ${FEATURES}, batch ${BATCH}`, "WebGPU", "CPU", "dispatches", "submits", "readbacks", "bytes moved", "written", "copied"])}`);
  for (const architecture of ARCHITECTURES) {
    const step = counted.steps[architecture];
    const numbers = ["dispatches", "submits", "readbacks"].map((key) => whole(step[key]));
    console.log(row([architecture, ms(webgpu.steps[architecture].ms), ms(cpu.steps[architecture].ms), ...numbers, bytes(bytesMoved(step)), bytes(step.bytesWritten), bytes(step.bytesCopied)]));
  }
}
