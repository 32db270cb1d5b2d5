// The counter that the bench and other tests rest on: tests/bench/count-webgpu.mjs, on shaders whose traffic is known.

import assert from "node:assert/strict";
import { COUNT_WEBGPU, bytesMoved } from "../bench/count-webgpu.mjs";
import { wgslAccess } from "../bench/wgsl-access.mjs";
import { test } from "./harness.mjs";

const BUFFERS = `
@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1)
var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32, 64>;`;

/** Loads and stores of each buffer, in the order of the bindings. */
const uses = (body) => Object.values(wgslAccess(BUFFERS + body).buffers).map(({ loads, stores }) => [loads, stores]);

test("a shader's text tells what an invocation reads and writes", async () => {
  const main = "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>)";
  assert.deepEqual(uses(`${main} { sums[id.x] = rows[ids[id.x]].x; }`), [[1, 0], [1, 0], [0, 1]]);
  assert.deepEqual(uses(`${main} { sums[id.x] += 1.0; if (sums[0] == 2.0) { return; } }`), [[0, 0], [0, 0], [2, 1]]);
  // In a loop, in its head, in a function that a loop calls; a comment and a length are no access.
  assert.deepEqual(uses(`${main} { for (var i = 0u; i < ids[0]; i++) { sums[0] = f32(i); } /* rows[0] */ }`), [[Infinity, 0], [0, 0], [0, Infinity]]);
  assert.deepEqual(uses(`fn of(i: u32) -> f32 { return rows[i].x; } ${main} { loop { sums[1] = of(ids[0]); break; } let n = arrayLength(&rows); }`), [[Infinity, 0], [Infinity, 0], [0, Infinity]]);
  assert.deepEqual(uses(`fn of(i: u32) -> f32 { return rows[i].x; } ${main} { sums[1] = of(1u) + of(2u); }`), [[0, 0], [2, 0], [0, 1]]);
  // A parameter of the same name hides a buffer; a member is none; by reference is both.
  assert.deepEqual(uses(`fn f(ids: vec4<f32>) -> f32 { return ids[0]; } ${main} { var it: S; let p = it.rows[0]; atomicAdd(&sums[0], f(vec4<f32>())); }`), [[0, 0], [0, 0], [1, 1]]);
  const { threads, buffers } = wgslAccess(`const N: u32 = 8u;${BUFFERS} @compute @workgroup_size(N, 4) fn main() { sums[0] = 1.0; }`);
  assert.deepEqual([threads, buffers["0,0"].element, buffers["0,1"].element, buffers["0,2"].element], [32, 4, 16, 4]);
  assert.ok(Number.isNaN(wgslAccess(`override n: u32;${BUFFERS} @compute @workgroup_size(n) fn main() {}`).threads));
});

test("bytes of dispatches, writes, copies and readbacks are counted", { prelude: COUNT_WEBGPU }, async ({ open, page }) => {
  await open("__blank");
  const counted = await page.evaluate(async () => {
    const device = await (await navigator.gpu.requestAdapter()).requestDevice();
    const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const buffer = (size, usage = STORAGE | COPY_SRC | COPY_DST) => device.createBuffer({ size, usage });
    const [ids, table, out, read] = [buffer(1024), buffer(1 << 20), buffer(4096), buffer(512, MAP_READ | COPY_DST)];
    const run = async (body, groups, outRange) => {
      const before = { ...globalThis.counts };
      const module = device.createShaderModule({ code: `
        @group(0) @binding(0) var<storage, read> ids: array<u32>;
        @group(0) @binding(1) var<storage, read> table: array<f32>;
        @group(0) @binding(2) var<storage, read_write> out: array<f32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { ${body} }` });
      const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
      const entries = [{ buffer: ids, offset: 0, size: 1024 }, { buffer: table }, { buffer: out, ...outRange }].map((resource, binding) => ({ binding, resource }));
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      pass.dispatchWorkgroups(...groups);
      pass.end();
      device.queue.submit([encoder.finish()]);
      return Object.fromEntries(Object.entries(globalThis.counts).map(([key, n]) => [key, n - before[key]]));
    };
    const gathered = await run("out[id.x] = table[ids[id.x]];", [2], {});
    const summed = await run("var sum = 0.0; for (var i = 0u; i < ids[0]; i++) { sum += table[i]; } out[0] += sum;", [1, 2], { offset: 256, size: 2048 });
    const before = { ...globalThis.counts };
    device.queue.writeBuffer(ids, 0, new Uint32Array(8), 2, 4);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(out, 0, read, 0, 128);
    encoder.clearBuffer(out, 0, 64);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ, 0, 128);
    const rest = Object.fromEntries(Object.entries(globalThis.counts).map(([key, n]) => [key, n - before[key]]));
    return { gathered, summed, rest };
  });
  const part = ({ dispatches, submits, bytesLoaded, bytesStored, unbounded }) => ({ dispatches, submits, bytesLoaded, bytesStored, unbounded });
  // 128 invocations read a number and what it points at, and write one.
  assert.deepEqual(part(counted.gathered), { dispatches: 1, submits: 1, bytesLoaded: 1024, bytesStored: 512, unbounded: 0 });
  // Loops reach all that is bound; 128 invocations read and write one number each of the range at most.
  assert.deepEqual(part(counted.summed), { dispatches: 1, submits: 1, bytesLoaded: 1024 + (1 << 20) + 512, bytesStored: 512, unbounded: 0 });
  const { bytesWritten, bytesCopied, bytesCleared, bytesRead, readbacks } = counted.rest;
  assert.deepEqual({ bytesWritten, bytesCopied, bytesCleared, bytesRead, readbacks }, { bytesWritten: 16, bytesCopied: 128, bytesCleared: 64, bytesRead: 128, readbacks: 1 });
  assert.equal(bytesMoved(counted.rest), 16 + 2 * 128 + 64);
});
