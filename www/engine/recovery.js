// @ts-check
// What happens when a lab loses its engine: the GPU is gone, or the worker died. A new worker opens the same compiled module, and what
// callers hold is made again: models and SAEs at once, activations and features when they are next used.
//
// Safety: one engine is opened at a time, and no call is sent to one that is gone. Liveness: it ends within two attempts on the GPU and
// one on the CPU, with an engine or with an explanation; nothing is tried for ever.
import { LabError, describe, fromPlain, isLoss, isOutOfMemory, toPlain } from "./errors.js";
import { held } from "./handles.js";
import { shielded } from "./progress.js";

/** Answers of these say nothing about whether the processor works. */
const LIGHT = new Set(["tokenize", "rows", "release", "saeInfo", "memory", "mismatches", "setL1", "digest", "matchFeatures"]);

/** @typedef {import("./types.js").RecoveryEvent} RecoveryEvent */

export class Recovery {
  #client;
  /** @type {{module: WebAssembly.Module, wanted: "auto" | "webgpu" | "cpu"} | null} */
  #opened = null;
  /** Losses since something was last computed. */
  #losses = 0;
  /** When the loss came that is being dealt with, and what it was; null while all is well. @type {{at: number, error: LabError} | null} */
  #first = null;
  /** @type {Set<(event: RecoveryEvent) => void>} */
  #watchers = new Set();

  /** What computes, and why. @type {Readonly<import("./types.js").Info>} */
  info = Object.freeze({ device: "cpu", adapter: null, reason: null, limits: null, wasmBytes: null, version: "" });

  /** @param {import("./client.js").Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** Whether the engine has yet to be open once; until then its end is the end. */
  get isOff() {
    return this.#opened === null;
  }

  /**
   * From now on a lost engine is replaced.
   *
   * @param {WebAssembly.Module} module
   * @param {"auto" | "webgpu" | "cpu"} wanted   what the lab was opened with
   * @param {import("./types.js").Info} info
   */
  start(module, wanted, info) {
    this.#opened = { module, wanted: info.device === "cpu" ? "cpu" : wanted };
    this.info = Object.freeze(info);
  }

  /**
   * @param {(event: RecoveryEvent) => void} watcher
   * @returns {() => void} ends the watching
   */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Something was computed. @param {string | undefined} method */
  succeeded(method) {
    if (this.#first === null && method !== undefined && !LIGHT.has(method) && !method.startsWith("toy")) this.#losses = 0;
  }

  /** The client has lost its engine. @param {LabError} error */
  begin(error) {
    this.#losses += 1;
    this.#first ??= { at: performance.now(), error };
    this.#tell({ phase: "lost", reason: error.message });
    void this.#run(error);
  }

  /**
   * @param {LabError} error
   * @param {string | null} [without]   why the GPU is done without, where that is known
   * @returns {Promise<void>}
   */
  async #run(error, without = this.#gpuGivenUp()) {
    const client = this.#client;
    const { engine } = client;
    const isCurrent = () => client.engine === engine && client.end === null;
    const opened = this.#opened;
    if (opened === null) return;
    if (without !== null && opened.wanted !== "auto") return this.#fail(`was given up ${without}`, error);
    const device = without === null ? opened.wanted : "cpu";
    this.#tell({ phase: "recovering", reason: error.message });
    let version;
    try {
      client.replace();
      version = await client.open(opened.module, device, true);
    } catch (problem) {
      if (!isCurrent()) return; // lost once more (the next run sees to it), or closed
      if (device === "auto") return this.#run(error, `because the engine did not start on it again (${describe(problem)})`);
      return this.#fail("could not be opened again", problem);
    }
    const choice = client.choice ?? { device: "cpu", adapter: null, limits: null, reason: null };
    if (choice.device === "cpu" && this.info.device === "webgpu") {
      opened.wanted = "cpu";
      const why = without === null ? choice.reason : `It was given up ${without}.`;
      this.info = Object.freeze({ ...this.info, ...choice, reason: `${error.message} ${why}`, version });
    } else this.info = Object.freeze({ ...this.info, ...choice, reason: this.info.reason, version });
    const made = await this.#restore(isCurrent);
    if (!isCurrent()) return;
    const milliseconds = performance.now() - (this.#first?.at ?? 0);
    this.#first = null;
    this.#tell({ phase: "recovered", reason: error.message, milliseconds, ...made });
  }

  /**
   * Models and SAEs one after the other, in the order in which they were made; the others wait until they are used.
   *
   * @param {() => boolean} isCurrent
   */
  async #restore(isCurrent) {
    const all = held(this.#client);
    /** @type {{restored: string[], onUse: string[], lost: import("./types.js").LostObject[]}} */
    const made = { restored: [], onUse: [], lost: [] };
    for (const kind of ["model", "sae"]) {
      for (const { object, handle } of all.filter(({ handle }) => handle.kind === kind)) {
        try {
          await handle.restore();
          made.restored.push(handle.behind === null ? handle.name : `${handle.name}, ${handle.behind}`);
        } catch (error) {
          if (!isCurrent()) return made;
          made.lost.push({ name: handle.name, why: handle.failure ?? describe(error), object });
        }
      }
    }
    for (const { object, handle } of all.filter(({ handle }) => handle.kind === "acts" || handle.kind === "features")) {
      const why = handle.lost;
      if (why === null) made.onUse.push(handle.name);
      else made.lost.push({ name: handle.name, why, object });
    }
    return made;
  }

  /**
   * Whether the next engine has to do without what the last one computed on.
   *
   * @returns {string | null} why, in words
   */
  #gpuGivenUp() {
    if (this.#losses < 2) return null;
    return "after the second failure in a row, with nothing computed in between";
  }

  /**
   * @param {string} how
   * @param {unknown} problem
   */
  #fail(how, problem) {
    const { error } = this.#first ?? { error: fromPlain(toPlain(problem)) };
    const gpu = isLoss(error);
    const also = problem === error || !(problem instanceof LabError) ? "" : ` ${problem.message}`;
    const ended = new LabError(
      gpu ? "LAB-DEVICE-LOST" : "LAB-ENGINE-STOPPED",
      `${error.message} The engine ${how}.${also}`,
      gpu ? "Open the lab again, on the CPU if it goes on like this: everything works there too, slower." : "Open the lab again, and report the text of this message.",
      problem,
    );
    this.#first = null;
    this.#client.stop(ended);
    this.#tell({ phase: "failed", reason: ended.message });
  }

  /** @param {RecoveryEvent} event */
  #tell(event) {
    for (const watcher of [...this.#watchers]) shielded(watcher, event);
  }
}

/**
 * Does something that ends with its engine once more when the GPU is lost meanwhile. Where it ran out of memory it would do so again.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function onceMore(work) {
  try {
    return await work();
  } catch (error) {
    if (!isLoss(error) || isOutOfMemory(error)) throw error;
    return work();
  }
}
