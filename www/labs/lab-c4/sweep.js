// @ts-check
// Exercise 1: one autoencoder for each sparsity coefficient.

import "../../ui/curve-plot.js";
import { CurvePlot } from "../../ui/curve-plot.js";
import { make } from "../../ui/dom.js";
import { PageError } from "../../ui/errors.js";
import { count, decimals, exact, number, percent } from "../../ui/format.js";
import { printedBox } from "../shared/printed.js";
import { TEST_PROMPTS } from "../texts/c4.js";
import { residPost } from "../work/bench.js";
import { COEFFICIENTS, concludeSweep, sparsitySweep } from "../work/c4-sweep.js";
import { autoencoderFields, autoencoderOptions } from "./autoencoder.js";
import { bench, numbersIn, tableFigure } from "./parts.js";
import { coefficient, conventionsOf, ev, leavesOut, losses, origin } from "./said.js";
import * as javascript from "./snippets-javascript.js";
import * as python from "./snippets-python.js";
import { collectSolution, SOLUTION_RECIPE, solutionDataFields, solutionSource } from "./solution-data.js";
import { trainingFields } from "./train.js";

/** @typedef {import("../work/c4-sweep.js").Sweep} Sweep */
/** @typedef {import("../work/c4-sweep.js").SweepRow} SweepRow */
/** @typedef {{sweep: Sweep, source: ReturnType<typeof solutionSource>}} Value */

/** @param {string} text */
export const coefficientsIn = (text) =>
  numbersIn(text, { label: "Coefficients", least: 0, most: 1e6, hint: "Write them with commas between, for example 0.01, 0.001, 0.0001." });

/** @param {import("../../ui/session.js").Session} session @param {string} text @returns {import("../../ui/fields.js").Field[]} */
export const sweepFields = (session, text) => [
  ...solutionDataFields(session),
  { name: "coefficients", label: "Coefficients c", kind: "text", value: text, hint: "with commas; 0.0001 to 1000 is a good range to explore" },
  ...trainingFields(SOLUTION_RECIPE),
  ...autoencoderFields("torch-linear"),
];

/** The table and pictures of a sweep. @param {import("../../ui/session.js").Session} session @param {string} name */
export function sweepView(session, name) {
  const figure = tableFigure(name);
  const plot = make(CurvePlot);

  /** @param {Sweep} sweep @returns {import("../../ui/data-table.js").Table} */
  function table({ rows, dIn, dSae }) {
    const units = losses(session, dIn, dSae);
    const { symbol } = conventionsOf(session).coefficient(1, dIn, dSae);
    const out = leavesOut(session);
    return {
      caption: "One row for each coefficient: squared error, active features, explained variance per dimension",
      sortable: true,
      columns: [
        { key: "c", label: symbol, kind: "number", format: exact },
        { key: "other", label: symbol === "c" ? "as λ" : "as c", kind: "number", format: exact },
        { key: "recon", label: units.sums ? "row error" : "mean error", kind: "number" },
        { key: "active", label: out ? "active, no pos. 0" : "active", kind: "number" },
        { key: "dead", label: "dead", kind: "number", format: count },
        { key: "ev", label: "explained", kind: "number", format: decimals(3) },
        { key: "evRest", label: "explained, no pos.\u00a00", kind: "number", format: decimals(3) },
        ...(rows.some(({ evHeldOut }) => evHeldOut !== null) ? [/** @type {const} */ ({ key: "held", label: "new prompts", kind: "number", format: decimals(3) })] : []),
      ],
      rows: rows.map((row) => {
        const [c, lambda] = [row.coefficient, Number(row.lambda.toPrecision(4))];
        return {
          c: symbol === "c" ? c : lambda,
          other: symbol === "c" ? lambda : c,
          recon: units.error(row.recon),
          active: out ? row.nActiveWithoutPosition0 : row.nActive,
          dead: row.deadLatents,
          ev: row.ev,
          evRest: row.evWithoutPosition0,
          held: row.evHeldOut,
        };
      }),
    };
  }

  /** @param {Sweep} sweep */
  function show(sweep) {
    const ordered = sweep.rows.filter((row) => row.coefficient > 0).sort((a, b) => a.coefficient - b.coefficient);
    const units = losses(session, sweep.dIn, sweep.dSae);
    const conventions = conventionsOf(session);
    const { symbol } = conventions.coefficient(1, sweep.dIn, sweep.dSae);
    const x = ordered.map((row) => conventions.coefficient(row.coefficient, sweep.dIn, sweep.dSae).value);
    const out = leavesOut(session);
    figure.show("What each coefficient does to the squared error, the active features and the variance explained", () => table(sweep));
    plot.hidden = ordered.length < 2;
    if (ordered.length < 2) return;
    plot.show({
      name: `${name}-plot`,
      caption: "Sparsity against reconstruction",
      columns: 2,
      summary: ordered.map((row, i) => `${symbol} ${exact(Number(x[i].toPrecision(3)))}: ${number(row.nActive)} active, error ${number(units.error(row.recon))}`).join("; "),
      panels: [
        {
          title: "Active features per row",
          xLabel: `coefficient ${symbol}`,
          yLabel: "features",
          xLog: true,
          yMin: 0,
          lines: [{ label: "", x, y: ordered.map((row) => (out ? row.nActiveWithoutPosition0 : row.nActive)), markers: true }],
        },
        {
          title: "Reconstruction loss",
          xLabel: `coefficient ${symbol}`,
          yLabel: units.errorWord,
          xLog: true,
          yLog: ordered.every(({ recon }) => recon > 0),
          lines: [{ label: "", x, y: ordered.map((row) => units.error(row.recon)), markers: true }],
        },
      ],
      table: () => table(sweep),
    });
  }
  return { elements: [figure.element, plot], show };
}

