// What a worker asks of the GPU, counted in the browser's own calls: true of any device.

import { wgslAccess } from "./wgsl-access.mjs";

/** To be a worker's prelude (tests/browser/server.mjs). */
export const COUNT_WEBGPU = `(${countWebGpu})(${wgslAccess});`;

/**
 * The same without what comes by the clock: two seconds never pass on the page, so that a training is not read back for the case of a lost GPU. In the engine's worker alone:
 * the page's own counter would answer too.
 */
export const COUNT_WORK = `if (typeof window === "undefined") { ${COUNT_WEBGPU} } else {
  const start = globalThis.setTimeout;
  globalThis.setTimeout = (run, wait, ...rest) => start(run, wait >= 2000 ? 1e9 : wait, ...rest);
}`;

/**
 * Counts into globalThis.counts. On the BroadcastChannel "counts", "ask" is answered with these counts, and "marks" with those at each of the last readbacks, when they
 * were asked for: of two in a row, with everything between them, the difference is exact, whatever the worker does meanwhile.
 *
 * `bytesWritten` are those of writeBuffer and of buffers mapped at creation, `bytesCopied` those of copyBufferToBuffer, `bytesCleared` those of clearBuffer, `bytesRead`
 * those mapped for reading.
 *
 * `bytesLoaded` and `bytesStored` are what dispatches read and write at most, each byte once a dispatch: of each buffer the range that is bound, or what so many
 * invocations reach where the shader's text bounds it (no loop around the access). What is read again within a dispatch is a cache's business and not in it; a range of
 * which a loop uses a part counts whole, as does a cache of keys and values with room for more. `unbounded` of the dispatches had no such bound, since the text does not
 * tell their number of invocations.
 */
export function countWebGpu(access) {
  if (!globalThis.GPUQueue) return;
  const counts = (globalThis.counts = {
    dispatches: 0, submits: 0, readbacks: 0, shaders: 0, shaderBytes: 0, bytesWritten: 0, bytesCopied: 0, bytesCleared: 0, bytesRead: 0, bytesLoaded: 0, bytesStored: 0, unbounded: 0,
  });
  const marks = [];
  const wrap = (type, method, count, made) => {
    const original = type.prototype[method];
    if (!original) return;
    type.prototype[method] = function (...args) {
      count?.apply(this, args);
      const value = original.apply(this, args);
      made?.(value, ...args);
      return value;
    };
  };

  /** Of shader modules their text, of pipelines what wgslAccess says, of bind groups the ranges, of passes what is set. */
  const texts = new WeakMap(), pipelines = new WeakMap(), groups = new WeakMap(), passes = new WeakMap();
  const accessOf = (pipeline) => {
    const made = pipelines.get(pipeline);
    if (made && !made.access) made.access = access(made.code, made.entry);
    return made?.access;
  };
  const isPipeline = (pipeline, { compute }) => pipelines.set(pipeline, { code: texts.get(compute.module) ?? "", entry: compute.entryPoint });
  const setOf = (pass) => passes.get(pass) ?? passes.set(pass, { pipeline: null, groups: [] }).get(pass);

  /** Bytes of a buffer that all these ranges have together. */
  const union = (ranges) => {
    let bytes = 0, end = 0;
    for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
      bytes += Math.max(0, to - Math.max(from, end));
      end = Math.max(end, to);
    }
    return bytes;
  };
  const move = (pass, workgroups) => {
    const { pipeline, groups: set } = setOf(pass);
    const { threads, buffers } = accessOf(pipeline) ?? { threads: NaN, buffers: {} };
    const invocations = workgroups * threads;
    if (Number.isNaN(invocations)) counts.unbounded++;
    const loaded = new Map(), stored = new Map();
    set.forEach((group, index) => {
      for (const range of groups.get(group) ?? []) {
        const use = buffers[`${index},${range.binding}`] ?? { loads: Infinity, stores: 0, element: NaN };
        for (const [times, map] of [[use.loads, loaded], [use.stores, stored]]) {
          if (times === 0) continue;
          const reach = invocations * times * use.element;
          const all = map.get(range.buffer) ?? map.set(range.buffer, { ranges: [], reach: 0 }).get(range.buffer);
          all.ranges.push(range);
          all.reach += Number.isNaN(reach) ? Infinity : reach;
        }
      }
    });
    for (const { ranges, reach } of loaded.values()) counts.bytesLoaded += Math.min(union(ranges), reach);
    for (const { ranges, reach } of stored.values()) counts.bytesStored += Math.min(union(ranges), reach);
  };

  wrap(GPUComputePassEncoder, "setPipeline", function (pipeline) { setOf(this).pipeline = pipeline; });
  wrap(GPUComputePassEncoder, "setBindGroup", function (index, group) { setOf(this).groups[index] = group; });
  wrap(GPUComputePassEncoder, "dispatchWorkgroups", function (x, y = 1, z = 1) {
    counts.dispatches++;
    move(this, x * y * z);
  });
  wrap(GPUComputePassEncoder, "dispatchWorkgroupsIndirect", function () {
    counts.dispatches++;
    move(this, NaN);
  });
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
  wrap(GPUCommandEncoder, "clearBuffer", (buffer, at = 0, size = buffer.size - at) => (counts.bytesCleared += size));
  wrap(GPUBuffer, "mapAsync", function (mode, at = 0, size = this.size - at) {
    if (mode & GPUMapMode.READ) {
      counts.readbacks++;
      counts.bytesRead += size;
      marks.push({ ...counts });
      if (marks.length > 200) marks.shift();
    }
  });
  wrap(GPUDevice, "createBuffer", ({ mappedAtCreation, size }) => {
    if (mappedAtCreation) counts.bytesWritten += size;
  });
  wrap(GPUDevice, "createShaderModule", ({ code }) => {
    counts.shaders++;
    counts.shaderBytes += code.length;
  }, (module, { code }) => texts.set(module, code));
  wrap(GPUDevice, "createComputePipeline", undefined, isPipeline);
  wrap(GPUDevice, "createComputePipelineAsync", undefined, (promise, descriptor) => promise.then((pipeline) => isPipeline(pipeline, descriptor), () => {}));
  wrap(GPUDevice, "createBindGroup", undefined, (group, { entries }) => {
    const ranges = [];
    for (const { binding, resource } of entries) {
      const buffer = resource instanceof GPUBuffer ? resource : resource.buffer;
      if (!buffer) continue;
      const from = resource.offset ?? 0;
      ranges.push({ binding, buffer, from, to: from + (resource.size ?? buffer.size - from) });
    }
    groups.set(group, ranges);
  });
  new BroadcastChannel("counts").onmessage = ({ data, target }) => {
    if (data === "ask") target.postMessage({ ...counts });
    if (data === "marks") target.postMessage(marks.map((mark) => ({ ...mark })));
  };
}

/** What moves through the GPU's memory: what dispatches read and write, copies (read and written), clears and what comes from the page. */
export function bytesMoved({ bytesLoaded, bytesStored, bytesCopied, bytesCleared, bytesWritten }) {
  return bytesLoaded + bytesStored + 2 * bytesCopied + bytesCleared + bytesWritten;
}
