// @ts-check
// Keeps files in the Cache API, where a browser has no file system: KEY/meta, and the bytes as KEY/0, KEY/1, … of a few MB each.
// The lengths of the pieces stand in the meta entry, which is written after them.
import { PIECE, toMeta } from "./kept.js";

/** @typedef {import("./kept.js").Meta} Meta */

const NAME = "sae-lab-models";

/** @type {import("./kept.js").Place} */
export const cache = { where: "cache", probe, find, list, write, remove };

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
  const keys = (await store.keys()).map(({ url }) => /\/__sae-lab-kept\/([^/]+)\/meta$/.exec(url)?.[1]).filter((key) => key !== undefined);
  const found = await Promise.all(keys.map((key) => open(store, key)));
  return found.filter((kept) => kept !== null);
}

/**
 * @param {Cache} store
 * @param {string} key
 * @returns {Promise<import("./kept.js").Kept | null>}
 */
async function open(store, key) {
  try {
    const { meta: written, lengths } = await (await store.match(address(key, "meta")))?.json();
    const meta = toMeta(written, key);
    if (meta === null || !Array.isArray(lengths) || !lengths.every(Number.isSafeInteger)) return null;
    return { meta, where: "cache", bytes: sum(lengths), read: () => read(store, key, lengths.length) };
  } catch {
    return null;
  }
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
  /** @type {number[]} */
  let lengths = [];
  if (kept !== null) ({ lengths } = await (await store.match(address(meta.key, "meta")))?.json());
  while (kept !== null && sum(lengths) > kept.bytes) lengths.pop();
  if (sum(lengths) !== (kept?.bytes ?? 0)) throw new Error("No kept piece ends where the part does.");
  /** @type {Uint8Array[]} */
  let waiting = [];
  let waitingBytes = 0;
  /** @param {Meta} news */
  const describe = (news) => store.put(address(news.key, "meta"), new Response(JSON.stringify({ meta: news, lengths })));
  await describe(meta);
  /** @type {import("./kept.js").Writer} */
  const writer = {
    bytes: kept?.bytes ?? 0,
    async append(piece) {
      // The engine may take the piece's buffer away before it is written.
      waiting.push(piece.slice());
      waitingBytes += piece.byteLength;
      this.bytes += piece.byteLength;
      if (waitingBytes >= PIECE) await flush();
    },
    note,
    close: note,
  };
  return writer;

  /** @param {Meta} news */
  async function note(news) {
    await flush();
    await describe(news);
  }

  async function flush() {
    if (waitingBytes === 0) return;
    await store.put(address(meta.key, lengths.length), new Response(new Blob(/** @type {BlobPart[]} */ (waiting))));
    lengths.push(waitingBytes);
    waiting = [];
    waitingBytes = 0;
  }
}

/** @param {string} key */
async function remove(key) {
  const store = await caches.open(NAME);
  await store.delete(address(key, "meta"));
  const [folder] = address(key, "").split("?", 1);
  for (const request of await store.keys()) if (request.url.startsWith(folder ?? "")) await store.delete(request);
}

/** @param {number[]} lengths */
function sum(lengths) {
  return lengths.reduce((sum, length) => sum + length, 0);
}
