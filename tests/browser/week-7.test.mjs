// The page of week 7 on the CPU, as a student goes through it: all steps, the switches, the exercises, the small screen.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const WIDE = { timeout: 400_000, noWebGPU: true, context: { viewport: { width: 1280, height: 900 } } };
const text = (page, selector) => page.locator(selector).first().innerText();

async function opened({ page, open }, query = "") {
  page.setDefaultTimeout(60_000);
  await open(`labs/week-7.html${query}`);
  await page.waitForSelector("body[data-ready]");
  await page.waitForSelector("run-all [name=run-all][aria-disabled=false]");
}

/** Runs all steps that have to be run. */
async function runAll(page) {
  await page.click("run-all [name=run-all]");
  await page.waitForSelector("run-all progress:not([hidden])");
  await page.waitForSelector("run-all progress[hidden]", { state: "attached", timeout: 300_000 });
}

/** Runs one step. */
async function run(page, name) {
  await page.click(`#${name} button[name=run]`);
  await page.waitForSelector(`#${name}[data-state=done]`, { timeout: 200_000 });
}

/** Sets a convention and waits until what it makes stale has run again. */
async function convention(page, name, label) {
  await page.evaluate(() => (document.querySelector("conventions-panel details").open = true));
  await page.selectOption(`[name=convention-${name}]`, { label });
  await page.waitForTimeout(700);
  await page.waitForSelector("run-all progress[hidden]", { state: "attached", timeout: 300_000 });
}

const unfold = (page, name) => page.evaluate((id) => document.querySelectorAll(`#${id} details.advanced`).forEach((details) => (details.open = true)), name);

