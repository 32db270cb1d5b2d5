// @ts-check
// Step 8: how well the autoencoder stands for the model's vectors, by every figure that the field uses for it.

import "../bar-plot.js";
import "../data-table.js";
import "../figure.js";
import { kindWord } from "../architectures.js";
import { BarPlot } from "../bar-plot.js";
import { DataTable } from "../data-table.js";
import { h, make, setText } from "../dom.js";
import { LabFigure } from "../figure.js";
import { count, counted, is, percent, rough } from "../format.js";
import { sameHook } from "../hooks.js";
import { ownTexts } from "../prompts.js";
import { densityTable, figureTable, lossTable, share } from "../quality-tables.js";
import * as javascript from "../snippets-javascript.js";
import * as python from "../snippets-python-sae.js";
import { TEXTS_OF_STEP_2 } from "./train-sae.js";

/** @typedef {import("../types.js").Figures} Figures */
/** @typedef {import("../types.js").Acts} Acts */
/** @typedef {import("../types.js").Model} Model */
/** @typedef {import("../step.js").Context} Context */
/** @typedef {import("./sae.js").Value} Sae */
/** @typedef {import("./collect.js").Value} Data */
/** @typedef {import("../quality-tables.js").Judged} Judged */
/**
 * `own` is of the visitor's texts; `trained` says what of step 2 the autoencoder has learnt from, here; `again` says why
 * and where the texts of step 2 were read again, null when its rows were used.
 * @typedef {{main: Judged, own: Judged | null, trained: "rows" | "texts" | null, again: string | null, keepError: boolean, hook: string, architecture: string, seed: number, loaded: boolean, dSae: number, dIn: number}} Value
 */

/** @param {import("../step.js").LabStep} step @returns {import("../step.js").Definition} */
export function qualityStep(step) {
  const { session } = step;
  const note = h("p", { class: "fact", "data-part": "rows-note" });
  const charts = [0, 1].map(() => ({
    rows: make(LabFigure),
    table: make(DataTable),
    density: make(BarPlot),
    loss: make(LabFigure),
    losses: make(DataTable),
    head: h("h3", {}),
  }));
  const sections = charts.map(({ rows, density, loss, head }) => h("section", {}, head, rows, loss, density));

  /** @param {Judged} judged @param {number} i */
  function show(judged, i) {
    const { rows, table, density, loss, losses, head } = charts[i];
    const stem = i ? "quality-own" : "quality";
    const { quality } = judged;
    setText(head, judged.title);
    table.show(figureTable(judged));
    rows.show({ name: stem, caption: "How near the reconstructions come", body: [table], table: () => figureTable(judged) });
    loss.hidden = judged.spliced === null;
    if (judged.spliced) {
      losses.show(lossTable(judged));
      loss.show({
        name: `${stem}-loss`,
        caption: "What the model loses with it: nats a token, Δ from clean, and the share of that loss recovered",
        body: [losses],
        table: () => lossTable(judged),
      });
    }
    const { edges, counts, zeros } = quality.histogram;
    const summary = `Features by density over ${counted(quality.rows, "row")}: ${counts.map((n, k) => `${count(n)} from ${share(edges[k])} to ${share(edges[k + 1])}`).join(", ")}; ${count(zeros)} never active`;
    density.show({
      name: `${stem}-density`,
      caption: `How often each feature is active${zeros ? `; ${count(zeros)} never are` : ""}`,
      summary,
      edges,
      values: counts,
      xLabel: "log₁₀ of the share of rows where active",
      yLabel: "features",
      rules: [{ x: -1, label: "dense" }],
      table: () => densityTable(quality),
    });
  }

  return {
    uses: [2, 3],
    promise: "Run measures the autoencoder on the rows of step 2, and what the model loses when its vectors are replaced.",
    body: [note, ...sections],
    fields: () => [
      {
        name: "own",
        label: "Your own texts, to judge it on too",
        kind: "lines",
        value: "",
        rows: 2,
        wide: true,
        hint: "one per line; \\n stands for a line break inside a text",
      },
      {
        name: "skipSpecial",
        label: "Leave the model's BOS vector in place",
        kind: "switch",
        value: true,
        hint: "and do not count what is predicted there: as in SAELens",
      },
      {
        name: "keepError",
        label: "Keep the error term",
        kind: "switch",
        value: false,
        hint: "adds back what the reconstruction lacks: a check, for then nothing may change",
      },
    ],

    async run(context) {
      const { values, use } = context;
      const { sae, data, loaded } = /** @type {Sae} */ (use(3));
      const step2 = /** @type {Data} */ (use(2));
      const fits = sameHook(step2.hook, data.hook) && step2.center === data.center && step2.prependBos === data.prependBos;
      const own = ownTexts(values);
      const { transcoder, metadata } = sae.config;
      const rows = fits && !transcoder ? step2.acts : null;
      const why = fits ? "A transcoder reads one hook and gives another" : "Step 2 has read other vectors than this autoencoder was made for";
      const where = transcoder ? `${data.hook} and ${metadata.hookNameOut ?? data.hook}` : data.hook;
      /** @type {Value} */ const value = {
        main: await judge(context, "The rows of step 2", step2.texts, rows),
        own: own.length ? await judge(context, "Your own texts", own, null) : null,
        trained: data.rows !== null ? "rows" : data.source === TEXTS_OF_STEP_2 ? "texts" : null,
        again: rows ? null : `${why}, so the texts of step 2 were read again at ${where}, without the random sequences.`,
        keepError: values.keepError,
        hook: data.hook,
        architecture: sae.config.architecture,
        seed: sae.config.seed,
        loaded: loaded !== null,
        dSae: sae.config.dSae,
        dIn: sae.config.dIn,
      };
      return { value };
    },

    render(/** @type {Value} */ { main, own, again }) {
      setText(note, again ?? "");
      note.hidden = !again;
      sections[1].hidden = own === null;
      show(main, 0);
      if (own) show(own, 1);
    },
    conclusion: (value) => verdict(value),
    provenance: ({ hook, architecture, seed, loaded }) =>
      [session.modelName, hook, kindWord(architecture), loaded ? "loaded" : `seed ${seed}`].join(" · "),
    code(values) {
      const data = session.usable(3)?.value.data ?? { hook: "blocks.6.hook_resid_post", center: true, prependBos: true };
      return { javascript: javascript.quality(values, data), python: python.quality(values, data) };
    },
  };
}

