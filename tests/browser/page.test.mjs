// The page from opening to steered text, as a visitor goes through it. Every step leaves a screenshot
// in the cache's screenshots folder, to be looked at.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const LONG = { timeout: 600_000 };

/** Runs step n and waits for its end. */
async function run(page, n, state = "done") {
  await page.click(`#step-${n} button[name=run]`);
  await page.waitForSelector(`#step-${n}[data-state=${state}]`, { timeout: 400_000 });
}

/** Opens the page with its folded settings unfolded, once the model has answered. */
async function opened({ page, open }) {
  page.setDefaultTimeout(30_000);
  await open();
  await page.waitForSelector("#first-try .next-tokens", { timeout: 120_000 });
  await page.evaluate(() => document.querySelectorAll("lab-step details").forEach((details) => (details.open = true)));
}

const text = (page, selector) => page.locator(selector).first().innerText();

for (const kind of ["WebGPU", "CPU"]) {
  const options = { ...LONG, ...(kind === "CPU" ? { noWebGPU: true } : {}), context: { viewport: { width: 1280, height: 900 } } };
  test(`${kind}: the whole page, from opening to steered text`, options, async ({ page, open, quiet, sameOrigin, screenshot }) => {
    await opened({ page, open });
    const shot = (name) => screenshot(`${kind}-${name}`, { fullPage: false });
    assert.match(await text(page, "header"), kind === "CPU" ? /CPU/ : /WebGPU/);
    assert.match(await text(page, "header"), /tiny/);
    await shot("0-first-screen");
    await page.click("#first-try button[name=try-continue]");
    await page.waitForFunction(() => document.querySelector("#first-try [data-part=text]")?.textContent.length > 40, null, { timeout: 120_000 });
    await shot("0-continued");

    await page.fill("#step-1 [name=prompt]", "The capital of France is");
    await page.fill("#step-1 [name=temperature]", "0");
    await page.fill("#step-1 [name=maxNewTokens]", "4");
    await run(page, 1);
    assert.match(await text(page, "#step-1"), /The capital of France is Paris\. The capital/);
    await page.locator("#step-1").scrollIntoViewIfNeeded();
    await shot("1-tokens");

    await run(page, 2);
    assert.match(await text(page, "#step-2"), /1[  ,.]?241/); // 241 rows of the prompts and 1000 random ones
    await page.locator("#step-2 [data-part=result]").scrollIntoViewIfNeeded();
    await shot("2-activations");

    await page.fill("#step-3 [name=epochs]", "8");
    await page.click("#step-3 button[name=run]");
    await page.waitForSelector("#step-3[data-state=running]");
    await page.waitForSelector("#step-3[data-state=done]", { timeout: 400_000 });
    await page.locator("#step-3 [data-part=result]").scrollIntoViewIfNeeded();
    await shot("3-training");

    await run(page, 4);
    await page.locator("#step-4 [data-part=result]").scrollIntoViewIfNeeded();
    await shot("4-features");
    const chosen = page.locator("#step-4 .choose").nth(1);
    const feature = await chosen.getAttribute("data-row");
    await chosen.click();
    assert.equal(await page.inputValue("#step-5 [name=feature]"), feature);

    await run(page, 5);
    await page.locator("#step-5 [data-part=result]").scrollIntoViewIfNeeded();
    await shot("5-examples");

    await run(page, 6);
    await page.locator("#step-6 [data-part=result]").scrollIntoViewIfNeeded();
    await page.waitForTimeout(500); // the canvas is drawn in the next frames
    const drawn = await page.locator("#step-6 canvas").first().evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set();
      for (let i = 0; i < data.length; i += 4) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      return colours.size;
    });
    assert.ok(drawn > 20, `the heat map has only ${drawn} colours`);
    await shot("6-heat-map");

    await page.fill("#step-7 [name=strength]", "12");
    await page.fill("#step-7 [name=maxNewTokens]", "12");
    await run(page, 7);
    assert.match(await text(page, "#step-7 [data-part=result]"), /The weather today is cold/);
    await page.locator("#step-7 [data-part=result]").scrollIntoViewIfNeeded();
    await shot("7-steered");

    quiet();
    sameOrigin();
  });
}

test("training is paused, stopped and continued on the page; so is generation", { ...LONG, noWebGPU: true }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await run(page, 2);
  await page.fill("#step-3 [name=epochs]", "5000");
  await page.click("#step-3 button[name=run]");
  await page.waitForSelector("#step-3[data-state=running]");
  await page.waitForFunction(() => /\d+ \/ \d/.test(document.querySelector("#step-3")?.textContent.replace(/[  ]/g, " ") ?? ""));
  await page.click("#step-3 button[name=pause]");
  await page.waitForSelector("#step-3[data-state=paused]");
  await page.click("#step-3 button[name=pause]");
  await page.waitForSelector("#step-3[data-state=running]");
  await page.click("#step-3 button[name=stop]");
  await page.waitForSelector("#step-3[data-state=stopped]", { timeout: 2000 });
  // What was learnt is there to look at.
  await run(page, 4);

  await page.fill("#step-1 [name=maxNewTokens]", "250");
  await page.uncheck("#step-1 [name=stopAtEos]");
  await page.evaluate(async () => {
    // Both at once: on the CPU 250 tokens take less than a second.
    document.querySelector("#step-1 button[name=run]").click();
    await new Promise((done) => setTimeout(done, 50));
    document.querySelector("#step-1 button[name=stop]").click();
  });
  await page.waitForSelector("#step-1[data-state=stopped]", { timeout: 2000 });
  quiet();
});

test("bad input is named in its step and the page goes on", { ...LONG, noWebGPU: true }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await page.fill("#step-1 [name=prompt]", "weather ".repeat(12_500));
  await page.click("#step-1 button[name=run]");
  await page.waitForSelector("#step-1[data-state=failed]", { timeout: 60_000 });
  assert.match(await text(page, "#step-1"), /256/);
  await page.fill("#step-1 [name=prompt]", "<img src=x onerror=alert(1)>‮🙂");
  await page.fill("#step-1 [name=maxNewTokens]", "2");
  await run(page, 1);
  assert.equal(await page.locator("#step-1 img").count(), 0);
  quiet();
});

for (const colorScheme of ["light", "dark"]) {
  test(`nothing scrolls sideways at 320 px (${colorScheme})`, { ...LONG, noWebGPU: true, context: { viewport: { width: 320, height: 640 }, colorScheme } }, async ({ page, open, screenshot, quiet }) => {
    await opened({ page, open });
    for (const n of [1, 2]) await run(page, n);
    await page.fill("#step-3 [name=epochs]", "10");
    for (const n of [3, 4, 5, 6, 7]) await run(page, n);
    await page.waitForTimeout(300);
    const { scroll, client } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    assert.ok(scroll <= client, `${scroll} px wide on a screen of ${client}`);
    await screenshot(`narrow-${colorScheme}`);
    quiet();
  });
}
