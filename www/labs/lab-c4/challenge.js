// @ts-check
// The challenge, first half: a wider autoencoder, trained on text that streams through the model.

import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { filesOf } from "../../ui/file-field.js";
import { count, counted, decimals, exact, percent } from "../../ui/format.js";
import { textsIn } from "../../ui/prompts.js";
import { printedBox } from "../shared/printed.js";
import { residPost } from "../work/bench.js";
import { concludeWide, trainWide, WIDE } from "../work/c4-challenge.js";
import { bench, throttled } from "./parts.js";
import { origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { StreamCurves } from "./stream-curves.js";

/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../../ui/types.js").Epoch} Epoch */
/** @typedef {{sae: Sae | null, handles: Sae[], history: Epoch[], texts: number, source: string, tokens: number, l1: number, dSae: number, expansion: number, layer: number, hook: string, center: boolean, prependBos: boolean, seed: number}} Value */

/** For a run of some ten seconds on a processor: a higher rate and price than for one of hours. */
const SHORT = Object.freeze({ tokens: 30_000, l1: 5, lr: 3e-3, batchSize: 256, heldOut: 0.02 });

/** The text that comes with the page. */
const BUNDLED = new URL("../texts/challenge.txt", import.meta.url);

/** The texts to learn from, and what to call them. @param {Record<string, any>} values @param {AbortSignal} signal */
async function textsOf({ files, pasted }, signal) {
  const chosen = filesOf(files);
  if (chosen.length) {
    const all = (await Promise.all(chosen.map((file) => file.text()))).flatMap(textsIn);
    return { texts: all, source: chosen.map(({ name }) => name).join(", ") };
  }
  if (String(pasted ?? "").trim()) return { texts: textsIn(pasted), source: "the pasted text" };
  const answer = await fetch(BUNDLED, { signal });
  if (!answer.ok) throw new PageError("LAB-DOWNLOAD", "The text that comes with the page did not arrive.", "Try again, or drop a text file of your own.");
  return { texts: textsIn(await answer.text()), source: "the text that comes with the page" };
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function challengeStep(step) {
  const { session } = step;
  const curves = make(StreamCurves);
  const printed = printedBox();
  return {
    uses: [],
    conventions: ["prependBos", "view"],
    promise: "Run streams the text through the model and trains a wide autoencoder on what it reads.",
    body: [printed.element, curves],
    fields: () => [
      { name: "files", label: "Text files of your own", kind: "files", value: [], accept: ".txt,.md,.py,.js,.csv,.json,text/*", wide: true, hint: "each is split into texts at blank lines; without a file: the text that comes with the page, half made from templates, half Moby-Dick" },
      { name: "pasted", label: "Or text to paste", kind: "lines", value: "", rows: 2, wide: true },
      {
        name: "expansion",
        label: "Expansion",
        kind: "choice",
        value: "8",
        options: ["4", "8", "16", "32"].map((value) => ({ value, label: `${value} features per dimension` })),
      },
      { name: "tokens", label: "Tokens to train on", kind: "integer", value: SHORT.tokens, min: 1000, max: 100_000_000, hint: "more is better and takes longer; texts are repeated, in a new order, when they run out" },
      { name: "l1", label: "Coefficient λ", kind: "log", value: SHORT.l1, min: 1e-2, max: 100, hint: "for a loss of sums, as in SAELens" },
      { name: "batchSize", label: "Batch", kind: "integer", value: SHORT.batchSize, min: 16, max: 65_536, unit: "tokens" },
      { name: "lr", label: "Learning rate", kind: "number", value: SHORT.lr, above: 0, max: 1, hint: "Adam" },
      { name: "heldOut", label: "Hold out", kind: "number", value: SHORT.heldOut, min: 0, max: 0.9, hint: "share of the texts" },
      { name: "layer", label: "Layer", kind: "integer", value: Math.min(6, session.config.nLayers - 1), min: 0, max: session.config.nLayers - 1, advanced: true },
      { name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true },
    ],
    readout({ expansion, l1 }) {
      const dIn = session.config.dModel;
      const dSae = Number(expansion) * dIn;
      return `${count(dSae)} features, ${count(2 * dIn * dSae + dSae + dIn)} parameters\nλ = ${exact(l1)} would be c = ${exact(Number(((l1 * dSae) / dIn).toPrecision(3)))} in the notebook's loss, on rows scaled to length √${dIn}`;
    },
    label: (_, again) => (again ? "Train again" : "Train"),
    async run(context) {
      const { values, signal, live, model } = context;
      const { texts, source } = await textsOf(values, signal);
      if (!texts.length) throw new PageError("LAB-EMPTY-INPUT", "There is no text in these files.", "Choose files that hold text, or empty the field for the text that comes with the page.");
      const { tokens, l1, batchSize, lr, heldOut, layer, seed, prependBos } = values;
      const expansion = Number(values.expansion);
      const center = values.view === "tl";
      const dSae = expansion * model.config.dModel;
      /** @type {Value} */ const value = {
        sae: null, handles: [], history: [], texts: texts.length, source, tokens, l1, dSae, expansion, layer, hook: residPost(layer), center, prependBos, seed,
      };
      const draw = throttled(250, () => live(value));
      // a buffer larger than the run would never be mixed, and a warm-up longer than the run is none
      const quarter = Math.floor(tokens / batchSize / 4);
      const bufferRows = Math.max(2 * batchSize, Math.min(WIDE.bufferRows, Math.floor(tokens / 4)));
      const options = /** @type {Parameters<typeof trainWide>[2]} */ ({
        expansion, layer, tokens, l1, batchSize, bufferRows, lr, heldOut, seed, prependBos, center, skipPosition0: WIDE.skipPosition0,
        entryEvery: Math.max(1, Math.round(tokens / batchSize / 20)), // each entry measures on what is held out
        l1WarmUpSteps: Math.min(WIDE.l1WarmUpSteps, quarter),
        lrWarmUpSteps: Math.min(WIDE.lrWarmUpSteps, quarter),
        onEntry: (/** @type {Epoch} */ entry) => {
          value.history.push(entry);
          draw();
        },
      });
      const wide = await trainWide(bench(context), texts, options);
      return { value: { ...value, sae: wide.sae, handles: [wide.sae], history: wide.history } };
    },
    render(/** @type {Value} */ value) {
      const last = value.history.at(-1);
      printed.show([
        `${counted(value.texts, "text")}: ${value.source}`,
        `SAE: ${session.config.dModel} dimensions, ${count(value.dSae)} features (${value.expansion}x)`,
        ...(last
          ? [
              `After ${counted(last.rows, "token")}: ${decimals(1)(last.nActive)} active features of a row, ${count(last.dead)} dead`,
              ...(last.heldOut?.explainedVariance != null ? [`Explained of text held out: ${percent(Math.max(0, last.heldOut.explainedVariance))}`] : []),
            ]
          : []),
      ]);
      curves.show([...value.history]);
    },
    conclusion: (/** @type {Value} */ value) => concludeWide(/** @type {any} */ ({ ...value })),
    provenance: (/** @type {Value} */ value) => origin(session, { ...value, more: `λ = ${exact(value.l1)}` }),
    code: (values) => ({ javascript: javascript.challenge(values), python: python.challenge(values) }),
  };
}
