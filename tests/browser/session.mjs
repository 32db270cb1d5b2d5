// One page under test: what happens on it is written down, and the helpers that tests use stand here.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CACHE, INSECURE_HOST } from "./browser.mjs";

const NO_GPU = "for (const n of [globalThis.Navigator, globalThis.WorkerNavigator]) if (n) delete n.prototype.gpu;";
// SwiftShader stands in for a GPU here. The lab would leave a software renderer alone where it may choose.
const AS_A_GPU = "if (globalThis.GPUAdapterInfo) Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });";
// Chromium itself says this whenever requestAdapter() finds nothing; no page can prevent it.
const CHROMIUMS_OWN = /^No available adapters\.$/;

/**
 * Opens a fresh page in a fresh context.
 * @param {import("playwright-core").Browser} browser
 * @param {Awaited<ReturnType<import("./server.mjs").startServer>>} site
 * @param {import("./harness.mjs").Options} options
 */
export async function openSession(browser, site, options) {
  const context = await browser.newContext(options.context);
  const gpu = options.noWebGPU === true ? NO_GPU : options.software ? "" : AS_A_GPU;
  const prelude = [gpu, options.prelude ?? ""].join("\n").trim();
  if (prelude) await context.addInitScript(prelude);
  const page = await context.newPage();
  const url = options.noWebGPU === "insecure" ? site.url.replace("127.0.0.1", INSECURE_HOST) : site.url;
  const session = new Session(context, page, url, options, prelude);
  session.watch();
  return session;
}

class Session {
  #lab;

  constructor(context, page, url, options, prelude) {
    /** Playwright's context and page; `page` starts at about:blank. */
    this.context = context;
    this.page = page;
    /** Where the site is, with a slash at its end. It lies below a sub-path, as on a course's server. */
    this.url = url;
    /** tests/reference/ by URL, of the same origin. */
    this.fixtures = new URL("/fixtures/", url).href;
    /** The models that tests make, $SAE_LAB_CACHE/models, by URL, of the same origin. */
    this.made = new URL("/made/", url).href;
    this.options = options;
    this.prelude = prelude;
    /** @type {string[]} console messages of the page and its workers, and uncaught errors */
    this.messages = [];
    /** @type {string[]} URLs asked for by the page and its workers */
    this.requests = [];
    /** @type {string[]} lines that the runner prints below the test's name */
    this.notes = [];
    // Bound, so that a test can take them apart: ({ lab, quiet }) => …
    for (const name of ["open", "lab", "rejection", "quiet", "sameOrigin", "screenshot", "note"]) this[name] = this[name].bind(this);
  }

  watch() {
    this.context.on("console", (message) => this.messages.push(`${message.type()}: ${message.text()}`));
    this.context.on("weberror", (error) => this.messages.push(`uncaught: ${error.error()?.stack ?? error.error()}`));
    this.context.on("request", (request) => this.requests.push(request.url()));
    this.page.on("websocket", (socket) => this.requests.push(socket.url()));
    this.page.on("crash", () => this.messages.push("crash: the page crashed"));
  }

  /** Goes to a path below the site: `await open()` is index.html, `await open("labs/steering.html#3")` another page. */
  async open(path = "") {
    await this.page.goto(this.url + path, { waitUntil: "load" });
    return this.page;
  }

  /**
   * Runs `fn({ lab, ...values })` on a blank page of the site where `lab` came from openLab(); the first call opens it.
   * Values and results may hold typed arrays. What a later call needs (a model, an SAE) is kept on `lab` or `window` by the test.
   */
  async lab(fn, values = {}) {
    this.#lab ??= await this.#openLab();
    return this.page.evaluate(fn, { lab: this.#lab, ...values });
  }

  /** Runs `fn` as lab() does and returns what it was rejected with, {name, code, message, hint}; fails when it was not. */
  async rejection(fn, values = {}) {
    this.#lab ??= await this.#openLab();
    const run = await this.page.evaluateHandle(`({ fn: ${fn} })`);
    const error = await this.page.evaluate(async ({ run, ...given }) => {
      try {
        await run.fn(given);
        return null;
      } catch ({ name, code, message, hint }) {
        return { name, code, message, hint };
      }
    }, { run, lab: this.#lab, ...values });
    assert.notEqual(error, null, "this should have been rejected");
    return error;
  }

  async #openLab() {
    await this.open("__blank");
    const device = this.options.device ?? (this.options.noWebGPU ? "auto" : "webgpu");
    return this.page.evaluateHandle(async (device) => {
      const { openLab } = await import("./sae-lab.js");
      return openLab({ device });
    }, device);
  }

  /** Fails when the page or a worker wrote to the console or let an error escape. */
  quiet() {
    const own = this.options.noWebGPU ? CHROMIUMS_OWN : /^$/;
    const said = this.messages.filter((message) => !own.test(message.replace(/^\w+: /, "")));
    assert.deepEqual(said, [], "the console should be empty");
  }

  /** Fails when anything was asked of another origin. */
  sameOrigin() {
    const { origin } = new URL(this.url);
    const other = this.requests.filter((url) => !/^(data|blob|about):/.test(url) && new URL(url).origin !== origin);
    assert.deepEqual(other, [], "every request should stay on the page's origin");
  }

  /** Saves what the page looks like, as NAME.png in the cache's screenshots folder, and returns the path. */
  async screenshot(name, options = {}) {
    const folder = join(CACHE, "screenshots");
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${name.replace(/[^\w.-]+/g, "-")}.png`);
    await this.page.screenshot({ path, fullPage: true, ...options });
    return path;
  }

  /** A line below the test's name in the runner's output, for numbers worth seeing. */
  note(text) {
    this.notes.push(text);
  }

  /** Makes a shared page ready for the next test. */
  forget() {
    this.messages.length = this.requests.length = this.notes.length = 0;
  }
}
