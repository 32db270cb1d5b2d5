// @ts-check
// What the whole page must say: the engine could not start, has stopped, or was lost and is there again.

import { announce } from "./announce.js";
import { h, part } from "./dom.js";
import { problem, problemElements } from "./errors.js";

/** @param {import("./session.js").Session} session */
export function startBanner(session) {
  const banner = part(document, "#banner");
  let before = session.phase;
  let told = session.recovery;
  session.addEventListener("session", () => {
    const { phase, recovery } = session;
    if (recovery !== told && recovery !== null && recovery.phase !== "lost" && (phase === "recovering" || phase === "ready")) {
      [before, told] = [phase, recovery];
      return tellRecovery(banner, recovery);
    }
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

/** An alert: it is read out as it appears, and takes no focus. @param {HTMLElement} banner @param {import("./types.js").RecoveryEvent} event */
function tellRecovery(banner, event) {
  banner.hidden = false;
  const inner = (/** @type {(Node | null)[]} */ ...content) => banner.replaceChildren(h("div", { class: "banner-inner", "data-recovery": event.phase }, content));
  if (event.phase !== "recovered") return inner(h("p", {}, h("strong", {}, event.reason), " The engine is being opened again; nothing has to be done."));
  const list = (/** @type {string} */ label, /** @type {string[]} */ names) => (names.length ? h("p", {}, `${label}: ${names.join("; ")}.`) : null);
  const close = h("button", { type: "button", name: "close-recovery", on: { click: () => { banner.hidden = true; part(document, "#main").focus({ preventScroll: true }); } } }, "Close");
  inner(
    h("p", {}, h("strong", {}, `Back after ${(event.milliseconds / 1000).toFixed(1)} s.`), ` ${event.reason}`),
    list("Restored", event.restored),
    list("Restored when it is used next", event.onUse),
    list("Not restored", event.lost.map(({ name, why }) => `${name} (${why.replace(/\.$/, "")})`)),
    close,
  );
}
