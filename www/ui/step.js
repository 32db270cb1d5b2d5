// @ts-check
// A step of the lab: runs its work, keeps its state, brings its frame up to date. What a step computes and shows is in steps/.

import { announce } from "./announce.js";
import { switchLabel } from "./conventions.js";
import { part, setText } from "./dom.js";
import { isCancelled, PageError, problem, problemElements } from "./errors.js";
import { spell } from "./model-source.js";
import { Settings } from "./settings.js";
import { StepFrame } from "./step-frame.js";
import { notice, stateOf, stateWords } from "./step-state.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").StepResult} StepResult */
/** @typedef {import("./types.js").Lab} Lab */
/** @typedef {import("./types.js").Model} Model */

/**
 * What a step's work is given.
 * @typedef {{
 *   lab: Lab, model: Model, values: Record<string, any>, signal: AbortSignal,
 *   progress(done: number, total: number, unit: string): void,
 *   live(value: any): void,
 *   use(n: number): any,
 *   shown: StepResult | null,
 * }} Context
 */
/** @typedef {keyof import("./conventions.js").ConventionValues} ConventionName */
/** @typedef {{value: any, stopped?: string | null, values?: Record<string, any>, uses?: number[]}} Outcome `values`: the settings it belongs to, when not the present ones; `uses`: the earlier results it was made from, likewise */
/** @typedef {{name: string, label: string, uses?: number[], run(context: Context): Promise<Outcome>}} More something that goes on from a shown result */
/**
 * @typedef {{
 *   uses: number[], needs?(): number[], anyModel?: boolean,
 *   conventions?: readonly ConventionName[],
 *   promise: string,
 *   fields(): import("./fields.js").Field[],
 *   readout?(values: Record<string, any>, running: boolean): string | null,
 *   label?(values: Record<string, any>, again: boolean): string | null,
 *   adjust?(values: Record<string, any>, live: any): void,
 *   body: Node[],
 *   render(value: any, live: boolean): void,
 *   run(context: Context): Promise<Outcome>,
 *   more?: More[],
 *   pause?: {pause(value: any): void, resume(value: any): void},
 *   conclusion(value: any): string | null,
 *   provenance(value: any, values: Record<string, any>): string,
 *   code(values: Record<string, any>): import("./code-box.js").Snippets,
 * }} Definition `label` is what the button that runs it says, `adjust` takes over a setting that was moved while it runs;
 * `anyModel`: the language model has no part in what is computed, so that the result holds with any;
 * `conventions` of the page are computed with: they stand among the values that `run` is given, and a result made with others is out of date.
 * `render`, `conclusion` and `provenance` may read all of them, and are asked again when one changes
 */

