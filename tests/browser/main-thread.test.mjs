// The page answers at any time. What is aimed at is that no task of its main thread computes for more than 50 ms, which is what browsers
// call a long task; the notes say what was measured. A test must not fail for a slower machine, so it fails at three times that.
//
// What is measured is the processor time that the thread itself took (the trace's `tdur`), not the time on the clock: the engine computes
// in a worker beside it, other work may share the machine, and a task that is only kept waiting is not the page's fault. Even so a busy
// machine makes it longer, up to fourfold (shared caches, a hypervisor's other guests), and nothing makes it shorter: what is over the
// limit is measured again, and the least of three counts. On the CPU path, where the worker keeps a core busy for as long as a lab runs.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

/** Milliseconds of processor time: three long tasks' worth. */
const LIMIT = 150;
/** The least of so many measurements counts. */
const MEASUREMENTS = 3;

const CPU = { noWebGPU: true, timeout: 1_200_000, context: { viewport: { width: 1280, height: 900 } } };

/** Runs `work` and says what the page's longest tasks were, `{cpu, wall, at}` in milliseconds. */
async function tasksWhile(page, work) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["toplevel", "__metadata"] });
  let trace;
  try {
    await work();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = JSON.parse(trace.toString("utf8"));
  const thread = (event) => `${event.pid}/${event.tid}`;
  const mains = new Set(traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(thread));
  const own = traceEvents.filter((event) => event.ph === "X" && mains.has(thread(event)));
  const tasks = own.filter(({ name, tdur }) => /RunTask/.test(name) && tdur !== undefined);
  const first = Math.min(...tasks.map(({ ts }) => ts));
  return tasks.map((task) => ({ cpu: task.tdur / 1000, wall: task.dur / 1000, at: (task.ts - first) / 1000 })).sort((a, b) => b.cpu - a.cpu);
}

/** Fails when there is a long task whenever `work` is done. */
async function answers(page, note, work) {
  const words = ({ cpu, wall, at }) => `${cpu.toFixed(0)} ms of ${wall.toFixed(0)} on the clock, at ${(at / 1000).toFixed(1)} s`;
  let long = [];
  for (let i = 0; i < MEASUREMENTS; i += 1) {
    const tasks = await tasksWhile(page, work);
    assert.ok(tasks.length > 500, `the trace has only ${tasks.length} tasks`);
    note(`${tasks.length} tasks; the longest: ${tasks.slice(0, 3).map(words).join("; ")}`);
    long = tasks.filter(({ cpu }) => cpu > LIMIT);
    if (long.length === 0) return;
  }
  assert.fail(`long tasks each time, at last ${long.map(words).join("; ")}`);
}

test("a task that computes for long is found", { ...CPU, timeout: 60_000 }, async ({ page, open }) => {
  await open("__blank");
  const tasks = await tasksWhile(page, () =>
    page.evaluate(async () => {
      for (let i = 0; i < 600; i += 1) await new Promise((done) => setTimeout(done));
      const until = performance.now() + 400;
      await new Promise((done) => setTimeout(done));
      while (performance.now() < until);
    }),
  );
  assert.ok(tasks[0].cpu > LIMIT, `${tasks[0].cpu} ms`);
  assert.ok(tasks[0].wall > 300, `${tasks[0].wall} ms`);
});

test("the first page: opened, its text continued, its steps run", CPU, async ({ page, open, note, quiet }) => {
  await answers(page, note, async () => {
    await open();
    await page.waitForSelector("#first-try .next-tokens li", { timeout: 120_000 });
    await page.click("#first-try button[name=try-continue]");
    for (let n = 1; n <= 8; n += 1) {
      await page.click(`#step-${n} button[name=run]`);
      await page.waitForSelector(`#step-${n}[data-state=done]`, { timeout: 400_000 });
    }
  });
  quiet();
});

test("lab C.4: opened and all of it run: training, its curves, heat maps, texts", CPU, async ({ page, open, note, quiet }) => {
  await answers(page, note, async () => {
    await open("labs/lab-c4.html");
    await page.waitForSelector("run-all button[name=run-all]:not([aria-disabled=true])", { timeout: 120_000 });
    await page.click("run-all button[name=run-all]");
    await page.waitForFunction(() => /^(Done|Stopped|Step \d+ did)/.test(document.querySelector("run-all [role=status]")?.textContent ?? ""), null, { timeout: 400_000 });
    assert.match(await page.innerText("run-all [role=status]"), /^Done/);
  });
  quiet();
});
