// What the browser keeps of a model is only a cache: whatever happens to it, the model loads, from the server where need be, and
// its weights are the right ones. The file is tests/reference/models/random on a server that counts what it is asked for.

import assert from "node:assert/strict";
import { BYTES, attempt, calm, check, held, prepare, prepareKept, sent, serve, slug, told } from "./fault-cases.mjs";
import { test } from "./harness.mjs";

/**
 * Makes the browser's storage fail by `window.faults`, on the page and, as it was when the worker started, in workers:
 * opfs, cache, locks: "denied" (its calls reject), "absent" (it is not there); handles: "absent"; quota: bytes until none is left.
 */
const FAULTS = `
  globalThis.faults = JSON.parse(globalThis.name?.split("#faults=")[1] ?? "{}");
  if (globalThis.Window) {
    const Plain = Worker;
    globalThis.Worker = class extends Plain {
      constructor(url, options) { super(url, { ...options, name: (options?.name ?? "") + "#faults=" + JSON.stringify(globalThis.faults) }); }
    };
  }
  {
    const wrap = (owner, name, fault) => {
      const real = owner?.prototype[name];
      if (real) owner.prototype[name] = function (...args) { return fault(args) ?? real.apply(this, args); };
    };
    const denied = (which) => () => (faults[which] === "denied" ? Promise.reject(new DOMException("Storage is denied here.", "SecurityError")) : undefined);
    wrap(globalThis.StorageManager, "getDirectory", denied("opfs"));
    for (const name of ["open", "match", "has", "delete", "keys"]) wrap(globalThis.CacheStorage, name, denied("cache"));
    for (const name of ["request", "query"]) wrap(globalThis.LockManager, name, denied("locks"));
    const full = () => new DOMException("No space is left.", "QuotaExceededError");
    let written = 0;
    const over = (bytes) => faults.quota !== undefined && (written += bytes) > faults.quota;
    wrap(globalThis.FileSystemSyncAccessHandle, "write", ([data]) => { if (over(data.byteLength)) throw full(); });
    wrap(globalThis.FileSystemWritableFileStream, "write", ([data]) => over(data.byteLength ?? data.size ?? 0) ? Promise.reject(full()) : undefined);
    wrap(globalThis.Cache, "put", ([, response]) => faults.quota === undefined ? undefined
      : response.clone().blob().then((blob) => over(blob.size) ? Promise.reject(full()) : undefined));
    const absent = (owner, name, which) => {
      const real = Object.getOwnPropertyDescriptor(owner, name);
      if (real) Object.defineProperty(owner, name, { configurable: true, get() { return faults[which] === "absent" ? undefined : real.get ? real.get.call(this) : real.value; } });
    };
    const navigator = (globalThis.Navigator ?? globalThis.WorkerNavigator).prototype;
    absent(navigator, "storage", "opfs");
    absent(navigator, "locks", "locks");
    absent(globalThis, "BroadcastChannel", "locks");
    absent("caches" in globalThis && Object.hasOwn(globalThis, "caches") ? globalThis : (globalThis.Window ?? globalThis.WorkerGlobalScope).prototype, "caches", "cache");
    if (globalThis.FileSystemFileHandle) absent(FileSystemFileHandle.prototype, "createSyncAccessHandle", "handles");
  }
`;
const options = { device: "cpu", shared: true, timeout: 60_000, prelude: FAULTS };
/** No hash on record; one, for each of several pieces. */
const TWO = /** @type {const} */ (["address", "manifest"]);
/** Each of them in one kind of storage. @type {["address" | "manifest", object][]} */
const BOTH = [["address", {}], ["manifest", { opfs: "denied" }]];

/** Opens a lab on a page of the session's site, with storage that fails as told, and makes it ready. */
async function openWith(session, faults = {}, page = session.page) {
  if (page.url() !== `${session.url}__blank`) await page.goto(`${session.url}__blank`);
  return openIn(page, faults);
}

/** @param {import("playwright-core").Page | import("playwright-core").Frame} frame */
async function openIn(frame, faults) {
  const handle = await frame.evaluateHandle(async (faults) => {
    window.faults = faults;
    const { openLab } = await import("./sae-lab.js");
    return openLab({ device: "cpu" });
  }, faults);
  return {
    lab: (fn, values = {}) => frame.evaluate(fn, { lab: handle, ...values }),
    close: () => handle.evaluate((lab) => lab.dispose()),
  };
}

/** Loads once; a line for the table; checks. @returns what was asked of the server, and the attempt */
async function load(session, opened, served, expected = {}, values = {}) {
  const mark = served.mark();
  const ended = await opened.lab(attempt, { source: served.source, ...values });
  const asked = served.since(mark);
  session.note(`${served.folder}: ${told(ended, asked)}${ended.from?.keptReason ? ` (${ended.from.keptReason})` : ""}`);
  check(ended, expected);
  return { asked, ended };
}

