// @ts-check
// Errors as the page shows them: what happened, what to do, details to copy.

import { copyButton, h } from "./dom.js";

/** @typedef {{code: string, message: string, hint: string, details: string}} Problem */

/** An error made by the page itself, in the form of the module's LabError. */
export class PageError extends Error {
  /** @param {string} code @param {string} message @param {string} hint */
  constructor(code, message, hint) {
    super(message);
    this.name = "LabError";
    this.code = code;
    this.hint = hint;
  }
}

/** @param {unknown} error @returns {Problem} */
export function problem(error) {
  const e = /** @type {{name?: unknown, code?: unknown, message?: unknown, hint?: unknown, stack?: unknown}} */ (
    typeof error === "object" && error !== null ? error : { message: String(error) }
  );
  const known = e.name === "LabError";
  const message = String(e.message || "Something went wrong without saying what.");
  return {
    code: known ? String(e.code ?? "LAB-UNKNOWN") : "LAB-PAGE",
    message,
    hint:
      known && e.hint ? String(e.hint) : "The other steps go on. Run this one again; if it fails again, copy the details into a report.",
    details: [
      `${known ? e.code : (e.name ?? "Error")}: ${message}`,
      e.hint ? `hint: ${e.hint}` : "",
      `page: ${location.pathname}`,
      `browser: ${navigator.userAgent}`,
      typeof e.stack === "string" ? e.stack : "",
    ]
      .filter(Boolean)
      .join("\n"),
  };
}

/** @param {unknown} error */
export const isCancelled = (error) => problem(error).code === "LAB-CANCELLED" || /** @type {any} */ (error)?.name === "AbortError";

/** The notice for a problem. @param {Problem} p @returns {HTMLElement[]} */
export function problemElements(p) {
  return [
    h("p", { class: "problem-message" }, h("strong", {}, p.message)),
    h("p", {}, p.hint),
    h(
      "details",
      { class: "problem-details" },
      h("summary", {}, `Details (${p.code})`),
      h("pre", { tabindex: 0, "aria-label": "Details of the problem" }, p.details),
      copyButton("Copy details", () => p.details),
    ),
  ];
}
