// Choosing a model in the header: what it takes, loading it, stopping, going on; what is kept; whether its numbers are right.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "./harness.mjs";

const prelude = readFileSync(fileURLToPath(new URL("model-fake.js", import.meta.url)), "utf8");
const random = fileURLToPath(new URL("../reference/models/random", import.meta.url));
const CPU = { noWebGPU: true, prelude, context: { viewport: { width: 1280, height: 900 } } };
const FILES = ["config.json", "model.safetensors", "tokenizer.json"].map((name) => join(random, name));

const text = (page, selector) => page.locator(selector).first().innerText();
const model = (page, name) => page.waitForFunction((name) => document.querySelector("#panel-model [data-part=summary]")?.textContent === name, name);

/** Opens the page and the panel of the model. */
async function opened({ page, open }, path = "", name = "tiny") {
  page.setDefaultTimeout(20_000);
  await open(path);
  await model(page, name);
  await page.click("#panel-model > summary");
}

test("a model is opened from files of this computer, and what was made with the other says so", { ...CPU, prelude: "" }, async ({ page, open, quiet, sameOrigin, screenshot }) => {
  await opened({ page, open });
  await page.keyboard.press("Escape");
  await page.click("#step-1 button[name=run]");
  await page.waitForSelector("#step-1[data-state=done]");
  await page.click("#panel-model > summary");
  await screenshot("model-panel-open", { fullPage: false });
  await page.check("[name=model-choice][value=files]");
  await page.setInputFiles("[name=model-files]", FILES);
  await page.waitForSelector("button[name=model-load]");
  assert.match(await text(page, "#panel-model [data-part=outcome]"), /memory of the page\s+\d+ kB of 4\.29 GB at most/);
  await page.click("button[name=model-load]");
  await model(page, "file");
  assert.match(await text(page, "#panel-model [data-part=open]"), /width \(d_model\)\s+48/);
  await page.waitForSelector("#step-1[data-state=stale]");
  assert.match(await text(page, "#step-1 [data-part=notice]"), /Made with tiny; the model that is open now is file/);
  assert.match(await text(page, "#step-1 [data-part=provenance]"), /^tiny/);
  assert.match(await text(page, "#step-1 [data-part=conclusion]"), /./);
  await page.keyboard.press("Escape");
  await page.click("#step-1 button[name=run]");
  await page.waitForSelector("#step-1[data-state=done]");
  assert.match(await text(page, "#step-1 [data-part=provenance]"), /^file/);
  quiet();
  sameOrigin();
});

test("an address is asked only after a click, weights only after another; kept, it opens on the next page; deleted, that asks", { ...CPU, prelude: "" }, async ({ page, open, quiet, requests, screenshot }) => {
  await opened({ page, open });
  await page.check("[name=model-choice][value=address]");
  await page.fill("[name=model-address]", "ftp://example.org/x");
  assert.match(await text(page, "#model-address-error"), /must begin with https/);
  await page.fill("[name=model-address]", "https://huggingface.co/distilbert/distilgpt2/tree/main");
  assert.match(await text(page, "#panel-model [data-part=outcome]"), /“Look” asks huggingface\.co for .* few kilobytes/);
  await screenshot("model-panel-address", { fullPage: false });
  await page.fill("[name=model-address]", new URL("/fixtures/models/random", page.url()).href);
  const asked = () => requests.filter((url) => url.includes("fixtures/models")).map((url) => new URL(url).pathname.split("/").at(-1));
  assert.deepEqual(asked(), []);
  await page.click("button[name=model-look]");
  await page.waitForSelector("button[name=model-load]");
  assert.match(await text(page, "button[name=model-load]"), /^Fetch \d+ kB from this site and open/);
  await page.click("button[name=model-load]");
  await model(page, "random");
  assert.match(await text(page, "#panel-check > summary"), /numbers checked/);
  assert.match(await text(page, "#panel-model [data-part=open]"), /Opened: random from 127\.0\.0\.1:\d+\.[^]*kept in this browser/);
  await page.waitForSelector("kept-panel li[data-model=random][data-whole=true]");
  await open("labs/chapter-9.html");
  await model(page, "random");
  await page.click("#panel-check > summary");
  assert.match(await text(page, "#panel-check .panel"), /The largest difference of a logit is [\d.]+e−\d, within what is allowed/);
  await page.click("#panel-model > summary");
  await page.click("kept-panel li[data-model=random] > .kept-model button[name=forget]");
  await page.waitForSelector("kept-panel li[data-model=random]", { state: "detached" });
  requests.length = 0;
  await open("labs/chapter-9.html");
  await page.waitForSelector("#model-question:not([hidden])");
  assert.match(await text(page, "#model-question"), /You worked with random from 127\.0\.0\.1:\d+, which is not on this computer: it would come from this site, which is asked for the size first/);
  assert.deepEqual(asked(), []);
  await page.click("button[name=question-no]");
  await page.waitForSelector("#model-question", { state: "hidden" });
  quiet();
});

