// SAEs from SAELens's files and to them: features against SAELens's, hostile files, cancelling, and how much memory a large file takes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { test } from "./harness.mjs";
import { close, closeRelative, json, tensors } from "./reference.mjs";

const reference = new URL("../reference/", import.meta.url);
const bytes = (path) => new Uint8Array(readFileSync(new URL(path, reference)));

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  const options = { device, shared: true, timeout: 300_000 };

  test(`${device}: every SAE that SAELens wrote has SAELens's features`, options, async ({ lab, fixtures, note }) => {
    const [description, numbers] = [json("saelens_files"), tensors("saelens_files")];
    let largest = 0;
    for (const { name, config, files } of description.cases) {
      const ours = await lab(async ({ lab, url, rows }) => {
        const sae = await lab.loadSae({ baseUrl: url });
        const features = await sae.encode(rows);
        const output = await sae.decode(features);
        const out = { config: sae.config, logSparsity: sae.logSparsity, features: await features.read(), output: await output.read() };
        for (const thing of [features, output, sae]) await thing.dispose();
        return out;
      }, { url: `${fixtures}saes/${name}`, rows: numbers.rows });
      largest = Math.max(largest, closeRelative(name, ours.features, numbers[`${name}/features`], 1e-5));
      // decode() has no row to take a skip connection or a row's own norm from.
      if (config.normalize_activations === "none" && !name.includes("skip")) {
        const theirs = numbers[`${name}/output`];
        closeRelative(`${name} output`, ours.output, { data: theirs.data, shape: ours.output.shape }, 1e-5);
      }
      assert.deepEqual([ours.config.dIn, ours.config.dSae], [config.d_in, config.d_sae]);
      assert.equal(ours.config.metadata.hookName, config.metadata.hook_name);
      assert.equal(ours.logSparsity?.length, files.includes("sparsity.safetensors") ? 48 : undefined, name);
    }
    note(`${description.cases.length} SAEs; largest difference of a feature: ${largest.toExponential(1)} of the largest`);
  });

  test(`${device}: what is saved is loaded again with the same features`, options, async ({ lab }) => {
    const rows = tensors("saelens_files").rows;
    for (const architecture of ["tied", "untied", "standard", "topk", "jumprelu", "gated"]) {
      const seen = await lab(async ({ lab, rows, architecture }) => {
        const sae = await lab.createSae({ architecture, dIn: 16, dSae: 48, seed: 3, ...(architecture === "topk" ? { k: 6 } : {}) });
        const files = await sae.save({ metadata: { hook_name: "blocks.6.hook_resid_post", note: architecture } });
        const again = await sae.save({ metadata: { hook_name: "blocks.6.hook_resid_post", note: architecture } });
        const toFiles = (files) => Object.entries(files).map(([name, bytes]) => new File([bytes], name));
        const loaded = await lab.loadSae({ files: toFiles(files) });
        const half = await sae.save({ dtype: "float16" });
        const small = await lab.loadSae({ files: toFiles(half) });
        const features = async (sae) => (await sae.encode(rows)).read();
        return {
          same: files["sae_weights.safetensors"].every((byte, i) => byte === again["sae_weights.safetensors"][i]),
          names: Object.keys(files), cfg: new TextDecoder().decode(files["cfg.json"]),
          lengths: [files["sae_weights.safetensors"].length, half["sae_weights.safetensors"].length],
          before: await features(sae), after: await features(loaded), half: await features(small), metadata: loaded.config.metadata,
        };
      }, { rows, architecture });
      assert.deepEqual(seen.names, ["cfg.json", "sae_weights.safetensors"]);
      const cfg = JSON.parse(seen.cfg);
      assert.equal(cfg.architecture, ["tied", "untied"].includes(architecture) ? "standard" : architecture);
      assert.equal(cfg.metadata.note, architecture);
      assert.equal(seen.metadata.hookName, "blocks.6.hook_resid_post");
      assert.ok(seen.same && seen.lengths[1] < 0.6 * seen.lengths[0]);
      closeRelative(architecture, seen.after, seen.before, 1e-6);
      // Of sixteen bits. A top-k of rounded weights may choose another latent.
      if (architecture !== "topk") closeRelative(`${architecture} half`, seen.half, seen.before, 5e-3);
    }
  });

  test(`${device}: files that are no SAE are refused and the lab goes on`, options, async ({ lab, rejection }) => {
    const good = { cfg: bytes("saes/standard/cfg.json"), weights: bytes("saes/standard/sae_weights.safetensors") };
    const text = (words) => new TextEncoder().encode(words);
    const cfgWith = (change) => text(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(good.cfg)), ...change }));
    const spoilt = (change) => {
      const copy = good.weights.slice();
      change(copy, new DataView(copy.buffer));
      return copy;
    };
    const pointer = text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 151094568\n");
    const cases = [
      ["LAB-BAD-FILE", { weights: text("<!doctype html><title>404</title>") }, /sae_weights\.safetensors is a web page/],
      ["LAB-BAD-FILE", { cfg: text("<html>") }, /cfg\.json is a web page/],
      ["LAB-BAD-FILE", { weights: pointer }, /git-lfs pointer/],
      ["LAB-BAD-FILE", { cfg: pointer }, /cfg\.json is a git-lfs pointer/],
      ["LAB-BAD-FILE", { weights: text("PK\x03\x04.............") }, /PyTorch/],
      ["LAB-BAD-FILE", { weights: new Uint8Array(0) }, /0 bytes/],
      ["LAB-BAD-FILE", { weights: good.weights.slice(0, -4) }, /cut off/],
      ["LAB-BAD-FILE", { weights: new Uint8Array([...good.weights, 0, 0, 0, 0]) }, /tensors end at/],
      ["LAB-BAD-FILE", { weights: spoilt((_, view) => view.setBigUint64(0, 2n ** 40n, true)) }, /1099511627776/],
      ["LAB-BAD-FILE", { weights: spoilt((copy) => (copy[20] = 0xff)) }, /UTF-8/],
      ["LAB-NOT-FINITE", { weights: spoilt((copy, view) => view.setFloat32(copy.length - 4, NaN, true)) }, /value 47 of b_enc|value \d+ of \w+ is NaN/],
      ["LAB-BAD-FILE", { cfg: cfgWith({ d_sae: 64 }) }, /\[48, 16\].*\[64, 16\]|\[16, 48\].*\[16, 64\]|\[48\].*\[64\]/],
      ["LAB-BAD-FILE", { cfg: cfgWith({ architecture: "jumprelu" }) }, /lacks threshold/],
      ["LAB-BAD-FILE", { cfg: cfgWith({ d_in: 1e9 }) }, /dIn is 1000000000/],
      ["LAB-BAD-FILE", { cfg: cfgWith({ architecture: "clt" }) }, /clt/],
      ["LAB-BAD-FILE", { cfg: text("{") }, /cfg\.json can't be read/],
    ];
    for (const [code, change, message] of cases) {
      const error = await rejection(({ lab, cfg, weights }) => lab.loadSae({ files: [new File([cfg], "cfg.json"), new File([weights], "sae_weights.safetensors")] }), { ...good, ...change });
      assert.deepEqual([error.name, error.code], ["LabError", code], error.message);
      assert.match(error.message, message);
      assert.ok(error.hint.length > 5);
    }
    const others = [
      ["LAB-BAD-FILE", ({ lab }) => lab.loadSae({ files: [new File(["{}"], "cfg.json")] }), /sae_weights\.safetensors/],
      ["LAB-BAD-FILE", ({ lab }) => lab.loadSae({ files: [new File(["{}"], "cfg.json"), new File(["{}"], "cfg.json")] }), /2 files named cfg\.json/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.loadSae("gpt2-small-res-jb/blocks.99.hook_resid_pre"), /blocks\.99/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.loadSae("nobody/knows"), /nobody/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.loadSae({ baseUrl: "ftp://somewhere/" }), /ftp:/],
      ["LAB-BAD-SETTING", ({ lab }) => lab.loadSae(7), /7/],
      ["LAB-BAD-FILE", ({ lab }) => lab.loadSae("gpt2-small-hook-z-kk/blocks.0.hook_z"), /hook-z-kk/],
      ["LAB-DOWNLOAD", ({ lab }) => lab.loadSae({ baseUrl: "nothing/here" }), /cfg\.json/],
      ["LAB-DOWNLOAD", ({ lab }) => lab.loadSae("gpt2-small-res-jb/blocks.8.hook_resid_pre"), /huggingface\.co\/jbloom\/GPT2-Small-SAEs-Reformatted\/resolve\/main\/blocks\.8\.hook_resid_pre\/cfg\.json/],
      ["LAB-BAD-SETTING", async ({ lab }) => (await lab.createSae({ dIn: 16, dSae: 48 })).save({ dtype: "int8" }), /int8/],
    ];
    for (const [code, run, message] of others) {
      const error = await rejection(run);
      assert.deepEqual([error.name, error.code], ["LabError", code], error.message);
      assert.match(error.message, message);
    }
    const dSae = await lab(async ({ lab, cfg, weights }) => (await lab.loadSae({ files: [new File([cfg], "cfg.json"), new File([weights], "sae_weights.safetensors")] })).config.dSae, good);
    assert.equal(dSae, 48);
  });
}

