// What all pages of labs share, on chapter 9's: the switches, the button that runs every step, what is remembered, the engine's restart,
// the freeing of memory, the link without solutions. On the CPU, with little to compute.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const CPU = { timeout: 120_000, noWebGPU: true, context: { viewport: { width: 1280, height: 900 } } };
const KEY = "sae-lab/1/chapter-9";
const STEPS = ["setup", "load-sae", "tokens", "activations", "features", "sparsity", "top-features", "most-active", "texts", "reconstruction", "steering", "neuronpedia", "code-search", "layers", "trade-off", "cleanup"];
const SETTINGS = [
  "seed", "source", "shipped", "published", "saeFiles", "baseUrl", "checkpointFile", "architecture", "expansion", "epochs", "hook", "text", "k", "next", "texts", "feature", "prompt", "strength",
  "times", "temperature", "samples", "maxNewTokens", "code", "prose", "first", "second", "l1", "scale", "number", "match", "variance", "across", "within", "why",
];

async function opened({ page, open }, query = "") {
  await open(`labs/chapter-9.html${query}`);
  await page.waitForSelector("body[data-ready]");
  await page.waitForSelector("run-all button[name=run-all][aria-disabled=false]");
}

async function run(page, ...steps) {
  for (const step of steps) {
    await page.click(`#${step} button[name=run]`);
    await page.waitForSelector(`#${step}[data-state=done]`);
  }
}

/** Little to write and to train, so that everything runs in a few seconds. */
async function short(page) {
  await page.evaluate(() => document.querySelectorAll("#steering details").forEach((details) => (details.open = true)));
  await page.fill("#steering [name=samples]", "1");
  await page.fill("#steering [name=maxNewTokens]", "2");
  await page.fill("#layers [name=epochs]", "1");
}

const state = (page, step) => page.getAttribute(`#${step}`, "data-state");
const text = async (page, selector) => (await page.locator(selector).first().innerText()).replace(/\s+/g, " ");
const printed = (page, step) => page.locator(`#${step} [data-part=printed]`).first().innerText();
const runAll = (page) => page.click("run-all button[name=run-all]");
const ended = (page) => page.waitForSelector("run-all button[name=stop-all]", { state: "hidden" });

/** Sets a switch of the panel by its option's text. */
async function convention(page, name, label) {
  await page.evaluate(() => document.querySelector("details.conventions").setAttribute("open", ""));
  await page.selectOption(`[name=convention-${name}]`, { label });
}

test("a switch runs again what is out of date, and only writes the rest otherwise", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await run(page, "setup", "load-sae", "tokens", "activations");
  await page.evaluate(() => {
    window.states = [];
    const watch = new MutationObserver((changes) => window.states.push(...changes.map(({ target }) => `${target.id} ${target.dataset.state}`)));
    for (const step of document.querySelectorAll("lab-step")) watch.observe(step, { attributes: true, attributeFilter: ["data-state"] });
  });
  await convention(page, "hookNames", "hidden_states[7]");
  await page.waitForFunction(() => document.querySelector("#activations [data-part=printed]").textContent.includes("hidden_states[8]"));
  await page.waitForTimeout(500); // longer than the page waits before it runs anything again
  const running = async () => [...new Set(await page.evaluate(() => window.states.filter((change) => change.endsWith(" running"))))];
  assert.deepEqual(await running(), []);

  await convention(page, "prependBos", "none");
  await page.waitForFunction(() => window.states.includes("activations running"));
  await page.waitForSelector("#activations[data-state=done]");
  await ended(page);
  assert.match(await printed(page, "activations"), /\[1, 12, 96\]/);
  assert.deepEqual(await running(), ["tokens running", "activations running"]);
  assert.match(await text(page, "run-all"), /2 steps run again/);
  quiet();
});

test("run all stops, goes on, and runs again what was stopped", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await short(page);
  await page.fill("#layers [name=epochs]", "1000");
  await runAll(page);
  await page.waitForSelector("#layers[data-state=running]");
  await page.focus("button[name=stop-all]");
  await page.keyboard.press("Enter");
  await ended(page);
  assert.match(await text(page, "run-all"), /Stopped at step 14\. Run all goes on from there/);
  assert.equal(await state(page, "layers"), "stopped");
  assert.equal(await state(page, "trade-off"), "idle");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("name")), "run-all", "the focus stays where the buttons are");
  await page.fill("#layers [name=epochs]", "1");
  await runAll(page);
  await ended(page);
  assert.match(await text(page, "run-all"), /Done: 2 steps run/);
  for (const step of STEPS.slice(0, -1)) assert.equal(await state(page, step), "done", step);
  assert.equal(await state(page, "cleanup"), "idle");
  quiet();
});

test("a switch that is turned while all runs begins it anew", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await short(page);
  await runAll(page);
  await page.waitForSelector("#activations[data-state=done]");
  await convention(page, "prependBos", "none");
  await page.waitForSelector("#trade-off[data-state=done]");
  await ended(page);
  for (const step of STEPS.slice(0, -1)) assert.equal(await state(page, step), "done", step);
  assert.match(await printed(page, "activations"), /\[1, 12, 96\]/);
  quiet();
});

