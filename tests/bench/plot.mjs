// Curves as SVG, side by side, for README: they follow the reader's light or dark setting. Colours and habits are the page's (www/ui/base.css).

const LIGHT = { paper: "#fdfdfb", ink: "#1c2024", quiet: "#565d64", line: "#d4d7d0", series: ["#0072b2", "#b34e00", "#007a59", "#a5487f"] };
const DARK = { paper: "#15181b", ink: "#e7e9e6", quiet: "#a6adb4", line: "#3a4148", series: ["#56b4e9", "#e69f00", "#2fbf93", "#d98fba"] };
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const WIDTH = 380, HEIGHT = 290, LEFT = 58, RIGHT = 92, TOP = 46, BOTTOM = 46;

/**
 * @typedef {object} Series
 * @property {string} name   stands at the line's end
 * @property {[number, number][]} points
 * @property {boolean} [theory]   drawn quietly, without points
 *
 * @typedef {object} Panel
 * @property {string} title
 * @property {string} x  what is along the axis
 * @property {number[]} ticks  of x
 * @property {string} y
 * @property {boolean} log  both axes
 * @property {Series[]} series
 */

/** @param {string} about  what a reader is told who does not see it  @param {Panel[]} panels */
export function svg(about, panels) {
  const colours = ({ paper, ink, quiet, line, series }) => `.paper{fill:${paper}}text{fill:${quiet}}.title{fill:${ink}}.grid{stroke:${line}}.theory{stroke:${quiet}}${series.map((c, i) => `.s${i}{stroke:${c}}.d${i}{fill:${c}}`).join("")}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH * panels.length}" height="${HEIGHT}" viewBox="0 0 ${WIDTH * panels.length} ${HEIGHT}" role="img" aria-label="${escape(about)}" font-family="system-ui, sans-serif" font-size="11">
<style>path{fill:none}.title{font-size:13px;font-weight:600}${colours(LIGHT)}@media (prefers-color-scheme:dark){${colours(DARK)}}</style>
<rect class="paper" width="100%" height="100%" rx="4"/>
${panels.map((panel, i) => `<g transform="translate(${i * WIDTH} 0)">\n${drawn(panel)}\n</g>`).join("\n")}
</svg>
`;
}

function drawn({ title, x, ticks, y, log, series }) {
  const ys = series.flatMap(({ points }) => points.map(([, value]) => value));
  const yTicks = log ? decades(Math.min(...ys), Math.max(...ys)) : steps(Math.max(...ys));
  const scale = log ? Math.log : (value) => value;
  const place = (value, [from, to], [low, high]) => low + ((scale(value) - scale(from)) / (scale(to) - scale(from))) * (high - low);
  const xEnds = log ? [ticks[0], ticks.at(-1)] : [0, ticks.at(-1)];
  const atX = (value) => place(value, xEnds, [LEFT, WIDTH - RIGHT]);
  const atY = (value) => place(value, [yTicks[0], yTicks.at(-1)], [HEIGHT - BOTTOM, TOP]);
  const n = (value) => value.toFixed(1);
  const out = [`<text class="title" x="12" y="20">${escape(title)}</text>`, `<text x="12" y="36">${escape(y)}</text>`];
  for (const tick of yTicks) {
    out.push(`<path class="grid" d="M${LEFT} ${n(atY(tick))}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${n(atY(tick) + 4)}" text-anchor="end">${short(tick)}</text>`);
  }
  // Labels that would stand in one another's way are left out, the last one never.
  let taken = Infinity;
  for (const tick of [...ticks].reverse()) {
    const at = atX(tick);
    out.push(`<path class="grid" d="M${n(at)} ${HEIGHT - BOTTOM}v4"/>`);
    if (taken - at < 30) continue;
    taken = at;
    out.push(`<text x="${n(at)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tick}</text>`);
  }
  out.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escape(x)}</text>`);

  // Names at the lines' ends, pushed apart where they meet.
  const ends = series.map(({ points }, i) => ({ i, at: atY(points.at(-1)[1]) + 4 })).sort((a, b) => a.at - b.at);
  ends.forEach((end, k) => { if (k > 0) end.at = Math.max(end.at, ends[k - 1].at + 13); });
  const over = Math.max(0, (ends.at(-1)?.at ?? 0) - (HEIGHT - BOTTOM + 6));
  for (const end of ends) end.at -= over;

  let colour = 0;
  series.forEach(({ name, points, theory }, i) => {
    const c = theory ? -1 : colour++;
    const path = points.map(([px, py], k) => `${k ? "L" : "M"}${n(atX(px))} ${n(atY(py))}`).join("");
    out.push(`<path class="${theory ? "theory" : `s${c}`}" stroke-width="${theory ? 1 : 1.8}" stroke-dasharray="${theory ? "3 3" : DASHES[c % DASHES.length]}" d="${path}"/>`);
    if (!theory) for (const [px, py] of points) out.push(`<circle class="d${c}" cx="${n(atX(px))}" cy="${n(atY(py))}" r="2.6"/>`);
    const end = ends.find((it) => it.i === i);
    out.push(`<text class="${theory ? "" : `d${c}`}" x="${n(atX(points.at(-1)[0]) + 8)}" y="${n(end.at)}">${escape(name)}</text>`);
  });
  return out.join("\n");
}

/** 1, 2 and 5 times powers of ten, or powers alone where the axis is long, around what is between. */
function decades(low, high) {
  const digits = Math.log10(high / low) > 2 ? [1] : [1, 2, 5];
  const all = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power += 1) for (const digit of digits) all.push(digit * 10 ** power);
  const from = all.findLastIndex((tick) => tick <= low), to = all.findIndex((tick) => tick >= high);
  return all.slice(from, Math.max(to, from + 1) + 1);
}

/** From zero upwards, four to six of them. */
function steps(high) {
  const rough = high / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
  return Array.from({ length: Math.ceil(high / step) + 1 }, (_, i) => i * step);
}

const short = (value) => (value >= 1 || value === 0 ? String(Math.round(value * 10) / 10) : value.toPrecision(1).replace(/\.?0+$/, ""));
const escape = (text) => text.replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
