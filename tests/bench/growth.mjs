// How cost grows: decoding with the context, a training step with the features and with the batch. Times of the CPU path; bytes and dispatches, which hold for any device,
// counted on WebGPU. Writes plots/*.svg and the numbers behind them, plots/growth.json.
//
//   node tests/bench/growth.mjs [--rounds 5] …        ./build.sh bench --growth … prepares what it needs
//
//   --layers 12 --d 768 --vocab 50257 --contexts 16,64,…   --sae-d 768 --features 768,1536,… --batches 64,128,…
//   --from FILE    draws and prints such a file again, measures nothing

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CACHE, launch } from "../browser/browser.mjs";
import { startServer } from "../browser/server.mjs";
import { Contestant } from "./contestant.mjs";
import { COUNT_WORK, bytesMoved } from "./count-webgpu.mjs";
import { counted, turn } from "./peers-plan.mjs";
import { ISOLATED, bytes, head, median, ms, row, whole } from "./peers-tables.mjs";
import { svg } from "./plot.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const text = (value) => ({ type: "string", default: value });
const { values: flags } = parseArgs({ options: {
  root: text(join(here, "../../www")), python: text(join(CACHE, "python/bin/python")), made: text(join(CACHE, "models")), out: text(join(here, "plots")),
  layers: text("12"), d: text("768"), vocab: text("50257"), contexts: text("16,64,256,512,1015"),
  "sae-d": text("768"), features: text("768,1536,3072,6144,12288,24576"), batches: text("64,128,256,512,1024"), "at-batch": text("256"), "at-features": text("3072"),
  rounds: text("5"), limit: text("900"), from: text(""),
} });
const numbers = (list) => list.split(",").map(Number);
// The longest context leaves room for the nine tokens that follow it in GPT-2's 1024.
const ARCHITECTURES = ["tied", "standard", "topk"];

const growth = flags.from ? JSON.parse(readFileSync(flags.from, "utf8")) : await measure();
mkdirSync(flags.out, { recursive: true });
writeFileSync(join(flags.out, "growth.json"), `${JSON.stringify(growth, null, 1)}\n`);
for (const [name, picture] of Object.entries(plots(growth))) writeFileSync(join(flags.out, `${name}.svg`), picture);
tables(growth);
process.exit(0);

