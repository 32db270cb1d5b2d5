// @ts-check
// The header's panel of the model: which is open, choosing another, what it would take, loading it, what is kept.

import "./kept-panel.js";
import "./model-choice.js";
import { announce } from "./announce.js";
import { fill, h, make, setText } from "./dom.js";
import { problem, problemElements } from "./errors.js";
import { facts } from "./facts.js";
import { bytes, count } from "./format.js";
import { KeptPanel } from "./kept-panel.js";
import { checkElements, checksOf } from "./model-check.js";
import { ModelChoice } from "./model-choice.js";
import { estimateElements, phaseUnit, phaseWords, refused, toFetch } from "./model-estimate.js";
import { hostOf, isTiny, keyOf, words } from "./model-source.js";
import { WorkProgress } from "./progress.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./model-source.js").Wanted} Wanted */

/** Failures that a smaller load may get past. */
const noRoom = new Set(["LAB-DEVICE", "LAB-DEVICE-LOST", "LAB-OUT-OF-MEMORY"]);

/** @type {Record<string, string>} */
const keptIn = { opfs: "kept in this browser", cache: "kept in the browser's cache", memory: "kept until this page is closed" };

/** @param {string} name @param {string} label @param {() => void} click @param {boolean} [primary] */
const button = (name, label, click, primary = false) => h("button", { type: "button", name, class: primary ? "primary" : null, on: { click } }, label);

export class ModelPanel {
  #session;
  #open = h("div", { "data-part": "open" });
  #choice = make(ModelChoice);
  #outcome = h("div", { "data-part": "outcome" });
  #actions = h("div", { class: "actions" });
  #phase = h("p", { class: "fact", "data-part": "phase", hidden: true });
  #progress = new WorkProgress();
  #kept = make(KeptPanel);
  #phaseShown = "";
  #drawn = "";
  /** What was asked for from elsewhere is to be in sight once it is there. */ #reveal = false;

