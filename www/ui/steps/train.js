// @ts-check
// Step 3: a sparse autoencoder, trained while one watches.

import "../data-table.js";
import "../training-curves.js";
import { defaults } from "../../engine/defaults.js";
import { DataTable } from "../data-table.js";
import { h, make, setText } from "../dom.js";
import { isCancelled } from "../errors.js";
import { count, counted, exact, percent, rough } from "../format.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python.js";
import { TrainingCurves } from "../training-curves.js";

/** @typedef {import("../types.js").Epoch} Epoch */
/** @typedef {import("../types.js").Sae} Sae */
/** @typedef {import("./collect.js").Value} Data */
/** @typedef {{sae: Sae, handles: Sae[], entries: Epoch[], data: {hook: string, center: boolean, prependBos: boolean, rows: number}}} Value */

/** Epochs may come faster than anyone can look: the live view is brought up to date this often, in milliseconds. */
const redraw = 200;

/** How many numbers an autoencoder learns. @param {string} architecture @param {number} dIn @param {number} dSae */
const parameters = (architecture, dIn, dSae) => (architecture === "tied" ? 1 : 2) * dIn * dSae + dSae + dIn;

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function trainStep(step) {
  const made = h("p", { class: "fact", "data-part": "sae" }),
    curves = make(TrainingCurves),
    table = make(DataTable);
  const width = () => /** @type {Data | undefined} */ (step.session.usable(2)?.value)?.acts.stats.width ?? step.session.config.dModel;

  /**
   * Trains and keeps what has been learnt when stopped.
   * @param {import("../step.js").Context} context @param {Value} value @param {boolean} goOn
   */
  async function train({ values, signal, progress, live, use, shown }, value, goOn) {
    const { epochs, batchSize, lr, l1, seed } = values;
    const before = value.entries.length;
    let drawn = performance.now();
    live(value);
    try {
      await value.sae.train(use(2).acts, {
        epochs,
        batchSize,
        lr,
        l1,
        seed,
        continue: goOn,
        signal,
        onProgress(p) {
          if ("phase" in p) progress(p.done ?? 0, p.total ?? 0, "steps");
          else {
            value.entries.push(p);
            if (performance.now() - drawn < redraw) return;
            drawn = performance.now();
            live(value);
          }
        },
      });
      return { value: { ...value, entries: (await value.sae.info()).history } };
    } catch (error) {
      if (!isCancelled(error)) throw error;
      const { history } = await value.sae.info();
      const entries = history.length > value.entries.length ? history : value.entries;
      if (entries.length === 0 && shown) throw error; // what was there before is worth more
      const learnt = entries.length - before;
      const when = learnt > 0 ? `Stopped after ${learnt} of ${counted(epochs, "epoch")}.` : "Stopped within an epoch.";
      const kept = "The autoencoder keeps what it has learnt: the next steps can use it, and it can be trained further.";
      return { value: { ...value, entries }, stopped: `${when} ${kept}` };
    }
  }

  return {
    uses: [2],
    promise: "Run trains an autoencoder on the rows of step 2; its curves appear as it learns.",
    body: [made, table, curves],
    fields: () => [
      {
        name: "architecture",
        label: "Decoder",
        kind: "choice",
        value: defaults.createSae.architecture,
        hint: "tied: the encoder's transpose",
        options: [
          { value: "tied", label: "tied" },
          { value: "untied", label: "untied, weights of its own" },
        ],
      },
      { name: "expansion", label: "Expansion", kind: "number", value: 4, above: 0, max: 64, unit: "features per dimension" },
      { name: "l1", label: "L1 coefficient c", kind: "log", value: defaults.train.l1, min: 1e-4, max: 1e3 },
      { name: "epochs", label: "Epochs", kind: "integer", value: defaults.train.epochs, min: 1, max: 100000 },
      { name: "lr", label: "Learning rate", kind: "number", value: defaults.train.lr, above: 0, max: 1 },
      { name: "batchSize", label: "Batch size", kind: "integer", value: defaults.train.batchSize, min: 1, max: 65536, unit: "rows" },
      { name: "seed", label: "Seed", kind: "integer", value: defaults.train.seed, min: 0, max: 4294967295, rangeText: "a whole number" },
    ],
    readout(values) {
      const dIn = width(),
        dSae = Math.round(values.expansion * dIn);
      if (!(dSae >= 1)) return null;
      return (
        `d_in ${count(dIn)}, d_sae ${count(dSae)}: ${count(parameters(values.architecture, dIn, dSae))} parameters\n` +
        `λ = c · d_in / d_sae = ${exact(Number(((values.l1 * dIn) / dSae).toPrecision(3)))}: what c is called where losses are sums over a row, not means`
      );
    },

    async run(context) {
      const { lab, values, use } = context;
      const data = /** @type {Data} */ (use(2));
      const { architecture, seed } = values;
      const dIn = data.acts.stats.width;
      const sae = await lab.createSae({ architecture, dIn, dSae: Math.max(1, Math.round(values.expansion * dIn)), seed });
      /** @type {Value} */ const value = {
        sae,
        handles: [sae],
        entries: [],
        data: { hook: data.hook, center: data.center, prependBos: data.prependBos, rows: data.acts.stats.rows },
      };
      try {
        const outcome = await train(context, value, false);
        step.session.selectFeature(null);
        return outcome;
      } catch (error) {
        void sae.dispose().catch(() => {});
        throw error;
      }
    },
    more: [
      {
        name: "continue",
        label: "Train further",
        run: (context) => {
          const before = /** @type {Value} */ (context.shown?.value);
          return train(context, { ...before, entries: [...before.entries] }, true).then((outcome) => {
            // the shape of the autoencoder stays as it was made, whatever the settings say now
            const { architecture, expansion, seed } = context.shown?.values ?? {};
            return { ...outcome, values: { ...context.values, architecture, expansion, seed } };
          });
        },
      },
    ],
    pause: {
      pause: (value) => void value?.sae.pause().catch(() => {}),
      resume: (value) => void value?.sae.resume().catch(() => {}),
    },

    render(/** @type {Value} */ { sae, entries, data }) {
      const { architecture, dIn, dSae } = sae.config;
      setText(
        made,
        `A ${architecture} autoencoder, ${count(dIn)} to ${counted(dSae, "feature")}, ${count(sae.config.parameters ?? parameters(architecture, dIn, dSae))} parameters, on ${counted(data.rows, "row")}.`,
      );
      const first = entries[0],
        last = entries.at(-1);
      table.hidden = !last;
      if (first && last) table.show(lastValues(first, last));
      curves.show(entries, "sae-training", "Training, epoch by epoch");
    },

    conclusion(/** @type {Value} */ { sae, entries, data }) {
      const first = entries[0],
        last = entries.at(-1);
      if (!first || !last) return null;
      const { dSae } = sae.config;
      const broken = entries.find(({ total }) => !Number.isFinite(total));
      if (broken)
        return `From epoch ${count(broken.epoch)} on the loss is no number any more: the training has diverged. Lower the learning rate or c, and run again.`;
      const penalty = last.total - last.recon;
      const share = last.total > 0 ? penalty / last.total : 0;
      return (
        (first === last
          ? `After one epoch the reconstruction error is ${rough(last.recon)}`
          : `The reconstruction error went from ${rough(first.recon)} to ${rough(last.recon)} in ${counted(entries.length, "epoch")}`) +
        `, with ${rough(last.nActive)} of ${count(dSae)} features active on a row (${percent(last.fracActive)}). ` +
        (last.nActive === 0
          ? "Nothing is active any more: what is left of the autoencoder is the decoder's bias."
          : share < 0.01
            ? `The L1 penalty is ${percent(share)} of the loss: at this c it hardly pulls.`
            : `The L1 penalty is ${percent(share)} of the loss.`) +
        (last.nActive > 0 && last.nActive < 1 ? " On average less than one feature is active on a row: most of what the autoencoder gives back is the decoder's bias." : "") +
        (last.fracActive > 0.2 ? " This is not sparse yet." : "") +
        ` Measured on the ${counted(data.rows, "row")} it was trained on, so it says nothing about other texts.`
      );
    },
    provenance: (value, values) =>
      `${step.session.model?.name ?? "tiny"} · ${value.data.hook} · ${value.sae.config.architecture} · seed ${values.seed}`,
    code: (values) => ({ javascript: javascript.train(values), python: python.train(values) }),
  };
}

/** @param {Epoch} first @param {Epoch} last @returns {import("../data-table.js").Table} */
const lastValues = (first, last) => ({
  caption: first === last ? "The only epoch" : "First and last epoch",
  columns: [
    { key: "which", label: "epoch", kind: "number" },
    { key: "total", label: "total", kind: "number" },
    { key: "recon", label: "reconstruction", kind: "number" },
    { key: "l1", label: "L1 (mean |f|)", kind: "number" },
    { key: "nActive", label: "active", kind: "number" },
    { key: "fracActive", label: "fraction", kind: "number", format: percent },
  ],
  rows: (first === last ? [first] : [first, last]).map(({ epoch, total, recon, l1, nActive, fracActive }) => ({ which: String(epoch), total, recon, l1, nActive, fracActive })),
});
