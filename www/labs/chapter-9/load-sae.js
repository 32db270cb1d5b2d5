// @ts-check
// Cell 4: a sparse autoencoder that exists already, or one that is trained for this page in a moment; and what does not fit.

import "../../ui/sae-panel.js";
import "../../ui/save-panel.js";
import { fill, h, make } from "../../ui/dom.js";
import { count, counted } from "../../ui/format.js";
import { sameHook } from "../../ui/hooks.js";
import { SaePanel } from "../../ui/sae-panel.js";
import { SavePanel } from "../../ui/save-panel.js";
import { chosen, loadExisting, loadFields, loadLabel, loadReadout } from "../../ui/steps/load-sae.js";
import { randomIds } from "../work/c4-data.js";
import { sizes } from "../work/extract.js";
import { SAMPLE_PROMPTS } from "../texts/c4.js";
import { printedBox } from "../shared/printed.js";
import { seedField } from "./setup.js";
import * as snippets from "./snippets.js";
import { conventionsOf, hookName, notebookHook, READING } from "./steps.js";

/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("./steps.js").Listed} Listed */
/** @typedef {import("../../ui/fields.js").Field} Field */
/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/step.js").Context} Context */

const SHIPPED = "tiny-res/blocks.8.hook_resid_pre_768";
const PUBLISHED = "gpt2-small-res-jb/blocks.8.hook_resid_pre";
const SAME = "same";
const TRAIN = "train";

/** The notebook's choice stands first: what comes nearest to it for the model in use. @param {Field[]} fields @param {string} model @returns {Field[]} */
function preset(fields, model) {
  const source = model === "tiny" ? "shipped" : model === "gpt2" ? "published" : TRAIN;
  const wanted = /** @type {Record<string, string>} */ ({ source, shipped: SHIPPED, published: PUBLISHED });
  return fields.map((field) => {
    const options = field.name === "source" ? [...(field.options ?? []), { value: TRAIN, label: "one that is trained now, on sample texts" }] : field.options;
    const value = options?.some((option) => option.value === wanted[field.name] && !option.disabled) ? wanted[field.name] : field.value;
    return { ...field, value, ...(options ? { options } : {}) };
  });
}

/** What training here can be set to. @returns {Field[]} */
const training = () => [
  {
    name: "architecture",
    label: "Kind",
    kind: "choice",
    value: "standard",
    options: [
      { value: "standard", label: "standard, as gpt2-small-res-jb" },
      { value: "topk", label: "TopK, 24 active" },
      { value: "untied", label: "untied, as in week 7" },
    ],
  },
  { name: "expansion", label: "Features per dimension", kind: "integer", value: 8, min: 1, max: 32 },
  { name: "epochs", label: "Epochs", kind: "integer", value: 60, min: 1, max: 2000 },
  seedField({ hint: "of weights and order" }),
];

