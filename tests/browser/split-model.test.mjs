// `./build.sh model`: a checkpoint as f16 pieces with a manifest, and what it refuses.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toFloats, toHalves } from "../tools/half.mjs";
import { CACHE } from "./browser.mjs";
import { test } from "./harness.mjs";

const SCRIPT = fileURLToPath(new URL("../tools/split-model.mjs", import.meta.url));
const RANDOM = fileURLToPath(new URL("../reference/models/random", import.meta.url));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function split(id, from, to) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, id, "--from", from, "--to", to], { encoding: "utf8" });
  return { status, said: stdout + stderr };
}

/** A copy of the random model whose weights `change` spoils: it gets the file and its header with absolute offsets. */
function spoilt(change) {
  const folder = mkdtempSync(join(tmpdir(), "split-model-"));
  cpSync(RANDOM, folder, { recursive: true });
  const path = join(folder, "model.safetensors");
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE());
  const { __metadata__, ...header } = JSON.parse(file.toString("utf8", 8, 8 + length));
  for (const tensor of Object.values(header)) tensor.at = 8 + length + tensor.data_offsets[0];
  change(file, header);
  writeFileSync(path, file);
  return folder;
}

const heads = (file) => JSON.parse(file.toString("utf8", 8, 8 + Number(file.readBigUInt64LE())));

test("float16 is rounded as IEEE 754 says", { noWebGPU: true }, () => {
  const all = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
  const values = toFloats(Buffer.from(all.buffer), "F16");
  assert.deepEqual(toHalves(values), all, "what float16 holds stays");
  // Between two neighbours: exactly half way goes to the even one, anything beyond it to the nearer.
  const upper = values.slice(1);
  const middle = upper.map((value, i) => (value + values[i]) / 2);
  assert.deepEqual(toHalves(middle), Uint16Array.from(upper, (_, i) => i + (i % 2)));
  assert.deepEqual(toHalves(middle.map((value) => value * (1 + 2 ** -20))), all.slice(1));
  assert.deepEqual(toHalves(middle.map((value) => -value * (1 - 2 ** -20))), all.slice(0, -1).map((half) => half | 0x8000));
  assert.deepEqual([...toFloats(Buffer.from(new Uint16Array([0x3f80, 0xc049]).buffer), "BF16")], [1, -3.140625]);
  assert.deepEqual([...toFloats(Buffer.from(new Float64Array([0.1]).buffer), "F64")], [Math.fround(0.1)]);
});

test("a model in f16 pieces is the model with its matrices rounded", { device: "cpu" }, async ({ lab, made, fixtures, note }) => {
  const to = join(CACHE, "models/random-f16");
  const { status, said } = split("random", RANDOM, to);
  assert.equal(status, 0, said);
  const manifest = JSON.parse(readFileSync(join(to, "manifest.json"), "utf8"));
  assert.equal(manifest.format, "sae-lab-model/1");
  assert.equal(manifest.parameters, 300 * 48 + 64 * 48 + 2 * (4 * 48 + 12 * 48 * 48 + 9 * 48) + 2 * 48);
  const { weights, ...small } = manifest.files;
  assert.deepEqual(Object.keys(small), ["config", "tokenizer"]);
  const files = weights.pieces.map(({ name }) => readFileSync(join(to, name)));
  for (const [i, piece] of weights.pieces.entries()) assert.deepEqual([piece.bytes, piece.sha256], [files[i].length, sha256(files[i])]);
  const whole = Buffer.concat(files);
  assert.deepEqual([weights.bytes, weights.sha256], [whole.length, sha256(whole)]);
  const { __metadata__, ...header } = heads(whole);
  const types = Object.entries(header).map(([name, { dtype }]) => [name, dtype]);
  assert.equal(types.length, 28, "no masks, no prefix");
  for (const [name, dtype] of types) assert.equal(dtype, /^(wte|h\.\d\.(attn|mlp)\.c_\w+)\.weight$/.test(name) ? "F16" : "F32", name);

  const logits = await lab(async ({ lab, made, fixtures }) => {
    const run = async (baseUrl, weights) => {
      const model = await lab.loadModel({ baseUrl }, { weights });
      const { logits } = await model.run(new Uint32Array([299, 5, 17, 101, 250, 3]), { logits: "all", center: false });
      await model.dispose();
      return logits.data;
    };
    const all = [await run(`${made}random-f16/`, "f32"), await run(`${fixtures}models/random/`, "f16"), await run(`${fixtures}models/random/`, "f32")];
    return [1, 2].map((i) => all[0].reduce((most, x, at) => Math.max(most, Math.abs(x - all[i][at])), 0));
  }, { made, fixtures });
  assert.ok(logits[0] < 1e-5, `${logits[0]} from the engine's own rounding`);
  assert.ok(logits[1] > 1e-4 && logits[1] < 0.05, `${logits[1]} from f32`);
  note(`${weights.bytes} bytes in place of 319,844; logits within ${logits[1].toExponential(1)} of f32`);
});

test("what is no GPT-2, or not the one it is called, is not cut", { noWebGPU: true }, () => {
  const out = mkdtempSync(join(tmpdir(), "split-model-out-"));
  const refused = (id, from, words) => {
    const { status, said } = split(id, from, out);
    assert.equal(status, 1, said);
    for (const word of words) assert.ok(said.includes(word), `${said} lacks ${word}`);
  };
  refused("gpt2", RANDOM, ["not the published gpt2", "319844", "548105171"]);
  refused("../gpt2", RANDOM, ["cannot be the id"]);
  refused("random", mkdtempSync(join(tmpdir(), "split-model-none-")), ["no config.json"]);
  const at = (header, name) => header[`transformer.${name}`].at;
  refused("random", spoilt((file, header) => file.writeFloatLE(NaN, at(header, "ln_f.bias"))), ["ln_f.bias holds NaN"]);
  const tail = spoilt(() => {});
  writeFileSync(join(tail, "model.safetensors"), readFileSync(join(tail, "model.safetensors")).subarray(0, -100));
  refused("random", tail, ["cut off"]);
  const wider = spoilt(() => {});
  writeFileSync(join(wider, "config.json"), readFileSync(join(wider, "config.json"), "utf8").replace('"n_layer": 2', '"n_layer": 3'));
  refused("random", wider, ["h.2.ln_1.weight"]);

  // A number that float16 does not hold: its matrix stays float32, and that is said.
  const large = split("random", spoilt((file, header) => file.writeFloatLE(-70000, at(header, "h.1.mlp.c_fc.weight") + 400)), out);
  assert.equal(large.status, 0, large.said);
  assert.ok(large.said.includes("h.1.mlp.c_fc.weight"), large.said);
  const { "h.1.mlp.c_fc.weight": kept, "h.0.mlp.c_fc.weight": other } = heads(readFileSync(join(out, "model.f16.00")));
  assert.deepEqual([kept.dtype, other.dtype], ["F32", "F16"]);
  rmSync(out, { recursive: true });
});
