// @ts-check
// Compiles the engine's shaders before they are used, beside everything else.
//
// wgpu asks for each pipeline at its first use, by createComputePipeline (cubecl-wgpu 0.11.3, base.rs: create_pipeline): all that the GPU is
// asked for afterwards waits until it is compiled, a page's own drawing included. createComputePipelineAsync compiles aside
// (https://gpuweb.github.io/gpuweb/#dom-gpudevice-createcomputepipeline), but an engine that does not wait has to have a pipeline at once. It
// gets a stand-in: the pipeline itself is made when it is first used, as ever, or by `compile` beforehand, where the engine has rehearsed
// what comes (src/kernels/rehearsal.rs).
//
// Safety: a stand-in that is used stands for the pipeline that was asked for; what the browser has against that shows there, as
// it would have. Liveness: nothing waits for what is being compiled but `compiled`, which ends with its call.

/** @typedef {Record<string, (this: any, ...args: any[]) => any>} Methods */

/** Asked for, neither used nor being compiled. @type {Set<StandIn>} */
const waiting = new Set();
/** The same of what may be needed later. @type {Set<StandIn>} */
const later = new Set();
/** @type {Set<Promise<void>>} */
const compiling = new Set();
/** Of those that were last compiled together, and of those that were last postponed together. */
let total = 0,
  postponed = 0;
/** Asks for a part of what may be needed when nothing else is to be done. @type {((part: number) => Promise<boolean>) | null} */
let rehearsal = null;
/** The part that is next. */
let part = 0;
/** Whether `compileIdly` is under way. */
let idling = false;

class StandIn {
  #device;
  /** Until it is made. @type {object | null} */
  #descriptor;
  #methods;
  #made = null;

  /**
   * @param {object} device
   * @param {object} descriptor
   * @param {Methods} methods   of GPUDevice as the browser has them
   */
  constructor(device, descriptor, methods) {
    this.#device = device;
    this.#descriptor = descriptor;
    this.#methods = methods;
    waiting.add(this);
  }

  get real() {
    this.#leave();
    return this.#made ?? this.#keep(this.#methods.createComputePipeline.call(this.#device, this.#descriptor));
  }

  /** @param {number} index */
  getBindGroupLayout(index) {
    return this.real.getBindGroupLayout(index);
  }

  async compile() {
    this.#leave();
    try {
      const made = await this.#methods.createComputePipelineAsync.call(this.#device, this.#descriptor);
      this.#keep(this.#made ?? made);
    } catch {
      // What is wrong shows when it is used.
    }
  }

  /** @param {any} made */
  #keep(made) {
    this.#made = made;
    this.#descriptor = null;
    return made;
  }

  #leave() {
    waiting.delete(this);
    later.delete(this);
  }
}

/** To be called before the engine opens its device. */
export function delayPipelines(scope = /** @type {Record<string, {prototype: Methods} | undefined>} */ (/** @type {unknown} */ (globalThis))) {
  const device = scope.GPUDevice?.prototype;
  const pass = scope.GPUComputePassEncoder?.prototype;
  if (device?.createComputePipelineAsync === undefined || pass === undefined) return;
  const methods = { createComputePipeline: device.createComputePipeline, createComputePipelineAsync: device.createComputePipelineAsync };
  device.createComputePipeline = function (descriptor) {
    return new StandIn(this, descriptor, methods);
  };
  const { setPipeline } = pass;
  pass.setPipeline = function (pipeline) {
    return setPipeline.call(this, pipeline instanceof StandIn ? pipeline.real : pipeline);
  };
}

/** Begins to compile what was asked for and not used. */
export function compile() {
  if (compiling.size === 0) total = 0;
  total += waiting.size;
  for (const standIn of waiting) {
    const done = standIn.compile().then(() => void compiling.delete(done));
    compiling.add(done);
  }
}

/**
 * Leaves what may be needed to `compileIdly`.
 *
 * @param {(part: number) => Promise<boolean>} rehearse   asks for a part of it, each of which takes a moment; false behind the last one
 */
export function postpone(rehearse) {
  rehearsal = rehearse;
  part = 0;
}

/** Asks for what was left for later, part by part, and keeps it apart from what is needed at once. @param {() => boolean} isIdle */
async function rehearsed(isIdle) {
  while (rehearsal !== null && isIdle()) {
    const rehearse = rehearsal;
    const isMore = await rehearse(part++).catch((error) => {
      // After a trap nothing of the engine is touched again; else what was rehearsed with may be gone.
      if (error instanceof WebAssembly.RuntimeError) throw error;
      return false;
    });
    if (!isMore && rehearsal === rehearse) rehearsal = null;
    // What has been asked for meanwhile comes first.
    await new Promise((done) => setTimeout(done));
  }
  if (later.size === 0) postponed = 0;
  postponed += waiting.size;
  for (const standIn of waiting) later.add(standIn);
  waiting.clear();
}

/**
 * Waits until it is compiled, and reports {phase: "shaders", done, total}.
 *
 * @param {import("./checkpoint.js").Watch} watch
 * @returns {Promise<boolean>} whether the call has been cancelled meanwhile and should end
 */
export async function compiled(watch) {
  if (compiling.size === 0) return watch.checkpoint();
  const stopped = new Promise((resolve) => watch.signal.addEventListener("abort", resolve, { once: true }));
  while (compiling.size > 0) {
    if (await watch.checkpoint({ phase: "shaders", done: total - compiling.size, total })) return true;
    await Promise.race([...compiling, stopped]);
  }
  return watch.checkpoint({ phase: "shaders", done: total, total });
}

/**
 * Compiles what was postponed, one after the other, for as long as nothing else is to be done.
 *
 * @param {() => boolean} isIdle
 * @param {(done: number, total: number) => void} tell   at the end, also where it was interrupted, with as many done as there are in all
 */
export async function compileIdly(isIdle, tell) {
  if (idling || !isIdle()) return;
  idling = true;
  if (rehearsal !== null) await rehearsed(isIdle);
  const had = later.size;
  for (const standIn of later) {
    if (!isIdle()) break;
    tell(postponed - later.size, postponed);
    await standIn.compile();
  }
  if (had > 0) tell(postponed - later.size, postponed - later.size);
  idling = false;
}
