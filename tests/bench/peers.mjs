// The lab beside what else a visitor could open: onnxruntime-web and TensorFlow.js in the same Chromium, on the same random GPT-2 and the same SAEs, and torch
// on the CPU for orientation. Prints tables for README.
//
//   node tests/bench/peers.mjs [--only TEXT] [--rounds 5] [--limit 120] …        ./build.sh bench --peers … prepares all that it needs
//
//   --layers 12 --d 768 --vocab 50257    the GPT-2; --gpu-layers, --gpu-d, --gpu-vocab: the one on WebGPU. There a software adapter gets 4, 256 and 8192,
//                                        with which all is measured in half an hour
//   --sae 768x3072x256,…, --gpu-sae      d, features and batch of the SAEs
//   --contexts 64,512, --prefills 64,512 in tokens
//   --f32             beside the lab's f16 weights on WebGPU its f32 ones, as the peers have them
//   --only TEXT       what has TEXT in “device | contestant | what is measured”, such as "cpu", "onnx", "token at", "tied"
//   --rounds N        how often the lab and a peer take turns, each time the other one first; twice at most where a turn takes longer than 20 s
//   --limit N         seconds that one turn may take; --open-limit N: that opening and loading may. What takes longer is “no answer in N s”
//   --json FILE       every time that was measured; `node tests/bench/peers-tables.mjs FILE` prints its tables again
//
// Two contestants at a time are open, each in a page of its own: for half the turns the one was opened first, for half the other. They take turns, so that whatever else the machine does befalls both, and a ratio is the median of the
// turns' ratios. Who gives other logits, activations or losses than the lab does not take part, nor who gives none. WebGPU calls are counted in a visit of their own, for all.
// The pages are cross-origin isolated, which makes their clocks finer; no contestant uses the threads that come with it.

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
import { check, collectLayer, counted, plan, turn } from "./peers-plan.mjs";
import { ISOLATED, median, printTables } from "./peers-tables.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const text = (value) => ({ type: "string", default: value });
const { values: flags } = parseArgs({ options: {
  root: text(join(here, "../../www")), packages: text(join(CACHE, "bench-node/node_modules")), python: text(join(CACHE, "python/bin/python")), made: text(join(CACHE, "models")),
  layers: text("12"), d: text("768"), vocab: text("50257"), sae: text("768x3072x256"),
  "gpu-layers": { type: "string" }, "gpu-d": { type: "string" }, "gpu-vocab": { type: "string" }, "gpu-sae": { type: "string" }, f32: { type: "boolean", default: false },
  contexts: text("64,512"), prefills: text("64,512"), only: text(""), rounds: text("5"), limit: text("120"), "open-limit": text("900"), json: { type: "string" },
} });

/** A turn takes as many tokens or steps as are done in this time, in milliseconds, but at least and at most so many. */
const TURN = 2000, LEAST = 1, MOST = 8;
/** A turn that takes longer, in milliseconds, is taken so often at most; the first one is one of them. */
const LONG = 20_000, LONG_ROUNDS = 2;
/** SAE steps of more operations than this are not counted on WebGPU: they are the same dispatches. */
const COUNTED = 4 * 3072 * 256;
const PEERS = { cpu: ["onnx", "tensorflow"], webgpu: flags.f32 ? ["lab-f32", "onnx", "tensorflow"] : ["onnx", "tensorflow"] };
const rounds = Number(flags.rounds), limit = Number(flags.limit), openLimit = Number(flags["open-limit"]);
const report = { models: {}, rows: [], counts: [], torch: null };

