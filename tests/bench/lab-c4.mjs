// Lab C.4 as written, from opening to its most active features, on a GPT-2 of GPT-2 small's shapes: 1253 rows of 768 after block 6, a tied SAE of 3072 features, 100 epochs
// at batch 256. The lab on the CPU from start to end, beside the notebook's own code in Python (lab_c4.py) on the same passes; the lab's training on WebGPU for an epoch, the
// rest extrapolated, and what that would take on an integrated GPU by the bytes and operations of a step.
//
//   node tests/bench/lab-c4.mjs [--epochs 100] [--rounds 1] …        ./build.sh bench --c4 … prepares what it needs
//
//   --layers 12 --d 768 --vocab 50257    the GPT-2, of random numbers
//   --rounds N     how often the lab and Python take turns
//   --limit N      seconds that an epoch on WebGPU may take
//   --json FILE    all that was measured

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CACHE, launch } from "../browser/browser.mjs";
import { startServer } from "../browser/server.mjs";
import { COUNT_WEBGPU, bytesMoved } from "./count-webgpu.mjs";
import { ISOLATED, bytes, head, median, row, whole } from "./peers-tables.mjs";
import { tokens } from "./peers/numbers.js";

const here = dirname(fileURLToPath(import.meta.url));
const text = (value) => ({ type: "string", default: value });
const { values: flags } = parseArgs({ options: {
  root: text(join(here, "../../www")), python: text(join(CACHE, "python/bin/python")), made: text(join(CACHE, "models")),
  layers: text("12"), d: text("768"), vocab: text("50257"), epochs: text("100"), rounds: text("1"), limit: text("600"), json: { type: "string" },
} });
const [layers, d, vocab, epochs, rounds, limit] = [flags.layers, flags.d, flags.vocab, flags.epochs, flags.rounds, flags.limit].map(Number);
const features = 4 * d, batch = 256, layer = Math.min(6, layers - 1);
/** The notebook's prompts have 253 tokens with BOS, its random sequences 1000. */
const sequences = [...Array.from({ length: 26 }, (_, i) => tokens(i < 19 ? 10 : 9, i, vocab)), ...Array.from({ length: 50 }, (_, i) => tokens(20, 100 + i, vocab))];
const rows = sequences.flat().length;
/** An Iris Xe: operations and bytes a second, and the part of them that kernels reach; what browsers pay for a dispatch, in seconds. */
const GPU = { flops: 2.0e12, bytes: 51e9, ofFlops: 0.25, ofBytes: 0.7, dispatch: [24e-6, 71e-6] };
/** How far the lab's loss of the last epoch may be from the notebook's, relatively: each draws the order of the rows. */
const LOSS_ALLOWED = 0.05;

const name = `bench-${layers}x${d}x${vocab}`;
mkdirSync(flags.made, { recursive: true });
await python("random_gpt2.py", "--layers", layers, "--d", d, "--vocab", vocab, "--out", join(flags.made, name));
const ids = join(flags.made, `${name}-c4.json`);
writeFileSync(ids, JSON.stringify(sequences));

const site = await startServer({ root: flags.root, base: "/", mounts: { "/peers/": join(here, "peers"), "/made/": flags.made }, headers: ISOLATED });
const browser = await launch({ adapter: true });
const report = { chromium: browser.version(), processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`, rows, d, features, batch, epochs, lab: [], notebook: [], webgpu: null };
try {
  for (let round = 0; round < rounds; round += 1) {
    report.lab.push(await onTheCpu());
    say(`the lab on the CPU: ${told(report.lab.at(-1).seconds)}`);
    report.notebook.push(JSON.parse(await python("lab_c4.py", "--from", join(flags.made, name), "--ids", ids, "--layer", layer, "--epochs", epochs)));
    say(`the notebook: ${told(report.notebook.at(-1).seconds)}`);
  }
  const [ours, theirs] = [report.lab, report.notebook].map((all) => all.at(-1).losses.at(-1));
  const apart = Math.abs(ours / theirs - 1);
  if (report.lab.at(-1).rows !== report.notebook.at(-1).rows || !(apart <= LOSS_ALLOWED)) throw new Error(`not the same training: the last losses are ${ours} and ${theirs}`);
  report.apart = apart;
  report.webgpu = await onWebGpu().catch((error) => ({ says: error.message }));
} finally {
  await browser.close();
  await site.close();
}
print(report);
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(report, null, 1)}\n`);
process.exit(0);