test("GPT-2: size, licence and limits before anything; progress, stop, go on, delete", CPU, async ({ page, open, quiet, sameOrigin, screenshot }) => {
  await opened({ page, open });
  await page.evaluate(() => (fake.slow = 60));
  await page.check("[name=model-choice][value=gpt2]");
  await page.waitForSelector("button[name=model-load]");
  assert.equal(await text(page, "button[name=model-load]"), "Fetch 549.0 MB from huggingface.co and open");
  const told = await text(page, "#panel-model [data-part=outcome]");
  assert.match(told, /124,439,808/);
  assert.match(told, /Modified MIT License/);
  await page.locator("button[name=model-load]").scrollIntoViewIfNeeded();
  await screenshot("model-panel-estimate", { fullPage: false });
  await page.focus("button[name=model-load]");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /Downloading, checking and uploading/.test(document.querySelector("#panel-model [data-part=phase]")?.textContent ?? ""));
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "model-stop", "the focus goes to Stop");
  await page.waitForFunction(() => /\d.* MB of 549\.0 MB · .*MB\/s · .* left/.test(document.querySelector("#panel-model .progress-text")?.textContent ?? ""));
  assert.match(await text(page, "#panel-model > summary"), /tiny · \d+ %/);
  await screenshot("model-panel-loading", { fullPage: false });
  await page.keyboard.press("Enter");
  await page.waitForSelector("button[name=model-go-on]");
  assert.match(await text(page, "#panel-model [data-part=outcome]"), /Stopped\. \d.* MB of GPT-2 small are kept on this computer; “Go on” fetches only the rest\. The model tiny is open as before/);
  await page.waitForSelector("kept-panel li[data-whole=false]");
  assert.match(await text(page, "kept-panel"), /gpt2[^]*MB of 549\.0 MB, half/);
  await page.locator("kept-panel").scrollIntoViewIfNeeded();
  await screenshot("model-panel-stopped", { fullPage: false });
  await page.click("button[name=model-go-on]");
  await model(page, "gpt2");
  await page.waitForSelector("kept-panel li[data-whole=true]");
  await page.click("kept-panel button[name=forget]");
  await page.waitForFunction(() => /Nothing\. A model that is fetched stays here/.test(document.querySelector("kept-panel")?.textContent ?? ""));
  await page.click("#panel-check > summary");
  const check = await text(page, "#panel-check .panel");
  assert.match(check, /expected\s+5\.3318558 nats\s+measured here\s+5\.3319120 nats/);
  assert.match(check, /over 8 tokens\. The largest difference of a logit is 2\.10e−5, within what is allowed/);
  await screenshot("model-check-ok", { fullPage: false });
  quiet();
  sameOrigin();
});

test("a model that is too large is refused with both numbers", CPU, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.evaluate(() => (fake.limit = 2 ** 26));
  await page.check("[name=model-choice][value=gpt2]");
  await page.waitForSelector("#panel-model .refusal");
  assert.match(await text(page, "#panel-model .refusal"), /77 MB at once, and this GPU takes 67 MB/);
  assert.equal(await page.locator("button[name=model-load]").count(), 0);
  await page.check("[name=model-choice][value=tiny]");
  await page.waitForSelector("button[name=model-load]");
  assert.equal(await text(page, "button[name=model-load]"), "Open Tiny");
  quiet();
});

