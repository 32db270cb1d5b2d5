// A server of files that goes wrong on request, for the tests of downloads. Without a fault it is a good host: byte
// ranges, If-Range, a strong ETag, CORS. It listens at two addresses, so that a redirect can lead to another host.

import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";

/**
 * What is wrong with an answer. Shares are of the whole file, also where only its end was asked for.
 *
 * @typedef {object} Fault
 * @property {boolean} [refuse]      the connection is closed without an answer
 * @property {number} [cut]          the connection breaks once this share of the file was sent
 * @property {number} [stall]        nothing more comes after this share, and the connection stays open
 * @property {Promise<unknown>} [go]  … until this settles
 * @property {number} [rate]         bytes per second
 * @property {number} [status]       this status and a page of words in place of the file
 * @property {Buffer} [body]         this in place of the file
 * @property {string | null} [type]  Content-Type; null leaves it out
 * @property {number} [claims]       this many bytes more (or fewer) in Content-Length than are sent
 * @property {boolean} [chunked]     no Content-Length
 * @property {boolean} [gzip]        compressed on the way
 * @property {"ignored" | "shifted" | "refused"} [ranges]  200 with the whole file; 206 that begins a byte late; 416
 * @property {boolean} [blind]       If-Range is not understood: a range is answered whatever it says
 * @property {string | null} [etag]  null leaves it out
 * @property {string | null} [modified]  Last-Modified; null leaves it out
 * @property {string} [redirect]     302 to this address
 * @property {boolean} [cors]        false: no other site's page may read the answer
 * @property {boolean} [preflight]   false: OPTIONS is refused, and with it every header that CORS does not know
 * @property {string} [cache]        Cache-Control, "no-store" unless told
 */

/**
 * One answer, as it was given; `closed`: nothing more is sent.
 * @typedef {{method: string, path: string, range: string | null, ifRange: string | null, status: number, from: number, sent: number, closed: boolean}} Asked
 */

/** Before the connection breaks, in milliseconds: what the reader has not taken by then is lost with it. A busy machine is slow to take. */
const BEFORE_CUT = 250;

/**
 * @returns {Promise<{url: string, other: string, asked: Asked[], put(path: string, body: Buffer, type?: string): void,
 *   behave(path: string, ...faults: Fault[]): void, of(path: string): Asked[], close(): void}>}
 *   `put` makes a file, `behave` sets what goes wrong with its next answers, one fault each (the last one stays; none: all is well
 *   again), `of` lists a path's answers to GET. Paths begin with a slash.
 */
