// @ts-check
// The shapes that the page takes from the public module, by the names it uses for them. No code.

/** @typedef {import("../sae-lab.js").Lab & Models} Lab */
/** @typedef {import("../engine/model.js").Model & Loaded} Model */
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

/**
 * How a model's numbers on this device compare with what they should be: published figures by a loss, any model by a plain pass on the CPU.
 * @typedef {{kind: "reference", prompt: ArrayLike<number>, error: number, allowed: number, passed: boolean}} ReferenceCheck
 * @typedef {{kind: "loss", text: string, expected: number, got: number, error: number, allowed: number, passed: boolean}} LossCheck
 * @typedef {ReferenceCheck | LossCheck} Check
 *
 * @typedef {{kind: "list" | "address" | "files", url?: string, kept: "opfs" | "cache" | "memory" | null, keptReason?: string}} ModelSource
 * @typedef {{check: Check[], weights: "f16" | "f32", deviceBytes: number, source: ModelSource}} Loaded
 *
 * @typedef {{parameters: number, download: number | null, kept: number, device: number, heap: number, largestBinding: number, problems: import("../sae-lab.js").LabError[],
 *   limits: {binding: number | null, buffer: number | null, heap: number, storage: {quota: number, usage: number} | null}}} Estimate
 * @typedef {{key: string, name: string, url: string, bytes: number, total: number | null, complete: boolean, where: string, model: string}} Kept
 *
 * @typedef {{loadModel(source: any, options?: any): Promise<Model>, estimate(source: any, options?: any): Promise<Estimate>, kept(): Promise<Kept[]>, forget(key: string): Promise<void>}} Models
 */

export {};
