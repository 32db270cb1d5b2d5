// @ts-check
// The curves of a training run: small plots over one axis, a read-out under the pointer, and every entry as a table.

import "./figure.js";
import "./plot-canvas.js";
import { LabFigure } from "./figure.js";
import { fill, h, make, setText } from "./dom.js";
import { count, counted, number, percent } from "./format.js";
import { PlotCanvas } from "./plot-canvas.js";
import { drawCurves } from "./plots.js";

/** @typedef {import("./types.js").Epoch} Epoch */
/** @typedef {import("./architectures.js").Kind} Kind */
/** @typedef {{label: string, of(entry: Epoch): number | null | undefined}} Line */
/** @typedef {{title: string, yLabel: string, lines: Line[], fromZero?: boolean, yLog?: boolean, share?: boolean, shown?(kind: Kind): boolean}} Curve `share`: drawn in per cent */
/** @typedef {{name: string, kind: Kind, stream: boolean}} Run `name` is the stem of file names; a stream has rows where a run over a data set has epochs */

/** @param {Kind} kind @returns {Curve[]} */
const curvesOf = (kind) => [
  {
    title: "Loss",
    yLabel: kind.family === "As in SAELens" ? "squared error of a row, logarithmic" : "mean squared error, logarithmic",
    yLog: true,
    lines: [
      { label: "total", of: (entry) => entry.total },
      { label: "recon", of: (entry) => entry.recon },
    ],
  },
  ...(kind.coefficient
    ? [
        {
          title: kind.coefficient.per === "count" ? "L0 penalty" : "L1",
          yLabel: { mean: "mean |f|", sum: "Σ |f| a row", count: "penalty a row" }[kind.coefficient.per],
          lines: [{ label: "term", of: (/** @type {Epoch} */ entry) => entry.l1 }],
        },
      ]
    : [
        {
          ...(kind.name === "matryoshka_batchtopk"
            ? { title: "Inner and auxiliary losses", yLabel: "squared error of a row" }
            : { title: "Auxiliary loss", yLabel: "of dead features" }),
          lines: [{ label: "aux", of: (/** @type {Epoch} */ entry) => entry.aux }],
          fromZero: true,
        },
      ]),
  { title: "Active features per row", yLabel: "features", lines: [{ label: "active", of: (entry) => entry.nActive }], fromZero: true },
  {
    title: "Fraction of features active",
    yLabel: "%",
    lines: [{ label: "active", of: (entry) => entry.fracActive }],
    fromZero: true,
    share: true,
  },
  { title: "Dead features", yLabel: "features", lines: [{ label: "dead", of: (entry) => entry.dead }], fromZero: true },
  {
    title: "Explained variance, held out",
    yLabel: "%; below 0 drawn at 0",
    lines: [{ label: "held out", of: (entry) => entry.heldOut?.explainedVariance }],
    fromZero: true,
    share: true,
  },
];

/** A run with many entries is drawn with at most this many points a curve: more than pixels would be waste. */
const mostPoints = 600;