test("published SAEs are listed with their sizes, and those that cannot be loaded with the reason", { shared: true }, async ({ lab }) => {
  const list = await lab(({ lab }) => lab.listSaes());
  const of = (release) => list.filter((sae) => sae.release === release);
  assert.equal(of("gpt2-small-res-jb").length, 13);
  assert.equal(of("gpt2-small-res-jb-feature-splitting").length, 8);
  const eight = list.find(({ id }) => id === "gpt2-small-res-jb/blocks.8.hook_resid_pre");
  assert.deepEqual([eight.model, eight.hook, eight.dIn, eight.dSae, eight.architecture], ["gpt2-small", "blocks.8.hook_resid_pre", 768, 24576, "standard"]);
  assert.equal(eight.bytes, 151_096_320);
  assert.deepEqual(of("gpt2-small-res-jb-feature-splitting").map(({ dSae }) => dSae), [768, 1536, 3072, 6144, 12288, 24576, 49152, 98304]);
  assert.ok(of("gpt2-small-res-jb-feature-splitting").every(({ hook }) => hook === "blocks.8.hook_resid_pre"));
  for (const hook of ["resid-post", "resid-mid", "attn-out", "mlp-out"]) {
    for (const [size, dSae] of [["32k", 32768], ["128k", 131072]]) assert.deepEqual(of(`gpt2-small-${hook}-v5-${size}`).map((sae) => sae.dSae), Array(12).fill(dSae));
  }
  assert.equal(list.filter(({ release }) => release.endsWith("-ajt")).length, 18);
  assert.equal(of("gpt2-small-mlp-tm")[0].baseUrl, "https://huggingface.co/tommmcgrath/gpt2-small-mlp-out-saes/resolve/main/sae_group_gpt2_blocks.0.hook_mlp_out_24576%3Av1/");
  for (const sae of of("gpt2-small-hook-z-kk")) assert.match(sae.unavailable, /pickle/);
  assert.equal(new Set(list.map(({ id }) => id)).size, list.length);
});

