// @ts-check
// The cells of a matrix as a picture, for every element that shows one.

import { number } from "./format.js";
import { cellMarks } from "./plot-marks.js";
import { drawHeatmap } from "./plots.js";

/** @typedef {{data: ArrayLike<number>, shape: number[]}} Tensor */
/**
 * `rows` and `columns` are names; without them the cells are numbered. `diverging`: both signs count. `square`: cells are as wide as high.
 * @typedef {Tensor & {
 *   rows?: string[], columns?: string[], xLabel?: string, yLabel?: string, title?: string, unit?: string,
 *   max?: number, diverging?: boolean, square?: boolean, read?(row: number, column: number, value: number): string,
 * }} Cells
 */

const cellWidth = 30,
  cellHeight = 26,
  widestSquare = 32,
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
      const value = data[row * columns + column];
      return cells.read?.(row, column, value) ?? `${number(value)} · ${cells.yLabel || "row"} ${rowNames[row]} · ${cells.xLabel || "column"} ${columnNames[column]}`;
    }),
    size(stage) {
      stage.classList.toggle("cells", true);
      stage.classList.toggle("square", Boolean(cells.square));
      const { style } = stage;
      const above = cells.title ? heading : 0;
      if (cells.square) {
        style.maxInlineSize = `${labelWidth + columns * widestSquare}px`;
        style.aspectRatio = `${Math.max(1, columns)} / ${Math.max(1, rows)}`;
        style.paddingBlockEnd = `${labelHeight / 2 + above}px`;
        return;
      }
      // Many narrow columns keep to the width; a few wide ones scroll in their box.
      style.minInlineSize = columns <= 64 ? `${labelWidth + columns * cellWidth}px` : "";
      style.blockSize = `${labelHeight + above + Math.min(rows, 60) * cellHeight}px`;
    },
  };
}
