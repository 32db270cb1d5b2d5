// What plots.test.mjs shows: every plot element with samples of the labs' figures and with what is awkward to draw.
// Runs on the page; imported by URL from /harness/.

const site = new URL("./", document.baseURI).href;

/** A generator of the same numbers each time (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const falling = (n, from, to, seed = 1) => {
  const noise = random(seed);
  return Float32Array.from({ length: n }, (_, i) => to + (from - to) * Math.exp((-6 * i) / n) * (1 + 0.15 * (noise() - 0.5)));
};

/** A symmetric matrix with ones on its diagonal and blocks of both signs. */
const correlations = (n) => {
  const noise = random(5);
  const data = new Float32Array(n * n);
  for (let i = 0; i < n; i += 1)
    for (let j = 0; j <= i; j += 1) {
      const block = Math.floor((5 * i) / n) === Math.floor((5 * j) / n) ? 0.55 : Math.floor((5 * i) / n) + Math.floor((5 * j) / n) === 4 ? -0.45 : 0;
      data[i * n + j] = data[j * n + i] = i === j ? 1 : block + 0.3 * (noise() - 0.5);
    }
  return data;
};

const pentagon = (n, radius, turn = 0.3) => Array.from({ length: n }, (_, i) => [radius * Math.cos(turn + (2 * Math.PI * i) / n), radius * Math.sin(turn + (2 * Math.PI * i) / n)]);
const count = (n, f) => Array.from({ length: n }, (_, i) => f(i));
const long = "reconstruction error of the features that were dead at the end";

