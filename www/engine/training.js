// @ts-check
// One training, from its call to its end, over as many engines as it takes: what the SAEs have learnt is kept on the page now and then,
// and when the engine is lost the training goes on from there.
//
// Safety: a training's promise resolves only after its end has been kept, so that an SAE whose training is over is made again
// as that training left it; each entry of the history is reported once, in order. Liveness: between two times of being kept a training is
// taken up once only; what ends it again there ends it for good.
import { orAborted } from "./abort.js";
import { LabError, cancelled, isLoss, isOutOfMemory } from "./errors.js";
import { MOST_KEPT, megabytes } from "./handles.js";
import { kept, stepsOf } from "./kept-sae.js";
import { shielded } from "./progress.js";

/** How long to wait before an SAE is kept: at first, and at most, in milliseconds. In between twice as long each time. */
const KEEP_AFTER = Object.freeze({ first: 2000, most: 20_000 });

/** @typedef {import("./handles.js").Handle} Handle */
/** @typedef {import("./types.js").Epoch} Epoch */

/**
 * Where a training goes on: how many entries of each history stand already, whether the SAEs are in the middle of it, and coefficients
 * that were changed meanwhile.
 *
 * @typedef {{entries: number[], within: boolean, l1: (number | null)[]}} From
 */

/**
 * What is trained, and how.
 *
 * @template T
 * @typedef {object} Job
 * @property {Handle[]} handles     the SAEs'
 * @property {number} bytes         what is kept of the largest of them, about
 * @property {boolean} goesOn       it goes on with an earlier training
 * @property {boolean} once         its data cannot be given a second time
 * @property {(watchers: import("./client.js").Watchers, from: From | null) => import("./client.js").Call<any> | null} start  null when nothing is left to do
 * @property {(value: any | null, before: Epoch[][]) => T} result   `value` is the engine's, `before` what each history had before the engine's call
 * @property {AbortSignal} [signal]
 * @property {((progress: any) => void)} [onProgress]
 * @property {string} stoppedHint
 */

/**
 * The training that each SAE is in, which after an abort goes on until the engine has wound down.
 * @type {WeakMap<object, Training<any>>}
 */
export const trainings = new WeakMap();

/** @template T */
export class Training {
  #client;
  #job;
  /** Stands for this training with what is kept of it. */
  #token = {};
  /** @type {import("./client.js").Call<any> | null} */
  #call = null;
  #isHeld = false;
  /** Kept since it was last taken up, or never taken up. */
  #mayGoOn = true;
  /** Entries that each history had at the start. @type {Promise<number[]>} */
  #before;
  /** How each SAE could be made as it was at the start. @type {(import("./handles.js").Recipe | null)[]} */
  #starts;
  /** The last epoch of each SAE that was reported. */
  #reported;
  /** Steps of this training, as the engine counted them at first. @type {number | null} */
  #total = null;
  /** @type {(number | null)[]} */
  #l1;
  /** @type {LabError | null} */
  #cancelled = null;
  /** @type {(error: LabError) => void} */
  #reject = () => {};

  /** @type {Promise<T>} */
  result;
  /** When the engine has done with it and its end is kept; never rejects. @type {Promise<void>} */
  settled;

