// @ts-check
// One box per token, the same everywhere. Arrow keys, Home and End move; position, id and piece of the current token stand below.

import { fill, h, setText } from "./dom.js";
import { number, visible } from "./format.js";
import { tokenNodes } from "./token-text.js";

/**
 * @typedef {{
 *   label: string, tokens: string[], raw?: string[], ids?: ArrayLike<number>, firstPosition?: number,
 *   showRaw?: boolean, values?: ArrayLike<number> | null, valueName?: string, newFrom?: number,
 * }} Strip
 */

export class TokenStrip extends HTMLElement {
  #list = h("div", { class: "tokens", role: "listbox", "aria-orientation": "horizontal" });
  #detail = h("p", { class: "token-detail" });
  /** @type {Strip} */ #strip = { label: "", tokens: [] };
  #current = 0;

  constructor() {
    super();
    this.#list.addEventListener("click", (event) => {
      const box = event.target instanceof Element ? event.target.closest(".token") : null;
      if (box) this.#move([...this.#list.children].indexOf(box), true);
    });
    this.#list.addEventListener("focusin", (event) => {
      if (event.target instanceof Element && event.target !== this.#list) this.#move([...this.#list.children].indexOf(event.target), false);
    });
    this.#list.addEventListener("keydown", (event) => {
      const last = this.#strip.tokens.length - 1;
      const to = {
        ArrowRight: this.#current + 1,
        ArrowDown: this.#current + 1,
        ArrowLeft: this.#current - 1,
        ArrowUp: this.#current - 1,
        Home: 0,
        End: last,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.#move(Math.min(Math.max(to, 0), last), true);
    });
  }

  connectedCallback() {
    if (!this.#list.isConnected) this.append(this.#list, this.#detail);
  }

  /** @param {Strip} strip */
  show(strip) {
    const grown =
      strip.label === this.#strip.label &&
      strip.showRaw === this.#strip.showRaw &&
      !strip.values &&
      !this.#strip.values &&
      this.#strip.tokens.length > 0 &&
      this.#strip.tokens.every((token, i) => strip.tokens[i] === token) &&
      this.#strip.newFrom === strip.newFrom;
    const from = grown ? this.#strip.tokens.length : 0;
    this.#strip = { ...strip, tokens: [...strip.tokens] };
    this.#list.setAttribute("aria-label", strip.label);
    this.#current = Math.min(this.#current, Math.max(strip.tokens.length - 1, 0));
    const boxes = strip.tokens.slice(from).map((_, k) => this.#box(from + k));
    if (grown) this.#list.append(...boxes);
    else fill(this.#list, boxes);
    this.#move(this.#current, false);
  }

  /** @param {number} i */
  #box(i) {
    const { tokens, raw, showRaw, values, newFrom } = this.#strip;
    const box = h(
      "span",
      { class: newFrom !== undefined && i >= newFrom ? "token new" : "token", role: "option", "aria-selected": "false", tabindex: -1 },
      tokenNodes((showRaw && raw?.[i]) || tokens[i]),
    );
    if (values) {
      const most = Math.max(...Array.from(values), 1e-30);
      box.style.setProperty("--share", `${Math.round((Math.max(values[i], 0) / most) * 70)}%`);
      box.classList.add("shaded");
    }
    return box;
  }

  /** @param {number} to @param {boolean} focus */
  #move(to, focus) {
    const boxes = this.#list.children;
    const before = boxes[this.#current];
    before?.setAttribute("tabindex", "-1");
    before?.setAttribute("aria-selected", "false");
    const box = boxes[to];
    if (!(box instanceof HTMLElement)) {
      setText(this.#detail, "");
      return;
    }
    this.#current = to;
    box.setAttribute("tabindex", "0");
    box.setAttribute("aria-selected", "true");
    if (focus) box.focus();
    const { tokens, raw, ids, values, valueName, firstPosition = 0 } = this.#strip;
    setText(
      this.#detail,
      [
        `position ${firstPosition + to}`,
        visible(tokens[to]),
        ids ? `id ${ids[to]}` : "",
        raw && raw[to] !== tokens[to] ? `piece ${visible(raw[to])}` : "",
        values ? `${valueName ?? "value"}: ${number(values[to])}` : "",
      ]
        .filter(Boolean)
        .join(" · "),
    );
  }
}
customElements.define("token-strip", TokenStrip);
