// @ts-check
// One visit: the engine, the model, the result of every step and which result was made from which.
//
// Safety: a result's handles are released only when the result is replaced, and no step that reads them is running then.
// Liveness: whatever stops the engine, `restart` brings a new one; results from before are marked as lost, not removed.

import { PageError } from "./errors.js";
import { ModelLoading } from "./model-loading.js";
import { asked, forgetLink, isHere, isTiny, keptBytes, keyOf, named, remember, remembered, TINY } from "./model-source.js";

/** @typedef {import("./types.js").Lab} Lab */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").ModelConfig} ModelConfig */
/** @typedef {import("./types.js").Progress} Progress */
/** @typedef {import("./model-source.js").Wanted} Wanted */
/** @typedef {"opening" | "ready" | "recovering" | "failed" | "stopped"} Phase "recovering": the lab has lost its engine and is opening it again by itself */

/**
 * A step's result. `uses` holds the version of each earlier result it was made from; `lost` says why what it held on the device is gone: the engine stopped, or the visitor freed the memory.
 * `model` is the one it was made with; its key tells whether that is open now.
 * @typedef {{key: string, name: string, config: ModelConfig}} MadeWith
 * @typedef {{model: MadeWith, value: any, values: Record<string, any>, uses: Map<number, number>, version: number, stopped: string | null, lost: false | "engine" | "freed"}} StepResult
 */

/**
 * What the session needs to know of a step.
 * @typedef {{number: number, title: string, uses: number[], needs(): number[], start(): Promise<boolean>, stop(): void, readonly running: boolean, readonly stale: boolean, readonly overtaken: boolean, readonly manual: boolean, readonly anyModel: boolean, settings: import("./settings.js").Settings}} SessionStep
 */

/** @type {ModelConfig} */
const TINY_CONFIG = { nLayers: 12, dModel: 96, nHeads: 6, dHead: 16, dMlp: 384, dVocab: 4096, nCtx: 256, bos: 4095, eos: 4095 };

export class Session extends EventTarget {
  /** @type {Lab | null} */ lab = null;
  /** @type {Model | null} */ model = null;
  /** @type {Phase} */ phase = "opening";
  /** @type {Progress | null} */ opening = null;
  /** How far the GPU is prepared for what may be done next; null when nothing is being prepared. @type {{done: number, total: number} | null} */ shaders = null;
  /** @type {unknown} */ error = null;
  /** The last that was heard of a lost engine; null when there was none, or it is for good. @type {import("./types.js").RecoveryEvent | null} */ recovery = null;
  /** @type {"auto" | "webgpu" | "cpu"} */ device = "auto";
  /** The models that are listed, once the list is here. @type {readonly import("./types.js").ListedModel[]} */ models = [];
  /** The model that is open, or that is opened first. @type {Wanted} */ wanted = TINY;
  /** A model that a link or an earlier page names and that would have to be fetched: the visitor is asked. @type {Wanted | null} */ question = null;
  /** WebAssembly's memory at the last look, in bytes. @type {number | null} */ wasmBytes = null;
  /** Another model, beside the open one. */ loading = new ModelLoading(this);
  /** @type {number | null} the feature that the later steps look at */ feature = null;
  /** The switches of a lab's page; other pages have none. @type {import("./conventions.js").Conventions | null} */ conventions = null;
  /** What the page remembers between visits; not every page does. @type {import("./page-memory.js").PageMemory | null} */ memory = null;
  /** @type {Map<number, StepResult>} */ results = new Map();
  /** @type {Map<number, SessionStep>} */ steps = new Map();
  /** The dimensions of the model that is spoken of; until one is loaded, those of the bundled one. */
  get config() {
    return this.#spokenOf?.config ?? this.model?.config ?? TINY_CONFIG;
  }
  /** The name of the model that is spoken of: the open one's, or that of the result on show. */
  get modelName() {
    return this.#spokenOf?.name ?? this.model?.name ?? "tiny";
  }
  #version = 0;
  #attempt = 0;
  #first = new AbortController();
  /** @type {MadeWith | null} */ #spokenOf = null;

