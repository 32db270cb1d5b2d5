// The page of lab C.4 on the CPU: “run all” with the notebook's settings, the conventions, the exercises, what is remembered, a narrow screen.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const PAGE = "labs/lab-c4.html";
const KEY = "sae-lab/1/lab-c4";
const CPU = { noWebGPU: true, timeout: 900_000, context: { viewport: { width: 1280, height: 900 } } };

/** Settings under which everything runs in a moment, as the page itself would remember them. */
const QUICK = {
  "step train": { "epochs ": 4 },
  "step sweep": { "epochs ": 3 },
  "step coactivation": { "epochs ": 3 },
  "step layers": { "epochs ": 3 },
  "step mistake-data": { "steps ": 20 },
  "step mistake-sparsity": { "epochs ": 2 },
  "step challenge-train": { "tokens ": 3000 },
  "step steer": { "maxNewTokens ": 4 },
  "step controls": { "maxNewTokens ": 4 },
};

/** Opens the page, with settings that it finds remembered. */
async function opened({ page, open }, kept = null, query = "") {
  page.setDefaultTimeout(60_000);
  if (kept) {
    await open("__blank");
    await page.evaluate(([key, value]) => localStorage.setItem(key, value), [KEY, JSON.stringify(kept)]);
  }
  await open(PAGE + query);
  await page.waitForSelector("body[data-ready]");
  await page.waitForSelector("run-all button[name=run-all]:not([aria-disabled=true])", { timeout: 120_000 });
}

const text = (page, selector) => page.locator(selector).first().innerText();
const printed = (page, step) => page.locator(`#${step} [data-part=printed]`).first().textContent();
const conclusion = (page, step) => text(page, `#${step} [data-part=conclusion]`);

/** Runs one step, and those before it that it needs. */
async function run(page, step) {
  const needed = page.locator(`#${step} [name=run-needed]`);
  if (await needed.count()) await needed.click();
  else await page.click(`#${step} .bench button[name=run]`);
  await page.waitForFunction((id) => ["done", "failed"].includes(document.getElementById(id)?.dataset.state ?? ""), step, { timeout: 400_000 });
  assert.equal(await page.getAttribute(`#${step}`, "data-state"), "done", await text(page, `#${step}`));
}

/** Presses “Run all” and waits for its end. */
async function runAll(page) {
  await page.click("run-all button[name=run-all]");
  await page.waitForFunction(() => /^(Done|Stopped|Step \d+ did|Every)/.test(document.querySelector("run-all [role=status]")?.textContent ?? ""), null, { timeout: 800_000 });
  return text(page, "run-all [role=status]");
}

/** Sets a convention by its option's place, and waits until nothing is out of date or running any more. */
async function convention(page, name, option) {
  await page.evaluate(() => document.querySelectorAll("conventions-panel details").forEach((details) => (details.open = true)));
  await page.selectOption(`[name=convention-${name}]`, String(option));
  await page.waitForTimeout(600);
  await page.waitForFunction(() => !document.querySelector("lab-step[data-state=running], lab-step[data-state=stale]") && document.querySelector("run-all [name=stop-all]")?.hidden, null, { timeout: 400_000 });
}

