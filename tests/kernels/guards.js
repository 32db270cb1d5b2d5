// Shows what a kernel leaves out and what it writes too much, whatever it computes: by WebGPU's own calls, before the device is opened.
//
// A new buffer is full of what is no number, so that an element that no thread wrote is seen. What a kernel of ours writes to is bound with a guard
// behind its end: an index too large by a little meets the guard, and any larger one is moved by WebGPU to the last element there is, which is in the guard.
// burn's own kernels have explicit layouts and are left alone. No kernel may ask for the length of what it writes, or nothing could stand behind it.

const GUARD = 256; // bytes
const NO_NUMBER = 0x7fc0dead;

const codes = new WeakMap();      // of shader modules
const automatic = new WeakMap();  // WGSL of pipelines and of their layouts, where the layout follows from the WGSL
const used = new WeakSet();       // buffers that were bound or written
/** What stands behind the outputs: buffer, offset. */
let guards = [];
let fresh = 0;
let device = null;
/** [pattern, replacement] for the next shaders: what a test shows its teeth on. */
let fault = null;
let faults = 0;

export function install() {
  wrap(GPUAdapter, "requestDevice", async (original, ...args) => (device = await original(...args)));
  wrap(GPUDevice, "createBuffer", (original, options) => {
    if (!(options.usage & GPUBufferUsage.STORAGE) || options.mappedAtCreation) return original(options);
    const size = Math.ceil(options.size / 4) * 4 + GUARD;
    const buffer = original({ ...options, size, mappedAtCreation: true });
    new Uint32Array(buffer.getMappedRange()).fill(NO_NUMBER);
    buffer.unmap();
    return buffer;
  });
  wrap(GPUDevice, "createShaderModule", (original, options) => {
    let { code } = options;
    if (fault && !code.includes("buffer_0")) {
      const other = code.replace(fault[0], fault[1]);
      if (other !== code) faults += 1;
      code = other;
    }
    const module = original({ ...options, code });
    codes.set(module, code);
    return module;
  });
  wrap(GPUDevice, "createComputePipeline", (original, options) => {
    const pipeline = original(options);
    if (options.layout === "auto") automatic.set(pipeline, codes.get(options.compute.module));
    return pipeline;
  });
  wrap(GPUComputePipeline, "getBindGroupLayout", function (original, index) {
    const layout = original(index);
    if (automatic.has(this)) automatic.set(layout, automatic.get(this));
    return layout;
  });
  wrap(GPUQueue, "writeBuffer", (original, buffer, at, ...rest) => {
    taken(buffer, buffer.size);
    return original(buffer, at, ...rest);
  });
  wrap(GPUCommandEncoder, "copyBufferToBuffer", (original, ...args) => {
    const target = args.slice(1).find((arg) => arg instanceof GPUBuffer);
    taken(target, target.size);
    return original(...args);
  });
  wrap(GPUDevice, "createBindGroup", function (original, options) {
    const code = automatic.get(options.layout);
    const outputs = new Set([...(code ?? "").matchAll(/@binding\((\d+)\)\s*var<storage,\s*read_write>\s*(\w+)/g)].map(([, binding, name]) => {
      if (new RegExp(`arrayLength\\(&${name}\\)`).test(code)) throw new Error(`the length of the output ${name} is asked for, so that nothing can stand behind it`);
      return Number(binding);
    }));
    const entries = options.entries.map((entry) => (outputs.has(entry.binding) ? { ...entry, resource: guarded(this, entry.resource) } : entry));
    for (const { binding, resource } of entries) if (!outputs.has(binding)) taken(resource.buffer, (resource.offset ?? 0) + (resource.size ?? resource.buffer.size));
    return original({ ...options, entries });
  });
}

function wrap(type, method, around) {
  const original = type.prototype[method];
  type.prototype[method] = function (...args) {
    return around.call(this, original.bind(this), ...args);
  };
}

/** A buffer is used, up to `end`: where it once had a smaller output, that one's guard is given up. */
function taken(buffer, end) {
  used.add(buffer);
  guards = guards.filter((guard) => guard.buffer !== buffer || guard.at >= end);
}

function guarded({ queue }, { buffer, offset = 0, size = buffer.size - offset }) {
  if (!used.has(buffer)) fresh += 1;
  queue.writeBuffer(buffer, offset + size, new Uint32Array(GUARD / 4).fill(NO_NUMBER));
  taken(buffer, offset + size);
  guards.push({ buffer, at: offset + size });
  return { buffer, offset, size: size + GUARD };
}

/** Of the shaders made from now on, what is found is replaced; null for none. */
export function breakShaders(pattern, replacement) {
  fault = pattern === null ? null : [pattern, replacement];
  faults = 0;
}

/** What happened since the last call: {outputs, fresh: how many of them nobody had written before, faults, written: words of guards that changed}. */
export async function look() {
  const all = guards;
  const answer = { outputs: all.length, fresh, faults, written: 0 };
  [guards, fresh] = [[], 0];
  if (all.length === 0) return answer;
  const target = device.createBuffer({ size: all.length * GUARD, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  for (const [i, { buffer, at }] of all.entries()) encoder.copyBufferToBuffer(buffer, at, target, i * GUARD, GUARD);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(GPUMapMode.READ);
  for (const word of new Uint32Array(target.getMappedRange())) if (word !== NO_NUMBER) answer.written += 1;
  target.destroy();
  return answer;
}
