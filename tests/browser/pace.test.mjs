// The engine waits for a GPU that falls behind: at a checkpoint, and before it says that it is held.

import assert from "node:assert/strict";
import { Watch } from "../../www/engine/checkpoint.js";
import { watchSubmits } from "../../www/engine/pace.js";
import { test } from "./harness.mjs";

/** A queue whose work is done when `finish` is called, the oldest first, and a clock that `pass` sets forward. */
function fakes() {
  const pending = [], { now } = performance;
  let clock = 0; // the event loop is not due to turn
  performance.now = () => clock;
  class GPUQueue {
    submit() {}
    onSubmittedWorkDone() {
      return new Promise((resolve, reject) => pending.push({ resolve, reject }));
    }
  }
  watchSubmits({ GPUQueue });
  return {
    queue: new GPUQueue(),
    pass: (ms) => (clock += ms),
    finish: (how = "resolve") => pending.shift()[how](),
    [Symbol.dispose]() {
      for (const { resolve } of pending) resolve();
      performance.now = now;
    },
  };
}

/** Whether a promise has settled once everything has that can. */
async function settles(promise) {
  let settled = false;
  void promise.then(() => (settled = true));
  for (let i = 0; i < 100; i += 1) await null;
  return settled;
}

async function withFakes(body) {
  const all = fakes();
  try {
    await body(all);
  } finally {
    all[Symbol.dispose]();
    await settles(Promise.resolve());
  }
}

test("a call waits while the GPU has two submissions, and more only where they are done soon", () => withFakes(async ({ queue, pass, finish }) => {
  const watch = new Watch(null, () => {});
  const isFree = () => settles(watch.checkpoint());
  queue.submit([]);
  assert.equal(await isFree(), true);
  queue.submit([]);
  assert.equal(await isFree(), false);
  pass(60);
  finish();
  assert.equal(await isFree(), true);
  queue.submit([]);
  assert.equal(await isFree(), false, "the first one took 60 ms");
  pass(10);
  finish();
  pass(10);
  finish("reject"); // the GPU is lost
  for (let i = 0; i < 3; i += 1) {
    assert.equal(await isFree(), true, "they took 10 ms");
    queue.submit([]);
  }
  queue.submit([]);
  assert.equal(await isFree(), false);
  new Watch(null, () => {}); // other work
  finish();
  finish();
  assert.equal(await isFree(), true);
}));

test("a call that waits for the GPU can be cancelled", () => withFakes(async ({ queue }) => {
  const watch = new Watch(null, () => {});
  queue.submit([]);
  queue.submit([]);
  const reached = watch.checkpoint();
  assert.equal(await settles(reached), false);
  watch.cancel();
  assert.equal(await reached, true);
}));

test("a call is held when the GPU has nothing left to do for it", () => withFakes(async ({ queue, finish }) => {
  let held = 0;
  const watch = new Watch(null, () => (held += 1));
  queue.submit([]);
  watch.pause();
  const reached = watch.checkpoint();
  assert.equal(await settles(reached), false);
  assert.equal(held, 0);
  finish();
  assert.equal(await settles(reached), false);
  assert.equal(held, 1);
  watch.resume();
  assert.equal(await reached, false);
}));

/** In the worker: how many submissions the GPU had at a time, at most, and in all. */
const prelude = `if (!globalThis.document && globalThis.GPUQueue) {
  const { submit, onSubmittedWorkDone } = GPUQueue.prototype;
  const channel = new BroadcastChannel("queue");
  let [now, most, all] = [0, 0, 0];
  GPUQueue.prototype.submit = function (buffers) {
    submit.call(this, buffers);
    [now, all] = [now + 1, all + 1];
    most = Math.max(most, now);
    onSubmittedWorkDone.call(this).then(() => (now -= 1));
  };
  channel.onmessage = () => channel.postMessage({ most, all });
}`;

test("a training's steps are handed over as the GPU takes them", { prelude, timeout: 240_000 }, async ({ lab, note }) => {
  const { before, after } = await lab(async ({ lab }) => {
    const channel = new BroadcastChannel("queue");
    const ask = () => new Promise((done) => {
      channel.onmessage = ({ data }) => done(data);
      channel.postMessage("?");
    });
    const [n, steps] = [256, 24];
    const rows = { data: Float32Array.from({ length: n * steps * n }, (_, i) => Math.sin(i * 1.7)), shape: [n * steps, n] };
    const sae = await lab.createSae({ dIn: n, dSae: 8 * n });
    const before = await ask();
    await sae.train(rows, { epochs: 1, batchSize: n });
    return { before, after: await ask() };
  });
  note(`${after.all - before.all} submissions, ${after.most} at a time at most`);
  assert.ok(after.all - before.all >= 24, "each step is one");
  assert.ok(after.most <= 10, `the GPU had ${after.most} submissions at a time`);
});
