// The GPU is lost, or the worker dies: the lab opens its engine again by itself, and what the caller holds goes on working.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

/**
 * Page and workers: `gpu("lose")` on the page destroys the engine's device, `await gpu("lose at a read")` does when it is next read from,
 * `gpu("fill")` says that its memory is full, `gpu("trap")` breaks the worker; while `gpuGone` is true the browser has no adapter.
 */
const prelude = `{
  const channel = new BroadcastChannel("gpu");
  if (globalThis.document) {
    globalThis.gpuGone = false;
    let heard = () => {};
    globalThis.gpu = (what) => (channel.postMessage(what), new Promise((done) => (heard = done)));
    channel.onmessage = ({ data }) => (data === "heard" ? heard() : data === "may I?" && channel.postMessage(gpuGone ? "no" : "yes"));
  } else {
    const { GPU, GPUAdapter, GPUBuffer } = globalThis;
    const [requestAdapter, requestDevice, mapAsync] = [GPU.prototype.requestAdapter, GPUAdapter.prototype.requestDevice, GPUBuffer.prototype.mapAsync];
    let device, atRead = false;
    GPU.prototype.requestAdapter = async function (options) {
      const asked = new BroadcastChannel("gpu");
      const answer = await new Promise((done) => {
        asked.onmessage = ({ data }) => (data === "yes" || data === "no") && done(data);
        asked.postMessage("may I?");
      });
      asked.close();
      return answer === "yes" ? requestAdapter.call(this, options) : null;
    };
    GPUAdapter.prototype.requestDevice = async function (descriptor) {
      return (device = await requestDevice.call(this, descriptor));
    };
    GPUBuffer.prototype.mapAsync = function (...range) {
      const mapped = mapAsync.apply(this, range);
      if (atRead) device.destroy();
      atRead = false;
      return mapped;
    };
    channel.onmessage = ({ data }) => {
      if (data === "lose at a read") channel.postMessage("heard");
      if (data === "lose") device?.destroy();
      if (data === "lose at a read") atRead = true;
      if (data === "fill") device?.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error: new GPUOutOfMemoryError("no room"), cancelable: true }));
      if (data === "trap") setTimeout(() => { throw new WebAssembly.RuntimeError("unreachable, for the test"); });
    };
  }
}`;
const options = { timeout: 400_000 };

/** On the page: watches the lab's recoveries; `next(phase)` is the next event of that phase. */
const watching = `
  window.watch = (lab) => {
    const events = [];
    const waiting = [];
    lab.watchRecovery((event) => {
      events.push(event.phase);
      for (const each of waiting.splice(0)) (each.phase === event.phase ? each.done(event) : waiting.push(each));
    });
    return { events, next: (phase) => new Promise((done) => waiting.push({ phase, done })) };
  };
  window.differ = (a, b) => a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), a.length === b.length ? 0 : Infinity);
  window.codeOf = (promise) => promise.then(() => null, (error) => error.code);
`;
const open = { ...options, prelude: `${prelude}\n${watching.replaceAll("window", "globalThis")}` };

test("a GPU that is lost while idle and during a read comes back with everything on it", open, async ({ lab, quiet, note, fixtures }) => {
  const seen = await lab(async ({ lab, fixtures }) => {
    const { events, next } = watch(lab);
    const model = await lab.loadModel({ baseUrl: `${fixtures}models/random/` });
    const hook = "blocks.1.hook_resid_post";
    const acts = await model.collect(["The weather today is cold.", "A fox."], { hook });
    const sae = await lab.createSae({ dIn: 48, dSae: 96, seed: 3 });
    const features = await sae.encode(acts);
    const other = await model.collect(["gone"], { hook });
    const old = await sae.encode(other);
    await other.dispose();
    const look = async () => ({
      logits: [...(await model.run("The capital")).logits.data], acts: [...(await acts.read()).data],
      features: [...(await features.read()).data], sae: [...(await sae.weights()).W_enc.data],
    });
    const before = await look();
    const recovered = next("recovered");
    gpu("lose");
    const idle = await recovered;
    const after = await look();
    const again = next("recovered");
    await gpu("lose at a read");
    const during = await acts.read();
    await again;
    return {
      events, differences: Object.keys(before).map((key) => differ(before[key], after[key])), during: differ([...during.data], before.acts), device: lab.info.device,
      idle: { ...idle, lost: idle.lost.map(({ name, why, object }) => ({ name, why, same: object === old })) },
      old: await old.read().then(() => null, ({ code, message }) => `${code} ${message}`),
    };
  }, { fixtures });
  assert.deepEqual(seen.events, ["lost", "recovering", "recovered", "lost", "recovering", "recovered"]);
  const [logits, acts, features, sae] = seen.differences;
  assert.ok(Math.max(logits, acts, features, seen.during) < 1e-5, JSON.stringify(seen.differences));
  assert.equal(sae, 0);
  assert.deepEqual([seen.idle.restored.length, seen.idle.onUse.length, seen.idle.lost.length], [2, 2, 1], JSON.stringify(seen.idle));
  assert.deepEqual([seen.idle.lost[0].same, seen.device], [true, "webgpu"]);
  assert.match(seen.old, /LAB-RELEASED.*a set of activations that it was made from has been disposed of/);
  note(`back after ${(seen.idle.milliseconds / 1000).toFixed(1)} s: ${seen.idle.restored.join("; ")}; on use: ${seen.idle.onUse.join("; ")}; lost: ${seen.idle.lost.map(({ name, why }) => `${name} (${why})`).join("; ")}`);
  quiet();
});

