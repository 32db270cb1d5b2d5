// @ts-check
// The last step of a lab: frees what the others hold on the device.

import { bytes, counted } from "../../ui/format.js";
import { printedBox } from "./printed.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {{objects: number, freed: number, wasmBytes: number}} Freed */

/** How many bytes of numbers a handle stands for; an SAE that was trained has two moments of Adam beside its weights. @param {any} handle */
function size(handle) {
  if (Array.isArray(handle.shape)) return 4 * handle.shape.reduce((/** @type {number} */ product, /** @type {number} */ n) => product * n, 1);
  return 4 * (handle.config?.parameters ?? 0);
}

/** @param {LabStep} step @returns {import("../../ui/step.js").Definition} */
export function cleanupStep(step) {
  const printed = printedBox();
  return {
    uses: [],
    promise: "Run frees the activations and autoencoders of the steps above. Their figures stay; computing with them needs new runs.",
    body: [printed.element],
    fields: () => [],
    async run({ lab }) {
      const handles = await step.session.free(step.number);
      const { wasmBytes } = await lab.memory();
      return { value: { objects: handles.length, freed: handles.reduce((sum, handle) => sum + size(handle), 0), wasmBytes } };
    },
    render(/** @type {Freed} */ { objects, freed, wasmBytes }) {
      printed.show([
        `Freed: ${counted(objects, "object")}, ${bytes(freed)} of activations and weights`,
        `WebAssembly's own memory: ${bytes(wasmBytes)} (it never shrinks; what was freed is used again)`,
      ]);
    },
    conclusion: (/** @type {Freed} */ { objects }) => (objects ? "The memory is free for the next run." : "There was nothing to free."),
    provenance: () => step.session.modelName,
    code: () => ({
      javascript: `await acts.dispose();   // activations, SAEs and models have it
await sae.dispose();
lab.dispose();          // ends the worker, and with it everything
`,
      python: `import gc

del sae, acts
gc.collect()
torch.cuda.empty_cache()
`,
    }),
  };
}
