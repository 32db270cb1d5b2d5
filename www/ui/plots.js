// @ts-check
// Plots are drawn by plotters, in an instance of the wasm module on the page itself (computing stays in the worker).
// If drawing traps, a fresh instance is made once; if that traps too, plots are off and figures show their tables.

/** @typedef {{paper: string, ink: string, quiet: string, line: string, series: string[], dark: boolean}} Theme */
/** @typedef {{left: number, top: number, width: number, height: number}} Box */
/** @typedef {{scale: number, title?: string, xLabel: string, yLabel: string, yLog?: boolean, xMin?: number, xMax?: number, yMin?: number, yMax?: number,
 *   lines: {label: string, x: number[], y: number[], dash?: boolean, color?: string}[], rules?: {y: number, label: string}[]}} CurvesSpec */
/** @typedef {{scale: number, rows: string[], columns: string[], xLabel: string, yLabel: string, max?: number, columnLabels: boolean, unit?: string}} HeatmapSpec */
/** @typedef {{plotCurves(canvas: HTMLCanvasElement, spec: object): {plot: Box, x: number[], y: number[]}, plotHeatmap(canvas: HTMLCanvasElement, data: Float32Array, spec: object): {plot: Box, max: number}}} Exports */

/** @type {Exports | null} */ let drawing = null;
/** @type {WebAssembly.Module | null} */ let compiled = null;
let instances = 0;
let off = false;

const ready = new EventTarget();
/** Calls back whenever plots have become possible or impossible. @param {() => void} listener @param {AbortSignal} [signal] */
export const onPlotsChange = (listener, signal) => ready.addEventListener("change", listener, { signal });

/** Whether figures must do without pictures. */
export const plotsAreOff = () => off;

/** Makes an instance of the compiled module for drawing. @param {WebAssembly.Module} module */
export async function openPlots(module) {
  compiled = module;
  if (drawing || off) return;
  await instantiate();
}

async function instantiate() {
  if (!compiled || instances >= 2) {
    off = true;
    ready.dispatchEvent(new Event("change"));
    return;
  }
  instances += 1;
  try {
    // the glue keeps one instance per module URL, so a second instance needs a second URL
    const url = instances === 1 ? "../pkg/sae_lab.js" : "../pkg/sae_lab.js?again";
    const glue = await import(url);
    await glue.default({ module_or_path: compiled });
    drawing = glue;
    off = typeof glue.plotCurves !== "function";
  } catch {
    off = true;
  }
  ready.dispatchEvent(new Event("change"));
}

/** @template T @param {(exports: Exports) => T} draw @returns {T | null} */
function attempt(draw) {
  if (!drawing) return null;
  try {
    return draw(drawing);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      drawing = null;
      void instantiate();
    } else reportError(error); // a mistake in what was asked for: the page's own
    return null;
  }
}

/** Draws curves; null when nothing could be drawn. @param {HTMLCanvasElement} canvas @param {CurvesSpec} spec @param {Theme} theme */
export const drawCurves = (canvas, spec, theme) => attempt((x) => x.plotCurves(canvas, { ...spec, theme: colours(theme) }));

/** Draws a heat map; null when nothing could be drawn. @param {HTMLCanvasElement} canvas @param {Float32Array} data @param {HeatmapSpec} spec @param {Theme} theme */
export const drawHeatmap = (canvas, data, spec, theme) =>
  attempt((x) => x.plotHeatmap(canvas, data, { ...spec, theme: colours(theme), dark: theme.dark }));

/** @param {Theme} theme */
const colours = ({ paper, ink, quiet, line, series }) => ({ paper, ink, quiet, line, series });

/** The colours of the page now, as "#rrggbb". @returns {Theme} */
export function theme() {
  const probe = document.createElement("span");
  probe.className = "colour-probe";
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const colour = (/** @type {string} */ name) => {
    probe.style.color = `var(--${name})`;
    return hex(style.color);
  };
  const paper = colour("paper");
  const found = {
    paper,
    ink: colour("ink"),
    quiet: colour("quiet"),
    line: colour("line"),
    series: [1, 2, 3, 4, 5, 6].map((i) => colour(`series-${i}`)),
    dark: isDark(paper),
  };
  probe.remove();
  return found;
}

/** @param {string} css an "rgb(r, g, b)" as browsers compute it */
function hex(css) {
  const [r, g, b] = (css.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
  return `#${[r, g, b].map((x) => Math.round(x).toString(16).padStart(2, "0")).join("")}`;
}

/** @param {string} colour */
function isDark(colour) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 128;
}
