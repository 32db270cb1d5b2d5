// The page from opening to steered text, as a visitor goes through it. Every step leaves a screenshot
// in the cache's screenshots folder, to be looked at.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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

    await run(page, 8);
    const quality = await text(page, "#step-8 [data-part=result]");
    for (const name of ["EV, per dimension", "EV, legacy", "EV, dictionary_learning", "EV, notebooks", "the reconstructions", "the mean row"]) assert.ok(quality.includes(name), name);
    assert.match(await text(page, "#step-8 [data-part=conclusion]"), /of the variance.*nats a token/);
    await page.locator("#step-8 [data-part=result]").scrollIntoViewIfNeeded();
    await shot("8-quality");

    quiet();
    sameOrigin();
  });
}

/** The numbers of one row of a table, by its first cell. */
const row = (page, step, name) =>
  page.locator(`${step} tr`).filter({ has: page.locator(`td:first-child:text-is("${name}")`) }).first().locator("td.number").allInnerTexts();

test("a TopK autoencoder is trained through the form, kept as files, loaded back and measured", { ...LONG, noWebGPU: true, context: { viewport: { width: 1280, height: 900 }, acceptDownloads: true } }, async ({ page, open, quiet, sameOrigin, screenshot }) => {
  await opened({ page, open });
  await run(page, 2);
  await page.selectOption("#step-3 [name=architecture]", "topk");
  assert.equal(await page.locator("#step-3 input[name=l1]").count(), 0, "TopK has no coefficient");
  await page.evaluate(() => document.querySelectorAll("#step-3 details").forEach((details) => (details.open = true)));
  await page.fill("#step-3 [name=k]", "8");
  await page.fill("#step-3 [name=epochs]", "30");
  await page.fill("#step-3 [name=heldOut]", "0.2");
  await run(page, 3);
  assert.match(await text(page, "#step-3 [data-part=sae]"), /TopK autoencoder, 96 to 384 features/);
  assert.match(await text(page, "#step-3 [data-part=conclusion]"), /with 8 of 384 features active.*held out, it explains \d/s);
  await screenshot("topk-trained", { fullPage: false });

  const downloads = [];
  page.on("download", (download) => downloads.push(download));
  await page.click("#step-3 [name=save]");
  await page.waitForSelector("#step-3 .saved-files:not([hidden])");
  await page.waitForTimeout(500);
  const files = {};
  for (const download of downloads) files[download.suggestedFilename()] = readFileSync(await download.path());
  assert.deepEqual(Object.keys(files).filter((name) => name !== "sparsity.safetensors").sort(), ["cfg.json", "sae_weights.safetensors"]);
  const cfg = JSON.parse(files["cfg.json"].toString());
  assert.deepEqual([cfg.architecture, cfg.k, cfg.d_in, cfg.d_sae, cfg.metadata.hook_name, cfg.metadata.prepend_bos], ["topk", 8, 96, 384, "blocks.6.hook_resid_post", true]);
  await run(page, 8);
  const trained = await row(page, "#step-8", "EV, per dimension");

  await page.check("#step-3 [name=way][value=load]");
  await page.selectOption("#step-3 [name=source]", "files");
  await page.setInputFiles("#step-3 [name=saeFiles]", Object.entries(files).map(([name, buffer]) => ({ name, buffer, mimeType: "application/octet-stream" })));
  await run(page, 3);
  assert.match(await text(page, "#step-3 sae-panel"), /TopK, k = 8[^]*blocks\.6\.hook_resid_post/);
  await page.waitForTimeout(300);
  assert.ok(await page.locator("#step-3 [data-part=mismatches]").isHidden(), "it was made for these rows");
  await page.waitForSelector("#step-8[data-state=stale]");
  await page.fill("#step-8 [name=own]", "The weather today is cold.\nThe capital of Italy is Rome.");
  await run(page, 8);
  assert.deepEqual(await row(page, "#step-8", "EV, per dimension"), trained, "the files hold the autoencoder that was trained");
  assert.match(await text(page, "#step-8 [data-part=conclusion]"), /On your own texts it explains/);
  await page.check("#step-8 [name=keepError]");
  await run(page, 8);
  assert.match(await text(page, "#step-8 [data-part=conclusion]"), /as if nothing had been done/);

  // what does not fit is named, and mended by a click
  await page.fill("#step-2 [name=layer]", "3");
  await page.uncheck("#step-2 [name=prependBos]");
  await run(page, 2);
  await page.waitForSelector("#step-3 [data-part=mismatches]:not([hidden])");
  const told = await text(page, "#step-3 [data-part=mismatches]");
  assert.match(told, /blocks\.6\.hook_resid_post/);
  assert.match(told, /blocks\.3\.hook_resid_post/);
  assert.match(told, /BOS/);
  await page.click("#step-3 [name=adopt]");
  assert.equal(await page.inputValue("#step-2 [name=layer]"), "6");
  assert.ok(await page.isChecked("#step-2 [name=prependBos]"));
  quiet();
  sameOrigin();
});

test("every architecture trains with the form's own settings, and comes out sparse", { ...LONG, noWebGPU: true }, async ({ page, open, quiet, note }) => {
  await opened({ page, open });
  await run(page, 2);
  for (const architecture of ["standard", "topk", "batchtopk", "jumprelu", "gated", "matryoshka_batchtopk"]) {
    await page.selectOption("#step-3 [name=architecture]", architecture);
    await run(page, 3);
    const { reconstruction, active } = await page.locator("#step-3 [data-part=result] > data-table table").evaluate((table) => {
      const column = (name) => [...table.tHead.rows[0].cells].findIndex((th) => th.textContent === name);
      const numbers = (name) => [...table.tBodies[0].rows].map(({ cells }) => Number(cells[column(name)].textContent.replaceAll(",", "")));
      return { reconstruction: numbers("reconstruction"), active: numbers("active") };
    });
    note(`${architecture}: reconstruction ${reconstruction.join(" → ")}, ${active[1]} active`);
    assert.ok(reconstruction[1] < 0.5 * reconstruction[0], `${architecture}: reconstruction ${reconstruction.join(" → ")}`);
    assert.ok(active[1] >= 5 && active[1] <= 60, `${architecture}: ${active[1]} active`);
  }
  quiet();
});

