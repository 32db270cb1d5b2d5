// Downloads that go wrong, one row per case. Each attempt either loads the right weights or fails with the cause in words; the lab
// answers as before after each, and the last attempt, against a server that is well again, loads the model.
// Below each test's name stand the answers that the server gave for the file in question, and how the attempt ended.

import assert from "node:assert/strict";
import { attempt, calm, check, closed, held, prepare, sent, serve, slug, told } from "./fault-cases.mjs";
import { test } from "./harness.mjs";

const options = /** @type {const} */ ({ device: "cpu", shared: true, timeout: 60_000 });
const ALL = /** @type {const} */ (["address", "list", "manifest"]);
const TWO = /** @type {const} */ (["address", "manifest"]);
const KNOWN = /** @type {const} */ (["list", "manifest"]);

/**
 * One attempt: what the server does (a list: at its first request, its second, …; functions are given what is served), how it must
 * end (see check() in fault-cases.mjs; nothing: it loads), and what the server must have answered.
 *
 * @typedef {{faults?: object[] | ((served: any) => object[]), put?: "old" | "new", asked?: RegExp} & Parameters<typeof check>[1]} Attempt
 */

/**
 * `file` goes wrong, the weights (or a piece of them) unless told. After `attempts` comes one more against a healthy server, whose
 * answers are `then`; none comes where the last attempt must load.
 *
 * @type {{name: string, kinds?: readonly ("address" | "list" | "manifest")[], file?: string, attempts: Attempt[], then?: RegExp}[]}
 */