test("a GPU that is lost while loading and generating: loading goes on, generating says that it can be run again", open, async ({ lab, quiet, note, fixtures }) => {
  const seen = await lab(async ({ lab, fixtures }) => {
    const { events, next } = watch(lab);
    const phases = [];
    let lose = () => (gpu("lose"), (lose = () => {}));
    const model = await lab.loadModel({ baseUrl: `${fixtures}models/random/` }, { onProgress: ({ phase }) => (phases.push(phase), ["load", "warm-up"].includes(phase) && lose()) });
    const once = events.join(" ");
    const whole = await model.generate("Once upon a time", { maxNewTokens: 3, temperature: 0 });
    const recovered = next("recovered");
    const error = await model.generate("Once upon a time", { maxNewTokens: 20, temperature: 0, onToken: () => gpu("lose") }).then(() => null, ({ code, message, hint }) => ({ code, message, hint }));
    // What is called meanwhile waits.
    const [again, waiting] = await Promise.all([model.generate("Once upon a time", { maxNewTokens: 3, temperature: 0 }), lab.createSae({ dIn: 96, dSae: 24, seed: 1 })]);
    const { milliseconds } = await recovered;
    return { once, error, whole: whole.text, again: again.text, dSae: waiting.config.dSae, milliseconds, phases: [...new Set(phases)] };
  }, { fixtures });
  assert.equal(seen.once, "lost recovering recovered");
  assert.equal(seen.error.code, "LAB-DEVICE-LOST");
  assert.match(`${seen.error.message} ${seen.error.hint}`, /graphics processor was lost.*Run this again/);
  assert.deepEqual([seen.again, seen.dSae], [seen.whole, 24]);
  note(`back after ${(seen.milliseconds / 1000).toFixed(1)} s; ${seen.error.message}`);
  quiet();
});

test("a training goes on after the GPU was lost, and ends where it ends undisturbed", open, async ({ lab, quiet, note, fixtures }) => {
  const seen = await lab(async ({ lab, fixtures }) => {
    const { next } = watch(lab);
    const model = await lab.loadModel({ baseUrl: `${fixtures}models/random/` });
    const acts = await model.collect(["The weather today is cold and windy.", "I am so happy today!"], { hook: "blocks.1.hook_resid_post" });
    const settings = { epochs: 8, batchSize: 8, l1: 1e-3, seed: 5 };
    const make = () => lab.createSae({ architecture: "untied", dIn: 48, dSae: 96, seed: 2 });
    const weights = async (sae) => [...(await sae.weights()).W_dec.data];
    const whole = await make();
    const { epochs } = await whole.train(acts, settings);
    const sae = await make();
    const [reported, steps] = [[], []];
    let begin;
    const begun = new Promise((done) => (begin = done));
    const onProgress = (p) => void (p.phase === "train" ? (steps.push([p.done, p.total]), begin()) : "phase" in p || reported.push(p.epoch));
    const recovered = next("recovered");
    const training = sae.train(acts, { ...settings, onProgress });
    await begun;
    // Held until it has been kept, which happens first after two seconds; the checkpoint asked for here comes after that.
    const held = await sae.pause();
    await new Promise((done) => setTimeout(done, 2500));
    await sae.checkpoint();
    await sae.resume();
    setTimeout(() => gpu("lose"), 60);
    const parts = await training;
    const { restored, milliseconds } = await recovered;
    const end = await weights(sae);
    const idle = next("recovered");
    gpu("lose");
    const second = await idle;
    const totals = (epochs) => epochs.map(({ total }) => total);
    return {
      held, reported, steps, restored, milliseconds, second: second.restored, epochs: parts.epochs.map(({ epoch }) => epoch), trained: (await sae.info()).epochsTrained,
      totals: differ(totals(parts.epochs), totals(epochs)), first: epochs[0].total, weights: differ(end, await weights(whole)), kept: differ(await weights(sae), end),
    };
  }, { fixtures });
  const all = [1, 2, 3, 4, 5, 6, 7, 8];
  assert.deepEqual([seen.epochs, seen.reported, seen.trained], [all, all, 8]);
  const [, total] = seen.steps[0];
  assert.ok(seen.steps.every((step) => step[0] <= total && step[1] === total), JSON.stringify(seen.steps));
  assert.deepEqual(seen.steps.at(-1), [total, total]);
  assert.ok(seen.totals < 1e-4 * seen.first && seen.weights < 1e-4, `${seen.totals} ${seen.weights}`);
  const from = Number(/as of step (\d+)/.exec(seen.restored.join(" "))?.[1]);
  assert.ok(seen.held && from > 0 && from < total, seen.restored.join("; "));
  // A training that is over has been kept to the last bit.
  assert.equal(seen.kept, 0);
  assert.ok(seen.second.every((name) => !name.includes("as ")), seen.second.join("; "));
  note(`went on from step ${from} of ${total}, ${(seen.milliseconds / 1000).toFixed(1)} s later; losses differ by ${seen.totals.toExponential(1)}`);
  quiet();
});

