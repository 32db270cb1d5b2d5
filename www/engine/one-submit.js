// @ts-check
// Joins what the engine submits to the GPU in one go.
//
// cubecl submits all queued dispatches before a read, and the copy that the read is made of by itself (cubecl-wgpu 0.11.3, server.rs:
// `read` calls `execute_streams`, which ends in `submit`; stream.rs: `read_resources` then copies and flushes). The two follow each other
// within one call of the engine, but each costs the browser a message to its GPU process and the driver a submission. There is no way to
// put the copy into the first one from outside of cubecl; so the queue is watched, as gpu-loss.js watches the adapter.
//
// Safety: the GPU gets everything in the order in which it was asked for. What was held goes out before anything that
// could tell the difference. Liveness: it goes out at the latest when the engine gives way to the event loop.

/**
 * @typedef {{submit(buffers: Iterable<object>): void}} Queue
 * @typedef {Record<string, (this: any, ...args: any[]) => any>} Methods
 */

/** What has to find the work before it already submitted, by the class whose method it is. */
const ORDERED = {
  GPUQueue: ["writeBuffer", "writeTexture", "copyExternalImageToTexture", "onSubmittedWorkDone"],
  GPUBuffer: ["mapAsync", "destroy"],
  GPUTexture: ["destroy"],
  GPUQuerySet: ["destroy"],
  GPUDevice: ["destroy", "pushErrorScope", "popErrorScope"],
};

/** To be called before the engine opens its device. */
export function joinSubmits(scope = /** @type {Record<string, {prototype: Methods} | undefined>} */ (/** @type {unknown} */ (globalThis))) {
  const queues = scope.GPUQueue?.prototype;
  const submit = queues?.submit;
  if (queues === undefined || submit === undefined) return;
  /** @type {{queue: Queue, buffers: object[]} | null} */
  let held = null;
  const letGo = () => {
    if (held === null) return;
    const { queue, buffers } = held;
    held = null;
    submit.call(queue, buffers);
  };

  queues.submit = function (buffers) {
    if (held !== null && held.queue === this) {
      held.buffers.push(...buffers);
      return letGo();
    }
    letGo();
    held = { queue: this, buffers: [...buffers] };
    queueMicrotask(letGo);
  };
  for (const [type, methods] of Object.entries(ORDERED)) {
    const prototype = scope[type]?.prototype;
    for (const method of methods) {
      const original = prototype?.[method];
      if (prototype === undefined || original === undefined) continue;
      prototype[method] = function (...args) {
        letGo();
        return original.apply(this, args);
      };
    }
  }
}
