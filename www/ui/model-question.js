// @ts-check
// A strip below the header: the address of the page, or an earlier page, names a model that would have to be fetched. The visitor decides.

import { announce } from "./announce.js";
import { fill, h, part } from "./dom.js";
import { bytes } from "./format.js";
import { asked, hostOf, words } from "./model-source.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./model-source.js").Wanted} Wanted */

/** @param {Session} session @param {(wanted: Wanted) => void} show called when the visitor wants to see what it takes */
export function startQuestion(session, show) {
  const strip = h("section", { class: "banner question", id: "model-question", "aria-label": "A model to be fetched", hidden: true });
  part(document, "header.bar").after(strip);
  /** @type {Wanted | null} */ let shown = null;
  session.addEventListener("session", () => {
    const { models } = session;
    const question = session.lab && session.question; // an answer needs an engine
    if (question === shown) return;
    const focused = strip.contains(document.activeElement);
    shown = question;
    strip.hidden = question === null;
    if (question === null) {
      fill(strip);
      if (focused) part(document, "#main").focus({ preventScroll: true });
      return;
    }
    const { source } = question;
    const listed = models.find(({ id }) => id === source);
    const size = listed ? bytes(Object.values(listed.files).reduce((sum, file) => sum + (file?.bytes ?? 0), 0)) : null;
    const host = hostOf(source, models) ?? "this site";
    const who = asked() === null ? "You worked with" : "The address of this page asks for";
    const what = `${who} ${words(source, models)}, which is not on this computer: ${size ? `${size} would come from ${host}` : `it would come from ${host}, which is asked for the size first`}. Nothing has been fetched; Tiny is open.`;
    fill(
      strip,
      h(
        "div",
        { class: "banner-inner" },
        h("p", {}, what),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", name: "question-show", class: "primary", on: { click: () => (answer(), show(question)) } }, "See what it takes"),
          h("button", { type: "button", name: "question-no", on: { click: answer } }, "Stay with Tiny"),
        ),
      ),
    );
    announce(what);
  });

  function answer() {
    session.answered();
  }
}