test("week 7, CPU: run all, and the notebook's figures", WIDE, async ({ page, open, quiet, sameOrigin, note }) => {
  await opened({ page, open });
  const cells = await page.$$eval("lab-step[data-cells]", (steps) => steps.flatMap((step) => step.dataset.cells.split(" ")));
  for (let cell = 1; cell <= 20; cell += 1) assert.ok(cells.includes(`003.c${cell}`), `cell ${cell} has a step`);

  const started = Date.now();
  await runAll(page);
  note(`run all: ${((Date.now() - started) / 1000).toFixed(0)} s`);
  const states = await page.$$eval("lab-step", (steps) => steps.filter((step) => !step.hasAttribute("data-manual")).map((step) => [step.id, step.dataset.state]));
  assert.deepEqual(states.filter(([, state]) => state !== "done"), []);

  // Part 1: the bound of a linear map, and what passes it
  const [notebook, paper] = [...(await text(page, "#toy")).matchAll(/fresh rows: (\d\.\d+)/g)].map(([, loss]) => Number(loss));
  assert.ok(Math.abs(notebook - 0.06) < 0.002, `the notebook's model: ${notebook}`);
  assert.ok(paper < 0.008, `the paper's: ${paper}`);
  assert.match(await text(page, "#toy"), /step 0: loss.*step 100: loss.*step 400: loss/s);
  assert.match(await text(page, "#toy-arrows [data-part=conclusion]"), /add up to 2\.0/);
  assert.match(await text(page, "#toy-interference"), /Feature 0 alone.*error: .*sum of squares/s);
  assert.equal(await page.locator("#toy-seeds tbody tr").count(), 20, "of each model eight seeds, mean and deviation");
  assert.match(await text(page, "#toy-sweep [data-part=conclusion]"), /2 at 100 %.*5 at 1\.0 %/);
  assert.match(await text(page, "#toy-sae [data-part=conclusion]"), /finds \d+ of them/);

  // Part 2
  assert.match(await text(page, "#sae"), /74,208/);
  assert.match(await text(page, "#activations"), /Shape: \[103, 96\].*blocks\.5\.hook_resid_post.*ln_final\.hook_normalized/s);
  assert.match(await text(page, "#train"), /epoch +0: .*epoch +90: /s);
  assert.match(await text(page, "#curves"), /Explained variance: 99\.\d %/);

  // Parts 3 to 7
  assert.equal(await page.locator("#top-features tbody tr").count(), 10);
  assert.match(await text(page, "#examples"), /1\. Token: '.*' \(activation: \d/);
  assert.match(await page.inputValue("#interpretation textarea"), /^A feature of a sparse autoencoder/);
  assert.match(await text(page, "#monosemanticity"), /sample, seed 0/);
  assert.match(await text(page, "#steering"), /Paris: 0\.8\d\d\d.*error kept/s);
  assert.equal(await page.locator("#decompose tbody tr").count(), 3);
  assert.match(await text(page, "#capacity"), /192 features: .*384 features: .*768 features: /s);
  assert.match(await text(page, "#splitting [data-part=conclusion]"), /384 in 192/);
  assert.match(await text(page, "#project"), /So far: one of 384 features, on 103 rows/);
  assert.doesNotMatch(await text(page, "takeaways-list"), /not yet/);

  await page.click("#catalogue [name=catalogue-take]");
  assert.match(await page.inputValue("#catalogue .catalogue-row textarea >> nth=0").catch(() => ""), /.*/);
  await run(page, "cleanup");
  assert.match(await text(page, "#cleanup"), /Freed: 5 objects/);
  quiet();
  sameOrigin();
});

test("week 7, CPU: every switch changes a figure", WIDE, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#train [name=epochs]", "6");
  await page.fill("#capacity [name=epochs]", "2");
  for (const name of ["load", "sae", "activations", "train", "curves", "top-features", "examples", "steering"]) await run(page, name);
  const figures = async () => ({
    load: await text(page, "#load [data-part=result]"),
    sae: await text(page, "#sae [data-part=printed]"),
    activations: await text(page, "#activations [data-part=printed]"),
    curves: await text(page, "#curves [data-part=printed]"),
    firstEv: await text(page, "#curves tbody tr"),
    top: await text(page, "#top-features [data-part=printed]"),
    examples: await text(page, "#examples [data-part=result]"),
    steering: await text(page, "#steering [data-part=conclusion]"),
  });
  let before = await figures();
  const changed = async (name, label, where, what) => {
    await convention(page, name, label);
    const now = await figures();
    for (const key of where) assert.notEqual(now[key], before[key], `${name}: ${key} should differ`);
    if (what) assert.match(now[where[0]], what);
    before = now;
  };
  await changed("tokens", "as text", ["load", "examples"]);
  await changed("hookNames", "blocks.6.hook_resid_post", ["activations"], /blocks\.6\.hook_resid_pre/);
  await changed("ev", "per dimension", ["firstEv", "curves"], /per dimension/);
  await changed("l1Unit", "λ, of sums (SAELens)", ["sae"], /λ = 0\.00025/);
  await changed("bias", "with the decoder's bias", ["steering"], /bias inside/);
  await changed("skipPosition0", "left out", ["top"]);
  await changed("view", "TransformerLens", ["activations", "curves", "steering"], /Mean 0,/);
  await changed("prependBos", "in front", ["activations", "load"], /Shape: \[113, 96\]/);
  quiet();
});

