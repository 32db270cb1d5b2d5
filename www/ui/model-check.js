// @ts-check
// Whether a model's numbers are right on this device: the badge in the header, its panel, and the same in words where a model was refused.

import { fill, h } from "./dom.js";
import { facts } from "./facts.js";
import { counted, number } from "./format.js";

/** @typedef {import("./types.js").Check} Check */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {"ok" | "wrong" | "wait" | "none"} Badge */

const badges = /** @type {Record<Badge, [sign: string, words: string]>} */ ({
  ok: ["✓", "numbers checked"],
  wrong: ["!", "numbers wrong"],
  wait: ["…", "checking"],
  none: ["–", "not checked"],
});

/** A loss in nats, with all the digits that are published. @param {number} nats */
const nats = (nats) => `${Number.isFinite(nats) ? nats.toFixed(7) : String(nats)} nats`;

/** One check in words. @param {Check} check */
export function checkElements(check) {
  const verdict = check.passed ? "within what is allowed" : "more than is allowed";
  if (check.kind === "loss")
    return [
      h("p", {}, `GPT-2's loss on “${check.text}” is known. Here it is off by ${number(check.error)}, ${verdict}.`),
      facts([
        ["expected", nats(check.expected)],
        ["measured here", nats(check.got)],
        ["difference", `${number(check.error)} nats`],
        ["allowed", `${number(check.allowed)} nats`],
      ]),
    ];
  return [
    h(
      "p",
      {},
      `The weights were read back from this device and a plain pass was computed from them on the CPU, in 64 bits, over ${counted(check.prompt.length, "token")}. The largest difference of a logit is ${number(check.error)}, ${verdict}.`,
    ),
    facts([
      ["largest difference", number(check.error)],
      ["allowed", number(check.allowed)],
    ]),
  ];
}

/** What a refused model's checks were, as far as the error tells. @param {unknown} error @returns {Check[]} */
export function checksOf(error) {
  const cause = /** @type {any} */ (error)?.cause;
  const checks = Array.isArray(cause) ? cause : (cause?.checks ?? cause?.check ?? []);
  return [checks].flat().filter((check) => typeof check?.error === "number" && typeof check.passed === "boolean");
}

/** @param {Session} session @returns {Badge} */
export function badgeOf({ model, phase }) {
  if (!model) return phase === "opening" ? "wait" : "none";
  if (!model.check?.length) return "none";
  return model.check.every(({ passed }) => passed) ? "ok" : "wrong";
}

/**
 * Fills the badge and its panel.
 * @param {Session} session @param {HTMLElement} panel the header's panel @param {HTMLElement} summary @param {HTMLElement} body
 */
export function showCheck(session, panel, summary, body) {
  const badge = badgeOf(session);
  const [sign, text] = badges[badge];
  panel.dataset.check = badge;
  if (summary.textContent !== `${sign} ${text}`) fill(summary, h("span", { class: "check-sign", "aria-hidden": "true" }, sign), " ", h("span", { class: "check-words" }, text));
  const told = h("div", {}, bodyElements(session, badge));
  if (told.textContent !== body.textContent) fill(body, ...told.childNodes);
}

/** @param {Session} session @param {Badge} badge @returns {Node[]} */
function bodyElements(session, badge) {
  const { model, lab } = session;
  switch (badge) {
    case "wait":
      return [h("p", {}, "A model is checked on this device when it has been loaded.")];
    case "none":
      return [h("p", {}, model ? `Nothing was measured for ${model.name} on this device.` : "No model is loaded.")];
    case "ok":
      return [h("p", {}, `${model?.name} was checked on this device when it was loaded, and its numbers are right.`), ...(model?.check ?? []).flatMap(checkElements)];
    case "wrong":
      return [
        h("p", {}, h("strong", {}, `The numbers of ${model?.name} are wrong on this device.`), " What the page computes with it is not to be relied upon."),
        ...(model?.check ?? []).flatMap(checkElements),
        ...(lab?.info.device === "webgpu" ? [h("button", { type: "button", name: "check-cpu", on: { click: () => void session.restart("cpu") } }, "Open it on the CPU")] : []),
      ];
  }
}
