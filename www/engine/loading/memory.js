// @ts-check
// Keeps files as Blobs where the browser has no storage for the page (an iframe of another site, private mode): for as long as
// the page is open, and beside WebAssembly's memory, not in it. The page owns them, so that a new worker has them as well: it sends what
// it has with each call, and the worker tells it what has changed.
import { PIECE, countOf, piecesOf } from "./kept.js";

/** @typedef {import("./kept.js").Meta} Meta */
/** @typedef {{meta: Meta, blob: Blob}} Held */

/** @type {Map<string, Held>} */
let files = new Map();
/** In the worker: tells the page. @type {(key: string, held: Held | null) => void} */
let tell = () => {};

/** @type {import("./kept.js").Place} */
export const memory = { where: "memory", markEvery: 1000, probe: async () => {}, find, list, keys: async () => [...files.keys()], write, remove };

/** What is held, for the worker's next call. */
export function held() {
  return new Map(files);
}

/**
 * On the page: what a worker tells.
 *
 * @param {string} key
 * @param {Held | null} file
 */
export function hold(key, file) {
  if (file === null) files.delete(key);
  else files.set(key, file);
}

/**
 * In the worker: what the page holds, and how it hears of changes.
 *
 * @param {ReadonlyMap<string, Held>} from
 * @param {(key: string, held: Held | null) => void} listener
 */
export function adopt(from, listener) {
  files = new Map(from);
  tell = listener;
}

/** @param {string} key @returns {Promise<import("./kept.js").Kept | null>} */
async function find(key) {
  const file = files.get(key);
  return file === undefined ? null : open(file);
}

async function list() {
  return [...files.values()].map(open);
}

/** @param {Held} file @returns {import("./kept.js").Kept} */
function open({ meta, blob }) {
  const bytes = countOf(meta, blob.size);
  return { meta, where: "memory", bytes, read: () => piecesOf(blob.slice(0, bytes)) };
}

/**
 * @param {Meta} meta
 * @param {import("./kept.js").Kept | null} kept
 * @returns {Promise<import("./kept.js").Writer>}
 */
async function write(meta, kept) {
  let blob = kept === null ? new Blob() : (files.get(meta.key)?.blob.slice(0, kept.bytes) ?? new Blob());
  /** @type {Uint8Array[]} */
  let waiting = [];
  let waitingBytes = 0;
  let latest = meta;
  /** @param {Meta} last */
  const flush = (last) => {
    blob = new Blob([blob, .../** @type {BlobPart[]} */ (waiting)]);
    waiting = [];
    waitingBytes = 0;
    latest = last;
    set(last.key, { meta: last, blob });
  };
  /** @type {import("./kept.js").Writer} */
  const writer = {
    bytes: blob.size,
    async append(piece) {
      waiting.push(piece.slice());
      waitingBytes += piece.byteLength;
      this.bytes += piece.byteLength;
      if (waitingBytes >= PIECE) flush(latest);
    },
    async mark(news) {
      flush(news);
    },
    async close(last) {
      flush(last);
    },
    async *all() {
      yield* piecesOf(blob);
      yield* waiting;
    },
  };
  return writer;
}

/** @param {string} key */
async function remove(key) {
  if (files.has(key)) set(key, null);
}

/**
 * @param {string} key
 * @param {Held | null} file
 */
function set(key, file) {
  hold(key, file);
  tell(key, file);
}