/**
 * Both kinds of figures on some texts.
 * @param {Context} context @param {string} title @param {string[]} texts @param {Acts | null} rows null: they are read for this
 * @returns {Promise<Judged>}
 */
async function judge({ lab, model, values, signal, progress, use }, title, texts, rows) {
  const { sae, data } = /** @type {Sae} */ (use(3));
  const { hook, center, prependBos } = data;
  const { hookNameOut } = sae.config.metadata;
  const { skipSpecial, keepError } = values;
  const told = (/** @type {string} */ unit) => (/** @type {any} */ p) => {
    if (p.total) progress(p.done ?? 0, p.total, unit);
  };
  /** @type {Acts[]} */ const borrowed = [];
  const read = async (/** @type {string} */ at) => {
    const acts = await model.collect(texts, { hook: at, center, prependBos, signal, onProgress: told("sequences") });
    borrowed.push(acts);
    return acts;
  };
  try {
    const acts = rows ?? (await read(hook));
    const target = sae.config.transcoder ? await read(hookNameOut ?? hook) : null;
    const quality = await lab.analysis.quality(sae, acts, { target, signal, onProgress: told("rows") });
    const spliced = texts.length
      ? await lab.analysis.spliced(model, sae, texts, {
          hook,
          center,
          prependBos,
          contextSize: model.config.nCtx, // as the rows were read
          skipSpecial,
          keepError,
          signal,
          onProgress: told("runs"),
        })
      : null;
    return { title, quality, spliced };
  } finally {
    for (const acts of borrowed) void acts.dispose().catch(() => {});
  }
}

/** What the numbers come to. @param {Value} value */
function verdict({ main, own, trained, keepError, dSae, dIn }) {
  const { all, withoutPosition0: rest } = main.quality;
  const explained = (/** @type {Figures | null} */ figures) => figures?.evPerDimension ?? null;
  const ev = explained(all),
    later = explained(rest);
  const sentences = [
    ev === null
      ? "The rows are all the same, so there is no variance to explain."
      : `With ${rough(all.l0)} of ${count(dSae)} features active on a row it explains ${percent(Math.max(ev, 0))} of the variance` +
        (ev < 0
          ? " (it does worse than the mean row)"
          : later !== null && Math.abs(later - ev) >= 0.01
            ? `, ${percent(Math.max(later, 0))} without position 0`
            : "") +
        ".",
  ];
  const splice = main.spliced;
  if (splice && keepError)
    sentences.push(
      Math.abs(splice.deltaCe) < 1e-3
        ? "With the error term kept the model predicts as if nothing had been done, as it must."
        : `With the error term kept nothing should change, but the cross-entropy differs by ${rough(splice.deltaCe)} nats: something is wrong.`,
    );
  else if (splice) {
    const against = [
      splice.lossRecovered === null ? null : `${percent(Math.max(splice.lossRecovered, 0))} of what zeros would cost`,
      splice.lossRecoveredMean === null ? null : `${percent(Math.max(splice.lossRecoveredMean, 0))} of what the mean row would`,
    ].filter(Boolean);
    sentences.push(
      splice.deltaCe <= 0
        ? "In place of the model's own vectors it costs no cross-entropy on these texts."
        : `In place of the model's own vectors it costs ${rough(splice.deltaCe)} nats a token (clean ${rough(splice.ceClean)}), and recovers ${against.join(" and ")}.`,
    );
    if (splice.deltaCe > 0.05 && (splice.lossRecovered ?? 0) > 0.95)
      sentences.push("The share recovered flatters: zeros destroy the model, so almost anything recovers most of that. Trust the nats.");
  }
  if (all.deadLatents)
    sentences.push(`${counted(all.deadLatents, "feature")} (${percent(all.deadLatents / dSae)}) ${is(all.deadLatents)} never active here.`);
  const few = all.distinctRows < 10 * dIn ? ` ${counted(all.distinctRows, "distinct row")} for ${count(dIn)} dimensions are few.` : "";
  if (trained === "rows") sentences.push(`These are the rows that it was trained on: expect worse on new text.${few}`);
  else if (trained === "texts")
    sentences.push(
      `It was trained on these texts, but not on the random sequences among the rows: expect other figures on new text.${few}`,
    );
  else if (few) sentences.push(few.trim());
  const outside = own ? explained(own.quality.all) : null;
  if (own && outside !== null)
    sentences.push(
      `On your own texts it explains ${percent(Math.max(outside, 0))}${own.spliced && !keepError ? (own.spliced.deltaCe > 0 ? ` and costs ${rough(own.spliced.deltaCe)} nats a token` : " and costs no cross-entropy") : ""}` +
        (ev !== null && outside < ev - 0.05 ? ": clearly less." : "."),
    );
  return sentences.join(" ");
}