test("week 7, CPU: exercises accept what is right and explain what is not", WIDE, async ({ page, open, quiet }) => {
  await opened({ page, open });
  const verdict = async (name, right) => {
    await page.click(`#${name} [name=check]`);
    await page.waitForSelector(`#${name} .verdict[data-right=${right}]`);
    return text(page, `#${name} .verdict`);
  };
  assert.match(await verdict("exercise-rare", "null"), /run step \d+/);
  for (const name of ["load", "sae", "activations", "train", "top-features"]) await run(page, name);
  assert.match(await verdict("exercise-rare", "false"), /not sparse/);
  await page.evaluate(() => document.querySelectorAll("lab-exercise details").forEach((details) => (details.open = true)));
  await page.click("#exercise-rare [name=solve]");
  assert.equal(await page.inputValue("#sae [name=l1]"), "3");
  await run(page, "sae");
  await run(page, "train");
  await page.fill("#top-features [name=k]", "200");
  await run(page, "top-features");
  const lines = (await text(page, "#top-features [data-part=printed]")).split("\n").map((line) => /Feature (\d+): active on ([\d.]+) %/.exec(line) ?? []);
  const common = lines.find(([, , share]) => Number(share) > 12);
  await page.fill("#exercise-rare [name=feature]", common[1]);
  assert.match(await verdict("exercise-rare", "false"), /nearly a constant|more than the task allows/);
  let found = "";
  for (const [, feature, share] of lines.filter(([, , share]) => Number(share) <= 9 && Number(share) >= 4)) {
    await page.fill("#exercise-rare [name=feature]", feature);
    await page.click("#exercise-rare [name=check]");
    await page.waitForSelector("#exercise-rare .verdict:not([data-right=null])");
    if ((await page.getAttribute("#exercise-rare .verdict", "data-right")) === "true") {
      found = feature;
      break;
    }
    assert.match(await text(page, "#exercise-rare .verdict"), /position 0/, share);
  }
  assert.ok(found, "some feature is a right answer");

  await run(page, "steering");
  const strongest = (await text(page, "#steering .choose >> nth=0")).slice(1);
  await page.fill("#exercise-causal [name=feature]", strongest);
  await page.fill("#exercise-causal [name=alpha]", "1");
  assert.match(await verdict("exercise-causal", "false"), /the same/);
  let alpha = 0;
  for (const next of [-100, 100, -30, 30]) {
    await page.fill("#exercise-causal [name=alpha]", String(next));
    await page.click("#exercise-causal [name=check]");
    await page.waitForSelector("#exercise-causal .verdict:not([data-right=null])");
    if ((await page.getAttribute("#exercise-causal .verdict", "data-right")) === "true") {
      alpha = next;
      break;
    }
  }
  assert.ok(alpha, "some factor changes the likeliest token");
  assert.match(await text(page, "#exercise-causal .verdict"), /random direction/);

  await run(page, "decompose");
  await page.fill("#exercise-chance [name=chance]", "0.05");
  assert.match(await verdict("exercise-chance", "false"), /too low/);
  await page.fill("#exercise-chance [name=chance]", "0.31");
  await page.selectOption("#exercise-chance [name=above]", "no");
  const no = await page.click("#exercise-chance [name=check]").then(() => page.waitForSelector("#exercise-chance .verdict:not([data-right=null])")).then((v) => v.getAttribute("data-right"));
  await page.selectOption("#exercise-chance [name=above]", "yes");
  await verdict("exercise-chance", no === "true" ? "false" : "true");

  await run(page, "capacity");
  await page.fill("#exercise-held-out [name=capacity]", "768");
  assert.match(await verdict("exercise-held-out", "false"), /nothing is held out/);
  await page.click("#exercise-held-out [name=solve]");
  await run(page, "capacity");
  const held = await page.$$eval("#capacity tbody tr", (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
  const [best] = held.map((row) => [row[0], Number.parseFloat(row[5])]).sort((a, b) => b[1] - a[1])[0];
  await page.fill("#exercise-held-out [name=capacity]", best);
  assert.match(await verdict("exercise-held-out", "true"), /held out the sizes explain/);
  quiet();

  await opened({ page, open }, "?solutions=hide");
  assert.equal(await page.locator(".solution").count(), 0);
  assert.ok(await page.locator("[data-part=teacher]").isHidden());
});

test("week 7, CPU: settings are kept over a reload; nothing is wider than a small screen", { ...WIDE, context: { viewport: { width: 320, height: 640 } } }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#toy [name=nFeatures]", "6");
  await page.fill("#steering [name=text]", "The capital of Italy is");
  await convention(page, "tokens", "as text");
  await page.reload();
  await page.waitForSelector("run-all [name=run-all][aria-disabled=false]");
  assert.equal(await page.inputValue("#toy [name=nFeatures]"), "6");
  assert.equal(await page.inputValue("#steering [name=text]"), "The capital of Italy is");
  assert.match(await text(page, "conventions-panel summary"), /but for Tokens/);
  await page.fill("#train [name=epochs]", "4");
  await page.fill("#toy-seeds [name=count]", "2");
  await page.fill("#capacity [name=epochs]", "2");
  for (const name of ["toy-sweep", "toy-sae"]) await unfold(page, name);
  await page.fill("#toy-sweep [name=steps]", "100");
  await page.fill("#toy-sae [name=epochs]", "2");
  await runAll(page);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
  quiet();
});
