// TensorFlow.js, on WebGPU or on WebAssembly (SIMD, one thread): GPT-2 and SAEs as one writes them with it. Its methods: see lab.js.

import { argmax, some } from "./numbers.js";
import { readSafetensors } from "./safetensors.js";
import { serve } from "./serve.js";
import { Gpt2 } from "./tensorflow-gpt2.js";
import { Sae } from "./tensorflow-sae.js";

const NPM = "/npm/@tensorflow/";
let tf, model, sae, prefix;

/** Its files for browsers are classic scripts, and this worker is a module. */
async function script(url) {
  (0, eval)(`${await (await fetch(url)).text()}\n//# sourceURL=${url}`);
}

async function forward(ids, cache) {
  const out = model.forward(ids, cache);
  const logits = await out.logits.data();
  out.logits.dispose();
  return { logits, cache: out.cache };
}

serve({
  async open({ device }) {
    await script(`${NPM}tfjs/dist/tf.es2017.min.js`);
    const backend = device === "webgpu" ? "webgpu" : "wasm";
    await script(`${NPM}tfjs-backend-${backend}/dist/tf-backend-${backend}.es2017.min.js`);
    tf = globalThis.tf;
    // A plain host's pages have no threads, and neither do the other contestants.
    if (backend === "wasm") tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    if (backend === "wasm") tf.wasm.setWasmPaths(`${NPM}tfjs-backend-wasm/dist/`);
    if (!(await tf.setBackend(backend))) throw new Error(`its ${backend} backend did not start`);
    await tf.ready();
    return `TensorFlow.js ${tf.version_core}`;
  },

  async loadModel({ folder }) {
    model?.dispose();
    const base = folder === "tiny" ? "/models/tiny/" : folder;
    const config = await (await fetch(`${base}config.json`)).json();
    model = new Gpt2(tf, config, await readSafetensors(`${base}model.safetensors`));
    return "f32";
  },

  async firstToken(ids) {
    const { logits, cache } = await forward(ids);
    tf.dispose(cache);
    return argmax(logits);
  },

  async logits(ids) {
    const { logits, cache } = await forward(ids);
    tf.dispose(cache);
    return [...logits];
  },

  async prefill(ids) {
    const start = performance.now();
    const { cache } = await forward(ids);
    const ms = performance.now() - start;
    tf.dispose(cache);
    return ms;
  },

  /** The prompt's keys and values are computed once; each call goes on from there. */
  async decode(ids, n) {
    if (prefix?.ids !== String(ids)) {
      tf.dispose(prefix?.cache);
      prefix = { ids: String(ids), ...(await forward(ids)) };
    }
    let { logits, cache } = prefix;
    const start = performance.now();
    for (let i = 0; i < n; i += 1) {
      const next = await forward([argmax(logits)], cache);
      if (cache !== prefix.cache) tf.dispose(cache);
      ({ logits, cache } = next);
    }
    const ms = performance.now() - start;
    if (cache !== prefix.cache) tf.dispose(cache);
    return ms;
  },

  /** All sequences in one pass, which ends after that layer. */
  async collect(sequences, layer) {
    const start = performance.now();
    const resid = model.residual(sequences, layer);
    const data = await resid.data();
    const ms = performance.now() - start;
    resid.dispose();
    return { ms, data: some(data) };
  },

  async makeSae(architecture, sizes) {
    sae?.dispose();
    sae = new Sae(tf, architecture, sizes);
  },

  async losses(n) {
    return steps(n);
  },

  /** Losses are read after the last step, so that nothing waits for them. */
  async train(n) {
    const start = performance.now();
    await steps(n);
    return performance.now() - start;
  },
});

/** The losses of `n` steps. */
async function steps(n) {
  const losses = Array.from({ length: n }, () => sae.step());
  const stacked = tf.stack(losses);
  const read = await stacked.data();
  tf.dispose([losses, stacked]);
  return [...read];
}