  /**
   * Writes about a result with the name and the dimensions of the model that it was made with.
   * @template T
   * @param {StepResult | null} result null: with those of the open model
   * @param {() => T} write
   * @returns {T}
   */
  as(result, write) {
    const before = this.#spokenOf;
    this.#spokenOf = result?.model ?? null;
    try {
      return write();
    } finally {
      this.#spokenOf = before;
    }
  }

  /** @param {"session" | "results" | "feature" | "shaders"} type */
  #tell(type) {
    this.dispatchEvent(new Event(type));
  }

  /** Opens the engine and a model: the one that was open, else the one that the address or an earlier page names, else the bundled one. @param {"auto" | "webgpu" | "cpu"} device @param {Wanted} [wanted] */
  async open(device = this.device, wanted) {
    const attempt = ++this.#attempt;
    const isCurrent = () => attempt === this.#attempt;
    this.device = device;
    this.phase = "opening";
    this.error = this.recovery = this.shaders = null;
    this.#tell("session");
    const onProgress = (/** @type {Progress} */ p) => {
      if (isCurrent()) {
        this.opening = p;
        this.#tell("session");
      }
    };
    /** @type {Lab | null} */ let lab = null;
    try {
      const { listModels, openLab } = await import("../sae-lab.js");
      const [opened, models] = await Promise.all([openLab({ device, onProgress }), listModels().catch(() => [])]);
      const open = (lab = opened);
      this.models = models;
      const first = wanted ?? (await this.#firstModel(open));
      if (!isCurrent()) return open.dispose();
      const model = await this.#loadFirst(open, first, onProgress);
      if (!isCurrent()) return open.dispose();
      this.lab = open;
      this.model = model;
      this.phase = "ready";
      const ended = (/** @type {unknown} */ error) => {
        if (this.lab === open) this.#engineStopped(error);
      };
      open.closed.then(ended, ended);
      open.watchShaders((progress) => {
        if (this.lab !== open) return;
        this.shaders = progress.done < progress.total ? progress : null;
        this.#tell("shaders");
      });
      open.watchRecovery((event) => {
        if (this.lab === open) this.#recovers(event);
      });
    } catch (error) {
      lab?.dispose();
      if (!isCurrent()) return;
      this.phase = "failed";
      this.error = error;
    }
    this.opening = null;
    this.#tell("session");
  }

  /** The model to begin with. One that would have to be fetched is a question to the visitor, and the bundled one is opened meanwhile. @param {Lab} lab @returns {Promise<Wanted>} */
  async #firstModel(lab) {
    const link = asked();
    /** @type {Wanted | null} */ let wanted = null;
    try {
      wanted = link === null ? remembered(this.models) : { source: named(link, this.models), weights: "auto" };
    } catch (error) {
      this.loading.failed(TINY, error);
    }
    if (wanted === null || isTiny(wanted)) return TINY;
    if (await isHere(lab, wanted.source, this.models).catch(() => false)) return wanted;
    this.question = wanted;
    return TINY;
  }

  /** Where the model cannot be opened, or the visitor does not wait for it, the bundled one is. @param {Lab} lab @param {Wanted} wanted @param {(progress: Progress) => void} onProgress */
  async #loadFirst(lab, wanted, onProgress) {
    this.wanted = wanted;
    if (isTiny(wanted)) return lab.loadModel("tiny", { onProgress });
    const { signal } = (this.#first = new AbortController());
    this.#tell("session");
    try {
      const model = await lab.loadModel(wanted.source, { weights: wanted.weights, onProgress, signal });
      if (asked() !== null) remember(wanted, null);
      return model;
    } catch (error) {
      if (!signal.aborted) this.loading.failed(wanted, error);
      this.wanted = TINY;
      return lab.loadModel("tiny", { onProgress });
    }
  }

  /** The visitor has answered the question about a model that would have to be fetched. */
  answered() {
    this.question = null;
    this.#tell("session");
  }

  /** While the page opens with another model: opens the bundled one instead. */
  openTiny() {
    this.#first.abort();
  }

  /** Takes another model in place of the open one. What was made with that one stays readable; with the new one it is to be made again. @param {Model} model @param {Wanted} wanted */
  async adopt(model, wanted) {
    const old = this.model;
    for (const step of this.steps.values()) if (step.running) step.stop();
    this.model = model;
    this.wanted = wanted;
    this.question = null;
    this.phase = "ready";
    this.opening = null;
    this.#tell("session");
    this.#tell("results");
    await old?.dispose().catch(() => {}); // what still ran with it ends with it
    forgetLink();
    const { source } = wanted;
    const whole = this.lab && typeof source === "object" ? await keptBytes(this.lab, source, this.models).catch(() => null) : null;
    remember(wanted, whole);
  }

  /** Closes the open model, to make room for another. */
  async closeModel() {
    const { model } = this;
    for (const step of this.steps.values()) if (step.running) step.stop();
    this.model = null;
    this.phase = "opening";
    this.#tell("session");
    await model?.dispose().catch(() => {});
  }

  /** Opens again the model that was closed to make room, or the bundled one where that cannot be. */
  async reopen() {
    const { lab } = this;
    if (!lab || this.model) return;
    const { wanted } = this;
    const again = async (/** @type {Wanted} */ { source, weights }) => lab.loadModel(source, { weights });
    try {
      const model = await again(wanted).catch(() => ((this.wanted = TINY), again(TINY)));
      if (this.lab !== lab) return;
      this.model = model;
      this.phase = "ready";
    } catch (error) {
      if (this.lab !== lab) return;
      this.phase = "failed";
      this.error = error;
    }
    this.#tell("session");
    this.#tell("results");
  }

  /** Looks how much memory WebAssembly has taken. */
  async measure() {
    const { wasmBytes } = (await this.lab?.memory().catch(() => null)) ?? { wasmBytes: null };
    this.wasmBytes = wasmBytes;
  }

  /** A new engine and the model again, or another; nothing that the old one held can be used. @param {"auto" | "webgpu" | "cpu"} [device] @param {Wanted} [wanted] */
  async restart(device = this.device, wanted = this.models.length ? this.wanted : undefined) {
    const old = this.lab;
    this.lab = null;
    this.model = null;
    this.#loseResults();
    try {
      old?.dispose();
    } catch {
      /* it is gone already */
    }
    await this.open(device, wanted);
  }

  /** The lab opens its engine again by itself: what it makes again can be used on, and what it cannot is marked as lost. @param {import("./types.js").RecoveryEvent} event */
  #recovers(event) {
    if (event.phase === "failed") return; // the lab's end says so
    this.recovery = event;
    this.shaders = null;
    this.phase = this.phase === "ready" || this.phase === "recovering" ? "recovering" : this.phase;
    if (event.phase === "recovered") {
      if (this.phase === "recovering") this.phase = "ready";
      const gone = new Map(event.lost.map(({ object, why }) => [object, why]));
      const model = this.model && gone.get(this.model);
      if (model) return this.#engineStopped(new PageError("LAB-RELEASED", `The model could not be loaded again: ${model}`, "Restart the engine, or open another model."));
      for (const result of this.results.values()) if (result.value.handles?.some((/** @type {object} */ handle) => gone.has(handle))) result.lost = "engine";
    }
    this.#tell("session");
    this.#tell("results");
  }

  /** @param {unknown} error */
  #engineStopped(error) {
    const old = this.lab;
    this.lab = null;
    this.model = null;
    old?.dispose();
    this.phase = "stopped";
    this.error = error;
    this.recovery = this.shaders = null;
    this.#loseResults();
    this.#tell("session");
  }

  #loseResults() {
    for (const result of this.results.values()) result.lost = "engine";
    this.#tell("results");
  }

  /**
   * Frees what the results of the page hold on the device; their numbers stay readable.
   * @param {number} keeper the step that asks for it, whose own result stays as it is
   * @returns {Promise<any[]>} the handles that were disposed of
   * @throws {PageError} LAB-BUSY while another step runs
   */
  async free(keeper) {
    const busy = [...this.steps.values()].find((step) => step.running && step.number !== keeper);
    if (busy) throw new PageError("LAB-BUSY", `Step ${busy.number} is still running.`, "Stop it or let it end, then free the memory.");
    const kept = new Set(this.results.get(keeper)?.value.handles);
    /** @type {Set<any>} */ const handles = new Set();
    for (const [n, result] of this.results) {
      if (n === keeper || result.lost || !result.value.handles?.length) continue;
      for (const handle of result.value.handles) if (!kept.has(handle)) handles.add(handle);
      result.lost = "freed";
    }
    await Promise.all([...handles].map((handle) => handle.dispose()));
    this.#tell("results");
    return [...handles];
  }

  /** @param {SessionStep} step */
  register(step) {
    this.steps.set(step.number, step);
  }

  /** The result of a step that can be computed with, or null. @param {number} n @returns {StepResult | null} */
  usable(n) {
    const result = this.results.get(n);
    return result && !result.lost ? result : null;
  }

  /** Whether a result was made with another model than the one that is open. @param {number} n */
  foreign(n) {
    const result = this.results.get(n);
    return result !== undefined && result.model.key !== keyOf(this.wanted) && !this.steps.get(n)?.anyModel;
  }

  /** Whether this result was made with another model, or an earlier result that it was made from has been replaced since. @param {number} n @returns {boolean} */
  outdated(n) {
    const result = this.results.get(n);
    if (!result) return false;
    return this.foreign(n) || [...result.uses].some(([m, version]) => this.results.get(m)?.version !== version || this.outdated(m));
  }

  /** The earlier steps that must run before this one, in order. @param {number} n @returns {number[]} */
  missing(n) {
    /** @type {Set<number>} */ const found = new Set();
    const visit = (/** @type {number} */ m) => {
      for (const need of this.steps.get(m)?.needs() ?? []) {
        visit(need);
        if (!this.usable(need) || this.outdated(need)) found.add(need);
      }
    };
    visit(n);
    return [...found].sort((a, b) => a - b);
  }

  /** A running step that reads this step's result, which may not be replaced meanwhile. @param {number} n @returns {SessionStep | undefined} */
  reader(n) {
    return [...this.steps.values()].find((step) => step.running && step.uses.includes(n));
  }

  /** A running step whose result this step reads, and which is about to replace it. @param {number} n @returns {SessionStep | undefined} */
  writer(n) {
    return this.steps
      .get(n)
      ?.uses.map((m) => this.steps.get(m))
      .find((step) => step?.running);
  }

  /**
   * Keeps a step's result and releases what the one before held.
   * @param {number} n @param {any} value @param {Record<string, any>} values the settings it was made with @param {string | null} stopped
   * @param {number[]} from the steps whose results it was made from
   */
  keep(n, value, values, stopped, from) {
    const before = this.results.get(n);
    const uses = new Map(from.map((m) => [m, this.results.get(m)?.version ?? 0]));
    const model = { key: keyOf(this.wanted), name: this.modelName, config: this.config };
    this.results.set(n, { model, value, values, uses, version: ++this.#version, stopped, lost: false });
    if (before && !before.lost)
      for (const handle of before.value.handles ?? []) {
        if (!value.handles?.includes(handle)) void handle.dispose().catch(() => {}); // an engine that has just stopped holds nothing
      }
    this.#tell("results");
  }

  /** @param {number | null} feature */
  selectFeature(feature) {
    if (feature === this.feature) return;
    this.feature = feature;
    this.#tell("feature");
  }

  /** A step has begun or ended. */
  changed() {
    this.#tell("results");
  }
}
