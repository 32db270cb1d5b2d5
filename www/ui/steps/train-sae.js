// @ts-check
// Step 3, one of its two ways: an autoencoder trained while one watches.

import { isCancelled } from "../errors.js";
import { filesOf } from "../file-field.js";
import { counted } from "../format.js";
import { textsIn } from "../prompts.js";
import { rowsOptions, saeOptions, streamOptions, trainingOptions } from "../sae-options.js";

/** @typedef {import("./collect.js").Value} Data */
/** @typedef {import("./sae.js").Value} Value */
/** @typedef {import("../step.js").Context} Context */

/** Entries may come faster than anyone can look: the live view is brought up to date this often, in milliseconds. */
const redraw = 200;

/** What a stream's texts are called when they are none of the visitor's. */
export const TEXTS_OF_STEP_2 = "the texts of step 2";

/** The texts to stream, and what to call them. @param {Record<string, any>} values @param {Data} data @returns {Promise<{texts: string[], source: string}>} */
async function streamTexts({ streamFiles, streamText }, data) {
  const files = filesOf(streamFiles);
  if (files.length) {
    const texts = (await Promise.all(files.map((file) => file.text()))).flatMap(textsIn);
    return { texts, source: files.map(({ name }) => name).join(", ") };
  }
  if (String(streamText ?? "").trim()) return { texts: textsIn(streamText), source: "the pasted text" };
  return { texts: data.texts, source: TEXTS_OF_STEP_2 };
}

/**
 * Trains and keeps what has been learnt when stopped.
 * @param {Context} context @param {Value} value @param {boolean} goOn
 * @returns {Promise<import("../step.js").Outcome>}
 */
export async function train({ lab, model, values, signal, progress, live, use, shown }, value, goOn) {
  const data = /** @type {Data} */ (use(2));
  const { sae } = value;
  const before = value.entries.length;
  const streaming = values.rowsFrom === "stream";
  let drawn = performance.now();
  const onProgress = (/** @type {any} */ p) => {
    if ("phase" in p) {
      const [times, unit] = p.phase === "fill" ? [1, "rows into the buffer"] : streaming ? [values.batchSize, "tokens"] : [1, "steps"];
      if (p.total) progress((p.done ?? 0) * times, p.total * times, unit);
      return;
    }
    value.entries.push(p);
    if (performance.now() - drawn < redraw) return;
    drawn = performance.now();
    live(value);
  };
  value.coefficient = values.l1;
  live(value);
  const outcome = () => (value.coefficient === values.l1 ? {} : { values: { ...values, l1: value.coefficient } });
  try {
    if (streaming) {
      const { texts, source } = await streamTexts(values, data);
      // a stream that goes on counts what it has given before; one from a checkpoint is brought to its end first
      const given = value.entries.at(-1)?.rows ?? 0;
      const more = goOn && (value.data.source === source || (value.loaded !== null && given >= values.tokens));
      value.data = { ...value.data, rows: null, source };
      const options = { ...streamOptions(values, value.data), ...trainingOptions(values), tokens: values.tokens + (more ? given : 0) };
      await lab.trainStream(model, [sae], texts, { ...options, continue: goOn, signal, onProgress });
    } else {
      value.data = { ...value.data, rows: data.acts.stats.rows, source: null };
      await sae.train(data.acts, { ...rowsOptions(values), ...trainingOptions(values), continue: goOn, signal, onProgress });
    }
    return { value: { ...value, entries: (await sae.info()).history }, ...outcome() };
  } catch (error) {
    if (!isCancelled(error)) throw error;
    const { history } = await sae.info();
    const entries = history.length > value.entries.length ? history : value.entries;
    if (entries.length === 0 && shown) throw error; // what was there before is worth more
    const learnt = entries.length - before;
    const when = streaming
      ? "Stopped."
      : learnt > 0
        ? `Stopped after ${learnt} of ${counted(values.epochs, "epoch")}.`
        : "Stopped within an epoch.";
    const kept = "The autoencoder keeps what it has learnt: the next steps can use it, and it can be trained further.";
    return { value: { ...value, entries }, stopped: `${when} ${kept}`, ...outcome() };
  }
}

/** A new autoencoder, trained. @param {Context} context @returns {Promise<import("../step.js").Outcome>} */
export async function trainNew(context) {
  const { lab, values, use } = context;
  const data = /** @type {Data} */ (use(2));
  const sae = await lab.createSae(saeOptions(values, data.acts.stats.width));
  /** @type {Value} */ const value = {
    sae,
    handles: [sae],
    entries: [],
    loaded: null,
    moved: [],
    coefficient: undefined,
    data: { hook: data.hook, center: data.center, prependBos: data.prependBos, rows: data.acts.stats.rows, source: null },
  };
  try {
    return await train(context, value, false);
  } catch (error) {
    void sae.dispose().catch(() => {});
    throw error;
  }
}
