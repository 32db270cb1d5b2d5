// A GPT-2 checkpoint as any static host can serve it: float16 weights in pieces of at most 16 MiB, with a manifest of their hashes.
// `./build.sh model` runs it. It never holds more than a piece in memory.
//
//   node tests/tools/split-model.mjs ID --from DIR [--to DIR]
//
// DIR holds config.json, tokenizer.json or vocab.json and merges.txt, and model.safetensors or its shards with model.safetensors.index.json.
// Without --to the files go to www/models/ID, and the page's list, www/models/models.json, has ID load them from there.
// Matrices become float16; biases, layer norms and positions keep float32, and so does a matrix with a number that float16 does not hold.

import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { copyFile, mkdir, open, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LARGEST, SIZES, toFloats, toHalves } from "./half.mjs";

const PIECE = 16 * 2 ** 20;
const STEP = 4 * 2 ** 20;
const MODELS = fileURLToPath(new URL("../../www/models/", import.meta.url));
/** What is known of weights under these ids: others are not taken for them. @type {Record<string, {bytes: number, sha256: string}>} */
const PUBLISHED = { gpt2: { bytes: 548105171, sha256: "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707" } };

/** @typedef {{name: string, path: string, dtype: string, shape: number[], start: number, end: number, half: boolean}} Tensor */

const { values: flags, positionals: [id, ...others] } = parseArgs({ allowPositionals: true, options: { from: { type: "string" }, to: { type: "string" } } });
if (id === undefined || others.length > 0 || flags.from === undefined) stop("usage: split-model.mjs ID --from DIR [--to DIR]");
if (!/^[a-z0-9][a-z0-9._-]*$/.test(id)) stop(`“${id}” cannot be the id of a model: small letters, digits, dots and dashes can.`);
const from = resolve(flags.from);
const to = resolve(flags.to ?? join(MODELS, id));
if (to === from) stop("--to must be another folder than --from.");

const config = JSON.parse(await text("config.json"));
const small = existsSync(join(from, "tokenizer.json")) ? { config: "config.json", tokenizer: "tokenizer.json" } : { config: "config.json", vocab: "vocab.json", merges: "merges.txt" };
for (const name of Object.values(small)) if (!existsSync(join(from, name))) stop(`${from} has no ${name}.`);
const sources = await weightFiles();
await checkPublished();
const tensors = (await Promise.all(sources.map(tensorsOf))).flat();
checkNames();
for (const tensor of tensors) if (tensor.half) await checkRange(tensor);

await mkdir(to, { recursive: true });
for (const name of await readdir(to)) if (/^model\.f16\.\d+$/.test(name)) await rm(join(to, name));
/** @type {Record<string, object>} */
const files = {};
for (const [role, name] of Object.entries(small)) {
  await copyFile(join(from, name), join(to, name));
  files[role] = { name, bytes: (await stat(join(to, name))).size, sha256: await sha256(join(to, name)) };
}
const weights = await writeWeights();
files.weights = weights;
const list = JSON.parse(await readFile(join(MODELS, "models.json"), "utf8"));
const known = list.models.find((/** @type {{id: string}} */ model) => model.id === id);
const { title = id, about = `A GPT-2 of ${config.n_layer} layers, d_model ${config.n_embd}, ${config.n_head} heads, vocabulary ${config.vocab_size}, context ${config.n_positions}.`, licence = { name: "not stated" }, check } = known ?? {};
const parameters = tensors.reduce((sum, { shape }) => sum + size(shape), 0);
const entry = { id, title, about: about.replace(/ Downloaded from the Hugging Face hub\.$/, ""), parameters, files, ...(check && { check }), licence };
await writeFile(join(to, "manifest.json"), toText({ format: "sae-lab-model/1", ...entry }));
if (flags.to === undefined) await putOnList();
const kept = tensors.filter(({ name, half }) => isMatrix(name) && !half).map(({ name }) => name);
if (kept.length > 0) console.log(`float32, since float16 does not hold their numbers: ${kept.join(", ")}`);
console.log(`${to}: ${weights.bytes.toLocaleString("en")} bytes of weights in ${weights.pieces.length} pieces, of ${tensors.reduce((sum, { start, end }) => sum + end - start, 0).toLocaleString("en")}`);

