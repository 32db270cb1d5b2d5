// @ts-check
// The template of a project: seven stages with their lists and notes, and a catalogue of features to fill in. It is kept with
// the page, saved as Markdown, JSON or CSV, read back from JSON, and printed as a sheet of its own.
//
//   <feature-catalogue id="catalogue"></feature-catalogue>      and <link rel="stylesheet" href="…/ui/catalogue.css">
//   part(document, "feature-catalogue", FeatureCatalogue).start(session, { chosen: () => ({ sae: "…", hook: "…", evidence: "…" }) });

import { announce } from "./announce.js";
import { ANSWERS, CAPS, dataOf, emptyEntry, emptyProject, isEmpty, projectOf, readJson, STAGES, tally, toCsv, toJson, toMarkdown } from "./catalogue-data.js";
import { catalogueSheet } from "./catalogue-sheet.js";
import { download, fill, h, setText } from "./dom.js";
import { problem } from "./errors.js";
import { counted } from "./format.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./catalogue-data.js").FeatureEntry} FeatureEntry */
/** @typedef {import("./catalogue-data.js").Project} Project */

/** How the fields of a feature are called, and what to write into them. */
const FIELDS = /** @type {const} */ ([
  { key: "sae", label: "Autoencoder", rows: 1, says: "which one, with seed or source" },
  { key: "hook", label: "Hook", rows: 1, says: "where it reads" },
  { key: "interpretation", label: "Interpretation", rows: 2, says: "one sentence that a text could prove wrong" },
  { key: "evidence", label: "Evidence", rows: 3, says: "strongest tokens, activation, AUROC, texts that speak against it" },
  { key: "monosemantic", label: "One meaning?", rows: 0, says: "" },
  { key: "causal", label: "Causal?", rows: 0, says: "" },
  { key: "notes", label: "Notes", rows: 2, says: "" },
]);

export class FeatureCatalogue extends HTMLElement {
  /** @type {Session} */ #session = /** @type {any} */ (null);
  /** @type {() => Partial<FeatureEntry> | null} */ #chosen = () => null;
  #name = "catalogue";
  #project = emptyProject();
  /** What a click brings back. @type {Project | null} */ #before = null;
  #later = 0;

  #title = h("input", { type: "text", id: "catalogue-title", name: "catalogue-title", maxlength: CAPS.title, autocomplete: "off" });
  #stages = h("ol", { class: "stages" });
  #rows = h("div", { class: "catalogue-rows" });
  #tally = h("p", { class: "fact", "data-part": "tally" });
  #said = h("p", { class: "hint", "data-part": "catalogue-said" });
  #back = h("button", { type: "button", class: "quiet-button", name: "catalogue-back", hidden: true, on: { click: () => this.#undo() } }, "Put it back");
  #take = h("button", { type: "button", class: "primary", name: "catalogue-take", on: { click: () => this.#add(this.#entry()) } });
  #file = h("input", { type: "file", id: "catalogue-file", name: "catalogue-file", accept: ".json,application/json", on: { change: () => void this.#read() } });
  #sheet = h("div", { class: "catalogue-sheet", hidden: true });