test("what does not fit between an SAE and a model is named with both sides", { device: "cpu" }, async ({ lab, rejection, fixtures }) => {
  const seen = await lab(async ({ lab, url }) => {
    window.model = await lab.loadModel("tiny");
    window.sae = await lab.loadSae({ baseUrl: url });
    const hook = "blocks.6.hook_resid_post";
    const made = await lab.createSae({ dIn: 96, dSae: 192 });
    return {
      all: await sae.mismatches(model, { hook, center: false, prependBos: false, contextSize: 1024 }),
      few: await sae.mismatches(model),
      none: await made.mismatches(model, { hook, contextSize: 256 }),
    };
  }, { url: `${fixtures}saes/standard` });
  assert.deepEqual(seen.all.map(({ what }) => what), ["width", "hook", "center", "prependBos", "contextSize"]);
  assert.deepEqual(seen.all.map(({ sae, here }) => [sae, here]), [["16", "96"], ["blocks.6.hook_resid_pre", "blocks.6.hook_resid_post"], ["true", "false"], ["true", "false"], ["128", "1024"]]);
  for (const { sae, here, message, what } of seen.all) if (!["center", "prependBos"].includes(what)) assert.ok(message.includes(sae) && message.includes(here), message);
  assert.deepEqual(seen.few.map(({ what }) => what), ["width"]);
  assert.deepEqual(seen.none, []);
  assert.equal((await rejection(() => sae.mismatches(model, { hook: "blocks.77.hook_resid_post" }))).code, "LAB-UNKNOWN-HOOK");
});

