// What the tests of downloads and of storage share: the model of tests/reference/models/random behind a fault server, and one
// attempt to load it. Whatever is loaded has to have the logits of the right file, to the last bit.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { startFaultServer } from "./fault-server.mjs";

const read = (name) => readFileSync(new URL(`../reference/models/random/${name}`, import.meta.url));
const PIECES = 4;

/** The model's files, and by "new" the weights that a server may come to have in place of "old". */
export const FILES = { "config.json": read("config.json"), "tokenizer.json": read("tokenizer.json"), old: read("model.safetensors"), new: changed(read("model.safetensors")) };
export const BYTES = FILES.old.length;
const PIECE = Math.ceil(BYTES / PIECES);

/** @type {Awaited<ReturnType<typeof startFaultServer>> | null} */
let started = null;
/** The fault server of this run; started when first needed. */
export const server = async () => (started ??= await startFaultServer());

/** @typedef {"address" | "list" | "manifest"} Kind  of source: hashes are on record for the last two */

/**
 * Puts the model on the server, below a folder of its own.
 *
 * @param {string} folder  such as "/cut"
 * @param {Kind} kind
 * @returns {Promise<Served>}
 */
export async function serve(folder, kind) {
  const faults = await server();
  const served = new Served(faults, folder, kind);
  served.put("old");
  return served;
}

class Served {
  /** @param {Awaited<ReturnType<typeof startFaultServer>>} faults */
  constructor(faults, folder, kind) {
    this.faults = faults;
    this.folder = folder;
    this.kind = kind;
    this.base = `${faults.url}${folder}/`;
    /** What loadModel is given. */
    this.source = kind === "list" ? folder.slice(1) : { baseUrl: this.base };
    /** The file that goes wrong: the weights, or the second piece of them. */
    this.target = kind === "manifest" ? "weights-2.bin" : "model.safetensors";
    this.entry = null;
  }

  path(name = this.target) {
    return `${this.folder}/${name}`;
  }

  /** The bytes of a file as they should be. */
  bytes(name = this.target, content = "old") {
    if (!name.startsWith("weights-")) return name === "model.safetensors" ? FILES[content] : FILES[name];
    const first = startOf(name);
    return FILES[content].subarray(first, first + PIECE);
  }

  /** A copy of a file with one bit of one number changed, at a share of the file: no longer what it was, and still a number. */
  flipped(share, name = this.target) {
    const copy = Buffer.from(this.bytes(name));
    let i = Math.floor(share * (copy.length - 8));
    while ((startOf(name) + i) % 4 !== 2) i += 1;
    copy[i] ^= 0x40;
    return copy;
  }

  /** @param {"old" | "new"} content  of the weights. What is on record stays that of the old ones */
  put(content) {
    const { faults, folder, kind } = this;
    const types = { "config.json": "application/json", "tokenizer.json": "application/json" };
    const weights = kind === "manifest" ? Array.from({ length: PIECES }, (_, i) => `weights-${i + 1}.bin`) : ["model.safetensors"];
    for (const name of [...Object.keys(types), ...weights]) faults.put(`${folder}/${name}`, this.bytes(name, content), types[name]);
    const record = (name) => ({ name, bytes: this.bytes(name).length, sha256: sha256(this.bytes(name)) });
    const small = { config: record("config.json"), tokenizer: record("tokenizer.json") };
    if (kind === "manifest") {
      const manifest = {
        format: "sae-lab-model/1", id: folder.slice(1), title: folder.slice(1), parameters: 0,
        files: { ...small, weights: { bytes: BYTES, sha256: sha256(FILES.old), pieces: weights.map(record) } },
      };
      faults.put(`${folder}/manifest.json`, Buffer.from(JSON.stringify(manifest)), "application/json");
    }
    if (kind === "list") this.entry = { id: this.source, title: this.source, about: "", parameters: 0, base: this.base, files: { ...small, weights: record("model.safetensors") }, licence: { name: "none" } };
  }

  /** Makes the next answers for a file go wrong. */
  behave(list, name = this.target) {
    this.faults.behave(this.path(name), ...list);
  }

  /** Where the log of answers stands. */
  mark() {
    return this.faults.asked.length;
  }

  /** The answers since a mark for the file that goes wrong, such as "206 200". */
  since(mark, name = this.target) {
    return this.entries(mark, name).map(({ status }) => status || "-").join(" ");
  }

  entries(mark, name = this.target) {
    return this.faults.asked.slice(mark).filter(({ path, method }) => path === this.path(name) && method === "GET");
  }
}

/**
 * Makes a lab ready: the logits that the right files have, both contents, the served models in its list, and nothing kept.
 *
 * @param {{lab: Function}} opened  a session, or what else runs functions on a page with a lab
 * @param {Served[]} served
 */
export async function prepare(opened, ...served) {
  await opened.lab(({ lab }) => lab.forget("all"));
  await prepareKept(opened, ...served);
}

/** As prepare(), and what is kept stays. */
export async function prepareKept({ lab }, ...served) {
  const faults = await server();
  for (const [name, body] of Object.entries(FILES)) faults.put(`/right/${name}`, body);
  await lab(ready, { right: `${faults.url}/right/`, entries: served.map(({ entry }) => entry).filter(Boolean) });
}

