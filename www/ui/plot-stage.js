// @ts-check
// A picture that can be read out: the pointer and the arrow keys go from mark to mark (points, bars, cells), a frame shows which.

import "./plot-canvas.js";
import { PlotCanvas } from "./plot-canvas.js";
import { h, make } from "./dom.js";

/** @typedef {import("./plots.js").Box} Box */
/** @typedef {import("./plots.js").Drawn} Drawn where the picture was drawn, in CSS pixels, and the values at its edges */
/** @typedef {import("./plots.js").Theme} Theme */
/** @typedef {{row: number, column: number}} Mark */
/**
 * What can be read out, in rows of marks. `box` is a mark's place in CSS pixels, null where it has none; `under` the mark at a point.
 * @typedef {{
 *   rows: number, columns(row: number): number, read(mark: Mark): string,
 *   box(mark: Mark, drawn: Drawn): Box | null, under(x: number, y: number, drawn: Drawn): Mark | null,
 * }} Marks
 */
/**
 * `draw` gives the plot in device pixels; `label` says what the picture shows.
 * @typedef {{label: string, kind: string, draw(canvas: HTMLCanvasElement, scale: number, theme: Theme): Drawn | null, marks: Marks}} Picture
 */

export class PlotStage extends HTMLElement {
  picture = make(PlotCanvas);
  #cursor = h("div", { class: "plot-cursor", hidden: true });
  /** @type {Picture | null} */ #shown = null;
  /** @type {Drawn | null} */ #drawn = null;
  /** @type {Mark | null} */ #mark = null;
  /** Called with the mark that is read out, null when none is any more. @type {(mark: Mark | null, text: string) => void} */ onread = () => {};
  /** Called with a mark that was clicked, or on which Enter was pressed. @type {((mark: Mark) => void) | null} */ onchoose = null;

  constructor() {
    super();
    this.addEventListener("pointermove", (event) => {
      const mark = this.#under(event);
      if (mark) this.#go(mark);
    });
    this.addEventListener("pointerleave", () => {
      if (document.activeElement !== this) this.leave();
    });
    this.addEventListener("click", (event) => {
      const mark = this.#under(event);
      if (!mark) return;
      this.#go(mark);
      this.onchoose?.(mark);
    });
    this.addEventListener("focus", () => this.#go(this.#mark ?? this.#first()));
    this.addEventListener("blur", () => this.leave());
    this.addEventListener("keydown", (event) => this.#key(event));
  }

  connectedCallback() {
    if (this.picture.isConnected) return;
    this.append(this.picture, this.#cursor);
    this.tabIndex = 0;
    this.setAttribute("role", "application");
  }

  /** @param {Picture} picture */
  show(picture) {
    this.#shown = picture;
    this.#drawn = null;
    const { kind, label, draw, marks } = picture;
    this.setAttribute("aria-roledescription", kind);
    this.setAttribute("aria-label", `${label}${/[.!?]$/.test(label) ? "" : "."} Arrow keys read it out.`);
    if (this.#mark && !(this.#mark.row < marks.rows && this.#mark.column < marks.columns(this.#mark.row))) this.leave();
    else if (this.#mark) this.onread(this.#mark, marks.read(this.#mark));
    this.picture.paint((canvas, scale, theme) => {
      const drawn = draw(canvas, scale, theme);
      this.#drawn = drawn && { ...drawn, plot: inCss(drawn.plot, scale) };
      this.#placeCursor();
    }, label);
  }

  /** Whether a mark is read out now. */
  get isReading() {
    return this.#mark !== null;
  }

  /** Reads nothing out any more. */
  leave() {
    this.#mark = null;
    this.#cursor.hidden = true;
    this.onread(null, "");
  }

  /** @param {PointerEvent | MouseEvent} event */
  #under(event) {
    if (!this.#shown || !this.#drawn) return null;
    const frame = this.getBoundingClientRect();
    return this.#shown.marks.under(event.clientX - frame.left, event.clientY - frame.top, this.#drawn);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const marks = this.#shown?.marks;
    if (!marks) return;
    const at = this.#mark ?? this.#first();
    if (!at) return;
    if ((event.key === "Enter" || event.key === " ") && this.onchoose) {
      event.preventDefault();
      this.onchoose(at);
      return;
    }
    const last = marks.columns(at.row) - 1;
    const to = {
      ArrowRight: () => this.#seek(at, 0, 1),
      ArrowLeft: () => this.#seek(at, 0, -1),
      ArrowDown: () => this.#seek(at, 1, 0),
      ArrowUp: () => this.#seek(at, -1, 0),
      Home: () => this.#seek({ row: at.row, column: -1 }, 0, 1),
      End: () => this.#seek({ row: at.row, column: last + 1 }, 0, -1),
    }[event.key];
    if (!to) return;
    event.preventDefault();
    this.#go(to() ?? at);
    this.#cursor.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** The next mark that way which has a place. @param {Mark} from @param {number} down @param {number} right @returns {Mark | null} */
  #seek({ row, column }, down, right) {
    const marks = this.#shown?.marks;
    if (!marks) return null;
    for (;;) {
      row += down;
      column += right;
      if (row < 0 || row >= marks.rows || column < 0) return null;
      const last = marks.columns(row) - 1;
      if (right && column > last) return null;
      const mark = { row, column: Math.min(column, last) };
      if (mark.column >= 0 && this.#has(mark)) return mark;
    }
  }

  /** @param {Mark} mark */
  #has(mark) {
    return this.#drawn === null || this.#shown?.marks.box(mark, this.#drawn) !== null;
  }

  #first() {
    for (let row = 0; row < (this.#shown?.marks.rows ?? 0); row += 1) {
      const mark = this.#seek({ row, column: -1 }, 0, 1);
      if (mark) return mark;
    }
    return null;
  }

  /** @param {Mark | null} mark */
  #go(mark) {
    if (!this.#shown || !mark) return;
    const moved = mark.row !== this.#mark?.row || mark.column !== this.#mark.column;
    this.#mark = mark;
    this.#placeCursor();
    if (moved) this.onread(mark, this.#shown.marks.read(mark));
  }

  #placeCursor() {
    const box = this.#mark && this.#drawn && this.#shown?.marks.box(this.#mark, this.#drawn);
    this.#cursor.hidden = !box;
    if (!box) return;
    const { style } = this.#cursor;
    style.left = `${box.left}px`;
    style.top = `${box.top}px`;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
    this.#cursor.classList.toggle("round", box.round === true);
  }
}
customElements.define("plot-stage", PlotStage);

/** @param {Box} box @param {number} scale @returns {Box} */
const inCss = ({ left, top, width, height }, scale) => ({ left: left / scale, top: top / scale, width: width / scale, height: height / scale });
