// The labs as a whole: every code cell of the notebooks has a step, and every step runs in Chromium on WebGPU, unattended.
// SwiftShader computes a hundred times slower than a small GPU, so trainings run few epochs here; with the notebooks' own
// settings the pages' own tests run them on the CPU.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "./harness.mjs";

const root = join(fileURLToPath(import.meta.url), "../../..");
const TABLE = join(root, "tests/labs-cells.md");

/** How many code cells each notebook has, and the page that holds it. */
const NOTEBOOKS = { "000": [21, "lab-c4"], "001": [6, "lab-c4"], "002": [16, "chapter-9"], "003": [20, "week-7"] };
const NAMES = { "000": "Lab C.4", "001": "Lab C.4, solutions", "002": "Chapter 9", "003": "Week 7" };
const PAGES = ["lab-c4", "chapter-9", "week-7"];

/** @returns {{page: string, id: string, title: string, cells: string[]}[]} the steps as they are written in the pages */
function writtenSteps() {
  return PAGES.flatMap((page) => {
    const html = readFileSync(join(root, `www/labs/${page}.html`), "utf8");
    return [...html.matchAll(/<lab-step\b([^>]*)>\s*<h([23])>([^]*?)<\/h\2>/g)].map(([, attributes, , title]) => ({
      page,
      id: /\bid="([^"]+)"/.exec(attributes)?.[1] ?? "",
      title: title.replace(/<[^>]+>/g, "").replace(/\s+/g, " ").trim(),
      cells: (/\bdata-cells="([^"]+)"/.exec(attributes)?.[1] ?? "").split(/\s+/).filter(Boolean),
    }));
  });
}

function table() {
  const steps = writtenSteps();
  const rows = Object.entries(NOTEBOOKS).flatMap(([notebook, [count, page]]) =>
    Array.from({ length: count }, (_, i) => {
      const cell = `${notebook}.c${i + 1}`;
      const found = steps.filter((step) => step.cells.includes(cell));
      const where = found.map((step) => `${step.page}.html#${step.id} (${step.title})`).join("<br>");
      const tests = found.length ? `labs: ${found[0].page}, every step on WebGPU; ${page}: run all on the CPU` : "";
      return `| ${NAMES[notebook]} (${notebook}) | c${i + 1} | ${where} | ${tests} |`;
    }),
  );
  return ["# Every code cell of the four notebooks, its step and the tests that run it", "", "Written by tests/browser/labs.test.mjs from the pages' `data-cells`.", "", "| notebook | cell | step | test |", "|---|---|---|---|", ...rows, ""].join("\n");
}

test("every code cell of the four notebooks has its step", { noWebGPU: true }, async ({ note }) => {
  const known = new Set(Object.entries(NOTEBOOKS).flatMap(([notebook, [count]]) => Array.from({ length: count }, (_, i) => `${notebook}.c${i + 1}`)));
  const covered = new Set(writtenSteps().flatMap(({ cells }) => cells));
  assert.deepEqual([...known].filter((cell) => !covered.has(cell)), [], "cells without a step");
  assert.deepEqual([...covered].filter((cell) => !known.has(cell)), [], "cells that no notebook has");
  assert.equal(known.size, 63);
  const written = table();
  let committed = "";
  try {
    committed = readFileSync(TABLE, "utf8");
  } catch {
    /* not there yet */
  }
  if (committed !== written) writeFileSync(TABLE, written);
  assert.equal(committed, written, "tests/labs-cells.md was out of date and has been written anew: commit it");
  note(`${known.size} cells in ${writtenSteps().filter(({ cells }) => cells.length).length} steps`);
});

/** Settings that make training short. */
const SHORT = { epochs: 2, tokens: 4000, heldOut: 0 };

for (const page of PAGES) {
  test(`${page}: every step on WebGPU, by “run all”`, { timeout: 1_500_000, context: { viewport: { width: 1280, height: 900 } } }, async ({ page: browser, open, quiet, sameOrigin, note }) => {
    browser.setDefaultTimeout(60_000);
    await open(`labs/${page}.html`);
    await browser.waitForSelector("body[data-ready]");
    await browser.waitForSelector("run-all button[name=run-all]:not([aria-disabled=true])", { timeout: 120_000 });
    assert.match(await browser.locator("header.bar").innerText(), /WebGPU/);
    await browser.evaluate((short) => {
      for (const [name, most] of Object.entries(short))
        for (const input of document.querySelectorAll(`lab-step input[name=${name}]`)) {
          if (Number(input.value) <= most) continue;
          input.value = String(most);
          input.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }, SHORT);
    await browser.evaluate(() => {
      const began = new Map();
      globalThis.seconds = {};
      const look = (/** @type {HTMLElement} */ step) => {
        if (step.dataset.state === "running") began.set(step.id, performance.now());
        else if (began.has(step.id)) {
          globalThis.seconds[step.id] = (performance.now() - began.get(step.id)) / 1000;
          began.delete(step.id);
        }
      };
      for (const step of document.querySelectorAll("lab-step")) new MutationObserver(() => look(step)).observe(step, { attributes: true, attributeFilter: ["data-state"] });
    });
    const start = performance.now();
    await browser.click("run-all button[name=run-all]");
    await browser.waitForSelector("run-all button[name=stop-all]:not([hidden])");
    await browser.waitForSelector("run-all button[name=stop-all][hidden]", { state: "attached", timeout: 1_400_000 });
    const states = await browser.locator("lab-step").evaluateAll((steps) => steps.map((step) => [step.id, step.dataset.state, step.hasAttribute("data-manual")]));
    const broken = states.filter(([, state, manual]) => !manual && state !== "done");
    assert.deepEqual(broken, [], await browser.locator("run-all [role=status]").innerText());
    for (const [id] of states.filter(([, , manual]) => manual)) {
      await browser.click(`lab-step#${id} button[name=run]`);
      await browser.waitForSelector(`lab-step#${id}[data-state=done]`, { timeout: 300_000 });
    }
    const empty = await browser.locator("lab-step[data-state=done] [data-part=conclusion]").evaluateAll((all) => all.filter((p) => !p.textContent?.trim()).map((p) => p.closest("lab-step")?.id));
    assert.deepEqual(empty, [], "steps that conclude nothing");
    const slowest = Object.entries(await browser.evaluate(() => globalThis.seconds)).sort(([, a], [, b]) => b - a);
    note(`${states.length} steps in ${Math.round((performance.now() - start) / 1000)} s, longest ${slowest.slice(0, 5).map(([id, seconds]) => `${id} ${seconds.toFixed(0)}`).join(", ")}`);
    quiet();
    sameOrigin();
  });
}
