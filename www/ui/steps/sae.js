// @ts-check
// Step 3: a sparse autoencoder, trained here or loaded.

import "../data-table.js";
import "../sae-panel.js";
import "../save-panel.js";
import "../training-curves.js";
import { kindOf, kindWord } from "../architectures.js";
import { DataTable } from "../data-table.js";
import { h, make, setText } from "../dom.js";
import { PageError } from "../errors.js";
import { count, counted, exact, percent, rough } from "../format.js";
import { SaePanel } from "../sae-panel.js";
import { SavePanel } from "../save-panel.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python-sae.js";
import { TrainingCurves } from "../training-curves.js";
import { collectOptions } from "./collect.js";
import { chosen, loadExisting, loadFields, loadLabel, loadReadout } from "./load-sae.js";
import { trainFields, trainReadout } from "./train-fields.js";
import { train, trainNew } from "./train-sae.js";

/** @typedef {import("../types.js").Epoch} Epoch */
/** @typedef {import("../types.js").Sae} Sae */
/** @typedef {import("../types.js").ListedSae} Listed */
/** @typedef {import("./collect.js").Value} Data */
/**
 * `loaded`: what it was loaded from; `data`: what it reads, and what it was trained on, `source` being a stream's texts; `coefficient` is the one in use while it
 * trains, `moved` lists where it was moved to.
 * @typedef {{
 *   sae: Sae, handles: Sae[], entries: Epoch[], loaded: string | null, moved: number[], coefficient: number | undefined,
 *   data: {hook: string, center: boolean, prependBos: boolean, rows: number | null, source: string | null},
 * }} Value
 */

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function saeStep(step) {
  const { session } = step;
  const made = h("p", { class: "fact", "data-part": "sae" }),
    panel = make(SaePanel),
    curves = make(TrainingCurves),
    table = make(DataTable),
    save = make(SavePanel);
  /** @type {Listed[] | null} */ let list = null;
  /** @type {Value | null} */ let shown = null;

  const values = () => step.settings.values();
  const loading = () => values().way === "load";
  const width = () => /** @type {Data | undefined} */ (session.usable(2)?.value)?.acts.stats.width ?? session.config.dModel;
  /** Where the rows of step 2 come from, or would come from. @returns {{hook: string, center: boolean, prependBos: boolean}} */
  const here = () => session.usable(2)?.value ?? collectOptions(session.steps.get(2)?.settings.values() ?? {});

  session.addEventListener("session", async () => {
    if (!session.lab) return;
    const found = await session.lab.listSaes().catch(() => []);
    list = found;
    step.refresh();
  });
  // what does not fit depends on step 2, whose result or settings may change later
  session.addEventListener("results", () => compare());
  panel.onadopt = ({ hook, center, prependBos }) => {
    const [, layer, site] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? [];
    session.steps.get(2)?.settings.take({ ...(site ? { layer, site } : {}), view: center ? "tl" : "hf", prependBos });
    document.getElementById("step-2")?.scrollIntoView();
  };

  /** Names what does not fit between the autoencoder shown and the rows of step 2. */
  async function compare() {
    const { model } = session;
    const value = shown;
    if (!value?.loaded || !model || session.usable(3)?.value !== value) return;
    const { hook, center, prependBos } = here();
    const found = await value.sae.mismatches(model, { hook, center, prependBos }).catch(() => null);
    if (found && shown === value) panel.warn(found, value.data, session.usable(2) !== null);
  }

  return {
    get uses() {
      return loading() ? [] : [2];
    },
    promise: "Run trains an autoencoder on the rows of step 2, and its curves appear as it learns; or it loads one.",
    body: [made, panel, table, curves, save],
    fields() {
      const now = values();
      return [
        {
          name: "way",
          label: "Train or load",
          kind: "ways",
          value: "train",
          wide: true,
          options: [
            { value: "train", label: "Train one", detail: ["on what step 2 has read, here and now"] },
            { value: "load", label: "Load one", detail: ["that comes with the lab, was published, or is yours"] },
          ],
        },
        ...(now.way === "load" ? loadFields(now, list, session) : trainFields(now, width(), session.config.nCtx)),
      ];
    },
    readout: (values, running) =>
      values.way === "load" ? loadReadout(values, list, session) : trainReadout(values, width(), running, shown?.moved.at(-1)),
    label: (values) => (values.way === "load" ? loadLabel(values, list) : null),

    async run(context) {
      const outcome = await (context.values.way === "load" ? loadExisting(context, list, here()) : trainNew(context));
      session.selectFeature(null);
      return outcome;
    },
    more: [
      {
        name: "continue",
        label: "Train further",
        uses: [2],
        async run(context) {
          const before = /** @type {Value} */ (context.shown?.value);
          if (!context.use(2))
            throw new PageError("LAB-BAD-SETTING", "There are no rows to train on yet.", "Run step 2, then train further.");
          if (context.values.way === "load")
            throw new PageError(
              "LAB-BAD-SETTING",
              "How to train it is not set.",
              "Choose “Train one” above, set rate, coefficient and epochs there, and press “Train further”.",
            );
          const outcome = await train(context, { ...before, entries: [...before.entries], moved: [] });
          // the shape of the autoencoder stays as it was made, whatever the settings say now
          const { way, architecture, expansion, seed, k } = context.shown?.values ?? {};
          const shape = before.loaded ? {} : { way, architecture, expansion, seed, ...(k === undefined ? {} : { k }) };
          return { ...outcome, values: { ...context.values, ...outcome.values, ...shape } };
        },
      },
    ],
    pause: {
      pause: (value) => void value?.sae.pause().catch(() => {}),
      resume: (value) => void value?.sae.resume().catch(() => {}),
    },
    adjust({ l1 }, /** @type {Value} */ value) {
      if (!(l1 >= 0) || l1 === value.coefficient || value.coefficient === undefined) return;
      value.coefficient = l1;
      value.moved.push(l1);
      void Promise.resolve(value.sae.setL1(l1)).catch(() => {});
    },

    render(/** @type {Value} */ value, live) {
      shown = value;
      const { sae, entries, data, loaded } = value;
      const { architecture, dIn, dSae, parameters } = sae.config;
      const source = data.source ? `on ${data.source}, streamed` : data.rows ? `on ${counted(data.rows, "row")}` : `loaded from ${loaded}`;
      setText(
        made,
        `${/^[aeiou]/.test(kindWord(architecture)) ? "An" : "A"} ${kindWord(architecture)} autoencoder, ${count(dIn)} to ${counted(dSae, "feature")}, ${counted(parameters, "parameter")}, ${source}.`,
      );
      panel.hidden = !loaded;
      if (loaded) panel.show(value);
      const first = entries[0],
        last = entries.at(-1);
      table.hidden = curves.hidden = !last;
      if (first && last) {
        table.show(lastValues(first, last, isStream(value)));
        curves.show(entries, { name: "sae-training", kind: kindOf(architecture), stream: isStream(value) });
      }
      save.hidden = live;
      if (!live) save.show(value);
      void compare();
    },

    conclusion(/** @type {Value} */ value) {
      return value.entries.length ? learnt(value) : `Loaded, and not trained here. Step 8 measures how well it does on the rows of step 2.`;
    },
    provenance: ({ data, sae, loaded }) =>
      [session.modelName, data.hook, kindWord(sae.config.architecture), loaded ? "loaded" : `seed ${sae.config.seed}`].join(
        " · ",
      ),
    code(values) {
      if (values.way === "load") {
        const folder = chosen(values, list)?.baseUrl.split("/models/")[1] ?? "";
        return { javascript: javascript.load(values, here()), python: python.load(values, `www/models/${folder}`) };
      }
      const data = here();
      const dIn = width();
      const moved = session.usable(3)?.value.moved ?? [];
      return { javascript: javascript.train(values, data, dIn, moved), python: python.train(values, data, dIn) };
    },
  };
}

