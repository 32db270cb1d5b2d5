// @ts-check
// The public module: what the lab's own page uses, what an author embeds and what the tests drive.
//
//     import { openLab } from "./sae-lab.js";
//     const lab = await openLab();
//     const model = await lab.loadModel("tiny");
//     const { text } = await model.generate("Once upon a time");
//
// All methods are async. Those that can take long accept {signal, onProgress}: aborting rejects them at once
// with LAB-CANCELLED. Every rejection is a LabError with code, message and hint.
import { Analysis } from "./engine/analysis.js";
import { createSae, restoreSae } from "./engine/create-sae.js";
import { defaults } from "./engine/defaults.js";
import { estimate, forget, kept, modelLoader } from "./engine/load.js";
import { Model } from "./engine/model.js";
import { take } from "./engine/options.js";
import { Sae } from "./engine/sae.js";
import { onceMore } from "./engine/recovery.js";
import { loadSae } from "./engine/sae-files.js";
import { listSaes } from "./engine/saes.js";
import { startEngine } from "./engine/start.js";
import { trainStream } from "./engine/stream.js";
import { Toy } from "./engine/toy.js";

export { defaults } from "./engine/defaults.js";
export { LabError } from "./engine/errors.js";
export { listModels } from "./engine/models.js";
export { listSaes } from "./engine/saes.js";
export { convertL1 } from "./engine/units.js";

/**
 * Opens a lab: fetches the engine, chooses the processor and starts a worker. Each lab has a worker and a device
 * memory of its own; the compiled engine is shared.
 *
 * `onProgress`: {phase: "engine"} while the engine is fetched and compiled, {phase: "device"} while the
 * processor is chosen and started.
 *
 * @param {{device?: "auto" | "webgpu" | "cpu"} & import("./engine/types.js").Control} [options]  "auto" is WebGPU where
 *   there is a usable one on a GPU, else the CPU; `lab.info.reason` says why
 * @returns {Promise<Lab>}
 * @throws {import("./engine/errors.js").LabError} LAB-NO-WEBGPU (only when asked for "webgpu"), LAB-DOWNLOAD, LAB-ENGINE-STOPPED, LAB-CANCELLED
 */
export async function openLab(options) {
  const { settings, control } = take("openLab", defaults.openLab, options, ["signal", "onProgress"]);
  const { client, module } = await startEngine(settings.device, control);
  return new Lab(client, module);
}

/** An open lab. Made by `openLab`. */
export class Lab {
  #client;

  /** The compiled engine, to be instantiated once more where plots are drawn. @readonly @type {WebAssembly.Module} */ module;
  /** Settles when the engine is lost for good (LAB-DEVICE-LOST, LAB-ENGINE-STOPPED) or the lab was disposed of (LAB-CLOSED); never rejects. @readonly @type {Promise<import("./engine/errors.js").LabError>} */ closed;
  /** @readonly @type {Analysis} */ analysis;
  /** @readonly @type {Toy} */ toy;

  /**
   * @param {import("./engine/client.js").Client} client
   * @param {WebAssembly.Module} module
   */
  constructor(client, module) {
    this.#client = client;
    this.module = module;
    this.closed = client.closed;
    this.analysis = new Analysis(client);
    this.toy = new Toy(client);
  }

  /** What computes, and why; another after a recovery on the CPU. @returns {Readonly<import("./engine/types.js").Info>} */
  get info() {
    return this.#client.recovery.info;
  }

  /**
   * Tells of a GPU that is lost (a driver's reset, a sleeping computer, memory that is full) and of a worker that died. The lab opens its
   * engine again by itself: calls made meanwhile wait; models are loaded again from what is kept of their files, SAEs as they were
   * when last kept, both at once, activations and features when they are next used. What the caller holds goes on working; what cannot be
   * made again rejects with LAB-RELEASED, which says why. Calls under way reject with LAB-DEVICE-LOST (LAB-ENGINE-STOPPED when the worker
   * died), but for loading, training and short reads, which go on by themselves.
   *
   * After two losses with nothing computed in between, a lab opened with “auto” goes on on the CPU, and `info.reason` says so; any other
   * ends, and `closed` says why.
   *
   * @param {(event: import("./engine/types.js").RecoveryEvent) => void} watcher
   * @returns {() => void} ends the watching
   */
  watchRecovery(watcher) {
    return this.#client.recovery.watch(watcher);
  }

  /**
   * Tells how many shaders are compiled of those that may be needed next, while the lab is idle: {phase: "shaders", done, total}, at most four
   * times a second and at the end (`done` is `total`). Nothing waits for them.
   *
   * @param {(progress: {phase: "shaders", done: number, total: number}) => void} watcher
   * @returns {() => void} ends the watching
   */
  watchShaders(watcher) {
    return this.#client.watchShaders(watcher);
  }

