// @ts-check
// One labelled input: its element, how its value is read and checked, how it is written.

import { h, make } from "./dom.js";
import { filesInput } from "./file-field.js";
import { count, exact } from "./format.js";
import { LabTerm } from "./term.js";

/**
 * A setting, as a step declares it.
 * @typedef {{
 *   name: string, label: string,
 *   kind: "integer" | "number" | "log" | "slider" | "choice" | "ways" | "switch" | "text" | "lines" | "checks" | "files",
 *   value: any, min?: number, max?: number, above?: number, unit?: string, hint?: string,
 *   options?: {value: string, label: string, group?: string, detail?: readonly string[], disabled?: boolean}[],
 *   optional?: boolean, advanced?: boolean, wide?: boolean, rows?: number,
 *   fills?: string, slide?: [number, number], rangeText?: string, noReset?: boolean, apart?: boolean,
 *   term?: [name: string, label: string], group?: string, per?: string, accept?: string, emptyText?: string,
 * }} Field `fills` names another setting that a choice is written into, such a choice has no value of its own;
 * `apart` marks what the result was not made with, so that changing it leaves the result up to date;
 * `slide` is the part of the range that the slider covers; `rangeText` stands for a range that says nothing;
 * `term` is a word of the glossary that the hint goes on from; `group` is a heading among the folded settings;
 * `emptyText` says what an optional setting means that is left empty; `per` keeps what the visitor has set apart where one name means different things (a coefficient, by the unit of its loss)
 */

/** @typedef {{value: any, error: string | null}} Reading */
/** @typedef {{element: HTMLElement, read(): Reading, write(value: any): void}} Control */

/**
 * What every kind of input shares: the attributes of the input, and the frame with label, reset, hint and error around it.
 * @typedef {{
 *   attributes: import("./dom.js").Attributes,
 *   frame(...inputs: Node[]): HTMLElement, reset: HTMLElement, notes: (HTMLElement | null)[],
 * }} Shared
 */

const sound = (/** @type {any} */ value) => ({ value, error: null });

