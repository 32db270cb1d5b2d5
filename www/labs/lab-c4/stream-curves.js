// @ts-check
// The curves of a run over a stream: error, active features, explained variance of text held out.

import "../../ui/curve-plot.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { make } from "../../ui/dom.js";
import { count, number, percent } from "../../ui/format.js";

/** @typedef {import("../../ui/types.js").Epoch} Epoch */

export class StreamCurves extends HTMLElement {
  #plot = make(CurvePlot);

  connectedCallback() {
    if (!this.#plot.isConnected) this.append(this.#plot);
  }

  /** @param {Epoch[]} entries */
  show(entries) {
    this.#plot.hidden = entries.length < 2;
    if (entries.length < 2) return;
    const x = entries.map(({ rows }) => rows);
    const held = entries.filter(({ heldOut }) => heldOut?.explainedVariance != null);
    const last = entries[entries.length - 1];
    this.#plot.show({
      name: "challenge-training",
      caption: "Training, over the tokens read",
      columns: 3,
      summary: `After ${count(last.rows)} tokens: error ${number(last.recon)}, ${number(last.nActive)} active`,
      panels: [
        { title: "Reconstruction", xLabel: "tokens", yLabel: "squared error of a row", yLog: true, lines: [{ label: "", x, y: entries.map(({ recon }) => recon) }] },
        { title: "Active features", xLabel: "tokens", yLabel: "per row", yMin: 0, lines: [{ label: "", x, y: entries.map(({ nActive }) => nActive) }] },
        ...(held.length > 1
          ? [{
              title: "Explained, held out",
              xLabel: "tokens",
              yLabel: "share; below 0 drawn at 0",
              yMin: 0,
              yMax: 1,
              lines: [{ label: "", x: held.map(({ rows }) => rows), y: held.map(({ heldOut }) => Math.max(0, heldOut?.explainedVariance ?? 0)) }],
            }]
          : []),
      ],
      table: () => ({
        caption: "Entries of the history",
        pageSize: 25,
        columns: [
          { key: "rows", label: "tokens", kind: "number", format: count },
          { key: "recon", label: "error", kind: "number" },
          { key: "l1", label: "sparsity term", kind: "number" },
          { key: "nActive", label: "active", kind: "number" },
          { key: "dead", label: "dead", kind: "number", format: count },
          { key: "ev", label: "explained, held out", kind: "number", format: percent },
        ],
        rows: entries.map((entry) => ({ ...entry, ev: entry.heldOut?.explainedVariance, heldOut: undefined })),
      }),
    });
  }
}
customElements.define("stream-curves", StreamCurves);