/** The lines that the solution prints. @param {import("../../ui/session.js").Session} session @param {Sweep} sweep */
function lines(session, { rows, shape, distinctRows, dIn, dSae }) {
  const units = losses(session, dIn, dSae);
  return [
    `Activations: (${shape.join(", ")}), ${count(distinctRows)} of them distinct`,
    "",
    ...rows.flatMap((row) => [
      `Training with sparsity ${coefficient(session, row.coefficient, dIn, dSae)}`,
      `  Recon loss: ${decimals(4)(units.error(row.recon))}`,
      `  Active features: ${decimals(1)(row.nActive)}`,
    ]),
    "",
    "Summary:",
    `${"Sparsity Coef".padEnd(15)} ${"Recon Loss".padEnd(12)} Active Features`,
    ...rows.map((row) => {
      const { value } = conventionsOf(session).coefficient(row.coefficient, dIn, dSae);
      return `${exact(Number(value.toPrecision(4))).padEnd(15)} ${decimals(4)(units.error(row.recon)).padEnd(12)} ${decimals(1)(row.nActive)}`;
    }),
  ];
}

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function sweepStep(step) {
  const { session } = step;
  const printed = printedBox();
  const view = sweepView(session, "sparsity-sweep");
  return {
    uses: [],
    conventions: ["prependBos", "view"],
    promise: "Run trains an autoencoder for each coefficient and compares them.",
    body: [printed.element, ...view.elements],
    fields: () => [
      ...sweepFields(session, COEFFICIENTS.join(", ")),
      { name: "elsewhere", label: "Judge them on other prompts too", kind: "switch", value: true, hint: "four that none has seen", advanced: true },
    ],
    async run(context) {
      const { values, model, signal, live } = context;
      const coefficients = coefficientsIn(values.coefficients);
      if (coefficients.length > 12) throw new PageError("LAB-BAD-SETTING", `${coefficients.length} coefficients are many.`, "Twelve at a time are enough to see a trend.");
      const source = solutionSource(values);
      const acts = await collectSolution(context, values);
      const heldOut = values.elsewhere
        ? await model.collect(TEST_PROMPTS.map(({ prompt }) => prompt), { hook: residPost(values.layer), prependBos: values.prependBos, center: values.view === "tl", signal })
        : null;
      /** @type {SweepRow[]} */ const rows = [];
      try {
        const { lr, epochs, batchSize } = values;
        const sizes = { shape: acts.shape, distinctRows: acts.stats.distinctRows, dIn: acts.stats.width, dSae: Math.round(values.expansion * acts.stats.width) };
        const sweep = await sparsitySweep(bench(context), {
          coefficients, acts, heldOut, epochs, batchSize, lr, ...autoencoderOptions(values),
          onRow(row) {
            rows.push(row);
            live({ sweep: { rows: [...rows], ...sizes }, source });
          },
        });
        return { value: { sweep, source } };
      } catch (error) {
        if (!signal.aborted || !rows.length) throw error;
        const sizes = { shape: acts.shape, distinctRows: acts.stats.distinctRows, dIn: acts.stats.width, dSae: Math.round(values.expansion * acts.stats.width) };
        return { value: { sweep: { rows, ...sizes }, source }, stopped: `Stopped after ${rows.length} of ${coefficients.length} coefficients; those that were finished are below.` };
      } finally {
        void acts.dispose().catch(() => {});
        void heldOut?.dispose().catch(() => {});
      }
    },
    render(/** @type {Value} */ { sweep }) {
      printed.show(lines(session, sweep));
      view.show(sweep);
    },
    conclusion(/** @type {Value} */ { sweep }) {
      const chosen = ev(session);
      const note = chosen.name === "evPerDimension" ? "" : ` “Explained” in the table is per dimension; the formula chosen above (${chosen.label}) is used where a single autoencoder is judged, in the training step.`;
      const held = sweep.rows.filter(({ evHeldOut, ev: own }) => evHeldOut !== null && own !== null);
      const best = held.reduce((/** @type {SweepRow | null} */ most, row) => (most === null || (row.evHeldOut ?? 0) > (most.evHeldOut ?? 0) ? row : most), null);
      const outside = best ? ` On new prompts at most ${percent(Math.max(0, best.evHeldOut ?? 0))} of the variance is explained, at ${exact(best.coefficient)}: ${count(sweep.distinctRows)} distinct rows are too few to learn from.` : "";
      return concludeSweep(sweep) + outside + note;
    },
    provenance: (/** @type {Value} */ { source }) => origin(session, source),
    code: (values) => ({ javascript: javascript.sweep(values), python: python.sweep(values) }),
  };
}
