// Which processor the lab chooses where it may choose.

import assert from "node:assert/strict";
import { chooseDevice } from "../../www/engine/device.js";
import { test } from "./harness.mjs";

/** `navigator.gpu` with one adapter. */
const gpu = (info, adapter = {}) => ({ requestAdapter: async () => ({ features: new Set(["timestamp-query"]), limits: {}, info, ...adapter }) });

test("a renderer on the CPU is known by the browser's word, old and new, or by its name", async () => {
  const chosen = async (wanted, ...adapter) => (await chooseDevice(wanted, false, gpu(...adapter))).device;
  assert.equal(await chosen("auto", { vendor: "nvidia", isFallbackAdapter: false }), "webgpu");
  assert.equal(await chosen("auto", { vendor: "apple" }), "webgpu");
  assert.equal(await chosen("auto", undefined), "webgpu");
  const software = [[{ isFallbackAdapter: true }], [{ vendor: "google" }, { isFallbackAdapter: true }], [{ description: "llvmpipe (LLVM 19.1.7, 256 bits)" }], [{ description: "Microsoft Basic Render Driver" }]];
  for (const adapter of software) {
    assert.equal(await chosen("auto", ...adapter), "cpu");
    assert.equal(await chosen("webgpu", ...adapter), "webgpu");
  }
});

test("with a software renderer the lab computes on the CPU and says why; who asks for WebGPU gets it", { software: true, device: "auto" }, async ({ lab, quiet }) => {
  const { info, text, wanted } = await lab(async ({ lab }) => {
    const model = await lab.loadModel("tiny");
    const { text } = await model.generate("Once upon a time", { maxNewTokens: 2, temperature: 0 });
    const { openLab } = await import("./sae-lab.js");
    const other = await openLab({ device: "webgpu" });
    const wanted = other.info;
    other.dispose();
    return { info: lab.info, text, wanted };
  });
  assert.equal(info.device, "cpu");
  assert.match(info.reason, /program on the processor/);
  assert.equal(text, "Once upon a time, there");
  assert.equal(wanted.device, "webgpu");
  assert.equal(wanted.reason, null);
  quiet();
});

test("the page says so too", { software: true }, async ({ page, open, quiet }) => {
  await open();
  await page.waitForSelector("#first-try .next-tokens li");
  assert.match(await page.innerText("header"), /CPU/);
  await page.click("#panel-processor summary");
  assert.match(await page.innerText("#panel-processor"), /program on the processor/);
  quiet();
});