export class LabStep extends HTMLElement {
  number = 0;
  title = "";
  running = false;
  paused = false;
  /** @type {import("./errors.js").Problem | null} */ problem = null;
  /** the last run was stopped and left nothing @type {boolean} */ stoppedEmpty = false;
  /** @type {number | null} the earlier step that runs for this one now */ waitingFor = null;
  /** @type {Session} */ session = /** @type {any} */ (null);
  /** @type {Settings} */ settings = /** @type {any} */ (null);
  /** @type {Definition} */ #definition = /** @type {any} */ (null);
  /** @type {AbortController | null} */ #abort = null;
  /** the earlier results that the running work reads, whatever the settings say by now @type {number[] | null} */ #reading = null;
  /** the conventions that the running work computes with @type {Record<string, any> | null} */ #with = null;
  /** @type {any} */ #live = null;
  /** @type {StepResult | null} */ #rendered = null;
  #frame = new StepFrame({
    run: () => void this.start(),
    pause: () => this.togglePause(),
    stop: () => this.stop(),
    more: (name) => void this.#goOn(name),
  });

  get uses() {
    return this.#reading ?? this.#definition.uses;
  }
  needs() {
    return this.#definition.needs?.() ?? this.#definition.uses;
  }
  /** Whether it runs only when the visitor says so, and not with all others. */
  get manual() {
    return this.hasAttribute("data-manual");
  }
  get promise() {
    return this.#definition.promise;
  }
  /** Whether its result has nothing to do with the language model. */
  get anyModel() {
    return this.#definition.anyModel ?? false;
  }

  /** Turns the written step into a working one. @param {number} number @param {Session} session @param {(step: LabStep) => Definition} define */
  define(number, session, define) {
    this.number = number;
    this.session = session;
    const heading = part(this, "h2, h3");
    this.title = heading.textContent ?? "";
    this.settings = new Settings(`s${number}`, () => {
      session.memory?.set(`step ${this.id}`, this.settings.kept());
      if (this.problem?.code === "LAB-BAD-SETTING") this.problem = null;
      if (this.running && this.#live) this.#definition.adjust?.(this.settings.values(), this.#live);
      this.refresh();
    });
    this.settings.restore(session.memory?.get(`step ${this.id}`));
    this.#definition = define(this);
    const { more = [], body } = this.#definition;
    this.#frame.mount(this, number, heading, part(this, ".prose"), this.settings, body, more);
    this.#frame.code.source = () => spell(this.#definition.code({ ...this.settings.values(), ...this.#conventions() }), session.wanted);
    session.register(this);
    for (const type of ["session", "results", "feature"]) session.addEventListener(type, () => this.refresh());
    session.conventions?.addEventListener("change", () => {
      this.#rendered = null; // the same result, written otherwise
      this.refresh();
    });
    this.refresh();
  }

  /** @param {string} name of something that goes on from the shown result */
  async #goOn(name) {
    const more = this.#definition.more?.find((m) => m.name === name);
    if (more) await this.#work(more.run, more.label, more.uses);
  }

  /** The conventions of the page that this step computes with. @returns {Record<string, any>} */
  #conventions() {
    const values = this.session.conventions?.values;
    return values ? Object.fromEntries((this.#definition.conventions ?? []).map((name) => [name, values[name]])) : {};
  }

  /** What has been changed since a result, in words. @param {StepResult} result @returns {string[]} */
  differences(result) {
    const conventions = Object.entries(this.#conventions()).filter(([name, value]) => result.values[name] !== value);
    return [...this.settings.differences(result.values), ...conventions.map(([name]) => switchLabel(name))];
  }

  /** Whether its result would be another one now. */
  get stale() {
    const result = this.session.usable(this.number);
    return result !== null && (this.session.outdated(this.number) || this.differences(result).length > 0);
  }

  /** Whether it runs with other conventions than the page has by now. */
  get overtaken() {
    const then = this.#with;
    return then !== null && Object.entries(this.#conventions()).some(([name, value]) => then[name] !== value);
  }

  /** Runs the step. @returns {Promise<boolean>} whether it came to its end */
  start() {
    return this.#work(this.#definition.run, `Step ${this.number}`);
  }

  /** Runs the earlier steps that are needed, then this one. */
  async startNeeded() {
    for (let turn = 0; turn < this.number; turn += 1) {
      const [next] = this.session.missing(this.number);
      if (next === undefined) break;
      this.waitingFor = next;
      this.refresh();
      const ended = await this.session.steps.get(next)?.start();
      this.waitingFor = null;
      if (!ended) {
        this.refresh();
        return;
      }
    }
    await this.start();
  }

  stop() {
    if (this.waitingFor !== null) /** @type {LabStep} */ (this.session.steps.get(this.waitingFor))?.stop();
    if (this.paused) this.togglePause();
    this.#abort?.abort();
  }

  togglePause() {
    const { pause } = this.#definition;
    if (!pause || !this.running) return;
    this.paused = !this.paused;
    if (this.paused) pause.pause(this.#live);
    else {
      pause.resume(this.#live);
      this.#frame.progress.forget();
    }
    announce(`Step ${this.number} ${this.paused ? "is paused" : "goes on"}`);
    this.refresh();
  }

  /** @param {(context: Context) => Promise<Outcome>} work @param {string} what @param {number[]} [uses] @returns {Promise<boolean>} */
  async #work(work, what, uses = this.#definition.uses) {
    const { session, number } = this;
    const { lab, model } = session;
    if (this.running || !lab || !model) return false;
    this.problem = null;
    this.stoppedEmpty = false;
    this.#live = null;
    try {
      const conventions = (this.#with = this.#conventions());
      const values = { ...this.settings.checked(), ...conventions };
      this.#reading = uses;
      const other = session.reader(number) ?? session.writer(number);
      if (other)
        throw new PageError(
          "LAB-BUSY",
          `Step ${other.number} is running on the same data.`,
          "Stop it or let it end, then run this step again.",
        );
      this.running = true;
      this.#abort = new AbortController();
      this.#frame.progress.begin(what);
      announce(`${what} has started`);
      session.changed();
      const outcome = await work({
        lab,
        model,
        values,
        signal: this.#abort.signal,
        shown: session.usable(number),
        progress: (done, total, unit) => this.#frame.progress.report(done, total, unit),
        live: (value) => {
          this.#live = value;
          this.#frame.result.classList.remove("old");
          this.#show(value, null);
        },
        use: (n) => session.usable(n)?.value,
      });
      if (session.lab !== lab)
        throw new PageError(
          "LAB-ENGINE-STOPPED",
          "The engine stopped while this step was running.",
          "Restart the engine and run the step again.",
        );
      if (session.model !== model) throw modelChanged();
      this.#end();
      session.keep(number, outcome.value, outcome.values ?? values, outcome.stopped ?? null, outcome.uses ?? uses);
      announce(
        [`${what} ${outcome.stopped ? "was stopped" : "is done"}.`, this.#definition.conclusion(outcome.value)].filter(Boolean).join(" "),
      );
      return !outcome.stopped;
    } catch (error) {
      this.#end();
      this.#rendered = null;
      if (session.lab === lab && session.model !== model) this.problem = problem(modelChanged());
      else if (isCancelled(error)) this.stoppedEmpty = true;
      else this.problem = problem(session.lab === lab ? error : engineLost(error));
      announce(this.problem ? `${what} failed: ${this.problem.message}` : `${what} was stopped`);
      session.changed();
      return false;
    }
  }

  #end() {
    this.running = this.paused = false;
    this.#abort = null;
    this.#live = this.#reading = this.#with = null;
    this.#frame.progress.end();
  }

  /** @param {any} value @param {StepResult | null} result that the value is of; null while it runs */
  #show(value, result) {
    this.#frame.result.hidden = false;
    const conclusion = this.session.as(result, () => {
      this.#definition.render(value, result === null);
      return result ? this.#definition.conclusion(value) : null;
    });
    this.#frame.conclusion.hidden = !conclusion;
    setText(this.#frame.conclusion, conclusion ?? "");
  }

  /** Brings everything that depends on settings, results and the engine up to date. */
  refresh() {
    if (!this.#definition) return;
    const { session, number, running, waitingFor } = this;
    // a setting that comes back with what was set before may call for others
    for (let turn = 0; turn < 4 && this.settings.declare(this.#definition.fields()); turn += 1);
    const values = { ...this.settings.values(), ...this.#conventions() };
    this.settings.showReadout(this.#definition.readout?.(values, running) ?? null);
    const result = session.results.get(number) ?? null;
    const state = stateOf(this, result);
    this.dataset.state = state;
    setText(this.#frame.state, stateWords(state, this));
    const engine = session.phase === "ready";
    const blocked = session.missing(number).length > 0 || session.writer(number) !== undefined;
    this.#frame.buttons({
      on: engine && !running && !blocked && waitingFor === null,
      label: this.#definition.label?.(values, result !== null) ?? (result ? "Run again" : "Run"),
      paused: this.paused,
      stoppable: running || waitingFor !== null,
      pausable: running && this.#definition.pause !== undefined,
      more: Boolean(this.#definition.more?.length && result && !result.lost && !session.outdated(number) && !blocked),
      moreOn: engine && !running,
    });
    this.#frame.tell(state, notice(state, this, result, problemElements));
    if (!this.#live) this.#showResult(result);
    const old = ["stale", "lost"].includes(state) || (state === "failed" && result !== null) || (state === "running" && !this.#live);
    this.#frame.result.classList.toggle("old", old);
    this.#frame.code.refresh();
  }

  /** @param {StepResult | null} result */
  #showResult(result) {
    if (result && result !== this.#rendered) {
      this.#rendered = result;
      this.#show(result.value, result);
    }
    if (!result) this.#frame.result.hidden = true;
    const { session } = this;
    setText(this.#frame.provenance, result ? session.as(result, () => this.#definition.provenance(result.value, result.values)) : "");
  }
}

/** What befell a step whose engine was restarted meanwhile; an engine that broke has said so itself. @param {unknown} error */
function engineLost(error) {
  const closed = error instanceof Error && /** @type {{code?: string}} */ (error).code === "LAB-CLOSED";
  return closed ? new PageError("LAB-ENGINE-STOPPED", "The engine was restarted while this step was running.", "Run the step again when the model is loaded.") : error;
}

const modelChanged = () => new PageError("LAB-MODEL-CHANGED", "Another model was opened while this step was running.", "Run the step again: it then computes with the model that is open now.");

customElements.define("lab-step", LabStep);
