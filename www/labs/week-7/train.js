// @ts-check
// Cell 10: the training, with the lines that the notebook prints.

import "../../ui/curve-plot.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { make } from "../../ui/dom.js";
import { isCancelled } from "../../ui/errors.js";
import { counted, number, percent } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { trainWeek7, WEEK7_TRAINING, week7Sae } from "../work/week7-training.js";
import { benchOf, seedField } from "./fields.js";
import { modelSnippets } from "./snippets-model.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../work/week7-training.js").History} History */
/** @typedef {import("./activations.js").Value} Data */
/** @typedef {{sae: Sae, handles: Sae[], history: History, dSae: number, l1: number, rows: number, hook: string, l0: "after" | "before", seed: number, epochs: number}} Value */

/** Entries come faster than anyone can look, in milliseconds. */
const redraw = 250;

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function trainStep(step) {
  const { session } = step;
  const printed = printedBox(),
    curve = make(CurvePlot);
  const name = (/** @type {string} */ hook) => session.conventions?.hook(hook, session.config.nLayers) ?? hook;

  return {
    uses: [STEPS.sae, STEPS.activations],
    promise: "Run trains the autoencoder and shows the loss as it falls. It can be stopped; what has been learnt is kept.",
    body: [curve, printed.element],
    fields: () => [
      { name: "epochs", label: "Epochs", kind: "integer", value: WEEK7_TRAINING.epochs, min: 1, max: 10000 },
      { name: "batchSize", label: "Batch size", kind: "integer", value: WEEK7_TRAINING.batchSize, min: 1, max: 4096, unit: "rows" },
      { name: "lr", label: "Learning rate", kind: "number", value: WEEK7_TRAINING.lr, above: 0, max: 1 },
      {
        name: "l0",
        label: "Count active features",
        kind: "choice",
        value: WEEK7_TRAINING.l0,
        hint: "the notebook counts after the step, the losses are from before it",
        options: [
          { value: "after", label: "after each step" },
          { value: "before", label: "before it, which is faster" },
        ],
        advanced: true,
      },
      seedField({ hint: "of the order of the rows" }),
    ],
    readout({ epochs, batchSize }) {
      const rows = session.usable(STEPS.activations)?.value.shape[0];
      if (!rows || !(epochs > 0 && batchSize > 0)) return null;
      const batches = Math.ceil(rows / batchSize);
      return `${counted(batches, "batch", "batches")} an epoch, the last with ${counted(rows - (batches - 1) * batchSize, "row")}: ${counted(batches * epochs, "step")}`;
    },

    async run(context) {
      const { values, use, live } = context;
      const data = /** @type {Data} */ (use(STEPS.activations));
      const { expansion, l1, seed: saeSeed } = use(STEPS.sae);
      const { epochs, batchSize, lr, l0, seed } = values;
      const bench = benchOf(context);
      const { sae, dSae } = await week7Sae(bench, { expansion, seed: saeSeed, dIn: data.shape[1] });
      /** @type {Value} */ const value = {
        sae, handles: [sae], history: { loss: [], recon: [], sparsity: [], l0: [], l0Before: [] }, dSae, l1, rows: data.shape[0], hook: data.hook, l0, seed, epochs,
      };
      let drawn = performance.now();
      const onEpoch = (/** @type {number} */ _, /** @type {History} */ history) => {
        value.history = history;
        if (performance.now() - drawn < redraw) return;
        drawn = performance.now();
        live(value);
      };
      try {
        const { history } = await trainWeek7(bench, sae, data.acts, { epochs, batchSize, lr, l1, l0, seed, onEpoch });
        return { value: { ...value, history } };
      } catch (error) {
        const done = value.history.loss.length;
        if (isCancelled(error) && done > 0) return { value, stopped: `Stopped after ${done} of ${counted(epochs, "epoch")}. The autoencoder keeps what it has learnt: the next steps can use it.` };
        void sae.dispose().catch(() => {});
        throw error;
      }
    },

    render(/** @type {Value} */ { history, dSae, l0 }) {
      const epochs = history.loss.map((_, i) => i);
      curve.show({
        name: "training",
        caption: "Loss of each epoch",
        xLabel: "epoch",
        yLabel: "mean squared error, logarithmic",
        yLog: true,
        lines: [
          { label: "total", y: history.loss },
          { label: "error", y: history.recon },
        ],
        table: () => trainingTable(history),
      });
      printed.show(
        epochs
          .filter((epoch) => epoch % WEEK7_TRAINING.printEvery === 0)
          .map((epoch) => `epoch ${String(epoch).padStart(3)}: total ${history.loss[epoch].toFixed(4)}   error ${history.recon[epoch].toFixed(4)}   L0 ${history.l0[epoch].toFixed(1)}/${dSae} (${((100 * history.l0[epoch]) / dSae).toFixed(1)} %)${l0 === "before" ? " before the step" : ""}`),
      );
    },

    conclusion(/** @type {Value} */ { history, dSae, rows }) {
      const last = history.loss.length - 1;
      if (last < 0) return null;
      const weight = history.sparsity[last] / history.loss[last];
      return (
        `The error falls from ${number(history.recon[0])} to ${number(history.recon[last])}; ${number(history.l0[last])} of ${dSae} features are active on a row, after ${number(history.l0[0])} in the first epoch. ` +
        `The penalty is ${percent(weight)} of the loss${weight < 0.01 ? ", so hardly anything asks the code to be sparse: raise c by factors of ten in the step before last" : ""}. ` +
        (rows < dSae ? `There are ${counted(rows, "row")} for ${dSae} features: a feature for every row would do.` : "")
      ).trim();
    },
    provenance: (/** @type {Value} */ value) => `${session.modelName} · ${name(value.hook)} · seed ${value.seed}`,
    code: (values) => modelSnippets.train(values, session.usable(STEPS.sae)?.value),
  };
}

/** @param {History} history @returns {import("../../ui/data-table.js").Table} */
export const trainingTable = ({ loss, recon, sparsity, l0 }) => ({
  caption: "Means over the batches of each epoch",
  pageSize: 25,
  sortable: true,
  columns: [
    { key: "epoch", label: "epoch", kind: "number", format: String },
    { key: "loss", label: "total", kind: "number" },
    { key: "recon", label: "error", kind: "number" },
    { key: "penalty", label: "penalty", kind: "number" },
    { key: "active", label: "active features", kind: "number" },
  ],
  rows: loss.map((_, epoch) => ({ epoch, loss: loss[epoch], recon: recon[epoch], penalty: sparsity[epoch], active: l0[epoch] })),
});
