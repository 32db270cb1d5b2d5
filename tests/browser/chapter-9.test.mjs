// Chapter 9's page: the notebook from its first cell to its last, the switches, the exercises, what is remembered, a narrow window.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const CPU = { timeout: 600_000, noWebGPU: true, context: { viewport: { width: 1280, height: 900 } } };
const STEPS = ["setup", "load-sae", "tokens", "activations", "features", "sparsity", "top-features", "most-active", "texts", "reconstruction", "steering", "neuronpedia", "code-search", "layers", "trade-off"];

async function opened({ page, open }, query = "") {
  await open(`labs/chapter-9.html${query}`);
  await page.waitForSelector("body[data-ready]");
  await page.waitForSelector("run-all button[name=run-all][aria-disabled=false]");
}

const done = (page, step) => page.waitForSelector(`#${step}[data-state=done]`);

async function run(page, ...steps) {
  for (const step of steps) {
    await page.click(`#${step} button[name=run]`);
    await done(page, step);
  }
}

const result = (page, step) => page.locator(`#${step} [data-part=result]`).innerText();
const printed = (page, step, n = 0) => page.locator(`#${step} [data-part=printed]`).nth(n).innerText();
const text = (page, selector) => page.locator(selector).first().innerText();

/** Sets a switch of the page. */
const convention = (page, name, label) =>
  page.evaluate(
    ({ name, label }) => {
      const select = document.querySelector(`[name=convention-${name}]`);
      select.selectedIndex = [...select.options].findIndex((option) => option.textContent === label);
      select.dispatchEvent(new Event("change", { bubbles: true }));
    },
    { name, label },
  );

/** Waits until what an element says matches. */
const says = (page, selector, n, pattern) =>
  page.waitForFunction(({ selector, n, source }) => new RegExp(source).test(document.querySelectorAll(selector)[n]?.textContent ?? ""), { selector, n, source: pattern.source });