/** In the page: a file of exactly gpt2-small-res-jb's shapes, filled with numbers that depend on their place. */
const largeFiles = () => {
  const [dIn, dSae] = [768, 24576];
  const shapes = { W_dec: [dSae, dIn], W_enc: [dIn, dSae], b_dec: [dIn], b_enc: [dSae] };
  let at = 0;
  const header = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const end = at + 4 * shape.reduce((a, b) => a * b);
    header[name] = { dtype: "F32", shape, data_offsets: [at, end] };
    at = end;
  }
  let head = JSON.stringify(header);
  head += " ".repeat(-head.length & 7);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(head.length), true);
  // 768 · 24576 numbers are a whole number of these blocks.
  const block = Float32Array.from({ length: 1 << 20 }, (_, i) => (((i * 2654435761) >>> 0) / 2 ** 32 - 0.5) / 16);
  const matrix = Array(18).fill(block);
  const parts = [length.buffer, head, ...matrix, ...matrix, block.slice(0, dIn), block.slice(0, dSae)];
  const cfg = { architecture: "standard", d_in: dIn, d_sae: dSae, apply_b_dec_to_input: true, normalize_activations: "none", metadata: { sae_lens_version: "6.54.12" } };
  return { block, files: [new File([JSON.stringify(cfg)], "cfg.json"), new File(parts, "sae_weights.safetensors")] };
};

/** In the page: one row's features by hand, relu((x - b_dec) W_enc + b_enc). */
const featuresByHand = (x, block) => {
  const [dIn, dSae] = [768, 24576];
  const sums = Float64Array.from(block.subarray(0, dSae));
  for (let i = 0; i < dIn; i++) {
    const centred = x[i] - block[i];
    const row = (i * dSae) % block.length;
    for (let j = 0; j < dSae; j++) sums[j] += centred * block[(row + j) % block.length];
  }
  return Float32Array.from(sums, (sum) => Math.max(0, sum));
};

for (const device of /** @type {const} */ (["webgpu", "cpu"])) {
  test(`${device}: a file of 151 MB, 768 to 24576`, { device, timeout: 300_000 }, async ({ lab, note, quiet }) => {
    const seen = await lab(async ({ lab, largeFiles, featuresByHand }) => {
      const { files, block } = new Function(`return (${largeFiles})()`)();
      const before = (await lab.memory()).wasmBytes;
      const steps = [];
      const start = performance.now();
      const sae = await lab.loadSae({ files }, { onProgress: (step) => steps.push(step) });
      const milliseconds = performance.now() - start;
      const after = (await lab.memory()).wasmBytes;
      const x = Float32Array.from({ length: 768 }, (_, i) => Math.sin(i));
      const features = await (await sae.encode({ data: x, shape: [1, 768] })).read();
      const expected = new Function("x", "block", `return (${featuresByHand})(x, block)`)(x, block);
      await sae.dispose();
      for (let n = 0; n < 3; n++) await (await lab.loadSae({ files })).dispose();
      const later = (await lab.memory()).wasmBytes;
      return { bytes: files[1].size, before, after, later, milliseconds, steps, features, expected };
    }, { largeFiles: String(largeFiles), featuresByHand: String(featuresByHand) });
    assert.ok(seen.bytes > 151_000_000 && seen.bytes < 151_200_000);
    close("features", seen.features, { data: seen.expected, shape: [1, 24576] }, 1e-4);
    assert.deepEqual(seen.steps.at(-1), { phase: "load", done: seen.bytes, total: seen.bytes });
    const mib = (bytes) => (bytes / 2 ** 20).toFixed(0);
    note(`wasm memory ${mib(seen.before)} → ${mib(seen.after)} MiB, after three more loads ${mib(seen.later)} MiB; ${(seen.milliseconds / 1000).toFixed(1)} s`);
    // On the CPU the weights stay in wasm memory: two matrices of 72 MiB. On a GPU one matrix passes through.
    assert.ok(seen.after - seen.before < (device === "cpu" ? 170 : 100) * 2 ** 20, mib(seen.after - seen.before));
    assert.ok(seen.later - seen.after < 16 * 2 ** 20, "loading again takes no more");
    quiet();
  });
}