/** Whether the history counts rows rather than epochs; of a checkpoint that is not known, and rows it always has. @param {Value} value */
const isStream = ({ data, loaded }) => data.source !== null || (loaded !== null && data.rows === null);

/** What the curves say, in two or three sentences. @param {Value} value */
function learnt(value) {
  const { sae, entries, data, moved } = value;
  const first = entries[0],
    last = /** @type {Epoch} */ (entries.at(-1));
  const { dSae } = sae.config;
  const stream = isStream(value);
  const kind = kindOf(sae.config.architecture);
  const broken = entries.find(({ total }) => !Number.isFinite(total));
  if (broken)
    return `From ${stream ? "step" : "epoch"} ${count(stream ? broken.steps : broken.epoch)} on the loss is no number any more: the training has diverged. Lower the learning rate${kind.coefficient ? " or the coefficient" : ""}, and run again.`;
  const penalty = last.total - last.recon - (last.aux ?? 0);
  const share = last.total > 0 ? penalty / last.total : 0;
  const sentences = [
    (first === last
      ? `After one ${stream ? "entry" : "epoch"} the reconstruction error is ${rough(last.recon)}`
      : `The reconstruction error went from ${rough(first.recon)} to ${rough(last.recon)} in ${stream ? counted(last.rows ?? 0, "row") : counted(entries.length, "epoch")}`) +
      `, with ${rough(last.nActive)} of ${count(dSae)} features active on a row (${percent(last.fracActive)}).`,
  ];
  if (last.nActive === 0) sentences.push("Nothing is active any more: what is left of the autoencoder is the decoder's bias.");
  else if (kind.coefficient)
    sentences.push(
      `The penalty is ${percent(Math.max(share, 0))} of the loss${share < 0.01 ? ": at this coefficient it hardly pulls" : ""}.`,
    );
  else sentences.push("How many are active is set by k, and nothing pulls on how large they are.");
  if (last.nActive > 0 && last.nActive < 1)
    sentences.push("On average less than one feature is active on a row: most of what the autoencoder gives back is the decoder's bias.");
  if (last.fracActive > 0.2) sentences.push("This is not sparse yet.");
  if (last.dead)
    sentences.push(
      `${counted(last.dead, "feature")} (${percent(last.dead / dSae)}) ${last.dead === 1 ? "has" : "have"} been silent for the whole window.`,
    );
  if (moved.length) sentences.push(`The coefficient was moved while it ran, last to ${exact(/** @type {number} */ (moved.at(-1)))}.`);
  if (last.heldOut?.explainedVariance != null)
    sentences.push(`On the texts held out, it explains ${percent(last.heldOut.explainedVariance)} of the variance.`);
  else if (data.rows)
    sentences.push(`Measured on the ${counted(data.rows, "row")} it was trained on, so it says nothing about other texts.`);
  return sentences.join(" ");
}

/** @param {Epoch} first @param {Epoch} last @param {boolean} stream @returns {import("../data-table.js").Table} */
const lastValues = (first, last, stream) => ({
  caption: first === last ? "The only entry" : `First and last ${stream ? "entry" : "epoch"}`,
  columns: [
    { key: "which", label: stream ? "rows seen" : "epoch", kind: "number" },
    { key: "total", label: "total", kind: "number" },
    { key: "recon", label: "reconstruction", kind: "number" },
    ...(first.l1 || last.l1 ? [/** @type {const} */ ({ key: "l1", label: "sparsity term", kind: "number" })] : []),
    { key: "nActive", label: "active", kind: "number" },
    { key: "fracActive", label: "fraction", kind: "number", format: percent },
    ...(last.dead === undefined || last.dead === null
      ? []
      : [/** @type {const} */ ({ key: "dead", label: "dead", kind: "number", format: count })]),
  ],
  rows: (first === last ? [first] : [first, last]).map(({ heldOut: _, ...entry }) => ({
    ...entry,
    which: count(stream ? (entry.rows ?? 0) : entry.epoch),
  })),
});
