// @ts-check
// Part 4: training, its four curves, the lines that the notebook prints, and what came of it.

import "./four-curves.js";
import { make } from "../../ui/dom.js";
import { isCancelled } from "../../ui/errors.js";
import { count, counted, decimals, exact, number, percent, rough } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { makeSae } from "../work/c4-sae.js";
import { concludeTraining, judge, trainSae } from "../work/c4-training.js";
import { autoencoderFields, autoencoderOptions, sizeWords } from "./autoencoder.js";
import { FourCurves, SHARE_AXIS } from "./four-curves.js";
import { bench, tableFigure, throttled } from "./parts.js";
import { coefficient, ev, leavesOut, losses, origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { STEPS } from "./steps.js";

/** @typedef {import("../../ui/types.js").Sae} Sae */
/** @typedef {import("../../ui/types.js").Epoch} Epoch */
/** @typedef {import("../../ui/types.js").Figures} Figures */
/** @typedef {import("./random-tokens.js").Value} Rows */
/** @typedef {Awaited<ReturnType<typeof judge>>} Judged */
/**
 * `quality` is of all rows with the finished weights; null while it trains. `trained` is the whole of a finished training.
 * @typedef {{sae: Sae, handles: Sae[], entries: Epoch[], printEvery: number, quality: Judged | null, trained: import("../work/c4-training.js").Trained | null,
 *   l1: number, tied: boolean, heldOut: number, seed: number, hook: string, layer: number, center: boolean, prependBos: boolean}} Value
 */

/** The fields of a training in the notebook's manner. @param {{epochs: number, batchSize: number}} recipe @returns {import("../../ui/fields.js").Field[]} */
export const trainingFields = ({ epochs, batchSize }) => [
  { name: "epochs", label: "Epochs", kind: "integer", value: epochs, min: 1, max: 10_000 },
  { name: "batchSize", label: "Batch", kind: "integer", value: batchSize, min: 1, max: 65_536, unit: "rows" },
  { name: "lr", label: "Learning rate", kind: "number", value: 1e-3, above: 0, max: 1, hint: "Adam" },
];

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function trainStep(step) {
  const { session } = step;
  const curves = make(FourCurves);
  const printed = printedBox();
  const figure = tableFigure("training-figures");

  /** @param {Value} value @returns {import("../../ui/data-table.js").Table} */
  function figures({ quality, entries, heldOut }) {
    const chosen = ev(session);
    const last = entries.at(-1);
    const shown = (/** @type {number} */ x, /** @type {import("../../ui/data-table.js").Row} */ row) => (String(row.what).startsWith("explained") ? decimals(4)(x) : row.what === "never active" ? count(x) : number(x));
    const all = quality?.all,
      rest = quality?.withoutPosition0;
    return {
      caption: "The finished autoencoder on the rows it was given",
      columns: [
        { key: "what", label: "" },
        { key: "all", label: "all rows", kind: "number", format: shown },
        { key: "rest", label: "without position 0", kind: "number", format: shown },
        ...(heldOut > 0 ? [/** @type {const} */ ({ key: "held", label: "held out", kind: "number", format: shown })] : []),
      ],
      rows: [
        { what: "active features per row", all: all?.l0, rest: rest?.l0, held: last?.heldOut?.l0 },
        { what: "mean squared error", all: all?.meanMse, rest: rest?.meanMse, held: last?.heldOut?.recon },
        { what: `explained variance, ${chosen.label}`, all: chosen.of(all), rest: chosen.of(rest), held: chosen.name === "evPerDimension" ? last?.heldOut?.explainedVariance : null },
        { what: "never active", all: quality?.deadLatents },
      ],
    };
  }

  /** @param {Value} value */
  function lines({ sae, entries, printEvery, l1 }) {
    const { dIn, dSae } = sae.config;
    const units = losses(session, dIn, dSae);
    const every = entries.filter(({ epoch }) => epoch % printEvery === 0);
    const last = entries.at(-1);
    const line = (/** @type {Epoch} */ { epoch, recon, fracActive, nActive }) =>
      `Epoch ${epoch}: recon=${decimals(4)(units.error(recon))}, sparsity=${decimals(2)(100 * fracActive)}%, n_active=${decimals(1)(nActive)}`;
    return [
      ...every.map(line),
      ...(last
        ? [
            "",
            "Final statistics:",
            `  Reconstruction loss: ${decimals(4)(units.error(last.recon))}${units.sums ? "   (summed over the dimensions of a row)" : ""}`,
            `  Active features: ${decimals(1)(last.nActive)} / ${dSae}`,
            `  Sparsity: ${decimals(2)(100 * last.fracActive)}%`,
            `  Coefficient: ${coefficient(session, l1, dIn, dSae)}`,
          ]
        : []),
    ];
  }

  return {
    uses: [STEPS["random-tokens"]],
    promise: "Run trains an autoencoder on all rows, with its curves as they grow.",
    body: [curves, printed.element, figure.element],
    fields: () => [
      { name: "l1", label: "Sparsity coefficient c", kind: "log", value: 5e-4, min: 1e-4, max: 1e3 },
      ...trainingFields({ epochs: 100, batchSize: 256 }),
      { name: "heldOut", label: "Hold out", kind: "number", value: 0, min: 0, max: 0.9, hint: "share of the texts; the notebook holds out none" },
      ...autoencoderFields("zeros"),
      { name: "printEvery", label: "Print every", kind: "integer", value: 20, min: 1, max: 1000, unit: "epochs", advanced: true },
    ],
    readout(values) {
      const dIn = session.config.dModel;
      const dSae = Math.max(1, Math.round(values.expansion * dIn));
      if (!(values.l1 >= 0) || !(dSae >= 1)) return null;
      const rows = session.usable(STEPS["random-tokens"])?.value.acts.stats.rows;
      const steps = rows && values.batchSize > 0 && values.epochs > 0 ? Math.ceil(rows / values.batchSize) * values.epochs : null;
      return [
        `c = ${exact(values.l1)} in a loss of means is λ = c · ${dIn} / ${dSae} = ${exact(Number(((values.l1 * dIn) / dSae).toPrecision(3)))} in a loss of sums`,
        sizeWords(values, dIn),
        steps ? counted(steps, "step") : null,
      ]
        .filter(Boolean)
        .join("\n");
    },
    label: (_, again) => (again ? "Train again" : "Train"),

    async run(context) {
      const { values, use, live } = context;
      const { acts, hook, layer, center, prependBos } = /** @type {Rows} */ (use(STEPS["random-tokens"]));
      const { l1, epochs, batchSize, lr, heldOut, seed, printEvery } = values;
      const sae = await makeSae(bench(context), autoencoderOptions(values));
      /** @type {Value} */ const value = {
        sae, handles: [sae], entries: [], printEvery, quality: null, trained: null, l1, tied: values.weights === "tied", heldOut, seed, hook, layer, center, prependBos,
      };
      const draw = throttled(250, () => live(value));
      try {
        const recipe = /** @type {Parameters<typeof trainSae>[3]} */ ({
          epochs, batchSize, lr, l1, seed, printEvery, heldOut,
          onEpoch: (/** @type {Epoch} */ entry) => {
            value.entries.push(entry);
            draw();
          },
        });
        const trained = await trainSae(bench(context), sae, acts, recipe);
        return { value: { ...value, trained, quality: trained.quality } };
      } catch (error) {
        const { history } = isCancelled(error) ? await sae.info() : { history: [] };
        if (!history.length) {
          void sae.dispose().catch(() => {});
          throw error;
        }
        const quality = await judge({ lab: context.lab, model: context.model }, sae, acts);
        return {
          value: { ...value, entries: history, quality },
          stopped: `Stopped after ${history.length} of ${counted(epochs, "epoch")}. The autoencoder keeps what it has learnt, and the next steps can use it.`,
        };
      }
    },

    render(/** @type {Value} */ value, live) {
      const { dIn, dSae } = value.sae.config;
      curves.show([...value.entries], losses(session, dIn, dSae));
      printed.show(lines(value));
      figure.element.hidden = live || !value.quality;
      if (value.quality) figure.show("What came of it", () => figures(value));
    },

    conclusion(/** @type {Value} */ { trained, entries, quality, sae }) {
      const over = entries.filter(({ fracActive }) => fracActive > SHARE_AXIS).length;
      const chosen = ev(session);
      const figure = chosen.of(leavesOut(session) ? quality?.withoutPosition0 : quality?.all);
      const said = [];
      if (trained) said.push(concludeTraining(trained));
      else said.push(`${rough(entries.at(-1)?.nActive ?? 0)} of ${count(sae.config.dSae)} features are active on a row so far.`);
      if (chosen.name !== "evPerDimension" && figure !== null) said.push(`By the formula chosen above (${chosen.label}) the explained variance is ${decimals(3)(figure)}.`);
      if (over) said.push(`On ${counted(over, "epoch")} more than half of all features were active: there the third curve has left the notebook's axis.`);
      const held = entries.at(-1)?.heldOut?.explainedVariance;
      if (held != null) said.push(`Of the rows held out it explains ${held < 0 ? "nothing: it does worse than their mean" : percent(held)}.`);
      return said.join(" ");
    },
    provenance: (/** @type {Value} */ value) =>
      origin(session, { ...value, more: `${value.tied ? "tied" : "untied"}, ${coefficient(session, value.l1, value.sae.config.dIn, value.sae.config.dSae)}` }),
    code: (values) => ({ javascript: javascript.train(values), python: python.train(values) }),
  };
}
