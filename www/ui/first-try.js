// @ts-check
// The prompt box of the first screen: tokens and next tokens as one types, and the text continued.

import "./token-strip.js";
import { announce } from "./announce.js";
import { fill, h, make, setText } from "./dom.js";
import { isCancelled, problem } from "./errors.js";
import { bytes, count, percent } from "./format.js";
import { phaseUnit, phaseWords } from "./model-estimate.js";
import { STEERING_PROMPT } from "./prompts.js";
import { TokenStrip } from "./token-strip.js";
import { readableNodes, tokenNodes } from "./token-text.js";

/** @typedef {import("./session.js").Session} Session */

const pause = 200,
  newTokens = 20,
  listed = 5;

/** What is being waited for while the lab opens. @param {import("./types.js").Progress | null} opening */
function stage(opening) {
  const { phase = "engine", done = 0, total } = opening ?? {};
  if (phase === "engine") return "Fetching the engine";
  if (phase === "device") return "Choosing the processor";
  const amount = phaseUnit(opening) === "bytes" ? bytes : count;
  return `${phaseWords(opening)}${done ? `: ${amount(done)}${total ? ` of ${amount(total)}` : ""}` : ""}`;
}

export class FirstTry extends HTMLElement {
  #input = h("textarea", {
    id: "try-prompt",
    name: "try-prompt",
    rows: 2,
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": "try-state",
  });
  #continue = h("button", { type: "submit", class: "primary", name: "try-continue", "aria-disabled": "true" }, "Continue the text");
  #stop = h("button", { type: "button", name: "try-stop", hidden: true, on: { click: () => this.#writing?.abort() } }, "Stop");
  #state = h("p", { id: "try-state", class: "hint" });
  #strip = make(TokenStrip);
  #next = h("ol", { class: "next-tokens" });
  #nextHead = h("h2", { hidden: true }, "What may come next");
  #out = h("p", { class: "version-text", hidden: true, "data-part": "text" });
  /** @type {AbortController | null} */ #reading = null;
  /** @type {AbortController | null} */ #writing = null;
  #timer = 0;
  /** @type {Session | null} */ #session = null;

  /** @param {Session} session */
  start(session) {
    this.#session = session;
    this.#input.value = STEERING_PROMPT;
    const form = h(
      "form",
      {
        novalidate: true,
        on: {
          submit: (/** @type {Event} */ event) => {
            event.preventDefault();
            void this.#write();
          },
        },
      },
      h("label", { for: "try-prompt" }, "Try it: a text for the model"),
      this.#input,
      h("div", { class: "actions" }, this.#continue, this.#stop, this.#state),
    );
    this.append(h("div", {}, form, this.#out), h("div", {}, this.#strip, this.#nextHead, this.#next));
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => void this.#read(), pause);
    });
    let read = session.model;
    session.addEventListener("session", () => {
      this.#showState();
      if (session.model && session.model !== read) void this.#read();
      read = session.model;
    });
    this.#showState();
  }

  #showState(text = "") {
    const { phase, opening } = /** @type {Session} */ (this.#session);
    this.#continue.setAttribute("aria-disabled", String(phase !== "ready" || this.#writing !== null));
    setText(this.#state, phase === "opening" ? stage(opening) : phase === "ready" ? text : phase === "recovering" ? "The engine is being opened again." : "The engine is not running.");
  }

  async #read() {
    const model = this.#session?.model;
    if (!model) return;
    this.#reading?.abort();
    const reading = (this.#reading = new AbortController());
    try {
      const { tokens, top } = await model.run(this.#input.value, { topK: listed, signal: reading.signal });
      if (reading.signal.aborted) return;
      this.#strip.show({ label: "Tokens of your text", tokens: tokens.tokens, raw: tokens.raw, ids: tokens.ids });
      const most = top?.[0]?.prob ?? 1;
      this.#nextHead.hidden = false;
      fill(
        this.#next,
        (top ?? []).map(({ token, prob }) => {
          const bar = h("span", { class: "share-bar", "aria-hidden": "true" });
          bar.style.inlineSize = `${(prob / most) * 100}%`;
          return h(
            "li",
            {},
            h("span", { class: "next-token" }, tokenNodes(token)),
            h("span", { class: "share-track" }, bar),
            h("span", { class: "share" }, percent(prob)),
          );
        }),
      );
      this.#showState();
    } catch (error) {
      if (!isCancelled(error) && !reading.signal.aborted) this.#fail(error);
    }
  }

  async #write() {
    const session = /** @type {Session} */ (this.#session);
    if (!session.model || this.#writing) return;
    const writing = (this.#writing = new AbortController());
    const prompt = this.#input.value;
    this.#stop.hidden = false;
    this.#showState("writing");
    let added = "";
    const show = (/** @type {string} */ text) =>
      fill(this.#out, h("span", { class: "prompt-part" }, readableNodes(prompt)), readableNodes(text));
    try {
      const { text } = await session.model.generate(prompt, {
        maxNewTokens: newTokens,
        temperature: 0,
        signal: writing.signal,
        onToken: ({ token }) => {
          added += token ?? "";
          this.#out.hidden = false;
          show(added);
        },
      });
      show(text.startsWith(prompt) ? text.slice(prompt.length) : added);
      this.#end("");
      announce(`The text continues: ${added}`);
    } catch (error) {
      this.#end("Stopped.");
      if (!isCancelled(error)) this.#fail(error);
    }
  }

  /** @param {string} text */
  #end(text) {
    this.#writing = null;
    if (document.activeElement === this.#stop) this.#continue.focus({ preventScroll: true });
    this.#stop.hidden = true;
    this.#showState(text);
  }

  /** @param {unknown} error */
  #fail(error) {
    const { message, hint } = problem(error);
    this.#showState(`${message} ${hint}`);
    announce(`${message} ${hint}`);
  }
}
customElements.define("first-try", FirstTry);
