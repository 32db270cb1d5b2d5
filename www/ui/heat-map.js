// @ts-check
// Features × tokens. The pointer, the focus and the arrow keys read cells out; a click or Enter chooses the row's feature.

import "./plot-canvas.js";
import { PlotCanvas } from "./plot-canvas.js";
import { h, make, setText } from "./dom.js";
import { number, visible } from "./format.js";
import { drawHeatmap } from "./plots.js";

/** @typedef {import("./types.js").Heatmap} Heatmap */
/** @typedef {import("./plots.js").Box} Box */

const cellWidth = 30,
  cellHeight = 26,
  labelWidth = 70,
  labelHeight = 160;

export class HeatMap extends HTMLElement {
  picture = make(PlotCanvas);
  #cursor = h("div", { class: "heat-cursor", hidden: true });
  #stage = h(
    "div",
    { class: "heat-stage", tabindex: 0, role: "application", "aria-roledescription": "heat map" },
    this.picture,
    this.#cursor,
  );
  #readout = h("p", { class: "token-detail", role: "status" });
  /** @type {Heatmap | null} */ #data = null;
  /** @type {Box | null} the cells, in CSS pixels */ #box = null;
  /** @type {{row: number, column: number} | null} */ #cell = null;
  /** Called with the feature of the row that was chosen. @type {(feature: number) => void} */ onchoose = () => {};

  constructor() {
    super();
    this.#stage.addEventListener("pointermove", (event) => {
      const cell = this.#under(event);
      if (cell) this.#go(cell);
    });
    this.#stage.addEventListener("click", (event) => {
      const cell = this.#under(event);
      if (cell) {
        this.#go(cell);
        this.#choose();
      }
    });
    this.#stage.addEventListener("focus", () => this.#go(this.#cell ?? { row: 0, column: 0 }));
    this.#stage.addEventListener("keydown", (event) => this.#key(event));
  }

  connectedCallback() {
    if (!this.#stage.isConnected) this.append(h("div", { class: "heat-box" }, this.#stage), this.#readout);
  }

  /** @param {Heatmap} data @param {string} caption */
  show(data, caption) {
    this.#data = data;
    this.#cell = null;
    this.#box = null;
    this.#cursor.hidden = true;
    setText(this.#readout, "Point at a cell, or move with the arrow keys.");
    const [rows, columns] = data.shape;
    this.#stage.style.minInlineSize = `${labelWidth + columns * cellWidth}px`;
    this.#stage.style.blockSize = `${labelHeight + rows * cellHeight}px`;
    this.#stage.setAttribute("aria-label", `${caption}. ${rows} features, ${columns} tokens. Arrow keys move, Enter chooses the feature.`);
    this.picture.paint((canvas, scale, theme) => {
      const drawn = drawHeatmap(
        canvas,
        data.data,
        {
          scale,
          rows: data.features.map((f) => `F${f}`),
          columns: data.tokens.map(visible),
          xLabel: "token",
          yLabel: "feature",
          columnLabels: true,
          unit: "activation",
        },
        theme,
      );
      if (!drawn) return;
      const { left, top, width, height } = drawn.plot;
      this.#box = { left: left / scale, top: top / scale, width: width / scale, height: height / scale };
      this.#placeCursor();
    }, caption);
  }

  /** @param {PointerEvent | MouseEvent} event */
  #under(event) {
    if (!this.#data || !this.#box) return null;
    const frame = this.#stage.getBoundingClientRect();
    const [rows, columns] = this.#data.shape;
    const column = Math.floor(((event.clientX - frame.left - this.#box.left) / this.#box.width) * columns);
    const row = Math.floor(((event.clientY - frame.top - this.#box.top) / this.#box.height) * rows);
    return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!this.#data) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#choose();
      return;
    }
    const [rows, columns] = this.#data.shape;
    const { row, column } = this.#cell ?? { row: 0, column: 0 };
    const to = {
      ArrowRight: { row, column: column + 1 },
      ArrowLeft: { row, column: column - 1 },
      ArrowDown: { row: row + 1, column },
      ArrowUp: { row: row - 1, column },
      Home: { row, column: 0 },
      End: { row, column: columns - 1 },
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.#go({ row: Math.min(Math.max(to.row, 0), rows - 1), column: Math.min(Math.max(to.column, 0), columns - 1) });
    this.#cursor.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {{row: number, column: number}} cell */
  #go(cell) {
    const data = this.#data;
    if (!data) return;
    this.#cell = cell;
    this.#placeCursor();
    setText(
      this.#readout,
      `${number(data.data[cell.row * data.shape[1] + cell.column])} · feature ${data.features[cell.row]} · ${visible(data.tokens[cell.column])} · position ${cell.column}`,
    );
  }

  #placeCursor() {
    if (!this.#cell || !this.#box || !this.#data) return;
    const [rows, columns] = this.#data.shape;
    const { style } = this.#cursor;
    style.left = `${this.#box.left + (this.#cell.column * this.#box.width) / columns}px`;
    style.top = `${this.#box.top + (this.#cell.row * this.#box.height) / rows}px`;
    style.width = `${this.#box.width / columns}px`;
    style.height = `${this.#box.height / rows}px`;
    this.#cursor.hidden = false;
  }

  #choose() {
    if (this.#data && this.#cell) this.onchoose(this.#data.features[this.#cell.row]);
  }
}
customElements.define("heat-map", HeatMap);
