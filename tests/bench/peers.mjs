// The lab beside what else a visitor could open: onnxruntime-web and TensorFlow.js in the same Chromium, on the same random GPT-2 and the same SAEs, and torch
// on the CPU for orientation. Prints tables for README.
//
//   node tests/bench/peers.mjs [--only TEXT] [--rounds 5] [--limit 120] …        ./build.sh bench --peers … prepares all that it needs
//
//   --layers 12 --d 768 --vocab 50257    the GPT-2; --gpu-layers, --gpu-d, --gpu-vocab: the one on WebGPU. There a software adapter gets 4, 256 and 8192,
//                                        since it gives no answer at GPT-2 small's size
//   --sae 768x3072x256, --gpu-sae        d, features and batch of the SAE
//   --contexts 64,512, --prefills 64,512 in tokens
//   --only TEXT       what has TEXT in “device | contestant | what is measured”, such as "cpu", "onnx", "decode", "tied"
//   --rounds N        how often the lab and a peer take turns, each time the other one first
//   --limit N         seconds that one turn may take; --open-limit N: that opening and loading may. What takes longer is “no answer in N s”
//   --json FILE       every time that was measured
//
// Two contestants at a time are open, each in a page of its own. They take turns, so that whatever else the machine does befalls both, and a ratio is the median of the
// turns' ratios. Who gives other logits or losses than the lab does not take part. WebGPU calls are counted in a visit of their own, for all.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CACHE, adapterOf, launch } from "../browser/browser.mjs";
import { startServer } from "../browser/server.mjs";
import { COUNT_WEBGPU } from "./count-webgpu.mjs";
import { Contestant, NoAnswer } from "./contestant.mjs";
import { median, printTables } from "./peers-tables.mjs";
import { tokens } from "./peers/numbers.js";

const here = dirname(fileURLToPath(import.meta.url));
const text = (value) => ({ type: "string", default: value });
const { values: flags } = parseArgs({ options: {
  root: text(join(here, "../../www")), packages: text(join(CACHE, "bench-node/node_modules")), python: text(join(CACHE, "python/bin/python")), made: text(join(CACHE, "models")),
  layers: text("12"), d: text("768"), vocab: text("50257"), sae: text("768x3072x256"),
  "gpu-layers": { type: "string" }, "gpu-d": { type: "string" }, "gpu-vocab": { type: "string" }, "gpu-sae": { type: "string" },
  contexts: text("64,512"), prefills: text("64,512"), only: text(""), rounds: text("5"), limit: text("120"), "open-limit": text("900"), json: { type: "string" },
} });

/** How far a logit may be from the lab's, and a loss relative to the lab's, before a peer is none. */
const LOGIT_ALLOWED = 1e-2, LOSS_ALLOWED = 1e-3;
/** A turn takes as many tokens or steps as are done in this time, in milliseconds, but at least and at most so many. */
const TURN = 2000, LEAST = 1, MOST = 8;
const PEERS = { onnx: { webgpu: "WebGPU", cpu: "wasm, 1 thread" }, tensorflow: { webgpu: "WebGPU", cpu: "wasm, 1 thread" } };
const ARCHITECTURES = ["tied", "standard", "topk"];
const numbers = (list) => list.split(",").filter(Boolean).map(Number);
const rounds = Number(flags.rounds), limit = Number(flags.limit), openLimit = Number(flags["open-limit"]);
const report = { models: {}, rows: [], counts: [], torch: null };

