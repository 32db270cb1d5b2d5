// @ts-check
// Choosing a model: one of the list, an address, files; and how its weights are held. Says what was chosen, and fetches nothing.

import { fill, h, setText } from "./dom.js";
import { problem } from "./errors.js";
import { showFieldError } from "./fields.js";
import { filesInput, filesOf } from "./file-field.js";
import { bytes } from "./format.js";
import { address, hostOf } from "./model-source.js";

/** @typedef {import("./model-source.js").Wanted} Wanted */
/** @typedef {import("./model-source.js").Weights} Weights */
/** @typedef {import("./types.js").ListedModel} ListedModel */

/** @type {[Weights, string, string][]} */
const ways = [
  ["auto", "as fits the processor", "16 bits a weight on WebGPU, 32 on the CPU."],
  ["f16", "16 bits", "Half the memory; computed in 32 bits all the same. Logits differ a little from those of the full weights."],
  ["f32", "32 bits", "As the published weights are; twice the memory."],
];

/** @param {ListedModel} listed */
const size = ({ files }) => Object.values(files).reduce((sum, file) => sum + (file?.bytes ?? 0), 0);

export class ModelChoice extends HTMLElement {
  #list = h("div", { class: "model-list" });
  #address = h("input", { type: "text", name: "model-address", id: "model-address", autocomplete: "off", spellcheck: "false", inputmode: "url", "aria-describedby": "model-address-hint model-address-error" });
  #addressField = h(
    "div",
    { class: "field", hidden: true },
    h("label", { for: "model-address" }, "Address of the model's folder"),
    this.#address,
    h("p", { class: "hint", id: "model-address-hint" }, "It holds config.json, model.safetensors (or pieces with an index or a manifest) and the tokenizer's files. A model's page on huggingface.co will do."),
    h("p", { class: "field-error", id: "model-address-error", hidden: true }),
  );
  #files = filesInput(
    { name: "model-files", label: "Files", kind: "files", value: [] },
    {
      attributes: { id: "model-files", name: "model-files", autocomplete: "off", "aria-describedby": "model-files-hint" },
      reset: h("span"),
      notes: [],
      frame: (...inputs) =>
        h(
          "div",
          { class: "field field-files", hidden: true },
          h("label", { for: "model-files" }, "Files of the model, all at once"),
          inputs,
          h("p", { class: "hint", id: "model-files-hint" }, "config.json, the weights (.safetensors, one or several with their index), and tokenizer.json or vocab.json with merges.txt. They are read here and go nowhere."),
        ),
    },
  );
  #weights = h(
    "details",
    {},
    h("summary", {}, "How the weights are held"),
    h(
      "fieldset",
      { class: "field model-list" },
      h("legend", { class: "visually-hidden" }, "How the weights are held"),
      ways.map(([value, label, hint]) =>
        h("label", { class: "way" }, h("input", { type: "radio", name: "model-weights", value, checked: value === "auto", autocomplete: "off" }), h("span", {}, h("strong", {}, label), " ", h("span", { class: "hint" }, hint))),
      ),
    ),
  );
  #fields = h("fieldset", { class: "field" }, h("legend", { class: "group" }, "Open another model"), this.#list, this.#addressField, this.#files.element, this.#weights);
  /** @type {File[]} */ #chosen = [];

  connectedCallback() {
    if (this.childElementCount) return;
    this.append(this.#fields);
    this.#fields.addEventListener("input", (event) => {
      if (event.target === this.#files.element.querySelector("input")) this.#chosen = filesOf(this.#files.read().value);
      this.#show();
      this.dispatchEvent(new Event("chosen"));
    });
  }

  /** The models to choose from. @param {readonly ListedModel[]} models */
  list(models) {
    const value = this.kind;
    const option = (/** @type {string} */ value, /** @type {string} */ label, /** @type {string} */ hint) =>
      h("label", { class: "way" }, h("input", { type: "radio", name: "model-choice", value, autocomplete: "off" }), h("span", {}, h("strong", {}, label), " ", h("span", { class: "hint" }, hint)));
    fill(
      this.#list,
      models.map((model) => {
        const host = hostOf(model.id, models);
        return option(model.id, model.title, host ? `${bytes(size(model))} from ${host} · ${model.licence.name}` : model.id === "tiny" ? "comes with the page" : `${bytes(size(model))} from this site · ${model.licence.name}`);
      }),
      option("address", "From an address", "any GPT-2 in Hugging Face's files"),
      option("files", "From files", "of this computer"),
    );
    this.#check("model-choice", value ?? "");
    this.#show();
  }

  /** "address", "files", or the id of a listed model. @returns {string | null} */
  get kind() {
    return this.#checked("model-choice");
  }

  /** What is chosen, or what is wrong with it; null while nothing is. @returns {Wanted | null} */
  read() {
    const weights = /** @type {Weights} */ (this.#checked("model-weights") ?? "auto");
    switch (this.kind) {
      case null:
        return null;
      case "files":
        return this.#chosen.length ? { source: { files: this.#chosen }, weights } : null;
      case "address":
        try {
          const text = this.#address.value.trim();
          const source = text ? address(text) : null;
          showFieldError(this.#addressField, null);
          return source && { source, weights };
        } catch (error) {
          showFieldError(this.#addressField, problem(error).message);
          return null;
        }
      default:
        return { source: /** @type {string} */ (this.kind), weights };
    }
  }

  /** Chooses as if the visitor had; files stay as they are. @param {Wanted} wanted */
  write({ source, weights }) {
    const kind = typeof source === "string" ? source : "baseUrl" in source ? "address" : "files";
    if (typeof source === "object" && "baseUrl" in source) this.#address.value = source.baseUrl;
    this.#check("model-choice", kind);
    this.#check("model-weights", weights);
    this.#show();
  }

  /** @param {boolean} off */
  set disabled(off) {
    this.#fields.disabled = off;
  }

  #show() {
    this.#addressField.hidden = this.kind !== "address";
    this.#files.element.hidden = this.kind !== "files";
    setText(/** @type {Element} */ (this.#weights.querySelector("summary")), `How the weights are held: ${ways.find(([value]) => value === this.#checked("model-weights"))?.[1]}`);
  }

  /** @param {string} name @returns {string | null} */
  #checked(name) {
    const input = this.querySelector(`input[name=${name}]:checked`);
    return input instanceof HTMLInputElement ? input.value : null;
  }

  /** @param {string} name @param {string} value */
  #check(name, value) {
    for (const input of this.querySelectorAll(`input[name=${name}]`)) if (input instanceof HTMLInputElement) input.checked = input.value === value;
  }
}
customElements.define("model-choice", ModelChoice);
