// Models from the network: fetched once, kept, resumed, in pieces and shards, one download for two tabs; and what is too large is refused before.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "./harness.mjs";

const read = (name) => readFileSync(new URL(`../reference/models/random/${name}`, import.meta.url));
const small = { "config.json": read("config.json"), "tokenizer.json": read("tokenizer.json") };
const weights = read("model.safetensors");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const options = { device: "cpu", timeout: 90_000 };

/** A good host with byte ranges and strong ETags, as slow as `slow` says (bytes in 20 ms). */
async function host(files) {
  const asked = [];
  const it = { asked, files, slow: 0, gets: (name) => asked.filter((entry) => entry.name === name && entry.method === "GET") };
  const server = createServer(async (request, response) => {
    const name = request.url.split("/").at(-1);
    const { range = null, "if-range": ifRange = null } = request.headers;
    const cors = { "access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Content-Range", "access-control-allow-headers": "Range, If-Range", "cache-control": "no-store" };
    if (request.method === "OPTIONS") return response.writeHead(204, cors).end();
    asked.push({ method: request.method, name, range, ifRange });
    const body = it.files[name];
    if (body === undefined) return response.writeHead(404, cors).end();
    const etag = `"${sha256(body).slice(0, 8)}"`;
    const from = range !== null && (ifRange === null || ifRange === etag) ? Number(/\d+/.exec(range)[0]) : 0;
    const part = { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` };
    response.writeHead(from > 0 ? 206 : 200, { ...cors, etag, "content-length": body.length - from, ...(from > 0 ? part : {}) });
    if (request.method === "HEAD") return response.end();
    for (let at = from; it.slow > 0 && at < body.length && !response.destroyed; at += it.slow) {
      response.write(body.subarray(at, at + it.slow));
      await pause(20);
    }
    response.end(it.slow > 0 ? undefined : body.subarray(from));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  server.unref();
  it.baseUrl = `http://127.0.0.1:${server.address().port}/model/`;
  return it;
}

/** On the page: the logits of a loaded model, which goes again. */
async function logitsOf({ lab, source }) {
  const phases = new Set();
  const model = await lab.loadModel(source, { onProgress: ({ phase }) => phases.add(phase) });
  const { logits } = await model.run(new Uint32Array([5, 17, 101, 250, 3]), { logits: "all" });
  const { source: from, check, weights, deviceBytes, name } = model;
  await model.dispose();
  return { logits: [...logits.data], phases: [...phases], from, check, weights, deviceBytes, name };
}

const right = (() => {
  let known;
  return async ({ lab }) => (known ??= (await lab(logitsOf, { source: { baseUrl: (await host({ ...small, "model.safetensors": weights })).baseUrl } })).logits);
})();

/** A model's file as two: every other tensor, with an index. */
function shards() {
  const length = Number(weights.readBigUInt64LE(0));
  const header = JSON.parse(weights.subarray(8, 8 + length));
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const map = {};
  const files = {};
  for (const shard of [0, 1]) {
    const file = `model-0000${shard + 1}-of-00002.safetensors`;
    const own = {};
    const data = [];
    let at = 0;
    for (const name of names.filter((_, i) => i % 2 === shard)) {
      const { dtype, shape, data_offsets: [from, to] } = header[name];
      own[name] = { dtype, shape, data_offsets: [at, at + to - from] };
      data.push(weights.subarray(8 + length + from, 8 + length + to));
      at += to - from;
      map[name] = file;
    }
    const head = Buffer.from(JSON.stringify(own));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(head.length));
    files[file] = Buffer.concat([size, head, ...data]);
  }
  return { ...files, "model.safetensors.index.json": Buffer.from(JSON.stringify({ metadata: {}, weight_map: map })) };
}

function pieces() {
  const cut = Math.ceil(weights.length / 3);
  const files = Object.fromEntries([0, 1, 2].map((i) => [`model.f16.0${i}`, weights.subarray(i * cut, (i + 1) * cut)]));
  const record = ([name, body]) => ({ name, bytes: body.length, sha256: sha256(body) });
  const manifest = {
    format: "sae-lab-model/1", id: "random", title: "Random",
    files: { config: record(["config.json", small["config.json"]]), tokenizer: record(["tokenizer.json", small["tokenizer.json"]]), weights: { bytes: weights.length, sha256: sha256(weights), pieces: Object.entries(files).map(record) } },
  };
  return { ...files, "manifest.json": Buffer.from(JSON.stringify(manifest)) };
}

test("a listed model is fetched once, kept, listed and deleted", options, async ({ lab, requests, quiet }) => {
  const asked = () => requests.filter((url) => url.includes("/models/tiny/")).length;
  const seen = await lab(async ({ lab }) => {
    const first = await lab.loadModel("tiny");
    return { from: first.source, check: first.check, estimate: await lab.estimate("tiny"), kept: await lab.kept() };
  });
  assert.equal(seen.from.kind, "list");
  assert.equal(seen.from.kept, "opfs");
  assert.ok(seen.check.length > 0 && seen.check.every(({ passed }) => passed), JSON.stringify(seen.check));
  const bytes = seen.kept.reduce((sum, file) => sum + file.bytes, 0);
  assert.deepEqual([seen.estimate.download, seen.estimate.kept, seen.estimate.problems], [bytes, bytes, []]);
  assert.deepEqual(seen.kept.map(({ name, complete, model, where }) => [name, complete, model, where]).sort(), ["config.json", "model.safetensors", "tokenizer.json"].map((name) => [name, true, "tiny", "opfs"]));
  const before = asked();
  assert.equal(before, 3);
  const again = await lab(async ({ lab }) => {
    const phases = new Set();
    await lab.loadModel("tiny", { onProgress: ({ phase }) => phases.add(phase) });
    return [...phases];
  });
  assert.equal(asked(), before, "kept files are not asked for");
  assert.ok(again.includes("read") && !again.includes("download"), String(again));
  const left = await lab(async ({ lab }) => {
    const [one] = await lab.kept();
    await lab.forget(one.key);
    const after = (await lab.kept()).length;
    await lab.forget("all");
    return [after, (await lab.kept()).length];
  });
  assert.deepEqual(left, [2, 0]);
  await lab(async ({ lab }) => lab.loadModel("tiny", { keep: false }).then((model) => model.dispose()));
  assert.equal(asked(), before + 3);
  assert.deepEqual(await lab(({ lab }) => lab.kept()), []);
  quiet();
});

test("a stopped download goes on where it was, and a changed file is fetched anew", options, async ({ lab, note }) => {
  const site = await host({ ...small, "model.safetensors": weights });
  const expected = await right({ lab });
  site.slow = 4_000;
  const stopped = await lab(async ({ lab, source }) => {
    const abort = new AbortController();
    let at = 0;
    const onProgress = ({ phase, done }) => phase === "download" && done > 60_000 && at === 0 && ((at = performance.now()), abort.abort());
    const code = await lab.loadModel(source, { signal: abort.signal, onProgress }).then(() => "loaded", (error) => error.code);
    const latency = performance.now() - at;
    await new Promise((done) => setTimeout(done, 300));
    return { code, latency, kept: (await lab.kept()).filter(({ complete }) => !complete) };
  }, { source: { baseUrl: site.baseUrl } });
  assert.equal(stopped.code, "LAB-CANCELLED");
  assert.ok(stopped.latency < 250, String(stopped.latency));
  const [part] = stopped.kept;
  assert.equal(part.name, "model.safetensors");
  assert.ok(part.bytes > 0 && part.bytes < weights.length);
  site.slow = 0;
  const resumed = await lab(logitsOf, { source: { baseUrl: site.baseUrl } });
  const [, second] = site.gets("model.safetensors");
  assert.equal(second.range, `bytes=${part.bytes}-`);
  assert.notEqual(second.ifRange, null);
  assert.deepEqual(resumed.logits, expected);
  assert.ok(resumed.phases.includes("read") && resumed.phases.includes("download"));
  note(`stopped within ${stopped.latency.toFixed(0)} ms, resumed at ${part.bytes} of ${weights.length} bytes`);
  // The same file again: the server is asked whether it has changed, and nothing is fetched.
  assert.deepEqual((await lab(logitsOf, { source: { baseUrl: site.baseUrl } })).logits, expected);
  assert.equal(site.gets("model.safetensors").length, 2);
  const other = Buffer.from(weights);
  for (let i = other.length - 100_001; i < other.length; i += 4) other[i] ^= 0x80;
  site.files["model.safetensors"] = other;
  assert.notDeepEqual((await lab(logitsOf, { source: { baseUrl: site.baseUrl } })).logits, expected);
  assert.equal(site.gets("model.safetensors").length, 3);
});

test("weights in pieces with a manifest: each is checked and kept, a damaged one is fetched again", options, async ({ lab }) => {
  const files = pieces();
  const site = await host({ ...small, ...files });
  const expected = await right({ lab });
  const source = { baseUrl: site.baseUrl };
  const first = await lab(logitsOf, { source });
  assert.deepEqual(first.logits, expected);
  const kept = await lab(async ({ lab }) => (await lab.kept()).map(({ name }) => name));
  assert.deepEqual(kept.filter((name) => name.startsWith("model.f16")).sort(), Object.keys(files).filter((name) => name.startsWith("model")));
  const count = () => ["model.f16.00", "model.f16.01", "model.f16.02"].map((name) => site.gets(name).length);
  assert.deepEqual(count(), [1, 1, 1]);
  await lab(async ({ lab }) => {
    const { key } = (await lab.kept()).find(({ name }) => name === "model.f16.01");
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("sae-lab-models");
    const writer = await (await folder.getFileHandle(`${key}.data`)).createWritable({ keepExistingData: true });
    await writer.write({ type: "write", position: 1000, data: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]) });
    await writer.close();
  });
  assert.deepEqual((await lab(logitsOf, { source })).logits, expected);
  assert.deepEqual(count(), [1, 2, 1]);
  const wrong = Buffer.from(files["model.f16.02"]);
  wrong[5] ^= 1;
  site.files["model.f16.02"] = wrong;
  const failed = await lab(async ({ lab, source }) => {
    await lab.forget("all");
    return lab.loadModel(source).then(() => null, ({ code, cause }) => [code, cause.kind, cause.url]);
  }, { source });
  assert.deepEqual(failed, ["LAB-DOWNLOAD", "hash", `${site.baseUrl}model.f16.02`]);
});

