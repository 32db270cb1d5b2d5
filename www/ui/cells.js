// @ts-check
// The cells of a matrix as a picture, for every element that shows one.

import { plain as value } from "./format.js";
import { cellMarks } from "./plot-marks.js";
import { drawHeatmap } from "./plots.js";

/** @typedef {{data: ArrayLike<number>, shape: number[]}} Tensor */
/**
 * `rows` and `columns` are names; without them the cells are numbered. `diverging`: both signs count. `square`: cells are as wide as high.
 * @typedef {Tensor & import("./plot-figure.js").Named & {
 *   rows?: string[], columns?: string[], unit?: string,
 *   max?: number, diverging?: boolean, square?: boolean, read?(row: number, column: number, value: number): string,
 * }} Cells
 */

const cellWidth = 18,
  cellHeight = 26,
  widestSquare = 44,
  labelWidth = 70,
  labelHeight = 160,
  heading = 26;

/** How a matrix is drawn, read out and sized. @param {Cells} cells @param {string} label what it shows @returns {import("./plot-figure.js").Panel} */
export function cellPicture(cells, label) {
  const [rows, columns] = cells.shape;
  const data = cells.data instanceof Float32Array ? cells.data : Float32Array.from(cells.data);
  const names = (/** @type {string[] | undefined} */ given, /** @type {number} */ count) => given ?? Array.from({ length: count }, (_, i) => String(i));
  const rowNames = names(cells.rows, rows),
    columnNames = names(cells.columns, columns);
  return {
    kind: "heat map",
    label,
    draw(canvas, scale, theme) {
      const drawn = drawHeatmap(
        canvas,
        data,
        {
          scale,
          title: cells.title,
          rows: rowNames,
          columns: columnNames,
          rowLabels: cells.rows !== undefined,
          columnLabels: cells.columns !== undefined,
          xLabel: cells.xLabel ?? "",
          yLabel: cells.yLabel ?? "",
          unit: cells.unit,
          max: cells.max,
          diverging: cells.diverging ?? false,
          square: cells.square ?? false,
        },
        theme,
      );
      return drawn && { plot: drawn.plot, x: [0, columns], y: [0, rows] };
    },
    marks: cellMarks(rows, columns, ({ row, column }) => {
      const x = data[row * columns + column];
      return cells.read?.(row, column, x) ?? `${value(x)} · ${cells.yLabel || "row"} ${rowNames[row]} · ${cells.xLabel || "column"} ${columnNames[column]}`;
    }),
    size(stage) {
      stage.classList.toggle("cells", true);
      stage.classList.toggle("square", Boolean(cells.square) && rows * columns > 0);
      const { style } = stage;
      const above = cells.title ? heading : 0;
      if (rows * columns === 0) {
        style.blockSize = `${4 * heading + above}px`;
        return;
      }
      if (cells.square) {
        style.maxInlineSize = `min(40rem, ${labelWidth + columns * widestSquare}px)`;
        style.aspectRatio = `${columns} / ${rows}`;
        // The colour bar and the names of the axes; names of rows and columns are as long as each other.
        style.paddingBlockEnd = `${heading + above + (cells.yLabel && cells.unit ? 18 : 0) + (cells.xLabel ? 18 : 0)}px`;
        return;
      }
      // Many narrow columns keep to the width; a few wide ones scroll in their box.
      style.minInlineSize = columns <= 64 ? `${labelWidth + columns * cellWidth}px` : "";
      style.blockSize = `${labelHeight + above + Math.min(rows, 60) * cellHeight}px`;
    },
  };
}
