// @ts-check
// Keeps files in the Cache API, where a browser has no file system: KEY/meta, and the bytes as KEY/0, KEY/1, … of a few MB each.
// The number of pieces and of bytes stands in the meta entry, which is written after the piece.
import { PIECE, countOf, toMeta } from "./kept.js";

/** @typedef {import("./kept.js").Meta} Meta */
/** @typedef {{count: number, bytes: number}} Size */

const NAME = "sae-lab-models";

/** @type {import("./kept.js").Place} */
export const cache = { where: "cache", markEvery: 2000, probe, find, list, keys, write, remove };

async function probe() {
  await caches.open(NAME);
}

/**
 * No server is asked for these addresses; a cache only takes some.
 *
 * @param {string} key
 * @param {string | number} part
 */
function address(key, part) {
  return new URL(`/__sae-lab-kept/${key}/${part}`, globalThis.location.origin).href;
}

/** @param {string} key */
async function find(key) {
  return open(await caches.open(NAME), key);
}

async function list() {
  const store = await caches.open(NAME);
  const found = await Promise.all((await keys()).map((key) => open(store, key)));
  return found.filter((kept) => kept !== null);
}

async function keys() {
  const urls = (await (await caches.open(NAME)).keys()).map(({ url }) => /\/__sae-lab-kept\/([^/]+)\//.exec(url)?.[1]);
  return [...new Set(urls.filter((key) => key !== undefined))];
}

/**
 * @param {Cache} store
 * @param {string} key
 * @returns {Promise<import("./kept.js").Kept | null>}
 */
async function open(store, key) {
  try {
    const { meta: written, count, bytes } = await (await store.match(address(key, "meta")))?.json();
    const meta = toMeta(written, key);
    if (meta === null || !Number.isSafeInteger(count) || !Number.isSafeInteger(bytes)) return null;
    // What is to be added to has to be as long as it says.
    const there = meta.complete || (await lengthOf(store, key, count)) === bytes;
    return { meta, where: "cache", bytes: there ? countOf(meta, bytes) : 0, read: () => read(store, key, count) };
  } catch {
    return null;
  }
}

/**
 * @param {Cache} store
 * @param {string} key
 * @param {number} count
 */
async function lengthOf(store, key, count) {
  let length = 0;
  for (let part = 0; part < count; part++) length += (await (await store.match(address(key, part)))?.blob())?.size ?? NaN;
  return length;
}

/**
 * @param {Cache} store
 * @param {string} key
 * @param {number} count
 */
async function* read(store, key, count) {
  for (let part = 0; part < count; part++) {
    const response = await store.match(address(key, part));
    if (response === undefined) throw new Error("A part of the kept file is gone.");
    yield new Uint8Array(await response.arrayBuffer());
  }
}

/**
 * @param {Meta} meta
 * @param {import("./kept.js").Kept | null} kept
 * @returns {Promise<import("./kept.js").Writer>}
 */
async function write(meta, kept) {
  const store = await caches.open(NAME);
  let count = 0;
  if (kept !== null) ({ count } = await (await store.match(address(meta.key, "meta")))?.json());
  /** @type {Uint8Array[]} */
  let waiting = [];
  let waitingBytes = 0;
  /** @param {Meta} last @param {number} bytes */
  const describe = (last, bytes) => store.put(address(last.key, "meta"), new Response(JSON.stringify({ meta: last, count, bytes })));
  await describe(meta, kept?.bytes ?? 0);
  /** @type {import("./kept.js").Writer} */
  const writer = {
    bytes: kept?.bytes ?? 0,
    async append(piece) {
      if (waitingBytes >= PIECE) await flush();
      // The engine may take the piece's buffer away before it is written.
      waiting.push(piece.slice());
      waitingBytes += piece.byteLength;
      this.bytes += piece.byteLength;
    },
    async *all() {
      yield* read(store, meta.key, count);
      yield* waiting;
    },
    async mark(news) {
      await flush();
      await describe(news, this.bytes);
    },
    async close(last) {
      await flush();
      await describe(last, this.bytes);
    },
  };
  return writer;

  async function flush() {
    if (waitingBytes === 0) return;
    await store.put(address(meta.key, count), new Response(new Blob(/** @type {BlobPart[]} */ (waiting))));
    count += 1;
    waiting = [];
    waitingBytes = 0;
  }
}

/** @param {string} key */
async function remove(key) {
  const store = await caches.open(NAME);
  await store.delete(address(key, "meta"));
  const folder = address(key, "");
  for (const request of await store.keys()) if (request.url.startsWith(folder)) await store.delete(request);
}