export class TrainingCurves extends HTMLElement {
  #figure = make(LabFigure);
  #readout = h("p", { class: "token-detail", "data-part": "readout" });
  #grid = h("div", {
    class: "multiples",
    tabindex: 0,
    role: "group",
    "aria-label": "Training curves. Left and right arrows read out a point.",
  });
  /** @type {Map<string, PlotCanvas>} by title */ #pictures = new Map();
  /** @type {Epoch[]} */ #entries = [];
  /** @type {Run | null} */ #run = null;
  /** @type {Curve[]} */ #curves = [];
  #at = -1;

  constructor() {
    super();
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

  /** Where an entry stands on the axis. @param {Epoch} entry */
  #x = (entry) => (this.#run?.stream ? (entry.rows ?? entry.epoch) : entry.epoch);

  /** @param {Epoch[]} entries @param {Run} run */
  show(entries, run) {
    this.#entries = entries;
    this.#run = run;
    this.#curves = curvesOf(run.kind).filter(({ lines }) => lines.some(({ of }) => entries.some((entry) => of(entry) != null)));
    const thin = Math.ceil(entries.length / mostPoints);
    const points = entries.filter((_, i) => i % thin === 0 || i === entries.length - 1);
    const titles = this.#curves.map(({ title }) => title).join();
    if (titles !== [...this.#pictures.keys()].join()) this.#hang();
    for (const curve of this.#curves) this.#paint(curve, points);
    this.#figure.show({
      name: run.name,
      caption: run.stream ? "Training, over the rows of the stream" : "Training, epoch by epoch",
      body: [this.#grid, this.#readout],
      columns: 2,
      pictures: () => [...this.#pictures.values()].map(({ canvas }) => canvas),
      table: () => this.#table(),
    });
    this.#read(this.#at < entries.length ? this.#at : -1);
  }

  /** One picture for each curve. */
  #hang() {
    this.#pictures = new Map(
      this.#curves.map(({ title }) => {
        const picture = make(PlotCanvas);
        picture.addEventListener("pointermove", (event) => this.#under(title, picture, event));
        return [title, picture];
      }),
    );
    this.#boxes.clear();
    fill(this.#grid, [...this.#pictures.values()]);
  }

  /** @param {Curve} curve @param {Epoch[]} points */
  #paint(curve, points) {
    const last = this.#entries.at(-1);
    const write = curve.share ? percent : number;
    const told = curve.lines.map(({ label, of }) => `${label} ${last ? write(of(last) ?? NaN) : "–"}`).join(", ");
    const words = `${curve.title}: ${told} after ${counted(this.#entries.length, this.#run?.stream ? "entry" : "epoch", this.#run?.stream ? "entries" : "epochs")}`;
    this.#pictures.get(curve.title)?.paint((canvas, scale, theme) => {
      const drawn = drawCurves(
        canvas,
        {
          scale,
          title: curve.title,
          xLabel: this.#run?.stream ? "rows" : "epoch",
          yLabel: curve.yLabel,
          yLog: curve.yLog ?? false,
          yMin: curve.fromZero ? 0 : undefined,
          lines: curve.lines.map(({ label, of }, k) => {
            const known = points.filter((entry) => of(entry) != null);
            return {
              label,
              x: known.map(this.#x),
              y: known.map((entry) => Math.max(of(entry) ?? 0, curve.fromZero ? 0 : -Infinity) * (curve.share ? 100 : 1)),
              dash: k > 0,
              color: theme.series[k],
            };
          }),
        },
        theme,
      );
      if (drawn)
        this.#boxes.set(curve.title, { left: drawn.plot.left / scale, width: drawn.plot.width / scale, min: drawn.x[0], max: drawn.x[1] });
      else this.#boxes.delete(curve.title);
    }, words);
  }

  /** @type {Map<string, {left: number, width: number, min: number, max: number}>} where each picture has its curves, in CSS pixels and on the axis */
  #boxes = new Map();

  /** @param {string} title @param {PlotCanvas} picture @param {PointerEvent} event */
  #under(title, picture, event) {
    const box = this.#boxes.get(title);
    if (!box || !this.#entries.length) return;
    const share = (event.clientX - picture.getBoundingClientRect().left - box.left) / box.width;
    const x = box.min + share * (box.max - box.min);
    const distance = (/** @type {Epoch} */ entry) => Math.abs(this.#x(entry) - x);
    this.#read(this.#entries.reduce((best, entry, i) => (distance(entry) < distance(this.#entries[best]) ? i : best), 0));
  }

  /** @param {number} i */
  #read(i) {
    this.#at = i;
    const entry = this.#entries[i] ?? this.#entries.at(-1);
    const held = entry?.heldOut?.explainedVariance;
    setText(
      this.#readout,
      entry
        ? [
            `${this.#run?.stream ? "row" : "epoch"} ${count(this.#x(entry))}`,
            `total ${number(entry.total)}`,
            `reconstruction ${number(entry.recon)}`,
            this.#run?.kind.coefficient ? `sparsity term ${number(entry.l1)}` : "",
            `active ${number(entry.nActive)}`,
            `fraction ${percent(entry.fracActive)}`,
            entry.dead != null ? `dead ${count(entry.dead)}` : "",
            held != null ? `held out ${percent(held)}` : "",
          ]
            .filter(Boolean)
            .join(" · ")
        : "",
    );
  }

  /** @returns {import("./data-table.js").Table} */
  #table() {
    const has = (/** @type {(entry: Epoch) => unknown} */ of) => this.#entries.some((entry) => of(entry) != null);
    /** @type {(import("./data-table.js").Column | false)[]} */ const columns = [
      { key: "epoch", label: this.#run?.stream ? "entry" : "epoch", kind: "number", format: count },
      has(({ rows }) => rows) && { key: "rows", label: "rows seen", kind: "number", format: count },
      { key: "total", label: "total", kind: "number" },
      { key: "recon", label: "reconstruction", kind: "number" },
      has(({ l1 }) => l1) && { key: "l1", label: "sparsity term", kind: "number" },
      has(({ aux }) => aux) && { key: "aux", label: "further terms", kind: "number" },
      { key: "nActive", label: "active", kind: "number" },
      { key: "fracActive", label: "fraction active", kind: "number", format: percent },
      has(({ dead }) => dead) && { key: "dead", label: "dead", kind: "number", format: count },
      has(({ lr }) => lr) && { key: "lr", label: "rate", kind: "number" },
      has(({ coefficient }) => coefficient) && { key: "coefficient", label: "coefficient", kind: "number" },
      has(({ heldOut }) => heldOut) && { key: "heldOutEv", label: "explained, held out", kind: "number", format: percent },
      has(({ heldOut }) => heldOut) && { key: "heldOutL0", label: "active, held out", kind: "number" },
    ];
    return {
      caption: this.#run?.stream ? "Means over the steps of each entry" : "Means over each epoch",
      pageSize: 25,
      sortable: true,
      columns: columns.filter((column) => column !== false),
      rows: this.#entries.map(({ heldOut, ...entry }) => ({ ...entry, heldOutEv: heldOut?.explainedVariance, heldOutL0: heldOut?.l0 })),
    };
  }
}
customElements.define("training-curves", TrainingCurves);
