// @ts-check
// The shapes that the page takes from the public module, by the names it uses for them. No code.

/** @typedef {import("../sae-lab.js").Lab} Lab */
/** @typedef {import("../engine/model.js").Model} Model */
/** @typedef {import("../engine/types.js").ModelCheck} Check */
/** @typedef {import("../engine/types.js").Estimate} Estimate */
/** @typedef {import("../engine/types.js").KeptFile} Kept */
/** @typedef {import("../engine/models.js").Listed} ListedModel */
/** @typedef {import("../engine/acts.js").Acts} Acts */
/** @typedef {import("../engine/sae.js").Sae} Sae */
/** @typedef {import("../engine/types.js").ModelConfig} ModelConfig */
/** @typedef {import("../engine/types.js").RunResult} RunResult */
/** @typedef {import("../engine/types.js").Steer} Steer */
/** @typedef {import("../engine/types.js").Norms} Norms */
/** @typedef {import("../engine/types.js").Epoch} Epoch */
/** @typedef {import("../engine/types.js").ListedSae} ListedSae */
/** @typedef {import("../engine/types.js").Mismatch} Mismatch */
/** @typedef {import("../engine/types.js").Figures} Figures */
/** @typedef {import("../engine/types.js").Quality} Quality */
/** @typedef {import("../engine/types.js").Spliced} Spliced */
/** @typedef {import("../engine/types.js").Example} Example */
/** @typedef {import("../engine/types.js").Heatmap} Heatmap */
/** @typedef {import("../engine/types.js").TopFeatures["features"][number]} FeatureRow */
/** @typedef {import("../engine/types.js").Info} LabInfo */
/** @typedef {import("../engine/types.js").Progress} Progress */
/** @typedef {import("../engine/types.js").RecoveryEvent} RecoveryEvent */

export {};