/** On the page: see prepare(). A lab that is ready stays so. */
export async function ready({ lab, right, entries }) {
  const { listModels } = await import("./sae-lab.js");
  const list = await listModels();
  for (const entry of entries) if (!list.some(({ id }) => id === entry.id)) list.push(entry);
  if (window.witness?.lab === lab) return;
  const file = async (name, as = name) => new File([await (await fetch(right + name)).blob()], as);
  const files = async (content) => [await file("config.json"), await file("tokenizer.json"), await file(content, "model.safetensors")];
  window.logitsOf = async (model) => (await model.run(new Uint32Array([5, 17, 101, 250, 3]), { logits: "all" })).logits.data;
  if (window.right === undefined) {
    window.right = {};
    for (const content of ["old", "new"]) window.right[content] = await window.logitsOf(await lab.loadModel({ files: await files(content) }));
  }
  window.witness = { lab, model: await lab.loadModel({ files: await files("new") }) };
}

/**
 * On the page: loads a model and says how that ended; `content` is "old" or "new" by its logits, else "wrong". Afterwards the
 * lab has to answer as before. Meanwhile `window.phases` has the phases so far.
 */
export async function attempt({ lab, source, options = {}, stopAt = null }) {
  const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
  const abort = new AbortController();
  const phases = (window.phases = new Set());
  let [stopped, beyond] = [null, false];
  const onProgress = ({ phase, done = 0, total = null }) => {
    phases.add(phase);
    beyond ||= total !== null && done > total;
    if (stopAt !== null && stopped === null && phase === "download" && done >= stopAt) {
      stopped = performance.now();
      abort.abort();
    }
  };
  let ended;
  try {
    const model = await lab.loadModel(source, { ...options, onProgress, signal: abort.signal });
    const logits = await window.logitsOf(model);
    const content = ["old", "new"].find((name) => same(logits, window.right[name])) ?? "wrong";
    ended = { ok: true, content, from: model.source };
    await model.dispose();
  } catch (error) {
    const { code, message, hint, cause } = error;
    ended = { ok: false, code, message, hint, kind: cause?.kind ?? null, latency: stopped === null ? null : performance.now() - stopped };
  }
  const usable = same(await window.logitsOf(window.witness.model), window.right.new);
  return { ...ended, usable, beyond, phases: [...phases] };
}

/** One line about an attempt, for the table. */
export function told(ended, asked) {
  const how = ended.ok ? `loaded${ended.from?.kept ? `, kept in ${ended.from.kept}` : ""}` : `${ended.code}${ended.kind ? ` (${ended.kind})` : ""}: ${ended.message}`;
  return `[${asked || "nothing asked"}] ${how}`;
}

/**
 * What holds for every attempt; then that it ended as it should.
 *
 * @param {any} ended  of attempt()
 * @param {{code?: RegExp, kind?: RegExp, says?: RegExp, content?: "old" | "new", either?: boolean}} expected  with a code, kind or
 *   words it must fail; `either`: it may also load
 */
export function check(ended, { code, kind, says, content = "old", either = false }) {
  const text = JSON.stringify(ended);
  assert.ok(ended.usable, `the lab should go on: ${text}`);
  assert.ok(!ended.beyond, `progress went beyond its total: ${text}`);
  const fails = Boolean(code ?? kind ?? says);
  if (ended.ok && (either || !fails)) return assert.equal(ended.content, content, "the logits should be those of the right file");
  assert.equal(ended.ok, !fails, text);
  assert.match(ended.code, code ?? /^LAB-DOWNLOAD$/, text);
  if (kind) assert.match(String(ended.kind), kind, text);
  if (says) assert.match(`${ended.message} ${ended.hint}`, says, text);
  assert.ok(ended.hint.length > 5, text);
}

/** Chromium itself reports failed requests on the console; nothing else may, and no error may escape. */
export function calm({ messages }) {
  assert.deepEqual(messages.filter((message) => !/Failed to load resource|net::|CORS policy/.test(message)), []);
}

/** A name as a folder. @param {string} name */
export function slug(name) {
  return name.replace(/[^a-z0-9]+/gi, "-").toLowerCase();
}

/** A fault for behave(): the first 60 % come in about half a second, the rest once `go` is called. */
export function held(served) {
  let go = () => {};
  const promise = new Promise((done) => (go = () => done(undefined)));
  return { fault: { stall: 0.6, go: promise, rate: 1.2 * served.bytes().length }, go };
}

/** Waits until the server has sent so large a share of the file. */
export async function sent(served, mark, share) {
  const end = Date.now() + 20_000;
  while (!served.entries(mark).some((entry) => entry.sent >= Math.floor(share * served.bytes().length))) {
    assert.ok(Date.now() < end, "the server was not asked");
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Waits until an answer is given or given up. */
export async function closed(answer) {
  const end = Date.now() + 2000;
  while (!answer.closed) {
    assert.ok(Date.now() < end, "the download goes on");
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Other weights in a file of the same length: some in its first half and some in its second have their signs changed. */
function changed(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  for (const name of ["transformer.h.0.mlp.c_fc.weight", "transformer.wte.weight"]) {
    const [start, end] = header[name].data_offsets.map((offset) => 8 + length + offset);
    for (let i = start + 3; i < end; i += 4) bytes[i] ^= 0x80;
  }
  return bytes;
}

/** Where a piece begins in the file of all weights. */
function startOf(name) {
  return name.startsWith("weights-") ? (Number(name.slice(8, -4)) - 1) * PIECE : 0;
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