test("a download is stopped at once, and the SAE is loaded whole afterwards", { timeout: 300_000, context: { bypassCSP: true } }, async ({ lab, note }) => {
  const files = { "cfg.json": bytes("saes/standard/cfg.json"), "sae_weights.safetensors": bytes("saes/standard/sae_weights.safetensors") };
  let slow = true, closed = 0;
  const server = createServer((request, response) => {
    const name = request.url.split("/").at(-1);
    const file = files[name];
    response.setHeader("access-control-allow-origin", "*");
    if (file === undefined) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": file.length });
    if (!slow || name === "cfg.json") return response.end(file);
    response.write(file.subarray(0, 2000));
    response.on("close", () => closed++);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const baseUrl = `http://127.0.0.1:${server.address().port}/sae/`;
  try {
    const seen = await lab(async ({ lab, baseUrl }) => {
      const latencies = [], codes = [];
      for (let n = 0; n < 5; n++) {
        const abort = new AbortController();
        let arrived;
        const half = new Promise((done) => (arrived = done));
        const run = lab.loadSae({ baseUrl }, { signal: abort.signal, onProgress: ({ done }) => done > 2000 && arrived() }).then(() => "loaded", (error) => error.code);
        await half;
        const start = performance.now();
        abort.abort();
        codes.push(await run);
        latencies.push(performance.now() - start);
      }
      const before = new AbortController();
      before.abort();
      codes.push(await lab.loadSae({ baseUrl }, { signal: before.signal }).then(() => "loaded", (error) => error.code));
      return { codes, latency: Math.max(...latencies) };
    }, { baseUrl });
    assert.deepEqual(seen.codes, Array(6).fill("LAB-CANCELLED"));
    assert.ok(seen.latency < 500, String(seen.latency));
    slow = false;
    const dSae = await lab(async ({ lab, baseUrl }) => (await lab.loadSae({ baseUrl })).config.dSae, { baseUrl });
    assert.equal(dSae, 48);
    // While tensors go to the device, too.
    const during = await lab(async ({ lab, largeFiles }) => {
      const { files } = new Function(`return (${largeFiles})()`)();
      const abort = new AbortController();
      const start = { at: 0 };
      const onProgress = ({ phase }) => phase === "load" && start.at === 0 && ((start.at = performance.now()), abort.abort());
      const code = await lab.loadSae({ files }, { signal: abort.signal, onProgress }).then(() => "loaded", (error) => error.code);
      const latency = performance.now() - start.at;
      const next = await lab.createSae({ dIn: 8, dSae: 16 });
      return { code, latency, dSae: next.config.dSae };
    }, { largeFiles: String(largeFiles) });
    assert.deepEqual([during.code, during.dSae], ["LAB-CANCELLED", 16]);
    note(`stopped within ${seen.latency.toFixed(0)} ms while downloading, ${during.latency.toFixed(0)} ms while loading; connections closed: ${closed}`);
    assert.ok(during.latency < 500);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
