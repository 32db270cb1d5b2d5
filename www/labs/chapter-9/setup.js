// @ts-check
// Cells 1 to 3: what computes, which model, and one seed for all that is drawn on this page.

import { printedBox } from "../shared/printed.js";
import { setupStep } from "../shared/setup.js";
import * as snippets from "./snippets.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */

/** The notebook's. */
export const SEED = 42;

/** The setting for a seed. @param {Partial<import("../../ui/fields.js").Field>} [more] @returns {import("../../ui/fields.js").Field} */
export const seedField = (more) => ({ name: "seed", label: "Seed", kind: "integer", value: SEED, min: 0, max: 4294967295, rangeText: "a whole number", ...more });

/** @param {LabStep} step @returns {Definition} */
export function setup(step) {
  const base = setupStep("tl")(step);
  const seeded = printedBox();
  return {
    ...base,
    body: [...base.body, seeded.element],
    fields: () => [seedField({ hint: "steering and training begin from it" })],
    async run(context) {
      const { value } = await base.run(context);
      return { value: { ...value, seed: context.values.seed } };
    },
    render(value, live) {
      base.render(value, live);
      seeded.show([
        `Model loaded: ${value.nLayers} layers, ${value.dModel} dimensions`,
        `Seed: ${value.seed}. Every sample below says which seed drew it; the same seed gives the same text again.`,
      ]);
    },
    provenance: (value, values) => `${base.provenance(value, values)} · seed ${value.seed}`,
    code: (values) => ({ javascript: snippets.setupJs(values), python: snippets.setupPy(values) }),
  };
}