test("lab C.4: “run all” with the notebook's settings, from the first step to the last", CPU, async ({ page, open, quiet, sameOrigin, note, screenshot }) => {
  await opened({ page, open });
  const begun = Date.now();
  assert.match(await runAll(page), /^Done/);
  note(`run all on the CPU: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  const states = await page.locator("lab-step").evaluateAll((steps) => steps.map(({ id, dataset }) => [id, dataset.state]));
  assert.deepEqual(states.filter(([id, state]) => state !== "done" && id !== "cleanup"), []);

  assert.match(await printed(page, "setup"), /12 layers, d_model = 96/);
  assert.match(await printed(page, "autoencoder"), /Input dim: 96\n {2}Features: 384\n {2}Expansion: 4x\n {2}Parameters: 37,344/);
  assert.match(await conclusion(page, "autoencoder"), /2,363,136 tied and 4,722,432 untied/);
  assert.match(await printed(page, "forward"), /Input shape: \(32, 96\)\nFeatures shape: \(32, 384\)\nReconstructed shape: \(32, 96\)/);
  assert.match(await printed(page, "forward"), /Min: 0\.0000[^]*Fraction > 0: (4[5-9]|5[0-5]) %/);
  assert.match(await printed(page, "prompts"), /26 prompts[^]*241 tokens, of which 26 are BOS/);
  assert.match(await printed(page, "activations"), /Collected activations: \(241, 96\)[^]*Mean: [^]*Std: [^]*Distinct rows: \d+ of 241/);
  assert.match(await printed(page, "random-tokens"), /Random activations: \(1000, 96\)[^]*Total activations: \(1241, 96\)/);
  for (const epoch of [20, 40, 60, 80, 100]) assert.match(await printed(page, "train"), new RegExp(`Epoch ${epoch}: recon=\\d+\\.\\d{4}, sparsity=\\d+\\.\\d\\d%, n_active=\\d+\\.\\d`));
  assert.match(await printed(page, "train"), /Final statistics:\n {2}Reconstruction loss: [\d.]+\n {2}Active features: [\d.]+ \/ 384\n {2}Sparsity: [\d.]+%/);
  assert.equal(await page.locator("#train canvas").count(), 4);
  assert.equal(await page.locator("#top-features tbody tr").count(), 20);
  assert.equal(await page.locator("#examples .feature-list section").count(), 5);
  assert.equal(await page.locator("#heat-maps heat-map").count(), 3);
  assert.equal(await page.locator("#steer .version").count(), 8, "plain, random, three features with the bias and without");
  assert.match(await conclusion(page, "steer"), /mean cosine of [−\d.]+/);
  assert.match(await text(page, "#controls text-compare"), /opposite sign[^]*Random direction[^]*Another/);
  assert.match(await printed(page, "sweep"), /Activations: \(\d+, 96\), 4\d of them distinct[^]*Summary:/);
  assert.equal(await page.locator("#sweep data-table").first().locator("tbody tr").count(), 3);
  assert.match(await printed(page, "coactivation"), /Feature \d+ <-> Feature \d+: corr = [−\d.]+/);
  assert.match(await printed(page, "layers"), /Layer 2[^]*Top 5 most active features: \[\d+, \d+, \d+, \d+, \d+\][^]*Layer 10[^]*'What is the capital\?' \(Question\)/);
  assert.match(await conclusion(page, "mistake-data"), /1 prompt /i);
  assert.match(await conclusion(page, "mistake-sparsity"), /At 1\.0/);
  assert.match(await conclusion(page, "mistake-neurons"), /of 96 dimensions/);
  assert.match(await printed(page, "challenge-train"), /768 features \(8x\)/);
  assert.equal(await page.locator("#concepts section:not([hidden]) lab-figure").count(), 4);
  await screenshot("lab-c4-run-all");
  await run(page, "cleanup");
  assert.match(await printed(page, "cleanup"), /Freed: \d+ objects/);
  quiet();
  sameOrigin();
});

test("lab C.4: every convention changes the figures", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open }, QUICK);
  for (const step of ["steer", "controls", "examples", "heat-maps", "sweep", "layers"]) await run(page, step);

  // written otherwise, at once
  const before = await text(page, "#activations .provenance");
  await convention(page, "hookNames", 1);
  assert.match(before, /blocks\.6\.hook_resid_post/);
  assert.match(await text(page, "#activations .provenance"), /hidden_states\[7\]/);
  await convention(page, "ev", 1);
  assert.match(await text(page, "#train [data-part=result]"), /explained variance, one mean for all/);
  const recon = await printed(page, "train");
  await convention(page, "l1Unit", 1);
  assert.match(await printed(page, "train"), /λ = 0\.000125/);
  assert.notEqual(await printed(page, "train"), recon);
  await convention(page, "tokens", 1);
  assert.match(await text(page, "#examples .examples"), /Ġ/);
  const [first] = await page.locator("#steer .version h3").allInnerTexts().then((names) => names.filter((name) => /bias/.test(name)));
  assert.match(first, /with the bias/);

  // computed otherwise, again
  await convention(page, "bias", 1);
  assert.match((await page.locator("#steer .version h3").allInnerTexts()).filter((name) => /bias/.test(name))[0], /without the bias/);
  assert.match(await text(page, "#controls figcaption"), /without the decoder's bias/);
  const all = await printed(page, "activations");
  await convention(page, "skipPosition0", 1);
  assert.match(all, /\(241, 96\)/);
  assert.match(await printed(page, "activations"), /\(215, 96\).*position 0 left out/);
  assert.ok(!/position 0$/m.test(await text(page, "#examples .feature-list")), "no example stands at position 0");
  await convention(page, "prependBos", 1);
  assert.match(await printed(page, "prompts"), /215 tokens, no BOS/);
  await convention(page, "view", 1);
  assert.match(await text(page, "#activations .provenance"), /Hugging Face view/);
  assert.doesNotMatch(await printed(page, "activations"), /takes each row's mean out/);
  assert.match(await text(page, "conventions-panel summary"), /as in Lab C\.4 but for/);
  await page.click("conventions-panel [name=preset-c4]");
  quiet();
});

test("lab C.4: exercises accept what is right, explain what is not, and hide their solutions", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open }, QUICK);
  const verdict = async (exercise) => {
    await page.click(`#${exercise} button[name=check]`);
    await page.waitForFunction((id) => !/^Checking/.test(document.querySelector(`#${id} .verdict`)?.textContent ?? "Checking"), exercise, { timeout: 300_000 });
    const box = page.locator(`#${exercise} .verdict`);
    return { right: await box.getAttribute("data-right"), words: await box.innerText() };
  };

  assert.match((await verdict("exercise-sparsity")).words, /no result yet/);
  await run(page, "sweep");
  await page.selectOption("#exercise-sparsity [name=effect]", "rises");
  await page.fill("#exercise-sparsity [name=c]", "0.0001");
  const wrong = await verdict("exercise-sparsity");
  assert.equal(wrong.right, "false");
  assert.match(wrong.words, /features are active at 0\.0001.*Not sparse enough/s);
  await page.selectOption("#exercise-sparsity [name=effect]", "same");
  assert.match((await verdict("exercise-sparsity")).words, /no visible effect/);

  await run(page, "coactivation");
  const [a, b] = (await text(page, "#coactivation tbody tr td")).match(/\d+/g);
  const holds = Number((await page.locator("#coactivation tbody tr").first().locator("td").nth(2).innerText()).replace("−", "-"));
  await page.fill("#exercise-pairs [name=a]", a);
  await page.fill("#exercise-pairs [name=b]", b);
  await page.selectOption("#exercise-pairs [name=holds]", holds > 0.5 ? "above" : "below");
  const pair = await verdict("exercise-pairs");
  assert.equal(pair.right, "true", pair.words);
  await page.fill("#exercise-pairs [name=b]", a);
  assert.match((await verdict("exercise-pairs")).words, /with itself/);

  await run(page, "layers");
  for (const answer of ["early", "late", "neither"]) {
    await page.selectOption("#exercise-layers [name=bound]", answer);
    await page.selectOption("#exercise-layers [name=same]", "alike");
    const said = await verdict("exercise-layers");
    assert.match(said.words, /standard errors apart.*mean cosine of/s);
  }

  // hints come one by one, the solution's settings go into the workplace
  await page.click("#exercise-sparsity [name=hint]");
  assert.equal(await page.locator("#exercise-sparsity .hints li:visible").count(), 1);
  await page.click("#exercise-sparsity .solution-box > summary");
  await page.click("#exercise-sparsity [name=solve]");
  assert.match(await page.inputValue("#sweep [name=coefficients]"), /1000/);
  assert.equal(await page.locator(".solution-box").count(), 4);

  await open(`${PAGE}?solutions=hide`);
  await page.waitForSelector("body[data-ready]");
  assert.equal(await page.locator(".solution, .solution-box").count(), 0);
  quiet();
});

