// @ts-check
// Bars with names, or a histogram: `<bar-plot>`.
//
//   plot.show({ name: "l0", caption: "Active features", yLabel: "features", labels: ["relu", "topk"], values: [31, 8] });
//   plot.show({ name: "norms", caption: "Norms of the rows", xLabel: "norm", yLabel: "rows", edges: [0, 10, 20, 40], values: counts, yLog: true });
//
// Several series stand side by side: `series: [{ label, values }]` in place of `values`.

import { rule } from "./curve-plot.js";
import { plain as value } from "./format.js";
import { cell, column, numbers, panelsOf, PlotFigure } from "./plot-figure.js";
import { barMarks } from "./plot-marks.js";
import { drawBars } from "./plots.js";

/** @typedef {ArrayLike<number | null | undefined>} Numbers */
/** @typedef {{label?: string, values: Numbers, color?: string}} Series */
/**
 * A histogram has `edges`, one more than values, and lies on an axis; other bars have `labels`.
 * @typedef {import("./plot-figure.js").Named & {labels?: string[], edges?: ArrayLike<number>, values?: Numbers, series?: Series[],
 *   xLog?: boolean, yLog?: boolean, yMin?: number, yMax?: number, rules?: import("./plots.js").Rule[]}} BarPanel
 */
/** @typedef {import("./plot-figure.js").Shown & BarPanel & {panels?: BarPanel[]}} Bars */
/** @typedef {Omit<BarPanel, "series"> & {count: number, series: {label: string, values: (number | null)[], color?: string}[]}} Panel */

export class BarPlot extends PlotFigure {
  /** @param {Bars} given */
  show(given) {
    const panels = panelsOf(/** @type {BarPanel & {panels?: BarPanel[]}} */ (given)).map(plain);
    this.hang(
      given,
      panels.map((panel) => ({
        kind: panel.edges ? "histogram" : "bar chart",
        label: panel.summary ?? words(panel, given.caption),
        draw: (canvas, scale, theme) =>
          drawBars(
            canvas,
            {
              scale,
              title: panel.title,
              xLabel: panel.xLabel ?? "",
              yLabel: panel.yLabel ?? "",
              edges: panel.edges && Array.from(panel.edges),
              labels: panel.labels ?? [],
              xLog: panel.xLog ?? false,
              yLog: panel.yLog ?? false,
              yMin: panel.yMin,
              yMax: panel.yMax,
              rules: (panel.rules ?? []).map(rule),
              series: panel.series.map((series, k) => ({ ...series, color: series.color ?? theme.series[k % theme.series.length] })),
            },
            theme,
          ),
        marks: barMarks(panel.series.length, panel.count, {
          edges: panel.edges,
          xLog: panel.xLog,
          read: ({ column: bar }) => [panel.title, barName(panel, bar), valuesAt(panel, bar)].filter(Boolean).join(" · "),
        }),
      })),
      () => tableOf(given.caption, panels),
    );
  }
}
customElements.define("bar-plot", BarPlot);

/** @param {BarPanel} panel @returns {Panel} */
function plain(panel) {
  const series = panel.series ?? (panel.values ? [{ values: panel.values }] : []);
  return {
    ...panel,
    count: panel.edges ? Math.max(0, panel.edges.length - 1) : (panel.labels?.length ?? 0),
    series: series.map(({ label = "", values, color }) => ({ label, values: numbers(values), color })),
  };
}

/** @param {Panel} panel @param {number} i */
function barName({ edges, labels, xLabel }, i) {
  return edges ? `${xLabel ? `${xLabel} ` : ""}${value(edges[i])} to ${value(edges[i + 1])}` : (labels?.[i] ?? "");
}

/** @param {Panel} panel @param {number} i */
const valuesAt = ({ series, yLabel }, i) => series.map(({ label, values }) => `${label || yLabel || ""} ${value(values[i])}`.trim()).join(" · ");

/** @param {Panel} panel @param {string} caption */
function words(panel, caption) {
  const each = Array.from({ length: Math.min(panel.count, 12) }, (_, i) => `${barName(panel, i)}: ${valuesAt(panel, i)}`);
  const rest = panel.count - each.length;
  return `${panel.title || caption}. ${each.join("; ") || "no bars"}${rest > 0 ? `; and ${rest} more` : ""}`;
}

/** @param {string} caption @param {Panel[]} panels @returns {import("./data-table.js").Table} */
function tableOf(caption, panels) {
  const series = Math.max(0, ...panels.map(({ series }) => series.length));
  const hist = panels.some(({ edges }) => edges);
  const edges = panels.flatMap(({ edges }) => Array.from(edges ?? []));
  const first = panels[0];
  /** @type {(import("./data-table.js").Column | false)[]} */ const columns = [
    panels.length > 1 && { key: "panel", label: "picture", kind: "text" },
    !hist && { key: "name", label: first?.xLabel || "bar", kind: "text" },
    hist && column("from", `${first?.xLabel || "x"}, from`, edges),
    hist && column("to", "to", edges),
    ...Array.from({ length: series }, (_, k) =>
      column(`v${k}`, first?.series[k]?.label || first?.yLabel || "value", panels.flatMap(({ series }) => series[k]?.values ?? [])),
    ),
  ];
  return {
    caption,
    pageSize: 25,
    sortable: true,
    columns: columns.filter((one) => one !== false),
    rows: panels.flatMap((panel) =>
      Array.from({ length: panel.count }, (_, i) => ({
        panel: panel.title,
        name: panel.labels?.[i],
        from: cell(panel.edges?.[i]),
        to: cell(panel.edges?.[i + 1]),
        ...Object.fromEntries(panel.series.map(({ values }, k) => [`v${k}`, cell(values[i])])),
      })),
    ),
  };
}