for (const [name, value] of [["an array of nothing", [null]], ["files that are none", [{ name: "x" }]], ["a number out of range", -1e308], ["markup", "<img src=x onerror=alert(1)>"], ["an object", { a: 1 }]])
  test(`what was kept and makes no sense is left out: ${name}`, CPU, async ({ page, open, quiet }) => {
    await open("__blank");
    await page.evaluate(
      ({ KEY, STEPS, SETTINGS, value }) => {
        const all = Object.fromEntries(SETTINGS.map((name) => [`${name} `, value]));
        const steps = [...STEPS.map((step) => `step ${step}`), "exercise exercise-code", "exercise exercise-layers", "exercise exercise-trade-off"];
        localStorage.setItem(KEY, JSON.stringify({ conventions: value, ...Object.fromEntries(steps.map((step) => [step, all])) }));
        localStorage.setItem("sae-lab-theme", "<b>");
      },
      { KEY, STEPS, SETTINGS, value },
    );
    await opened({ page, open });
    assert.match(await text(page, ".conventions summary"), /as in Chapter 9/);
    assert.deepEqual(await page.locator("[aria-invalid=true]").evaluateAll((inputs) => inputs.map(({ name }) => name)), []);
    await run(page, "setup", "tokens");
    quiet();
  });

test("storage that holds no JSON, or is denied, changes nothing else", { ...CPU, prelude: "if (globalThis.document && location.search === '?denied') Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } });" }, async ({ page, open, quiet }) => {
  await open("__blank");
  await page.evaluate((key) => localStorage.setItem(key, "{{{"), KEY);
  for (const query of ["", "?denied"]) {
    await opened({ page, open }, query);
    await page.fill("#tokens [name=text]", "The bridge");
    await page.click("#panel-theme summary");
    await page.selectOption("#theme", "dark");
    await page.keyboard.press("Escape");
    await convention(page, "tokens", "as pieces (Ġ)");
    await run(page, "tokens");
    assert.match(await printed(page, "tokens"), /'The', 'Ġbridge'/);
  }
  quiet();
});

test("an engine that is restarted marks its results, and all can be run again", CPU, async ({ page, open }) => {
  await opened({ page, open });
  await short(page);
  await page.fill("#layers [name=epochs]", "1000");
  await runAll(page);
  await page.waitForSelector("#layers[data-state=running]");
  await page.click("#panel-processor summary");
  await page.click("button[name=restart-engine]");
  await page.waitForSelector("#layers[data-state=failed]");
  assert.match(await text(page, "#layers [data-part=notice]"), /The engine was restarted while this step was running/);
  for (const step of STEPS.slice(0, 13)) assert.equal(await state(page, step), "lost", step);
  assert.match(await printed(page, "tokens"), /Golden/, "what was computed stays readable");
  await page.waitForSelector("run-all button[name=run-all][aria-disabled=false]");
  await page.keyboard.press("Escape");
  await page.fill("#layers [name=epochs]", "1");
  await runAll(page);
  await ended(page);
  for (const step of STEPS.slice(0, -1)) assert.equal(await state(page, step), "done", step);
});

test("memory is not freed under a running step; afterwards each step says what it needs", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#layers [name=epochs]", "1000");
  await run(page, "load-sae", "tokens", "activations");
  await page.click("#layers button[name=run]");
  await page.waitForSelector("#layers[data-state=running]");
  await page.click("#cleanup button[name=run]");
  await page.waitForSelector("#cleanup[data-state=failed]");
  assert.match(await text(page, "#cleanup [data-part=notice]"), /Step 14 is still running/);
  assert.equal(await state(page, "load-sae"), "done");
  await page.click("#layers button[name=stop]");
  await page.waitForSelector("#layers[data-state=stopped]");
  await run(page, "cleanup");
  assert.match(await printed(page, "cleanup"), /Freed: 1 object/);
  assert.equal(await state(page, "load-sae"), "lost");
  assert.match(await text(page, "#activations [data-part=notice]"), /needs the result of step 2/);
  await page.click("#activations button[name=run-needed]");
  await page.waitForFunction(() => ["load-sae", "activations"].every((id) => document.getElementById(id)?.dataset.state === "done"));
  quiet();
});

test("links to a step arrive there, broken ones do no harm, solutions can be left out", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open }, "#%E0%A4%A");
  await open("__blank");
  await opened({ page, open }, "?solutions=hide#steering");
  const top = await page.locator("#steering h3").evaluate((heading) => heading.getBoundingClientRect().top);
  assert.ok(top > 0 && top < 400, `the step is in sight: ${top}`);
  assert.equal(await page.locator(".solution, .solution-box").count(), 0);
  assert.ok(!(await page.isVisible("[data-part=teacher]")));
  assert.equal(await page.locator("lab-exercise button[name=check]").count(), 3);
  assert.match(await text(page, ".contents"), /12 Look the feature up Exercises .*Exercise 2: compare two layers \(step 14\)/);
  quiet();
});

test("a dark page is printed in the colours of paper, and is dark again afterwards", { ...CPU, context: { ...CPU.context, colorScheme: "dark" } }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  const ink = () => page.evaluate(() => getComputedStyle(document.body).color);
  const dark = await ink();
  await page.evaluate(() => {
    window.printed = new Promise((done) => addEventListener("beforeprint", () => done(getComputedStyle(document.body).color)));
  });
  await page.pdf();
  assert.equal(await page.evaluate(() => window.printed), "rgb(28, 32, 36)");
  assert.equal(await ink(), dark);
  quiet();
});