/** @type {[string, object, RegExp, RegExp | null, RegExp][]}  name, faults, where it is kept, the reason in words, what a second load asks for */
const denials = [
  ["all is well", {}, /^opfs$/, null, /^$/],
  ["private files denied", { opfs: "denied" }, /^cache$/, null, /^$/],
  ["private files without synchronous access", { handles: "absent" }, /^(opfs|cache)$/, null, /^$/],
  ["private files denied, as in a private window that has no Cache either", { opfs: "denied", cache: "denied" }, /^memory$/, /./, /^$/],
  ["no storage at all", { opfs: "absent", cache: "absent", locks: "absent" }, /^memory$/, /./, /^$/],
  ["all storage denied, and locks with it", { opfs: "denied", cache: "denied", locks: "denied" }, /^memory$/, /./, /^$/],
  ["locks denied", { locks: "denied" }, /^(opfs|cache)$/, null, /^$/],
  ["quota reached at 50 %", { quota: BYTES / 2 }, /^(memory|cache|null)$/, /space|quota|full|room/i, /^(200|206|)$/],
  ["quota reached at 50 % of the Cache", { quota: BYTES / 2, opfs: "denied" }, /^(memory|null)$/, /space|quota|full|room/i, /^(200|206|)$/],
  ["quota reached at once", { quota: 0 }, /^(memory|cache|null)$/, /space|quota|full|room/i, /^(200|206|)$/],
];
for (const [name, faults, where, reason, second] of denials) {
  test(name, options, async (session) => {
    const opened = await openWith(session, faults);
    for (const kind of TWO) {
      const served = await serve(`/${slug(name)}-${kind}`, kind);
      await prepare(opened, served);
      const first = await load(session, opened, served);
      assert.equal(first.asked, "200");
      assert.match(String(first.ended.from.kept), where);
      if (reason) assert.match(first.ended.from.keptReason ?? "", reason);
      const again = await load(session, opened, served);
      assert.match(again.asked, second, "what the second load asked for");
    }
    await opened.close();
    calm(session);
  });
}

test("quota reached for real", { ...options, shared: false }, async (session) => {
  const opened = await openWith(session);
  const devtools = await session.context.newCDPSession(session.page);
  const { origin } = new URL(session.url);
  for (const kind of TWO) {
    const served = await serve(`/real-quota-${kind}`, kind);
    await prepare(opened, served);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 100_000 });
    await load(session, opened, served);
    await load(session, opened, served);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin });
    await opened.lab(({ lab }) => lab.forget("all"));
    await load(session, opened, served);
    assert.equal((await load(session, opened, served)).asked, "");
  }
  await opened.close();
  calm(session);
});

/** @type {[string, object[], {how: string, of: "large" | "small"}, RegExp][]}  name, the first load's faults, what happens to the kept files, what the next load asks for */
const damages = [
  ["a part of the file is damaged after a cut", [{ cut: 0.5 }], { how: "flip", of: "large" }, /^(206 )?200$/],
  ["a part of the file is shortened after a cut", [{ cut: 0.5 }], { how: "shorten", of: "large" }, /^(206|200|206 200)$/],
  ["a part of the file has grown after a cut", [{ cut: 0.5 }], { how: "lengthen", of: "large" }, /^(206 |416 )?20[06]$/],
  ["a part of the file is empty after a cut", [{ cut: 0.5 }], { how: "empty", of: "large" }, /^(206 )?200$/],
  ["what is known of a cut file is damaged", [{ cut: 0.5 }], { how: "garbage", of: "small" }, /^(206 )?20[06]$/],
  ["what is known of a cut file is gone", [{ cut: 0.5 }], { how: "remove", of: "small" }, /^(206 )?20[06]$/],
  ["a complete file is damaged", [], { how: "flip", of: "large" }, /^(206 )?200$/],
  ["a complete file is shortened", [], { how: "shorten", of: "large" }, /^(206|200)( 200)?$/],
  ["a complete file has grown", [], { how: "lengthen", of: "large" }, /^(200|416 200)?$/],
  ["a complete file is gone and what is known of it is there", [], { how: "remove", of: "large" }, /^200$/],
  ["what is known of a complete file is damaged", [], { how: "garbage", of: "small" }, /^(416 )?(200)?$/],
  ["what is known of a complete file is half written", [], { how: "halve", of: "small" }, /^(416 )?(200)?$/],
  ["what is known of a complete file has other types", [], { how: "types", of: "small" }, /^(416 )?(200)?$/],
  ["what is known of a complete file is gone", [], { how: "remove", of: "small" }, /^(416 )?(200)?$/],
];
for (const [store, kinds, faults] of /** @type {const} */ ([["opfs", TWO, {}], ["cache", ["address"], { opfs: "denied" }]])) {
  for (const [name, first, damage, next] of damages) {
    test(`${store}: ${name}`, options, async (session) => {
      const opened = await openWith(session, faults);
      for (const kind of kinds) {
        const served = await serve(`/${store}-${slug(name)}-${kind}`, kind);
        await prepare(opened, served);
        await opened.lab(({ lab }) => lab.forget("all"));
        served.behave(first);
        await load(session, opened, served, first.length > 0 ? { kind: /network/ } : {});
        served.behave([]);
        const spoilt = await opened.lab(spoil, { store, ...damage });
        assert.ok(spoilt > 0, "there was something to damage");
        const { asked } = await load(session, opened, served);
        assert.match(asked, next, `${spoilt} spoilt`);
        assert.equal((await load(session, opened, served)).asked, "", "and then it is kept");
        await opened.lab(spoil, { store, ...damage });
        await opened.lab(({ lab }) => lab.forget("all"));
        assert.equal(await opened.lab(left), 0, "and what is damaged can be deleted");
      }
      await opened.close();
      calm(session);
    });
  }
}

