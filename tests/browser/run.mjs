// Runs tests/browser/*.test.mjs in Chromium, one after the other, and prints each.
// The last line is "browser: N passed, N failed"; the exit code is 0 only when something ran and nothing failed.
//
//   node tests/browser/run.mjs [--filter TEXT] [--full] [--root www] [--base /a/b/]

import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { CACHE, adapterOf, launch } from "./browser.mjs";
import { registered } from "./harness.mjs";
import { startServer } from "./server.mjs";
import { openSession } from "./session.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({ options: {
  filter: { type: "string", default: "" },
  full: { type: "boolean", default: false },
  root: { type: "string", default: join(here, "../../www") },
  base: { type: "string", default: "/course/week-7/" },
} });
const counts = { passed: 0, failed: 0 };

const tests = await collect();
const mounts = { "/fixtures/": join(here, "../reference"), "/harness/": here, "/kernels/": join(here, "../kernels"), "/made/": join(CACHE, "models") };
const site = await startServer({ root: flags.root, base: flags.base, mounts });
/** Running browsers by kind: with a WebGPU adapter or without. */
const browsers = new Map();
/** The page that shared tests of one file use, by file and options. */
const sharedSessions = new Map();
let adapter = null;

try {
  adapter = await describe();
  for (const [index, test] of tests.entries()) {
    await runOne(test);
    if (tests[index + 1]?.file !== test.file) await closeShared();
  }
} finally {
  for (const browser of browsers.values()) await within(10_000, browser.close()).catch(() => {});
  await site.close();
}
console.log(`\nbrowser: ${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);

/** The tests of all files whose "file: name" holds the filter. A file that does not load is a failed test. */
async function collect() {
  const files = readdirSync(here).filter((name) => name.endsWith(".test.mjs")).sort();
  for (const name of files) {
    const file = name.replace(".test.mjs", "");
    const before = registered.length;
    await import(pathToFileURL(join(here, name)).href).catch((error) => report({ file, name: "the file loads" }, error));
    for (const test of registered.slice(before)) test.file = file;
  }
  const named = registered.filter(({ file, name }) => `${file}: ${name}`.toLowerCase().includes(flags.filter.toLowerCase()));
  const chosen = named.filter(({ options }) => flags.full || !options.full);
  if (chosen.length < named.length) console.log(`${named.length - chosen.length} long tests are left to --full`);
  return chosen;
}

/** Says what the tests run on; null when there is no WebGPU adapter. */
async function describe() {
  const browser = await browserFor({});
  const found = await adapterOf(browser, site.url);
  console.log(`Chromium ${browser.version()}, Node ${process.versions.node}`);
  if (!found) {
    console.log("WebGPU: no adapter");
    return null;
  }
  console.log(`WebGPU: ${[found.vendor, found.architecture, found.description].filter(Boolean).join(" ")}`);
  console.log(`features: ${found.features.join(" ")}`);
  const compute = Object.entries(found.limits).filter(([name]) => /Compute|BufferSize|Storage/.test(name) && !/Texture|Vertex|Fragment/.test(name));
  console.log(`limits: ${compute.map(([name, value]) => `${name} ${value}`).join(", ")}\n`);
  return found;
}

async function browserFor({ noWebGPU }) {
  const kind = noWebGPU === "no-adapter" ? "without" : "with";
  if (!browsers.has(kind)) {
    const browser = await launch({ adapter: kind === "with" });
    browser.on("disconnected", () => browsers.delete(kind));
    browsers.set(kind, browser);
  }
  return browsers.get(kind);
}

async function runOne(test) {
  const start = performance.now();
  let session;
  let failure = null;
  try {
    if (!adapter && !test.options.noWebGPU) throw new Error("There is no WebGPU adapter. A test that needs one fails; it is never skipped.");
    session = await sessionFor(test);
    await within(test.options.timeout, test.run(session));
  } catch (error) {
    failure = error;
  }
  const milliseconds = performance.now() - start;
  if (failure && session) {
    const picture = session.screenshot(`failed-${test.file}-${test.name}`).then((path) => session.note(`screenshot: ${path}`));
    await within(10_000, picture).catch(() => {});
  }
  report(test, failure, milliseconds, session);
  if (session && (failure || !test.options.shared)) await close(session);
}

async function sessionFor({ file, options }) {
  const { timeout, shared, full, ...kind } = options;
  const key = `${file} ${JSON.stringify(kind)}`;
  let session = shared ? sharedSessions.get(key) : undefined;
  if (session) session.forget();
  else {
    session = await within(60_000, openSession(await browserFor(options), site, options));
    if (shared) sharedSessions.set(key, session);
  }
  // A wait that fails inside a test says more than the test's own timeout: let it come first.
  session.page.setDefaultTimeout(0.9 * timeout);
  site.prelude = session.prelude;
  return session;
}

/** Closes a page; a browser that cannot even do that is ended, and the next test gets a new one. */
async function close(session) {
  for (const [key, shared] of sharedSessions) if (shared === session) sharedSessions.delete(key);
  const browser = session.context.browser();
  await within(20_000, session.context.close()).catch(() => within(10_000, browser.close()).catch(() => {}));
}

async function closeShared() {
  for (const session of sharedSessions.values()) await close(session);
}

function report({ file, name }, failure, milliseconds = 0, session) {
  counts[failure ? "failed" : "passed"] += 1;
  console.log(`${failure ? "FAILED" : "ok    "} ${file}: ${name} (${(milliseconds / 1000).toFixed(1)} s)`);
  for (const note of session?.notes ?? []) console.log(`         ${note}`);
  if (!failure) return;
  const said = session?.messages.slice(-20).map((message) => `on the page: ${message}`) ?? [];
  const lines = [failure.stack ?? String(failure), ...said].join("\n").replace(/\x1b\[\d+m/g, "").split("\n");
  for (const line of lines) console.log(`         ${line}`);
}

/** The promise's outcome, or an error once `milliseconds` have passed. */
async function within(milliseconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${milliseconds / 1000} s`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
