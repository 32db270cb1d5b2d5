// @ts-check
// The curves of a training run: four plots over one axis, a read-out under the pointer, and every epoch as a table.

import "./figure.js";
import "./plot-canvas.js";
import { LabFigure } from "./figure.js";
import { h, make, setText } from "./dom.js";
import { count, counted, number, percent } from "./format.js";
import { PlotCanvas } from "./plot-canvas.js";
import { drawCurves } from "./plots.js";

/** @typedef {import("./types.js").Epoch} Epoch */
/** @typedef {{title: string, yLabel: string, keys: {key: "total" | "recon" | "l1" | "nActive" | "fracActive", label: string}[], fromZero?: boolean, yLog?: boolean, times?: number}} Curve `times`: the unit's size */

/** @type {Curve[]} */
const curves = [
  {
    title: "Loss",
    yLabel: "mean squared error, logarithmic",
    yLog: true,
    keys: [
      { key: "total", label: "total" },
      { key: "recon", label: "recon" },
    ],
  },
  { title: "L1", yLabel: "mean |f|", keys: [{ key: "l1", label: "L1" }] },
  { title: "Active features per row", yLabel: "features", keys: [{ key: "nActive", label: "active" }], fromZero: true },
  { title: "Fraction of features active", yLabel: "%", keys: [{ key: "fracActive", label: "active" }], fromZero: true, times: 100 },
];

/** A run with many epochs is drawn with at most this many points a curve: more than pixels would be waste. */
const mostPoints = 600;

export class TrainingCurves extends HTMLElement {
  #pictures = curves.map(() => make(PlotCanvas));
  #figure = make(LabFigure);
  #readout = h("p", { class: "token-detail", "data-part": "readout" });
  #grid = h(
    "div",
    { class: "multiples", tabindex: 0, role: "group", "aria-label": "Training curves. Left and right arrows read out an epoch." },
    this.#pictures,
  );
  /** @type {Epoch[]} */ #entries = [];
  #at = -1;

  constructor() {
    super();
    this.#pictures.forEach((picture) => picture.addEventListener("pointermove", (event) => this.#under(picture, event)));
    this.#grid.addEventListener("pointerleave", () => this.#read(-1));
    this.#grid.addEventListener("keydown", (event) => {
      const last = this.#entries.length - 1,
        at = this.#at < 0 ? last : this.#at;
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      this.#read(Math.min(Math.max(to, 0), last));
    });
  }

  connectedCallback() {
    if (!this.#figure.isConnected) this.append(this.#figure);
  }

  /** @param {Epoch[]} entries @param {string} name stem of file names @param {string} caption */
  show(entries, name, caption) {
    this.#entries = entries;
    const thin = Math.ceil(entries.length / mostPoints);
    const points = entries.filter((_, i) => i % thin === 0 || i === entries.length - 1);
    curves.forEach((curve, i) => {
      const last = entries.at(-1);
      const words = `${curve.title}: ${curve.keys.map(({ key, label }) => `${label} ${last ? (curve.times ? percent : number)(last[key]) : "–"}`).join(", ")} after ${counted(entries.length, "epoch")}`;
      this.#pictures[i].paint((canvas, scale, theme) => {
        const drawn = drawCurves(
          canvas,
          {
            scale,
            title: curve.title,
            xLabel: "epoch",
            yLabel: curve.yLabel,
            yLog: curve.yLog ?? false,
            yMin: curve.fromZero ? 0 : undefined,
            lines: curve.keys.map(({ key, label }, k) => ({
              label,
              x: points.map(({ epoch }) => epoch),
              y: points.map((entry) => entry[key] * (curve.times ?? 1)),
              dash: k > 0,
              color: theme.series[k],
            })),
          },
          theme,
        );
        this.#boxes[i] = drawn && { left: drawn.plot.left / scale, width: drawn.plot.width / scale, min: drawn.x[0], max: drawn.x[1] };
      }, words);
    });
    this.#figure.show({
      name,
      caption,
      body: [this.#grid, this.#readout],
      columns: 2,
      pictures: () => this.#pictures.map(({ canvas }) => canvas),
      table: () => this.#table(),
    });
    this.#read(this.#at < entries.length ? this.#at : -1);
  }

  /** @type {({left: number, width: number, min: number, max: number} | null)[]} where each picture has its curves, in CSS pixels and epochs */
  #boxes = [];

  /** @param {PlotCanvas} picture @param {PointerEvent} event */
  #under(picture, event) {
    const box = this.#boxes[this.#pictures.indexOf(picture)];
    if (!box || !this.#entries.length) return;
    const share = (event.clientX - picture.getBoundingClientRect().left - box.left) / box.width;
    const epoch = box.min + share * (box.max - box.min);
    const nearest = this.#entries.reduce(
      (best, entry, i) => (Math.abs(entry.epoch - epoch) < Math.abs(this.#entries[best].epoch - epoch) ? i : best),
      0,
    );
    this.#read(nearest);
  }

  /** @param {number} i */
  #read(i) {
    this.#at = i;
    const entry = this.#entries[i] ?? this.#entries.at(-1);
    setText(
      this.#readout,
      entry
        ? `epoch ${count(entry.epoch)} · total ${number(entry.total)} · reconstruction ${number(entry.recon)} · L1 ${number(entry.l1)} · active ${number(entry.nActive)} · fraction ${percent(entry.fracActive)}`
        : "",
    );
  }

  /** @returns {import("./data-table.js").Table} */
  #table() {
    return {
      caption: "Means over each epoch",
      pageSize: 25,
      sortable: true,
      columns: [
        { key: "epoch", label: "epoch", kind: "number", format: count },
        { key: "total", label: "total", kind: "number" },
        { key: "recon", label: "reconstruction", kind: "number" },
        { key: "l1", label: "L1", kind: "number" },
        { key: "nActive", label: "active", kind: "number" },
        { key: "fracActive", label: "fraction active", kind: "number", format: percent },
      ],
      rows: this.#entries.map((entry) => ({ .../** @type {Record<string, any>} */ (entry) })),
    };
  }
}
customElements.define("training-curves", TrainingCurves);
