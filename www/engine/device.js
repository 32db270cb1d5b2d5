// @ts-check
import { LabError, describe } from "./errors.js";

/** How long the browser may take to name an adapter, in milliseconds; after a loss three times as long, since its GPU process may still be busy with what was lost. */
const PATIENCE = 10_000;
/** How long to wait before asking once more, in milliseconds: a GPU process that is still starting may answer the first time that there is no GPU (seen with Chromium 156 on an NVIDIA H200). */
const SECOND_TRY = 400;
/** For how long it is asked again after the GPU was lost, in milliseconds: the browser may be starting its GPU process anew. */
const AFTER_LOSS = 5000;

/**
 * Where the lab will compute. `reason` says in words why it is the CPU; it is null on WebGPU, and where the
 * CPU was asked for.
 *
 * @typedef {object} Choice
 * @property {"webgpu" | "cpu"} device
 * @property {import("./types.js").Adapter | null} adapter
 * @property {Record<string, number> | null} limits
 * @property {string | null} reason
 */

/**
 * The part of WebGPU that is asked here.
 *
 * @typedef {object} GpuAdapter
 * @property {{has(name: string): boolean}} features
 * @property {object} limits
 * @property {Partial<import("./types.js").Adapter> & {isFallbackAdapter?: boolean}} [info]
 * @property {boolean} [isFallbackAdapter]  where browsers had it before
 * @typedef {{requestAdapter(options?: {powerPreference?: "high-performance"}): Promise<GpuAdapter | null>}} Gpu
 */

/**
 * Chooses the processor; "auto" leaves a GPU alone that is a program on the CPU. This comes before the engine touches the GPU, because the engine can only panic over
 * an adapter that it cannot use. To be called in the worker, where the engine runs: a browser may offer
 * WebGPU to pages and not to workers.
 *
 * @param {"auto" | "webgpu" | "cpu"} wanted
 * @param {boolean} [again]  the GPU was lost a moment ago
 * @param {Gpu | undefined} [gpu]
 * @param {number} [patience]  milliseconds
 * @returns {Promise<Choice>}
 * @throws {LabError} LAB-NO-WEBGPU when WebGPU was asked for and cannot be had
 */
export async function chooseDevice(wanted, again = false, gpu = browserGpu(), patience = PATIENCE) {
  if (wanted === "cpu") return { device: "cpu", adapter: null, limits: null, reason: null };
  const found = await (again ? findAdapter(gpu, 3 * patience, AFTER_LOSS) : findAdapter(gpu, patience, SECOND_TRY));
  if (typeof found !== "string") {
    const { software, ...about } = found;
    if (wanted === "webgpu" || !software) return { device: "webgpu", ...about, reason: null };
    return { device: "cpu", adapter: null, limits: null, reason: slower(about.adapter) };
  }
  if (wanted === "auto") return { device: "cpu", adapter: null, limits: null, reason: found };
  throw noWebGpu(found);
}

/**
 * Measured with SwiftShader: a token of the tiny model takes 44 ms there and 2.3 on the CPU, 64 tokens of GPT-2 small's size 7.8 s and 0.8.
 *
 * @param {import("./types.js").Adapter} adapter
 */
function slower(adapter) {
  return `The only GPU that this browser offers (${nameOf(adapter)}) is a program on the processor itself, and slower than computing there directly.`;
}

/**
 * @param {string} reason
 * @param {unknown} [cause]
 */
export function noWebGpu(reason, cause) {
  return new LabError(
    "LAB-NO-WEBGPU",
    `WebGPU was asked for and is not there. ${reason}`,
    "Open the lab with device “auto” or “cpu”: everything works on the CPU too, slower.",
    cause,
  );
}

/** @returns {Gpu | undefined} */
function browserGpu() {
  return /** @type {{gpu?: Gpu}} */ (/** @type {unknown} */ (navigator)).gpu;
}

/**
 * @param {Gpu | undefined} gpu
 * @param {number} patience
 * @param {number} askFor  milliseconds
 * @returns {Promise<{adapter: import("./types.js").Adapter, limits: Record<string, number>, software: boolean} | string>} or why there is none
 */
async function findAdapter(gpu, patience, askFor) {
  if (gpu === undefined || gpu === null) {
    return globalThis.isSecureContext
      ? "This browser has no WebGPU."
      : "Browsers offer WebGPU only to pages from https or localhost, and this page came over plain http.";
  }
  let adapter;
  try {
    // The preference of the engine itself, so that both mean the same GPU.
    const ask = () => within(patience, gpu.requestAdapter({ powerPreference: "high-performance" }));
    const until = performance.now() + askFor;
    adapter = await ask();
    while (adapter === null && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, SECOND_TRY));
      adapter = await ask();
    }
  } catch (error) {
    return `This browser refused access to the GPU (${describe(error)}).`;
  }
  if (adapter === "late") return `The browser did not name a GPU within ${patience / 1000} seconds.`;
  if (adapter === null || adapter === undefined) return "This browser has WebGPU, but offers no GPU on this computer.";
  const about = aboutAdapter(adapter);
  if (!adapter.features.has("timestamp-query")) {
    return `The GPU (${nameOf(about)}) lacks “timestamp-query”, without which the engine cannot run on it.`;
  }
  return { adapter: about, limits: numbersOf(adapter.limits), software: isSoftware(adapter) };
}

/**
 * @template T
 * @param {number} patience
 * @param {Promise<T>} promise
 * @returns {Promise<T | "late">}
 */
async function within(patience, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((/** @type {(value: "late") => void} */ resolve) => {
    timer = setTimeout(() => resolve("late"), patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {GpuAdapter} adapter
 * @returns {import("./types.js").Adapter} empty texts where the browser keeps it to itself
 */
function aboutAdapter(adapter) {
  const { vendor = "", architecture = "", device = "", description = "" } = adapter.info ?? {};
  return { vendor, architecture, device, description };
}

/**
 * A renderer on the CPU: SwiftShader, WARP ("Microsoft Basic Render Driver"), llvmpipe.
 *
 * @param {GpuAdapter} adapter
 */
function isSoftware({ info, isFallbackAdapter }) {
  return Boolean(info?.isFallbackAdapter ?? isFallbackAdapter) || /swiftshader|llvmpipe|basic render/i.test(info?.description ?? "");
}

/** @param {import("./types.js").Adapter} about */
function nameOf(about) {
  return about.description || [about.vendor, about.architecture].filter(Boolean).join(" ") || "unnamed";
}

/**
 * GPUSupportedLimits has its values as getters on the prototype, which neither spread nor structured clone
 * can see.
 *
 * @param {object} limits
 * @returns {Record<string, number>}
 */
function numbersOf(limits) {
  /** @type {Record<string, number>} */
  const numbers = {};
  for (const name in limits) {
    const value = /** @type {Record<string, unknown>} */ (limits)[name];
    if (typeof value === "number") numbers[name] = value;
  }
  return numbers;
}
