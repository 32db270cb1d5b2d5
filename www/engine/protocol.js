// @ts-check
// What page and worker say to each other. Calls carry a number, and every message about a call carries it too.

/**
 * The engine's methods that the page may call, and whether they take a checkpoint: work that is long enough
 * to be watched, held and stopped. No other name reaches the engine. loadModel and estimate are the worker's own, which reads the files.
 * `repeat`: it only reads, and little, so that it is sent once more when the GPU is lost meanwhile; what computes for long may be what the
 * GPU was lost over, and is the caller's to repeat.
 *
 * @type {ReadonlyMap<string, {checkpoint: boolean, repeat?: boolean}>}
 */
export const METHODS = new Map([
  ["loadModel", { checkpoint: true }],
  ["estimate", { checkpoint: true }],
  ["tokenize", { checkpoint: false, repeat: true }],
  ["run", { checkpoint: false, repeat: true }],
  ["generate", { checkpoint: true }],
  ["collect", { checkpoint: true }],
  ["rows", { checkpoint: false, repeat: true }],
  ["read", { checkpoint: false, repeat: true }],
  ["release", { checkpoint: false }],
  ["createSae", { checkpoint: false }],
  ["loadSae", { checkpoint: true }],
  ["saveSae", { checkpoint: false, repeat: true }],
  ["mismatches", { checkpoint: false, repeat: true }],
  ["memory", { checkpoint: false, repeat: true }],
  ["train", { checkpoint: true }],
  ["trainStream", { checkpoint: true }],
  ["setL1", { checkpoint: false }],
  ["checkpoint", { checkpoint: false }],
  ["restoreSae", { checkpoint: false }],
  ["loss", { checkpoint: false }],
  ["saeInfo", { checkpoint: false, repeat: true }],
  ["weights", { checkpoint: false, repeat: true }],
  ["encode", { checkpoint: false }],
  ["decode", { checkpoint: false }],
  ["topFeatures", { checkpoint: true }],
  ["examples", { checkpoint: true }],
  ["heatmap", { checkpoint: false }],
  ["coactivation", { checkpoint: true }],
  ["featureActs", { checkpoint: true }],
  ["perToken", { checkpoint: true }],
  ["matching", { checkpoint: true }],
  ["concepts", { checkpoint: true }],
  ["contrast", { checkpoint: true }],
  ["probe", { checkpoint: true }],
  ["decompose", { checkpoint: false }],
  ["direction", { checkpoint: false, repeat: true }],
  ["quality", { checkpoint: true }],
  ["spliced", { checkpoint: true }],
  ["toyTrain", { checkpoint: true }],
  ["toyReconstruct", { checkpoint: true }],
  ["toyInterference", { checkpoint: true }],
  ["toySample", { checkpoint: true }],
  ["toyWorld", { checkpoint: true }],
  ["matchFeatures", { checkpoint: true }],
]);

/** Methods whose answer is the `id` of something new on the device, which somebody has to release. */
export const MAKERS = new Set(["loadModel", "collect", "createSae", "loadSae", "restoreSae", "encode", "decode"]);

/**
 * From the page to the worker. `prepare` announces an `open` whose module is still being compiled. `again`: the GPU was lost a moment ago, and may take a while to be there again. `digest` is answered like a call, by the worker itself.
 *
 * @typedef {{type: "prepare", device: "auto" | "webgpu" | "cpu"}
 *   | {type: "open", module: WebAssembly.Module, device: "auto" | "webgpu" | "cpu", again: boolean}
 *   | {type: "call", id: number, method: string, args: unknown[], progress: boolean}
 *   | {type: "digest", id: number, bytes: Uint8Array<ArrayBuffer>}
 *   | {type: "cancel", id: number}
 *   | {type: "pause", id: number}
 *   | {type: "resume", id: number}} ToWorker
 */

/**
 * From the worker to the page.
 *
 * - `chosen` comes before the engine touches the device, so that a page whose engine dies there knows where.
 * - `progress`: finished epochs, every one of them and in order, then the newest step, if there is one.
 * - `held`: a paused call has reached a checkpoint and stands still.
 * - `shaders`: so many are compiled of those that may be needed next, while nothing else was to be done.
 * - `hold`: a file that is kept in memory has grown, or is gone (null).
 * - `died`: the engine trapped; `lost`: its GPU is gone, or out of memory. Nothing else will come.
 *
 * @typedef {{type: "chosen", choice: import("./device.js").Choice}
 *   | {type: "opened", version: string}
 *   | {type: "refused", error: import("./errors.js").PlainError}
 *   | {type: "progress", id: number, entries: object[], step: import("./types.js").Progress | null}
 *   | {type: "held", id: number}
 *   | {type: "shaders", done: number, total: number}
 *   | {type: "hold", key: string, held: import("./loading/memory.js").Held | null}
 *   | {type: "result", id: number, value: unknown}
 *   | {type: "error", id: number, error: import("./errors.js").PlainError}
 *   | {type: "died" | "lost", error: import("./errors.js").PlainError}} ToPage
 */