/** @type {Record<Field["kind"], (field: Field, shared: Shared) => Control>} */
const kinds = {
  integer: (field, shared) => numeric(field, shared, { step: 1, inputmode: "numeric" }),
  number: (field, shared) => numeric(field, shared, { step: "any", inputmode: "decimal" }),

  /** A slider over powers of ten beside the number itself. */
  log: (field, shared) =>
    sliding({ ...field, min: 0 }, shared, {
      low: Math.log10(field.min ?? 1e-4),
      high: Math.log10(field.max ?? 1e3),
      step: 0.1,
      words: "by powers of ten",
      at: (value) => (value > 0 ? Math.log10(value) : -Infinity),
      value: (at) => Number((10 ** at).toPrecision(2)),
    }),

  /** A slider over the common part of the range beside the number itself. */
  slider: (field, shared) =>
    sliding(field, shared, {
      low: field.slide?.[0] ?? 0,
      high: field.slide?.[1] ?? 1,
      step: 0.5,
      words: "by slider",
      at: (value) => value,
      value: (at) => at,
    }),

  choice(field, { attributes, frame }) {
    const select = h("select", attributes);
    /** @type {Map<string, HTMLOptGroupElement>} */ const groups = new Map();
    for (const { value, label, group, disabled } of field.options ?? []) {
      if (group && !groups.has(group)) {
        groups.set(group, h("optgroup", { label: group }));
        select.append(/** @type {Node} */ (groups.get(group)));
      }
      ((group && groups.get(group)) || select).append(h("option", { value, disabled }, label));
    }
    return {
      element: frame(select),
      read: () => sound(select.value),
      write(value) {
        select.value = String(value);
        // what is no longer offered gives way to the default
        if (select.selectedIndex < 0) select.value = String(field.value);
      },
    };
  },

  /** A choice of few, all in sight, that decides what else there is to set. */
  ways(field, { attributes, notes }) {
    const boxes = (field.options ?? []).map((option) => ({
      option,
      input: h("input", {
        type: "radio",
        name: field.name,
        value: option.value,
        id: `${attributes.id}-${option.value}`,
        autocomplete: "off",
      }),
    }));
    const choices = boxes.map(({ option, input }) =>
      h(
        "label",
        { class: "way", for: input.id },
        input,
        h("span", {}, h("strong", {}, option.label), " ", h("span", { class: "hint" }, option.detail?.[0])),
      ),
    );
    return {
      element: h("fieldset", {}, h("legend", { class: "visually-hidden" }, field.label), h("div", { class: "ways" }, choices), notes),
      read: () => sound(boxes.find(({ input }) => input.checked)?.option.value ?? field.value),
      write(value) {
        // here too: what is not offered gives way to the default
        const chosen = boxes.some(({ option }) => option.value === value) ? value : field.value;
        for (const { option, input } of boxes) input.checked = option.value === chosen;
      },
    };
  },

  files: filesInput,

  switch(field, { attributes, reset, notes }) {
    const input = h("input", { ...attributes, type: "checkbox" });
    const label = h("label", { for: String(attributes.id) }, input, " ", field.label);
    return {
      element: h("div", {}, h("div", { class: "field-head" }, label, reset), notes),
      read: () => sound(input.checked),
      write(value) {
        input.checked = Boolean(value);
      },
    };
  },

  text(_field, { attributes, frame }) {
    const input = h("input", { ...attributes, type: "text", spellcheck: "false" });
    return {
      element: frame(input),
      read: () => sound(input.value),
      write(value) {
        input.value = String(value ?? "");
      },
    };
  },

  lines(field, { attributes, frame }) {
    const area = h("textarea", { ...attributes, rows: field.rows ?? 3, spellcheck: "false" });
    return {
      element: frame(area),
      read: () => sound(area.value),
      write(value) {
        area.value = String(value ?? "");
      },
    };
  },

  /** Several options, each on or off, each with the list of what it stands for. */
  checks(field, { attributes, reset, notes }) {
    const boxes = (field.options ?? []).map((option) => ({
      option,
      input: h("input", {
        type: "checkbox",
        name: `${field.name}-${option.value}`,
        id: `${attributes.id}-${option.value}`,
        autocomplete: "off",
      }),
    }));
    const rows = boxes.map(({ option, input }) =>
      h(
        "div",
        { class: "check" },
        h("label", { for: input.id }, input, " ", option.label),
        option.detail
          ? h(
              "ul",
              {},
              option.detail.map((text) => h("li", {}, text)),
            )
          : null,
      ),
    );
    return {
      element: h("fieldset", {}, h("legend", {}, field.label), reset, h("div", { class: "checks" }, rows), notes),
      read: () => sound(boxes.filter(({ input }) => input.checked).map(({ option }) => option.value)),
      write(value) {
        for (const { option, input } of boxes) input.checked = value.includes(option.value);
      },
    };
  },
};

/** @param {Field} field @param {Shared} shared @param {import("./dom.js").Attributes} more @returns {Control} */
function numeric(field, { attributes, frame }, more) {
  const input = h("input", { ...attributes, ...more, type: "number", min: field.min, max: field.max });
  return {
    element: frame(input),
    read: () => readNumber(field, input),
    write(value) {
      input.value = value === null || value === undefined ? "" : String(value);
    },
  };
}

/**
 * @param {Field} field @param {Shared} shared
 * @param {{low: number, high: number, step: number, words: string, at(value: number): number, value(at: number): number}} scale
 * @returns {Control}
 */