test("twice in a row: the CPU where the lab may choose, else an explanation; the same when the browser has no GPU any more", { ...open, device: "auto" }, async ({ lab, quiet, note, fixtures }) => {
  const seen = await lab(async ({ lab, fixtures }) => {
    const { events, next } = watch(lab);
    const model = await lab.loadModel({ baseUrl: `${fixtures}models/random/` }, { weights: "f32" });
    const { logits } = await model.run("The capital");
    const lost = next("lost");
    gpu("fill");
    const { reason } = await lost;
    const timer = setInterval(() => gpu("lose"), 2); // the next one too, as soon as it is there
    const again = await model.run("The capital");
    clearInterval(timer);
    const { openLab } = await import("./sae-lab.js");
    const second = await openLab({ device: "webgpu" });
    const events2 = watch(second).events;
    gpuGone = true;
    gpu("lose");
    const { code, message, hint } = await second.closed;
    const after = await codeOf(second.createSae({ dIn: 4 }));
    return { reason, events, events2, difference: differ([...logits.data], [...again.logits.data]), info: lab.info, ended: { code, message, hint }, after };
  }, { fixtures });
  assert.match(seen.reason, /ran out of memory \(no room\)/);
  assert.deepEqual(seen.events, ["lost", "recovering", "lost", "recovering", "recovered"]);
  assert.equal(seen.info.device, "cpu");
  assert.match(seen.info.reason, /graphics processor was lost.*second failure in a row/);
  assert.ok(seen.difference < 1e-3, `${seen.difference}`);
  assert.deepEqual(seen.events2, ["lost", "recovering", "failed"]);
  assert.deepEqual([seen.ended.code, seen.after], ["LAB-DEVICE-LOST", "LAB-DEVICE-LOST"]);
  assert.match(seen.ended.message, /could not be opened again.*offers no GPU/);
  note(seen.info.reason);
  note(seen.ended.message);
  quiet();
});

test("a worker that traps is replaced: on the CPU too, and twice in a row it is the end", { ...open, device: "cpu" }, async ({ lab, quiet }) => {
  const seen = await lab(async ({ lab }) => {
    const { events, next } = watch(lab);
    const model = await lab.loadModel("tiny");
    const acts = await model.collect(["The weather today is cold and windy.", "I am so happy today!"]);
    const sae = await lab.createSae({ dIn: 96, dSae: 192 });
    const shown = [];
    const training = sae.train(acts, { epochs: 3000, batchSize: 4, onProgress: (p) => "phase" in p || shown.push(p.epoch) });
    while (shown.length === 0) await new Promise((done) => setTimeout(done, 20));
    const error = model.generate("Once", { maxNewTokens: 200, stopAtEos: false }).then(() => null, ({ code, message }) => `${code} ${message}`);
    const recovered = next("recovered");
    gpu("trap");
    const { restored } = await recovered;
    const held = await sae.pause();
    await sae.resume();
    const { epochs } = await training;
    const text = (await model.generate("Once upon a time", { maxNewTokens: 2, temperature: 0 })).text;
    gpu("trap");
    await next("lost");
    const timer = setInterval(() => gpu("trap"), 20);
    const { code, hint } = await lab.closed;
    clearInterval(timer);
    return { events, error: await error, restored, held, epochs: epochs.length, inOrder: shown.every((epoch, i) => epoch === i + 1), shown: shown.length, text, code, hint };
  });
  assert.deepEqual(seen.events.slice(0, 3), ["lost", "recovering", "recovered"]);
  assert.match(seen.error, /^LAB-ENGINE-STOPPED.*unreachable, for the test/);
  assert.equal(seen.restored.length, 2, seen.restored.join("; "));
  assert.deepEqual([seen.held, seen.epochs, seen.shown, seen.inOrder, seen.text], [true, 3000, 3000, true, "Once upon a time, there"]);
  assert.deepEqual([seen.events.at(-1), seen.code], ["failed", "LAB-ENGINE-STOPPED"]);
  quiet();
});

