// @ts-check
// A setting whose value is files of this computer: chosen with the browser's own dialog, or dropped. Nothing leaves the page.

import { h } from "./dom.js";

/** @typedef {{name: string, size: number, modified: number, file: File}} Chosen `file` is not enumerable: what is compared and kept is the description */

/** @param {File} file @returns {Chosen} */
function describe(file) {
  const { name, size, lastModified: modified } = file;
  return /** @type {Chosen} */ (Object.defineProperty({ name, size, modified }, "file", { value: file }));
}

/** The files themselves. @param {unknown} value of such a setting @returns {File[]} */
export const filesOf = (value) => (Array.isArray(value) ? value.map((chosen) => chosen?.file).filter((file) => file instanceof File) : []);

/** @param {import("./fields.js").Field} field @param {import("./fields.js").Shared} shared @returns {import("./fields.js").Control} */
export function filesInput(field, { attributes, frame }) {
  const input = h("input", { ...attributes, type: "file", multiple: true, accept: field.accept });
  const zone = h("div", { class: "drop" }, input, h("p", { class: "hint" }, "or drop them here"));
  const element = frame(zone);
  const over = (/** @type {boolean} */ on) => zone.classList.toggle("over", on);
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  zone.addEventListener("dragleave", () => over(false));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (!event.dataTransfer?.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return {
    element,
    read: () => ({ value: Array.from(input.files ?? [], describe), error: null }),
    write(value) {
      const transfer = new DataTransfer();
      for (const file of filesOf(value)) transfer.items.add(file);
      input.files = transfer.files;
    },
  };
}
