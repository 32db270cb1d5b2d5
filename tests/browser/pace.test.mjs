// The engine waits for a GPU that falls behind: at a checkpoint, and before it says that it is held.

import assert from "node:assert/strict";
import { Watch } from "../../www/engine/checkpoint.js";
import { watchSubmits } from "../../www/engine/pace.js";
import { test } from "./harness.mjs";

/** A queue whose work is done when `finish` is called, the oldest first, and a clock that `pass` sets forward. */
function fakes() {
  const pending = [], { now } = performance;
  let clock = 1000;
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
  for (let i = 0; i < 20; i += 1) await null;
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

test("a call waits while the oldest of the GPU's work is more than a tenth of a second old", () => withFakes(async ({ queue, pass, finish }) => {
  const watch = new Watch(null, () => {});
  queue.submit([]);
  queue.submit([]);
  pass(50);
  // The event loop may turn, which is no waiting for the GPU.
  assert.equal(await watch.checkpoint(), false);
  pass(40);
  queue.submit([]);
  pass(30);
  const reached = watch.checkpoint();
  assert.equal(await settles(reached), false);
  finish();
  assert.equal(await settles(reached), false, "the second is as old");
  finish("reject"); // the GPU is lost
  assert.equal(await reached, false);
}));

test("a call that waits for the GPU can be cancelled", () => withFakes(async ({ queue, pass }) => {
  const watch = new Watch(null, () => {});
  queue.submit([]);
  pass(200);
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
