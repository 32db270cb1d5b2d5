// One of those that the bench compares: a page with the lab or a peer in it, opened when it is first needed, closed when it gives no answer in time, and then opened anew.

/** It was asked, and time ran out. */
export class NoAnswer extends Error {
  /** @param {number} seconds */
  constructor(seconds) {
    super(`no answer in ${seconds} s`);
  }
}

export class Contestant {
  #options;
  #page = null;
  #start = null;
  /** The page has the model. */
  #loaded = false;
  /** The SAE that the page was asked for, to be made again in a new page. */
  #sae = null;
  /** Why it cannot be opened, or cannot load the model; it is not tried a second time. */
  #closed = "";
  #unloadable = "";
  label = "";
  /** How its model's weights are kept: "f16" or "f32". */
  weights = "";
  /** Seconds that an answer may take. */
  limit = 0;

  /**
   * `kind`: "lab", "onnx" or "tensorflow"; `name` tells apart those of one kind.
   * @param {{browser: () => import("playwright-core").Browser, url: string, kind: string, name?: string, device: string,
   *   model: {folder: string, onnx: string, onnxCollect: string, weights?: "f32"}, limits: {open: number, turn: number}}} options
   */
  constructor(options) {
    this.#options = options;
    this.name = options.name ?? options.kind;
    this.limit = options.limits.turn;
  }

  /** Calls a method that needs the model. */
  async model(method, args) {
    if (this.#unloadable) throw new Error(this.#unloadable);
    await this.#open();
    if (!this.#loaded) {
      try {
        this.weights = await this.#call("loadModel", [this.#options.model], this.#options.limits.open);
      } catch (error) {
        this.#unloadable = `loading: ${error.message}`;
        throw error;
      }
      this.#loaded = true;
    }
    return this.#call(method, args);
  }

  /** Calls a method of its SAE; "makeSae" makes it. */
  async sae(method, args) {
    await this.#open();
    if (method === "makeSae") this.#sae = { args, page: null };
    if (this.#sae.page !== this.#page) {
      await this.#call("makeSae", this.#sae.args);
      this.#sae.page = this.#page;
    }
    return method === "makeSae" ? undefined : this.#call(method, args);
  }

  /** Milliseconds from an empty page to the first token of the tiny model. The first one is cold, the others find their files in the browser's cache. */
  async startUp() {
    const { browser, url, kind, device } = this.#options;
    if (this.#start?.browser() !== browser()) this.#start = await browser().newContext();
    const page = await this.#start.newPage();
    try {
      await page.goto(url);
      return await within(this.limit, page.evaluate(async ({ kind, device }) => {
        const start = performance.now();
        const { contestant } = await import(`/peers/${kind === "lab" ? "lab" : "page"}.js`);
        const it = kind === "lab" ? contestant : contestant(kind);
        await it.open({ device });
        await it.loadModel({ folder: "tiny", onnx: "/made/bench-tiny.onnx" });
        await it.firstToken([4095, 1, 2, 3, 4, 5, 6, 7]);
        return performance.now() - start;
      }, { kind, device }));
    } finally {
      await page.close();
    }
  }

  /** What its worker has asked of the GPU so far; "marks": at each of the last readbacks (count-webgpu.mjs). @param {"ask" | "marks"} what */
  async counts(what = "ask") {
    if (!this.#page) throw new Error("it is not open");
    return within(this.limit, this.#page.evaluate((what) => new Promise((done) => {
      const channel = new BroadcastChannel("counts");
      channel.onmessage = ({ data }) => {
        if (typeof data !== "object") return;
        channel.close();
        done(data);
      };
      channel.postMessage(what);
    }), what));
  }

  /** The same, once half a second has passed without more: the lab keeps an SAE for a lost GPU when its training has answered. */
  async settledCounts() {
    for (let last = await this.counts(); ; ) {
      await new Promise((done) => setTimeout(done, 500));
      const now = await this.counts();
      if (now.submits === last.submits && now.readbacks === last.readbacks) return now;
      last = now;
    }
  }

  /** Closes its page; another is opened when it is needed. */
  async leave() {
    await this.#forget();
  }

  async close() {
    await this.#forget();
    await this.#start?.close().catch(() => {});
    this.#start = null;
  }

  async #open() {
    const { browser, url, kind, device, limits } = this.#options;
    if (this.#closed) throw new Error(this.#closed);
    if (this.#page && !this.#page.isClosed() && this.#page.context().browser() === browser()) return;
    this.#loaded = false;
    // A context of its own: its worker's counts are on a channel that no other hears.
    const context = await browser().newContext();
    this.#page = await context.newPage();
    await this.#page.goto(url);
    try {
      this.label = await within(limits.open, this.#page.evaluate(async ({ kind, device }) => {
        const { contestant } = await import(`/peers/${kind === "lab" ? "lab" : "page"}.js`);
        window.contestant = kind === "lab" ? contestant : contestant(kind);
        return window.contestant.open({ device });
      }, { kind, device }));
    } catch (error) {
      await this.#forget();
      this.#closed = `opening: ${first(error)}`;
      throw error instanceof NoAnswer ? error : new Error(this.#closed);
    }
  }

  async #call(method, args, limit = this.limit) {
    try {
      return await within(limit, this.#page.evaluate(({ method, args }) => window.contestant[method](...args), { method, args }));
    } catch (error) {
      if (error instanceof NoAnswer || this.#page?.isClosed() || /crash/i.test(error.message)) await this.#forget();
      throw error instanceof NoAnswer ? error : new Error(first(error));
    }
  }

  async #forget() {
    const page = this.#page;
    this.#page = null;
    this.#loaded = false;
    // A renderer that computes does not hear that it should close; its process is ended, sooner or later.
    if (page) await Promise.race([page.context().close().catch(() => {}), new Promise((done) => setTimeout(done, 10_000))]);
  }
}

const first = (error) => String(error?.message ?? error).replace(/^page\.evaluate: (Error: )?/, "").split("\n", 1)[0].slice(0, 160);

async function within(seconds, answer) {
  let timer;
  const late = new Promise((_, failed) => (timer = setTimeout(() => failed(new NoAnswer(seconds)), seconds * 1000)));
  answer.catch(() => {}); // of a page that is closed meanwhile
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
