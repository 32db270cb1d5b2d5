// @ts-check
// A histogram: bars on a canvas, in the page's colours. Its numbers stand in the table of the figure around it.

import { PlotCanvas } from "./plot-canvas.js";
import { count } from "./format.js";

/** @typedef {{edges: number[], counts: number[], xLabel: string, yLabel: string, rule?: {at: number, label: string}}} Bars `edges` are one more than `counts`; `rule` is a line across */

const font = (/** @type {number} */ scale) => `${12 * scale}px system-ui, sans-serif`;

/** Up to five round values from 0 to a little above the largest. @param {number} most */
function ticks(most) {
  const raw = Math.max(most, 1) / 4,
    power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(1, power * ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10));
  return Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, i) => i * step);
}

/** @param {HTMLCanvasElement} canvas @param {number} scale @param {import("./plots.js").Theme} theme @param {Bars} bars */
function draw(canvas, scale, theme, { edges, counts, xLabel, yLabel, rule }) {
  const context = canvas.getContext("2d");
  if (!context || edges.length < 2) return;
  const [left, right, top, bottom] = [46 * scale, 12 * scale, 30 * scale, 40 * scale];
  const width = canvas.width - left - right,
    height = canvas.height - top - bottom;
  const [low, high] = [edges[0], edges[edges.length - 1]];
  const levels = ticks(Math.max(...counts)),
    most = levels[levels.length - 1];
  const x = (/** @type {number} */ value) => left + ((value - low) / (high - low)) * width;
  const y = (/** @type {number} */ n) => top + height - (n / most) * height;
  context.fillStyle = theme.paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = font(scale);
  context.lineWidth = scale;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const level of levels) {
    context.strokeStyle = theme.line;
    context.beginPath();
    context.moveTo(left, y(level));
    context.lineTo(left + width, y(level));
    context.stroke();
    context.fillStyle = theme.quiet;
    context.fillText(count(level), left - 6 * scale, y(level));
  }
  context.fillStyle = theme.series[0];
  counts.forEach((n, i) => {
    if (n) context.fillRect(x(edges[i]) + scale / 2, y(n), Math.max(x(edges[i + 1]) - x(edges[i]) - scale, scale), y(0) - y(n));
  });
  context.fillStyle = theme.quiet;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (let power = Math.ceil(low); power <= high; power += 1)
    context.fillText(String(power).replace("-", "−"), x(power), top + height + 5 * scale);
  context.fillStyle = theme.ink;
  context.fillText(xLabel, left + width / 2, top + height + 22 * scale);
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(yLabel, 2 * scale, top - 12 * scale);
  if (!rule || rule.at < low || rule.at > high) return;
  context.strokeStyle = theme.series[1];
  context.lineWidth = 1.5 * scale;
  context.setLineDash([5 * scale, 4 * scale]);
  context.beginPath();
  context.moveTo(x(rule.at), top);
  context.lineTo(x(rule.at), top + height);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = theme.ink;
  const fits = x(rule.at) + 6 * scale + context.measureText(rule.label).width < left + width;
  context.textAlign = fits ? "left" : "right";
  context.fillText(rule.label, x(rule.at) + (fits ? 5 : -5) * scale, top - 4 * scale);
}

export class BarChart extends PlotCanvas {
  /** @param {Bars} bars @param {string} words what the picture shows */
  show(bars, words) {
    this.paint((canvas, scale, theme) => draw(canvas, scale, theme, bars), words);
  }
}
customElements.define("bar-chart", BarChart);
