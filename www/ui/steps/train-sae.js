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

/** What each autoencoder's last stream consists of. @type {WeakMap<import("../types.js").Sae, unknown[]>} */
const streams = new WeakMap();

/**
 * What the engine tells one stream from another by: where any of this differs, it begins anew.
 * @param {Record<string, any>} options @param {string[]} texts
 */
const streamOf = ({ hook, center, prependBos, contextSize, skipPosition0, heldOut, seed }, texts) => [
  hook,
  center,
  prependBos,
  contextSize,
  skipPosition0 ?? false,
  heldOut ?? 0,
  heldOut ? seed : null, // the seed chooses the texts held out
  ...texts,
];

/** @param {unknown[]} a @param {unknown[]} b */
const equal = (a, b) => a.length === b.length && a.every((part, i) => part === b[i]);

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
 * Trains, from where the last training ended if there was one, and keeps what has been learnt when stopped.
 * @param {Context} context @param {Value} value
 * @returns {Promise<import("../step.js").Outcome>}
 */
export async function train({ lab, model, values, signal, progress, live, use, shown }, value) {
  const data = /** @type {Data} */ (use(2));
  const { sae } = value;
  const before = await sae.info();
  const goOn = before.stepsTrained > 0;
  const entriesBefore = value.entries.length;
  const streaming = values.rowsFrom === "stream";
  let drawn = performance.now();
  const onProgress = (/** @type {any} */ p) => {
    if ("phase" in p) {
      const [times, unit] = p.phase === "shaders" ? [1, "shaders"] : p.phase === "fill" ? [1, "rows into the buffer"] : streaming ? [values.batchSize, "tokens"] : [1, "steps"];
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
      value.data = { ...value.data, rows: null, source };
      const options = { ...streamOptions(values, value.data), ...trainingOptions(values) };
      const stream = streamOf(options, texts);
      const last = streams.get(sae);
      // a stream that goes on counts what it has given before; one from a checkpoint is brought to its end first
      const given = goOn && (last ? equal(last, stream) : before.streamRows >= values.tokens) ? before.streamRows : 0;
      try {
        await lab.trainStream(model, [sae], texts, { ...options, tokens: values.tokens + given, continue: goOn, signal, onProgress });
      } finally {
        // without a step it stands where it stood
        const after = await sae.info().catch(() => before);
        if (after.stepsTrained !== before.stepsTrained || after.streamRows !== before.streamRows) streams.set(sae, stream);
      }
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
    const learnt = entries.length - entriesBefore;
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
    return await train(context, value);
  } catch (error) {
    void sae.dispose().catch(() => {});
    throw error;
  }
}
