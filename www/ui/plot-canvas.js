// @ts-check
// A canvas that is redrawn when its data, its size, the screen's resolution or the colours change: at most four times a second.

import { h } from "./dom.js";
import { onPlotsChange, theme } from "./plots.js";

/** @typedef {import("./plots.js").Theme} Theme */
/** @typedef {(canvas: HTMLCanvasElement, scale: number, theme: Theme) => unknown} Painter */

const interval = 250;

export class PlotCanvas extends HTMLElement {
  canvas = h("canvas", { role: "img" });
  /** @type {Painter | null} */ #painter = null;
  #due = 0;
  #last = -Infinity;
  /** @type {AbortController | null} */ #listening = null;

  connectedCallback() {
    if (!this.canvas.isConnected) this.prepend(this.canvas);
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const redraw = () => this.redraw();
    const sizes = new ResizeObserver(redraw);
    sizes.observe(this);
    signal.addEventListener("abort", () => sizes.disconnect());
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
      matchMedia(query).addEventListener("change", redraw, { signal });
    document.addEventListener("themechange", redraw, { signal });
    addEventListener("beforeprint", () => this.#draw(), { signal }); // with the colours of paper, and at once
    onPlotsChange(redraw, signal);
    this.#watchResolution(signal);
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearTimeout(this.#due);
    this.#due = 0;
  }

  /** @param {AbortSignal} signal */
  #watchResolution(signal) {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
      "change",
      () => {
        this.redraw();
        if (!signal.aborted) this.#watchResolution(signal);
      },
      { signal, once: true },
    );
  }

  /** What draws, and what the picture shows in words. @param {Painter} painter @param {string} label */
  paint(painter, label) {
    this.#painter = painter;
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
    this.redraw();
  }

  redraw() {
    if (this.#due || !this.#painter) return;
    this.#due = window.setTimeout(
      () => {
        this.#due = 0;
        this.#draw();
      },
      Math.max(0, this.#last + interval - performance.now()),
    );
  }

  #draw() {
    const width = this.clientWidth,
      height = this.clientHeight;
    if (!this.#painter || !this.isConnected || width === 0 || height === 0) return;
    this.#last = performance.now();
    const scale = devicePixelRatio || 1;
    const w = Math.round(width * scale),
      h = Math.round(height * scale);
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    this.#painter(this.canvas, scale, theme());
  }
}
customElements.define("plot-canvas", PlotCanvas);
