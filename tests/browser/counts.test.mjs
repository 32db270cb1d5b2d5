// What a token and a training step cost of what a browser charges for: dispatches, submits, readbacks and bytes, counted in WebGPU's own calls
// (tests/bench/count-webgpu.mjs), so that the figures hold for any device.

import assert from "node:assert/strict";
import { COUNT_WORK, bytesMoved } from "../bench/count-webgpu.mjs";
import { test } from "./harness.mjs";

const OPTIONS = { prelude: COUNT_WORK, timeout: 300_000 };

const TOKEN = { dispatches: 70, submits: 1, readbacks: 1 };
/** Bytes moved for a token, of the weights as they are stored and the keys and values so far. */
const BYTES = 1.15;

/** At most so many dispatches for a training step, of whatever architecture. */
const STEP = 15;
const ARCHITECTURES = ["tied", "untied", "standard", "topk", "jumprelu", "batchtopk", "gated", "matryoshka_batchtopk"];
/** What else a recipe may ask for, and how many it takes then. */
const RICHER = [
  ["topk", "latents that can be dead", { deadWindow: 1 }, STEP],
  ["batchtopk", "latents that can be dead", { deadWindow: 1 }, 18],
  ["matryoshka_batchtopk", "latents that can be dead", { deadWindow: 1 }, 21],
  ["standard", "ghost gradients", { deadWindow: 1, remedy: "ghost" }, 19],
  ["standard", "a decoder of unit rows", { decoderNorm: "unit" }, 16],
  ["standard", "clipped gradients", { gradientClip: 1 }, 22],
];

/** On the page: `ask("ask")` for the counts so far, `ask("marks")` for those at each readback. */
async function listen({ lab }) {
  await lab(() => {
    const channel = new BroadcastChannel("counts");
    globalThis.ask = (what) => {
      channel.postMessage(what);
      return new Promise((done) => { channel.onmessage = ({ data }) => typeof data === "object" && done(data); });
    };
  });
}

const minus = (a, b) => Object.fromEntries(Object.keys(a).map((key) => [key, a[key] - b[key]]));
const few = ({ dispatches, submits, readbacks }) => `${dispatches} dispatches, ${submits} submits, ${readbacks} readbacks`;

/** Generates `n` tokens with the model at `source` and looks at each but the first two; of the last one also at its bytes. */
async function perToken(session, source, n) {
  await listen(session);
  const { marks, model, length } = await session.lab(async ({ lab, source, n }) => {
    const model = (window.model = await lab.loadModel(source, { keep: false }));
    const prompt = Uint32Array.from({ length: 5 }, (_, i) => 100 + i);
    const { newIds } = await model.generate(prompt, { maxNewTokens: n, temperature: 0, stopAtEos: false });
    const { config, deviceBytes, weights } = model;
    return { marks: await globalThis.ask("marks"), model: { config, deviceBytes, weights }, length: prompt.length + newIds.length };
  }, { source, n });
  const tokens = marks.slice(1 - n).map((mark, i, all) => minus(mark, all[i - 1] ?? mark)).slice(1);
  assert.equal(tokens.length, n - 2);
  for (const token of tokens) for (const [name, most] of Object.entries(TOKEN)) assert.ok(token[name] <= most, `${token[name]} ${name}, ${most} are allowed`);

  // All weights but the table of positions, of which a token reads one row; the last token sees all before it, and itself.
  const { dModel, nCtx, nLayers } = model.config;
  const weights = model.deviceBytes - 4 * nCtx * dModel;
  const cache = 4 * 2 * dModel * nLayers * (length - 1);
  const last = tokens.at(-1);
  assert.equal(last.unbounded, 0, "a shader whose reads can't be counted");
  const ratio = bytesMoved(last) / (weights + cache);
  assert.ok(ratio >= 1, `the ${weights} bytes of the weights are not all read: the count is wrong`);
  assert.ok(ratio <= BYTES, `${bytesMoved(last)} bytes moved for ${weights} of weights and ${cache} of keys and values: ${ratio.toFixed(3)}`);
  session.note(`${few(last)}; ${(bytesMoved(last) / 1e6).toFixed(2)} MB moved, ${ratio.toFixed(3)} of ${model.weights} weights and cache`);
}

test("a token of the tiny model", OPTIONS, (session) => perToken(session, "tiny", 12));

test("a token of a model of GPT-2 small's size", { ...OPTIONS, full: true, timeout: 1_200_000 }, (session) => perToken(session, { baseUrl: `${session.made}gpt2-small-random/` }, 8));

test("a forward pass reads back what is wanted of it, and nothing else", OPTIONS, async (session) => {
  await listen(session);
  const hooks = ["blocks.0.hook_resid_pre", "blocks.6.attn.hook_z", "blocks.11.hook_resid_post"];
  const wanted = { logits: { topK: 5 }, "all logits and the loss": { logits: "all" }, hooks: { logits: "none", hooks } };
  const reads = { logits: 1, "all logits and the loss": 1, hooks: hooks.length };
  const counted = await session.lab(async ({ lab, wanted }) => {
    const model = await lab.loadModel("tiny");
    const counted = {};
    for (const [name, options] of Object.entries(wanted)) {
      await model.run("The weather today is cold.", options);
      const before = await globalThis.ask("ask");
      await model.run("The weather today is cold.", options);
      counted[name] = [before, await globalThis.ask("ask")];
    }
    return counted;
  }, { wanted });
  for (const [name, [before, after]] of Object.entries(counted)) {
    const pass = minus(after, before);
    session.note(`${name}: ${few(pass)}`);
    assert.ok(pass.readbacks <= reads[name], `${pass.readbacks} readbacks for ${name}`);
  }
});

/** What a step costs, in which at most `most` dispatches are allowed. */
async function perStep(session, architecture, recipe, most) {
  await listen(session);
  // Two trainings of one epoch that differ in nothing but the number of steps; from the third one on latents can be dead.
  const [three, seven] = await session.lab(async ({ lab, architecture, recipe }) => {
    const sae = await lab.createSae({ architecture, dIn: 32, dSae: 384 });
    const train = async (steps) => {
      const rows = { data: Float32Array.from({ length: 64 * steps * 32 }, (_, i) => Math.sin(i * 1.7) * 3), shape: [64 * steps, 32] };
      const before = await globalThis.ask("ask");
      await sae.train(rows, { epochs: 1, batchSize: 64, ...recipe });
      return [before, await globalThis.ask("ask")];
    };
    await train(3); // compiles
    const counted = [await train(3), await train(7)];
    await sae.dispose();
    return counted;
  }, { architecture, recipe });
  const step = Object.fromEntries(Object.entries(minus(minus(seven[1], seven[0]), minus(three[1], three[0]))).map(([name, n]) => [name, n / 4]));
  session.note(`${few(step)}, ${(bytesMoved(step) / 1e6).toFixed(1)} MB moved`);
  assert.equal(step.readbacks, 0);
  assert.ok(step.dispatches > 0 && step.dispatches <= most, `${step.dispatches} dispatches a step, ${most} are allowed`);
}

for (const architecture of ARCHITECTURES) {
  test(`a training step, ${architecture}`, { ...OPTIONS, shared: true }, (session) => perStep(session, architecture, {}, STEP));
}

for (const [architecture, what, recipe, most] of RICHER) {
  test(`a training step with ${what}, ${architecture}`, { ...OPTIONS, shared: true }, (session) => perStep(session, architecture, recipe, most));
}