test("one that comes with the lab is loaded; a published one only after a click", { ...LONG, noWebGPU: true }, async ({ page, open, quiet, sameOrigin }) => {
  await opened({ page, open });
  await page.check("#step-3 [name=way][value=load]");
  const sources = await page.locator("#step-3 [name=source] option").evaluateAll((options) => options.map(({ value }) => value));
  assert.ok(sources.includes("published"));
  await page.selectOption("#step-3 [name=source]", "published");
  await page.selectOption("#step-3 [name=published]", "gpt2-small-res-jb/blocks.8.hook_resid_pre");
  assert.match(await text(page, "#step-3 button[name=run]"), /Fetch 151\.\d MB and load/);
  assert.match(await text(page, "#step-3 .readout"), /huggingface\.co; nothing is fetched before/);
  assert.ok(sources.includes("shipped"));
  await page.selectOption("#step-3 [name=source]", "shipped");
  await run(page, 3);
  assert.match(await text(page, "#step-3 sae-panel"), /tiny/);
  // step 2 reads what it was made for, and the later steps use it
  await page.waitForSelector("#step-3 [name=adopt]");
  await page.click("#step-3 [name=adopt]");
  await run(page, 2);
  await page.waitForSelector("#step-3 [data-part=mismatches]", { state: "hidden" });
  for (const n of [4, 8]) await run(page, n);
  assert.match(await text(page, "#step-8 [data-part=conclusion]"), /of the variance/);
  sameOrigin();
  quiet();
});

test("a stream of text trains, its coefficient is moved meanwhile, a checkpoint goes on", { ...LONG, noWebGPU: true, context: { acceptDownloads: true } }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await run(page, 2);
  await page.selectOption("#step-3 [name=architecture]", "standard");
  await page.selectOption("#step-3 [name=rowsFrom]", "stream");
  await page.fill("#step-3 [name=streamText]", "The sun rises in the east.\n\nIt sets in the west, and then it is night.");
  await page.fill("#step-3 [name=tokens]", "300000");
  await page.fill("#step-3 [name=bufferRows]", "1024");
  await page.click("#step-3 button[name=run]");
  await page.waitForSelector("#step-3[data-state=running]");
  await page.waitForSelector("#step-3 training-curves:not([hidden])");
  await page.fill("#step-3 input[name=l1]", "2");
  assert.match(await text(page, "#step-3 .readout"), /is 2 from the next step on/);
  await page.waitForTimeout(500);
  await page.click("#step-3 button[name=stop]");
  await page.waitForSelector("#step-3[data-state=stopped]", { timeout: 2000 });
  assert.match(await text(page, "#step-3 [data-part=sae]"), /on the pasted text, streamed/);
  assert.match(await text(page, "#step-3 [data-part=conclusion]"), /moved while it ran, last to 2/);

  await page.evaluate(() => document.querySelectorAll("#step-3 details").forEach((details) => (details.open = true)));
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#step-3 [name=checkpoint]")]);
  await page.check("#step-3 [name=way][value=load]");
  await page.selectOption("#step-3 [name=source]", "checkpoint");
  await page.setInputFiles("#step-3 [name=checkpointFile]", await download.path());
  await run(page, 3);
  assert.match(await text(page, "#step-3 [data-part=sae]"), /standard autoencoder/);
  await page.check("#step-3 [name=way][value=train]");
  await page.selectOption("#step-3 [name=rowsFrom]", "rows");
  await page.fill("#step-3 [name=epochs]", "3");
  await page.click("#step-3 button[name=continue]");
  await page.waitForFunction(() => /on 1,241 rows/.test(document.querySelector("#step-3[data-state=done] [data-part=sae]")?.textContent));
  quiet();
});

test("a stream is trained further by so many tokens, in the same texts and in others", { ...LONG, noWebGPU: true }, async ({ page, open, quiet }) => {
  await opened({ page, open });
  await run(page, 2);
  await page.selectOption("#step-3 [name=architecture]", "standard");
  await page.selectOption("#step-3 [name=rowsFrom]", "stream");
  await page.evaluate(() => document.querySelectorAll("#step-3 details").forEach((details) => (details.open = true)));
  await page.fill("#step-3 [name=tokens]", "4096");
  await page.fill("#step-3 [name=bufferRows]", "1024");
  await run(page, 3);
  const rows = (seen) =>
    page.waitForFunction((seen) => document.querySelector("#step-3[data-state=done] [data-part=conclusion]")?.textContent.includes(` in ${seen} rows`), seen);
  await rows("4,096");
  await page.click("#step-3 button[name=continue]");
  await rows("8,192");
  await page.fill("#step-3 [name=contextSize]", "16");
  await page.click("#step-3 button[name=continue]");
  await rows("12,288");
  await page.click("#step-3 button[name=continue]");
  await rows("16,384");
  quiet();
});

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
    for (const n of [3, 4, 5, 6, 7, 8]) await run(page, n);
    await page.waitForTimeout(300);
    const { scroll, client } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
    assert.ok(scroll <= client, `${scroll} px wide on a screen of ${client}`);
    await screenshot(`narrow-${colorScheme}`);
    quiet();
  });
}
