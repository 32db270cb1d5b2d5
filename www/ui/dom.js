// @ts-check
// Building elements. Text reaches the page through text nodes only; there is no way from a string to markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | Record<string, (event: any) => void>>} Attributes */

/**
 * An element with attributes, listeners (`on: {click: …}`) and children.
 * `true` sets an empty attribute; `false`, `null` and `undefined` set none.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on" && value && typeof value === "object") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/** A custom element of the lab, by its class.
 * @template {HTMLElement} T
 * @param {new () => T} kind
 * @param {Attributes} [attributes]
 * @param {string} [text]
 * @returns {T} */
export function make(kind, attributes = {}, text) {
  const element = new kind();
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) if (value !== false && value != null) element.setAttribute(name, String(value));
  return element;
}

/** @param {Element} element @param {(Child | Child[])[]} children */
function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replaces what an element holds. @param {Element} element @param {...(Child | Child[])} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** Sets the text only when it differs, so that nothing is announced or laid out twice.
 * @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows the first element of a kind inside a root, or fails loudly: a missing part is a mistake in the page.
 * @template {HTMLElement} T
 * @param {ParentNode} root @param {string} selector @param {new () => T} [kind]
 * @returns {T} */
export function part(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`The page has no ${selector}.`);
  return /** @type {T} */ (found);
}

/** Hands text to the visitor as a file. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A button that copies text and says so for two seconds. @param {string} label @param {() => string} text */
export function copyButton(label, text) {
  const button = h("button", { type: "button", class: "quiet-button" }, label);
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      said = "Copying is not allowed here";
    }
    button.textContent = said;
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  });
  return button;
}

/** Lets the page answer before the work goes on. */
export const nextTask = () => new Promise((resolve) => setTimeout(resolve));