/** @returns {Promise<string[]>} the safetensors files, with their paths */
async function weightFiles() {
  const whole = join(from, "model.safetensors");
  if (existsSync(whole)) return [whole];
  if (!existsSync(`${whole}.index.json`)) stop(`${from} has neither model.safetensors nor model.safetensors.index.json.`);
  const names = [...new Set(Object.values(JSON.parse(await text("model.safetensors.index.json")).weight_map))].sort();
  return names.map((name) => join(from, String(name)));
}

async function checkPublished() {
  const published = PUBLISHED[id];
  if (published === undefined) return;
  const found = { bytes: (await stat(sources[0])).size, sha256: await sha256(sources[0]) };
  if (sources.length > 1 || found.sha256 !== published.sha256) {
    stop(`${sources[0]} is not the published ${id}: it has ${found.bytes} bytes and sha256 ${found.sha256}, not ${published.bytes} and ${published.sha256}. Other weights need another id.`);
  }
}

/**
 * The tensors of a file that GPT-2 is made of, in the file's order.
 * @param {string} path
 * @returns {Promise<Tensor[]>}
 */
async function tensorsOf(path) {
  const file = await open(path);
  const length = Number((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE());
  if (length > 2 ** 20) stop(`${path} is no safetensors file.`);
  const { __metadata__, ...header } = JSON.parse((await file.read(Buffer.alloc(length), 0, length, 8)).buffer.toString("utf8"));
  const { size: there } = await file.stat();
  await file.close();
  const end = 8 + length + Math.max(...Object.values(header).map(({ data_offsets: [, end] }) => end));
  if (there < end) stop(`${path} is cut off: it has ${there} of ${end} bytes.`);
  const all = Object.entries(header).map(([key, { dtype, shape, data_offsets: [start, end] }]) => {
    const name = key.replace(/^transformer\./, "");
    return { name, path, dtype, shape, start: 8 + length + start, end: 8 + length + end, half: isMatrix(name) };
  });
  // Causal masks and the head, which is the embedding again, are not of the model proper.
  return all.filter(({ name }) => !/^h\.\d+\.attn\.(masked_)?bias$|^lm_head\.weight$/.test(name)).sort((a, b) => a.start - b.start);
}

/** @param {string} name */
function isMatrix(name) {
  return name === "wte.weight" || /^h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/.test(name);
}

/** Stops unless the tensors are those of config.json. */
function checkNames() {
  const { n_embd: d, n_inner, n_layer, n_positions, vocab_size } = config;
  const inner = n_inner ?? 4 * d;
  /** @type {Map<string, number[]>} */
  const wanted = new Map([["wte.weight", [vocab_size, d]], ["wpe.weight", [n_positions, d]], ["ln_f.weight", [d]], ["ln_f.bias", [d]]]);
  for (let layer = 0; layer < n_layer; layer++) {
    const parts = { "ln_1": [d], "attn.c_attn": [d, 3 * d], "attn.c_proj": [d, d], "ln_2": [d], "mlp.c_fc": [d, inner], "mlp.c_proj": [inner, d] };
    for (const [part, shape] of Object.entries(parts)) wanted.set(`h.${layer}.${part}.weight`, shape).set(`h.${layer}.${part}.bias`, shape.slice(-1));
  }
  for (const { name, dtype, shape, start, end } of tensors) {
    const asked = wanted.get(name);
    if (asked === undefined) stop(`${name} is no tensor of the GPT-2 of config.json, or is there twice.`);
    if (String(asked) !== String(shape)) stop(`${name} has shape [${shape}], but config.json asks for [${asked}].`);
    if (!Object.hasOwn(SIZES, dtype) || end - start !== SIZES[dtype] * size(shape)) stop(`${name} is stored as ${dtype} in ${end - start} bytes, which cannot be read.`);
    wanted.delete(name);
  }
  if (wanted.size > 0) stop(`The weights lack ${[...wanted.keys()].slice(0, 8).join(", ")}.`);
}

/** Leaves a matrix float32 when float16 does not hold one of its numbers. @param {Tensor} tensor */
async function checkRange(tensor) {
  for await (const values of floatsOf(tensor)) {
    for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) > LARGEST) tensor.half = false;
  }
}

