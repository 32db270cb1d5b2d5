// @ts-check
// The curves of a training run: small plots over one axis, a read-out under the pointer, and every entry as a table.

import { CurvePlot } from "./curve-plot.js";
import { make } from "./dom.js";
import { count, counted, number, percent } from "./format.js";

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

/** @param {Epoch[]} entries */
function thinned(entries) {
  const every = Math.ceil(entries.length / mostPoints);
  return entries.filter((_, i) => i % every === 0 || i === entries.length - 1);
}

export class TrainingCurves extends HTMLElement {
  #plot = make(CurvePlot);
  /** @type {Epoch[]} */ #entries = [];
  /** @type {Run | null} */ #run = null;

  connectedCallback() {
    if (!this.#plot.isConnected) this.append(this.#plot);
  }

  /** Where an entry stands on the axis. @param {Epoch} entry */
  #x = (entry) => (this.#run?.stream ? (entry.rows ?? entry.epoch) : entry.epoch);

  /** @param {Epoch[]} entries @param {Run} run */
  show(entries, run) {
    this.#entries = entries;
    this.#run = run;
    const curves = curvesOf(run.kind).filter(({ lines }) => lines.some(({ of }) => entries.some((entry) => of(entry) != null)));
    // Some figures are taken only now and then: their line joins the entries that have them.
    const known = curves.map(({ lines }) => lines.map(({ of }) => thinned(entries.filter((entry) => of(entry) != null))));
    this.#plot.show({
      name: run.name,
      caption: run.stream ? "Training, over the rows of the stream" : "Training, epoch by epoch",
      columns: 2,
      panels: curves.map((curve, k) => this.#panel(curve, known[k])),
      hint: this.#told(entries.at(-1)),
      read: (panel, line, i) => this.#told(known[panel][line][i]),
      table: () => this.#table(),
    });
  }

  /** @param {Curve} curve @param {Epoch[][]} known by line @returns {import("./curve-plot.js").CurvePanel} */
  #panel(curve, known) {
    const last = this.#entries.at(-1);
    const write = curve.share ? percent : number;
    const told = curve.lines.map(({ label, of }) => `${label} ${last ? write(of(last) ?? NaN) : "–"}`).join(", ");
    const drawn = (/** @type {number | null | undefined} */ y) => Math.max(y ?? NaN, curve.fromZero ? 0 : -Infinity) * (curve.share ? 100 : 1);
    return {
      title: curve.title,
      summary: `${curve.title}: ${told} after ${counted(this.#entries.length, this.#run?.stream ? "entry" : "epoch", this.#run?.stream ? "entries" : "epochs")}`,
      xLabel: this.#run?.stream ? "rows" : "epoch",
      yLabel: curve.yLabel,
      yLog: curve.yLog,
      yMin: curve.fromZero ? 0 : undefined,
      lines: curve.lines.map(({ label, of }, k) => ({ label, x: known[k].map(this.#x), y: known[k].map((entry) => drawn(of(entry))) })),
    };
  }

  /** @param {Epoch | undefined} entry */
  #told(entry) {
    if (!entry) return "";
    const held = entry.heldOut?.explainedVariance;
    return [
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
      .join(" · ");
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
