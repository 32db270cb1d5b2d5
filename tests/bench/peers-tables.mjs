// The bench's report as Markdown.
//
//   node tests/bench/peers-tables.mjs FILE      of a report that peers.mjs --json wrote

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bytesMoved } from "./count-webgpu.mjs";

/** Headers that make a page cross-origin isolated: its clock tells 5 µs apart, not 100. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp", "cross-origin-resource-policy": "same-origin" };

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const DEVICES = { cpu: "CPU", webgpu: "WebGPU" };
export const ms = (t) => (t >= 10_000 ? `${(t / 1000).toFixed(1)} s` : t >= 100 ? `${Math.round(t)} ms` : t >= 1 ? `${t.toFixed(1)} ms` : `${t.toPrecision(2)} ms`);
export const whole = (n) => (Math.abs(n) >= 100 ? Math.round(n).toString() : (Math.round(n * 10) / 10).toString());
export const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} kB` : `${Math.round(n)} B`);
export const row = (cells) => `| ${cells.join(" | ")} |`;
export const head = (cells) => `${row(cells)}\n|${cells.map(() => "---|").join("")}`;
const times = (list, says) => says ?? (list?.length ? ms(median(list)) : "–");

/** How many times as fast as the peer the lab is, turn by turn: the median, and from the least to the most. */
function ratio({ lab, times }) {
  const turns = lab.slice(0, times.length).map((t, i) => times[i] / t);
  if (turns.length === 0) return "–";
  const short = (x) => (x >= 10 ? Math.round(x).toString() : x.toPrecision(2));
  return `${short(median(turns))} (${short(Math.min(...turns))}–${short(Math.max(...turns))})`;
}

export function printTables(report) {
  console.log(`\nChromium ${report.chromium}, ${report.processor}, WebGPU on ${report.adapter}; medians of ${report.rounds} turns.`
    + (report.restarted ? ` The browser had to be started again ${report.restarted} time(s), after a contestant that gave no answer.` : ""));
  for (const device of Object.keys(DEVICES)) if (report.models[device]) timesTable(report, device);
  if (report.counts.length > 0) countsTable(report.counts);
}

function timesTable(report, device) {
  const rows = report.rows.filter((row) => row.device === device);
  const peers = [...new Set(rows.map(({ peer }) => peer))];
  const found = (peer, key) => rows.find((row) => row.peer === peer && row[key])?.[key];
  const label = (peer) => (peer === "lab-f32" ? "SAE Lab, f32 weights" : `${found(peer, "label") ?? peer}, ${device === "cpu" ? "wasm, 1 thread" : `WebGPU, ${found(peer, "weights") ?? "f32"} weights`}`);
  const torch = device === "cpu" ? report.torch : null;
  const weights = rows.find(({ labWeights }) => labWeights)?.labWeights ?? "";
  const titles = [`${DEVICES[device]}; GPT-2 of ${report.models[device].label}`, `SAE Lab, ${weights} weights`, ...peers.flatMap((peer) => [label(peer), "its time / the lab's"])];
  if (torch) titles.push(`torch ${torch.version.split("+")[0]}, ${torch.threads} threads`);
  console.log(`\n${head(titles)}`);
  for (const what of new Set(rows.map((row) => row.what))) {
    const all = rows.filter((row) => row.what === what);
    const cells = peers.flatMap((peer) => {
      const row = all.find((row) => row.peer === peer);
      return row ? [row.wrong || times(row.times, row.peerSays), ratio(row)] : ["–", "–"];
    });
    const line = (name, lab, cells, last) => console.log(row([name, lab, ...cells, ...(torch ? [last] : [])]));
    line(what, times(all.flatMap(({ lab }) => lab), all.every(({ labSays }) => labSays) ? all[0].labSays : undefined), cells, torch?.wrong[what] ?? times(torch?.times[what]));
    if (all[0].kind === "start") {
      const cold = (t) => (t ? ms(t) : "–");
      line("… with nothing cached", cold(all[0].labCold), peers.flatMap((peer) => [cold(all.find((row) => row.peer === peer)?.peerCold), "once"]), "–");
    }
  }
}

function countsTable(counts) {
  console.log(`\n${head(["asked of the GPU", "by", "dispatches", "submits", "readbacks", "bytes moved", "written", "copied", "read back", "new shaders, WGSL"])}`);
  for (const what of new Set(counts.map(({ what }) => what))) {
    for (const { label, weights, says, ...n } of counts.filter((entry) => entry.what === what)) {
      const cells = says ? [says, ...Array(7).fill("")] : [whole(n.dispatches), whole(n.submits), whole(n.readbacks), `${n.unbounded > 0 ? "≤ " : ""}${bytes(bytesMoved(n))}`, bytes(n.bytesWritten), bytes(n.bytesCopied), bytes(n.bytesRead), `${whole(n.shaders)}, ${bytes(n.shaderBytes)}`];
      console.log(row([what, `${label}, ${weights}`, ...cells]));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printTables(JSON.parse(readFileSync(process.argv[2], "utf8")));