/** Tag, id and what is shown. */
export const samples = [
  ["curve-plot", "training", { name: "training", caption: "Training, epoch by epoch", panels: [
    { title: "Reconstruction loss", xLabel: "epoch", yLabel: "mean squared error, logarithmic", yLog: true, lines: [{ label: "total", y: falling(120, 2, 0.02) }, { label: "recon", y: falling(120, 1.4, 0.01, 2) }] },
    { title: "Sparsity loss", xLabel: "epoch", yLabel: "mean |f|", lines: [{ y: falling(120, 0.9, 0.12, 3) }] },
    { title: "Fraction of features active", xLabel: "epoch", yLabel: "share", yMin: 0, yMax: 0.5, lines: [{ y: falling(120, 0.48, 0.05, 4) }] },
    { title: "Active features", xLabel: "epoch", yLabel: "features", yMin: 0, lines: [{ y: falling(120, 160, 9, 5) }], rules: [{ y: 200, label: "all features" }] },
  ] }],
  ["curve-plot", "three", { name: "three", caption: "A toy autoencoder", panels: [
    { title: "Reconstruction", xLabel: "epoch", yLabel: "loss", lines: [{ y: falling(60, 0.2, 0.01) }] },
    { title: "L1 penalty", xLabel: "epoch", yLabel: "loss", lines: [{ y: falling(60, 1, 0.3) }] },
    { title: "L0", xLabel: "epoch", yLabel: "active features", lines: [{ y: falling(60, 60, 12) }], rules: [{ y: 64, label: "all features" }] },
  ] }],
  ["curve-plot", "capacity", { name: "capacity", caption: "Capacity", columns: 2, panels: [
    { title: "Error and capacity", xLabel: "features", yLabel: "squared error", xLog: true, lines: [{ x: [32, 64, 128], y: [0.012, 0.0071, 0.0045], markers: true }] },
    { title: "Used of them", xLabel: "features", yLabel: "features", xLog: true, lines: [{ label: "all", x: [32, 64, 128], y: [32, 64, 128], markers: true }, { label: "active", x: [32, 64, 128], y: [30, 41, 52], markers: true }], rules: [{ x: 100, label: "as wide as the model" }] },
  ] }],
  ["curve-plot", "awkward", { name: "awkward", caption: "Gaps, a single point, huge values, no line", columns: 2, panels: [
    { title: "Gaps", xLabel: "step", yLabel: "value", lines: [{ label: "a", y: [1, 2, NaN, 3, null, 2, 1.5, Infinity, 1, 2, 2.2, 2.1, 2, 1.9] }, { label: "b", y: count(14, (i) => 0.5 + i / 20) }] },
    { title: "One point", xLabel: "step", yLabel: "value", lines: [{ label: "only", y: [0.25] }] },
    { title: "Huge", xLabel: "step", yLabel: "squared error", lines: [{ label: "exploding", y: count(30, (i) => 10 ** i) }, { label: "calm", y: count(30, () => 1e22) }] },
    { title: "Nothing yet", xLabel: "step", yLabel: "loss", lines: [] },
  ] }],
  ["curve-plot", "many", { name: "many", caption: "Six runs", xLabel: "step", yLabel: "loss", yLog: true, lines: count(6, (k) => ({ label: ["standard", "TopK", "BatchTopK", "JumpReLU", "Gated", "Matryoshka"][k], y: falling(200, 1, 0.02 * 1.5 ** k, k) })), rules: [{ y: 0.5, label: "predicting the mean row" }] }],
  ["scatter-plot", "pareto", { name: "pareto", caption: "Sparsity against reconstruction", xLabel: "active features", yLabel: "squared error", xLog: true, yLog: true,
    groups: ["standard", "TopK", "Gated", "JumpReLU"].map((label, k) => ({ label, x: count(6, (i) => 4 * 2 ** i * (1 + k / 9)), y: count(6, (i) => (0.9 - 0.1 * k) / 2 ** (0.8 * i)), labels: k === 1 ? count(6, (i) => `k = ${4 * 2 ** i}`) : [] })) }],
  ["scatter-plot", "cloud", { name: "cloud", caption: "Frequency and mean activation of 1,500 features", xLabel: "share of rows where active", yLabel: "mean activation", xLog: true, rules: [{ x: 0.1, label: "dense" }],
    groups: [{ label: "features", x: count(1500, (() => { const r = random(8); return () => 10 ** (-4 * r()); })()), y: count(1500, (() => { const r = random(9); return () => r() + r() + r(); })()) }] }],
  ["scatter-plot", "few-points", { name: "few-points", caption: "One point, and none", columns: 2, panels: [
    { title: "One", xLabel: "x", yLabel: "y", groups: [{ x: [3], y: [7], labels: ["the only one, with a long name"] }] },
    { title: "None", xLabel: "x", yLabel: "y", groups: [] },
  ] }],
  ["arrow-plot", "features", { name: "features", caption: "Five features in two dimensions", xLabel: "hidden dimension 1", yLabel: "hidden dimension 2", vectors: { data: Float32Array.from(pentagon(5, 1.1).flat()), shape: [5, 2] }, labels: count(5, (i) => `feature ${i + 1}`), circle: 1 }],
  ["arrow-plot", "sparsities", { name: "sparsities", caption: "Sparser features, more of them", panels: [1, 0.3, 0.03].map((p, k) => ({ title: `p = ${p}`, circle: 1, max: 1.5, vectors: pentagon(5, 1, 0.2).map(([x, y], i) => (i > 2 * k + 1 ? [0.02 * x, 0.02 * y] : k === 0 ? [[1, 0], [0, 1]][i] : [x, y])), labels: count(5, (i) => String(i + 1)) })) }],
  ["arrow-plot", "crowd", { name: "crowd", caption: "Twenty features, and a pair that coincides", columns: 2, panels: [
    { title: "Twenty", vectors: pentagon(20, 0.8), labels: count(20, (i) => `f${i}`) },
    { title: "Coinciding, and none", vectors: [[1, 1], [1, 1.02], [-0.7, -0.7], [0, 0], [NaN, 1]], labels: ["first", "second", "antipode", "zero", "lost"] },
  ] }],
  ["bar-plot", "three-bars", { name: "three-bars", caption: "Mean loss", yLabel: "nats a token", labels: ["clean", "with the reconstructions in place", "without the vectors"], values: [3.21, 3.48, 9.7] }],
  ["bar-plot", "signs", { name: "signs", caption: "Both signs, two series", xLabel: "feature", yLabel: "mean activation", labels: ["12", "77", "340", "511", "602"], series: [{ label: "positive", values: [3, 1.2, -0.4, 0.1, 2] }, { label: "negative", values: [0.4, 1.1, 2.1, -0.9, NaN] }], rules: [{ y: 1.5, label: "threshold" }] }],
  ["bar-plot", "sixty", { name: "sixty", caption: "Sixty bars", xLabel: "feature", yLabel: "AUROC", yMin: 0, yMax: 1, labels: count(60, (i) => `F${i * 137}`), values: count(60, (i) => 1 - i / 90), rules: [{ y: 0.5, label: "chance" }] }],
  ["bar-plot", "histogram", { name: "histogram", caption: "Norms of the rows", columns: 2, panels: [
    { title: "Linear", xLabel: "norm", yLabel: "rows", edges: count(41, (i) => i * 10), values: count(40, (i) => (i === 39 ? 1 : Math.round(900 * Math.exp(-((i - 9) ** 2) / 12)))) },
    { title: "Logarithmic", xLabel: "norm", yLabel: "rows, logarithmic", yLog: true, edges: count(41, (i) => i * 10), values: count(40, (i) => (i === 39 ? 1 : Math.round(900 * Math.exp(-((i - 9) ** 2) / 12)))), rules: [{ x: 200, label: "outliers" }] },
  ] }],
  ["bar-plot", "awkward-bars", { name: "awkward-bars", caption: "Long names, huge values, none", panels: [
    { title: "Long names", yLabel: "share", labels: [long, "short", `another ${long}`], values: [0.2, 0.5, 0.9] },
    { title: "Huge", yLabel: "value", labels: ["a", "b", "c"], values: [1e12, 3e11, Infinity] },
    { title: "None", yLabel: "value", labels: [], values: [] },
  ] }],
  ["matrix-map", "correlation", { name: "correlation", caption: "Correlation of 12 features", data: correlations(12), shape: [12, 12], rows: count(12, (i) => `F${i * 91}`), columns: count(12, (i) => `F${i * 91}`), unit: "correlation", max: 1, xLabel: "feature", yLabel: "feature" }],
  ["matrix-map", "hundred", { name: "hundred", caption: "Correlation of 100 features", data: correlations(100), shape: [100, 100], unit: "correlation", max: 1, xLabel: "feature", yLabel: "feature" }],
  ["matrix-map", "products", { name: "products", caption: "Interference of the features", panels: count(3, (k) => ({ title: `p = ${[1, 0.3, 0.03][k]}`, data: correlations(5).map((v) => v * (1 - 0.3 * k)), shape: [5, 5], max: 1 })) }],
  ["matrix-map", "awkward-matrix", { name: "awkward-matrix", caption: "Wide, with gaps; only activations", data: Float32Array.from({ length: 240 }, (_, i) => (i % 17 === 3 ? NaN : (i % 29) - 6)), shape: [6, 40], square: false, diverging: true, rows: count(6, (i) => `F${i}`), columns: count(40, (i) => [" the", " Paris", "ing", "\u2423"][i % 4]), unit: "logits", xLabel: "token", yLabel: "feature" }],
  ["matrix-map", "empty-matrix", { name: "empty-matrix", caption: "Nothing to show", data: [], shape: [0, 0] }],
];

/** Puts the samples into the page and waits for their pictures. */
export async function hang(only = samples.map(([, id]) => id)) {
  for (const file of ["curve-plot", "scatter-plot", "arrow-plot", "bar-plot", "matrix-map"]) await import(`${site}ui/${file}.js`);
  const { openPlots, plotsAreOff } = await import(`${site}ui/plots.js`);
  const main = document.createElement("main");
  document.body.replaceChildren(main);
  for (const [tag, id, shown] of samples.filter(([, id]) => only.includes(id))) {
    const element = document.createElement(tag);
    element.id = id;
    main.append(element);
    element.show(shown);
  }
  await openPlots(await WebAssembly.compileStreaming(fetch(`${site}pkg/sae_lab_bg.wasm`)));
  await new Promise((resolve) => setTimeout(resolve, 700));
  return !plotsAreOff();
}
