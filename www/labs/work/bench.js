// @ts-check
// What every computation of the labs is given first: the open lab, its model, and how the caller watches.

/**
 * @typedef {import("../../sae-lab.js").Lab} Lab
 * @typedef {import("../../engine/model.js").Model} Model
 * @typedef {import("../../engine/sae.js").Sae} Sae
 * @typedef {import("../../engine/acts.js").Acts} Acts
 * @typedef {import("../../engine/types.js").Figures} Figures
 * @typedef {{lab: Lab, model: Model, signal?: AbortSignal, progress?: (done: number, total: number, unit: string) => void}} Bench
 */

/**
 * The control options of one call: the bench's signal, and its progress as steps of `unit`. Where a computation
 * consists of several calls, `part` says which this is and of how many.
 *
 * @param {Bench} bench
 * @param {string} unit
 * @param {{part: number, of: number}} [share]
 */
export function watch({ signal, progress }, unit, { part, of } = { part: 0, of: 1 }) {
  return {
    signal,
    onProgress(/** @type {any} */ p) {
      if (p.phase === "shaders") progress?.(p.done, p.total, "shaders");
      else if ("phase" in p && p.total) progress?.((p.done ?? 0) + part * p.total, of * p.total, unit);
    },
  };
}

/** The hook after a block. @param {number} layer */
export const residPost = (layer) => `blocks.${layer}.hook_resid_post`;

/**
 * Runs `use` with handles that are given back afterwards, however it ends.
 *
 * @template {{dispose(): Promise<void>}} H
 * @template R
 * @param {H} handle
 * @param {(handle: H) => Promise<R>} use
 * @returns {Promise<R>}
 */
export async function using(handle, use) {
  try {
    return await use(handle);
  } finally {
    await handle.dispose();
  }
}

/**
 * Settings that nobody changes, of their general types (of plain Object.freeze a number would be one of its value alone).
 *
 * @template {object} S
 * @param {S} settings
 * @returns {Readonly<S>}
 */
export const fixed = (settings) => Object.freeze(settings);