  /**
   * Loads a model: by the id it has in models.json, from an address below which its files lie under GPT-2's
   * own names, or from files of this computer. What is downloaded is kept (`keep`) and not fetched twice; a download that was stopped or
   * broke off goes on where it was.
   *
   * `onProgress`: {phase: "download", done, total} in bytes over all files (`total` null until it is known) while they are fetched, checked and
   * brought to the device; {phase: "read", …} the same for kept copies and files of this computer; {phase: "wait", …} while another tab
   * downloads the same file; {phase: "shaders", done, total} on a GPU, while those that are needed first are compiled; {phase: "warm-up"}; {phase: "check"}.
   * Those of what may be done next are compiled afterwards, while nothing else is asked for (`watchShaders`).
   *
   * @param {string | {baseUrl: string | URL, name?: string} | {files: Iterable<File> | FileList, name?: string}} source
   * @param {Partial<import("./engine/types.js").LoadModelSettings> & import("./engine/types.js").Control} [options]
   * @returns {Promise<Model>}
   * @throws {import("./engine/errors.js").LabError} LAB-DOWNLOAD, LAB-BAD-FILE, LAB-BAD-SETTING, LAB-TOO-LARGE, LAB-CHECK-FAILED, LAB-CANCELLED
   */
  async loadModel(source, options) {
    const { settings, control } = take("loadModel", defaults.loadModel, options, ["signal", "onProgress"]);
    const load = modelLoader(this.#client, source, settings);
    return new Model(this.#client, await onceMore(() => load(control)), load);
  }

  /**
   * What a model will take, before anything large is fetched. loadModel refuses what has `problems` here.
   *
   * @param {string | {baseUrl: string | URL, name?: string} | {files: Iterable<File> | FileList, name?: string}} source
   * @param {{weights?: "auto" | "f16" | "f32", signal?: AbortSignal}} [options]
   * @returns {Promise<import("./engine/types.js").Estimate>}
   * @throws {import("./engine/errors.js").LabError} LAB-DOWNLOAD, LAB-BAD-FILE, LAB-BAD-SETTING, LAB-CANCELLED
   */
  async estimate(source, options) {
    const { settings, control } = take("estimate", defaults.estimate, options, ["signal"]);
    return estimate(this.#client, source, settings, control.signal);
  }

  /** What is kept on this computer of downloaded models, newest first. @returns {Promise<import("./engine/types.js").KeptFile[]>} */
  async kept() {
    return kept();
  }

  /**
   * Deletes a kept file. Models that are loaded are not touched.
   *
   * @param {string} key  of kept(); "all" for everything
   * @returns {Promise<void>}
   * @throws {import("./engine/errors.js").LabError} LAB-BUSY while it is being downloaded
   */
  async forget(key) {
    return forget(key);
  }

  /**
   * Makes a sparse autoencoder.
   *
   * @param {Partial<import("./engine/types.js").SaeSettings>} options  `dIn` is required, unless `weights` are given
   * @returns {Promise<import("./engine/sae.js").Sae>}
   */
  async createSae(options) {
    return createSae(this.#client, options);
  }

  /**
   * Loads an SAE in SAELens's files: by the name it has in listSaes(), from an address below which cfg.json and
   * sae_weights.safetensors lie, or from files of this computer. `sae.mismatches(model)` says what does not fit.
   *
   * `onProgress`: {phase: "download", done, total} in bytes, {phase: "load", done, total} in bytes.
   *
   * @param {string | {baseUrl: string | URL} | {files: Iterable<File> | FileList}} source
   * @param {import("./engine/types.js").Control} [options]
   * @returns {Promise<Sae>}
   * @throws {import("./engine/errors.js").LabError} LAB-DOWNLOAD, LAB-BAD-FILE, LAB-NOT-FINITE, LAB-BAD-SETTING, LAB-DEVICE (larger than the GPU takes), LAB-CANCELLED
   */
  async loadSae(source, options) {
    const { control } = take("loadSae", {}, options, ["signal", "onProgress"]);
    const load = (/** @type {import("./engine/types.js").Control} */ control) => loadSae(this.#client, source, control);
    return new Sae(this.#client, await onceMore(() => load(control)), { make: () => load({}) });
  }

  /** The published SAEs of SAELens's list, for loadSae. @returns {Promise<import("./engine/types.js").ListedSae[]>} */
  async listSaes() {
    return listSaes();
  }

  /**
   * `wasmBytes`: WebAssembly's memory, which only grows, so that this is the most that was ever in use. What lies on a GPU is not in it.
   *
   * @returns {Promise<{wasmBytes: number}>}
   */
  async memory() {
    return this.#client.call("memory", []).result;
  }

  /**
   * Makes an SAE of the bytes that `sae.checkpoint()` gave; training goes on with {continue: true}.
   *
   * @param {Uint8Array | ArrayBuffer} bytes
   * @returns {Promise<import("./engine/sae.js").Sae>}
   * @throws {import("./engine/errors.js").LabError} LAB-BAD-FILE when they are something else, or not all of them
   */
  async restoreSae(bytes) {
    return restoreSae(this.#client, bytes);
  }

  /**
   * Trains one or more SAEs on activations of text that streams through the model: of millions of tokens no more is
   * held than `bufferRows` rows. All SAEs see the same batches, each with settings of its own (`perSae`).
   *
   * `onProgress` is given each entry of a history, every `entryEvery` steps, as {sae, epoch, total, …} with the number
   * of the SAE in the list, and {phase: "fill", done, total} in rows of the buffer, {phase: "shaders", done, total} while a GPU is prepared, or
   * {phase: "train", done, total, epoch} in steps. Abort, pause and continue as with `sae.train`; SAEs that began together go on together.
   *
   * @param {Model} model
   * @param {readonly import("./engine/sae.js").Sae[]} saes
   * @param {string | readonly string[]} texts
   * @param {Partial<import("./engine/types.js").TrainStreamSettings> & import("./engine/types.js").Control} [options]
   * @returns {Promise<import("./engine/types.js").TrainStreamResult>}
   */
  async trainStream(model, saes, texts, options) {
    return trainStream(this.#client, model, saes, texts, options);
  }

  /**
   * Ends the worker and frees everything that was made in this lab. Pending calls reject with LAB-CLOSED.
   */
  dispose() {
    this.#client.close();
  }
}
