// The least that must hold before any other test means something: the page comes up, and each test
// really runs on the kind of browser it asked for, in workers too.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

test("index.html loads", async ({ open, page }) => {
  await open();
  assert.notEqual(await page.title(), "");
  assert.notEqual((await page.locator("body").innerText()).trim(), "");
});

test("there is a WebGPU adapter with timestamp-query", async ({ open, page }) => {
  await open("__blank");
  const yes = { gpu: true, adapter: true, timestamps: true };
  assert.deepEqual(await page.evaluate(webgpu), { page: yes, worker: yes });
});

test("noWebGPU: true has no navigator.gpu", { noWebGPU: true }, async ({ open, page, quiet }) => {
  await open("__blank");
  const no = { gpu: false, adapter: false, timestamps: false };
  assert.deepEqual(await page.evaluate(webgpu), { page: no, worker: no });
  quiet();
});

test("noWebGPU: no-adapter finds no adapter", { noWebGPU: "no-adapter" }, async ({ open, page, quiet }) => {
  await open("__blank");
  const no = { gpu: true, adapter: false, timestamps: false };
  assert.deepEqual(await page.evaluate(webgpu), { page: no, worker: no });
  quiet();
});

test("noWebGPU: insecure is a page that the browser does not trust", { noWebGPU: "insecure" }, async ({ open, page, quiet }) => {
  await open("__blank");
  assert.equal(await page.evaluate(() => isSecureContext), false);
  const no = { gpu: false, adapter: false, timestamps: false };
  assert.deepEqual(await page.evaluate(webgpu), { page: no, worker: no });
  quiet();
});

/** On the page: what WebGPU is there and in a module worker. */
async function webgpu() {
  const worker = new Worker("/harness/webgpu-worker.js", { type: "module" });
  const there = await new Promise((done) => { worker.onmessage = ({ data }) => done(data); });
  const { webgpuHere } = await import("/harness/webgpu-worker.js");
  return { page: await webgpuHere(), worker: there };
}