  /** @param {Session} session @param {HTMLDetailsElement} panel @param {HTMLElement} body */
  constructor(session, panel, body) {
    this.#session = session;
    this.#progress.name("Progress of loading the model");
    body.append(this.#open, this.#choice, this.#outcome, this.#phase, this.#progress.element, this.#actions, this.#kept);
    this.#kept.start(session);
    this.#kept.addEventListener("forgotten", () => this.#lookAgain());
    this.#choice.addEventListener("chosen", () => this.#chosen());
    session.loading.addEventListener("change", () => this.#show());
    session.addEventListener("session", () => this.#show());
    panel.addEventListener("toggle", () => {
      if (!panel.open) return;
      void this.#kept.refresh();
      if (this.#reveal) this.#actions.scrollIntoView({ block: "nearest", behavior: "instant" });
      this.#reveal &&= session.loading.state === "looking";
    });
    this.#show();
  }

  /** Shows a model as chosen, and what it would take. @param {Wanted} wanted */
  choose(wanted) {
    this.#reveal = true;
    this.#choice.write(wanted);
    this.#chosen();
  }

  /** What is chosen is looked at, unless that means asking another server: then the visitor is asked before. */
  #chosen() {
    const wanted = this.#choice.read();
    const { loading } = this.#session;
    if (loading.state === "loading") return;
    if (wanted === null || (typeof wanted.source === "object" && "baseUrl" in wanted.source)) loading.forget();
    else void loading.look(wanted);
    this.#show();
  }

  /** After files were deleted the figures are others. */
  #lookAgain() {
    const { loading } = this.#session;
    if (loading.state === "looked" && loading.wanted) void loading.look(loading.wanted);
    else if (loading.state === "stopped") loading.forget();
  }

  #show() {
    const session = this.#session;
    const { loading, models, lab } = session;
    if (models.length && !this.#choice.querySelector("input[name=model-choice]")) this.#choice.list(models);
    this.#choice.disabled = loading.state === "loading" || !lab || !session.model;
    this.#kept.hidden = !lab;
    this.#showOpen();
    this.#showProgress();
    // what stands here is drawn anew only when it is something else: a button that has the focus keeps it
    const now = [loading.state, session.phase, loading.wanted && keyOf(loading.wanted), this.#choice.kind, this.#pending(), loading.estimate && toFetch(loading.estimate), problemKey(loading.error), loading.kept, session.modelName].join();
    if (now === this.#drawn) return;
    this.#drawn = now;
    const focused = this.#actions.contains(document.activeElement) || this.#outcome.contains(document.activeElement);
    const { said, buttons } = this.#state();
    fill(this.#outcome, said);
    fill(this.#actions, buttons);
    if (focused) (this.#actions.querySelector("button") ?? this.#open.closest("details")?.querySelector("summary"))?.focus({ preventScroll: true });
    if (!this.#open.closest("details")?.open) return;
    if (["stopped", "failed"].includes(loading.state) || (this.#reveal && loading.state === "looked")) {
      this.#reveal = false;
      this.#actions.scrollIntoView({ block: "nearest", behavior: "instant" });
    }
    if (["idle", "stopped", "failed"].includes(loading.state)) void this.#kept.refresh();
  }

  /** An address that has been typed and that nobody has been asked about. */
  #pending() {
    const wanted = this.#choice.kind === "address" ? this.#choice.read() : null;
    return wanted && keyOf(wanted);
  }

  #showOpen() {
    const { model, phase, config, wanted, models } = this.#session;
    if (!model) {
      const other = phase === "opening" && this.#session.loading.state !== "loading" && !isTiny(wanted);
      const text = phase === "opening" ? (other ? `${words(wanted.source, models)} is being opened.` : "The model is being loaded.") : "No model is loaded.";
      if (this.#open.textContent?.startsWith(text)) return;
      fill(this.#open, h("p", {}, text), other ? button("open-tiny", "Open Tiny instead", () => this.#session.openTiny()) : null);
      return;
    }
    const { source } = model;
    const from = source?.url ? new URL(source.url).host : source?.kind === "files" ? "files of this computer" : null;
    const told = h(
      "div",
      {},
      isTiny(wanted)
        ? h("p", {}, "A GPT-2 in miniature, trained for this lab: the same form and the same number of layers as GPT-2, but not its knowledge. What you find here holds for this model.")
        : typeof wanted.source === "string"
          ? h("p", {}, models.find(({ id }) => id === wanted.source)?.about)
          : h("p", {}, `Opened: ${words(wanted.source, models)}.`),
      facts([
        ["parameters", count(model.parameters)],
        ["layers", String(config.nLayers)],
        ["width (d_model)", String(config.dModel)],
        ["heads", String(config.nHeads)],
        ["vocabulary", `${count(config.dVocab)} tokens`],
        ["context", `${count(config.nCtx)} tokens`],
        ["weights", model.weights && `${model.weights === "f16" ? "16" : "32"} bits each`],
        ["memory on the device", model.deviceBytes ? bytes(model.deviceBytes) : null],
        ["files", isTiny(wanted) ? null : [from, source?.kept ? keptIn[source.kept] : source?.keptReason].filter(Boolean).join(", ")],
      ]),
    );
    if (this.#open.textContent !== told.textContent) fill(this.#open, ...told.childNodes);
  }

  #showProgress() {
    const { loading, model, phase, opening, wanted } = this.#session;
    const first = !model && phase === "opening" && loading.state !== "loading" && !isTiny(wanted);
    const running = loading.state === "loading" || first;
    const progress = first ? opening : loading.progress;
    const source = first ? wanted.source : loading.wanted?.source;
    this.#phase.hidden = !running;
    if (!running) {
      if (this.#phaseShown) this.#progress.end();
      this.#phaseShown = "";
      return;
    }
    const text = phaseWords(progress, typeof source === "object" && "files" in source);
    if (text !== this.#phaseShown) {
      this.#phaseShown = text;
      setText(this.#phase, text);
      this.#progress.begin(text, "");
      announce(text);
    }
    const { done, total = null } = progress ?? {};
    if (done !== undefined) this.#progress.report(done, total, phaseUnit(progress));
  }

  /** What is said below the choice, and the buttons. @returns {{said: (Node | null)[], buttons: (Node | null)[]}} */
  #state() {
    const session = this.#session;
    const { loading, lab } = session;
    const { wanted, estimate } = loading;
    const name = wanted ? words(wanted.source, session.models) : "";
    switch (loading.state) {
      case "idle":
        return this.#idle();
      case "looking":
        return { said: [h("p", { class: "hint" }, `Looking what ${name} takes…`)], buttons: [] };
      case "looked": {
        if (!estimate || !wanted || !lab) return { said: [], buttons: [] };
        const host = hostOf(wanted.source, session.models);
        const local = typeof wanted.source === "object" && "files" in wanted.source;
        const fetched = local ? 0 : toFetch(estimate);
        const label = fetched === 0 ? `Open ${name}` : `Fetch ${fetched === null ? "it" : bytes(fetched)} from ${host ?? "this site"} and open`;
        const licence = typeof wanted.source === "string" && !isTiny(wanted) ? session.models.find(({ id }) => id === wanted.source)?.licence : null;
        return {
          said: [
            h("h3", {}, `What ${name} takes`),
            ...estimateElements(estimate, { host, local, gpu: lab.info.device === "webgpu" }),
            licence ? h("p", { class: "hint" }, "Licence: ", licence.url ? h("a", { href: licence.url }, licence.name) : licence.name, ". ", licence.note) : null,
            refused(estimate)
              ? null
              : loading.mustClose
              ? h("p", { class: "caution" }, `There is not room for two: ${session.modelName} is closed first, and opened again if this fails.`)
              : h("p", { class: "hint" }, `The open model, ${session.modelName}, stays until the other is ready. Results on the page stay readable, but hold for the model that they were made with.`),
          ],
          buttons: refused(estimate) ? [] : [button("model-load", label, () => void loading.load({ closeFirst: loading.mustClose }), true)],
        };
      }
      case "loading":
        return { said: [h("p", { class: "fact" }, h("strong", {}, name), loading.closed ? "" : `: ${session.modelName} goes on working meanwhile.`)], buttons: [button("model-stop", "Stop", () => loading.stop())] };
      case "stopped":
        return {
          said: [h("p", { class: "notice", "data-state": "stopped" }, `Stopped. ${loading.kept ? `${bytes(loading.kept)} of ${name} are kept on this computer; “Go on” fetches only the rest.` : "Nothing is kept of it."} The model ${session.modelName} is open as before.`)],
          buttons: [button("model-go-on", loading.kept ? "Go on" : "Begin again", () => void loading.load({ closeFirst: loading.closed }), true), button("model-leave", "Leave it", () => this.#leave())],
        };
      case "failed":
        return this.#failed(name);
    }
  }

  /** @returns {{said: (Node | null)[], buttons: (Node | null)[]}} */
  #idle() {
    const wanted = this.#choice.kind === "address" ? this.#choice.read() : null;
    if (!wanted || !this.#session.lab) return { said: [], buttons: [] };
    const host = hostOf(wanted.source, this.#session.models);
    return {
      said: [
        h(
          "p",
          { class: "hint" },
          `“Look” asks ${host ?? "this site"} for the configuration and the sizes of the files, a few kilobytes. The weights are fetched only when you have seen their size${host ? `; ${host} then sees that this computer asks for them` : ""}.`,
        ),
      ],
      buttons: [button("model-look", `Look at ${host ?? "this site"}`, () => void this.#session.loading.look(wanted), true)],
    };
  }

  /** @param {string} name @returns {{said: (Node | null)[], buttons: (Node | null)[]}} */
  #failed(name) {
    const session = this.#session;
    const { loading, lab } = session;
    const { wanted } = loading;
    const p = problem(loading.error);
    const stays = session.model ? `The model ${session.modelName} is open${loading.closed ? " again" : " as before"}.` : "";
    if (p.code === "LAB-CHECK-FAILED" && wanted)
      return {
        said: [
          h(
            "div",
            { class: "notice", "data-state": "failed" },
            h("p", {}, h("strong", {}, `The numbers of ${name} are wrong on this device, so it was not opened.`)),
            ...(checksOf(loading.error).length ? checksOf(loading.error).flatMap(checkElements) : [h("p", {}, p.message)]),
            h("p", {}, `What would be computed with it is not to be relied upon. ${stays}`),
          ),
        ],
        buttons: [
          lab?.info.device === "webgpu" ? button("model-cpu", "Open it on the CPU", () => void session.restart("cpu", wanted), true) : null,
          button("model-accept", "Use it all the same", () => void loading.load({ acceptFailedCheck: true })),
          button("model-leave", "Leave it", () => this.#leave()),
        ],
      };
    const again = loading.estimate || !wanted ? () => void loading.load({ closeFirst: loading.closed }) : () => void loading.look(wanted);
    return {
      said: [h("div", { class: "notice", "data-state": "failed" }, ...problemElements({ ...p, hint: [p.hint, stays].filter(Boolean).join(" ") }))],
      buttons: [
        wanted && !(isTiny(wanted) && isTiny(session.wanted)) ? button("model-again", "Try again", again, true) : null,
        noRoom.has(p.code) && session.model ? button("model-close", `Close ${session.modelName} first`, () => void loading.load({ closeFirst: true })) : null,
        button("model-leave", "Leave it", () => this.#leave()),
      ],
    };
  }

  #leave() {
    this.#session.loading.forget();
    this.#chosen();
  }
}

/** @param {unknown} error */
const problemKey = (error) => (error ? `${problem(error).code} ${problem(error).message}` : "");
