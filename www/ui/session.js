// @ts-check
// One visit: the engine, the model, the result of every step and which result was made from which.
//
// Safety: a result's handles are released only when the result is replaced, and no step that reads them is running then.
// Liveness: whatever stops the engine, `restart` brings a new one; results from before are marked as lost, not removed.

import { PageError } from "./errors.js";

/** @typedef {import("./types.js").Lab} Lab */
/** @typedef {import("./types.js").Model} Model */
/** @typedef {import("./types.js").Progress} Progress */
/** @typedef {"opening" | "ready" | "failed" | "stopped"} Phase */

/**
 * A step's result. `uses` holds the version of each earlier result it was made from; `lost` says why what it held on the device is gone: the engine stopped, or the visitor freed the memory.
 * @typedef {{value: any, values: Record<string, any>, uses: Map<number, number>, version: number, stopped: string | null, lost: false | "engine" | "freed"}} StepResult
 */

/**
 * What the session needs to know of a step.
 * @typedef {{number: number, title: string, uses: number[], needs(): number[], start(): Promise<boolean>, stop(): void, readonly running: boolean, readonly stale: boolean, readonly overtaken: boolean, readonly manual: boolean, settings: import("./settings.js").Settings}} SessionStep
 */

/** @type {import("./types.js").ModelConfig} */
const TINY = { nLayers: 12, dModel: 96, nHeads: 6, dHead: 16, dMlp: 384, dVocab: 4096, nCtx: 256, bos: 4095, eos: 4095 };

export class Session extends EventTarget {
  /** @type {Lab | null} */ lab = null;
  /** @type {Model | null} */ model = null;
  /** @type {Phase} */ phase = "opening";
  /** @type {Progress | null} */ opening = null;
  /** @type {unknown} */ error = null;
  /** @type {"auto" | "webgpu" | "cpu"} */ device = "auto";
  /** @type {number | null} the feature that the later steps look at */ feature = null;
  /** The switches of a lab's page; other pages have none. @type {import("./conventions.js").Conventions | null} */ conventions = null;
  /** What the page remembers between visits; not every page does. @type {import("./page-memory.js").PageMemory | null} */ memory = null;
  /** @type {Map<number, StepResult>} */ results = new Map();
  /** @type {Map<number, SessionStep>} */ steps = new Map();
  /** The model's dimensions; until it is loaded, those of the bundled one. */
  get config() {
    return this.model?.config ?? TINY;
  }
  #version = 0;
  #attempt = 0;

  /** @param {"session" | "results" | "feature"} type */
  #tell(type) {
    this.dispatchEvent(new Event(type));
  }

  /** Opens the engine and loads the bundled model. @param {"auto" | "webgpu" | "cpu"} device */
  async open(device = this.device) {
    const attempt = ++this.#attempt;
    const isCurrent = () => attempt === this.#attempt;
    this.device = device;
    this.phase = "opening";
    this.error = null;
    this.#tell("session");
    const onProgress = (/** @type {Progress} */ p) => {
      if (isCurrent()) {
        this.opening = p;
        this.#tell("session");
      }
    };
    /** @type {Lab | null} */ let lab = null;
    try {
      const { openLab } = await import("../sae-lab.js");
      lab = await openLab({ device, onProgress });
      const model = await lab.loadModel("tiny", { onProgress });
      if (!isCurrent()) return lab.dispose();
      this.lab = lab;
      this.model = model;
      this.phase = "ready";
      const opened = lab;
      const ended = (/** @type {unknown} */ error) => {
        if (this.lab === opened) this.#engineStopped(error);
      };
      lab.closed.then(ended, ended);
    } catch (error) {
      lab?.dispose();
      if (!isCurrent()) return;
      this.phase = "failed";
      this.error = error;
    }
    this.opening = null;
    this.#tell("session");
  }

  /** A new engine and the model again; nothing that the old one held can be used. @param {"auto" | "webgpu" | "cpu"} [device] */
  async restart(device = this.device) {
    const old = this.lab;
    this.lab = null;
    this.model = null;
    this.#loseResults();
    try {
      old?.dispose();
    } catch {
      /* it is gone already */
    }
    await this.open(device);
  }

  /** @param {unknown} error */
  #engineStopped(error) {
    this.lab = null;
    this.model = null;
    this.phase = "stopped";
    this.error = error;
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

  /** Whether an earlier result that this one was made from has been replaced since. @param {number} n @returns {boolean} */
  outdated(n) {
    const result = this.results.get(n);
    if (!result) return false;
    return [...result.uses].some(([m, version]) => this.results.get(m)?.version !== version || this.outdated(m));
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
    this.results.set(n, { value, values, uses, version: ++this.#version, stopped, lost: false });
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
