// Every plot element with the samples of plots-gallery.js, on a blank page of the site with the page's styles and its
// content security policy: pixels, labels, read-out by keyboard and pointer, table, CSV, PNG. Leaves screenshots.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./harness.mjs";

const WIDE = { width: 1280, height: 900 };

/** Opens the gallery, or some of it. */
async function gallery({ page, open }, only) {
  await open("__blank");
  await page.evaluate(async () => {
    const index = new DOMParser().parseFromString(await (await fetch("./index.html")).text(), "text/html");
    const parts = [...index.head.querySelectorAll("meta, link[rel=stylesheet]")].map((part) => document.importNode(part, true));
    const loaded = parts.filter((part) => part.matches("link")).map((link) => new Promise((resolve) => link.addEventListener("load", resolve)));
    document.head.append(...parts);
    await Promise.all(loaded);
  });
  const drawn = await page.evaluate(async (only) => (await import("/harness/plots-gallery.js")).hang(only), only);
  assert.ok(drawn, "the module draws");
}

/** The colours of a picture by how many pixels have them, and the part of the picture that is not its commonest one. */
const colours = (locator) =>
  locator.evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const counts = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const colour = `#${[data[i], data[i + 1], data[i + 2]].map((v) => v.toString(16).padStart(2, "0")).join("")}`;
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    return { counts: Object.fromEntries(counts), all: data.length / 4, width: canvas.width, css: canvas.clientWidth };
  });

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`every plot at ${width} px, ${colorScheme}`, { noWebGPU: true, context: { viewport: { width, height: 900 }, colorScheme } }, async ({ page, open, quiet, screenshot }) => {
      await gallery({ page, open });
      const pictures = page.locator("plot-stage canvas");
      const paper = colorScheme === "light" ? "#fdfdfb" : "#15181b";
      for (let i = 0; i < (await pictures.count()); i += 1) {
        const { counts, all, css } = await colours(pictures.nth(i));
        const name = await pictures.nth(i).getAttribute("aria-label");
        assert.ok(css > 100 || name.startsWith("Nothing to show"), `${name} is ${css} px wide`);
        assert.ok(counts[paper] > 0.05 * all && counts[paper] < all, `${name} has ${counts[paper]} of ${all} pixels of paper`);
      }
      const { scroll, client } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
      assert.ok(scroll <= client, `${scroll} px wide on a screen of ${client}`);
      await screenshot(`plots-${width}-${colorScheme}`);
      quiet();
    });
  }
}

test("series have the page's colours, a matrix blue and orange around the paper", { noWebGPU: true, context: { viewport: WIDE, colorScheme: "light" } }, async ({ page, open, quiet }) => {
  await gallery({ page, open }, ["capacity", "features", "three-bars", "correlation"]);
  const has = async (selector, ...wanted) => {
    const { counts } = await colours(page.locator(`${selector} canvas`).last());
    for (const colour of wanted) assert.ok((counts[colour] ?? 0) > 20, `${selector} has no ${colour}`);
    return counts;
  };
  await has("#capacity", "#0072b2", "#b34e00");
  await has("#features", "#0072b2", "#b34e00", "#007a59", "#a5487f", "#8a6d00");
  await has("#three-bars", "#0072b2");
  // By a cell: the one correlation of 1 is the far orange, and no cell is beyond.
  const cell = await page.locator("#correlation canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let [blue, orange] = [0, 0];
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 2] > data[i] + 60) blue += 1;
      if (data[i] > data[i + 2] + 60) orange += 1;
    }
    return { blue, orange };
  });
  assert.ok(cell.blue > 500 && cell.orange > 500, JSON.stringify(cell));
  quiet();
});

test("pictures are as fine as the screen", { noWebGPU: true, context: { viewport: WIDE, deviceScaleFactor: 2 } }, async ({ page, open, screenshot }) => {
  await gallery({ page, open }, ["features", "three", "correlation", "three-bars"]);
  for (const id of ["features", "three", "correlation", "three-bars"]) {
    const { width, css } = await colours(page.locator(`#${id} canvas`).first());
    assert.equal(width, Math.round(2 * css), id);
  }
  await screenshot("plots-fine");
});