/**
 * On the page: damages what is kept, "large" (more than 4 kB: the files) or "small" (what is known of them).
 * @returns how many were damaged
 */
async function spoil({ store, how, of }) {
  const changes = {
    flip: (bytes) => { bytes[bytes.length >> 1] ^= 0x40; return bytes; },
    shorten: (bytes) => bytes.slice(0, -1000),
    lengthen: (bytes) => new Uint8Array([...bytes, ...new Uint8Array(1000)]),
    empty: () => new Uint8Array(0),
    halve: (bytes) => bytes.slice(0, bytes.length >> 1),
    garbage: () => new TextEncoder().encode("\u0000}{ no JSON"),
    types: (bytes) => {
      const odd = (value) => Object.fromEntries(Object.keys(value).map((key, i) => [key, [[], -1, { a: 1 }, null, 1e300][i % 5]]));
      try { return new TextEncoder().encode(JSON.stringify(odd(JSON.parse(new TextDecoder().decode(bytes))))); } catch { return new TextEncoder().encode("[]"); }
    },
    remove: null,
  };
  const change = changes[how];
  // The tokenizer counts as large, too.
  const meant = (size) => (of === "large" ? size > 4096 : size <= 4096);
  let count = 0;
  const walk = async (folder) => {
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind === "directory") { await walk(handle); continue; }
      const file = await handle.getFile();
      if (!meant(file.size)) continue;
      count += 1;
      if (change === null) { await folder.removeEntry(name); continue; }
      const bytes = change(new Uint8Array(await file.arrayBuffer()));
      const writable = await handle.createWritable();
      await writable.write(bytes);
      await writable.close();
    }
  };
  if (store === "opfs") await walk(await navigator.storage.getDirectory());
  else for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const response = await cache.match(request);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (!meant(bytes.length)) continue;
      count += 1;
      if (change === null) await cache.delete(request);
      else await cache.put(request, new Response(change(bytes), { headers: response.headers }));
    }
  }
  return count;
}

/** On the page: how many files and entries there are in all storage. */
async function left() {
  let count = 0;
  const walk = async (folder) => {
    for await (const handle of folder.values()) {
      if (handle.kind === "directory") await walk(handle);
      else count += 1;
    }
  };
  await walk(await navigator.storage.getDirectory().catch(() => ({ values: () => [] })));
  for (const name of await caches.keys()) count += (await (await caches.open(name)).keys()).length;
  return count;
}

test("storage is cleared between two loads", { ...options, shared: false }, async (session) => {
  for (const [kind, faults] of BOTH) {
    const served = await serve(`/evicted-${kind}`, kind);
    // A new page each time: after it was cleared, a page that was there may still write to what nobody finds.
    for (const [asked, before] of /** @type {const} */ ([["200", null], ["200", "evict"], ["", "reload"]])) {
      if (before === "evict") await evict(session);
      if (before !== null) await session.page.reload();
      const opened = await openWith(session, faults);
      await (before === null ? prepare : prepareKept)(opened, served);
      assert.equal((await load(session, opened, served)).asked, asked);
      await opened.close();
    }
  }
  calm(session);
});

test("storage is cleared during a load", { ...options, shared: false }, async (session) => {
  for (const [kind, faults] of BOTH) {
    const opened = await openWith(session, faults);
    const served = await serve(`/evicted-during-${kind}`, kind);
    await prepare(opened, served);
    const { fault, go } = held(served);
    served.behave([fault, {}]);
    const mark = served.mark();
    const loading = load(session, opened, served);
    await sent(served, mark, 0.6);
    await evict(session);
    go();
    await loading;
    await load(session, opened, served);
    assert.equal((await load(session, opened, served)).asked, "");
    await opened.close();
  }
  calm(session);
});