test("weights in shards with an index, from an address and from files", options, async ({ lab }) => {
  const files = { ...small, ...shards() };
  const site = await host(files);
  const expected = await right({ lab });
  assert.deepEqual((await lab(logitsOf, { source: { baseUrl: site.baseUrl } })).logits, expected);
  const local = await lab(async ({ lab, files, logitsOf }) => {
    const load = new Function(`return (${logitsOf})`)();
    const list = Object.entries(files).map(([name, bytes]) => new File([bytes], name));
    const loaded = await load({ lab, source: { files: list } });
    const missing = await lab.loadModel({ files: list.filter(({ name }) => !name.includes("00002-of")) }).then(() => null, ({ code, message }) => ({ code, message }));
    return { ...loaded, missing };
  }, { files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, new Uint8Array(bytes)])), logitsOf: String(logitsOf) });
  assert.deepEqual(local.logits, expected);
  assert.deepEqual([local.from, local.phases.includes("download")], [{ kind: "files", kept: null }, false]);
  assert.equal(local.missing.code, "LAB-BAD-FILE");
  assert.match(local.missing.message, /model-00002-of-00002\.safetensors/);
});

test("two tabs share one download", options, async ({ lab, context, url }) => {
  const site = await host({ ...small, "model.safetensors": weights });
  const expected = await right({ lab });
  site.slow = 8_000;
  const source = { baseUrl: site.baseUrl };
  const page = await context.newPage();
  await page.goto(`${url}__blank`);
  const other = await page.evaluateHandle(async () => (await import("./sae-lab.js")).openLab({ device: "cpu" }));
  const first = lab(logitsOf, { source });
  while (site.gets("model.safetensors").length === 0) await pause(20);
  const second = page.evaluate(logitsOf, { lab: other, source });
  const [a, b] = await Promise.all([first, second]);
  assert.deepEqual(a.logits, expected);
  assert.deepEqual(b.logits, expected);
  assert.ok(b.phases.includes("wait"), String(b.phases));
  assert.equal(site.gets("model.safetensors").length, 1);
});

