// @ts-check
// Features × tokens. The pointer, the focus and the arrow keys read cells out; a click or Enter chooses the row's feature.

import "./plot-stage.js";
import { cellPicture } from "./cells.js";
import { h, make, setText } from "./dom.js";
import { counted, number, visible } from "./format.js";
import { PlotStage } from "./plot-stage.js";

/** @typedef {import("./types.js").Heatmap} Heatmap */

const hint = "Point at a cell, or move with the arrow keys; a click or Enter chooses the feature.";

export class HeatMap extends HTMLElement {
  #stage = make(PlotStage, { class: "heat-stage" });
  #readout = h("p", { class: "token-detail", role: "status" });
  /** Called with the feature of the row that was chosen. @type {(feature: number) => void} */ onchoose = () => {};

  connectedCallback() {
    if (!this.#stage.isConnected) this.append(h("div", { class: "plot-box" }, this.#stage), this.#readout);
  }

  get picture() {
    return this.#stage.picture;
  }

  /** @param {Heatmap} data @param {string} caption */
  show({ data, features, tokens, shape }, caption) {
    const { size, ...picture } = cellPicture(
      {
        data,
        shape,
        rows: features.map((f) => `F${f}`),
        columns: tokens.map(visible),
        xLabel: "token",
        yLabel: "feature",
        unit: "activation",
        read: (row, column, value) => `${number(value)} · feature ${features[row]} · ${visible(tokens[column])} · position ${column}`,
      },
      `${caption}. ${counted(shape[0], "feature")}, ${counted(shape[1], "token")}`,
    );
    this.#stage.onread = (_, text) => setText(this.#readout, text || hint);
    this.#stage.onchoose = ({ row }) => this.onchoose(features[row]);
    size?.(this.#stage);
    this.#stage.leave();
    this.#stage.show(picture);
  }
}
customElements.define("heat-map", HeatMap);
