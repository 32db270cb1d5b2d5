// @ts-check
// Cell 9: one row per token of the ten sentences, at a place of Hugging Face's numbering.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { count, number } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { collectHf, concludeRows, hfHook, hfTable } from "../work/hf-index.js";
import { benchOf } from "./fields.js";
import { modelSnippets } from "./snippets-model.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Acts} Acts */
/** @typedef {{acts: Acts, handles: Acts[], hook: string, index: number, shape: number[], mean: number, std: number, distinctRows: number, position0Rows: number,
 *   texts: string[], center: boolean, prependBos: boolean, maxTokens: number}} Value */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function activationsStep(step) {
  const { session } = step;
  const printed = printedBox();
  const [norms, normsFigure, places, placesFigure] = [make(DataTable), make(LabFigure), make(DataTable), make(LabFigure)];
  /** @type {Value | null} */ let shown = null;
  const name = (/** @type {string} */ hook) => session.conventions?.hook(hook, session.config.nLayers) ?? hook;

  /** @returns {import("../../ui/data-table.js").Table} */
  const normsTable = () => {
    const { all, withoutPosition0: rest } = /** @type {Value} */ (shown).acts.stats;
    const row = (/** @type {string} */ what, /** @type {"rows" | "meanNorm" | "medianNorm" | "maxNorm" | "mean" | "std"} */ key) => ({ what, all: all[key], rest: rest[key] });
    const format = (/** @type {number} */ x, /** @type {import("../../ui/data-table.js").Row} */ { what }) =>
      what === "rows" ? count(x) : what === "mean of all numbers" && Math.abs(x) < 1e-6 ? "0" : number(x);
    return {
      caption: "The rows, with and without position 0",
      columns: [
        { key: "what", label: "" },
        { key: "all", label: "all", kind: "number", format },
        { key: "rest", label: "without position 0", kind: "number", format },
      ],
      rows: [row("rows", "rows"), row("mean length", "meanNorm"), row("median length", "medianNorm"), row("greatest length", "maxNorm"), row("mean of all numbers", "mean"), row("standard deviation", "std")],
    };
  };

  /** @returns {import("../../ui/data-table.js").Table} */
  const placesTable = () => ({
    caption: "Hugging Face's hidden_states by TransformerLens's names",
    columns: [
      { key: "hf", label: "Hugging Face" },
      { key: "tl", label: "TransformerLens" },
      { key: "also", label: "the same as" },
    ],
    rows: hfTable(session.config.nLayers).map(({ index, hook, after }) => ({
      hf: `hidden_states[${index}]${index === session.config.nLayers ? " = [−1]" : ""}${index === shown?.index ? " ◂ read here" : ""}`,
      tl: hook,
      also: after ?? (index === 0 ? "token and position embeddings" : "none: after the final layer norm"),
    })),
  });

  return {
    uses: [STEPS.load],
    conventions: ["prependBos", "view"],
    promise: "Run reads one vector per token, counts them, and shows which place in the model that is in both libraries' names.",
    body: [printed.element, normsFigure, placesFigure],
    fields() {
      const { nLayers } = session.config;
      return [{ name: "index", label: "hidden_states index", kind: "integer", value: Math.min(6, nLayers), min: -nLayers - 1, max: nLayers, hint: "the notebook reads 6; its function's default is −1" }];
    },
    readout({ index }) {
      const entry = Number.isInteger(index) ? hfHook(index, session.config.nLayers) : null;
      return entry ? `hidden_states[${entry.index}]: ${entry.after ? `${entry.hook}, which is ${entry.after}` : entry.hook}` : null;
    },

    async run(context) {
      const { values, use } = context;
      const { texts, maxTokens } = use(STEPS.load);
      const center = values.view === "tl";
      const { prependBos } = values;
      const found = await collectHf(benchOf(context), { texts, layer: values.index, prependBos, maxTokens, center });
      const index = hfHook(values.index, context.model.config.nLayers)?.index ?? values.index;
      return { value: { ...found, handles: [found.acts], index, texts, center, prependBos, maxTokens } };
    },

    render(/** @type {Value} */ value) {
      shown = value;
      printed.show([
        `Collected ${count(value.shape[0])} activation vectors at ${name(value.hook)}`,
        `Shape: [${value.shape.join(", ")}]`,
        `Distinct: ${count(value.distinctRows)}; at position 0: ${count(value.position0Rows)}`,
        `Mean ${Math.abs(value.mean) < 1e-6 ? "0" : number(value.mean)}, standard deviation ${number(value.std)} over all numbers`,
      ]);
      norms.show(normsTable());
      normsFigure.show({ name: "rows", caption: "How long the vectors are", body: [norms], table: normsTable });
      places.show(placesTable());
      placesFigure.show({ name: "hidden-states", caption: "Which place that is", body: [places], table: placesTable });
    },

    conclusion(/** @type {Value} */ value) {
      const last = value.index === session.config.nLayers;
      return `${concludeRows(value)}${last ? " These vectors come after the final layer norm: they are scaled, and no block reads them, so steering them changes the output only." : ""}${value.center ? " In this view each vector's mean is subtracted, as TransformerLens does." : ""}`;
    },
    provenance: (/** @type {Value} */ value) => `${session.modelName} · ${name(value.hook)} · ${value.center ? "TransformerLens" : "Hugging Face"} view · ${value.prependBos ? "BOS" : "no BOS"}`,
    code: (values) => modelSnippets.activations(values, session.usable(STEPS.load)?.value.texts ?? []),
  };
}