const DENIED = "for (const name of ['storage', 'locks']) Object.defineProperty(navigator, name, { get() { throw new DOMException('denied', 'SecurityError'); } }); Object.defineProperty(globalThis, 'caches', { get() { throw new DOMException('denied', 'SecurityError'); } });";

test("without any storage a model is kept as long as the page is open", { ...options, prelude: DENIED }, async ({ lab, quiet }) => {
  const site = await host({ ...small, "model.safetensors": weights });
  const expected = await right({ lab });
  const source = { baseUrl: site.baseUrl };
  const first = await lab(logitsOf, { source });
  assert.equal(first.from.kept, "memory");
  assert.match(first.from.keptReason, /denied/);
  assert.deepEqual(first.logits, expected);
  const second = await lab(async ({ lab, source, logitsOf }) => {
    const { openLab } = await import("./sae-lab.js");
    const another = await openLab({ device: "cpu" });
    const seen = await new Function(`return (${logitsOf})`)()({ lab: another, source });
    const kept = await lab.kept();
    await lab.forget("all");
    return { ...seen, kept: kept.map(({ where }) => where), left: (await lab.kept()).length };
  }, { source, logitsOf: String(logitsOf) });
  assert.deepEqual(second.logits, expected);
  assert.ok(!second.phases.includes("download"), String(second.phases));
  assert.deepEqual([second.kept.every((where) => where === "memory"), second.left], [true, 0]);
  assert.equal(site.gets("model.safetensors").length, 1);
  quiet();
});

