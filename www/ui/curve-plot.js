// @ts-check
// Lines over an axis, in one picture or several: `<curve-plot>`.
//
//   plot.show({ name: "loss", caption: "Loss", xLabel: "step", yLabel: "squared error", yLog: true,
//               lines: [{ label: "total", y: losses }], rules: [{ y: zeroLoss, label: "predicting zero" }] });
//   plot.show({ name: "run", caption: "Training", panels: [{ title: "Loss", … }, { title: "L1", … }] });
//
// `x` of a line is 0, 1, 2 … unless given. Without a colour of its own the k-th line has the k-th of the page, and all but the first are broken.

import { plain as value } from "./format.js";
import { cell, column, numbers, panelsOf, PlotFigure } from "./plot-figure.js";
import { pointMarks } from "./plot-marks.js";
import { drawCurves } from "./plots.js";

/** @typedef {import("./plots.js").Axes} Axes */
/** @typedef {import("./plots.js").Rule} Rule */
/** @typedef {ArrayLike<number | null | undefined>} Numbers */
/** @typedef {{label?: string, x?: Numbers, y: Numbers, dash?: boolean, markers?: boolean, color?: string}} GivenLine */
/** @typedef {Axes & import("./plot-figure.js").Named & {lines?: GivenLine[]}} CurvePanel */
/** What is read out at a point; the element's own way names the point and the other lines at the same place. @typedef {(panel: number, line: number, point: number) => string} Read */
/** @typedef {import("./plot-figure.js").Shown & CurvePanel & {panels?: CurvePanel[], read?: Read}} Curves */
/** @typedef {Omit<CurvePanel, "lines"> & {lines: {label: string, x: (number | null)[], y: (number | null)[], given: GivenLine}[]}} Panel */

export class CurvePlot extends PlotFigure {
  /** @param {Curves} given */
  show(given) {
    const panels = panelsOf(/** @type {CurvePanel & {panels?: CurvePanel[]}} */ (given)).map(plain);
    this.hang(
      given,
      panels.map((panel, i) => ({
        kind: "plot of curves",
        label: panel.summary ?? words(panel, given.caption),
        draw: (canvas, scale, theme) =>
          drawCurves(
            canvas,
            {
              ...axes(panel),
              scale,
              title: panel.title,
              xLabel: panel.xLabel ?? "",
              yLabel: panel.yLabel ?? "",
              lines: panel.lines.map(({ label, x, y, given }, k) => ({
                label,
                x,
                y,
                dash: given.dash ?? k > 0,
                markers: given.markers,
                color: given.color ?? theme.series[k % theme.series.length],
              })),
            },
            theme,
          ),
        marks: pointMarks(panel.lines, {
          xLog: panel.xLog,
          yLog: panel.yLog,
          byX: true,
          read: ({ row, column }) => given.read?.(i, row, column) ?? told(panel, row, column),
        }),
      })),
      () => tableOf(given.caption, panels),
    );
  }
}
customElements.define("curve-plot", CurvePlot);

/** @param {CurvePanel} panel @returns {Panel} */
const plain = (panel) => ({
  ...panel,
  lines: (panel.lines ?? []).map((given) => {
    const y = numbers(given.y);
    return { label: given.label ?? "", x: given.x ? numbers(given.x) : y.map((_, i) => i), y, given };
  }),
});

/** What the axes of a picture need, with nothing undefined in it. @param {Axes} panel */
export const axes = ({ xLog = false, yLog = false, xMin, xMax, yMin, yMax, rules = [] }) => ({ xLog, yLog, xMin, xMax, yMin, yMax, rules: rules.map(rule) });

/** @param {Rule} given @returns {Rule} */
export const rule = ({ x, y, label = "", dash = true }) => ({ x, y, label, dash });

/** @param {Panel} panel @param {string} caption */
function words({ title, lines, xLabel }, caption) {
  const ends = lines.map(({ label, y }) => {
    const known = y.filter((v) => v !== null);
    return known.length ? `${label || "from"} ${value(known[0])} to ${value(known.at(-1))}` : `${label || "a line"} without values`;
  });
  return `${title || caption}: ${ends.join(", ") || "no lines"}${xLabel ? `, over ${xLabel}` : ""}`;
}

/** A point, and the other lines where they have the same x. @param {Panel} panel @param {number} row @param {number} point */
function told({ title, lines, xLabel }, row, point) {
  const x = lines[row].x[point];
  const here = lines.flatMap(({ label, x: xs, y }, k) => (k === row || xs[point] === x ? [`${label} ${value(y[point])}`.trim()] : []));
  return [title, `${xLabel || "x"} ${value(x)}`, ...here].filter(Boolean).join(" · ");
}

/** One row for each x where all lines share them, else one for each point. @param {string} caption @param {Panel[]} panels @returns {import("./data-table.js").Table} */
function tableOf(caption, panels) {
  const all = panels.flatMap(({ title, yLabel, lines }) =>
    lines.map((line) => ({ ...line, name: [panels.length > 1 ? title : "", line.label].filter(Boolean).join(": ") || title || yLabel || "y" })),
  );
  const xLabel = panels[0]?.xLabel || "x";
  const xs = all[0]?.x ?? [];
  const shared = all.every(({ x }) => x.length === xs.length && x.every((v, i) => v === xs[i]));
  if (shared)
    return {
      caption,
      pageSize: 25,
      sortable: true,
      columns: [
        column("x", xLabel, xs),
        ...all.map(({ name, y }, k) => column(`y${k}`, name, y)),
      ],
      rows: xs.map((x, i) => ({ x: cell(x), ...Object.fromEntries(all.map(({ y }, k) => [`y${k}`, cell(y[i])])) })),
    };
  return {
    caption,
    pageSize: 25,
    sortable: true,
    columns: [
      { key: "line", label: "line", kind: "text" },
      column("x", xLabel, all.flatMap(({ x }) => x)),
      column("y", panels.length === 1 ? panels[0].yLabel || "y" : "y", all.flatMap(({ y }) => y)),
    ],
    rows: all.flatMap(({ name, x, y }) => x.map((v, i) => ({ line: name, x: cell(v), y: cell(y[i]) }))),
  };
}
