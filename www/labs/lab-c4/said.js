// @ts-check
// Words that depend on the conventions of the page: places, views, coefficients, losses, explained variances, tokens.

import { SWITCHES } from "../../ui/conventions.js";
import { exact } from "../../ui/format.js";

/** @typedef {import("../../ui/session.js").Session} Session */
/** @typedef {import("../../ui/conventions.js").Conventions} Conventions */
/** @typedef {import("../../ui/types.js").Figures} Figures */

/** The conventions of the page, which this page has. @param {Session} session */
export const conventionsOf = (session) => /** @type {Conventions} */ (session.conventions);

/** A place in the model as it is written here. @param {Session} session @param {string} hook */
export const place = (session, hook) => conventionsOf(session).hook(hook, session.config.nLayers);

/** Where a result comes from. @param {Session} session @param {{hook?: string, center?: boolean, prependBos?: boolean, seed?: number, more?: string}} source */
export const origin = (session, { hook, center, prependBos, seed, more }) =>
  [
    session.modelName,
    hook && place(session, hook),
    center === undefined ? null : `${center ? "TransformerLens" : "Hugging Face"} view`,
    prependBos === undefined ? null : prependBos ? "BOS" : "no BOS",
    more,
    seed === undefined ? null : `seed ${seed}`,
  ]
    .filter(Boolean)
    .join(" · ");

/** A sparsity coefficient with its symbol, in the chosen unit. @param {Session} session @param {number} c @param {number} dIn @param {number} dSae */
export function coefficient(session, c, dIn, dSae) {
  const { symbol, value } = conventionsOf(session).coefficient(c, dIn, dSae);
  return `${symbol} = ${exact(Number(value.toPrecision(4)))}`;
}

/** Which explained variance stands first, and what it is called. @param {Session} session */
export function ev(session) {
  const name = conventionsOf(session).values.ev;
  const label = SWITCHES.find((s) => s.name === "ev")?.options.find(({ value }) => value === name)?.label ?? "";
  return { name, label, of: (/** @type {Figures | null | undefined} */ figures) => figures?.[name] ?? null };
}

/**
 * The two losses in the chosen unit: means as in the notebook, or sums over a row as in SAELens.
 * @param {Session} session @param {number} dIn @param {number} dSae
 */
export function losses(session, dIn, dSae) {
  const sums = conventionsOf(session).values.l1Unit === "sum";
  return {
    sums,
    error: (/** @type {number} */ meanSquare) => (sums ? dIn * meanSquare : meanSquare),
    size: (/** @type {number} */ meanSize) => (sums ? dSae * meanSize : meanSize),
    errorWord: sums ? "squared error of a row" : "mean squared error",
    sizeWord: sums ? "Σ|f| of a row" : "mean |f|",
  };
}

/** Whether statistics leave position 0 out. @param {Session} session */
export const leavesOut = (session) => conventionsOf(session).values.skipPosition0;

/** Whether tokens are written as the tokenizer's pieces. @param {Session} session */
export const rawTokens = (session) => conventionsOf(session).values.tokens === "raw";

/** In a caption. @param {Session} session */
export const position0Words = (session) => (leavesOut(session) ? "position 0 left out" : "position 0 counted");