test("wrong numbers: the model is not opened, unless the visitor says so, and the badge stays red", CPU, async ({ page, open, quiet, screenshot }) => {
  await opened({ page, open });
  await page.evaluate(() => (fake.check = "wrong"));
  await page.check("[name=model-choice][value=gpt2]");
  await page.click("button[name=model-load]");
  await page.waitForSelector("button[name=model-accept]");
  assert.equal(await text(page, "#panel-model [data-part=summary]"), "tiny");
  const told = await text(page, "#panel-model [data-part=outcome]");
  assert.match(told, /The numbers of GPT-2 small are wrong on this device, so it was not opened/);
  assert.match(told, /expected\s+5\.3318558 nats\s+measured here\s+7\.2500000 nats/);
  assert.match(await text(page, "#panel-check > summary"), /numbers checked/);
  await page.locator("button[name=model-accept]").scrollIntoViewIfNeeded();
  await screenshot("model-panel-wrong", { fullPage: false });
  await page.click("button[name=model-accept]");
  await model(page, "gpt2");
  assert.equal(await page.getAttribute("#panel-check", "data-check"), "wrong");
  await page.click("#panel-check > summary");
  assert.match(await text(page, "#panel-check .panel"), /The numbers of gpt2 are wrong on this device/);
  await screenshot("model-check-wrong", { fullPage: false });
  quiet();
});

test("a link to a model asks first; one that is none is named", CPU, async ({ page, open, quiet, sameOrigin, screenshot }) => {
  page.setDefaultTimeout(20_000);
  await open("labs/chapter-9.html?model=gpt2#tokens");
  await page.waitForSelector("#model-question:not([hidden])");
  assert.match(await text(page, "#model-question"), /The address of this page asks for GPT-2 small, which is not on this computer: 549\.6 MB would come from huggingface\.co\. Nothing has been fetched; Tiny is open/);
  assert.deepEqual(await page.evaluate(() => fake.loads), ["tiny"]);
  await screenshot("model-question", { fullPage: false });
  await page.click("button[name=question-show]");
  await page.waitForSelector("button[name=model-load]");
  await page.click("button[name=model-load]");
  await model(page, "gpt2");
  assert.equal(new URL(page.url()).search, "");
  for (const bad of ["javascript:alert(1)", "http://example.org/", "<b>", "x".repeat(3000)]) {
    await open(`index.html?model=${encodeURIComponent(bad)}`);
    await model(page, "tiny");
    await page.click("#panel-model > summary");
    assert.match(await text(page, "#panel-model [data-part=outcome]"), /names a model that is not known here|must begin with https/);
    await page.keyboard.press("Escape");
  }
  quiet();
  sameOrigin();
});

const GPT2 = "https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e/model.safetensors";

/** From the next page on GPT-2 is kept whole, and the fake is set as given. */
const keptWhole = (page, set = {}) =>
  page.evaluate(({ set, GPT2 }) => {
    const file = { key: "gpt2/weights", name: "model.safetensors", url: GPT2, bytes: 549e6, total: 549e6, complete: true, where: "opfs", model: "gpt2" };
    sessionStorage.setItem("fake", JSON.stringify({ kept: [file], ...set }));
  }, { set, GPT2 });