test("a page from plain http has no storage; hashes are compared there too", { ...options, device: undefined, noWebGPU: "insecure" }, async ({ lab, rejection, quiet }) => {
  const from = await lab(async ({ lab }) => (await lab.loadModel("tiny")).source);
  assert.equal(from.kept, "memory");
  assert.ok(from.keptReason.length > 10);
  quiet();
  const files = pieces();
  files["model.f16.01"] = Buffer.from(files["model.f16.01"]);
  files["model.f16.01"][7] ^= 1;
  const site = await host({ ...small, ...files });
  const error = await rejection(({ lab, source }) => lab.loadModel(source), { source: { baseUrl: site.baseUrl } });
  assert.equal(error.code, "LAB-DOWNLOAD");
  assert.match(error.message, /SHA-256.*model\.f16\.01/);
});

for (const [device, change, words] of /** @type {const} */ ([
  ["cpu", { n_embd: 4096, n_layer: 16, n_head: 16 }, /\d GB.*4\.29 GB/],
  ["webgpu", { n_head: 32, n_embd: 64, n_positions: 4096 }, /2\.15 GB.*1\.07 GB/],
])) test(`${device}: what is too large is refused before its weights are fetched, with both numbers`, { ...options, device }, async ({ lab, rejection }) => {
  const config = Buffer.from(JSON.stringify({ ...JSON.parse(small["config.json"]), ...change }));
  const site = await host({ ...small, "config.json": config, "model.safetensors": weights });
  const source = { baseUrl: site.baseUrl };
  const estimate = await lab(async ({ lab, source }) => {
    const { problems, ...numbers } = await lab.estimate(source);
    return { ...numbers, codes: problems.map(({ code }) => code) };
  }, { source });
  assert.deepEqual(estimate.codes, ["LAB-TOO-LARGE"]);
  assert.equal(estimate.limits.heap, 2 ** 32);
  const error = await rejection(({ lab, source }) => lab.loadModel(source), { source });
  assert.equal(error.code, "LAB-TOO-LARGE");
  assert.match(error.message, words);
  assert.equal(site.gets("model.safetensors").length, 0);
});