test("lab C.4: a coefficient that makes the autoencoder sparse is accepted, whichever it is", CPU, async ({ page, open, note }) => {
  await opened({ page, open });
  await run(page, "sweep");
  await page.selectOption("#exercise-sparsity [name=effect]", "same");
  for (const c of ["100", "200", "50", "400"]) {
    await page.fill("#exercise-sparsity [name=c]", c);
    await page.click("#exercise-sparsity button[name=check]");
    await page.waitForFunction(() => !/^Checking/.test(document.querySelector("#exercise-sparsity .verdict")?.textContent ?? "Checking"), null, { timeout: 300_000 });
    const box = page.locator("#exercise-sparsity .verdict");
    note(`${c}: ${await box.innerText()}`);
    if ((await box.getAttribute("data-right")) === "true") return;
  }
  assert.fail("none of the coefficients was accepted");
});

test("lab C.4: settings are remembered, and nothing runs off a narrow screen", { ...CPU, context: { viewport: { width: 320, height: 700 } } }, async ({ page, open, quiet }) => {
  await opened({ page, open }, QUICK);
  await page.fill("#train [name=epochs]", "3");
  await page.fill("#steer [name=prompt]", "The weather in Rome is");
  await page.fill("#exercise-pairs [name=a]", "7");
  await page.reload();
  await page.waitForSelector("body[data-ready]");
  assert.equal(await page.inputValue("#train [name=epochs]"), "3");
  assert.equal(await page.inputValue("#steer [name=prompt]"), "The weather in Rome is");
  assert.equal(await page.inputValue("#exercise-pairs [name=a]"), "7");
  await page.waitForSelector("run-all button[name=run-all]:not([aria-disabled=true])", { timeout: 120_000 });
  assert.match(await runAll(page), /^Done/);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  await page.waitForTimeout(500);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 320, `the page is ${wide} px wide`);
  quiet();
});
