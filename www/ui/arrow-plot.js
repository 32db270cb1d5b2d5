// @ts-check
// Vectors of two dimensions from the origin, a unit as long on either axis: `<arrow-plot>`.
//
//   plot.show({ name: "features", caption: "Five features in two dimensions", xLabel: "hidden dimension 1", yLabel: "hidden dimension 2",
//               circle: 1, vectors: { data: W_dec.data, shape: [5, 2] }, labels: ["1", "2", "3", "4", "5"] });
//
// Vectors are rows of a tensor, or a list of pairs.

import { plain as value } from "./format.js";
import { cell, panelsOf, PlotFigure } from "./plot-figure.js";
import { pointMarks } from "./plot-marks.js";
import { drawArrows } from "./plots.js";

/** @typedef {{data: ArrayLike<number>, shape: number[]}} Tensor */
/** `max` ends both axes; `circle` is the radius of one to compare lengths with. @typedef {import("./plot-figure.js").Named & {max?: number, circle?: number, vectors?: Tensor | number[][], labels?: string[], colors?: string[]}} ArrowPanel */
/** @typedef {import("./plot-figure.js").Shown & ArrowPanel & {panels?: ArrowPanel[]}} Arrows */
/** @typedef {ArrowPanel & {x: (number | null)[], y: (number | null)[], names: string[]}} Panel */

export class ArrowPlot extends PlotFigure {
  /** @param {Arrows} given */
  show(given) {
    const panels = panelsOf(/** @type {ArrowPanel & {panels?: ArrowPanel[]}} */ (given)).map(plain);
    this.hang(
      given,
      panels.map((panel) => ({
        kind: "plot of vectors",
        label: panel.summary ?? words(panel, given.caption),
        draw: (canvas, scale, theme) =>
          drawArrows(
            canvas,
            {
              scale,
              title: panel.title,
              xLabel: panel.xLabel ?? "",
              yLabel: panel.yLabel ?? "",
              max: panel.max,
              circle: panel.circle,
              arrows: panel.names.map((label, k) => ({
                label,
                x: panel.x[k],
                y: panel.y[k],
                color: panel.colors?.[k] ?? theme.series[k % theme.series.length],
              })),
            },
            theme,
          ),
        marks: pointMarks([panel], { read: ({ column }) => told(panel, column) }),
        size(stage) {
          stage.classList.add("square");
          // What stands above and below the square, less what stands beside it.
          const { title, yLabel, xLabel } = panel;
          stage.style.paddingBlockEnd = `${(title ? 23 : 0) + (yLabel ? 18 : 0) + (xLabel ? 16 : 0)}px`;
        },
      })),
      () => tableOf(given.caption, panels),
    );
  }
}
customElements.define("arrow-plot", ArrowPlot);

/** @param {ArrowPanel} panel @returns {Panel} */
function plain(panel) {
  const { vectors = [] } = panel;
  const rows = Array.isArray(vectors)
    ? vectors
    : Array.from({ length: vectors.shape[0] }, (_, i) => [vectors.data[2 * i], vectors.data[2 * i + 1]]);
  const known = (/** @type {number | undefined} */ v) => (Number.isFinite(v) ? /** @type {number} */ (v) : null);
  return {
    ...panel,
    x: rows.map(([x]) => known(x)),
    y: rows.map(([, y]) => known(y)),
    names: rows.map((_, i) => panel.labels?.[i] ?? String(i)),
  };
}

/** @param {Panel} panel @param {number} i */
const length = ({ x, y }, i) => Math.hypot(x[i] ?? NaN, y[i] ?? NaN);

/** @param {Panel} panel @param {number} i */
const degrees = ({ x, y }, i) => Math.round((Math.atan2(y[i] ?? NaN, x[i] ?? NaN) * 180) / Math.PI);

/** @param {Panel} panel @param {number} i */
const told = (panel, i) =>
  [panel.title, panel.names[i], `(${value(panel.x[i])}, ${value(panel.y[i])})`, `length ${value(length(panel, i))}`, `${degrees(panel, i)}°`.replace("-", "−")]
    .filter(Boolean)
    .join(" · ");

/** @param {Panel} panel @param {string} caption */
function words(panel, caption) {
  const each = panel.names.slice(0, 12).map((name, i) => `${name} of length ${value(length(panel, i))} at ${degrees(panel, i)} degrees`);
  const rest = panel.names.length - each.length;
  return `${panel.title || caption}: ${each.join(", ") || "no vectors"}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** @param {string} caption @param {Panel[]} panels @returns {import("./data-table.js").Table} */
function tableOf(caption, panels) {
  /** @type {(import("./data-table.js").Column | false)[]} */ const columns = [
    panels.length > 1 && { key: "panel", label: "picture", kind: "text" },
    { key: "name", label: "vector", kind: "text" },
    { key: "x", label: panels[0]?.xLabel || "x", kind: "number" },
    { key: "y", label: panels[0]?.yLabel || "y", kind: "number" },
    { key: "length", label: "length", kind: "number" },
    { key: "degrees", label: "angle, degrees", kind: "number" },
  ];
  return {
    caption,
    pageSize: 25,
    sortable: true,
    columns: columns.filter((column) => column !== false),
    rows: panels.flatMap((panel) =>
      panel.names.map((name, i) => ({
        panel: panel.title,
        name,
        x: cell(panel.x[i]),
        y: cell(panel.y[i]),
        length: cell(length(panel, i)),
        degrees: cell(degrees(panel, i)),
      })),
    ),
  };
}
