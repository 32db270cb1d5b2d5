// @ts-check
// The notebook's two by two curves: error, size of the activations, share and number of active features.

import "../../ui/figure.js";
import "../../ui/plot-canvas.js";
import { h, make, setText } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { count, counted, number, percent } from "../../ui/format.js";
import { PlotCanvas } from "../../ui/plot-canvas.js";
import { drawCurves } from "../../ui/plots.js";

/** @typedef {import("../../ui/types.js").Epoch} Epoch */
/** @typedef {{error(x: number): number, size(x: number): number, errorWord: string, sizeWord: string}} Units */
/** @typedef {{title: string, yLabel: string, of(entry: Epoch): number, held?(entry: Epoch): number | null | undefined, write(x: number): string, yMin?: number, yMax?: number, log?: boolean}} Curve */

/** The third axis of the notebook ends here. */
export const SHARE_AXIS = 0.5;

/** @param {Units} units @param {boolean} log @returns {Curve[]} */
const curvesOf = (units, log) => [
  {
    title: "Reconstruction loss",
    yLabel: `${units.errorWord}${log ? ", logarithmic" : ""}`,
    of: ({ recon }) => units.error(recon),
    held: ({ heldOut }) => (heldOut ? units.error(heldOut.recon) : null),
    write: number,
    log,
    ...(log ? {} : { yMin: 0 }),
  },
  { title: "Sparsity loss (L1)", yLabel: `${units.sizeWord}, without its coefficient`, of: ({ l1 }) => units.size(l1), write: number, yMin: 0 },
  { title: "Fraction of features active", yLabel: "share, axis from 0 to 0.5", of: ({ fracActive }) => fracActive, write: percent, yMin: 0, yMax: SHARE_AXIS },
  { title: "Active features per row", yLabel: "features", of: ({ nActive }) => nActive, held: ({ heldOut }) => heldOut?.l0, write: number, yMin: 0 },
];

