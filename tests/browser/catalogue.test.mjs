// The template of a project: filled in, kept over a reload, saved in three formats, read back, and hostile files refused.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./harness.mjs";

const OPTIONS = { noWebGPU: true, context: { viewport: { width: 320, height: 800 }, acceptDownloads: true } };

/** A page with nothing on it but the catalogue, and a session that looks at feature 12. */
async function opened({ page, open }) {
  await open("__blank");
  await page.evaluate(async () => {
    const { FeatureCatalogue } = await import("./ui/feature-catalogue.js");
    const { PageMemory } = await import("./ui/page-memory.js");
    for (const name of ["base", "step", "labs", "catalogue"]) {
      const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `./ui/${name}.css` });
      const loaded = new Promise((resolve) => (link.onload = resolve));
      document.head.append(link);
      await loaded;
    }
    const main = document.body.appendChild(document.createElement("main"));
    main.append(Object.assign(document.createElement("p"), { id: "beside", textContent: "Something else on the page" }));
    window.session = Object.assign(new EventTarget(), { feature: null, memory: new PageMemory("catalogue-test") });
    window.catalogue = main.appendChild(new FeatureCatalogue());
    window.catalogue.start(window.session, { chosen: () => ({ sae: "tiny-res/blocks.8.hook_resid_pre_768", hook: "blocks.8.hook_resid_pre" }) });
  });
}

const choose = (page, feature) =>
  page.evaluate((feature) => {
    window.session.feature = feature;
    window.session.dispatchEvent(new Event("feature"));
  }, feature);

async function saved(page, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(`[name=catalogue-${name}]`)]);
  return readFileSync(await download.path(), "utf8");
}