const rows = [
  // The connection.
  { name: "no connection", kinds: ALL, attempts: [{ faults: [{ refuse: true }], kind: /network/, says: /connection/i }] },
  { name: "cut at 0 %", kinds: ALL, attempts: [{ faults: [{ cut: 0 }], kind: /network|length/ }], then: /^200$/ },
  { name: "cut at 1 %", kinds: ALL, attempts: [{ faults: [{ cut: 0.01 }], kind: /network|length/ }], then: /^20[06]$/ },
  { name: "cut at 50 %", kinds: ALL, attempts: [{ faults: [{ cut: 0.5 }], kind: /network|length/, says: /connection|broke off/i }], then: /^206$/ },
  { name: "cut at 99 %", kinds: ALL, attempts: [{ faults: [{ cut: 0.99 }], kind: /network|length/ }], then: /^206$/ },
  { name: "cut at 100 %", kinds: ALL, attempts: [{ faults: [{ cut: 1 }], kind: /network/, either: true }], then: /^(206|416|)$/ },
  { name: "cut at 100 %, of unknown length", kinds: ALL, attempts: [{ faults: [{ cut: 1, chunked: true }], kind: /network/, either: true }], then: /^(416|206|200|416 200|)$/ },
  { name: "cut twice", kinds: ALL, attempts: [{ faults: [{ cut: 0.4 }], kind: /network/ }, { faults: [{ cut: 0.8 }], kind: /network/, asked: /^206$/ }], then: /^206$/ },

  // The length.
  { name: "shorter than on record", kinds: KNOWN, attempts: [{ faults: (it) => [{ body: it.bytes().subarray(0, -1000) }], kind: /length|hash/, says: /broke off|bytes/ }] },
  { name: "longer than on record", kinds: KNOWN, attempts: [{ faults: (it) => [{ body: Buffer.concat([it.bytes(), Buffer.alloc(1000)]) }], kind: /length/, says: /longer|bytes/ }], then: /^200$/ },
  { name: "shorter than its own header says", attempts: [{ faults: (it) => [{ body: it.bytes().subarray(0, -1000) }], code: /LAB-DOWNLOAD|LAB-BAD-FILE/, says: /bytes/ }] },
  { name: "longer than its own header says", attempts: [{ faults: (it) => [{ body: Buffer.concat([it.bytes(), Buffer.alloc(1000)]) }], code: /LAB-DOWNLOAD|LAB-BAD-FILE/, says: /last tensor/ }], then: /^200$/ },
  { name: "Content-Length too large", kinds: TWO, attempts: [{ faults: [{ claims: 1000 }], kind: /network|length/, either: true }] },
  { name: "Content-Length too small", kinds: TWO, attempts: [{ faults: [{ claims: -1000 }], code: /LAB-DOWNLOAD|LAB-BAD-FILE/, says: /bytes/ }] },
  { name: "an empty file", kinds: TWO, attempts: [{ faults: [{ body: Buffer.alloc(0) }], code: /LAB-DOWNLOAD|LAB-BAD-FILE/, says: / 0 (of|bytes)/ }], then: /^200$/ },
  { name: "compressed on the way", kinds: ALL, attempts: [{ faults: [{ gzip: true }], asked: /^200$/ }] },

  // The hash.
  { name: "one bit changed", kinds: KNOWN, attempts: [{ faults: (it) => [{ body: it.flipped(0.7) }], kind: /hash/, says: /SHA-256/ }], then: /^200$/ },
  { name: "one bit changed, and the browser's own cache keeps it", kinds: KNOWN, attempts: [{ faults: (it) => [{ body: it.flipped(0.7), cache: "max-age=3600" }], kind: /hash/ }], then: /^200$/ },
  { name: "one bit of the configuration changed", kinds: ["list"], file: "config.json", attempts: [{ faults: (it) => [{ body: Buffer.from(String(it.bytes("config.json")).replace('"n_head": 3', '"n_head": 4')) }], kind: /hash/, says: /config\.json/ }], then: /^200$/ },
  { name: "one bit of the tokenizer changed", kinds: ["list"], file: "tokenizer.json", attempts: [{ faults: (it) => [{ body: it.flipped(0.5, "tokenizer.json") }], kind: /hash/, says: /tokenizer\.json/ }], then: /^200$/ },
  { name: "one bit changed in what a cut left", kinds: KNOWN, attempts: [{ faults: (it) => [{ body: it.flipped(0.3), cut: 0.5 }], kind: /network/ }, { asked: /^206 200$/ }] },
  { name: "one bit changed in what comes after a cut", kinds: KNOWN, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: (it) => [{ body: it.flipped(0.7) }, {}], asked: /^206 200$/ }] },
  { name: "one bit changed in what comes after a cut, for good", kinds: KNOWN, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: (it) => [{ body: it.flipped(0.7) }], kind: /hash/, asked: /^206 200$/ }], then: /^200$/ },

  // Something else than the file.
  { name: "a web page", kinds: ALL, attempts: [{ faults: [{ body: Buffer.from("<!doctype html><title>Log in</title>"), type: "text/html; charset=utf-8" }], kind: /html/, says: /web page/ }], then: /^200$/ },
  { name: "a web page without a type", kinds: TWO, attempts: [{ faults: [{ body: Buffer.from("<!DOCTYPE html><title>Log in</title>"), type: null }], kind: /html/, says: /web page/ }], then: /^200$/ },
  { name: "a web page as long as the file", kinds: TWO, attempts: [{ faults: (it) => [{ body: Buffer.from("<html>".padEnd(it.bytes().length)), type: "application/octet-stream" }], kind: /html/, says: /web page/ }], then: /^200$/ },
  { name: "a web page after a cut", kinds: ALL, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: [{ body: Buffer.from("<!doctype html><title>Log in</title>"), type: "text/html", ranges: "ignored" }], kind: /html/, says: /web page/ }] },
  { name: "a web page in place of the configuration", kinds: TWO, file: "config.json", attempts: [{ faults: [{ body: Buffer.from("<!doctype html>"), type: "text/html" }], kind: /html/, says: /config\.json/ }] },
  { name: "a web page in place of a manifest there is none of", file: "manifest.json", attempts: [{ faults: [{ body: Buffer.from("<!doctype html>"), type: "text/html" }] }] },
  ...[401, 403, 404, 410, 429, 500, 503].map((status) => ({ name: `status ${status}`, kinds: /** @type {const} */ (["list"]), attempts: [{ faults: [{ status }], kind: /http/, says: new RegExp(`${status}`) }], then: /^200$/ })),
  { name: "status 404", attempts: [{ faults: [{ status: 404 }], code: /LAB-DOWNLOAD|LAB-BAD-FILE/, says: /model\.safetensors/ }], then: /^200$/ },
  { name: "status 503", attempts: [{ faults: [{ status: 503 }], kind: /http/, says: /503.*model\.safetensors/ }], then: /^200$/ },
  { name: "status 503 after a cut", kinds: ALL, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: [{ status: 503 }], kind: /http/, says: /503/ }], then: /^206$/ },
  { name: "status 500 for the configuration", kinds: TWO, file: "config.json", attempts: [{ faults: [{ status: 500 }], kind: /http/, says: /500.*config\.json/ }] },
  { name: "status 500 for the manifest", kinds: ["manifest"], file: "manifest.json", attempts: [{ faults: [{ status: 500 }], kind: /http/, says: /500.*manifest\.json/ }] },
  { name: "a manifest that is none", kinds: ["manifest"], file: "manifest.json", attempts: [{ faults: [{ body: Buffer.from('{"format": "sae-lab-model/1", "files": ') }], code: /LAB-DOWNLOAD|LAB-BAD-FILE/, says: /manifest\.json/ }] },

  // Going on after a cut.
  { name: "200 in place of 206", kinds: ALL, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: [{ ranges: "ignored" }], asked: /^200$/ }] },
  { name: "206 from the wrong place", kinds: ALL, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: [{ ranges: "shifted" }], kind: /range/, either: true, asked: /^206( 200)?$/ }] },
  { name: "416", kinds: ALL, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { faults: [{ ranges: "refused" }], asked: /^416 200$/ }] },
  { name: "another file with another ETag", attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { put: "new", content: "new", asked: /^(206 )?200$/ }] },
  { name: "another file from a server that does not know If-Range", attempts: [{ faults: [{ cut: 0.5, blind: true }], kind: /network/ }, { put: "new", faults: [{ blind: true }], content: "new", asked: /^206 200$/ }] },
  { name: "another file with the same weak ETag", attempts: [{ faults: [{ cut: 0.5, etag: 'W/"1"', modified: null }], kind: /network/ }, { put: "new", faults: [{ etag: 'W/"1"', modified: null, blind: true }], content: "new", asked: /^200$/ }] },
  { name: "another file with another date and no ETag", attempts: [{ faults: [{ cut: 0.5, etag: null }], kind: /network/ }, { put: "new", faults: [{ etag: null }], content: "new", asked: /^200$/ }] },
  { name: "another file with neither ETag nor date", attempts: [{ faults: [{ cut: 0.5, etag: null, modified: null }], kind: /network/ }, { put: "new", faults: [{ etag: null, modified: null }], content: "new", asked: /^200$/ }] },
  { name: "another file than on record", kinds: KNOWN, attempts: [{ faults: [{ cut: 0.5 }], kind: /network/ }, { put: "new", kind: /hash/ }, { put: "old", asked: /^200$/ }] },
  { name: "the same date and no ETag", kinds: ALL, attempts: [{ faults: [{ cut: 0.5, etag: null }], kind: /network/ }, { faults: [{ etag: null }], asked: /^206$/ }] },
  { name: "neither ETag nor date", kinds: KNOWN, attempts: [{ faults: [{ cut: 0.5, etag: null, modified: null }], kind: /network/ }, { faults: [{ etag: null, modified: null }], asked: /^20[06]$/ }] },
  { name: "a server whose CORS does not allow If-Range", kinds: ALL, attempts: [{ faults: [{ cut: 0.5, preflight: false }], kind: /network/ }, { faults: [{ preflight: false }], asked: /^20[06]$/ }] },
];

