// @ts-check
// The shapes that cross the lab's public functions, in one place. No code.

/**
 * Row-major numbers with their shape beside them.
 * @typedef {{data: Float32Array, shape: number[]}} Tensor
 */

/**
 * Numbers as a caller may hand them over. They are copied; the caller's arrays are never detached.
 * @typedef {Float32Array | Float64Array | readonly number[]} Numbers
 * @typedef {{data: Numbers, shape: readonly number[]}} TensorLike
 * @typedef {string | Uint32Array | readonly number[]} TextOrIds
 */

/**
 * Options that steer the call and not the result.
 * @typedef {object} Control
 * @property {AbortSignal} [signal]   aborting rejects the call at once with LAB-CANCELLED
 * @property {(progress: any) => void} [onProgress]  see the method for what it is given; never called after the call has settled
 */

/**
 * A step of some work. `total` is null where it cannot be known (a download without a recorded size).
 * @typedef {{phase: string, done?: number, total?: number | null, [more: string]: unknown}} Progress
 */

/**
 * What runs the lab, and why. Limits are the GPU adapter's, by WebGPU's names.
 * @typedef {{vendor: string, architecture: string, device: string, description: string}} Adapter
 * @typedef {object} Info
 * @property {"webgpu" | "cpu"} device
 * @property {Adapter | null} adapter
 * @property {string | null} reason   why the CPU, in words; null on WebGPU and where the CPU was asked for
 * @property {Record<string, number> | null} limits
 * @property {number | null} wasmBytes  size of the engine's WebAssembly, unpacked; null where the browser does not tell
 * @property {string} version
 */

/**
 * @typedef {object} ModelConfig
 * @property {number} nLayers
 * @property {number} dModel
 * @property {number} nHeads
 * @property {number} dHead
 * @property {number} dMlp
 * @property {number} dVocab
 * @property {number} nCtx
 * @property {number} bos
 * @property {number} eos
 */

/**
 * `tokens` are decoded one by one, bytes that are no whole character as `<0xE2>` each; `raw` are the
 * tokenizer's own pieces (Ġ for a space).
 * @typedef {{ids: Uint32Array, tokens: string[], raw: string[]}} Tokens
 */

/**
 * Change an activation while the model runs: add a vector at every position, or replace the whole.
 * @typedef {{hook: string, add: Numbers, positions?: Positions}} AddEdit
 * @typedef {{hook: string, replace: TensorLike, positions?: Positions}} ReplaceEdit
 * @typedef {AddEdit | ReplaceEdit} Edit
 * @typedef {"all" | "prompt" | "generated" | "last" | readonly number[]} Positions
 */

/**
 * One way to push generation: along a vector (model.config.dModel numbers) or along a feature of an SAE.
 * @typedef {{hook?: string, vector: Numbers, strength?: number, positions?: Positions}} VectorSteer
 * @typedef {{hook?: string, sae: import("./sae.js").Sae, feature: number, strength?: number, direction?: SteerDirection, positions?: Positions}} FeatureSteer
 * @typedef {VectorSteer | FeatureSteer} Steer
 * @typedef {"decoder" | "decoder-unit" | "decode-one-hot-unit"} DirectionKind
 * @typedef {DirectionKind | "scale"} SteerDirection
 */

/** @typedef {{prependBos: boolean}} TokenizeSettings */

/**
 * @typedef {object} RunSettings
 * @property {boolean} prependBos
 * @property {readonly string[]} hooks   activations to hand back, by TransformerLens's names
 * @property {boolean} center    true: TransformerLens's view of the weights; false: Hugging Face's
 * @property {"last" | "all" | "none"} logits
 * @property {readonly Edit[]} edits
 * @property {number} topK       how many most likely next tokens to list after the last position; 0: none
 */

