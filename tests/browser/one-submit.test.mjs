// What the engine submits in one go reaches the GPU as one submission, in its order.

import assert from "node:assert/strict";
import { countWebGpu } from "../bench/count-webgpu.mjs";
import { joinSubmits } from "../../www/engine/one-submit.js";
import { test } from "./harness.mjs";

/** WebGPU's classes as far as they count here; what is called goes into `log`. */
function fakes() {
  const log = [];
  const logging = (...names) => {
    class Fake {}
    for (const name of names) Fake.prototype[name] = (...args) => void log.push([name, ...args.flat()]);
    return Fake;
  };
  const scope = { GPUQueue: logging("submit", "writeBuffer"), GPUBuffer: logging("mapAsync", "destroy"), GPUDevice: logging("popErrorScope") };
  joinSubmits(scope);
  return { log, queue: new scope.GPUQueue(), other: new scope.GPUQueue(), buffer: new scope.GPUBuffer(), device: new scope.GPUDevice() };
}

test("two submissions in one go become one, and none waits longer than the task", async () => {
  const { log, queue } = fakes();
  queue.submit(["a"]);
  queue.submit(["b", "c"]);
  queue.submit(["d"]);
  assert.deepEqual(log, [["submit", "a", "b", "c"]]);
  await null;
  assert.deepEqual(log, [["submit", "a", "b", "c"], ["submit", "d"]]);
  await null;
  assert.equal(log.length, 2);
});

test("what could tell the difference finds earlier work submitted", async () => {
  const { log, queue, other, buffer, device } = fakes();
  queue.submit(["a"]);
  queue.writeBuffer("x");
  queue.submit(["b"]);
  buffer.mapAsync();
  queue.submit(["c"]);
  buffer.destroy();
  queue.submit(["d"]);
  device.popErrorScope();
  queue.submit(["e"]);
  other.submit(["f"]);
  await null;
  assert.deepEqual(log, [["submit", "a"], ["writeBuffer", "x"], ["submit", "b"], ["mapAsync"], ["submit", "c"], ["destroy"], ["submit", "d"], ["popErrorScope"], ["submit", "e"], ["submit", "f"]]);
});

test("a generated token is one submission, one readback and at most 70 dispatches", { device: "webgpu", prelude: `if (!globalThis.document) (${countWebGpu})();` }, async ({ lab }) => {
  const perToken = await lab(async ({ lab }) => {
    const channel = new BroadcastChannel("counts");
    const counts = () => new Promise((done) => {
      channel.onmessage = ({ data }) => typeof data === "object" && done(data);
      channel.postMessage("ask");
    });
    const model = await lab.loadModel("tiny");
    const taken = async (maxNewTokens) => {
      const before = await counts();
      await model.generate("Once upon a time", { maxNewTokens, temperature: 0, stopAtEos: false });
      const after = await counts();
      return Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
    };
    await taken(3); // compiles what is left to compile
    const [few, many] = [await taken(5), await taken(15)];
    return Object.fromEntries(Object.keys(few).map((key) => [key, (many[key] - few[key]) / 10]));
  });
  const { dispatches, submits, readbacks } = perToken;
  assert.equal(submits, 1);
  assert.equal(readbacks, 1);
  assert.ok(dispatches > 0 && dispatches <= 70, `${dispatches} dispatches`);
});
