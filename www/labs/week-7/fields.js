// @ts-check
// Settings that several steps of the page share.

/** @typedef {import("../../ui/fields.js").Field} Field */
/** @typedef {import("../../ui/step.js").LabStep} LabStep */

/** @param {Partial<Field>} [more] @returns {Field} */
export const seedField = (more) => ({ name: "seed", label: "Seed", kind: "integer", value: 0, min: 0, max: 4294967295, rangeText: "a whole number", advanced: true, ...more });

/**
 * The feature that a step looks at; it follows the choice made anywhere on the page.
 * @param {LabStep} step @param {number} trained the number of the training step
 * @returns {() => Field} to be called whenever the fields are declared
 */
export function featureField(step, trained) {
  step.session.addEventListener("feature", () => step.settings?.set("feature", step.session.feature));
  return () => {
    const dSae = step.session.usable(trained)?.value.sae.config.dSae;
    return {
      name: "feature",
      label: "Feature",
      kind: "integer",
      value: null,
      min: 0,
      max: dSae === undefined ? undefined : dSae - 1,
      hint: "chosen among the most frequent, or by its number",
      noReset: true,
    };
  };
}

/** What a step needs that looks at a feature: the ranking too, as long as none is chosen. @param {LabStep} step @param {number[]} uses @param {number} ranking */
export const needsFeature = (step, uses, ranking) => () => (step.settings.values().feature === null ? [...uses, ranking] : uses);

/** The bench that the computations of the labs want. @param {import("../../ui/step.js").Context} context @returns {import("../work/bench.js").Bench} */
export const benchOf = ({ lab, model, signal, progress }) => ({ lab, model, signal, progress });