function say(line) {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

function told(seconds) {
  return Object.entries(seconds).map(([name, s]) => `${name} ${s.toFixed(1)} s`).join(", ");
}

/** What a script of this folder prints. */
function python(script, ...args) {
  return new Promise((done, failed) => {
    const child = spawn(flags.python, [join(here, script), ...args.map(String)], { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, TRANSFORMERS_VERBOSITY: "error", TQDM_DISABLE: "1" } });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    child.on("error", failed);
    child.on("close", (code) => (code === 0 ? done(out) : failed(new Error(`${script} ended with ${code}`))));
  });
}

async function onTheCpu() {
  const page = await browser.newPage();
  await page.goto(`${site.url}__blank`);
  const result = await page.evaluate(async ({ folder, sequences, hook, epochs }) => {
    const seconds = {};
    let begin = performance.now();
    const lap = (name) => {
      const now = performance.now();
      seconds[name] = (now - begin) / 1000;
      begin = now;
    };
    const { openLab } = await import("./sae-lab.js");
    const lab = await openLab({ device: "cpu" });
    const model = await lab.loadModel({ baseUrl: new URL(folder, location.href) }, { keep: false });
    lap("open");
    const acts = await model.collect(sequences, { hook });
    lap("collect");
    const [rows, dIn] = acts.shape;
    const { uniform } = await import("/peers/numbers.js");
    const [F, zeros] = [4 * dIn, (n) => ({ data: new Float32Array(n), shape: [n] })];
    const weights = { W_enc: { data: uniform(dIn * F, 2, Math.sqrt(2 / dIn)), shape: [dIn, F] }, b_enc: zeros(F), b_dec: zeros(dIn) };
    const sae = await lab.createSae({ architecture: "tied", weights });
    const trained = await sae.train(acts, { epochs, batchSize: 256, lr: 1e-3, l1: 5e-4 });
    lap("train");
    await lab.analysis.topFeatures(sae, acts, { k: 20 });
    lap("features");
    return { rows, seconds, losses: trained.epochs.map(({ total }) => total) };
  }, { folder: `/made/${name}/`, sequences, hook: `blocks.${layer}.hook_resid_post`, epochs });
  await page.close();
  return result;
}

