// @ts-check
// What the plots of the labs have in common: a figure with one picture or several side by side, a read-out below, and the
// numbers as a table, a PNG and a CSV file. Each kind of plot says how it is drawn, read out and tabulated.

import "./figure.js";
import "./plot-stage.js";
import { LabFigure } from "./figure.js";
import { fill, h, make, setText } from "./dom.js";
import { number, plain } from "./format.js";
import { PlotStage } from "./plot-stage.js";

/** @typedef {import("./data-table.js").Table} Table */
/** @typedef {import("./data-table.js").Column} Column */
/** @typedef {import("./plot-stage.js").Picture} Picture */
/**
 * `name` is the stem of file names. `table` replaces the table of the plotted numbers. `columns` pictures stand side by side where there is room.
 * `hint` is the read-out while nothing is read out.
 * @typedef {{name: string, caption: string, columns?: number, hint?: string, table?: Table | (() => Table)}} Shown
 */
/** What is written around a picture. `summary` says in words what it shows; unless told, it is made from the numbers. @typedef {{title?: string, summary?: string, xLabel?: string, yLabel?: string}} Named */
/** A picture with its size: `size` sets what the element's own style rules do not. @typedef {Picture & {size?(stage: PlotStage): void}} Panel */

const pointHint = "Point at the picture, or focus it and use the arrow keys, to read out values.";

export class PlotFigure extends HTMLElement {
  #figure = make(LabFigure);
  #grid = h("div", { class: "multiples" });
  #readout = h("p", { class: "token-detail", role: "status", "data-part": "readout" });
  /** @type {PlotStage[]} */ stages = [];
  #hint = "";

  connectedCallback() {
    if (!this.#figure.isConnected) this.append(this.#figure);
  }

  /** @param {Shown} shown @param {Panel[]} panels @param {() => Table} table of the plotted numbers */
  hang(shown, panels, table) {
    if (this.stages.length !== panels.length) this.#restage(panels.length);
    const empty = panels.every(({ marks }) => Array.from({ length: marks.rows }, (_, row) => marks.columns(row)).every((n) => n === 0));
    this.#hint = shown.hint ?? (empty ? "There are no values to read out." : pointHint);
    if (!this.stages.some((stage) => stage.isReading)) this.#tell("");
    const columns = shown.columns ?? (panels.length === 4 ? 2 : Math.min(3, panels.length));
    this.#grid.style.setProperty("--columns", String(Math.max(1, columns)));
    this.#grid.classList.toggle("alone", panels.length === 1);
    panels.forEach(({ size, ...picture }, i) => {
      size?.(this.stages[i]);
      this.stages[i].show(picture);
    });
    const own = shown.table;
    this.#figure.show({
      name: shown.name,
      caption: shown.caption,
      body: [this.#grid, this.#readout],
      columns,
      pictures: () => this.stages.map(({ picture }) => picture.canvas),
      table: typeof own === "function" ? own : own ? () => own : table,
    });
  }

  /** Reads out; what stands there otherwise is not announced. @param {string} text */
  #tell(text) {
    this.#readout.ariaLive = text ? "polite" : "off";
    setText(this.#readout, text || this.#hint);
  }

  /** @param {number} count */
  #restage(count) {
    this.stages = Array.from({ length: count }, () => make(PlotStage));
    for (const stage of this.stages) stage.onread = (_, text) => this.#tell(text);
    fill(
      this.#grid,
      this.stages.map((stage) => h("div", { class: "plot-box" }, stage)),
    );
  }
}

/** The panels of a figure: as given, or the one that its own fields describe. @template {object} P @param {P & {panels?: P[]}} given @returns {P[]} */
export const panelsOf = (given) => given.panels ?? [given];

/** A number that a table and a CSV file can hold: nothing for what is none. @param {number | null | undefined} x */
export const cell = (x) => (x === undefined || x === null || Number.isNaN(x) ? null : x);

/** A column of numbers: whole where all of them are. @param {string} key @param {string} label @param {(number | null | undefined)[]} values @returns {Column} */
export const column = (key, label, values) => ({
  key,
  label,
  kind: "number",
  format: values.every((x) => cell(x) === null || Number.isInteger(x)) ? plain : number,
});

/** Plain numbers, also from a typed array. @param {ArrayLike<number | null | undefined>} values @returns {(number | null)[]} */
export const numbers = (values) => Array.from(values, (value) => (typeof value === "number" && Number.isFinite(value) ? value : null));
