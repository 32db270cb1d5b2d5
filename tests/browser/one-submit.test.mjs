// What the engine submits in one go reaches the GPU as one submission, in its order. What a token takes of them: counts.test.mjs.

import assert from "node:assert/strict";
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
