// @ts-check
// Cell 5: each feature's direction in the plane of the hidden numbers.

import "../../ui/arrow-plot.js";
import "../../ui/data-table.js";
import "../../ui/figure.js";
import { ArrowPlot } from "../../ui/arrow-plot.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { LabFigure } from "../../ui/figure.js";
import { decimals, number } from "../../ui/format.js";
import { meanOf, shareKept } from "./toy-models.js";
import { STEPS } from "./steps.js";
import { toySnippets } from "./snippets-toy.js";

/** @typedef {import("./toy-models.js").Run} Run */

/** @param {import("../../ui/step.js").LabStep} step @returns {import("../../ui/step.js").Definition} */
export function toyArrowsStep(step) {
  const arrows = make(ArrowPlot);
  const flat = h("p", { class: "fact", hidden: true });
  const figure = make(LabFigure),
    table = make(DataTable);
  /** @type {Run[]} */ let shown = [];
  const two = decimals(3);

  /** @returns {import("../../ui/data-table.js").Table} */
  const numbers = () => {
    const columns = shown.flatMap((run) => {
      const whose = run.key === "notebook" ? "notebook" : "paper";
      return [
        { key: `${run.key}-norm`, label: `${whose}: length`, kind: /** @type {const} */ ("number"), format: two },
        { key: `${run.key}-dim`, label: "dimensionality", kind: /** @type {const} */ ("number"), format: two },
        { key: `${run.key}-kept`, label: "share kept", kind: /** @type {const} */ ("number"), format: two },
      ];
    });
    const kept = shown.map(shareKept);
    const features = shown[0]?.instance.norms.length ?? 0;
    const rows = Array.from({ length: features }, (_, i) => ({
      feature: `feature ${i}`,
      ...Object.fromEntries(
        shown.flatMap((run, k) => [
          [`${run.key}-norm`, run.instance.norms[i]],
          [`${run.key}-dim`, run.instance.dimensionality[i]],
          [`${run.key}-kept`, kept[k][i]],
        ]),
      ),
    }));
    const sum = Object.fromEntries(
      shown.flatMap((run, k) => [
        [`${run.key}-dim`, total(run.instance.dimensionality)],
        [`${run.key}-kept`, total(kept[k])],
      ]),
    );
    return { caption: "Features by number", columns: [{ key: "feature", label: "" }, ...columns], rows: [...rows, { feature: "sum", ...sum }] };
  };

  return {
    uses: [STEPS.toy],
    anyModel: true,
    promise: "Run draws each feature of both models as an arrow, and gives lengths and dimensionalities.",
    body: [arrows, flat, figure],
    fields: () => [],
    run: async ({ use }) => ({ value: use(STEPS.toy) }),

    render({ runs }) {
      shown = runs;
      const plane = shown[0].instance.weights.W_dec.shape[1] === 2;
      arrows.hidden = !plane;
      flat.hidden = plane;
      if (plane)
        arrows.show({
          name: "toy-arrows",
          caption: "Each feature's row of W_dec (paper: Wᵀ), a circle of radius 1 behind them",
          panels: shown.map(({ title, instance }) => ({ title, xLabel: "hidden dimension 1", yLabel: "hidden dimension 2", circle: 1, vectors: instance.weights.W_dec })),
        });
      flat.textContent = plane ? "" : "Arrows can be drawn for two hidden dimensions; for others the table below tells lengths and dimensionalities.";
      table.show(numbers());
      figure.show({ name: "toy-features", caption: "The same in numbers", body: [table], table: numbers });
    },

    conclusion({ runs }) {
      const [notebook, paper] = /** @type {Run[]} */ (runs);
      const hidden = notebook.instance.weights.W_dec.shape[1];
      const kept = total(shareKept(notebook));
      const { norms, dimensionality } = paper.instance;
      const isStored = (/** @type {unknown} */ _, /** @type {number} */ i) => norms[i] > 0.5 * Math.max(...norms);
      const stored = norms.filter(isStored).length;
      const first =
        `The notebook's arrows have lengths from ${two(Math.min(...notebook.instance.norms))} to ${two(Math.max(...notebook.instance.norms))}, and it is tempting to see superposition in them. But the shares that come back add up to ${number(kept)}: ` +
        `${kept < hidden + 0.1 ? `no more than ${hidden} features' worth, spread over ${norms.length}. All features vary alike, so one ${hidden === 2 ? "plane" : "subspace"} loses as little as another, and chance picks it.` : `more than the ${hidden} of a linear map, since its hidden ReLU does cut.`}`;
      const even = meanOf(dimensionality.filter(isStored));
      const second =
        stored > hidden
          ? ` The paper's model stores ${stored} of ${norms.length} features with lengths from ${two(Math.min(...norms.filter(isStored)))} to ${two(Math.max(...norms))} and dimensionalities around ${decimals(2)(even)}${stored === 5 && hidden === 2 ? (Math.abs(even - 0.4) < 0.03 ? ": a pentagon" : "") : ""}.${stored === 4 && hidden === 2 && Math.abs(even - 0.5) < 0.03 ? " Four in two opposite pairs is a resting place of the training; another seed may find the pentagon." : ""}`
          : ` The paper's model stores ${stored} features: no more than it has dimensions.`;
      return first + second;
    },
    provenance: (_value, _values) => `toy models · seed ${step.session.usable(STEPS.toy)?.values.seed ?? ""}`,
    code: () => toySnippets.arrows(),
  };
}

/** @param {ArrayLike<number>} list */
const total = (list) => Array.from(list).reduce((sum, x) => sum + x, 0);
