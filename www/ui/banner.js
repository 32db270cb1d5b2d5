// @ts-check
// What the whole page must say: the engine could not start, or has stopped.

import { announce } from "./announce.js";
import { h, part } from "./dom.js";
import { problem, problemElements } from "./errors.js";

/** @param {import("./session.js").Session} session */
export function startBanner(session) {
  const banner = part(document, "#banner");
  let before = session.phase;
  session.addEventListener("session", () => {
    const { phase } = session;
    if (phase === before) return;
    if (phase === "ready") announce("The model is loaded.");
    before = phase;
    const focused = banner.contains(document.activeElement);
    banner.hidden = phase === "opening" ? banner.hidden : phase === "ready";
    if (phase === "opening") {
      banner.querySelector("button[name=restart]")?.setAttribute("aria-disabled", "true");
      return;
    }
    if (phase === "ready") {
      banner.replaceChildren();
      if (focused) part(document, "#main").focus({ preventScroll: true });
      return;
    }
    const p = problem(session.error);
    const restart = h(
      "button",
      {
        type: "button",
        class: "primary",
        name: "restart",
        on: {
          click: () => {
            if (session.phase !== "opening") void session.restart();
          },
        },
      },
      "Restart the engine",
    );
    const meaning =
      phase === "failed"
        ? "Nothing can be computed until the engine runs."
        : "What stands on this page stays readable. To go on, restart the engine and run the steps again.";
    banner.replaceChildren(
      h(
        "div",
        { class: "banner-inner" },
        ...problemElements({ ...p, hint: phase === "failed" ? `${meaning} ${p.hint}` : meaning }),
        restart,
      ),
    );
  });
}
