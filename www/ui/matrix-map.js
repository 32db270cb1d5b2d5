// @ts-check
// A matrix in colours: `<matrix-map>`.
//
//   map.show({ name: "coactivation", caption: "Correlation of the features", data, shape: [40, 40], rows: names, columns: names,
//              unit: "correlation", max: 1 });
//
// Both signs count unless `diverging` is false, and cells are square where there are as many rows as columns.

import { cellPicture } from "./cells.js";
import { counted, number } from "./format.js";
import { cell, panelsOf, PlotFigure } from "./plot-figure.js";

/** @typedef {import("./cells.js").Cells} Cells */
/** @typedef {import("./plot-figure.js").Shown & Partial<Cells> & {panels?: Cells[]}} Matrix */

export class MatrixMap extends PlotFigure {
  /** Called with the cell that was clicked, or on which Enter was pressed. @type {((row: number, column: number, panel: number) => void) | null} */ onchoose = null;

  /** @param {Matrix} given */
  show(given) {
    const panels = panelsOf(/** @type {Cells & {panels?: Cells[]}} */ (given)).map(plain);
    this.hang(
      given,
      panels.map((panel) => cellPicture(panel, panel.summary ?? words(panel, given.caption))),
      () => tableOf(given.caption, panels),
    );
    this.stages.forEach((stage, i) => {
      const { onchoose } = this;
      stage.onchoose = onchoose && (({ row, column }) => onchoose(row, column, i));
    });
  }
}
customElements.define("matrix-map", MatrixMap);

/** @param {Cells} panel @returns {Cells} */
function plain(panel) {
  const { data = [], shape = [0, 0] } = panel;
  return { diverging: true, square: shape[0] === shape[1], ...panel, data, shape };
}

/** @param {Cells} panel @param {string} caption */
function words({ title, data, shape, unit }, caption) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < data.length; i += 1) {
    if (!Number.isFinite(data[i])) continue;
    low = Math.min(low, data[i]);
    high = Math.max(high, data[i]);
  }
  const range = low <= high ? `; ${unit ?? "values"} from ${number(low)} to ${number(high)}` : "";
  return `${title || caption}: ${counted(shape[0], "row")}, ${counted(shape[1], "column")}${range}`;
}

/** The matrix as it stands; of several, one below the other. @param {string} caption @param {Cells[]} panels @returns {import("./data-table.js").Table} */
function tableOf(caption, panels) {
  const widest = panels.reduce((best, panel) => (panel.shape[1] > best.shape[1] ? panel : best), panels[0]);
  /** @type {(import("./data-table.js").Column | false)[]} */ const columns = [
    panels.length > 1 && { key: "panel", label: "picture", kind: "text" },
    { key: "row", label: panels[0].yLabel || "row", kind: "text" },
    ...Array.from({ length: widest.shape[1] }, (_, k) => /** @type {const} */ ({ key: `c${k}`, label: widest.columns?.[k] ?? String(k), kind: "number" })),
  ];
  return {
    caption,
    pageSize: 25,
    columns: columns.filter((column) => column !== false),
    rows: panels.flatMap(({ title, data, shape: [rows, columns], rows: names }) =>
      Array.from({ length: rows }, (_, i) => ({
        panel: title,
        row: names?.[i] ?? String(i),
        ...Object.fromEntries(Array.from({ length: columns }, (_, k) => [`c${k}`, cell(data[i * columns + k])])),
      })),
    ),
  };
}