const site = await startServer({ root: flags.root, base: "/", mounts: { "/peers/": join(here, "peers"), "/npm/": flags.packages, "/made/": flags.made }, headers: ISOLATED });
let browser = await launch({ adapter: true });
try {
  const adapter = await adapterOf(browser, site.url);
  const software = /swiftshader|llvmpipe/i.test(`${adapter?.architecture} ${adapter?.description}`);
  Object.assign(report, { chromium: browser.version(), processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`, adapter: adapter ? adapter.architecture || adapter.vendor : null, rounds, limit });
  say(`Chromium ${report.chromium}, ${report.processor}, WebGPU adapter: ${report.adapter}`);
  for (const device of ["cpu", "webgpu"]) {
    if (device === "webgpu" && !adapter) continue;
    const size = sizeOf(device, software);
    const peers = PEERS[device].filter((peer) => planOf(device, peer, size).length > 0);
    if (peers.length === 0) continue;
    const made = await models(size);
    report.models[device] = { ...size, label: `${size.layers} layers, d ${size.d}, ${size.vocab} tokens` };
    const torch = device === "cpu" && `${device} | torch`.includes(flags.only) ? await torchOnTheCpu(made.path, size) : null;
    const lab = contestant("lab", device, made);
    for (const peer of peers) await pair(device, lab, contestant(peer, device, made), size);
    if (torch) await compareTorch(torch, lab, size);
    await lab.close();
    if (device === "webgpu") await countAll(["lab", ...peers], made, size);
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

function planOf(device, peer, { sae, layers }) {
  return plan(device, peer, { contexts: flags.contexts, prefills: flags.prefills, sae, layers, only: flags.only });
}

function sizeOf(device, software) {
  const gpu = (name, small) => flags[`gpu-${name}`] ?? (software ? small : flags[name]);
  const [layers, d, vocab, sae] = device === "cpu"
    ? [flags.layers, flags.d, flags.vocab, flags.sae]
    : [gpu("layers", "4"), gpu("d", "256"), gpu("vocab", "8192"), flags["gpu-sae"] ?? flags.sae];
  return { layers: Number(layers), d: Number(d), vocab: Number(vocab), sae };
}

/** Makes the random GPT-2 of this size and its ONNX files, where they are not there. */
async function models({ layers, d, vocab }) {
  const name = `bench-${layers}x${d}x${vocab}`;
  const path = join(flags.made, name);
  const layer = collectLayer(layers);
  mkdirSync(flags.made, { recursive: true });
  await python("random_gpt2.py", "--layers", layers, "--d", d, "--vocab", vocab, "--out", path);
  await python("onnx_gpt2.py", "--from", path, "--out", `${path}.onnx`);
  await python("onnx_gpt2.py", "--from", path, "--collect", layer, "--out", `${path}-collect-${layer}.onnx`);
  await python("onnx_gpt2.py", "--from", join(flags.root, "models/tiny"), "--out", join(flags.made, "bench-tiny.onnx"));
  return { path, folder: `/made/${name}/`, onnx: `/made/${name}.onnx`, onnxCollect: `/made/${name}-collect-${layer}.onnx` };
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

function contestant(name, device, { folder, onnx, onnxCollect }) {
  const [kind, weights] = name === "lab-f32" ? ["lab", "f32"] : [name, undefined];
  return new Contestant({ browser: () => browser, url: `${site.url}__blank`, kind, name, device, model: { folder, onnx, onnxCollect, weights }, limits: { open: openLimit, turn: limit } });
}

async function pair(device, lab, peer, size) {
  say(`${device}: the lab and ${peer.name}`);
  const checked = new Map();
  /** SAEs by size that one of the two gave no answer for. */
  const tooLarge = new Map();
  for (const item of planOf(device, peer.name, size)) {
    const row = { device, peer: peer.name, ...item, lab: [], times: [], wrong: "" };
    report.rows.push(row);
    // A step's operations grow with its sizes, and so does the time for an answer.
    const share = item.kind === "train" ? (item.sizes.features * item.sizes.batch) / (3072 * 256) : 1;
    lab.limit = peer.limit = limit * Math.max(1, Math.min(5, share));
    const sizes = JSON.stringify(item.sizes);
    Object.assign(row, tooLarge.get(sizes) ?? await compared(checked, item, lab, peer, size));
    // A peer that gave no answer to compare is not timed; the lab is, alone.
    if (!row.wrong && !row.labSays) await turns(row, lab, peer, item, size);
    const none = (says) => (/^no answer/.test(says ?? "") ? "not tried after that" : undefined);
    if (item.kind === "train" && !tooLarge.has(sizes) && (none(row.labSays) || none(row.peerSays))) tooLarge.set(sizes, { labSays: none(row.labSays), peerSays: none(row.peerSays) });
    Object.assign(row, { label: peer.label, weights: peer.weights, labWeights: lab.weights });
    say(`  ${item.what}: ${row.wrong || `lab ${told(row.lab, row.labSays)}, ${peer.name} ${told(row.times, row.peerSays)}`}`);
  }
  await peer.close();
}

function told(times, says) {
  return says ?? (times.length ? `${median(times).toFixed(1)} ms (${times.length})` : "not measured");
}

/** Whether both give the same numbers: {wrong, labSays, peerSays}, where either says why it gives none. Once for each pair and kind of number. */
async function compared(checked, item, lab, peer, size) {
  const wanted = check(item, size);
  if (!wanted) return {};
  if (!checked.has(wanted.key)) {
    const [ours, theirs] = [await attempt(() => wanted.ask(lab)), await attempt(() => wanted.ask(peer))];
    if (ours.says || theirs.says) checked.set(wanted.key, { labSays: ours.says, peerSays: theirs.says });
    else {
      const { most, wrong } = wanted.apart(ours.value, theirs.value);
      say(`  ${wanted.key}: at most ${most.toExponential(1)} apart`);
      checked.set(wanted.key, { wrong, apart: most });
    }
  }
  return checked.get(wanted.key);
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

/** A first turn for each, which compiles what has to be and says how much fits in a turn; then turn by turn, until one of them gives no answer. */
async function turns(row, lab, peer, item, size) {
  const sides = [{ of: lab, times: row.lab, says: "labSays", n: LEAST, first: 0 }, { of: peer, times: row.times, says: "peerSays", n: LEAST, first: 0 }];
  for (const side of sides) {
    if (row[side.says]) continue;
    if (item.kind === "train") await attempt(() => side.of.sae("makeSae", [item.architecture, item.sizes]));
    const { value, says } = await attempt(() => turn(side.of, item, size, item.kind === "decode" ? 2 : LEAST));
    row[side.says] = says;
    if (item.kind === "start") row[side === sides[0] ? "labCold" : "peerCold"] = value;
    if (value) side.first = value;
  }
  // As many tokens for both: what is at their end is longer than what is at their beginning.
  for (const side of sides) side.n = Math.max(LEAST, Math.min(MOST, Math.round(TURN / Math.max(...sides.map(({ first }) => first)))));
  const long = sides.some(({ first }) => first > LONG);
  if (long) for (const side of sides) if (side.first) side.times.push(side.first);
  for (let round = long ? 1 : 0; round < (long ? Math.min(rounds, LONG_ROUNDS) : rounds); round += 1) {
    if (!long && item.kind !== "start" && round === Math.ceil(rounds / 2)) await reopen(sides, item, size);
    for (const side of round % 2 ? [...sides].reverse() : sides) {
      if (row[side.says]) continue;
      const { value, says } = await attempt(() => turn(side.of, item, size, side.n));
      if (says) row[side.says] = says;
      else side.times.push(value);
    }
  }
}

/**
 * Closes both and opens them the other way round. Of two pages with the same lab and model the one that was opened second took a token in 0.9 of the time here, whatever
 * the order of turns: so half the turns are taken either way.
 */
async function reopen(sides, item, size) {
  for (const { of } of sides) await of.leave();
  for (const side of [...sides].reverse()) if (side.first) await attempt(() => turn(side.of, item, size, item.kind === "decode" ? 2 : LEAST));
}

/** What one token, prefill, collection or step asks of the GPU, of each: a visit of its own, with a counter before its worker's own code. */
async function countAll(names, made, size) {
  site.prelude = COUNT_WEBGPU;
  for (const name of names) {
    const it = contestant(name, "webgpu", made);
    const items = (name === "lab" ? names.slice(1) : [name]).flatMap((peer) => planOf("webgpu", peer, size));
    for (const item of items) {
      if (report.counts.some(({ side, what }) => side === name && what === item.what)) continue;
      const rows = report.rows.filter((row) => row.device === "webgpu" && row.what === item.what);
      const says = name === "lab" ? rows.every((row) => row.labSays) && rows[0]?.labSays : rows.find((row) => row.peer === name)?.peerSays || rows.find((row) => row.peer === name)?.wrong;
      if (item.kind === "start" || says || (item.sizes && item.sizes.features * item.sizes.batch > COUNTED)) continue;
      if (item.kind === "train") await attempt(() => it.sae("makeSae", [item.architecture, item.sizes]));
      const { value, says: why } = await attempt(() => counted(it, item, size));
      report.counts.push({ side: name, label: it.label, weights: item.kind === "train" ? "f32" : it.weights, what: item.what, ...(why ? { says: why } : value) });
    }
    await it.close();
  }
  site.prelude = "";
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

async function torchOnTheCpu(path, { sae, layers }) {
  if (!existsSync(flags.python)) return null;
  say("torch");
  const args = ["--from", path, "--contexts", flags.contexts, "--prefills", flags.prefills, "--rounds", rounds, "--tokens", MOST, "--sae", sae, "--layer", collectLayer(layers)];
  return JSON.parse(await python("torch_bench.py", ...args));
}

/** Of what torch measured {times, numbers}, or nothing. */
function torchHas(torch, { kind, n, architecture, sizes }) {
  if (kind === "collect") return torch.collect && { times: torch.collect.ms, numbers: torch.collect.data };
  if (kind !== "train") return torch[kind][n] && { times: torch[kind][n], numbers: torch.logits };
  const sae = torch.sae[`${sizes.d}x${sizes.features}x${sizes.batch}`]?.[architecture];
  return sae && { times: sae.ms, numbers: sae.losses };
}

/** Torch's times, but of what has other numbers than the lab's: that is “no peer” too. */
async function compareTorch(torch, lab, size) {
  report.torch = { version: torch.torch, threads: torch.threads, wrong: {}, times: {} };
  const verdicts = new Map();
  for (const item of planOf("cpu", "tensorflow", size)) {
    const wanted = check(item, size);
    const has = wanted && torchHas(torch, item);
    if (!has) continue;
    if (!verdicts.has(wanted.key)) {
      const ours = await attempt(() => wanted.ask(lab));
      verdicts.set(wanted.key, ours.says ? `no check: ${ours.says}` : wanted.apart(ours.value, has.numbers).wrong);
    }
    const wrong = verdicts.get(wanted.key);
    if (wrong) report.torch.wrong[item.what] = wrong;
    else report.torch.times[item.what] = has.times;
  }
}
