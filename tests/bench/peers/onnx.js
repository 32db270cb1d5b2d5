// onnxruntime-web, on WebGPU or on one thread of WebAssembly, with the file that onnx_gpt2.py writes. Its methods: see lab.js. It does not train.

import { argmax, some } from "./numbers.js";
import { serve } from "./serve.js";

const DIST = new URL("/npm/onnxruntime-web/dist/", import.meta.url).href;
let ort, gpu, session, files, collector, shape, prefix;

const names = () => Array.from({ length: shape.layers }, (_, layer) => [`key_${layer}`, `value_${layer}`]).flat();
const release = (cache) => cache?.forEach((tensor) => tensor.dispose());

/** Tensors that go in with `ids` behind `past` positions. A position sees itself and what is before it. */
function inputs(ids, past, cache) {
  const total = past + ids.length;
  const mask = new Float32Array(ids.length * total);
  ids.forEach((_, i) => mask.fill(-1e9, i * total + past + i + 1, (i + 1) * total));
  const positions = Int32Array.from(ids, (_, i) => past + i);
  const empty = () => new ort.Tensor("float32", new Float32Array(0), [1, shape.heads, 0, shape.dHead]);
  return {
    ids: new ort.Tensor("int32", Int32Array.from(ids), [1, ids.length]),
    positions: new ort.Tensor("int32", positions, [1, ids.length]),
    mask: new ort.Tensor("float32", mask, [1, 1, ids.length, total]),
    ...Object.fromEntries(names().map((name, i) => [`past_${name}`, cache?.[i] ?? empty()])),
  };
}

const create = (file, outputs) => ort.InferenceSession.create(file, { executionProviders: [gpu ? "webgpu" : "wasm"], graphOptimizationLevel: "all", preferredOutputLocation: outputs });

/** Logits of the last position, and keys and values of all. */
async function forward(ids, past = 0, cache = undefined) {
  const out = await session.run(inputs(ids, past, cache));
  return { logits: out.logits.data, cache: names().map((name) => out[name]) };
}

serve({
  async open({ device }) {
    gpu = device === "webgpu";
    ort = await import(`${DIST}ort.${gpu ? "webgpu" : "wasm"}.min.mjs`);
    ort.env.wasm.wasmPaths = DIST;
    ort.env.wasm.numThreads = 1;
    return `onnxruntime-web ${ort.env.versions.web}`;
  },

  async loadModel({ folder, onnx, onnxCollect }) {
    await session?.release();
    const { n_layer: layers, n_head: heads, n_embd: d } = await (await fetch(`${folder === "tiny" ? "/models/tiny/" : folder}config.json`)).json();
    shape = { layers, heads, dHead: d / heads };
    // Keys and values stay on the GPU from one token to the next.
    session = await create(onnx, gpu ? Object.fromEntries([["logits", "cpu"], ...names().map((name) => [name, "gpu-buffer"])]) : undefined);
    files = { collect: onnxCollect };
    await collector?.release();
    collector = null;
    return "f32";
  },

  async firstToken(ids) {
    const { logits, cache } = await forward(ids);
    release(cache);
    return argmax(logits);
  },

  async logits(ids) {
    const { logits, cache } = await forward(ids);
    release(cache);
    return [...logits];
  },

  async prefill(ids) {
    const start = performance.now();
    const { cache } = await forward(ids);
    const ms = performance.now() - start;
    release(cache);
    return ms;
  },

  /** The prompt's keys and values are computed once; each call goes on from there. */
  async decode(ids, n) {
    if (prefix?.ids !== String(ids)) {
      release(prefix?.cache);
      prefix = { ids: String(ids), ...(await forward(ids)) };
    }
    let { logits, cache } = prefix;
    const start = performance.now();
    for (let i = 0; i < n; i += 1) {
      const next = await forward([argmax(logits)], ids.length + i, cache);
      if (cache !== prefix.cache) release(cache);
      ({ logits, cache } = next);
    }
    const ms = performance.now() - start;
    if (cache !== prefix.cache) release(cache);
    return ms;
  },

  /** With a file of its own, which ends after that layer; all sequences in one pass. */
  async collect(sequences) {
    collector ??= await create(files.collect);
    const [batch, n] = [sequences.length, sequences[0].length];
    const start = performance.now();
    const mask = new Float32Array(n * n);
    for (let i = 0; i < n; i += 1) mask.fill(-1e9, i * n + i + 1, (i + 1) * n);
    const { resid } = await collector.run({
      ids: new ort.Tensor("int32", Int32Array.from(sequences.flat()), [batch, n]),
      positions: new ort.Tensor("int32", Int32Array.from({ length: n }, (_, i) => i), [1, n]),
      mask: new ort.Tensor("float32", mask, [1, 1, n, n]),
    });
    const data = await resid.getData();
    return { ms: performance.now() - start, data: some(data) };
  },
});
