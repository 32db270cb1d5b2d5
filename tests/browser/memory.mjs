// How much memory a page and its worker take: GPU buffers and the engine's memory counted by a prelude, the JavaScript heaps by Chromium.

/**
 * Counts, in whichever of page and workers it runs: bytes of GPU buffers that were made and not destroyed (one that nobody holds any more counts until it is
 * collected, in `uncollected` for ever), the largest sum there was, and the memory of WebAssembly. Answers on a BroadcastChannel.
 */
export const MEMORY_PRELUDE = `(() => {
  const gpu = { now: 0, peak: 0, uncollected: 0, uncollectedPeak: 0, largest: 0 };
  const sizes = new WeakMap();
  const minus = (entry) => { if (!entry.gone) { entry.gone = true; gpu.now -= entry.size; } };
  const collected = new FinalizationRegistry(minus);
  if (globalThis.GPUDevice) {
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (options) {
      const buffer = createBuffer.call(this, options);
      const entry = { size: options.size, gone: false };
      sizes.set(buffer, entry);
      collected.register(buffer, entry);
      gpu.now += options.size;
      gpu.uncollected += options.size;
      gpu.largest = Math.max(gpu.largest, options.size);
      gpu.peak = Math.max(gpu.peak, gpu.now);
      gpu.uncollectedPeak = Math.max(gpu.uncollectedPeak, gpu.uncollected);
      return buffer;
    };
    const { destroy } = GPUBuffer.prototype;
    GPUBuffer.prototype.destroy = function () {
      const entry = sizes.get(this);
      if (entry && !entry.gone) { minus(entry); gpu.uncollected -= entry.size; }
      return destroy.call(this);
    };
  }
  const memories = new Set();
  const wasm = () => [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const made = await original.apply(WebAssembly, given);
      for (const value of Object.values((made.instance ?? made).exports)) if (value instanceof WebAssembly.Memory) memories.add(value);
      return made;
    };
  }
  const Instance = WebAssembly.Instance;
  WebAssembly.Instance = new Proxy(Instance, { construct: (target, given) => {
    const made = new target(...given);
    for (const value of Object.values(made.exports)) if (value instanceof WebAssembly.Memory) memories.add(value);
    return made;
  } });
  globalThis.testWasmBytes = wasm;
  if (typeof window !== "undefined") return;
  const channel = new BroadcastChannel("test-memory");
  channel.onmessage = ({ data }) => data === "ask" && channel.postMessage({ gpu, wasm: wasm() });
})();`;

/** WebGPU's guaranteed limits, in place of those that the adapter has: what asks for the adapter's gets these, and Chromium holds it to them. */
export const DEFAULT_LIMITS_PRELUDE = `(() => {
  if (!globalThis.GPUAdapter) return;
  const limits = { maxBindGroups: 4, maxBindingsPerBindGroup: 1000, maxDynamicUniformBuffersPerPipelineLayout: 8, maxDynamicStorageBuffersPerPipelineLayout: 4,
    maxStorageBuffersPerShaderStage: 8, maxStorageTexturesPerShaderStage: 4, maxUniformBuffersPerShaderStage: 12, maxUniformBufferBindingSize: 65536,
    maxStorageBufferBindingSize: 134217728, maxBufferSize: 268435456, maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256, maxComputeWorkgroupSizeZ: 64, maxComputeWorkgroupsPerDimension: 65535 };
  const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "limits");
  Object.defineProperty(GPUAdapter.prototype, "limits", { configurable: true, get() {
    const own = get.call(this);
    return new Proxy(own, { get: (target, name) => limits[name] ?? Reflect.get(target, name, target) });
  } });
})();`;

/** Memory of a page with MEMORY_PRELUDE, sampled while something runs. */
export class MemoryWatch {
  #page;
  #cdp;
  #worker = null;
  #waiting = new Map();
  #last = 0;

  /** @param {import("./session.mjs").Session} session  whose lab has not been opened yet, so that its worker is seen to start */
  static async on({ page, context }) {
    const watch = new MemoryWatch();
    watch.#page = page;
    watch.#cdp = await context.newCDPSession(page);
    watch.#cdp.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => { if (targetInfo.type === "worker") watch.#worker = sessionId; });
    watch.#cdp.on("Target.receivedMessageFromTarget", ({ message }) => {
      const { id, result, error } = JSON.parse(message);
      watch.#waiting.get(id)?.(result ?? error);
      watch.#waiting.delete(id);
    });
    await watch.#cdp.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    return watch;
  }

  /**
   * {gpu, wasm, heap, page, worker}: GPU buffers as the prelude counts them, WebAssembly's memory, the JavaScript heap of each, objects and what buffers
   * hold, and all of that but the GPU's together. In bytes.
   */
  async now() {
    const counted = await this.#page.evaluate(async () => {
      const channel = new BroadcastChannel("test-memory");
      const answer = new Promise((done, failed) => {
        const late = setTimeout(() => failed(new Error("the worker says nothing of its memory")), 120_000);
        channel.onmessage = ({ data }) => { clearTimeout(late); done({ ...data, wasm: data.wasm + globalThis.testWasmBytes() }); };
      });
      channel.postMessage("ask");
      return answer.finally(() => channel.close());
    });
    const heaps = await Promise.all([this.#cdp.send("Runtime.getHeapUsage"), this.#ofWorker("Runtime.getHeapUsage")]);
    const [page, worker] = heaps.map(({ usedSize, backingStorageSize = 0 }) => ({ objects: usedSize, buffers: backingStorageSize }));
    return { ...counted, heap: counted.wasm + page.objects + page.buffers + worker.objects + worker.buffers, page, worker };
  }

  /** now(), once what nobody holds has been collected, on the page and in the worker. */
  async settled() {
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([this.#cdp.send("HeapProfiler.collectGarbage"), this.#ofWorker("HeapProfiler.collectGarbage")]);
      await new Promise((done) => setTimeout(done, 50)); // finalizers run in a task of their own
    }
    return this.now();
  }

  /** What was there when the heap was largest while `work` ran, its result, and what is there at the end. */
  async during(work) {
    let [peak, samples, over] = [{ heap: 0 }, 0, false];
    const result = work.finally(() => { over = true; });
    while (!over) {
      const sample = this.now().then((now) => {
        if (now.heap > peak.heap) peak = now;
        samples += 1;
      });
      await Promise.race([sample, result]);
      await new Promise((done) => setTimeout(done, 150));
    }
    return { result: await result, peak, samples, end: await this.now() };
  }

  async #ofWorker(method) {
    const id = ++this.#last;
    const answer = new Promise((done) => this.#waiting.set(id, done));
    await this.#cdp.send("Target.sendMessageToTarget", { sessionId: this.#worker, message: JSON.stringify({ id, method }) });
    return answer;
  }
}