const site = await startServer({ root: flags.root, base: "/", mounts: { "/peers/": join(here, "peers"), "/npm/": flags.packages, "/made/": flags.made } });
site.prelude = COUNT_WEBGPU;
let browser = await launch({ adapter: true });
try {
  const adapter = await adapterOf(browser, site.url);
  const software = /swiftshader|llvmpipe/i.test(`${adapter?.architecture} ${adapter?.description}`);
  Object.assign(report, { chromium: browser.version(), processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`, adapter: adapter ? adapter.architecture || adapter.vendor : null, rounds, limit });
  say(`Chromium ${report.chromium}, ${report.processor}, WebGPU adapter: ${report.adapter}`);
  for (const device of ["cpu", "webgpu"]) {
    if (device === "webgpu" && !adapter) continue;
    const peers = Object.keys(PEERS).filter((peer) => plan(device, peer).length > 0);
    if (peers.length === 0) continue;
    const size = sizeOf(device, software);
    const made = await models(size);
    report.models[device] = { ...size, label: `${size.layers} layers, d ${size.d}, ${size.vocab} tokens` };
    const torch = device === "cpu" && "cpu | torch".includes(flags.only) ? await torchOnTheCpu(made.path, size) : null;
    const lab = contestant("lab", device, made);
    for (const peer of peers) await pair(device, lab, contestant(peer, device, made), size);
    if (torch) await compareTorch(torch, lab, size);
    await lab.close();
  }
} finally {
  await browser.close();
  await site.close();
}
printTables(report);
if (flags.json) writeFileSync(flags.json, JSON.stringify(report, null, 1));
process.exit(0);

function say(line) {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

/** What is measured of a pair; `--only` chooses. A peer without training does not train. */
function plan(device, peer) {
  const all = [
    ...numbers(flags.contexts).map((n) => ({ what: `decode at context ${n}`, kind: "decode", n })),
    ...numbers(flags.prefills).map((n) => ({ what: `prefill of ${n} tokens`, kind: "prefill", n })),
    ...(peer === "onnx" ? [] : ARCHITECTURES.map((architecture) => ({ what: `SAE step, ${architecture}`, kind: "train", architecture }))),
    { what: "start-up", kind: "start" },
  ];
  return all.filter(({ what }) => `${device} | ${peer} | ${what}`.includes(flags.only));
}

function sizeOf(device, software) {
  const gpu = (name, small) => flags[`gpu-${name}`] ?? (software ? small : flags[name]);
  const [layers, d, vocab, sae] = device === "cpu"
    ? [flags.layers, flags.d, flags.vocab, flags.sae]
    : [gpu("layers", "4"), gpu("d", "256"), gpu("vocab", "8192"), flags["gpu-sae"] ?? flags.sae];
  const [saeD, features, batch] = sae.split("x").map(Number);
  return { layers: Number(layers), d: Number(d), vocab: Number(vocab), sae: { d: saeD, features, batch } };
}

/** Makes the random GPT-2 of this size and both ONNX files, where they are not there. */
async function models({ layers, d, vocab }) {
  const name = `bench-${layers}x${d}x${vocab}`;
  const path = join(flags.made, name);
  mkdirSync(flags.made, { recursive: true });
  await python("random_gpt2.py", "--layers", layers, "--d", d, "--vocab", vocab, "--out", path);
  await python("onnx_gpt2.py", "--from", path, "--out", `${path}.onnx`);
  await python("onnx_gpt2.py", "--from", join(flags.root, "models/tiny"), "--out", join(flags.made, "bench-tiny.onnx"));
  return { path, folder: `/made/${name}/`, onnx: `/made/${name}.onnx` };
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

function contestant(kind, device, made) {
  return new Contestant({ browser: () => browser, url: `${site.url}__blank`, kind, device, model: { folder: made.folder, onnx: made.onnx }, limits: { open: openLimit, turn: limit } });
}

async function pair(device, lab, peer, size) {
  say(`${device}: the lab and ${peer.kind}`);
  const wanted = plan(device, peer.kind);
  const wrong = { logits: undefined };
  for (const item of wanted) {
    const row = { device, peer: peer.kind, ...item, lab: [], times: [] };
    report.rows.push(row);
    try {
      if (item.kind === "decode" || item.kind === "prefill") wrong.logits ??= await logitsApart(lab, peer, size);
      row.wrong = item.kind === "train" ? await lossesApart(lab, peer, item.architecture, size) : item.kind === "start" ? "" : wrong.logits;
      if (row.wrong) continue;
      await turns(row, lab, peer, item, size);
    } finally {
      row.label = peer.label;
      say(`  ${item.what}: ${row.wrong || `lab ${told(row.lab, row.labSays)}, ${peer.kind} ${told(row.times, row.peerSays)}`}`);
    }
    if (device === "webgpu") await count(row, lab, peer, item, size);
  }
  await peer.close();
}

function told(times, says) {
  return says ?? `${median(times).toFixed(1)} ms (${times.length})`;
}

/** Nothing, or in words why these are not the lab's logits. Where either gives no answer there is nothing to compare, and the turns will say so. */
async function logitsApart(lab, peer, { vocab }) {
  const ids = tokens(16, 16, vocab);
  const [ours, theirs] = [await attempt(() => lab.model("logits", [ids])), await attempt(() => peer.model("logits", [ids]))];
  return ours.says || theirs.says ? "" : apart(ours.value, theirs.value);
}

function apart(ours, theirs) {
  const most = ours.length === theirs.length ? ours.reduce((most, x, i) => Math.max(most, Math.abs(x - theirs[i]) || 0), 0) : Infinity;
  const numbers = theirs.every(Number.isFinite);
  say(`  logits are at most ${most.toExponential(1)} apart`);
  return numbers && most <= LOGIT_ALLOWED ? "" : `other logits: ${numbers ? most.toExponential(1) : "no numbers"}`;
}

async function lossesApart(lab, peer, architecture, { sae }) {
  const losses = async (contestant) => {
    await contestant.sae("makeSae", [architecture, sae]);
    return contestant.sae("losses", [2]);
  };
  const [ours, theirs] = [await attempt(() => losses(lab)), await attempt(() => losses(peer))];
  if (ours.says || theirs.says) return "";
  const most = ours.value.reduce((most, x, i) => Math.max(most, Math.abs(x - theirs.value[i]) / Math.abs(x)), 0);
  say(`  ${architecture}: losses of two steps are at most ${most.toExponential(1)} apart, relatively`);
  return most <= LOSS_ALLOWED ? "" : `other losses: ${most.toExponential(1)}`;
}

/** The value, or in words why there is none. */
async function attempt(what) {
  try {
    return { value: await what() };
  } catch (error) {
    if (error instanceof NoAnswer) await settle();
    return { says: error.message };
  }
}

/** One turn: milliseconds for a token, a prefill, a step or a start. */
async function turn(contestant, item, size, n) {
  const ids = () => tokens(item.n, item.n, size.vocab);
  switch (item.kind) {
    case "decode": return median(await contestant.model("decode", [ids(), n]));
    case "prefill": return contestant.model("prefill", [ids()]);
    case "train": return (await contestant.sae("train", [n])) / n;
    default: return contestant.startUp();
  }
}

/** A first turn for each, which compiles what has to be and says how much fits in a turn; then turn by turn, until one of them gives no answer. */
async function turns(row, lab, peer, item, size) {
  const sides = [{ of: lab, times: row.lab, says: "labSays", n: LEAST }, { of: peer, times: row.times, says: "peerSays", n: LEAST }];
  for (const side of sides) {
    const first = await attempt(() => turn(side.of, item, size, 2));
    row[side.says] = first.says;
    if (item.kind === "start") row[side === sides[0] ? "labCold" : "peerCold"] = first.value;
    if (first.value) side.n = Math.max(LEAST, Math.min(MOST, Math.round(TURN / first.value)));
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const side of round % 2 ? [...sides].reverse() : sides) {
      if (row[side.says]) continue;
      const { value, says } = await attempt(() => turn(side.of, item, size, side.n));
      if (says) row[side.says] = says;
      else side.times.push(value);
    }
  }
}

/** What one token, prefill or step asks of the GPU: the difference between few and more of them, divided by how many more. */
async function count(row, lab, peer, item, size) {
  if (item.kind === "start" || row.wrong) return;
  const [few, more] = item.kind === "prefill" ? [0, 1] : [1, 3];
  for (const [side, of, says] of [["lab", lab, row.labSays], [peer.kind, peer, row.peerSays]]) {
    if (says || report.counts.some((entry) => entry.side === side && entry.what === item.what)) continue;
    const counted = await attempt(async () => {
      const start = await of.counts();
      if (few > 0) await turn(of, item, size, few);
      const middle = await of.counts();
      await turn(of, item, size, more);
      const end = await of.counts();
      return Object.fromEntries(Object.keys(end).map((key) => [key, (end[key] - middle[key] - (few > 0 ? middle[key] - start[key] : 0)) / (more - few)]));
    });
    report.counts.push({ side, label: of.label, what: item.what, ...(counted.says ? { says: counted.says } : counted.value) });
  }
}

/** A contestant that gave no answer may have left work in the GPU process, which all pages share: waits until that answers again, else starts another browser. */
async function settle() {
  const idle = async () => {
    const page = await browser.newPage();
    await page.goto(`${site.url}__blank`);
    await page.evaluate(async () => {
      const device = await (await navigator.gpu?.requestAdapter())?.requestDevice();
      if (!device) return;
      const buffer = device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      device.queue.writeBuffer(buffer, 0, new Uint32Array(1));
      await buffer.mapAsync(GPUMapMode.READ);
      device.destroy();
    });
    await page.close();
    return true;
  };
  const late = new Promise((done) => setTimeout(done, 60_000, false));
  if (await Promise.race([idle().catch(() => false), late])) return;
  say("  the GPU process is still at work: another browser is started");
  report.restarted = (report.restarted ?? 0) + 1;
  await browser.close();
  browser = await launch({ adapter: true });
}

async function torchOnTheCpu(path, { sae }) {
  if (!existsSync(flags.python)) return null;
  say("torch");
  const args = ["--from", path, "--contexts", flags.contexts, "--prefills", flags.prefills, "--rounds", rounds, "--tokens", MOST, "--sae", `${sae.d}x${sae.features}x${sae.batch}`];
  return JSON.parse(await python("torch_bench.py", ...args));
}

async function compareTorch(torch, lab, { vocab }) {
  const ours = await attempt(() => lab.model("logits", [tokens(16, 16, vocab)]));
  const wrong = ours.says ? "" : apart(ours.value, torch.logits);
  report.torch = { version: torch.torch, threads: torch.threads, wrong, times: {
    ...Object.fromEntries(Object.entries(torch.decode).map(([n, times]) => [`decode at context ${n}`, times])),
    ...Object.fromEntries(Object.entries(torch.prefill).map(([n, times]) => [`prefill of ${n} tokens`, times])),
    ...Object.fromEntries(Object.entries(torch.sae).map(([kind, { ms }]) => [`SAE step, ${kind}`, ms])),
  } };
}