test("the keyboard and the pointer read marks out", { noWebGPU: true, context: { viewport: WIDE } }, async ({ page, open, quiet, screenshot }) => {
  await gallery({ page, open });
  const readout = async (id) => (await page.locator(`#${id} [data-part=readout]`).innerText()).trim();
  const stage = (id, i = 0) => page.locator(`#${id} plot-stage`).nth(i);
  const press = async (id, keys, i = 0) => {
    await stage(id, i).focus();
    for (const key of keys) await page.keyboard.press(key);
    return readout(id);
  };
  assert.match(await readout("capacity"), /arrow keys/);
  assert.equal(await press("capacity", ["Home", "ArrowRight"], 1), "Used of them · features 64 · all 64 · active 41");
  assert.equal(await press("capacity", ["End"], 0), "Error and capacity · features 128 · 0.0045");
  assert.equal(await press("awkward", ["Home", "ArrowRight", "ArrowRight"]), "Gaps · step 3 · a 3 · b 0.6500", "gaps are stepped over");
  assert.equal(await press("features", ["Home", "ArrowRight"]), "feature 2 · (0.0156, 1.100) · length 1.100 · 89°");
  assert.equal(await press("pareto", ["Home", "ArrowDown"]), "TopK · k = 4 · active features 4.444 · squared error 0.8000");
  assert.equal(await press("three-bars", ["End"]), "without the vectors · nats a token 9.700");
  assert.equal(await press("signs", ["End"]), "602 · positive 2 · negative –");
  assert.match(await press("histogram", ["Home", "ArrowRight"], 1), /^Logarithmic · norm 10 to 20 · rows, logarithmic \d/);
  assert.equal(await press("correlation", ["Home", "ArrowRight", "ArrowDown"]), "1 · feature F91 · feature F91");
  assert.ok(await page.locator("#correlation .plot-cursor").isVisible());
  assert.equal(await press("empty-matrix", ["ArrowRight"]), await readout("empty-matrix"), "there is nothing to go to");

  // The pointer, on the third bar.
  await stage("three-bars").scrollIntoViewIfNeeded();
  const box = await stage("three-bars").boundingBox();
  await page.mouse.move(box.x + 0.85 * box.width, box.y + 0.5 * box.height);
  assert.match(await readout("three-bars"), /^without the vectors/);
  await page.locator("#three-bars").screenshot({ path: (await screenshot("plots-pointed", { fullPage: false })).replace(".png", "-bars.png") });
  await page.mouse.move(0, 0);
  assert.match(await readout("three-bars"), /arrow keys/);

  // What a screen reader is told.
  assert.match(await stage("three-bars").getAttribute("aria-label"), /^Mean loss\. clean: nats a token 3\.210; .*\. Arrow keys read it out\.$/);
  assert.match(await stage("features").getAttribute("aria-label"), /feature 1 of length 1\.100 at 17 degrees/);
  quiet();
});

test("a chosen cell is told to the page", { noWebGPU: true, context: { viewport: WIDE } }, async ({ page, open }) => {
  await gallery({ page, open }, ["correlation"]);
  await page.evaluate(() => {
    const map = document.querySelector("#correlation");
    map.onchoose = (...at) => (window.chosen = at);
  });
  await page.evaluate(async () => {
    const { samples } = await import("/harness/plots-gallery.js");
    document.querySelector("#correlation").show(samples.find(([, id]) => id === "correlation")[2]);
  });
  await page.locator("#correlation plot-stage").focus();
  for (const key of ["ArrowDown", "ArrowRight", "ArrowRight", "Enter"]) await page.keyboard.press(key);
  assert.deepEqual(await page.evaluate(() => window.chosen), [1, 2, 0]);
});

test("every plot has its table, a CSV and a PNG", { noWebGPU: true, context: { viewport: WIDE, acceptDownloads: true } }, async ({ page, open, quiet }) => {
  await gallery({ page, open });
  const saved = async (id, kind) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(`#${id} button[name=${kind}]`)]).catch((error) => { throw new Error(`${id}.${kind}: ${error.message}`); });
    assert.equal(download.suggestedFilename(), `${id}.${kind}`);
    return readFileSync(await download.path());
  };
  const csv = async (id) => String(await saved(id, "csv")).trim().split("\r\n");
  const training = await csv("training");
  assert.equal(training[0], "epoch,Reconstruction loss: total,Reconstruction loss: recon,Sparsity loss,Fraction of features active,Active features");
  assert.equal(training.length, 121);
  assert.deepEqual((await csv("capacity")).slice(0, 2), ["features,Error and capacity,Used of them: all,Used of them: active", "32,0.012,32,30"]);
  assert.deepEqual((await csv("pareto")).slice(0, 2), ["group,point,active features,squared error", "standard,,4,0.9"]);
  assert.match((await csv("features"))[1], /^feature 1,1\.05\d*,0\.32\d*,1\.1\d*,17$/);
  assert.deepEqual(await csv("three-bars"), ["bar,nats a token", "clean,3.21", "with the reconstructions in place,3.48", "without the vectors,9.7"]);
  assert.deepEqual((await csv("signs")).at(-1), "602,2,");
  assert.deepEqual((await csv("histogram")).slice(0, 2), ['picture,"norm, from",to,rows', "Linear,0,10,1"]);
  const matrix = await csv("correlation");
  assert.equal(matrix.length, 13);
  assert.equal(matrix[0].split(",").length, 13);

  await page.click("#three-bars button[name=table]");
  assert.match(await page.locator("#three-bars table").innerText(), /without the vectors\s+9\.700/);

  await page.waitForTimeout(1500); // Chromium drops what goes beyond ten downloads a second, which no visitor clicks
  const size = (png) => [png.readUInt32BE(16), png.readUInt32BE(20)];
  for (const [id, columns, rows] of [["training", 2, 2], ["three", 3, 1], ["features", 1, 1], ["hundred", 1, 1], ["three-bars", 1, 1], ["pareto", 1, 1]]) {
    const png = await saved(id, "png");
    const [width, height] = await page.locator(`#${id} canvas`).first().evaluate((canvas) => [canvas.width, canvas.height]);
    assert.deepEqual(size(png), [columns * width, rows * height], id);
  }
  quiet();
});