/** @param {LabStep} step @returns {Definition} */
export function loadSae(step) {
  const { session } = step;
  const printed = printedBox();
  const panel = make(SaePanel),
    save = make(SavePanel);
  const warnings = h("div", { class: "notice", "data-part": "mismatches", "data-state": "stale", role: "status", hidden: true });
  /** @type {Listed[] | null} */ let list = null;
  /** @type {Loaded | null} */ let shown = null;
  const values = () => step.settings.values();
  const trains = () => values().source === TRAIN;

  session.addEventListener("session", async () => {
    if (!session.lab) return;
    list = await session.lab.listSaes().catch(() => []);
    step.refresh();
  });

  /** Names what does not fit between the autoencoder and the page's switches. */
  async function compare() {
    const { model } = session;
    const value = shown;
    if (!value || !model) return;
    const { prependBos, view } = conventionsOf(session).values;
    const found = await value.sae.mismatches(model, { hook: value.hook, center: view === "tl", prependBos }).catch(() => []);
    if (shown !== value) return;
    warnings.hidden = found.length === 0;
    const mendable = found.some(({ what }) => what === "center" || what === "prependBos");
    fill(
      warnings,
      h("p", {}, h("strong", {}, "It was made for something else than what this page reads:")),
      h("ul", {}, found.map(({ message }) => h("li", {}, message))),
      h("p", {}, "Its features may mean nothing here; the figures below say how much is lost."),
      mendable ? h("button", { type: "button", name: "adopt", on: { click: () => adopt(value) } }, "Set the switches to what it was made for") : null,
    );
  }

  /** @param {Loaded} value */
  function adopt({ made }) {
    const conventions = conventionsOf(session);
    conventions.set("prependBos", made.prependBos);
    conventions.set("view", made.center ? "tl" : "hf");
  }

  return {
    uses: [],
    get conventions() {
      return trains() ? READING : [];
    },
    promise: "Run loads the autoencoder and says what it is.",
    body: [printed.element, warnings, panel, save],
    fields() {
      const now = values();
      const [source, ...details] = preset(loadFields(now, list, session), session.modelName);
      const { nLayers } = session.config;
      const places = Array.from({ length: nLayers }, (_, layer) => ({ value: `blocks.${layer}.hook_resid_pre`, label: `before block ${layer}` }));
      return [
        source,
        ...(now.source === TRAIN ? training() : details),
        {
          name: "hook",
          label: "Read the model at",
          kind: "choice",
          value: SAME,
          advanced: true,
          options: [{ value: SAME, label: "where it was made for" }, ...places],
          hint: "elsewhere, to see what a wrong place costs",
        },
      ];
    },
    readout: (now) => (now.source === TRAIN ? `Trains on the rows of ${counted(SAMPLE_PROMPTS.length, "sample text")} and 50 random sequences, read at ${notebookHook(session)}. Some seconds on a GPU, up to a minute on a CPU.` : loadReadout(now, list, session)),
    label: (now) => (now.source === TRAIN ? "Train" : loadLabel(now, list)),

    async run(context) {
      const value = context.values.source === TRAIN ? await train(context) : await existing(context);
      session.selectFeature(null);
      return { value };
    },

    render(/** @type {Loaded} */ value) {
      shown = value;
      const { dIn, dSae, expansion, parameters } = sizes(/** @type {any} */ ({ model: { config: session.config } }), value.sae);
      printed.show([
        value.seed === null ? "SAE loaded." : `SAE trained, seed ${value.seed}.`,
        `  Input dimension: ${dIn}`,
        `  Number of features: ${dSae}`,
        `  Expansion factor: ${expansion.toFixed(1)}x`,
        `  Parameters: ${count(parameters)}`,
        `  Read at: ${hookName(session, value.hook)}`,
      ]);
      panel.show(/** @type {any} */ ({ sae: value.sae, loaded: value.name }));
      save.show(/** @type {any} */ ({ sae: value.sae }));
      save.hidden = value.seed === null;
      void compare();
    },

    conclusion({ sae: { config }, hook, made }) {
      const { dIn, dSae } = config;
      const place = sameHook(hook, made.hook) ? "" : ` It was made for ${hookName(session, made.hook)}, and is put to work at ${hookName(session, hook)} here.`;
      return dIn === session.config.dModel
        ? `It rewrites a vector of ${count(dIn)} numbers as ${count(dSae)} activations, ${(dSae / dIn).toFixed(1)} for each dimension; most of them should be 0.${place}`
        : `It takes vectors of ${count(dIn)} numbers, and this model has ${count(session.config.dModel)}: the steps below will refuse. Choose one that was made for ${session.model?.name ?? "this model"}.`;
    },
    provenance: (value) => `${session.modelName} · ${hookName(session, value.hook)} · ${value.name}${value.seed === null ? "" : ` · seed ${value.seed}`}`,
    code: (now) => ({ javascript: snippets.loadJs(now), python: snippets.loadPy(now, session.modelName) }),
  };

  /** @param {Context} context @returns {Promise<Loaded>} */
  async function existing(context) {
    const { prependBos, view } = conventionsOf(session).values;
    const { value } = await loadExisting(context, list, { hook: notebookHook(session), center: view === "tl", prependBos });
    const { sae, loaded, data } = value;
    return { sae, handles: [sae], name: loaded, hook: placeOf(context.values, data.hook), made: data, listed: chosen(context.values, list) ?? null, seed: null };
  }

  /** @param {Context} context @returns {Promise<Loaded>} */
  async function train({ lab, model, values: now, signal, progress }) {
    const { architecture, expansion, epochs, seed, prependBos, view } = now;
    const center = view === "tl";
    const onProgress = (/** @type {string} */ unit) => (/** @type {any} */ p) => {
      if ("phase" in p && p.total) progress(p.done ?? 0, p.total, p.phase === "shaders" ? "shaders" : unit);
    };
    const { minId, maxId } = randomIds(model.config.dVocab);
    const hook = placeOf(now, notebookHook(session));
    const randomSequences = { count: 50, length: 20, minId, maxId };
    const acts = await model.collect(SAMPLE_PROMPTS, { hook, prependBos, center, randomSequences, seed, signal, onProgress: onProgress("sequences") });
    try {
      const sae = await lab.createSae({ architecture, dIn: acts.shape[1], dSae: expansion * acts.shape[1], seed, ...(architecture === "topk" ? { k: 24 } : {}) });
      try {
        const l1 = architecture === "standard" ? { l1: 1 } : {};
        await sae.train(acts, { epochs, batchSize: 128, lr: 1e-3, seed, ...l1, signal, onProgress: onProgress("steps") });
        return { sae, handles: [sae], name: `trained here (${architecture})`, hook, made: { hook, center, prependBos }, listed: null, seed };
      } catch (error) {
        void sae.dispose().catch(() => {});
        throw error;
      }
    } finally {
      void acts.dispose().catch(() => {});
    }
  }
}

/** @param {Record<string, any>} values @param {string} made */
const placeOf = ({ hook }, made) => (hook === SAME ? made : hook);