/** @param {Tensor} tensor */
async function* floatsOf({ name, path, dtype, start, end }) {
  const file = await open(path);
  try {
    for (let at = start; at < end; at += STEP) {
      const length = Math.min(STEP, end - at);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
      if (bytesRead < length) stop(`${path} is cut off.`);
      const values = toFloats(buffer, dtype);
      for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) stop(`${name} holds ${values[i]}, which is no number that can be used.`);
      yield values;
    }
  } finally {
    await file.close();
  }
}

/** The one safetensors file, cut into pieces. */
async function writeWeights() {
  let at = 0;
  const header = Object.fromEntries(tensors.map(({ name, shape, half }) => {
    const start = at;
    at += (half ? 2 : 4) * size(shape);
    return [name, { dtype: half ? "F16" : "F32", shape, data_offsets: [start, at] }];
  }));
  const json = JSON.stringify({ __metadata__: { format: "pt" }, ...header });
  const head = Buffer.from(json + " ".repeat((8 - (Buffer.byteLength(json) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  const bytes = 8 + head.length + at;
  const digits = Math.max(2, String(Math.ceil(bytes / PIECE) - 1).length);
  const whole = createHash("sha256");
  /** @type {{name: string, bytes: number, sha256: string}[]} */
  const pieces = [];
  /** @type {Buffer[]} */
  let waiting = [];
  let held = 0;

  const flush = async () => {
    if (held === 0) return;
    const piece = Buffer.concat(waiting);
    const name = `model.f16.${String(pieces.length).padStart(digits, "0")}`;
    await writeFile(join(to, name), piece);
    pieces.push({ name, bytes: piece.length, sha256: createHash("sha256").update(piece).digest("hex") });
    [waiting, held] = [[], 0];
  };
  /** @param {Buffer} data */
  const write = async (data) => {
    whole.update(data);
    for (let rest = data; rest.length > 0;) {
      const now = rest.subarray(0, PIECE - held);
      waiting.push(now);
      held += now.length;
      rest = rest.subarray(now.length);
      if (held === PIECE) await flush();
    }
  };

  await write(length);
  await write(head);
  for (const tensor of tensors) {
    for await (const values of floatsOf(tensor)) await write(Buffer.from((tensor.half ? toHalves(values) : values).buffer));
  }
  await flush();
  return { bytes, sha256: whole.digest("hex"), pieces };
}

/** Has the page load the model from here. */
async function putOnList() {
  const listed = { ...entry, base: `${id}/` };
  const { id: _, title, about, parameters, base, ...rest } = listed;
  const ordered = { id, title, about, parameters, base, ...rest };
  list.models = known === undefined ? [...list.models, ordered] : list.models.map((/** @type {{id: string}} */ model) => (model.id === id ? ordered : model));
  await writeFile(join(MODELS, "models.json"), toText(list));
  console.log(`www/models/models.json: ${id} is loaded from ${id}/`);
}

/** JSON with each file on a line of its own, and the check. @param {object} value */
function toText(value) {
  const inline = /\{\s+("name": [^{}]+?"sha256": "\w{64}"|"text": [^{}]+?)\s+\}/g;
  return `${JSON.stringify(value, null, 2).replace(inline, (_, inner) => `{ ${inner.replace(/\s*\n\s*/g, " ")} }`)}\n`;
}

/** @param {string} path */
async function sha256(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** @param {string} name */
function text(name) {
  return readFile(join(from, name), "utf8").catch(() => stop(`${from} has no ${name}.`));
}

/** @param {number[]} shape */
function size(shape) {
  return shape.reduce((product, n) => product * n, 1);
}

/**
 * @param {string} why
 * @returns {never}
 */
function stop(why) {
  console.error(`split-model: ${why}`);
  process.exit(1);
}
