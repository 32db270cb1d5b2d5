// @ts-check
// What many steps of this page share: figures that are tables, lists of numbers in a text field, folded printed lines.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { printedBox } from "../shared/printed.js";

/** @typedef {import("../../ui/data-table.js").Table} Table */
/** @typedef {import("../../ui/step.js").Context} Context */

/** A figure whose body is a table. @param {string} name the stem of file names */
export function tableFigure(name) {
  const element = make(LabFigure);
  const table = make(DataTable);
  return {
    element,
    /** @param {string} caption @param {() => Table} of */
    show(caption, of) {
      table.show(of());
      element.show({ name, caption, body: [table], table: of });
    },
  };
}

/** The lines that a notebook's cell prints, folded. @param {string} summary */
export function foldedLines(summary = "As the notebook prints it") {
  const printed = printedBox();
  const element = h("details", { class: "printed-lines" }, h("summary", {}, summary), printed.element);
  return { element, show: printed.show };
}

/**
 * The numbers in a text field.
 * @param {string} text @param {{label: string, least: number, most: number, whole?: boolean, empty?: boolean, hint: string}} options @returns {number[]}
 * @throws {PageError} LAB-BAD-SETTING
 */
export function numbersIn(text, { label, least, most, whole = false, empty = false, hint }) {
  const parts = String(text ?? "")
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map((part) => part.replace(/^F(?=\d)/i, ""));
  const numbers = parts.map(Number);
  const wrong = numbers.findIndex((x) => !Number.isFinite(x) || x < least || x > most || (whole && !Number.isInteger(x)));
  if (wrong >= 0 || (!numbers.length && !empty))
    throw new PageError(
      "LAB-BAD-SETTING",
      wrong >= 0
        ? `${label}: “${parts[wrong]}” is no ${whole ? "whole " : ""}number from ${least} to ${most}.`
        : `${label} is empty; it must be one or more numbers, separated by commas.`,
      hint,
    );
  return numbers;
}

/** What the compute modules are given of a step's context. @param {Pick<Context, "lab" | "model" | "signal" | "progress">} context @returns {import("../work/bench.js").Bench} */
export const bench = ({ lab, model, signal, progress }) => ({ lab, model, signal, progress });

/** Calls at most so often, in milliseconds. @param {number} interval @param {() => void} work */
export function throttled(interval, work) {
  let last = -Infinity;
  return () => {
    const now = performance.now();
    if (now - last < interval) return;
    last = now;
    work();
  };
}