  /**
   * @param {Session} session whose chosen feature and whose memory are used
   * @param {{name?: string, chosen?: () => Partial<FeatureEntry> | null}} [options] `name` under which the page keeps it;
   *   `chosen` says more of the session's feature: its autoencoder, hook, what is known of it
   */
  start(session, { name = "catalogue", chosen } = {}) {
    this.#session = session;
    this.#name = name;
    if (chosen) this.#chosen = chosen;
    try {
      const kept = session.memory?.get(name);
      if (kept !== undefined) this.#project = projectOf(kept);
    } catch {
      setText(this.#said, "What was kept of an earlier visit could not be read.");
    }
    this.#frame();
    this.#show();
    for (const type of ["feature", "results"]) session.addEventListener(type, () => this.#label());
    window.addEventListener("pagehide", () => this.#flush());
    window.addEventListener("beforeprint", () => fill(this.#sheet, catalogueSheet(this.#project)));
    window.addEventListener("afterprint", () => delete document.documentElement.dataset.print);
  }

  /** What has been written, as plain data. @returns {Project} */
  get project() {
    return structuredClone(this.#project);
  }

  #frame() {
    const save = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ file, /** @type {string} */ type, /** @type {(project: Project) => string} */ write) =>
      h("button", { type: "button", name, on: { click: () => download(new Blob([write(this.#project)], { type }), file) } }, label);
    this.#title.addEventListener("input", () => {
      this.#project.title = this.#title.value;
      this.#keep();
    });
    fill(
      this,
      h("div", { class: "field" }, h("label", { for: "catalogue-title" }, "Your concept"), this.#title),
      this.#stages,
      h("h3", {}, "Catalogue of features"),
      this.#tally,
      this.#rows,
      h("div", { class: "actions" }, this.#take, h("button", { type: "button", name: "catalogue-add", on: { click: () => this.#add(emptyEntry()) } }, "Add an empty one")),
      h(
        "div",
        { class: "actions catalogue-files" },
        h("span", { class: "hint" }, "Save as"),
        save("catalogue-markdown", "Markdown", "project.md", "text/markdown", toMarkdown),
        save("catalogue-json", "JSON", "project.json", "application/json", toJson),
        save("catalogue-csv", "CSV", "features.csv", "text/csv", toCsv),
        h("button", { type: "button", name: "catalogue-print", on: { click: () => this.#print() } }, "Print"),
        h("label", { class: "catalogue-file", for: "catalogue-file" }, h("span", {}, "Read a saved JSON"), this.#file),
        h("button", { type: "button", name: "catalogue-clear", on: { click: () => this.#replace(emptyProject(), "The catalogue is empty again.") } }, "Empty it"),
      ),
      h("div", { class: "actions" }, this.#said, this.#back),
      this.#sheet,
    );
  }

  /** Builds all inputs anew. */
  #show() {
    this.#title.value = this.#project.title;
    const open = [...this.#stages.querySelectorAll("details")].map((details) => details.open);
    fill(this.#stages, STAGES.map((stage, i) => this.#stage(stage, i, open[i] ?? false)));
    fill(this.#rows, this.#project.features.map((_, i) => this.#row(i)));
    this.#label();
    this.#count();
  }

  /** @param {(typeof STAGES)[number]} stage @param {number} i @param {boolean} open */
  #stage({ id, title, asks, items }, i, open) {
    const entry = this.#project.stages[id];
    const state = h("span", { class: "hint" });
    const count = () => setText(state, `${entry.done.filter(Boolean).length} of ${items.length}`);
    const boxes = items.map((item, k) => {
      const box = h("input", { type: "checkbox", name: `stage-${id}-${k}`, id: `stage-${id}-${k}`, autocomplete: "off" });
      box.checked = entry.done[k];
      box.addEventListener("change", () => {
        entry.done[k] = box.checked;
        count();
        this.#keep();
      });
      return h("li", {}, h("label", { for: box.id }, box, " ", item));
    });
    const notes = h("textarea", { id: `stage-${id}-notes`, name: `stage-${id}-notes`, rows: 3, maxlength: CAPS.stageNotes, autocomplete: "off" });
    notes.value = entry.notes;
    notes.addEventListener("input", () => {
      entry.notes = notes.value;
      this.#keep();
    });
    count();
    return h(
      "li",
      {},
      h(
        "details",
        { open },
        h("summary", {}, h("strong", {}, `${i + 1}. ${title}`), " ", state),
        h("p", { class: "fact" }, asks),
        h("ul", { class: "stage-items" }, boxes),
        h("div", { class: "field" }, h("label", { for: notes.id }, "Notes"), notes),
      ),
    );
  }

  /** @param {number} i */
  #row(i) {
    const entry = this.#project.features[i];
    const legend = h("legend", {});
    const name = () => setText(legend, entry.feature === null ? `Entry ${i + 1}` : `Feature ${entry.feature}`);
    const number = h("input", { type: "number", min: 0, max: CAPS.feature, step: 1, id: `row-${i}-feature`, name: `row-${i}-feature`, autocomplete: "off" });
    number.value = entry.feature === null ? "" : String(entry.feature);
    number.addEventListener("input", () => {
      const value = Number(number.value);
      entry.feature = number.value !== "" && number.validity.valid && Number.isInteger(value) ? value : null;
      name();
      this.#keep();
    });
    name();
    const fields = FIELDS.map(({ key, label, rows, says }) => {
      const id = `row-${i}-${key}`;
      const attributes = { id, name: id, autocomplete: "off" };
      const input =
        key === "monosemantic" || key === "causal"
          ? h("select", attributes, ANSWERS[key].map((value) => h("option", { value }, value || "not judged yet")))
          : rows > 1
            ? h("textarea", { ...attributes, rows, maxlength: CAPS[key], placeholder: says })
            : h("input", { ...attributes, type: "text", maxlength: CAPS[key], placeholder: says });
      input.value = entry[key];
      input.addEventListener("input", () => {
        Object.assign(entry, { [key]: input.value });
        this.#keep();
      });
      return h("div", { class: `field field-${key}` }, h("label", { for: id }, label), input);
    });
    return h(
      "fieldset",
      { class: "catalogue-row" },
      legend,
      h("div", { class: "field field-number" }, h("label", { for: number.id }, "Number"), number),
      fields,
      h("div", { class: "row-actions" }, h("button", { type: "button", class: "quiet-button", name: `row-${i}-remove`, on: { click: () => this.#remove(i) } }, "Remove")),
    );
  }

  /** An entry for the feature that the session looks at. @returns {FeatureEntry} */
  #entry() {
    const known = { feature: this.#session.feature, ...this.#chosen() };
    const entry = emptyEntry();
    for (const key of /** @type {const} */ (["sae", "hook", "interpretation", "evidence", "notes"])) entry[key] = String(known[key] ?? "").slice(0, CAPS[key]);
    return { ...entry, feature: known.feature ?? null };
  }

  /** @param {FeatureEntry} entry */
  #add(entry) {
    if (this.#project.features.length >= CAPS.features) return this.#say(`${CAPS.features} features are the most that fit. Save these and begin another one.`);
    this.#project.features.push(entry);
    const i = this.#project.features.length - 1;
    this.#rows.append(this.#row(i));
    this.#rows.querySelector(/** @type {"input"} */ (`#row-${i}-${entry.feature === null ? "feature" : "interpretation"}`))?.focus();
    this.#say(entry.feature === null ? "An empty entry was added." : `Feature ${entry.feature} was added: write what it answers to.`);
    this.#keep();
  }

  /** @param {number} i */
  #remove(i) {
    const { feature } = this.#project.features[i];
    const features = this.#project.features.filter((_, k) => k !== i);
    this.#replace({ ...this.#project, features }, `${feature === null ? `Entry ${i + 1}` : `Feature ${feature}`} was removed.`);
    (this.#back.hidden ? this.#title : this.#back).focus();
  }

  /** Takes another project; the one before comes back by a click. @param {Project} project @param {string} what */
  #replace(project, what) {
    this.#before = isEmpty(this.#project) ? null : structuredClone(this.#project);
    this.#project = structuredClone(project);
    this.#show();
    this.#say(what, this.#before !== null);
    this.#keep();
  }

  #undo() {
    if (!this.#before) return;
    this.#project = this.#before;
    this.#before = null;
    this.#show();
    this.#say("It is as it was.");
    (this.#take.disabled ? this.#title : this.#take).focus();
    this.#keep();
  }

  async #read() {
    const file = this.#file.files?.[0];
    if (!file) return;
    try {
      const json = file.size > CAPS.fileBytes ? " ".repeat(CAPS.fileBytes + 1) : await file.text();
      const project = readJson(json);
      this.#replace(project, `Read ${counted(project.features.length, "feature")} from ${file.name.slice(0, 60)}.`);
    } catch (error) {
      const { message, hint } = problem(error);
      this.#say(`${message} ${hint}`);
    }
    this.#file.value = "";
  }

  #print() {
    document.documentElement.dataset.print = "catalogue";
    window.print();
  }

  /** @param {string} what @param {boolean} [undo] whether it can be undone */
  #say(what, undo = false) {
    setText(this.#said, what);
    announce(what);
    this.#back.hidden = !undo;
  }

  #label() {
    const { feature } = this.#session;
    setText(this.#take, feature === null ? "Add the chosen feature" : `Add the chosen feature, F${feature}`);
    this.#take.disabled = feature === null;
  }

  #count() {
    const { done, items, features, interpreted, judged, unused } = tally(this.#project);
    setText(
      this.#tally,
      `${done} of ${items} items done. ${counted(features, "feature")}: ${interpreted} with an interpretation, ${judged} judged for meaning and for cause.` +
        (unused ? ` ${unused} with one meaning ${unused === 1 ? "does" : "do"} not change what the model says: present is not the same as used.` : "") +
        (features < 10 ? ` Ten to twenty make a picture; ${features ? `${10 - features} more to go` : "choose one on this page and add it"}.` : ""),
    );
  }

  /** Keeps it with the page, soon. */
  #keep() {
    this.#count();
    clearTimeout(this.#later);
    this.#later = window.setTimeout(() => this.#flush(), 400);
  }

  #flush() {
    clearTimeout(this.#later);
    const { memory } = this.#session;
    if (!memory) return;
    memory.set(this.#name, isEmpty(this.#project) ? undefined : dataOf(this.#project));
    if (!memory.stores) setText(this.#said, "This browser keeps nothing for this page: save the JSON before you leave.");
  }
}
customElements.define("feature-catalogue", FeatureCatalogue);
