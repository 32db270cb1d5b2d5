// onnxruntime-web, on WebGPU or on one thread of WebAssembly, with the file that onnx_gpt2.py writes. Its methods: see lab.js. It does not train.

import { argmax } from "./numbers.js";
import { serve } from "./serve.js";

const DIST = new URL("/npm/onnxruntime-web/dist/", import.meta.url).href;
let ort, gpu, session, shape, prefix;

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

  async loadModel({ folder, onnx }) {
    await session?.release();
    const { n_layer: layers, n_head: heads, n_embd: d } = await (await fetch(`${folder === "tiny" ? "/models/tiny/" : folder}config.json`)).json();
    shape = { layers, heads, dHead: d / heads };
    // Keys and values stay on the GPU from one token to the next.
    const preferredOutputLocation = gpu ? Object.fromEntries([["logits", "cpu"], ...names().map((name) => [name, "gpu-buffer"])]) : undefined;
    session = await ort.InferenceSession.create(onnx, { executionProviders: [gpu ? "webgpu" : "wasm"], graphOptimizationLevel: "all", preferredOutputLocation });
    return "f32 weights";
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
    const times = [];
    for (let i = 0; i < n; i += 1) {
      const start = performance.now();
      const next = await forward([argmax(logits)], ids.length + i, cache);
      if (cache !== prefix.cache) release(cache);
      ({ logits, cache } = next);
      times.push(performance.now() - start);
    }
    if (cache !== prefix.cache) release(cache);
    return times;
  },
});