test("showing again redraws in place, and a figure may change its number of pictures", { noWebGPU: true, context: { viewport: WIDE } }, async ({ page, open, quiet }) => {
  await gallery({ page, open }, ["many"]);
  await page.evaluate(() => (window.first = document.querySelector("#many canvas")));
  const show = (panels) => page.evaluate((panels) => document.querySelector("#many").show({ name: "many", caption: "Again", panels }), panels);
  await show([{ lines: [{ label: "a", y: [1, 2, 3] }] }]);
  assert.ok(await page.evaluate(() => window.first.isConnected), "the same canvas");
  await show([{ lines: [{ label: "a", y: [1, 2, 3] }] }, { lines: [{ label: "b", y: [3, 2, 1] }] }]);
  assert.equal(await page.locator("#many canvas").count(), 2);
  await page.waitForTimeout(400);
  const { counts, all } = await colours(page.locator("#many canvas").nth(1));
  assert.ok(Math.max(...Object.values(counts)) < all, "the new picture is drawn");
  quiet();
});

test("the page's own training curves and heat map read out and choose", { noWebGPU: true, context: { viewport: WIDE } }, async ({ page, open, quiet, screenshot }) => {
  await gallery({ page, open }, []);
  await page.evaluate(async () => {
    const { kindOf } = await import("./ui/architectures.js");
    for (const file of ["training-curves", "heat-map"]) await import(`./ui/${file}.js`);
    const curves = document.createElement("training-curves"),
      map = document.createElement("heat-map");
    document.querySelector("main").append(curves, map);
    const entries = Array.from({ length: 1500 }, (_, i) => ({
      epoch: i + 1, total: 1 / (i + 1), recon: 0.5 / (i + 1), l1: 0.1, nActive: 30, fracActive: 0.08, dead: 3,
      heldOut: i % 100 === 0 ? { explainedVariance: 0.9, l0: 30 } : null,
    }));
    curves.show(entries, { name: "run", kind: kindOf("standard"), stream: false });
    map.onchoose = (feature) => (window.feature = feature);
    map.show({ data: Float32Array.from({ length: 12 }, (_, i) => i), features: [7, 70, 700], tokens: [" to", " be", " or", "\n"], ids: [1, 2, 3, 4], shape: [3, 4] }, "Activations");
  });
  await page.waitForTimeout(600);
  assert.match(await page.locator("training-curves [data-part=readout]").innerText(), /^epoch 1,500 · total .* · dead 3$/);
  const stages = page.locator("training-curves plot-stage");
  assert.equal(await stages.count(), 6);
  await stages.last().focus();
  for (const key of ["Home", "ArrowRight"]) await page.keyboard.press(key);
  assert.match(await page.locator("training-curves [data-part=readout]").innerText(), /^epoch \d+ · .* · held out 90 %$/);
  assert.match(await stages.first().getAttribute("aria-label"), /^Loss: total .*, recon .* after 1,500 epochs\./);
  await page.locator(".heat-stage").focus();
  for (const key of ["ArrowDown", "ArrowRight", "Enter"]) await page.keyboard.press(key);
  assert.equal(await page.locator("heat-map [role=status]").innerText(), "5.000 · feature 70 · ␣be · position 1");
  assert.equal(await page.evaluate(() => window.feature), 70);
  await screenshot("plots-page");
  quiet();
});
