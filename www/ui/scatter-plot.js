// @ts-check
// Points in groups, some of them named: `<scatter-plot>`.
//
//   plot.show({ name: "pareto", caption: "Sparsity against reconstruction", xLabel: "active features", yLabel: "squared error", yLog: true,
//               groups: [{ label: "TopK", x: [8, 16], y: [0.4, 0.2], labels: ["k = 8", "k = 16"] }] });
//
// A label names its point on the picture where there is room, and always in the read-out and in the table.

import { axes } from "./curve-plot.js";
import { plain as value } from "./format.js";
import { cell, column, numbers, panelsOf, PlotFigure } from "./plot-figure.js";
import { pointMarks } from "./plot-marks.js";
import { drawScatter } from "./plots.js";

/** @typedef {ArrayLike<number | null | undefined>} Numbers */
/** `names` are read out and tabulated, but not drawn, unlike `labels`. @typedef {{label?: string, x: Numbers, y: Numbers, labels?: string[], names?: string[], color?: string}} Group */
/** @typedef {import("./plots.js").Axes & import("./plot-figure.js").Named & {groups?: Group[]}} ScatterPanel */
/** @typedef {import("./plot-figure.js").Shown & ScatterPanel & {panels?: ScatterPanel[]}} Scatter */
/** @typedef {Omit<ScatterPanel, "groups"> & {groups: {label: string, x: (number | null)[], y: (number | null)[], given: Group}[]}} Panel */

export class ScatterPlot extends PlotFigure {
  /** @param {Scatter} given */
  show(given) {
    const panels = panelsOf(/** @type {ScatterPanel & {panels?: ScatterPanel[]}} */ (given)).map(plain);
    this.hang(
      given,
      panels.map((panel) => ({
        kind: "scatter plot",
        label: panel.summary ?? words(panel, given.caption),
        draw: (canvas, scale, theme) =>
          drawScatter(
            canvas,
            {
              ...axes(panel),
              scale,
              title: panel.title,
              xLabel: panel.xLabel ?? "",
              yLabel: panel.yLabel ?? "",
              groups: panel.groups.map(({ label, x, y, given }, k) => ({
                label,
                x,
                y,
                labels: given.labels ?? [],
                color: given.color ?? theme.series[k % theme.series.length],
              })),
            },
            theme,
          ),
        marks: pointMarks(panel.groups, {
          xLog: panel.xLog,
          yLog: panel.yLog,
          read: ({ row, column: point }) => {
            const { label, x, y, given } = panel.groups[row];
            const values = [`${panel.xLabel || "x"} ${value(x[point])}`, `${panel.yLabel || "y"} ${value(y[point])}`];
            return [panel.title, label, nameOf(given, point), ...values].filter(Boolean).join(" · ");
          },
        }),
      })),
      () => tableOf(given.caption, panels),
    );
  }
}
customElements.define("scatter-plot", ScatterPlot);

/** @param {ScatterPanel} panel @returns {Panel} */
const plain = (panel) => ({
  ...panel,
  groups: (panel.groups ?? []).map((given) => ({ label: given.label ?? "", x: numbers(given.x), y: numbers(given.y), given })),
});

/** @param {Group} group @param {number} i */
const nameOf = ({ labels, names }, i) => names?.[i] || labels?.[i] || "";

/** @param {Panel} panel @param {string} caption */
function words({ title, groups, xLabel, yLabel }, caption) {
  const counts = groups.map(({ label, x }) => `${x.length} ${x.length === 1 ? "point" : "points"}${label ? ` of ${label}` : ""}`);
  return `${title || caption}: ${counts.join(", ") || "no points"}${xLabel && yLabel ? `; ${yLabel} over ${xLabel}` : ""}`;
}

/** @param {string} caption @param {Panel[]} panels @returns {import("./data-table.js").Table} */
function tableOf(caption, panels) {
  const groups = panels.flatMap(({ title, groups }) => groups.map((group) => ({ ...group, title })));
  /** @type {(import("./data-table.js").Column | false)[]} */ const columns = [
    panels.length > 1 && { key: "panel", label: "picture", kind: "text" },
    groups.some(({ label }) => label) && { key: "group", label: "group", kind: "text" },
    groups.some(({ given }) => given.labels || given.names) && { key: "name", label: "point", kind: "text" },
    column("x", panels[0]?.xLabel || "x", groups.flatMap(({ x }) => x)),
    column("y", panels[0]?.yLabel || "y", groups.flatMap(({ y }) => y)),
  ];
  return {
    caption,
    pageSize: 25,
    sortable: true,
    columns: columns.filter((one) => one !== false),
    rows: groups.flatMap(({ title, label, x, y, given }) =>
      x.map((v, i) => ({ panel: title, group: label, name: nameOf(given, i), x: cell(v), y: cell(y[i]) })),
    ),
  };
}