export class FourCurves extends HTMLElement {
  #figure = make(LabFigure);
  #pictures = Array.from({ length: 4 }, () => make(PlotCanvas));
  #grid = h("div", { class: "four", tabindex: 0, role: "group", "aria-label": "Training curves. Left and right arrows read out an epoch." }, this.#pictures);
  #readout = h("p", { class: "token-detail", "data-part": "readout" });
  #scale = h(
    "select",
    { name: "error-axis", autocomplete: "off" },
    h("option", { value: "linear" }, "linear, as in the notebook"),
    h("option", { value: "log" }, "logarithmic"),
  );
  #choice = h("label", { class: "axis-choice" }, "Axis of the first curve", this.#scale);
  /** @type {Epoch[]} */ #entries = [];
  /** @type {Units | null} */ #units = null;
  #at = -1;

  constructor() {
    super();
    this.#scale.addEventListener("change", () => this.#units && this.show(this.#entries, this.#units));
    this.#grid.addEventListener("pointerleave", () => this.#read(-1));
    this.#grid.addEventListener("keydown", (event) => {
      const last = this.#entries.length - 1,
        at = this.#at < 0 ? last : this.#at;
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      this.#read(Math.min(Math.max(to, 0), last));
    });
    for (const picture of this.#pictures) picture.addEventListener("pointermove", (event) => this.#under(picture, event));
  }

  connectedCallback() {
    if (!this.#figure.isConnected) this.append(this.#choice, this.#figure);
  }

  /** @type {WeakMap<PlotCanvas, {left: number, width: number, low: number, high: number}>} where a picture has its curves */
  #plots = new WeakMap();

  /** @param {Epoch[]} entries @param {Units} units */
  show(entries, units) {
    this.#entries = entries;
    this.#units = units;
    const curves = curvesOf(units, this.#scale.value === "log");
    curves.forEach((curve, k) => this.#paint(this.#pictures[k], curve, entries));
    this.#figure.show({
      name: "training",
      caption: "Training, epoch by epoch",
      body: [this.#grid, this.#readout],
      columns: 2,
      pictures: () => this.#pictures.map(({ canvas }) => canvas),
      table: () => this.#table(curves),
    });
    this.#read(this.#at < entries.length ? this.#at : -1);
  }

  /** @param {PlotCanvas} picture @param {Curve} curve @param {Epoch[]} entries */
  #paint(picture, { title, yLabel, of, held, write, yMin, yMax, log }, entries) {
    const last = entries.at(-1);
    const words = `${title}: ${last ? write(of(last)) : "–"} after ${counted(entries.length, "epoch")}`;
    picture.paint((canvas, scale, theme) => {
      const measured = entries.filter((entry) => held?.(entry) != null);
      // a curve ends where it leaves a fixed axis, and comes back where it returns
      const over = (/** @type {Epoch | undefined} */ entry) => yMax !== undefined && entry !== undefined && of(entry) > yMax;
      /** @type {Epoch[][]} */ const pieces = [[]];
      entries.forEach((entry, i) => {
        const gone = over(entry) && over(entries[i - 1] ?? entry);
        if (!gone || !over(entries[i + 1] ?? entry)) pieces[pieces.length - 1].push(entry);
        else if (pieces[pieces.length - 1].length) pieces.push([]);
      });
      const within = (/** @type {Epoch} */ entry) => (over(entry) ? (yMax ?? 0) : of(entry));
      const drawn = drawCurves(
        canvas,
        {
          scale,
          title,
          xLabel: "epoch",
          yLabel: over(last) && last ? `${yLabel}; now ${write(of(last))}` : yLabel,
          yLog: log ?? false,
          ...(last && yMax !== undefined ? { xMin: 1, xMax: Math.max(2, last.epoch) } : {}),
          yMin,
          yMax,
          lines: [
            ...pieces
              .filter((piece) => piece.length)
              .map((piece) => ({ label: measured.length ? "trained on" : "", x: piece.map(({ epoch }) => epoch), y: piece.map(within), color: theme.series[0] })),
            ...(measured.length
              ? [{ label: "held out", x: measured.map(({ epoch }) => epoch), y: measured.map((entry) => held?.(entry) ?? 0), dash: true, color: theme.series[1] }]
              : []),
          ],
        },
        theme,
      );
      if (drawn) this.#plots.set(picture, { left: drawn.plot.left / scale, width: drawn.plot.width / scale, low: drawn.x[0], high: drawn.x[1] });
    }, words);
  }

  /** @param {PlotCanvas} picture @param {PointerEvent} event */
  #under(picture, event) {
    const plot = this.#plots.get(picture);
    if (!plot || !this.#entries.length) return;
    const share = (event.clientX - picture.getBoundingClientRect().left - plot.left) / plot.width;
    const epoch = plot.low + share * (plot.high - plot.low);
    const distance = (/** @type {Epoch} */ entry) => Math.abs(entry.epoch - epoch);
    this.#read(this.#entries.reduce((best, entry, i) => (distance(entry) < distance(this.#entries[best]) ? i : best), 0));
  }

  /** @param {number} i */
  #read(i) {
    this.#at = i;
    const entry = this.#entries[i] ?? this.#entries.at(-1);
    const units = this.#units;
    setText(
      this.#readout,
      entry && units
        ? `epoch ${count(entry.epoch)} · ${units.errorWord} ${number(units.error(entry.recon))} · ${units.sizeWord} ${number(units.size(entry.l1))} · active ${percent(entry.fracActive)}, ${number(entry.nActive)} a row${entry.heldOut ? ` · held out: ${number(units.error(entry.heldOut.recon))}` : ""}`
        : "",
    );
  }

  /** @param {Curve[]} curves @returns {import("../../ui/data-table.js").Table} */
  #table(curves) {
    const held = this.#entries.some(({ heldOut }) => heldOut);
    return {
      caption: "Means over the batches of each epoch, each before its step",
      pageSize: 25,
      sortable: true,
      columns: [
        { key: "epoch", label: "epoch", kind: "number", format: count },
        ...curves.map(({ title, write }) => /** @type {const} */ ({ key: title, label: title, kind: "number", format: write })),
        ...(held
          ? /** @type {import("../../ui/data-table.js").Column[]} */ ([
              { key: "heldOut", label: "error, held out", kind: "number" },
              { key: "heldOutActive", label: "active, held out", kind: "number" },
            ])
          : []),
      ],
      rows: this.#entries.map((entry) => ({
        epoch: entry.epoch,
        ...Object.fromEntries(curves.map(({ title, of }) => [title, of(entry)])),
        heldOut: entry.heldOut ? this.#units?.error(entry.heldOut.recon) : null,
        heldOutActive: entry.heldOut?.l0,
      })),
    };
  }
}
customElements.define("four-curves", FourCurves);
