// @ts-check
// Plots are drawn by plotters, in an instance of the wasm module on the page itself (computing stays in the worker).
// If drawing traps, a fresh instance is made once; if that traps too, plots are off and figures show their tables.

/** @typedef {{paper: string, ink: string, quiet: string, line: string, series: string[], dark: boolean}} Theme */
/** @typedef {{left: number, top: number, width: number, height: number, round?: boolean}} Box */
/** Where a plot was drawn and the values at its edges (a heat map's are the numbers of its cells). @typedef {{plot: Box, x: number[], y: number[]}} Drawn */
/** A line across, at `y` or at `x`; broken unless `dash` is false. @typedef {{y?: number, x?: number, label?: string, dash?: boolean}} Rule */
/** Values are plain numbers; null is a gap. @typedef {(number | null)[]} Values */
/** @typedef {{scale: number, title?: string, xLabel?: string, yLabel?: string}} Named */
/** @typedef {{xLog?: boolean, yLog?: boolean, xMin?: number, xMax?: number, yMin?: number, yMax?: number, rules?: Rule[]}} Axes */
/** `dash` breaks the line, `markers` dots its points (unless told, where there are few). @typedef {{label?: string, x: Values, y: Values, dash?: boolean, markers?: boolean, color?: string}} Line */
/** @typedef {Named & Axes & {lines: Line[]}} CurvesSpec */
/** @typedef {Named & Axes & {groups: {label?: string, x: Values, y: Values, labels?: string[], color?: string}[]}} ScatterSpec */
/** `max` ends both axes, `circle` is the radius of one to compare with. @typedef {Named & {max?: number, circle?: number, arrows: {label?: string, x: number | null, y: number | null, color?: string}[]}} ArrowsSpec */
/** Either `edges`, one more than values, or `labels`. @typedef {Named & {edges?: number[], labels?: string[], xLog?: boolean, yLog?: boolean, yMin?: number, yMax?: number, series: {label?: string, values: Values, color?: string}[], rules?: Rule[]}} BarsSpec */
/** @typedef {Named & {rows: string[], columns: string[], max?: number, rowLabels?: boolean, columnLabels?: boolean, unit?: string, diverging?: boolean, square?: boolean}} HeatmapSpec */
/** @typedef {"plotCurves" | "plotScatter" | "plotArrows" | "plotBars"} OnAxes */
/** @typedef {Record<OnAxes, (canvas: HTMLCanvasElement, spec: object) => Drawn> & {plotHeatmap(canvas: HTMLCanvasElement, data: Float32Array, spec: object): {plot: Box, max: number}}} Exports */

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

/** A plot with two axes; null when nothing could be drawn. @template {object} S @param {OnAxes} name @returns {(canvas: HTMLCanvasElement, spec: S, theme: Theme) => Drawn | null} */
const onAxes = (name) => (canvas, spec, theme) => attempt((x) => x[name](canvas, { ...spec, theme: colours(theme) }));

/** Lines over one axis. @type {(canvas: HTMLCanvasElement, spec: CurvesSpec, theme: Theme) => Drawn | null} */
export const drawCurves = onAxes("plotCurves");
/** Points in groups. @type {(canvas: HTMLCanvasElement, spec: ScatterSpec, theme: Theme) => Drawn | null} */
export const drawScatter = onAxes("plotScatter");
/** Vectors from the origin. @type {(canvas: HTMLCanvasElement, spec: ArrowsSpec, theme: Theme) => Drawn | null} */
export const drawArrows = onAxes("plotArrows");
/** Histograms and named bars. @type {(canvas: HTMLCanvasElement, spec: BarsSpec, theme: Theme) => Drawn | null} */
export const drawBars = onAxes("plotBars");

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