for (const { name, kinds = ["address"], file, attempts, then } of rows) {
  for (const kind of kinds) {
    test(`${name} (${kind})`, options, async (session) => {
      const served = await serve(`/${slug(name)}-${kind}`, kind);
      if (file !== undefined) served.target = file;
      await prepare(session, served);
      const healthy = attempts.at(-1)?.code ?? attempts.at(-1)?.kind ?? attempts.at(-1)?.says;
      const last = healthy === undefined ? [] : [{ asked: then }];
      for (const { faults = [], put, asked, ...expected } of [...attempts, ...last]) {
        if (put) served.put(put);
        served.behave(typeof faults === "function" ? faults(served) : faults);
        const mark = served.mark();
        const ended = await session.lab(attempt, { source: served.source });
        session.note(told(ended, served.since(mark)));
        check(ended, expected);
        if (asked) assert.match(served.since(mark), asked, "what the server was asked for");
        if (ended.kind === "hash") await keepsNothing(session, served);
      }
      calm(session);
    });
  }
}

test("a redirect to another host is followed, and followed again after a cut", options, async (session) => {
  for (const kind of ALL) {
    const served = await serve(`/redirect-${kind}`, kind);
    await prepare(session, served);
    const { faults } = served;
    const elsewhere = `/elsewhere-${kind}`;
    faults.put(elsewhere, served.bytes());
    served.behave([{ redirect: faults.other + elsewhere }]);
    for (const [fault, expected, asked] of [[{ cut: 0.5 }, { kind: /network/ }, [200]], [{}, {}, [206]]]) {
      faults.behave(elsewhere, fault);
      const before = faults.of(elsewhere).length;
      const ended = await session.lab(attempt, { source: served.source });
      const answers = faults.of(elsewhere).slice(before).map(({ status }) => status);
      session.note(`${kind}: ${told(ended, `elsewhere ${answers.join(" ")}`)}`);
      check(ended, expected);
      assert.deepEqual(answers, asked);
    }
  }
  calm(session);
});

