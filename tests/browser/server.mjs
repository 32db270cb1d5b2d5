// Serves the static folder the way a plain web host does, for `./build.sh serve` and for the browser tests.
// It adds nothing a host would not: no header the page could come to depend on, no build step.
// Only the tests use what begins with two underscores, the mounts and the prelude.
//
//   node tests/browser/server.mjs [--root www] [--port 8000] [--base /]

import { createServer } from "node:http";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".csv": "text/csv; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".md": "text/markdown; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};
const BLANK = "<!doctype html><html lang=en><meta charset=utf-8><title>blank</title><link rel=icon href=data:,>";

/**
 * Starts a server on this machine only.
 * @param {object} options
 * @param {string} options.root      the folder to serve
 * @param {string} [options.base]    the path it is served below, "/" or "/a/b/"; anything else answers 404
 * @param {number} [options.port]    0 takes any free one; a port in use makes it try the next
 * @param {Record<string, string>} [options.mounts]  further folders by path, such as {"/fixtures/": "…/tests/reference"}
 * @param {Record<string, string>} [options.headers]  of every answer; for measurements only, since a plain host sends none
 * @returns {Promise<{origin: string, url: string, port: number, prelude: string, close(): Promise<void>}>}
 *   `prelude` may be set to JavaScript that then runs in every worker before the worker's own code.
 */
export async function startServer({ root, base = "/", port = 0, mounts = {}, headers = {} }) {
  base = `/${base}/`.replace(/\/+/g, "/");
  const folders = Object.entries({ ...mounts, [base]: root });
  const site = { origin: "", url: "", port, prelude: "", close: async () => {} };
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    answer(request, response, { base, folders, prelude: site.prelude }).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error?.message ?? error));
    });
  });
  site.port = await listen(server, port);
  site.origin = `http://127.0.0.1:${site.port}`;
  site.url = site.origin + base;
  site.close = () => new Promise((done) => {
    server.close(() => done(undefined));
    server.closeAllConnections();
  });
  return site;
}

async function listen(server, port, tries = 20) {
  try {
    await new Promise((done, failed) => {
      server.once("error", failed);
      server.listen(port, "127.0.0.1", () => done(server.off("error", failed)));
    });
    return server.address().port;
  } catch (error) {
    if (error.code !== "EADDRINUSE" || tries === 0) throw error;
    return listen(server, port + 1, tries - 1);
  }
}

async function answer(request, response, { base, folders, prelude }) {
  const say = (status, headers, body) => response.writeHead(status, headers).end(body);
  const text = { "content-type": "text/plain; charset=utf-8" };
  if (request.method !== "GET" && request.method !== "HEAD") return say(405, { ...text, allow: "GET, HEAD" }, "Only GET and HEAD.");
  const path = pathOf(request);
  if (path === null) return say(400, text, "Bad path.");
  if (path === `${base}__blank`) return say(200, { "content-type": TYPES[".html"] }, BLANK);
  if (path === `${base}__prelude.js`) return say(200, { "content-type": TYPES[".js"], "cache-control": "no-store" }, prelude);

  const found = await find(path, folders);
  if (found === null) return say(404, text, "Not found.");
  if (found.folder) return say(301, { location: `${encodeURI(path)}/` }, "");
  const headers = { "content-type": TYPES[extname(found.file)] ?? "application/octet-stream", "x-content-type-options": "nosniff" };
  if (prelude && request.headers["sec-fetch-dest"] === "worker") {
    response.writeHead(200, { ...headers, "cache-control": "no-store" });
    response.write(`import ${JSON.stringify(`${base}__prelude.js`)};\n`);
    return send(found.file, response);
  }
  // "no-cache" means: keep it, but ask each time. An edited or rebuilt file is never stale.
  const etag = `"${found.size}-${found.mtimeMs}"`;
  Object.assign(headers, { "cache-control": "no-cache", etag });
  if (request.headers["if-none-match"] === etag) return say(304, headers, "");
  response.writeHead(200, { ...headers, "content-length": found.size });
  return request.method === "HEAD" ? response.end() : send(found.file, response);
}

function send(file, response) {
  createReadStream(file).on("error", () => response.destroy()).pipe(response);
}

function pathOf(request) {
  try {
    const path = decodeURIComponent(request.url.split("?", 1)[0]);
    return /^\/(?!\/)/.test(path) && !path.includes("\0") ? path : null;
  } catch {
    return null;
  }
}

/** The file behind a path; null when there is none or it lies outside every folder. */
async function find(path, folders) {
  for (const [prefix, folder] of folders) {
    if (!path.startsWith(prefix)) continue;
    const top = resolve(folder);
    let file = resolve(top, `.${sep}${path.slice(prefix.length)}`);
    if (file !== top && !file.startsWith(top + sep)) continue;
    let info = await stat(file).catch(() => null);
    if (info?.isDirectory()) {
      if (!path.endsWith("/")) return { folder: true };
      file = resolve(file, "index.html");
      info = await stat(file).catch(() => null);
    }
    if (info?.isFile()) return { folder: false, file, size: info.size, mtimeMs: info.mtimeMs };
  }
  return null;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: {
    root: { type: "string", default: fileURLToPath(new URL("../../www", import.meta.url)) },
    port: { type: "string", default: "8000" },
    base: { type: "string", default: "/" },
  } });
  const site = await startServer({ root: values.root, base: values.base, port: Number(values.port) });
  console.log(`\n  SAE Lab is at  ${site.url}\n\n  Ctrl+C stops the server.`);
}
