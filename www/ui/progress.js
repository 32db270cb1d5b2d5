// @ts-check
// How far a piece of work has come: bar, done of total, rate, time left. The page is touched at most four times a second.

import { announce, eachTenth } from "./announce.js";
import { h, setText } from "./dom.js";
import { bytes, count, duration } from "./format.js";

const interval = 250,
  memory = 5000;

/** @param {{done: number, total: number | null}} progress of the phase "shaders" */
export const preparing = ({ done, total }) => `Preparing shaders: ${count(done)} of ${count(total ?? done)}`;

export class WorkProgress {
  #bar = h("progress", { "aria-label": "Progress" });
  #text = h("span", { class: "progress-text" });
  element = h("div", { class: "progress", hidden: true }, this.#bar, this.#text);
  /** @type {{at: number, done: number}[]} */ #recent = [];
  #drawn = 0;
  #unit = "";
  /** @type {(done: number, total: number) => void} */ #tenth = () => {};

  /** @param {string} label of the bar, for screen readers */
  name(label) {
    this.#bar.setAttribute("aria-label", label);
  }

  /** @param {string} what the work, for screen readers @param {string} [text] what to show before the first report */
  begin(what, text = "starting") {
    this.element.hidden = false;
    this.#bar.removeAttribute("value");
    setText(this.#text, text);
    this.#recent = [];
    this.#drawn = 0;
    this.#tenth = eachTenth((tenths) => announce(`${what}: ${tenths * 10} %`));
  }

  /** @param {number} done @param {number | null} total null: not known @param {string} unit in the plural; "bytes" are written as kB, MB or GB, "shaders" are prepared before the work itself */
  report(done, total, unit) {
    const at = performance.now();
    if (unit !== this.#unit) [this.#recent, this.#drawn, this.#unit] = [[], 0, unit];
    this.#recent.push({ at, done });
    while (this.#recent.length > 2 && at - this.#recent[0].at > memory) this.#recent.shift();
    if (total !== null && unit !== "shaders") this.#tenth(done, total);
    if (at - this.#drawn < interval && done < (total ?? Infinity)) return;
    this.#drawn = at;
    if (total === null) this.#bar.removeAttribute("value");
    else {
      this.#bar.max = Math.max(total, 1);
      this.#bar.value = done;
    }
    if (unit === "shaders") return setText(this.#text, preparing({ done, total }));
    const first = this.#recent[0];
    const rate = at > first.at + 200 ? ((done - first.done) / (at - first.at)) * 1000 : 0;
    setText(
      this.#text,
      [
        ...(unit === "bytes"
          ? [total === null ? bytes(done) : `${bytes(done)} of ${bytes(total)}`, rate > 0 ? `${bytes(Math.round(rate))}/s` : ""]
          : [`${count(done)}${total === null ? "" : ` / ${count(total)}`} ${unit}`, rate > 0 ? `${rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1)} ${unit}/s` : ""]),
        rate > 0 && total !== null && done < total ? `${duration((total - done) / rate)} left` : "",
      ]
        .filter(Boolean)
        .join(" · "),
    );
  }

  /** The rate starts anew, after a pause. */
  forget() {
    this.#recent = [];
  }

  end() {
    this.element.hidden = true;
  }
}