/** The same training on rows that only have its shape: seconds of an epoch once everything is compiled, and counts of one, in a page of its own with the counter. */
async function onWebGpu() {
  const visit = async (prelude, what) => {
    site.prelude = prelude;
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${site.url}__blank`);
    await page.evaluate(async ({ rows, d, features, batch }) => {
      const { openLab } = await import("./sae-lab.js");
      const lab = await openLab({ device: "webgpu" });
      const sae = await lab.createSae({ architecture: "tied", dIn: d, dSae: features });
      const acts = { data: new Float32Array(rows * d).map((_, i) => Math.sin(i * 1.7)), shape: [rows, d] };
      window.adapter = lab.info.adapter?.architecture ?? "";
      window.train = (epochs) => sae.train(acts, { epochs, batchSize: batch, lr: 1e-3, l1: 5e-4 });
    }, { rows, d, features, batch });
    const answer = page.evaluate(what);
    answer.catch(() => {});
    const late = new Promise((_, failed) => setTimeout(() => failed(new Error(`no answer in ${limit} s`)), limit * 1000).unref());
    try {
      return await Promise.race([answer, late]);
    } finally {
      await Promise.race([context.close(), new Promise((done) => setTimeout(done, 10_000))]);
    }
  };
  const timed = await visit("", async () => {
    await train(1);
    const start = performance.now();
    await train(2);
    return { adapter, s: (performance.now() - start) / 2000 };
  });
  say(`an epoch on WebGPU: ${timed.s.toFixed(1)} s`);
  const counts = await visit(COUNT_WEBGPU, async () => {
    const ask = () => {
      const channel = new BroadcastChannel("counts");
      channel.postMessage("ask");
      return new Promise((done) => { channel.onmessage = ({ data }) => typeof data === "object" && (channel.close(), done(data)); });
    };
    // Once half a second has passed without more: the lab keeps an SAE for a lost GPU when its training has answered.
    const settled = async () => {
      for (let last = await ask(); ; ) {
        await new Promise((done) => setTimeout(done, 500));
        const now = await ask();
        if (now.submits === last.submits && now.readbacks === last.readbacks) return now;
        last = now;
      }
    };
    await train(1);
    const all = [await settled()];
    for (const epochs of [1, 2]) {
      await train(epochs);
      all.push(await settled());
    }
    return Object.fromEntries(Object.keys(all[0]).map((key) => [key, all[2][key] - all[1][key] - (all[1][key] - all[0][key])]));
  });
  return { ...timed, ...counts };
}

function print({ lab, notebook, webgpu, processor, apart }) {
  const PARTS = { open: "opening, the model loaded", collect: `collecting ${rows} rows of ${d}, ${sequences.length} sequences`, train: `training, ${epochs} epochs of ${Math.ceil(rows / batch)} steps`, features: "the most active features" };
  const seconds = (s) => (s >= 100 ? `${Math.round(s)} s` : s >= 10 ? `${s.toFixed(1)} s` : `${s.toFixed(2)} s`);
  const of = (runs, part) => median(runs.map((run) => run.seconds[part]));
  const total = (runs) => median(runs.map((run) => Object.values(run.seconds).reduce((sum, s) => sum + s, 0)));
  console.log(`\n${processor}; last losses ${(100 * apart).toFixed(1)} % apart\n`);
  console.log(head([`Lab C.4, GPT-2 of ${layers} layers, d ${d}, ${vocab} tokens; ${d} → ${features}`, "SAE Lab, CPU (wasm, 1 thread)", `the notebook in Python, torch ${notebook[0].torch.split("+")[0]}, ${notebook[0].threads} threads`]));
  for (const [part, title] of Object.entries(PARTS)) console.log(row([title, seconds(of(lab, part)), seconds(of(notebook, part))]));
  console.log(row(["start to finish", seconds(total(lab)), seconds(total(notebook))]));
  if (!webgpu || webgpu.says) {
    console.log(`\nThe training on WebGPU: ${webgpu?.says ?? "not measured"}`);
    return;
  }
  const steps = Math.ceil(rows / batch);
  const moved = bytesMoved(webgpu), flops = 10 * rows * d * features;
  const [compute, memory] = [flops / (GPU.flops * GPU.ofFlops), moved / (GPU.bytes * GPU.ofBytes)];
  const dispatch = GPU.dispatch.map((s) => s * webgpu.dispatches);
  console.log(`\nOne epoch on WebGPU (${webgpu.adapter}): ${seconds(webgpu.s)}, so ${epochs} take ${seconds(webgpu.s * epochs)}. It is ${(flops / 1e9).toFixed(1)} GFLOP, and counted are ${bytes(moved)} moved (${bytes(moved / steps)} a step),`
    + ` ${whole(webgpu.dispatches)} dispatches (${whole(webgpu.dispatches / steps)} a step), ${whole(webgpu.submits)} submits, ${whole(webgpu.readbacks)} readbacks.`);
  console.log(`An Iris Xe (${GPU.flops / 1e12} TFLOP/s at ${100 * GPU.ofFlops} %, ${GPU.bytes / 1e9} GB/s at ${100 * GPU.ofBytes} %) would take ${seconds(epochs * compute)} for the operations and ${seconds(epochs * memory)} for the bytes of ${epochs} epochs:`
    + ` ${seconds(epochs * Math.max(compute, memory))} where they overlap, ${seconds(epochs * (compute + memory))} where they do not; dispatches at 24 to 71 µs are ${seconds(epochs * dispatch[0])} to ${seconds(epochs * dispatch[1])} of it or beside it.`);
}
