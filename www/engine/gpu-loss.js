// @ts-check
// Notices in the worker that the engine has lost its GPU. The engine opens its device itself and only panics over a loss, some time
// later; so the browser's own call that opens one is watched.

/** How long after a failure the browser may take to say that the GPU is gone, in milliseconds: the order of the two is not fixed (gpuweb issue 4177). */
const NEAR = 200;

/**
 * @typedef {{reason: string, message: string}} Loss  `reason`: "destroyed", "unknown" or "out-of-memory"
 * @typedef {{lost: Promise<Loss>, addEventListener(type: "uncapturederror", listener: (event: Event & {error: Error}) => void): void}} GpuDevice
 * @typedef {{requestDevice(descriptor?: object): Promise<GpuDevice>}} GpuAdapter
 */

/** @type {Loss | null} */
let loss = null;
/** @type {(loss: Loss) => void} */
let tell = () => {};
/** @type {Promise<Loss>} */
const lost = new Promise((resolve) => (tell = resolve));
void lost.then((info) => (loss = info));

/**
 * To be called before the engine opens its device.
 *
 * @returns {Promise<Loss>} settles when a device is lost, or out of memory, which leaves it with buffers that hold nothing
 */
export function watchGpu() {
  const scope = /** @type {{GPUAdapter?: {prototype: GpuAdapter}, GPUOutOfMemoryError?: new () => Error}} */ (/** @type {unknown} */ (globalThis));
  const prototype = scope.GPUAdapter?.prototype;
  if (prototype === undefined) return lost;
  const request = prototype.requestDevice;
  prototype.requestDevice = async function (descriptor) {
    const device = await request.call(this, descriptor);
    void device.lost.then(({ reason, message }) => tell({ reason: reason || "unknown", message }));
    device.addEventListener("uncapturederror", (event) => {
      const { GPUOutOfMemoryError } = scope;
      if (GPUOutOfMemoryError === undefined || !(event.error instanceof GPUOutOfMemoryError)) return;
      event.preventDefault();
      tell({ reason: "out-of-memory", message: event.error.message });
    });
    return device;
  };
  return lost;
}

/** Whether a failure just now is that of a GPU that is gone. @returns {Promise<boolean>} */
export async function isLossNear() {
  if (loss === null) await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, NEAR))]);
  return loss !== null;
}