/**
 * @typedef {object} RunResult
 * @property {Tokens} tokens
 * @property {Tensor | null} logits  [1, dVocab] for "last", [pos, dVocab] for "all"
 * @property {Record<string, Tensor>} hooks
 * @property {number | null} loss    mean next-token loss in nats, with logits "all"
 * @property {{id: number, token: string, logit: number, prob: number}[] | null} top
 */

/**
 * @typedef {object} GenerateSettings
 * @property {number} maxNewTokens
 * @property {number} temperature
 * @property {number | null} topK
 * @property {number | null} topP
 * @property {number} frequencyPenalty
 * @property {number} seed
 * @property {boolean} prependBos
 * @property {boolean} stopAtEos
 * @property {boolean} useCache
 * @property {boolean} center   true: SAEs in `steer` see the residual stream in TransformerLens's view (only "scale" looks at it)
 * @property {boolean} logprobs
 * @property {readonly Steer[]} steer
 */

/**
 * @typedef {{text: string, ids: Uint32Array, newIds: Uint32Array, logprobs?: Float32Array}} GenerateResult
 * @typedef {{id: number, token: string, text: string}} TokenEvent
 */

/**
 * @typedef {object} CollectSettings
 * @property {string} hook
 * @property {"all" | "last" | "random"} position
 * @property {boolean} prependBos
 * @property {boolean} center
 * @property {number | null} maxTokens   cut each text after this many tokens; null: the model's context
 * @property {{count: number, length: number, minId: number, maxId: number} | null} randomSequences
 * @property {number} seed
 */

/**
 * @typedef {{rows: number, meanNorm: number, medianNorm: number, maxNorm: number, mean: number, std: number}} Norms
 * @typedef {{rows: number, width: number, mean: number, std: number, distinctRows: number, all: Norms, withoutPosition0: Norms, tokens: number}} ActsStats
 * @typedef {{text: Int32Array, position: Uint32Array, token: Uint32Array}} Origins
 */

/**
 * @typedef {{W_enc: TensorLike, b_enc: TensorLike, W_dec?: TensorLike, b_dec: TensorLike}} WeightsLike
 * @typedef {{W_enc: Tensor, b_enc: Tensor, W_dec: Tensor, b_dec: Tensor}} Weights
 * @typedef {{architecture: string, dIn: number | null, dSae: number | null, seed: number, weights: WeightsLike | null}} SaeSettings
 * @typedef {{architecture: string, dIn: number, dSae: number, parameters: number, seed: number}} SaeConfig
 */

/**
 * How one SAE is trained. Steps are counted over all calls that continued.
 * @typedef {object} Recipe
 * @property {number} lr
 * @property {number} l1             the coefficient of the sparsity term, of whatever architecture
 * @property {number} beta1
 * @property {number} beta2
 * @property {number} eps
 * @property {"constant" | "cosine"} lrSchedule  between warm-up and decay; over all steps of the training
 * @property {number} lrWarmUpSteps  the rate rises linearly to `lr`
 * @property {number} lrDecaySteps   at the end, the rate falls linearly to 0
 * @property {number | null} lrEnd   where the cosine ends; null: lr / 10
 * @property {number} l1WarmUpSteps  the coefficient rises linearly from 0
 * @property {number | null} gradientClip  all gradients together are made no longer than this
 * @property {"free" | "unit"} decoderNorm  unit: decoder rows are kept at length 1
 * @property {"keep" | "mean" | "geometric-median"} bDecInit  what b_dec becomes before the first step
 * @property {number} deadWindow     a latent that has not fired for more steps than this is dead
 * @property {"none" | "aux-k" | "resample" | "ghost" | null} remedy  for dead latents; null: aux-k for the top-k family, else none
 * @property {number} auxKCoefficient
 * @property {number} resampleEvery  steps from one resampling to the next
 * @property {number} resampleScale  length of a resampled encoder column over the mean of the alive ones'
 */