async function measure() {
  const [layers, d, vocab] = [flags.layers, flags.d, flags.vocab].map(Number);
  const name = `bench-${layers}x${d}x${vocab}`;
  execFileSync(flags.python, [join(here, "random_gpt2.py"), "--layers", layers, "--d", d, "--vocab", vocab, "--out", join(flags.made, name)].map(String), { stdio: "inherit" });
  const saeD = Number(flags["sae-d"]);
  const step = (features, batch) => ({ features, batch, sizes: { d: saeD, features, batch } });
  const steps = { features: numbers(flags.features).map((features) => step(features, Number(flags["at-batch"]))), batch: numbers(flags.batches).map((batch) => step(Number(flags["at-features"]), batch)) };
  const site = await startServer({ root: flags.root, base: "/", mounts: { "/peers/": join(here, "peers"), "/made/": flags.made }, headers: ISOLATED });
  const browser = await launch({ adapter: true });
  const lab = (device) => new Contestant({ browser: () => browser, url: `${site.url}__blank`, kind: "lab", device, model: { folder: `/made/${name}/` }, limits: { open: Number(flags.limit), turn: Number(flags.limit) } });
  const size = { layers, d, vocab };
  const result = { chromium: browser.version(), processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`, rounds: Number(flags.rounds), model: size, saeD, atBatch: Number(flags["at-batch"]), atFeatures: Number(flags["at-features"]), decode: [], features: [], batch: [] };
  try {
    const cpu = lab("cpu");
    const decode = numbers(flags.contexts).map((n) => ({ n, kind: "decode", times: [] }));
    for (const { n } of decode.slice(0, 1)) await turn(cpu, { kind: "decode", n }, size, 2);
    // Round by round, so that what else the machine does befalls every context.
    for (let round = 0; round < result.rounds; round += 1) for (const item of decode) item.times.push(await turn(cpu, item, size, 8));
    for (const key of ["features", "batch"]) {
      for (const item of steps[key]) {
        const times = {};
        for (const architecture of ARCHITECTURES) {
          await cpu.sae("makeSae", [architecture, item.sizes]);
          const first = await turn(cpu, { kind: "train" }, size, 1);
          const n = Math.max(1, Math.min(8, Math.round(2000 / first)));
          times[architecture] = [];
          for (let round = 0; round < (first > 20_000 ? 2 : result.rounds); round += 1) times[architecture].push(await turn(cpu, { kind: "train" }, size, n));
        }
        result[key].push({ ...item, times });
        say(`${key}: ${item.features} features, batch ${item.batch}: ${ARCHITECTURES.map((kind) => `${kind} ${ms(median(times[kind]))}`).join(", ")}`);
      }
    }
    await cpu.close();

    site.prelude = COUNT_WORK;
    const gpu = lab("webgpu");
    for (const { n, times } of decode) {
      await turn(gpu, { kind: "decode", n }, size, 2);
      const [before, after] = (await gpu.counts("marks")).slice(-2);
      const token = Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
      result.decode.push({ n, times, token });
      say(`context ${n}: ${ms(median(times))}, ${bytes(bytesMoved(token))}`);
    }
    result.weights = gpu.weights;
    for (const key of ["features", "batch"]) {
      for (const item of result[key]) {
        await gpu.sae("makeSae", ["tied", item.sizes]);
        item.step = await counted(gpu, { kind: "train" }, size);
        say(`${key}: ${item.features} features, batch ${item.batch}: ${whole(item.step.dispatches)} dispatches, ${bytes(bytesMoved(item.step))}`);
      }
    }
    await gpu.close();
  } finally {
    await browser.close();
    await site.close();
  }
  return result;
}

function say(line) {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

/** Bytes of a GPT-2's matrices that a token reads: the blocks' and the embedding, which is the unembedding too. */
function matrixBytes({ layers, d, vocab }, each) {
  return (12 * layers * d * d + vocab * d) * each;
}

/** Keys and values of one position, in f32. */
function keysAndValues({ layers, d }) {
  return 2 * 4 * layers * d;
}

function plots({ model, decode, features, batch, saeD, weights, atBatch, atFeatures }) {
  const contexts = decode.map(({ n }) => n);
  const cpuBytes = (n) => matrixBytes(model, 4) + n * keysAndValues(model);
  const least = (n) => matrixBytes(model, weights === "f16" ? 2 : 4) + n * keysAndValues(model);
  const first = median(decode[0].times);
  const along = (list, key) => {
    const middle = list.find((item) => item[key] === (key === "features" ? atFeatures : atBatch)) ?? list[Math.floor(list.length / 2)];
    const anchor = median(middle.times.tied) / middle[key];
    const ticks = list.map((item) => item[key]);
    // Where steps are quick, the copy that is kept for the case of a lost GPU was read among them.
    const stepsAlone = list.filter(({ step }) => step.readbacks === 0);
    const fixed = key === "features" ? `features, at batch ${atBatch}` : `batch, at ${atFeatures} features`;
    const flops = ({ features, batch }) => 10 * batch * saeD * features;
    return [
      { title: "A training step on the CPU", x: fixed, y: "ms a step", log: true, ticks, series: [
        ...ARCHITECTURES.map((kind) => ({ name: kind, points: list.map((item) => [item[key], median(item.times[kind])]) })),
        { name: "in proportion", theory: true, points: ticks.map((n) => [n, anchor * n]) },
      ] },
      { title: "What a step of tied moves and computes", x: fixed, y: "MB counted on WebGPU; GFLOP", log: true, ticks, series: [
        { name: "MB moved", points: stepsAlone.map((item) => [item[key], bytesMoved(item.step) / 1e6]) },
        { name: "GFLOP", points: list.map((item) => [item[key], flops(item) / 1e9]) },
        { name: "in proportion", theory: true, points: ticks.map((n) => [n, ((bytesMoved(middle.step) / 1e6) * n) / middle[key]]) },
      ] },
    ];
  };
  return {
    decode: svg("Milliseconds and bytes per generated token, by context", [
      { title: "One more token on the CPU", x: "tokens before it", y: "ms a token", log: false, ticks: contexts, series: [
        { name: "measured", points: decode.map(({ n, times }) => [n, median(times)]) },
        { name: "as the bytes", theory: true, points: contexts.map((n) => [n, (first * cpuBytes(n)) / cpuBytes(contexts[0])]) },
      ] },
      { title: "What a token moves", x: "tokens before it", y: "MB counted on WebGPU", log: false, ticks: contexts, series: [
        { name: "counted", points: decode.map(({ n, token }) => [n, bytesMoved(token) / 1e6]) },
        { name: "weights + KV", theory: true, points: contexts.map((n) => [n, least(n) / 1e6]) },
      ] },
    ]),
    features: svg("Milliseconds, bytes and operations of a training step, by number of features", along(features, "features")),
    batch: svg("Milliseconds, bytes and operations of a training step, by batch", along(batch, "batch")),
  };
}

/** The power of x that y grows with, by least squares on logarithms. */
function exponent(points) {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (i) => logs.reduce((sum, point) => sum + point[i], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  return logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

function tables({ model, decode, features, batch, weights, processor, rounds }) {
  console.log(`\n${processor}; medians of ${rounds} turns. GPT-2 of ${model.layers} layers, d ${model.d}, ${model.vocab} tokens`);
  console.log(`\n${head(["context", "CPU, one more token", "bytes moved on WebGPU", "of weights, keys and values", "dispatches", "submits", "readbacks"])}`);
  for (const { n, times, token } of decode) {
    const part = bytesMoved(token) / (matrixBytes(model, weights === "f16" ? 2 : 4) + n * keysAndValues(model));
    console.log(row([n, ms(median(times)), bytes(bytesMoved(token)), part.toFixed(3), ...["dispatches", "submits", "readbacks"].map((key) => whole(token[key]))]));
  }
  for (const [key, list] of Object.entries({ features, batch })) {
    console.log(`\n${head([key, ...ARCHITECTURES.map((kind) => `CPU, ${kind}`), "GFLOP, tied", "bytes moved, tied", "dispatches", "submits", "readbacks"])}`);
    for (const item of list) {
      const gflop = (10 * item.batch * item.sizes.d * item.features) / 1e9;
      console.log(row([item[key], ...ARCHITECTURES.map((kind) => ms(median(item.times[kind]))), gflop.toFixed(1), bytes(bytesMoved(item.step)), ...["dispatches", "submits", "readbacks"].map((name) => whole(item.step[name]))]));
    }
    console.log(row(["grows with the power", ...ARCHITECTURES.map((kind) => exponent(list.map((item) => [item[key], median(item.times[kind])])).toFixed(2)), "1", exponent(list.map((item) => [item[key], bytesMoved(item.step)])).toFixed(2), "", "", ""]));
  }
}
