// @ts-check
// The worker in which all computing happens. It owns the engine (one WebAssembly instance) and the GPU.
//
// Safety: after a trap, or the loss of the GPU, nothing of the instance is used again; the page hears `died` or `lost` and the worker closes.
// Liveness: every `call` is answered once, by `result`, `error`, `died` or `lost`, and the event loop turns between
// the units of work of a long call, so that other messages get through.
import { Watch } from "./checkpoint.js";
import { chooseDevice } from "./device.js";
import { LabError, describe, toPlain } from "./errors.js";
import { isLossNear, watchGpu } from "./gpu-loss.js";
import { compile, compileIdly, compiled, delayPipelines } from "./late-pipelines.js";
import { joinSubmits } from "./one-submit.js";
import { watchSubmits } from "./pace.js";
import { ProgressFeed } from "./progress.js";
import { METHODS } from "./protocol.js";
import { estimate } from "./loading/estimate.js";
import { PIECE } from "./loading/kept.js";
import { loadModel } from "./loading/load-model.js";
import { isDue, turn } from "./turn.js";
import { pack } from "./transfer.js";

/**
 * The part of the worker's global scope that is used here (TypeScript cannot hold a page's and a worker's at once).
 *
 * @typedef {object} Scope
 * @property {(message: import("./protocol.js").ToPage, transfer?: Transferable[]) => void} postMessage
 * @property {() => void} close
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 * @property {(text: string) => void} [saeLabPanicked]  where the engine's panic hook can leave its words
 */
const scope = /** @type {Scope} */ (/** @type {unknown} */ (globalThis));

/** @typedef {Record<string, (...args: unknown[]) => Promise<unknown>>} Methods */
/** @typedef {Methods & {version(): string}} Lab */

/** @type {Lab | null} */
let lab = null;
/** The engine's module. @type {any} */
let glue = null;
/** @type {import("./device.js").Choice} */
let choice = { device: "cpu", adapter: null, limits: null, reason: null };
/** What the worker does itself, with the engine's help. @type {Record<string, (spec: any, tools: import("./loading/context.js").Tools) => Promise<unknown>>} */
const OWN = { loadModel, estimate };
/** How long nobody has to ask for anything before the GPU is prepared for what may come, in milliseconds: what follows at once on an answer goes first. */
const QUIET = 250;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let quiet;
const shaders = new ProgressFeed((_, step) => scope.postMessage({ type: "shaders", done: Number(step?.done), total: Number(step?.total) }));
/** @type {Map<number, Watch>} */
const running = new Map();
let panic = "";
let dead = false;

scope.saeLabPanicked = (/** @type {string} */ text) => {
  panic = String(text);
};

scope.addEventListener("message", (/** @type {MessageEvent<import("./protocol.js").ToWorker>} */ { data }) => {
  switch (data.type) {
    case "prepare":
      return void prepare(data.device);
    case "open":
      return void open(data.module, data.device, data.again);
    case "call":
      return void call(data.id, data.method, data.args, data.progress);
    case "digest":
      return void digest(data.id, data.bytes);
    case "cancel":
      return running.get(data.id)?.cancel();
    case "pause":
      return running.get(data.id)?.pause();
    case "resume":
      return running.get(data.id)?.resume();
  }
});

watchSubmits();
joinSubmits();
delayPipelines();
void watchGpu().then(loseGpu);

// A trap inside a task of the engine rejects no promise of ours: it arrives here, and the call it belonged
// to would wait for ever.
scope.addEventListener("error", (event) => {
  event.preventDefault();
  void die(event.error ?? event.message);
});
scope.addEventListener("unhandledrejection", (event) => {
  if (isTrap(event.reason)) {
    event.preventDefault();
    void die(event.reason);
  }
});

/** What can be done before there is a module. @type {ReturnType<typeof preparation> | null} */
let prepared = null;

/** @param {"auto" | "webgpu" | "cpu"} device */
function prepare(device) {
  prepared = preparation(device, false);
  prepared.catch(() => {}); // `open` hears of it
}

/**
 * @param {"auto" | "webgpu" | "cpu"} device
 * @param {boolean} again
 * @returns {Promise<[glue: any, choice: import("./device.js").Choice]>}
 */
function preparation(device, again) {
  return Promise.all([loadGlue(), chooseDevice(device, again)]);
}

/**
 * @param {WebAssembly.Module} module
 * @param {"auto" | "webgpu" | "cpu"} device
 * @param {boolean} again
 */
async function open(module, device, again) {
  try {
    const [bindings, chosen] = await (prepared ?? preparation(device, again));
    glue = bindings;
    choice = chosen;
    await glue.default({ module_or_path: module });
    scope.postMessage({ type: "chosen", choice });
    const opened = /** @type {Lab} */ (await glue.Lab.open(choice.device));
    lab = opened;
    scope.postMessage({ type: "opened", version: opened.version() });
  } catch (error) {
    if (isTrap(error)) await die(error);
    else if (!(await isOfLostGpu(error))) scope.postMessage({ type: "refused", error: toPlain(error) });
  }
}

/**
 * The generated module that ties JavaScript to the WebAssembly. It is imported here and not at the top, where a missing file would end the worker without a word.
 */
