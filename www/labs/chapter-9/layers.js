// @ts-check
// Exercise 2: autoencoders of two layers, trained alike, and why their feature numbers mean nothing to each other.

import "../../ui/bar-plot.js";
import "../../ui/data-table.js";
import "../../ui/figure.js";
import { BarPlot } from "../../ui/bar-plot.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { bytes, counted, decimals, exact, number, percent, rough } from "../../ui/format.js";
import { convertL1 } from "../../engine/units.js";
import { CODE_TEXTS, PROSE_TEXTS } from "../texts/chapter9.js";
import { compareLayers, compareLoaded, concludeLayers, LAYER_PAIR, layerHook } from "../work/layer-pair.js";
import { EXPLAINED_VARIANCES } from "../work/reconstruction.js";
import { printedBox } from "../shared/printed.js";
import { SEED, seedField } from "./setup.js";
import * as snippets from "./snippets-exercises.js";
import { conventionsOf, hookName, READING, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../engine/types.js").Figures} Figures */
/** @typedef {import("../work/layer-pair.js").LayerResult} LayerResult */
/** `l1` and `expansion` are null where the two were loaded. @typedef {import("../work/layer-pair.js").LayerPair & {l1: number | null, expansion: number}} LayerPair */

export const TEXTS = Object.freeze([...LAYER_PAIR.texts, ...PROSE_TEXTS, ...CODE_TEXTS]);

/** The number that the exercise asks about. */
const NUMBER = 7;

/** Two shares count as equal that are no further apart. */
const CLOSE = 0.01;

/** The release that has an autoencoder for each layer of GPT-2 small, and about how large each is. */
const RELEASE = "gpt2-small-res-jb";
const BYTES = 151_000_000;

/** Where the two come from; only GPT-2 has published ones. @param {Session} session @returns {import("../../ui/fields.js").Field[]} */
const sources = (session) =>
  session.model?.name === "gpt2"
    ? [
        {
          name: "source",
          label: "The autoencoders",
          kind: "choice",
          value: "train",
          options: [
            { value: "train", label: "are trained here" },
            { value: "published", label: `are ${RELEASE}'s` },
          ],
        },
      ]
    : [];

/** What the page's explained variance is called. @param {Session} session */
const evName = (session) => EXPLAINED_VARIANCES.find(({ key }) => key === conventionsOf(session).values.ev)?.name ?? "";

/** @param {Session} session @param {LayerResult} result @returns {Figures} */
const figuresOf = (session, { all, withoutPosition0 }) => (conventionsOf(session).values.skipPosition0 ? (withoutPosition0 ?? all) : all);

/** A coefficient of the loss of sums, as the page's switch writes it. @param {Session} session @param {number} l1 @param {number} expansion */
function coefficient(session, l1, expansion) {
  const dIn = session.config.dModel;
  return conventionsOf(session).values.l1Unit === "sum" ? `λ = ${exact(l1)}` : `c = ${rough(convertL1(l1, { from: "sum", to: "mean", dIn, dSae: expansion * dIn }))}`;
}

/** @param {LabStep} step @returns {Definition} */
export function layers(step) {
  const { session } = step;
  const printed = printedBox();
  const table = make(DataTable),
    figure = make(LabFigure),
    plot = make(BarPlot),
    matches = make(DataTable),
    matchFigure = make(LabFigure);
  /** @type {LayerPair | null} */ let shown = null;

  /** @type {{label: string, of(figures: Figures, result: LayerResult): number | null | undefined, format: (x: number) => string}[]} */
  const quantities = [
    { label: "active features, L0", of: (f) => f.l0, format: number },
    { label: "explained variance", of: (f) => f[conventionsOf(session).values.ev], format: percent },
    { label: "explained variance, no pos. 0", of: (_, r) => r.withoutPosition0?.[conventionsOf(session).values.ev], format: percent },
    { label: "MSE", of: (f) => f.meanMse, format: number },
    { label: "mean length of a vector", of: (_, r) => r.meanNorm, format: number },
    { label: "never active", of: (f) => f.deadLatents, format: String },
    { label: "active on over 10 %", of: (f) => f.denseLatents, format: String },
  ];

  /** @returns {import("../../ui/data-table.js").Table} */
  const figureTable = () => {
    const format = (/** @type {number} */ x, /** @type {import("../../ui/data-table.js").Row} */ row) => quantities.find(({ label }) => label === row.what)?.format(x) ?? number(x);
    return {
      caption: "Two layers, the same settings",
      columns: [
        { key: "what", label: "figure" },
        { key: "a", label: shown ? `block ${shown.a.layer}` : "first", kind: "number", format },
        { key: "b", label: shown ? `block ${shown.b.layer}` : "second", kind: "number", format },
      ],
      rows: quantities.map(({ label, of }) => ({ what: label, a: shown ? of(figuresOf(session, shown.a), shown.a) : null, b: shown ? of(figuresOf(session, shown.b), shown.b) : null })),
    };
  };

  /** @returns {import("../../ui/data-table.js").Table} */
  const matchTable = () => ({
    caption: "The nearest feature of the first layer, for each of the second",
    sortable: true,
    pageSize: 10,
    columns: [
      { key: "b", label: `block ${shown?.b.layer}`, kind: "number", format: (x) => `#${x}` },
      { key: "a", label: `nearest in block ${shown?.a.layer}`, kind: "number", format: (x) => `#${x}` },
      { key: "cosine", label: "cosine", kind: "number", format: decimals(3) },
    ],
    rows: Array.from(shown?.matching.cosines ?? [], (cosine, b) => ({ b, a: shown?.matching.features[b], cosine })),
  });

  return {
    uses: [],
    conventions: READING,
    promise: "Run trains one autoencoder on each layer, with the same settings, and compares the two.",
    body: [printed.element, figure, plot, matchFigure],
    fields: () => {
      const last = session.config.nLayers - 1;
      return [
        ...sources(session),
        { name: "first", label: "First layer", kind: "integer", value: Math.min(LAYER_PAIR.layers[0], last), min: 0, max: last, hint: "before this block" },
        { name: "second", label: "Second layer", kind: "integer", value: Math.min(LAYER_PAIR.layers[1], last), min: 0, max: last, hint: "before this block" },
        { name: "l1", label: "Sparsity coefficient λ", kind: "log", value: LAYER_PAIR.l1, min: 1e-3, max: 1e3 },
        { name: "epochs", label: "Epochs", kind: "integer", value: 40, min: 1, max: 1000 },
        { name: "expansion", label: "Features per dimension", kind: "integer", value: LAYER_PAIR.expansion, min: 1, max: 16, advanced: true },
        {
          name: "scale",
          label: "Scale each layer's vectors to one mean length",
          kind: "switch",
          value: false,
          hint: "else the coefficient presses harder where they are short",
        },
        seedField({ value: session.usable(STEPS.setup)?.value.seed ?? SEED, hint: "of the first; the second takes the next", advanced: true }),
      ];
    },
    readout: ({ source, l1, expansion, epochs }) =>
      source === "published"
        ? `Fetches twice about ${bytes(BYTES)} from huggingface.co. What is set for training is not used.`
        : `${counted(TEXTS.length, "text")}, ${counted(epochs, "epoch")}, ${expansion * session.config.dModel} features, ${coefficient(session, l1, expansion)}.`,

    async run({ lab, model, signal, progress, values }) {
      const { first, second, l1, epochs, expansion, seed, scale, prependBos, view } = values;
      /** @type {"none" | "expected_average_only_in"} */ const normalizeActivations = scale ? "expected_average_only_in" : "none";
      const settings = { layers: [first, second], texts: TEXTS, l1, epochs, expansion, seed, prependBos, center: view === "tl", batchSize: 64, normalizeActivations };
      const bench = { lab, model, signal, progress };
      if (values.source !== "published") return { value: { ...(await compareLayers(bench, settings)), l1, expansion } };
      /** @type {{sae: import("./steps.js").Sae, layer: number}[]} */ const loaded = [];
      try {
        for (const layer of settings.layers) {
          const onProgress = (/** @type {any} */ p) => progress((p.done ?? 0) / 1e6, Math.max(p.total ?? BYTES, p.done ?? 0) / 1e6, "MB");
          loaded.push({ layer, sae: await lab.loadSae(`${RELEASE}/${layerHook(layer)}`, { signal, onProgress }) });
        }
        return { value: { ...(await compareLoaded(bench, loaded[0], loaded[1], settings)), l1: null, expansion } };
      } finally {
        for (const { sae } of loaded) void sae.dispose().catch(() => {});
      }
    },

    render(/** @type {LayerPair} */ value) {
      shown = value;
      const { a, b, matching } = value;
      const seven = matching.features[NUMBER];
      printed.show([
        `${hookName(session, a.hook)} and ${hookName(session, b.hook)}: ${a.dSae} features each${value.l1 === null ? "" : `, ${coefficient(session, value.l1, value.expansion)}`}`,
        `Mean cosine of features with the same number: ${decimals(3)(matching.sameNumber)}`,
        `Mean cosine with the nearest one: ${matching.mean.toFixed(3)}`,
        seven === undefined ? "" : `Nearest to block ${b.layer}'s #${NUMBER} in block ${a.layer}: #${seven} (cosine ${matching.cosines[NUMBER].toFixed(3)})`,
      ]);
      table.show(figureTable());
      figure.show({ name: "two-layers", caption: `The two autoencoders, ${conventionsOf(session).values.skipPosition0 ? "position 0 left out" : "all positions"}; explained variance: ${evName(session)}`, body: [table], table: figureTable });
      plot.show({ name: "decoder-matches", caption: "How near is the nearest feature of the other layer?", xLabel: "largest cosine of decoder rows", yLabel: "features", edges: matching.histogram.edges, values: matching.histogram.counts });
      matches.show(matchTable());
      matchFigure.show({ name: "decoder-match-table", caption: "Matched by the decoder's direction", body: [matches], table: matchTable });
    },

    conclusion: (/** @type {LayerPair} */ value) => concludeLayers(value),
    provenance: (/** @type {LayerPair} */ { a, b }, { view, prependBos, seed }) =>
      [session.modelName, `${hookName(session, a.hook)}, ${hookName(session, b.hook)}`, view === "tl" ? "TransformerLens" : "Hugging Face", prependBos ? "BOS" : "no BOS", `seed ${seed}`].join(" · "),
    code: (values) => ({ javascript: snippets.layersJs(values, layerHook), python: snippets.layersPy(values, layerHook) }),
  };
}

/** @param {Session} session @returns {import("../../ui/exercise.js").Exercise} */
export function layersExercise(session) {
  const result = () => /** @type {LayerPair | undefined} */ (session.usable(STEPS.layers)?.value);
  return {
    fields: () => {
      const { a, b } = result() ?? {};
      return [
        {
          name: "number",
          label: `Feature #${NUMBER} of one layer and #${NUMBER} of the other`,
          kind: "choice",
          wide: true,
          value: "",
          options: [
            { value: "", label: "choose" },
            { value: "same", label: "are the same feature, read earlier and later" },
            { value: "apart", label: "share a number and nothing else" },
          ],
        },
        {
          name: "match",
          label: "What could show that two features correspond?",
          kind: "choice",
          wide: true,
          value: "",
          options: [
            { value: "", label: "choose" },
            { value: "number", label: "their numbers" },
            { value: "strength", label: "equally large activations" },
            { value: "direction", label: "a high cosine of their decoder rows, and activity on the same tokens" },
          ],
        },
        {
          name: "variance",
          label: "Which explains more of the variance, position 0 left out?",
          kind: "choice",
          wide: true,
          value: "",
          hint: `about equally: no more than ${counted(100 * CLOSE, "percentage point")} apart`,
          options: [
            { value: "", label: "choose" },
            { value: "a", label: a ? `the one before block ${a.layer}` : "the first" },
            { value: "b", label: b ? `the one before block ${b.layer}` : "the second" },
            { value: "equal", label: "both about equally" },
          ],
        },
      ];
    },
    check({ number: same, match, variance }) {
      const pair = result();
      if (!pair) return { right: null, message: `Run step ${STEPS.layers} first: the answers are judged by its figures.` };
      if ([same, match, variance].includes("")) return { right: null, message: "Answer all three questions." };
      const { a, b, matching } = pair;
      // by the formula that the table above goes by
      const ev = (/** @type {LayerResult} */ r) => (r.withoutPosition0 ?? r.all)[conventionsOf(session).values.ev] ?? 0;
      const measured = Math.abs(ev(a) - ev(b)) <= CLOSE ? "equal" : ev(a) > ev(b) ? "a" : "b";
      const wrong = [
        same === "same" ? `Features with the same number have a mean cosine of ${decimals(2)(matching.sameNumber)}, the nearest ones ${matching.mean.toFixed(2)}: a number is only a place in a list that training filled by chance.` : "",
        match === "number" ? "Numbers are drawn by the seed, not by meaning." : match === "strength" ? "How large activations are depends on the length of the vectors, which grows from layer to layer: it does not say what a feature is about." : "",
        variance !== measured ? `Explained variance (${evName(session)}, position 0 left out) is ${percent(ev(a))} before block ${a.layer} and ${percent(ev(b))} before block ${b.layer}.` : "",
      ].filter(Boolean);
      return wrong.length
        ? { right: false, message: wrong.join(" ") }
        : { right: true, message: `The figures agree: ${percent(ev(a))} and ${percent(ev(b))} explained, and ${percent(matching.matched)} of the features have a match with a cosine above 0.7, none of it because of equal numbers.` };
    },
    solve() {
      session.steps.get(STEPS.layers)?.settings.reset();
    },
  };
}