  /**
   * @param {import("./client.js").Client} client
   * @param {Job<T>} job
   */
  constructor(client, job) {
    this.#client = client;
    this.#job = job;
    const { handles, signal } = job;
    this.#reported = handles.map(() => 0);
    this.#l1 = handles.map(() => null);
    this.#starts = handles.map((handle) => ((handle.recipe.version ?? 0) === handle.version ? handle.recipe : null));
    for (const handle of handles) {
      handle.version += 1;
      handle.moving = true;
    }
    // Sent before the training itself, so that the engine answers as things are at the start.
    this.#before = job.goesOn && !signal?.aborted ? this.#histories().then((all) => all.map((history) => history.length)) : Promise.resolve(handles.map(() => 0));
    this.#before.catch(() => {});
    const aborted = new Promise((/** @type {(value: never) => void} */ _, reject) => (this.#reject = reject));
    const abort = () => this.cancel(cancelled(signal?.reason, job.stoppedHint));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    const work = this.#work().finally(() => handles.forEach((handle) => (handle.moving = false)));
    this.result = Promise.race([aborted, work]).finally(() => signal?.removeEventListener("abort", abort));
    this.settled = work.then(
      () => {},
      () => {},
    );
  }

  isCancelled() {
    return this.#cancelled !== null;
  }

  /** Rejects `result` at once and lets the engine wind down. @param {LabError} error */
  cancel(error) {
    if (this.#cancelled !== null) return;
    this.#cancelled = error;
    this.#reject(error);
    this.#call?.cancel(error);
  }

  /** @returns {Promise<boolean>} true once it stands still; false when it ended or was resumed first */
  async pause() {
    this.#isHeld = this.#cancelled === null;
    for (let call = this.#call; call !== null && this.#isHeld; call = this.#call) {
      if (await this.#client.pause(call.id)) return true;
      if (call === this.#call) return false;
    }
    return false;
  }

  resume() {
    this.#isHeld = false;
    if (this.#call !== null) this.#client.resume(this.#call.id);
  }

  /**
   * The coefficient was changed for one SAE.
   *
   * @param {Handle} handle
   * @param {number} l1
   */
  changed(handle, l1) {
    this.#l1[this.#job.handles.indexOf(handle)] = l1;
  }

  /** @returns {Promise<T>} */
  async #work() {
    /** @type {From | null} */
    let from = null;
    /** @type {Epoch[][]} */
    let before = this.#job.handles.map(() => []);
    for (;;) {
      try {
        return this.#job.result(await this.#run(from), before);
      } catch (error) {
        if (this.#cancelled !== null || this.#client.end !== null || !isGone(error)) throw error;
        const within = this.#place();
        if (within === null || !this.#mayGoOn || this.#job.once || isOutOfMemory(error)) throw this.#explained(/** @type {LabError} */ (error));
        this.#mayGoOn = false;
        [from, before] = await this.#goOn(within);
      }
    }
  }

  /** @param {From | null} from @returns {Promise<any>} the engine's answer, null when nothing was left to do */
  async #run(from) {
    if (this.#cancelled !== null) throw this.#cancelled;
    const { engine } = this.#client;
    const call = this.#job.start({ onEntry: (entry) => this.#hear(entry), onStep: (step) => this.#step(step) }, from);
    if (call === null) return null;
    this.#call = call;
    if (this.#isHeld) void this.#client.pause(call.id);
    const over = new AbortController();
    const kept = this.#keepOn(call, over.signal);
    try {
      return await call.result;
    } finally {
      await call.settled;
      this.#call = null;
      over.abort();
      await kept;
      if (this.#client.engine === engine) await this.#keep(null);
    }
  }

  /** Whether the SAEs, made again, stand within this training (true) or at its start (false); null when they do not. */
  #place() {
    const { handles } = this.#job;
    if (handles.every(({ recipe }) => recipe.training === this.#token)) return true;
    return handles.every(({ recipe }, k) => recipe.make !== null && recipe.make === this.#starts[k]?.make) ? false : null;
  }

  /**
   * @param {boolean} within
   * @returns {Promise<[From, Epoch[][]]>}
   */
  async #goOn(within) {
    const first = await this.#before;
    const all = within ? await this.#histories() : [];
    const before = first.map((length, k) => all[k]?.slice(length) ?? []);
    // What was kept may be further than what was reported.
    before.forEach((entries, sae) => entries.forEach((entry) => this.#hear(before.length > 1 ? { sae, ...entry } : entry)));
    return [{ entries: before.map((entries) => entries.length), within, l1: this.#l1 }, before];
  }

  /** @returns {Promise<Epoch[][]>} */
  #histories() {
    return Promise.all(this.#job.handles.map(async (handle) => (await this.#client.call("saeInfo", [handle]).result).history));
  }

  /** @param {any} entry */
  #hear(entry) {
    const { sae = 0, epoch } = entry;
    // After it was taken up, some epochs come a second time.
    if (epoch <= (this.#reported[sae] ?? 0)) return;
    this.#reported[sae] = epoch;
    if (this.#cancelled === null) shielded(this.#job.onProgress, entry);
  }

  /** @param {import("./types.js").Progress} step */
  #step(step) {
    if (this.#cancelled !== null) return;
    if (step.phase !== "train" || typeof step.done !== "number" || typeof step.total !== "number") return shielded(this.#job.onProgress, step);
    this.#total ??= step.total;
    shielded(this.#job.onProgress, { ...step, done: step.done + this.#total - step.total, total: this.#total });
  }

  /**
   * @param {import("./client.js").Call<any>} call
   * @param {AbortSignal} over
   */
  async #keepOn(call, over) {
    for (let wait = Number(KEEP_AFTER.first); await passed(wait, over); wait = Math.min(2 * wait, KEEP_AFTER.most)) {
      await this.#keep(call).catch(() => {}); // of an engine that is gone; what was kept before stands
    }
  }

  /**
   * Keeps the SAEs as they are.
   *
   * @param {import("./client.js").Call<any> | null} call   under way, if it is
   * @throws {LabError} when the engine is lost meanwhile
   */
  async #keep(call) {
    const { bytes } = this.#job;
    const handles = this.#job.handles.filter((handle) => !handle.released);
    if (handles.length === 0) return;
    if (bytes > MOST_KEPT) {
      const state = `as it was before its training: of that at most ${megabytes(MOST_KEPT)} are kept, and it has ${megabytes(bytes)}`;
      for (const handle of handles) handle.recipe = { ...handle.recipe, state };
      return;
    }
    const { engine } = this.#client;
    // SAEs of one stream go on together, and only from the same step.
    const holds = call !== null && handles.length > 1 && !this.#isHeld;
    try {
      if (holds && !(await this.#client.pause(call.id))) return;
      const all = await Promise.all(handles.map((handle) => this.#client.call("checkpoint", [handle]).result));
      const steps = all.map(stepsOf);
      if (this.#client.engine !== engine || steps.some((step) => step !== steps[0])) return;
      for (const [k, handle] of handles.entries()) if (!handle.released) handle.recipe = kept(this.#client, all[k], handle.version, this.#token);
      this.#mayGoOn = true;
    } catch (error) {
      if (isGone(error)) throw error;
    } finally {
      if (holds && !this.#isHeld) this.#client.resume(call.id);
    }
  }

  /** @param {LabError} error */
  #explained(error) {
    const states = this.#job.handles.map(({ name, recipe }) => `${name} ${recipe.state ?? "as it was when it was made"}`);
    return new LabError(error.code, error.message, `${error.hint} What is made again: ${states.join("; ")}.`, error.cause);
  }
}

/** @param {unknown} error */
function isGone(error) {
  return isLoss(error) || (error instanceof LabError && error.code === "LAB-ENGINE-STOPPED");
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} over
 * @returns {Promise<boolean>} whether they have passed before it was over
 */
function passed(milliseconds, over) {
  return new Promise((resolve) => {
    if (over.aborted) return resolve(false);
    const timer = setTimeout(() => resolve(true), milliseconds);
    over.addEventListener("abort", () => (clearTimeout(timer), resolve(false)));
  });
}

/**
 * Starts a training of SAEs that are free; those whose training was aborted are waited for.
 *
 * @template T
 * @param {readonly import("./sae.js").Sae[]} saes
 * @param {AbortSignal | undefined} signal
 * @param {() => Job<T>} job
 * @param {import("./client.js").Client} client
 * @returns {Promise<T>}
 * @throws {LabError} LAB-BUSY when one of them is being trained
 */
export async function occupy(saes, signal, job, client) {
  for (;;) {
    const running = saes.map((sae) => trainings.get(sae)).find((training) => training !== undefined);
    if (running === undefined) break;
    if (!running.isCancelled()) throw busy();
    await orAborted(running.settled, signal);
  }
  const training = new Training(client, job());
  for (const sae of saes) trainings.set(sae, training);
  void training.settled.then(() => saes.forEach((sae) => trainings.get(sae) === training && trainings.delete(sae)));
  return training.result;
}

function busy() {
  return new LabError("LAB-BUSY", "This SAE is being trained already.", "Wait for that training, or abort it; then start the next one.");
}