export async function startFaultServer() {
  /** @type {Map<string, {body: Buffer, type: string, version: number}>} */
  const files = new Map();
  /** @type {Map<string, Fault[]>} */
  const faults = new Map();
  /** @type {Asked[]} */
  const asked = [];

  const answer = async (request, response) => {
    const path = decodeURIComponent(request.url.split("?", 1)[0]);
    const waiting = faults.get(path) ?? [];
    const fault = waiting[0] ?? {};
    const headers = { "cache-control": fault.cache ?? "no-store" };
    if (fault.cors !== false) Object.assign(headers, { "access-control-allow-origin": "*", "access-control-expose-headers": "ETag, Content-Range, Accept-Ranges" });
    if (request.method === "OPTIONS") {
      if (fault.preflight === false) return response.writeHead(405, headers).end();
      return response.writeHead(204, { ...headers, "access-control-allow-methods": "GET, HEAD", "access-control-allow-headers": "Range, If-Range" }).end();
    }
    if (waiting.length > 1 && request.method === "GET") waiting.shift();
    const file = files.get(path);
    const entry = { method: request.method, path, range: request.headers.range ?? null, ifRange: request.headers["if-range"] ?? null, status: 0, from: 0, sent: 0, closed: false };
    response.on("close", () => (entry.closed = true));
    asked.push(entry);
    if (fault.refuse) return request.socket.destroy();
    if (fault.redirect) return response.writeHead((entry.status = 302), { ...headers, location: fault.redirect }).end();
    if (fault.status || !file) {
      entry.status = fault.status ?? 404;
      return response.writeHead(entry.status, { ...headers, "content-type": "text/html; charset=utf-8" }).end("<!doctype html><title>no</title><p>Not this file.");
    }

    const etag = fault.etag === undefined ? `"${path}-${file.version}"` : fault.etag;
    const modified = fault.modified === undefined ? new Date(1_700_000_000_000 + file.version * 60_000).toUTCString() : fault.modified;
    const type = fault.type === undefined ? file.type : fault.type;
    if (etag !== null) headers.etag = etag;
    if (modified !== null) headers["last-modified"] = modified;
    if (type !== null) headers["content-type"] = type;
    headers["accept-ranges"] = fault.ranges === "ignored" ? "none" : "bytes";

    let body = fault.body ?? file.body;
    const range = /^bytes=(\d+)-(\d*)$/.exec(entry.range ?? "");
    // A weak ETag never matches (RFC 9110, 13.1.5).
    const current = entry.ifRange === null || fault.blind || (entry.ifRange === etag && !etag.startsWith("W/")) || entry.ifRange === modified;
    let [from, to] = [0, body.length];
    if (range && current && fault.ranges !== "ignored") {
      from = Number(range[1]) + (fault.ranges === "shifted" ? 1 : 0);
      if (range[2] !== "") to = Math.min(to, Number(range[2]) + 1);
      if (fault.ranges === "refused" || from >= body.length) {
        entry.status = 416;
        return response.writeHead(416, { ...headers, "content-range": `bytes */${body.length}` }).end();
      }
      headers["content-range"] = `bytes ${from}-${to - 1}/${body.length}`;
    }
    entry.status = headers["content-range"] ? 206 : 200;
    entry.from = from;
    const whole = body.length;
    body = body.subarray(from, to);
    if (fault.gzip && entry.status === 200 && /gzip/.test(request.headers["accept-encoding"] ?? "")) {
      body = gzipSync(body);
      headers["content-encoding"] = "gzip";
    }
    if (!fault.chunked) headers["content-length"] = String(body.length + (fault.claims ?? 0));
    if (fault.claims) headers.connection = "close";
    response.writeHead(entry.status, headers);
    if (request.method === "HEAD") return response.end();
    response.flushHeaders();
    const until = (share) => Math.max(0, Math.min(body.length, Math.round(share * whole) - from));
    if (fault.stall !== undefined) {
      await send(response, body, entry, { rate: fault.rate, until: until(fault.stall) });
      if (fault.go === undefined) return;
      await fault.go;
    }
    await send(response, body, entry, { rate: fault.rate, until: until(fault.cut ?? 1) });
    if (fault.cut === undefined && !fault.claims) return response.end();
    if (entry.sent > 0) await pause(BEFORE_CUT);
    request.socket.resetAndDestroy();
  };

  const listen = async () => {
    const server = createServer((request, response) => void answer(request, response).catch(() => request.socket.destroy()));
    await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
    server.unref();
    return server;
  };
  const [server, second] = await Promise.all([listen(), listen()]);
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    other: `http://localhost:${second.address().port}`,
    asked,
    put(path, body, type = "application/octet-stream") {
      files.set(path, { body, type, version: (files.get(path)?.version ?? 0) + 1 });
    },
    behave: (path, ...list) => void faults.set(path, list),
    of: (path) => asked.filter((entry) => entry.path === path && entry.method === "GET"),
    close() {
      for (const each of [server, second]) {
        each.close();
        each.closeAllConnections();
      }
    },
  };
}

/**
 * Sends the body up to `until`, all at once or in tenths of a second, until the reader goes away.
 *
 * @param {import("node:http").ServerResponse} response
 * @param {Buffer} body
 * @param {Asked} entry
 * @param {{rate?: number, until: number}} how
 */
async function send(response, body, entry, { rate, until }) {
  const step = rate ? Math.max(1, Math.round(rate / 10)) : 65_536;
  while (entry.sent < until && !response.destroyed) {
    const piece = body.subarray(entry.sent, Math.min(until, entry.sent + step));
    await new Promise((done) => response.write(piece, done));
    entry.sent += piece.length;
    if (rate) await pause(100);
  }
}
