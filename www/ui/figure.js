// @ts-check
// The frame of a figure: caption, picture, and the same content as a table, a PNG and a CSV file.

import "./data-table.js";
import { DataTable } from "./data-table.js";
import { download, fill, h, make } from "./dom.js";
import { csv } from "./format.js";
import { onPlotsChange, plotsAreOff, theme } from "./plots.js";

/** @typedef {import("./data-table.js").Table} Table */
/**
 * @typedef {{
 *   name: string, caption: string, body: Node[], table(): Table,
 *   pictures?: () => HTMLCanvasElement[], columns?: number,
 * }} Figure `name` is the stem of file names; without `pictures` the body is itself a table or text
 */

export class LabFigure extends HTMLElement {
  #caption = h("figcaption");
  #body = h("div", { class: "figure-body" });
  #note = h("p", { class: "hint", hidden: true }, "The picture could not be drawn here; this is its table.");
  #table = make(DataTable, { hidden: true });
  #tableButton = h(
    "button",
    { type: "button", name: "table", "aria-expanded": "false", on: { click: () => this.#openTable(Boolean(this.#table.hidden)) } },
    "Table",
  );
  #pngButton = h("button", { type: "button", name: "png", on: { click: () => this.#png() } }, "PNG");
  #csvButton = h("button", { type: "button", name: "csv", on: { click: () => this.#csv() } }, "CSV");
  /** @type {Figure | null} */ #figure = null;
  /** @type {AbortController | null} */ #listening = null;

  connectedCallback() {
    if (!this.childElementCount) {
      this.append(
        h(
          "figure",
          {},
          this.#caption,
          this.#body,
          this.#note,
          h("div", { class: "figure-actions" }, this.#tableButton, this.#pngButton, this.#csvButton),
          this.#table,
        ),
      );
    }
    this.#listening = new AbortController();
    onPlotsChange(() => this.#withoutPictures(), this.#listening.signal);
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {Figure} figure */
  show(figure) {
    const first = !this.#figure;
    this.#figure = figure;
    if (this.#caption.textContent !== figure.caption) this.#caption.textContent = figure.caption;
    if (first) {
      fill(this.#body, figure.body);
      this.#pngButton.hidden = !figure.pictures;
      this.#tableButton.hidden = figure.body.some((node) => node instanceof DataTable);
    }
    if (!this.#table.hidden) this.#table.show(figure.table());
    this.#withoutPictures();
  }

  #withoutPictures() {
    if (!this.#figure?.pictures || !plotsAreOff() || this.#body.hidden) return;
    this.#body.hidden = this.#pngButton.hidden = true;
    this.#note.hidden = false;
    this.#openTable(true);
  }

  /** @param {boolean} open */
  #openTable(open) {
    this.#table.hidden = !open;
    this.#tableButton.setAttribute("aria-expanded", String(open));
    if (open && this.#figure) this.#table.show(this.#figure.table());
  }

  #csv() {
    if (!this.#figure) return;
    const { columns, rows } = this.#figure.table();
    const text = csv([columns.map((column) => column.label), ...rows.map((row) => columns.map((column) => row[column.key]))]);
    download(new Blob([text], { type: "text/csv" }), `${this.#figure.name}.csv`);
  }

  /** All pictures of the figure in one PNG, side by side as on a wide page. */
  #png() {
    const pictures = this.#figure?.pictures?.().filter(({ width, height }) => width && height) ?? [];
    if (!this.#figure || !pictures.length) return;
    const columns = Math.min(this.#figure.columns ?? 1, pictures.length);
    const w = Math.max(...pictures.map((p) => p.width)),
      height = Math.max(...pictures.map((p) => p.height));
    const sheet = h("canvas", { width: w * columns, height: height * Math.ceil(pictures.length / columns) });
    const context = sheet.getContext("2d");
    if (!context) return;
    context.fillStyle = theme().paper;
    context.fillRect(0, 0, sheet.width, sheet.height);
    pictures.forEach((picture, i) => context.drawImage(picture, (i % columns) * w, Math.floor(i / columns) * height));
    // At once: toBlob waits for idle time, and a file that comes seconds after its click is held back by the browser.
    const bytes = Uint8Array.from(atob(sheet.toDataURL("image/png").split(",")[1]), (character) => character.charCodeAt(0));
    download(new Blob([bytes], { type: "image/png" }), `${this.#figure.name}.png`);
  }
}
customElements.define("lab-figure", LabFigure);