test("what is kept whole is opened with the page, on this page and the next; Tiny at a click", CPU, async ({ page, open, quiet, sameOrigin, screenshot }) => {
  page.setDefaultTimeout(20_000);
  await open("__blank");
  await keptWhole(page);
  await open("index.html?model=gpt2");
  await model(page, "gpt2");
  assert.deepEqual(await page.evaluate(() => fake.loads), ["gpt2"]);
  await open("labs/lab-c4.html");
  await model(page, "gpt2");
  // a slow one is not waited for
  await keptWhole(page, { slow: 5000, kept: [{ key: "k", name: "model.safetensors", url: GPT2, bytes: 548.2e6, total: 600e6, complete: true, where: "opfs", model: "gpt2" }] });
  await open();
  await page.waitForFunction(() => fake.loads.includes("gpt2"));
  await page.click("#panel-model > summary");
  await page.waitForSelector("button[name=open-tiny]");
  await screenshot("model-panel-opening", { fullPage: false });
  assert.match(await text(page, "#panel-model [data-part=open]"), /GPT-2 small is being opened/);
  await page.click("button[name=open-tiny]");
  await model(page, "tiny");
  // one that fails leaves Tiny, and says why
  await keptWhole(page, { check: "wrong" });
  await open();
  await model(page, "tiny");
  await page.click("#panel-model > summary");
  assert.match(await text(page, "#panel-model [data-part=outcome]"), /The numbers of GPT-2 small are wrong on this device, so it was not opened[^]*The model tiny is open/);
  quiet();
  sameOrigin();
});

for (const [name, path, prepare] of [
  ["chapter 9", "labs/chapter-9.html", (page) => page.selectOption("#load-sae [name=source]", "train")],
  ["lab C.4", "labs/lab-c4.html", () => {}],
])
  test(`${name} runs from first to last step with a model of two layers, and back with Tiny its results hold for the other`, CPU, async ({ page, open, quiet, sameOrigin }) => {
    page.setDefaultTimeout(60_000);
    await open("__blank");
    await keptWhole(page);
    await open(`${path}?model=gpt2`);
    await model(page, "gpt2");
    await page.waitForSelector("body[data-ready]");
    await prepare(page);
    await page.evaluate(() => {
      for (const input of document.querySelectorAll("[name=epochs], [name=tokens]")) {
        input.value = input.name === "epochs" ? "2" : "2000";
        input.dispatchEvent(new Event("input", { bubbles: true }));
      }
    });
    await page.click("run-all button[name=run-all]");
    await page.waitForSelector("run-all button[name=stop-all]", { state: "hidden" });
    assert.match(await text(page, "run-all"), /Done: \d+ steps run/);
    const said = () => page.locator("lab-step:not([data-manual])").evaluateAll((steps) => steps.map((step) => [step.id, step.dataset.state, step.querySelector("[data-part=result]").innerText, step.querySelector("[data-part=provenance]").textContent]));
    const before = await said();
    for (const [id, state] of before) assert.equal(state, "done", id);
    await page.click("#panel-model > summary");
    await page.check("[name=model-choice][value=tiny]");
    await page.click("button[name=model-load]");
    await model(page, "tiny");
    const after = await said();
    for (const [i, [id, state, result, provenance]] of after.entries()) assert.deepEqual([id, state, result.slice(0, 300), provenance], [id, "stale", before[i][2].slice(0, 300), before[i][3]]);
    assert.doesNotMatch(after.map(([, , , provenance]) => provenance).join(), /tiny/);
    quiet();
    sameOrigin();
  });

test("the panel fits into 320 pixels, dark, and by the keyboard alone", { ...CPU, context: { viewport: { width: 320, height: 640 }, colorScheme: "dark" } }, async ({ page, open, quiet, screenshot }) => {
  page.setDefaultTimeout(20_000);
  await open();
  await model(page, "tiny");
  await page.focus("#panel-model > summary");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  await page.waitForSelector("button[name=model-load]");
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320);
  const beyond = await page.evaluate(() => [...document.querySelectorAll("#panel-model *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80)));
  assert.deepEqual(beyond, []);
  await screenshot("model-panel-320", { fullPage: false });
  await page.locator("button[name=model-load]").scrollIntoViewIfNeeded();
  await screenshot("model-panel-320-estimate", { fullPage: false });
  const unnamed = await page.evaluate(() => [...document.querySelectorAll("#panel-model :is(input, button, select)")].filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).map((e) => e.outerHTML.slice(0, 80)));
  assert.deepEqual(unnamed, []);
  quiet();
});