for (const [name, fault, expected] of /** @type {const} */ ([
  ["a web page", { body: Buffer.from("<!doctype html><title>Log in</title>"), type: "text/html" }, { kind: /html/, says: /web page/ }],
  ["a refusal to other sites", { cors: false }, { kind: /network|redirect/, says: /CORS/ }],
  ["the same address again and again", { redirect: "." }, { kind: /network|redirect/, says: /connection|redirect/i }],
])) {
  test(`a redirect to another host, and there ${name}`, options, async (session) => {
    const served = await serve(`/redirect-${slug(name)}`, "address");
    await prepare(session, served);
    const elsewhere = `/elsewhere-${slug(name)}`;
    served.faults.put(elsewhere, served.bytes());
    served.faults.behave(elsewhere, fault.redirect ? { redirect: served.faults.other + elsewhere } : fault);
    served.behave([{ redirect: served.faults.other + elsewhere }]);
    for (const [list, wanted] of [[null, expected], [[], {}]]) {
      if (list) served.behave(list);
      const mark = served.mark();
      const ended = await session.lab(attempt, { source: served.source });
      session.note(told(ended, served.since(mark)));
      check(ended, wanted);
    }
    calm(session);
  });
}

test("10 kB/s: progress arrives, stopping is heard at once, and the rest comes later", options, async (session) => {
  const served = await serve("/slow", "address");
  await prepare(session, served);
  served.behave([{ rate: 10_000 }]);
  let mark = served.mark();
  const ended = await session.lab(attempt, { source: served.source, stopAt: 12_000 });
  session.note(`${told(ended, served.since(mark))} after ${ended.latency.toFixed(1)} ms`);
  check(ended, { code: /LAB-CANCELLED/ });
  assert.ok(ended.latency <= 250, `${ended.latency} ms`);
  const [answer] = served.entries(mark);
  await closed(answer);
  served.behave([]);
  mark = served.mark();
  const again = await session.lab(attempt, { source: served.source });
  const [{ from }] = served.entries(mark);
  session.note(`${told(again, served.since(mark))}, from byte ${from}`);
  check(again, {});
  assert.equal(served.since(mark), "206");
  assert.ok(from > 0 && from < 100_000, String(from));
  calm(session);
});

test("20 rapid stops, at any moment: each is heard at once, and the next attempt loads", options, async (session) => {
  const served = await serve("/stops", "address");
  await prepare(session, served);
  served.behave([{ rate: 40_000 }]);
  const latencies = await session.lab(async ({ lab, source }) => {
    const out = [];
    for (let i = 0; i < 20; i++) {
      const abort = new AbortController();
      const loading = lab.loadModel(source, { signal: abort.signal }).then((model) => model.dispose().then(() => "LOADED"), ({ code }) => code);
      await new Promise((done) => setTimeout(done, 12 * i));
      const t = performance.now();
      abort.abort();
      out.push({ code: await loading, milliseconds: performance.now() - t, after: 12 * i });
    }
    return out;
  }, { source: served.source });
  const sorted = latencies.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const p95 = sorted[Math.ceil(0.95 * sorted.length) - 1];
  session.note(`stopped after 0, 12, … 228 ms: median ${sorted[10].toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, largest ${sorted.at(-1).toFixed(1)} ms`);
  assert.deepEqual([...new Set(latencies.map(({ code }) => code))], ["LAB-CANCELLED"]);
  assert.ok(p95 <= 250, `p95 ${p95} ms`);
  served.behave([]);
  const mark = served.mark();
  const ended = await session.lab(attempt, { source: served.source });
  session.note(told(ended, served.since(mark)));
  check(ended, {});
  calm(session);
});

