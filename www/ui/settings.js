// @ts-check
// The settings of a step: inputs from declared fields, their values, what is wrong with them, what differs from a result's.

import { control, showFieldError } from "./fields.js";
import { fill, h } from "./dom.js";
import { PageError } from "./errors.js";

/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("./fields.js").Control} Control */

/** Under what a value that the visitor has set is kept while its setting is not on show. @param {Field} field */
const memory = ({ name, per = "" }) => `${name} ${per}`;

const same = (/** @type {unknown} */ a, /** @type {unknown} */ b) => JSON.stringify(a) === JSON.stringify(b);

export class Settings {
  /** wide inputs, such as prompts */ wide = h("div", { class: "settings-wide" });
  /** the other inputs, advanced ones folded */ panel = h("div", { class: "settings" });
  /** numbers that follow from the settings */ readout = h("output", { class: "readout", hidden: true });
  /** @type {Map<string, {field: Field, control: Control}>} */ #controls = new Map();
  /** @type {Field[]} */ #fields = [];
  /** @type {Map<string, any>} what the visitor has set, also of settings that are not on show now */ #set = new Map();
  /** those of `#set` that an earlier visit left and that no input has held yet @type {Set<string>} */ #restored = new Set();
  #prefix;
  #changed;

  /** @param {string} prefix @param {() => void} changed */
  constructor(prefix, changed) {
    this.#prefix = prefix;
    this.#changed = () => {
      this.#mark();
      changed();
    };
  }

  /** What the visitor has set otherwise than it was, as plain data for a later visit; files are left out. @returns {Record<string, any> | undefined} */
  kept() {
    const kept = new Map(this.#set);
    for (const { field, control } of this.#controls.values()) {
      if (field.fills) continue;
      const { value, error } = control.read();
      kept.delete(memory(field));
      if (field.kind !== "files" && error === null && !same(value, field.value)) kept.set(memory(field), value);
    }
    return kept.size ? Object.fromEntries(kept) : undefined;
  }

  /** Takes what `kept` gave in an earlier visit; to be called before the first declaration. @param {unknown} kept */
  restore(kept) {
    if (typeof kept !== "object" || kept === null) return;
    this.#set = new Map(Object.entries(kept));
    this.#restored = new Set(this.#set.keys());
  }

  /** Sets everything back. */
  reset() {
    this.#set.clear();
    for (const { field, control } of this.#controls.values()) if (!field.fills) control.write(field.value);
    this.#changed();
  }

  /** What is kept for a setting, or its default where nothing that could be its value is. @param {Field} field */
  #start(field) {
    const kept = this.#set.get(memory(field));
    if (kept === null) return field.optional ? kept : field.value;
    return typeof kept === typeof (field.value ?? 0) && Array.isArray(kept) === Array.isArray(field.value) ? kept : field.value;
  }

  /** Takes (new) declarations. What the visitor has set stays or comes back; what stood at its default takes the new default. @param {Field[]} fields @returns {boolean} whether they are new */
  declare(fields) {
    if (same(fields, this.#fields)) return false;
    for (const { field, control } of this.#controls.values()) {
      const { value } = control.read();
      if (field.fills || same(value, field.value)) this.#set.delete(memory(field));
      else this.#set.set(memory(field), value);
    }
    const old = new Map(this.#controls);
    const focused = document.activeElement;
    this.#fields = fields;
    this.#controls.clear();
    const plain = h("div", { class: "settings-grid" }),
      advanced = h("div", {});
    /** @type {string | undefined | null} */ let group = null;
    const wide = [];
    for (const field of fields) {
      const was = old.get(field.name);
      const made = was && same(was.field, field) ? was.control : this.#make(field);
      this.#controls.set(field.name, { field, control: made });
      if (made !== was?.control) made.write(this.#start(field));
      // what the visitor types may be wrong for a while; what was kept was right then, and is of no use where it is not any more
      if (this.#restored.delete(memory(field)) && made.read().error !== null) made.write(field.value);
      if (field.wide) wide.push(made.element);
      else if (!field.advanced) plain.append(made.element);
      else {
        if (field.group !== group) {
          group = field.group;
          if (group) advanced.append(h("h3", { class: "group" }, group));
          advanced.append(h("div", { class: "settings-grid" }));
        }
        advanced.lastElementChild?.append(made.element);
      }
    }
    fill(this.wide, wide);
    const open = this.panel.querySelector("details")?.open ?? false;
    fill(
      this.panel,
      plain.childElementCount ? plain : null,
      advanced.childElementCount ? h("details", { class: "advanced", open }, h("summary", {}, "More settings"), advanced) : null,
      this.readout,
    );
    this.#mark();
    if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    return true;
  }

  /** @param {Field} field */
  #make(field) {
    const made = control(field, this.#prefix, () => {
      if (field.fills) this.#controls.get(field.fills)?.control.write(made.read().value);
      this.#changed();
    });
    made.element.querySelector("button.reset")?.addEventListener("click", () => {
      made.write(field.value);
      this.#changed();
      // the button hides itself now: the focus stays with the setting
      made.element.querySelector(/** @type {"input"} */ ("input, select, textarea"))?.focus();
    });
    return made;
  }

  /** The values by name; an input that holds no valid value gives what it holds. @returns {Record<string, any>} */
  values() {
    return Object.fromEntries(
      [...this.#controls].filter(([, { field }]) => !field.fills).map(([name, { control }]) => [name, control.read().value]),
    );
  }

  /** Sets one value, as if the visitor had. @param {string} name @param {any} value */
  set(name, value) {
    this.#controls.get(name)?.control.write(value);
    this.#mark();
  }

  /** Sets values, as if the visitor had, and tells of it. @param {Record<string, any>} values */
  take(values) {
    for (const [name, value] of Object.entries(values)) this.#controls.get(name)?.control.write(value);
    this.#changed();
  }

  /** The values, or the error that names what is out of range. @returns {Record<string, any>} */
  checked() {
    const wrong = [...this.#controls.values()].map(({ control }) => control.read().error).filter((e) => e !== null);
    if (wrong.length) throw new PageError("LAB-BAD-SETTING", wrong.join(" "), "Correct it, or reset it to its default, and run again.");
    return this.values();
  }

  /** The labels of the settings whose values differ from those of a result; one that the result knows nothing of is there because another differs. @param {Record<string, any>} then */
  differences(then) {
    return [...this.#controls.values()]
      .filter(
        ({ field, control }) =>
          !field.fills && !field.apart && Object.hasOwn(then, field.name) && !same(control.read().value, then[field.name]),
      )
      .map(({ field }) => field.label);
  }

  /** @param {string | null} text */
  showReadout(text) {
    this.readout.hidden = !text;
    if (this.readout.textContent !== (text ?? "")) this.readout.textContent = text ?? "";
  }

  #mark() {
    for (const { field, control } of this.#controls.values()) {
      if (field.fills) this.#follow(field, control);
      const { value, error } = control.read();
      // what another step fills in is not yet wrong while it is empty
      const awaited = field.noReset && value === null && !control.element.querySelector(":invalid");
      showFieldError(control.element, awaited ? null : error);
      const reset = control.element.querySelector("button.reset");
      if (reset instanceof HTMLElement) reset.classList.toggle("is-default", Boolean(field.fills) || same(value, field.value));
    }
  }

  /** A choice that fills another setting shows what stands there, or its empty option. @param {Field} field @param {Control} control */
  #follow({ fills = "", options = [] }, control) {
    const filled = this.#controls.get(fills)?.control.read().value;
    control.write(options.some(({ value }) => value === filled) ? filled : "");
  }
}