async function loadGlue() {
  const url = new URL("../pkg/sae_lab.js", import.meta.url);
  try {
    return await import(String(url));
  } catch (error) {
    throw new LabError("LAB-ENGINE-STOPPED", `A file of the engine could not be loaded: ${url}`, "Reload the page. If it stays, the file is missing on the server: build.sh makes it.", error);
  }
}

/**
 * @param {number} id
 * @param {string} method
 * @param {unknown[]} args
 * @param {boolean} progress  whether the page wants to hear of it
 */
async function call(id, method, args, progress) {
  const known = METHODS.get(method);
  if (lab === null || known === undefined) {
    const error = new LabError("LAB-INTERNAL", `The engine has no method “${method}”.`, "The files of the lab do not fit together: reload the page.");
    return scope.postMessage({ type: "error", id, error: toPlain(error) });
  }
  const watch = new Watch(
    progress ? (entries, step) => scope.postMessage({ type: "progress", id, entries, step }) : null,
    () => scope.postMessage({ type: "held", id }),
  );
  running.set(id, watch);
  try {
    const checkpoint = (/** @type {import("./types.js").Progress} */ step) => (step.phase === "shaders" ? (compile(), compiled(watch)) : watch.checkpoint(step));
    const own = Object.hasOwn(OWN, method) ? OWN[method] : undefined;
    const value = own ? await own(args[0], toolsFor(lab, watch)) : await lab[method]?.(...args, ...(known.checkpoint ? [checkpoint] : []));
    watch.finish();
    answer(id, value);
  } catch (error) {
    if (isTrap(error)) return await die(error);
    watch.cancel();
    if (!(await isOfLostGpu(error))) scope.postMessage({ type: "error", id, error: toPlain(error) });
  } finally {
    running.delete(id);
    clearTimeout(quiet);
    quiet = setTimeout(prepareMore, QUIET);
  }
}

/** Compiles shaders that may be needed, until somebody asks for something. */
async function prepareMore() {
  const isIdle = () => running.size === 0 && !dead;
  try {
    await compileIdly(isIdle, (done, total) => shaders.add({ phase: "shaders", done, total }));
    shaders.flush();
  } catch (error) {
    await die(error);
  }
}

/**
 * @param {Lab} lab
 * @param {Watch} watch
 * @returns {import("./loading/context.js").Tools}
 */
function toolsFor(lab, watch) {
  const hold = (/** @type {string} */ key, /** @type {any} */ held) => scope.postMessage({ type: "hold", key, held });
  return { lab, choice, watch, hash: () => new glue.Sha256(), hold };
}

/**
 * @param {number} id
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function digest(id, bytes) {
  try {
    const hash = new glue.Sha256();
    for (let at = 0; at < bytes.byteLength; at += PIECE) {
      hash.update(bytes.subarray(at, at + PIECE));
      if (isDue()) await turn();
    }
    const hex = hash.hex();
    hash.free();
    answer(id, { hex, bytes });
  } catch (error) {
    if (isTrap(error)) return die(error);
    scope.postMessage({ type: "error", id, error: toPlain(error) });
  }
}

/**
 * @param {number} id
 * @param {unknown} result
 */
function answer(id, result) {
  const { value, transfer } = pack(result);
  scope.postMessage({ type: "result", id, value }, transfer);
}

/**
 * Whether the instance is broken beyond use: a WebAssembly trap (a Rust panic ends as one), or a stack overflow inside it.
 *
 * @param {unknown} error
 */
function isTrap(error) {
  if (error instanceof WebAssembly.RuntimeError) return true;
  // What browsers throw for a stack overflow; other RangeErrors are harmless.
  return error instanceof Error && (error.name === "InternalError" || (error.name === "RangeError" && /call stack/i.test(error.message)));
}

/**
 * Whether a call failed because the GPU is gone, in which case that is what the page hears.
 *
 * @param {unknown} error
 */
async function isOfLostGpu(error) {
  if (dead) return true;
  const { code } = toPlain(error);
  return (code === "LAB-DEVICE" || code === "LAB-INTERNAL") && isLossNear();
}

/** @param {unknown} error */
async function die(error) {
  if (dead) return;
  dead = true;
  // The engine panics over a GPU that is gone.
  if (await isLossNear()) return;
  const what = panic === "" ? describe(error) : panic;
  end("died", "LAB-ENGINE-STOPPED", `The engine broke down: ${what}`, "The lab opens its engine again by itself and makes again what it held. Report the text of this message.", error);
}

/** @param {import("./gpu-loss.js").Loss} loss */
function loseGpu(loss) {
  dead = true;
  const full = loss.reason === "out-of-memory";
  const said = loss.message === "" ? loss.reason : loss.message.trim().replace(/\.$/, "");
  const hint = full ? "Dispose of what is no longer needed, or take fewer rows, a smaller batch or a smaller SAE." : "Run this again.";
  end("lost", "LAB-DEVICE-LOST", full ? `The graphics processor ran out of memory (${said}).` : `The graphics processor was lost (${said}).`, `The lab opens its engine again by itself. ${hint}`, loss);
}

/**
 * @param {"died" | "lost"} type
 * @param {string} code
 * @param {string} message
 * @param {string} hint
 * @param {unknown} cause
 */
function end(type, code, message, hint, cause) {
  scope.postMessage({ type, error: toPlain(new LabError(code, message, hint, cause)) });
  scope.close();
}
