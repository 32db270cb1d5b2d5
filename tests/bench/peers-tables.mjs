// The bench's report as Markdown.

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const DEVICES = { cpu: "CPU", webgpu: "WebGPU" };
const ms = (t) => (t >= 10_000 ? `${(t / 1000).toFixed(1)} s` : t >= 100 ? `${Math.round(t)} ms` : `${t.toFixed(1)} ms`);
const whole = (n) => (Math.abs(n) >= 100 ? Math.round(n).toString() : (Math.round(n * 10) / 10).toString());
const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} kB` : `${Math.round(n)} B`);
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
  const label = (peer) => `${rows.find((row) => row.peer === peer && row.label)?.label || peer} (${device === "cpu" ? "wasm, 1 thread" : "WebGPU"})`;
  const torch = device === "cpu" ? report.torch : null;
  const { label: model, sae } = report.models[device];
  const head = [`${DEVICES[device]}; GPT-2: ${model}; SAE: ${sae.d} → ${sae.features}, batch ${sae.batch}`, "SAE Lab", ...peers.flatMap((peer) => [label(peer), "its time / the lab's"])];
  if (torch) head.push(`torch ${torch.version.split("+")[0]}, ${torch.threads} threads${torch.wrong ? ` (${torch.wrong})` : ""}`);
  console.log(`\n| ${head.join(" | ")} |\n|${head.map(() => "---|").join("")}`);
  const unit = { decode: "one token", prefill: "", train: "", start: "" };
  for (const what of new Set(rows.map((row) => row.what))) {
    const all = rows.filter((row) => row.what === what);
    const cells = peers.flatMap((peer) => {
      const row = all.find((row) => row.peer === peer);
      return row ? [row.wrong || times(row.times, row.peerSays), ratio(row)] : ["–", "–"];
    });
    const says = all.map(({ labSays }) => labSays).find(Boolean);
    const line = (name, lab, cells, last) => console.log(`| ${[name, lab, ...cells, ...(torch ? [last] : [])].join(" | ")} |`);
    line([what, unit[all[0].kind]].filter(Boolean).join(", "), times(all.flatMap(({ lab }) => lab), says), cells, times(torch?.times[what]));
    if (all[0].kind === "start") {
      const cold = (t) => (t ? ms(t) : "–");
      line("start-up, nothing cached", cold(all[0].labCold), peers.flatMap((peer) => [cold(all.find((row) => row.peer === peer)?.peerCold), ""]), "–");
    }
  }
}

function countsTable(counts) {
  console.log("\n| asked of the GPU | by | dispatches | submits | readbacks | bytes written | bytes copied | bytes read | shaders, WGSL |\n|---|---|---|---|---|---|---|---|---|");
  for (const { label, what, says, ...n } of counts) {
    const cells = says ? [says, ...Array(6).fill("")] : [whole(n.dispatches), whole(n.submits), whole(n.readbacks), bytes(n.bytesWritten), bytes(n.bytesCopied), bytes(n.bytesRead), `${whole(n.shaders)}, ${bytes(n.shaderBytes)}`];
    console.log(`| ${[what, label, ...cells].join(" | ")} |`);
  }
}