test("a project is filled in, kept, saved in three formats and read back", OPTIONS, async ({ page, open, quiet, sameOrigin, screenshot }) => {
  await opened({ page, open });
  assert.ok(await page.isDisabled("[name=catalogue-take]"), "no feature is chosen yet");
  await choose(page, 12);
  await page.fill("[name=catalogue-title]", "Code | prose");
  await page.click("feature-catalogue details >> nth=2");
  await page.check("[name=stage-interpret-0]");
  await page.fill("[name=stage-interpret-notes]", "# not a heading\n<b>not bold</b>");
  await page.click("[name=catalogue-take]");
  assert.equal(await page.inputValue("[name=row-0-feature]"), "12");
  assert.equal(await page.inputValue("[name=row-0-hook]"), "blocks.8.hook_resid_pre");
  await page.fill("[name=row-0-interpretation]", "=opening brackets");
  await page.selectOption("[name=row-0-monosemantic]", "partly");
  await page.selectOption("[name=row-0-causal]", "no");
  assert.match(await page.innerText("[data-part=tally]"), /1 of 21 items done\. 1 feature: 1 with an interpretation, 1 judged/);
  assert.doesNotMatch(await page.innerText("[data-part=tally]"), /present is not/);
  await page.selectOption("[name=row-0-monosemantic]", "yes");
  assert.match(await page.innerText("[data-part=tally]"), /1 with one meaning does not change .* present is not the same as used/);
  await page.selectOption("[name=row-0-monosemantic]", "partly");
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320, "nothing scrolls sideways");
  await screenshot("catalogue-320");
  await page.waitForTimeout(500);

  await opened({ page, open });
  await choose(page, 12);
  assert.equal(await page.inputValue("[name=row-0-interpretation]"), "=opening brackets");
  assert.ok(await page.isChecked("[name=stage-interpret-0]"));

  const markdown = await saved(page, "markdown");
  assert.match(markdown, /^# Code \\\| prose\n/);
  assert.match(markdown, /- \[x\] Each has its strongest examples/);
  assert.match(markdown, /\n\\# not a heading {2}\n\\<b\\>not bold\\<\/b\\>\n/);
  assert.match(markdown, /\| 12 \| tiny-res\/blocks\.8\.hook\\_resid\\_pre\\_768 \|/);
  assert.match(await saved(page, "csv"), /^feature,sae,hook,interpretation,evidence,monosemantic,causal,notes\r\n12,.*,'=opening brackets,,partly,no,\r\n$/);
  const json = await saved(page, "json");

  await page.click("[name=row-0-remove]");
  assert.equal(await page.locator(".catalogue-row").count(), 0);
  await page.click("[name=catalogue-back]");
  assert.equal(await page.locator(".catalogue-row").count(), 1);
  await page.click("[name=catalogue-clear]");
  assert.equal(await page.inputValue("[name=catalogue-title]"), "");
  await page.setInputFiles("[name=catalogue-file]", { name: "project.json", mimeType: "application/json", buffer: Buffer.from(json) });
  await page.waitForFunction(() => document.querySelector("[data-part=catalogue-said]").textContent.startsWith("Read 1 feature"));
  assert.equal(await saved(page, "json"), json, "what is read back is what was saved");
  quiet();
  sameOrigin();
});

test("a file that anyone may have written is refused with a reason, and changes nothing", OPTIONS, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("[name=catalogue-title]", "mine");
  const good = JSON.parse(await saved(page, "json"));
  const row = { feature: 1, sae: "", hook: "", interpretation: "", evidence: "", monosemantic: "", causal: "", notes: "" };
  const files = {
    "is not JSON": "{",
    "is not an object": "[]",
    "field “script” that is not known": JSON.stringify({ ...good, script: "alert(1)" }),
    "field “__proto__” that is not known": JSON.stringify(good).replace('"title"', '"__proto__":{"x":1},"title"'),
    "its version is 2": JSON.stringify({ ...good, version: 2 }),
    "has 201 characters": JSON.stringify({ ...good, title: "x".repeat(201) }),
    "no whole number": JSON.stringify({ ...good, features: [{ ...row, feature: -1 }] }),
    "must be one of": JSON.stringify({ ...good, features: [{ ...row, causal: "surely" }] }),
    "has no field “notes”": JSON.stringify({ ...good, features: [(({ notes: _, ...rest }) => rest)(row)] }),
    "300 is the most": JSON.stringify({ ...good, features: Array.from({ length: 301 }, () => row) }),
    "must have 3 times": JSON.stringify({ ...good, stages: { ...good.stages, train: { done: [true], notes: "" } } }),
    "larger than 2 MB": " ".repeat(2_000_001),
  };
  for (const [reason, text] of Object.entries(files)) {
    await page.setInputFiles("[name=catalogue-file]", { name: "x.json", mimeType: "application/json", buffer: Buffer.from(text) });
    await page.waitForFunction((reason) => document.querySelector("[data-part=catalogue-said]").textContent.includes(reason), reason, { timeout: 5000 });
    assert.equal(await page.inputValue("[name=catalogue-title]"), "mine");
  }
  const strange = { ...good, title: "<img src=x onerror=alert(1)>\u0000\ud800", features: [row] };
  await page.setInputFiles("[name=catalogue-file]", { name: "x.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(strange)) });
  await page.waitForFunction(() => document.querySelector("[data-part=catalogue-said]").textContent.startsWith("Read 1"));
  assert.equal(await page.inputValue("[name=catalogue-title]"), "<img src=x onerror=alert(1)>\ufffd");
  assert.equal(await page.locator("feature-catalogue img").count(), 0);
  quiet();
});

test("the catalogue prints as a sheet of its own", OPTIONS, async ({ page, open, quiet, screenshot }) => {
  await opened({ page, open });
  await page.evaluate(() => (window.print = () => window.dispatchEvent(new Event("beforeprint"))));
  await choose(page, 7);
  await page.click("[name=catalogue-take]");
  await page.fill("[name=row-0-evidence]", "strongest on “def”\nAUROC 0.97");
  await page.click("[name=catalogue-print]");
  await page.emulateMedia({ media: "print" });
  assert.ok(await page.isHidden("#beside"));
  assert.ok(await page.isHidden("[name=row-0-evidence]"));
  assert.match(await page.innerText(".catalogue-sheet"), /Feature 7[^]*strongest on “def”\nAUROC 0\.97/);
  await screenshot("catalogue-print");
  quiet();
});