function sliding(field, { attributes, frame }, { low, high, step, words, at, value }) {
  const input = h("input", { ...attributes, type: "number", step: "any", min: field.min, max: field.max });
  const slider = h("input", {
    type: "range",
    name: `${field.name}-slider`,
    min: low,
    max: high,
    step,
    "aria-label": `${field.label}, ${words}`,
    autocomplete: "off",
  });
  const speak = () => slider.setAttribute("aria-valuetext", input.value);
  const follow = () => {
    slider.value = String(Math.min(Math.max(at(Number(input.value)), low), high));
    speak();
  };
  input.addEventListener("input", follow);
  slider.addEventListener("input", () => {
    input.value = String(value(Number(slider.value)));
    speak();
  });
  return {
    element: frame(h("div", { class: "slider-inputs" }, slider, input)),
    read: () => readNumber(field, input),
    write(next) {
      input.value = String(next);
      follow();
    },
  };
}

/** @param {Field} field @param {HTMLInputElement} input @returns {Reading} */
function readNumber(field, input) {
  if (input.validity.badInput) return { value: null, error: `${field.label} is not a number.` };
  const text = input.value.trim();
  const limits = range({ ...field, unit: undefined, optional: false, rangeText: undefined });
  if (text === "") return { value: null, error: field.optional ? null : `${field.label} is empty; it must be a number, ${limits}.` };
  const value = Number(text);
  const within =
    Number.isFinite(value) &&
    (field.kind !== "integer" || Number.isInteger(value)) &&
    (field.min === undefined || value >= field.min) &&
    (field.max === undefined || value <= field.max) &&
    (field.above === undefined || value > field.above);
  const kind = field.kind === "integer" ? "whole number" : "number";
  return { value, error: within ? null : `${field.label} is ${text.replaceAll("-", "−")}; it must be a ${kind}, ${limits}.` };
}

/** The range of a numeric setting in words. @param {Field} field */
function range({ min, max, above, unit, optional, rangeText, emptyText = "empty: off" }) {
  const written = (/** @type {number} */ x) => (Number.isInteger(x) && Math.abs(x) >= 1000 ? count(x) : exact(x));
  let limits = "";
  if (rangeText !== undefined) limits = rangeText;
  else if (above !== undefined) limits = max === undefined ? `above ${written(above)}` : `above ${written(above)}, up to ${written(max)}`;
  else if (min !== undefined) limits = max === undefined ? `${written(min)} or more` : `${written(min)} to ${written(max)}`;
  return [limits, unit, optional && emptyText].filter(Boolean).join(" · ");
}

/**
 * Builds the input of a setting.
 * @param {Field} field @param {string} prefix makes ids unique on the page
 * @param {() => void} changed called when the visitor changes the value
 * @returns {Control}
 */
export function control(field, prefix, changed) {
  const id = `${prefix}-${field.name}`;
  const words = [range(field), field.hint].filter(Boolean).join(" · ");
  const hint = field.term ? [make(LabTerm, { name: field.term[0] }, field.term[1]), ` ${words}`] : words;
  const reset = h(
    "button",
    {
      type: "button",
      class: "reset",
      name: `reset-${field.name}`,
      "aria-label": `Reset ${field.label}`,
      title: "reset",
      hidden: field.noReset,
    },
    "↺",
  );
  const notes = [
    words ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
    h("p", { class: "field-error", id: `${id}-error`, hidden: true }),
  ];
  const made = kinds[field.kind](field, {
    attributes: { id, name: field.name, autocomplete: "off", "aria-describedby": words ? `${id}-hint ${id}-error` : `${id}-error` },
    reset,
    notes,
    frame: (...inputs) => h("div", {}, h("div", { class: "field-head" }, h("label", { for: id }, field.label), reset), inputs, notes),
  });
  made.element.classList.add("field", `field-${field.kind}`);
  made.element.dataset.field = field.name;
  made.element.addEventListener("input", changed);
  return made;
}

/** Shows or clears what is wrong with a setting. @param {HTMLElement} element @param {string | null} error */
export function showFieldError(element, error) {
  const message = element.querySelector(".field-error");
  if (message instanceof HTMLElement) {
    message.hidden = !error;
    if (message.textContent !== (error ?? "")) message.textContent = error ?? "";
  }
  for (const input of element.querySelectorAll("input, select, textarea")) {
    if (error) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}