/**
 * What training on rows takes besides.
 * @typedef {object} RowsSettings
 * @property {number} epochs         of this call; an epoch that an aborted call left unfinished is the first of them
 * @property {number} batchSize
 * @property {number} seed
 * @property {import("./acts.js").DeviceArray | TensorLike | null} target  of a transcoder: what it should give, row by row [rows, dOut]
 * @property {Uint32Array | readonly number[] | null} order  the order of the rows, for replaying a recorded run
 * @property {number} heldOut        fraction of the rows, by whole sequences, that is measured instead of trained on
 * @property {boolean} continue  go on where the last call stopped, within an epoch too, with the optimiser's state, the epoch count and the shuffling
 * @typedef {Recipe & RowsSettings} TrainSettings
 */

/**
 * What training on a stream takes besides.
 * @typedef {object} StreamSettings
 * @property {string} hook
 * @property {string | null} targetHook  of transcoders: where their target is, read in the same pass
 * @property {boolean} center
 * @property {boolean} prependBos
 * @property {number | null} contextSize  texts are cut into parts of so many tokens, BOS included; null: the model's context
 * @property {boolean} skipPosition0  leave out the first position of each part
 * @property {number} tokens         rows to train on in all, those before a `continue` counted; texts are repeated in a new order when they run out
 * @property {number} bufferRows     rows held on the device and mixed, at least two batches
 * @property {number} batchSize
 * @property {number} entryEvery     steps of one entry in the history
 * @property {readonly Partial<Recipe>[] | null} perSae  settings of each SAE that differ from the common ones
 * @property {number} seed
 * @property {number} heldOut        fraction of the texts that is measured instead of trained on, at most `bufferRows` rows
 * @property {boolean} continue  go on where the last call stopped; with other texts or another way of reading them the stream begins anew
 * @typedef {Recipe & StreamSettings} TrainStreamSettings
 */

/**
 * One epoch of training, or so many steps of a stream: mean losses of its steps, and how many features were active.
 * `total` is recon + coefficient · l1 + aux; `aux` are further terms, their coefficients included; `dead` latents have
 * not fired for more than `deadWindow` steps; `steps` and `rows` count from the training's start; `lr` and
 * `coefficient` are those of the last step. `heldOut` is there when rows are held out, `explainedVariance`
 * null where all of them are the same.
 *
 * @typedef {{rows: number, recon: number, explainedVariance: number | null, l0: number}} HeldOut
 * @typedef {{epoch: number, total: number, recon: number, l1: number, aux: number, fracActive: number, nActive: number, dead: number, steps: number, rows: number, lr: number, coefficient: number, heldOut?: HeldOut}} Epoch
 * @typedef {{epochs: Epoch[], stopped: boolean}} TrainResult
 * @typedef {{histories: Epoch[][], stopped: boolean}} TrainStreamResult  one history for each SAE
 * @typedef {{config: SaeConfig, epochsTrained: number, stepsTrained: number, history: Epoch[], settings: Recipe | null}} SaeInfo  the settings are the last training's
 */

/**
 * @typedef {{k: number, skipPosition0: boolean, by: "score" | "frequency" | "mean" | "max"}} TopFeaturesSettings
 * @typedef {{rows: number, alive: number, features: {feature: number, meanActive: number, frequency: number, mean: number, max: number}[]}} TopFeatures
 * @typedef {{feature: number | null, k: number, skipPosition0: boolean, context: number}} ExamplesSettings
 * @typedef {{activation: number, row: number, text: number, position: number, token: string, before: string[], after: string[]}} Example
 * @typedef {{feature: number, active: number, examples: Example[]}} Examples
 * @typedef {{hook: string, center: boolean, prependBos: boolean, k: number, skipPosition0: boolean, features: readonly number[] | null}} HeatmapSettings
 * @typedef {{tokens: string[], ids: Uint32Array, features: number[], data: Float32Array, shape: number[]}} Heatmap
 * @typedef {{feature: number | null, kind: DirectionKind}} DirectionSettings
 */

export {};