test("run all: every cell of the notebook with its own settings, on the CPU", CPU, async ({ page, open, quiet, sameOrigin, note }) => {
  await opened({ page, open });
  const began = Date.now();
  await page.click("[name=run-all]");
  await page.waitForFunction(() => /^(Done|Stopped|Step \d+ did not)/.test(document.querySelector("run-all .hint").textContent), null, { polling: 500 });
  note(`all steps: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  assert.match(await text(page, "run-all .hint"), /^Done: 15 steps/);
  for (const step of STEPS) assert.equal(await page.getAttribute(`#${step}`, "data-state"), "done", step);
  assert.equal(await page.getAttribute("#cleanup", "data-state"), "idle", "what is loaded stays for the exercises");
  assert.match(await printed(page, "setup"), /Device: CPU/);
  assert.match(await printed(page, "setup", 1), /12 layers, 96 dimensions\nSeed: 42/);
  assert.match(await printed(page, "load-sae"), /Input dimension: 96\n {2}Number of features: 768\n {2}Expansion factor: 8\.0x/);
  assert.match(await printed(page, "tokens"), /^Tokens: \['<\|endoftext\|>', 'The', ' Golden', ' Gate', ' Bridge', ' is', ' a', ' famous', ' landmark', ' in', ' San', ' Francisco', '\.'\]$/);
  assert.match(await printed(page, "activations"), /Activation shape: \[1, 13, 96\]/);
  assert.match(await printed(page, "features"), /Feature activation shape: \[1, 13, 768\]/);
  assert.match(await printed(page, "sparsity"), /Avg active per position: 28\.2\n {2}Sparsity: 96\.33%/);
  assert.match(await printed(page, "sparsity", 1), /Avg active per position: 25\.1/);
  assert.match(await printed(page, "top-features"), /Bridge.*→ #652\(2\.09\), #260\(1\.84\), #697\(1\.62\)/);
  assert.match(await printed(page, "most-active"), /Most active feature: #202\n {2}Activation: 6\.38\n {2}Token: 'The' \(position 1\)/);
  assert.match(await result(page, "most-active"), /answers to how some texts begin/);
  assert.match(await printed(page, "texts"), /Testing feature #202:\n\n 6\.38 █{31} +The Golden Gate Bridge is beautiful\./);
  assert.match(await printed(page, "texts", 1), /6\.38 █{20} The Golden Gate/);
  assert.match(await printed(page, "reconstruction"), /MSE: 0\.1254\n {2}Explained variance: 92\.3%/);
  for (const figure of ["88.5%", "92.3%", "88.6%", "90.0%", "91.0%"]) assert.ok((await result(page, "reconstruction")).includes(figure), figure);
  const steering = await result(page, "steering");
  assert.match(steering, /output\[0\]\n {2}→ 'I'\nmodel\.to_string\('I'\)\n {2}→ TypeError/);
  for (const seed of ["Seed 42", "Seed 43", "Seed 44", "Greedy"]) assert.ok(steering.includes(seed), seed);
  assert.match(await text(page, "#steering [data-part=conclusion]"), /45 % of a usual vector/);
  assert.match(await printed(page, "neuronpedia"), /no page\. The notebook would print https:\/\/www\.neuronpedia\.org\/gpt2-small\/8-res-jb\/202/);
  assert.equal(await page.locator("#neuronpedia [data-part=neuronpedia] a").count(), 0);
  assert.equal(await page.locator("#steering .version-text").count(), 12);
  quiet();
  sameOrigin();
});

test("each switch of the page changes its figures", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#steering [name=samples]", "1");
  await page.evaluate(() => document.querySelectorAll("#steering details").forEach((details) => (details.open = true)));
  await page.fill("#steering [name=maxNewTokens]", "2");
  await page.fill("#steering [name=feature]", "652");
  await run(page, "setup", "load-sae", "tokens", "activations", "features", "sparsity", "reconstruction", "steering");
  const printedOf = (step) => `#${step} [data-part=printed]`;

  // written otherwise at once
  await convention(page, "ev", "per dimension");
  await says(page, printedOf("reconstruction"), 0, /88\.5% \(per dimension\)/);
  await convention(page, "hookNames", "hidden_states[7]");
  await says(page, printedOf("activations"), 0, /Hook: hidden_states\[8\]/);
  await convention(page, "tokens", "as pieces (Ġ)");
  await says(page, printedOf("tokens"), 0, /'ĠGolden'/);
  await says(page, "#steering td.token", 0, /^Ġsome$/);
  await convention(page, "l1Unit", "c, of means (notebooks)");
  await says(page, "#layers .readout", 0, /c = 4\b/);

  // computed otherwise, by itself
  const lengthBefore = await text(page, "#steering [data-part=conclusion]");
  await convention(page, "bias", "with the decoder's bias");
  await says(page, "#steering [data-part=conclusion]", 0, /holds the decoder's bias/);
  assert.notEqual(await text(page, "#steering [data-part=conclusion]"), lengthBefore);
  await convention(page, "skipPosition0", "left out");
  await says(page, printedOf("sparsity"), 0, /per position: 25\.1/);
  await convention(page, "view", "Hugging Face");
  await page.waitForSelector("#load-sae [data-part=mismatches]:not([hidden])");
  await says(page, "#reconstruction [data-part=provenance]", 0, /Hugging Face/);
  await convention(page, "prependBos", "none");
  await says(page, printedOf("tokens"), 0, /^Tokens: \['The'/);
  await says(page, printedOf("activations"), 0, /\[1, 12, 96\]/);
  assert.match(await text(page, "#load-sae [data-part=mismatches]"), /BOS/);
  await page.click("#load-sae [name=adopt]");
  await page.waitForSelector("#load-sae [data-part=mismatches]", { state: "hidden" });
  quiet();
});

test("the exercises accept what is right, and say with numbers what is not", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#layers [name=epochs]", "2");
  await run(page, "setup", "load-sae", "code-search");
  const verdict = async (exercise, right) => {
    await page.click(`#${exercise} button[name=check]`);
    await page.waitForSelector(`#${exercise} .verdict[data-right=${right}]`);
    return text(page, `#${exercise} .verdict`);
  };
  const ranked = await page.locator("#code-search .choose").evaluateAll((buttons) => buttons.map((button) => button.dataset.row));
  await page.fill("#exercise-code .answer [name=feature]", ranked[0]);
  assert.match(await verdict("exercise-code", true), /Right\. .*held-out/);
  await page.fill("#exercise-code .answer [name=feature]", "202");
  assert.match(await verdict("exercise-code", false), /#202.*\d+ of 8/s);
  await page.fill("#exercise-code .answer [name=feature]", "100000");
  assert.match(await verdict("exercise-code", false), /0 to 767/);

  assert.match(await verdict("exercise-layers", null), /Run step 14/);
  await run(page, "layers");
  const ev = async (column) => Number((await page.locator("#layers tr").filter({ hasText: "explained variance, no pos. 0" }).locator("td.number").nth(column).innerText()).replace(" %", "").replace("−", "-").replace("< ", ""));
  const [a, b] = [await ev(0), await ev(1)];
  await page.selectOption("#exercise-layers [name=number]", "same");
  await page.selectOption("#exercise-layers [name=match]", "strength");
  await page.selectOption("#exercise-layers [name=variance]", "equal");
  assert.match(await verdict("exercise-layers", false), /mean cosine of .*length of the vectors/s);
  await page.selectOption("#exercise-layers [name=number]", "apart");
  await page.selectOption("#exercise-layers [name=match]", "direction");
  await page.selectOption("#exercise-layers [name=variance]", a > b ? "a" : "b");
  assert.match(await verdict("exercise-layers", true), /The figures agree/);

  await run(page, "trade-off");
  const r = Number(/explained variance: ([−-]?\d\.\d+)/.exec(await printed(page, "trade-off"))[1].replace("−", "-"));
  const chance = Number(/±(\d\.\d+)/.exec(await printed(page, "trade-off"))[1]);
  await page.selectOption("#exercise-trade-off [name=across]", Math.abs(r) < chance ? "chance" : r > 0 ? "more" : "less");
  await page.selectOption("#exercise-trade-off [name=within]", "less");
  await page.selectOption("#exercise-trade-off [name=why]", "across");
  assert.match(await verdict("exercise-trade-off", false), /Keeping 1 .*all else is equal/s);
  await page.selectOption("#exercise-trade-off [name=within]", "more");
  await page.selectOption("#exercise-trade-off [name=why]", "within");
  await verdict("exercise-trade-off", true);

  await page.click("#exercise-code [name=hint]");
  assert.ok(await page.locator("#exercise-code .hints li").first().isVisible());
  quiet();
});

test("settings are remembered, solutions can be hidden, 320 pixels are enough", { ...CPU, context: { viewport: { width: 320, height: 800 } } }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#tokens [name=text]", "The old bridge");
  await page.fill("#exercise-code .answer [name=feature]", "12");
  await page.evaluate(() => document.querySelector("details.conventions").setAttribute("open", ""));
  await page.selectOption("[name=convention-tokens]", { label: "as pieces (Ġ)" });
  assert.ok((await page.locator(".solution-box").count()) === 3);
  await opened({ page, open }, "?solutions=hide");
  assert.equal(await page.locator(".solution-box, .solution").count(), 0);
  assert.equal(await page.inputValue("#tokens [name=text]"), "The old bridge");
  assert.equal(await page.inputValue("#exercise-code .answer [name=feature]"), "12");
  await run(page, "setup", "load-sae", "tokens", "activations", "features", "top-features");
  assert.match(await printed(page, "tokens"), /'Ġold'/);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = !details.classList.contains("bar-panel"))));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
  quiet();
});
