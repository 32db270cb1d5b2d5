// @ts-check
// Keeps files in the origin private file system: KEY.data, and KEY.json beside it. Pages list, read and remove; only workers
// write, because only they have createSyncAccessHandle(), which writes in place and nothing twice.
import { PIECE, countOf, piecesOf, toMeta } from "./kept.js";

/** @typedef {import("./kept.js").Meta} Meta */
/** @typedef {{write(bytes: Uint8Array, at: {at: number}): number, read(into: Uint8Array, at: {at: number}): number, truncate(length: number): void, flush(): void, close(): void, getSize(): number}} Access */

const FOLDER = "sae-lab-models";

/** @type {import("./kept.js").Place} */
export const opfs = { where: "opfs", markEvery: 250, probe, find, list, keys, write, remove };

async function folder() {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}

async function probe() {
  await folder();
  if (!("createSyncAccessHandle" in FileSystemFileHandle.prototype)) throw new Error("This browser cannot write files in place.");
}

/** @param {string} key */
async function find(key) {
  return open(await folder(), key);
}

async function list() {
  const directory = await folder();
  const found = await Promise.all((await keys()).map((key) => open(directory, key)));
  return found.filter((kept) => kept !== null);
}

async function keys() {
  const found = new Set();
  for await (const name of /** @type {AsyncIterable<string>} */ (/** @type {any} */ (await folder()).keys())) found.add(name.replace(/\.(json|data)$/, ""));
  return [...found];
}

/**
 * @param {FileSystemDirectoryHandle} directory
 * @param {string} key
 * @returns {Promise<import("./kept.js").Kept | null>}
 */
async function open(directory, key) {
  try {
    const meta = toMeta(JSON.parse(await (await fileOf(directory, `${key}.json`)).text()), key);
    const file = await fileOf(directory, `${key}.data`);
    if (meta === null) return null;
    const bytes = countOf(meta, file.size);
    return { meta, where: "opfs", bytes, read: () => piecesOf(file.slice(0, bytes)) };
  } catch {
    // Not there, half written, or evicted a moment ago.
    return null;
  }
}

/**
 * @param {FileSystemDirectoryHandle} directory
 * @param {string} name
 */
async function fileOf(directory, name) {
  return (await directory.getFileHandle(name)).getFile();
}

/**
 * @param {Meta} meta
 * @param {import("./kept.js").Kept | null} kept
 * @returns {Promise<import("./kept.js").Writer>}
 */
async function write(meta, kept) {
  const directory = await folder();
  const access = await accessTo(directory, `${meta.key}.data`);
  try {
    access.truncate(kept?.bytes ?? 0);
    await describe(directory, meta);
  } catch (error) {
    access.close();
    throw error;
  }
  /** @type {import("./kept.js").Writer} */
  const writer = {
    bytes: kept?.bytes ?? 0,
    async append(piece) {
      const written = access.write(piece, { at: this.bytes });
      // Chromium answers a number beyond all bounds when there is no room, or when the file was evicted while it was open.
      if (written !== piece.byteLength) throw new DOMException("There is no room left.", "QuotaExceededError");
      this.bytes += written;
    },
    mark: (news) => describe(directory, news),
    async *all() {
      const buffer = new Uint8Array(PIECE);
      for (let at = 0; at < this.bytes; ) {
        const read = access.read(buffer.subarray(0, Math.min(PIECE, this.bytes - at)), { at });
        if (read === 0) throw new Error("What was written is gone.");
        yield buffer.slice(0, read);
        at += read;
      }
    },
    async close(last) {
      try {
        access.truncate(this.bytes);
        access.flush();
      } finally {
        access.close();
      }
      await describe(directory, last);
    },
  };
  return writer;
}

/**
 * @param {FileSystemDirectoryHandle} directory
 * @param {Meta} meta
 */
async function describe(directory, meta) {
  const access = await accessTo(directory, `${meta.key}.json`);
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(meta));
    // First written, then cut: where there is no room, what stood there stays.
    if (access.write(bytes, { at: 0 }) !== bytes.byteLength) throw new DOMException("There is no room left.", "QuotaExceededError");
    access.truncate(bytes.byteLength);
    access.flush();
  } finally {
    access.close();
  }
}

/**
 * @param {FileSystemDirectoryHandle} directory
 * @param {string} name
 * @returns {Promise<Access>}
 */
async function accessTo(directory, name) {
  const handle = await directory.getFileHandle(name, { create: true });
  return /** @type {any} */ (handle).createSyncAccessHandle();
}

/** @param {string} key */
async function remove(key) {
  const directory = await folder();
  for (const name of [`${key}.json`, `${key}.data`]) {
    await directory.removeEntry(name).catch((error) => {
      if (error.name !== "NotFoundError") throw error;
    });
  }
}
