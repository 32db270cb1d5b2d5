// Running all steps: in their order, waited for, stopped, and while the page's conventions change. The steps are stand-ins that end when told.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const OPTIONS = { noWebGPU: true };

/** Three stand-ins for steps; `window.end()` ends the one at work, `window.log` says what was begun. */
async function opened({ page, open }) {
  await open("__blank");
  await page.evaluate(async () => {
    const { RunAll } = await import("./ui/run-all.js");
    const session = Object.assign(new EventTarget(), {
      phase: "ready",
      steps: new Map(),
      results: new Map(),
      usable: (n) => session.results.get(n) ?? null,
    });
    window.log = [];
    window.convention = "a";
    const make = (number, follows) => {
      const step = {
        number, title: `step ${number}`, manual: false, running: false, with: null,
        get stale() {
          return follows && session.results.has(number) && session.results.get(number) !== window.convention;
        },
        get overtaken() {
          return follows && step.running && step.with !== window.convention;
        },
        start: () => {
          window.log.push(`${number}${window.convention}`);
          Object.assign(step, { running: true, with: window.convention });
          session.dispatchEvent(new Event("results"));
          return new Promise((resolve) => {
            step.end = (whole) => {
              step.running = false;
              if (whole) session.results.set(number, step.with);
              session.dispatchEvent(new Event("results"));
              resolve(whole);
            };
          });
        },
        stop: () => step.end(false),
      };
      session.steps.set(number, step);
    };
    make(1, true);
    make(2, false);
    make(3, true);
    window.step = (n) => session.steps.get(n);
    window.end = () => [...session.steps.values()].find((step) => step.running)?.end(true);
    window.session = session;
    window.runs = document.body.appendChild(new RunAll());
    window.runs.start(session);
  });
}

/** Ends what works, so often, and says what was begun so far. */
const end = (page, times) =>
  page.evaluate(async (times) => {
    for (let i = 0; i < times; i += 1) {
      await new Promise((resolve) => setTimeout(resolve));
      window.end();
    }
    await new Promise((resolve) => setTimeout(resolve));
    return window.log.join(" ");
  }, times);

const says = (page) => page.innerText("run-all [role=status]");

test("all steps run in their order, and none a second time", OPTIONS, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.click("[name=run-all]");
  assert.match(await says(page), /^Step 1 of 3/);
  assert.equal(await end(page, 3), "1a 2a 3a");
  assert.equal(await says(page), "Done: 3 steps run.");
  await page.click("[name=run-all]");
  assert.equal(await says(page), "Every step has its result already.");
  quiet();
});

test("a change of conventions stops only what works with the old ones", OPTIONS, async ({ page, open, quiet }) => {
  await opened({ page, open });
  const change = (to) =>
    page.evaluate((to) => {
      window.convention = to;
      window.runs.runStale();
    }, to);
  await change("a");
  assert.match(await says(page), /^Every step from the first to the last/, "nothing was out of date: nothing is said");
  await page.click("[name=run-all]");
  await end(page, 1);
  // Step 2 does not look at it: it goes on, then step 1 is made anew.
  await change("b");
  assert.equal(await page.evaluate(() => window.step(2).running), true);
  assert.equal(await end(page, 2), "1a 2a 1b 3b");
  // Step 3 does: it begins anew.
  await change("c");
  assert.equal(await end(page, 0), "1a 2a 1b 3b 1c");
  assert.equal(await end(page, 2), "1a 2a 1b 3b 1c 3c");
  assert.match(await says(page), /^Done/);
  await change("d");
  assert.equal(await end(page, 2), "1a 2a 1b 3b 1c 3c 1d 3d");
  assert.equal(await says(page), "Done: 2 steps run again.");
  quiet();
});

test("a step that the visitor started is waited for, and waiting can be stopped", OPTIONS, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.evaluate(() => void window.step(2).start());
  await page.click("[name=run-all]");
  assert.match(await says(page), /^Step 2 is running already/);
  await page.focus("[name=stop-all]");
  await page.keyboard.press("Enter");
  assert.equal(await says(page), "Stopped. Run all goes on from here.");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "run-all", "the focus stays");
  assert.equal(await page.evaluate(() => window.step(2).running), true);
  await page.click("[name=run-all]");
  assert.equal(await end(page, 3), "2a 1a 3a");
  await page.evaluate(() => {
    window.session.phase = "stopped";
    window.session.results.clear();
    void window.runs.runAll();
  });
  assert.match(await says(page), /engine has stopped/);
  quiet();
});