test("offline: said in words; what was kept loads all the same, what was begun goes on later", options, async (session) => {
  const [fresh, begun, kept] = [await serve("/offline", "address"), await serve("/offline-begun", "address"), await serve("/offline-kept", "list")];
  await prepare(session, fresh, begun, kept);
  const tryIt = async (served, expected, values = {}) => {
    const mark = served.mark();
    const ended = await session.lab(attempt, { source: served.source, ...values });
    session.note(`${served.folder}: ${told(ended, served.since(mark))}`);
    check(ended, expected);
    return served.since(mark);
  };
  await tryIt(kept, {});
  await session.context.setOffline(true);
  try {
    await tryIt(fresh, { kind: /network/, says: /offline/ });
    assert.equal(await tryIt(kept, {}), "");
  } finally {
    await session.context.setOffline(false);
  }
  await tryIt(fresh, {});
  const { fault, go } = held(begun);
  begun.behave([{ ...fault, cut: 0.8 }]);
  const broken = tryIt(begun, { kind: /network/, says: /offline.*kept/ });
  await sent(begun, 0, 0.6);
  await session.context.setOffline(true);
  go();
  try {
    await broken;
  } finally {
    await session.context.setOffline(false);
  }
  begun.behave([]);
  assert.equal(await tryIt(begun, {}), "206");
  calm(session);
});

// A server that falls silent is given up after half a minute; here that half minute is one second long.
const HURRY = "{ const later = globalThis.setTimeout; globalThis.setTimeout = (f, ms, ...more) => later(f, ms >= 20000 ? ms / 30 : ms, ...more); }";
test("a server that falls silent is given up, and what came is kept", { ...options, shared: false, prelude: HURRY }, async (session) => {
  const served = await serve("/silent", "address");
  await prepare(session, served);
  for (const [faults, expected, asked] of /** @type {const} */ ([
    [[{ stall: 0.5 }], { kind: /stalled/, says: /30 seconds.*kept/ }, /^200$/],
    [[{ stall: 0 }], { kind: /stalled/, says: /30 seconds/ }, /^206$/],
    [[], {}, /^206$/],
  ])) {
    served.behave(faults);
    const mark = served.mark();
    const ended = await session.lab(attempt, { source: served.source });
    session.note(told(ended, served.since(mark)));
    check(ended, expected);
    assert.match(served.since(mark), asked);
  }
  calm(session);
});

test("the same model twice at once: one download, two models", options, async (session) => {
  for (const kind of ALL) {
    const served = await serve(`/twice-${kind}`, kind);
    await prepare(session, served);
    served.behave([{ rate: 800_000 }]);
    const mark = served.mark();
    const both = await session.lab(async ({ lab, source }) => {
      const models = await Promise.all([lab.loadModel(source), lab.loadModel(source)]);
      const out = [];
      for (const model of models) {
        const logits = await window.logitsOf(model);
        out.push(logits.every((x, i) => x === window.right.old[i]));
        await model.dispose();
      }
      return out;
    }, { source: served.source });
    session.note(`${kind}: [${served.since(mark)}] both loaded`);
    assert.deepEqual(both, [true, true]);
    assert.equal(served.since(mark), "200");
  }
  calm(session);
});

test("a page from plain http checks the hashes too", { ...options, shared: false, noWebGPU: "insecure" }, async (session) => {
  const served = await serve("/plain", "list");
  await prepare(session, served);
  for (const [faults, expected] of [[[{ body: served.flipped(0.6) }], { kind: /hash/ }], [[], {}], [[{ refuse: true }], {}]]) {
    served.behave(faults);
    const mark = served.mark();
    const ended = await session.lab(attempt, { source: served.source });
    session.note(told(ended, served.since(mark)));
    check(ended, expected);
  }
  calm(session);
});

/** After a wrong hash no part of the file may be kept. */
async function keepsNothing({ lab }, served) {
  const kept = await lab(({ lab }) => lab.kept());
  const left = kept.filter(({ url }) => url === served.faults.url + served.path());
  assert.deepEqual(left, [], "nothing of a wrong file is kept");
}

