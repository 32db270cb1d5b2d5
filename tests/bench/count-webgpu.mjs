// What a worker asks of the GPU, counted in the browser's own calls: true of any device.

/**
 * To be a worker's prelude (tests/browser/server.mjs). Counts into globalThis.counts, and answers "ask" on the BroadcastChannel "counts".
 * `bytesWritten` are those of writeBuffer and of buffers mapped at creation, `bytesCopied` those of copyBufferToBuffer, `bytesRead` those mapped for reading.
 */
export function countWebGpu() {
  if (!globalThis.GPUQueue) return;
  const counts = (globalThis.counts = { dispatches: 0, submits: 0, readbacks: 0, shaders: 0, shaderBytes: 0, bytesWritten: 0, bytesCopied: 0, bytesRead: 0 });
  const wrap = (type, method, count) => {
    const original = type.prototype[method];
    type.prototype[method] = function (...args) {
      count.apply(this, args);
      return original.apply(this, args);
    };
  };
  wrap(GPUComputePassEncoder, "dispatchWorkgroups", () => counts.dispatches++);
  wrap(GPUComputePassEncoder, "dispatchWorkgroupsIndirect", () => counts.dispatches++);
  wrap(GPUQueue, "submit", () => counts.submits++);
  wrap(GPUQueue, "writeBuffer", (_buffer, _at, data, from = 0, size = undefined) => {
    // Of a typed array the place and the size are in elements, else in bytes.
    counts.bytesWritten += (size ?? (data.length ?? data.byteLength) - from) * (data.BYTES_PER_ELEMENT ?? 1);
  });
  wrap(GPUCommandEncoder, "copyBufferToBuffer", (source, ...rest) => {
    const short = typeof rest[0] === "object"; // (source, target, size?) instead of (source, at, target, at, size?)
    const [at, size] = short ? [0, rest[1]] : [rest[0], rest[3]];
    counts.bytesCopied += size ?? source.size - at;
  });
  wrap(GPUBuffer, "mapAsync", function (mode, at = 0, size = this.size - at) {
    if (mode & GPUMapMode.READ) {
      counts.readbacks++;
      counts.bytesRead += size;
    }
  });
  wrap(GPUDevice, "createBuffer", ({ mappedAtCreation, size }) => {
    if (mappedAtCreation) counts.bytesWritten += size;
  });
  wrap(GPUDevice, "createShaderModule", ({ code }) => {
    counts.shaders++;
    counts.shaderBytes += code.length;
  });
  new BroadcastChannel("counts").onmessage = ({ data, target }) => data === "ask" && target.postMessage({ ...counts });
}