test("another tab deletes the file during a load", { ...options, shared: false }, async (session) => {
  const [here, there] = [await openWith(session), await openWith(session, {}, await session.context.newPage())];
  for (const kind of TWO) {
    const served = await serve(`/deleted-${kind}`, kind);
    await prepare(here, served);
    const { fault, go } = held(served);
    served.behave([fault, {}]);
    const mark = served.mark();
    const loading = load(session, here, served);
    await sent(served, mark, 0.6);
    const forgotten = await there.lab(({ lab }) => lab.forget("all").then(() => "done", ({ code }) => code));
    session.note(`the other tab's forget: ${forgotten}`);
    go();
    await loading;
    await load(session, here, served);
    assert.equal((await load(session, here, served)).asked, "");
  }
  calm(session);
});

test("two tabs at once: one download, both have the model", { ...options, shared: false }, async (session) => {
  const other = await session.context.newPage();
  for (const [kind, faults] of BOTH) {
    const tabs = [await openWith(session, faults, other), await openWith(session, faults)];
    const served = await serve(`/two-tabs-${kind}`, kind);
    for (const tab of tabs) await prepare(tab, served);
    const { fault, go } = held(served);
    served.behave([fault]);
    const mark = served.mark();
    const first = load(session, tabs[0], served);
    await sent(served, mark, 0.6);
    const second = load(session, tabs[1], served);
    await waits(session.page);
    go();
    await Promise.all([first, second]);
    assert.equal(served.since(mark), "200");
    for (const tab of tabs) await tab.close();
  }
  calm(session);
});

for (const [kind, how, end] of /** @type {["address" | "manifest", string, Function][]} */ ([
  ["address", "is closed", (page) => page.close()],
  ["manifest", "stops", (page) => page.evaluate(() => window.abort.abort())],
  ["address", "closes its lab", (page) => page.evaluate(() => window.witness.lab.dispose())],
])) {
  test(`two tabs: the first ${how} half-way, the second goes on from there`, { ...options, shared: false }, async (session) => {
    const page = await session.context.newPage();
    const tabs = [await openWith(session, {}, page), await openWith(session)];
    const served = await serve(`/half-way-${slug(how)}`, kind);
    for (const tab of tabs) await prepare(tab, served);
    served.behave([held(served).fault, {}]);
    const mark = served.mark();
    await tabs[0].lab(({ lab, source }) => {
      window.abort = new AbortController();
      void lab.loadModel(source, { signal: window.abort.signal }).catch(() => {});
    }, { source: served.source });
    await sent(served, mark, 0.6);
    const going = load(session, tabs[1], served);
    await waits(session.page);
    await end(page);
    await going;
    const [, { from }] = served.entries(mark);
    session.note(`the server's answers ${served.since(mark)}, the second from byte ${from} of ${served.bytes().length}`);
    assert.equal(served.since(mark), "200 206");
    assert.ok(from > 0);
    calm(session);
  });
}

test("in an iframe of another site, with storage and without", { ...options, shared: false }, async (session) => {
  await session.open("__blank");
  for (const [name, faults] of /** @type {const} */ ([["a store of its own", {}], ["none", { opfs: "denied", cache: "denied", locks: "denied" }]])) {
    await session.page.evaluate((src) => new Promise((done) => {
      const frame = Object.assign(document.createElement("iframe"), { src, onload: done });
      document.body.replaceChildren(frame);
    }), `${session.url.replace("127.0.0.1", "localhost")}__blank`);
    const frame = session.page.frames().at(-1);
    assert.equal(new URL(frame.url()).hostname, "localhost");
    const opened = await openIn(frame, faults);
    const said = await opened.lab(async ({ lab }) => {
      const model = await lab.loadModel("tiny");
      const { text } = await model.generate("Once upon a time", { maxNewTokens: 2, temperature: 0 });
      return { text, kept: model.source.kept };
    });
    session.note(`${name}: kept in ${said.kept}`);
    assert.equal(said.text, "Once upon a time, there");
    const served = await serve(`/iframe-${slug(name)}`, "list");
    await prepare(opened, served);
    await load(session, opened, served);
    assert.equal((await load(session, opened, served)).asked, "");
  }
  calm(session);
});

/** Clears what the browser holds for the site, as it does when the disk is full. */
async function evict(session) {
  const devtools = await session.context.newCDPSession(session.page);
  await devtools.send("Storage.clearDataForOrigin", { origin: new URL(session.url).origin, storageTypes: "file_systems,cache_storage" });
  await devtools.detach();
}

/** Waits until the load on a page waits for another tab. */
async function waits(page) {
  await page.waitForFunction(() => window.phases?.has("wait"), null, { polling: 20, timeout: 20_000 });
}
