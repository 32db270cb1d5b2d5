// Chromium for tests and measurements: where it is, how it starts, which WebGPU adapter it has.
//
//   node tests/browser/browser.mjs      prints the path of the browser that would be used, or fails

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const CACHE = process.env.SAE_LAB_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "sae-lab");
const fromCache = createRequire(join(CACHE, "node", "package.json"));

/** A host name that leads to this machine but is not trusted like localhost: no WebGPU, no storage, no crypto.subtle. */
export const INSECURE_HOST = "insecure.test";

// The adapter is SwiftShader, on the CPU, so that a machine without a GPU runs the same tests.
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
const ALWAYS = [
  "--headless=new",
  "--no-sandbox",
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Nothing but this machine can be reached, whatever the page tries.
  `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost`,
];

/** The browser's path: $SAE_LAB_CHROMIUM, one that is installed, or the one that playwright keeps. Null when there is none. */
export function findChromium() {
  const commands = [process.env.SAE_LAB_CHROMIUM, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  return commands.find((command) => command && starts(command)) ?? playwrightsOwn();
}

function starts(command) {
  try {
    // Ubuntu's chromium-browser can be a script that only says which snap to install.
    return /\d+\.\d+/.test(execFileSync(command, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 60_000 }));
  } catch {
    return false;
  }
}

function playwrightsOwn() {
  try {
    const path = fromCache("playwright-core").chromium.executablePath();
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}

/**
 * Starts Chromium with an empty profile.
 * @param {object} [options]
 * @param {boolean} [options.adapter]  false: `navigator.gpu` is there but finds no adapter, as on many a Linux machine
 * @param {string} [options.profile]  a folder for the profile, caches among it: then this is a browser context
 * Arguments in $SAE_LAB_CHROMIUM_ARGS come last and so win, for example a machine's own GPU:
 * SAE_LAB_CHROMIUM_ARGS="--use-webgpu-adapter=default --enable-features=Vulkan --use-angle=vulkan --disable-vulkan-surface --ignore-gpu-blocklist"
 * (so the tests ran on an NVIDIA H200 without a display).
 */
export async function launch({ adapter = true, profile = "" } = {}) {
  const found = findChromium();
  if (!found) throw new Error("No Chromium found. `./build.sh test` installs one; SAE_LAB_CHROMIUM names another.");
  const executablePath = found.includes("/") ? found : execFileSync("sh", ["-c", `command -v ${found}`], { encoding: "utf8" }).trim();
  const extra = process.env.SAE_LAB_CHROMIUM_ARGS?.split(/\s+/).filter(Boolean) ?? [];
  const args = [...ALWAYS, ...(adapter ? WEBGPU : []), ...(adapter ? extra : [])];
  const { chromium } = fromCache("playwright-core");
  return profile ? chromium.launchPersistentContext(profile, { executablePath, args, headless: true }) : chromium.launch({ executablePath, args, headless: true });
}

/**
 * What WebGPU offers on a page of `url`'s origin and in a worker there; null when either finds no adapter.
 * @returns {Promise<null | {vendor: string, architecture: string, description: string, features: string[], limits: Record<string, number>}>}
 */
export async function adapterOf(browser, url) {
  const page = await browser.newPage();
  try {
    await page.goto(`${url}__blank`);
    return await page.evaluate(async () => {
      const source = "postMessage(!!(await navigator.gpu?.requestAdapter()))";
      const script = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      // A GPU process that is still starting may answer that there is none.
      for (let turn = 0; turn < 10 && !(await navigator.gpu?.requestAdapter()); turn += 1) await new Promise((done) => setTimeout(done, 300));
      const inWorker = await new Promise((done) => { new Worker(script, { type: "module" }).onmessage = ({ data }) => done(data); });
      const adapter = await navigator.gpu?.requestAdapter();
      if (!adapter || !inWorker) return null;
      const { vendor, architecture, description } = adapter.info;
      const limits = {};
      for (const name in adapter.limits) limits[name] = adapter.limits[name];
      return { vendor, architecture, description, features: [...adapter.features].sort(), limits };
    });
  } finally {
    await page.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = findChromium();
  console.log(found ?? "no Chromium found");
  process.exitCode = found ? 0 : 1;
}
