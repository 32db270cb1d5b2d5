// @ts-check
// What is kept on this computer: the files of models, whole or half, each to be deleted.

import { announce } from "./announce.js";
import { fill, h } from "./dom.js";
import { problem } from "./errors.js";
import { bytes, counted } from "./format.js";

/** @typedef {import("./types.js").Kept} Kept */

/** @type {Record<string, string>} */
const places = { opfs: "", cache: "in the browser's cache", memory: "in this page only, until it is closed" };

const sum = (/** @type {number[]} */ numbers) => numbers.reduce((a, b) => a + b, 0);

export class KeptPanel extends HTMLElement {
  #list = h("ul", { class: "kept" });
  #use = h("p", { class: "hint", "data-part": "storage" });
  #all = h("button", { type: "button", class: "quiet-button", name: "forget-all", hidden: true }, "Delete all");
  #error = h("p", { class: "field-error", hidden: true, role: "status" });
  /** @type {import("./session.js").Session} */ #session = /** @type {any} */ (null);
  #turn = 0;

  /** @param {import("./session.js").Session} session */
  start(session) {
    this.#session = session;
    this.append(h("h3", {}, "Kept on this computer"), this.#list, this.#use, this.#error, this.#all);
    this.#all.addEventListener("click", () => void this.#forget(["all"], "All kept files"));
    void this.refresh();
  }

  /** Looks again at what is there. */
  async refresh() {
    const { lab } = this.#session;
    const turn = ++this.#turn;
    if (!lab) return;
    /** @type {Kept[]} */ let kept = [];
    let failure = "";
    try {
      kept = await lab.kept();
    } catch (error) {
      failure = problem(error).message;
    }
    const storage = await navigator.storage?.estimate?.().catch(() => null);
    if (turn !== this.#turn) return;
    this.#say(failure);
    const models = Map.groupBy(kept, ({ model }) => model);
    const focused = this.contains(document.activeElement);
    fill(this.#list, models.size ? [...models].map(([model, files]) => this.#item(model, files)) : h("li", { class: "hint" }, "Nothing. A model that is fetched stays here, so that it is fetched once."));
    this.#all.hidden = models.size < 2;
    const { usage, quota } = storage ?? {};
    this.#use.textContent = usage !== undefined && quota ? `This site uses ${bytes(usage)} of the ${bytes(quota)} that the browser grants it.` : "";
    if (focused && !this.contains(document.activeElement)) this.querySelector("button:not([hidden])")?.closest("button")?.focus();
  }

  /** @param {string} model @param {Kept[]} files */
  #item(model, files) {
    const here = sum(files.map((file) => file.bytes));
    const whole = files.every(({ complete }) => complete);
    const totals = files.map(({ total }) => total);
    const all = totals.includes(null) ? null : sum(/** @type {number[]} */ (totals));
    const size = whole ? `${bytes(here)}, whole` : `${bytes(here)}${all === null ? "" : ` of ${bytes(all)}`}, half`;
    const place = places[files[0].where] ?? files[0].where;
    return h(
      "li",
      { "data-model": model, "data-whole": String(whole) },
      h(
        "div",
        { class: "kept-model" },
        h("strong", {}, model),
        h("span", {}, [size, place].filter(Boolean).join(", ")),
        this.#button(`Delete ${model}`, "Delete", files.map(({ key }) => key), model),
      ),
      files.length > 1
        ? h(
            "details",
            {},
            h("summary", {}, counted(files.length, "file")),
            h(
              "ul",
              {},
              files.map((file) =>
                h(
                  "li",
                  { class: "kept-model" },
                  h("span", { title: file.url }, file.name),
                  h("span", {}, file.complete ? bytes(file.bytes) : `${bytes(file.bytes)}${file.total === null ? "" : ` of ${bytes(file.total)}`}`),
                  this.#button(`Delete ${file.name} of ${model}`, "Delete", [file.key], file.name),
                ),
              ),
            ),
          )
        : null,
    );
  }

  /** @param {string} label @param {string} text @param {string[]} keys @param {string} what */
  #button(label, text, keys, what) {
    return h("button", { type: "button", class: "quiet-button", name: "forget", "aria-label": label, on: { click: () => void this.#forget(keys, what) } }, text);
  }

  /** @param {string[]} keys @param {string} what */
  async #forget(keys, what) {
    const { lab } = this.#session;
    if (!lab) return;
    try {
      for (const key of keys) await lab.forget(key);
      announce(`${what}: deleted`);
    } catch (error) {
      const { message, hint } = problem(error);
      this.#say(`${message} ${hint}`);
      return;
    }
    await this.refresh();
    this.dispatchEvent(new Event("forgotten"));
  }

  /** @param {string} text */
  #say(text) {
    this.#error.hidden = text === "";
    this.#error.textContent = text;
  }
}
customElements.define("kept-panel", KeptPanel);
