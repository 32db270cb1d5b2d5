// @ts-check
// Where the marks of a plot lie: points on two axes, bars side by side, cells of a matrix.

/** @typedef {import("./plot-stage.js").Marks} Marks */
/** @typedef {import("./plot-stage.js").Mark} Mark */
/** @typedef {import("./plot-stage.js").Drawn} Drawn */
/** @typedef {(number | null | undefined)[]} Numbers */

const pointSize = 14;

/** A value's place between the ends of an axis, 0 to 1; NaN where it has none. @param {number | null | undefined} value @param {number[]} ends @param {boolean} [log] */
function share(value, [min, max], log) {
  if (value === null || value === undefined) return NaN;
  return log ? (Math.log(value) - Math.log(min)) / (Math.log(max) - Math.log(min)) : (value - min) / (max - min);
}

/** @param {number} t */
const within = (t) => t >= -1e-9 && t <= 1 + 1e-9;

/**
 * Points in rows. The one nearest to the pointer is under it; with `byX` a distance across counts more, as along curves.
 * @param {{x: Numbers, y: Numbers}[]} groups
 * @param {{xLog?: boolean, yLog?: boolean, byX?: boolean, read(mark: Mark): string}} options
 * @returns {Marks}
 */
export function pointMarks(groups, { xLog, yLog, byX, read }) {
  const weight = byX ? 16 : 1;
  return {
    rows: groups.length,
    columns: (row) => groups[row]?.x.length ?? 0,
    read,
    box({ row, column }, { plot, x, y }) {
      const [across, up] = [share(groups[row]?.x[column], x, xLog), share(groups[row]?.y[column], y, yLog)];
      if (!within(across) || !within(up)) return null;
      return {
        left: plot.left + across * plot.width - pointSize / 2,
        top: plot.top + (1 - up) * plot.height - pointSize / 2,
        width: pointSize,
        height: pointSize,
        round: true,
      };
    },
    under(px, py, { plot, x, y }) {
      /** @type {Mark | null} */ let nearest = null;
      let least = Infinity;
      groups.forEach((group, row) => {
        for (let column = 0; column < group.x.length; column += 1) {
          const [across, up] = [share(group.x[column], x, xLog), share(group.y[column], y, yLog)];
          if (!within(across) || !within(up)) continue;
          const dx = plot.left + across * plot.width - px,
            dy = plot.top + (1 - up) * plot.height - py;
          const distance = weight * dx * dx + dy * dy;
          if (distance < least) {
            least = distance;
            nearest = { row, column };
          }
        }
      });
      return nearest;
    },
  };
}

/**
 * Bars, each as high as the plot: `series` rows of `count`. With `edges` they lie on the axis, else they share it evenly.
 * @param {number} series @param {number} count
 * @param {{edges?: ArrayLike<number>, xLog?: boolean, read(mark: Mark): string}} options
 * @returns {Marks}
 */
export function barMarks(series, count, { edges, xLog, read }) {
  /** Left and right side as shares of the width. @param {number} column @param {number[]} ends */
  const sides = (column, ends) => (edges ? [share(edges[column], ends, xLog), share(edges[column + 1], ends, xLog)] : [column / count, (column + 1) / count]);
  return {
    rows: series,
    columns: () => count,
    read,
    box({ column }, { plot, x }) {
      const [from, to] = sides(column, x);
      return { left: plot.left + from * plot.width, top: plot.top, width: (to - from) * plot.width, height: plot.height };
    },
    under(px, _, { plot, x }) {
      const at = (px - plot.left) / plot.width;
      for (let column = 0; column < count; column += 1) {
        const [from, to] = sides(column, x);
        if (at >= from && at < to) return { row: 0, column };
      }
      return null;
    },
  };
}

/** The cells of a matrix. @param {number} rows @param {number} columns @param {(mark: Mark) => string} read @returns {Marks} */
export function cellMarks(rows, columns, read) {
  return {
    rows,
    columns: () => columns,
    read,
    box: ({ row, column }, { plot }) => ({
      left: plot.left + (column * plot.width) / columns,
      top: plot.top + (row * plot.height) / rows,
      width: plot.width / columns,
      height: plot.height / rows,
    }),
    under(px, py, { plot }) {
      const column = Math.floor(((px - plot.left) / plot.width) * columns);
      const row = Math.floor(((py - plot.top) / plot.height) * rows);
      return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
    },
  };
}