test("SAEs on a stream go on together, to the last bit, when the worker died", { ...open, device: "cpu" }, async ({ lab, quiet, note }) => {
  const seen = await lab(async ({ lab }) => {
    const { next } = watch(lab);
    const model = await lab.loadModel("tiny");
    const texts = Array.from({ length: 24 }, (_, n) => `${["The weather today is cold.", "I am so happy", "One token after another changes what comes"][n % 3]} ${n}.`);
    const stream = { hook: "blocks.6.hook_resid_pre", contextSize: 32, tokens: 16_384, bufferRows: 256, batchSize: 64, entryEvery: 4, l1WarmUpSteps: 4, perSae: [{ l1: 0.5 }, { l1: 0.01, decoderNorm: "unit" }], seed: 2 };
    const make = () => Promise.all(["standard", "untied"].map((architecture) => lab.createSae({ architecture, dIn: 96, dSae: 192, seed: 1 })));
    const weights = async (saes) => (await Promise.all(saes.map((sae) => sae.weights()))).flatMap(({ W_enc, W_dec }) => [...W_enc.data, ...W_dec.data]);
    const whole = await make();
    const { histories } = await lab.trainStream(model, whole, texts, stream);
    const saes = await make();
    const reported = [];
    let [kept, trapped] = [false, false];
    const onProgress = async (p) => {
      if ("phase" in p) return;
      reported.push([p.sae, p.epoch]);
      if (p.sae === 1 && p.epoch === 3) {
        // Long enough for them to be kept, which happens first after two seconds.
        await saes[0].pause();
        await new Promise((done) => setTimeout(done, 3000));
        kept = true;
        saes[0].resume();
      }
      if (kept && !trapped) gpu("trap"), (trapped = true);
    };
    const recovered = next("recovered");
    const again = await lab.trainStream(model, saes, texts, { ...stream, onProgress });
    const { restored } = await recovered;
    return { histories, again: again.histories, reported, restored, weights: differ(await weights(saes), await weights(whole)) };
  });
  assert.deepEqual(seen.again, seen.histories);
  assert.equal(seen.weights, 0);
  assert.deepEqual(seen.reported, Array.from({ length: 64 }, (_, n) => n + 1).flatMap((epoch) => [[0, epoch], [1, epoch]]));
  const steps = seen.restored.map((name) => /as of step (\d+)/.exec(name)?.[1]).filter(Boolean);
  assert.ok(steps.length === 2 && steps[0] === steps[1] && Number(steps[0]) >= 12, seen.restored.join("; "));
  note(seen.restored.join("; "));
  quiet();
});

test("the page says that the engine was lost and is back, and its results go on being used", { ...open, noWebGPU: true, context: { viewport: { width: 1280, height: 900 } } }, async ({ page, open, quiet, screenshot }) => {
  page.setDefaultTimeout(60_000);
  await open();
  await page.waitForSelector("#first-try .next-tokens");
  await page.click("#step-2 button[name=run]");
  await page.waitForSelector("#step-2[data-state=done]");
  await page.focus("#first-try textarea");
  await page.evaluate(() => void gpu("trap"));
  await page.waitForSelector("#banner [data-recovery=recovered]");
  const said = await page.locator("#banner").innerText();
  assert.match(said, /^Back after \d+\.\d s\. The engine broke down: .*unreachable, for the test/);
  assert.match(said, /Restored: the model tiny\.\s+Restored when it is used next: \d+ activations of blocks\.6\.hook_resid_post\./);
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "try-prompt");
  assert.equal(await page.getAttribute("#step-2", "data-state"), "done");
  await screenshot("recovery-banner", { fullPage: false });
  await page.fill("#step-3 [name=epochs]", "1");
  await page.click("#step-3 button[name=run]");
  await page.waitForSelector("#step-3[data-state=done]");
  await page.click("#banner button[name=close-recovery]");
  assert.ok(await page.locator("#banner").isHidden());
  quiet();
});
