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
 * What befalls a lab whose engine is lost: "lost" at once, "recovering" when a new one is being opened, then "recovered" or "failed".
 * `reason` says in words what happened. `restored` are names of what was made again, each with what it was made again as where that is
 * not what it was; `onUse` of what is made again when it is next used; `lost` cannot be. `milliseconds` count from the loss.
 *
 * @typedef {{name: string, why: string, object: object}} LostObject  `object` is what the caller holds
 * @typedef {{phase: "lost" | "recovering" | "failed", reason: string}
 *   | {phase: "recovered", reason: string, milliseconds: number, restored: string[], onUse: string[], lost: LostObject[]}} RecoveryEvent
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
 * @typedef {object} LoadModelSettings
 * @property {"auto" | "f16" | "f32"} weights  how they lie on the device; arithmetic is in 32 bits either way
 * @property {boolean} keep               keep downloaded files on this computer, so that they are fetched once
 * @property {boolean} acceptFailedCheck  hand out the model even if this device computes something else with it than it should
 *
 * How a model was checked on this very device: the largest difference of a logit from a plain 64-bit computation on the CPU with the weights as they
 * lie on the device, and for a published model the mean next-token loss on a text, BOS before it, in nats.
 * @typedef {{kind: "reference", prompt: ArrayLike<number>, error: number, allowed: number, passed: boolean}
 *   | {kind: "loss", text: string, expected: number, got: number, error: number, allowed: number, passed: boolean}} ModelCheck
 *
 * Where a model came from. `kept`: where its weights are now on this computer; null for files of this computer, and where they could not be kept or
 * were not to be. `keptReason` says why not in storage.
 * @typedef {{kind: "list" | "address" | "files", url?: string, kept: "opfs" | "cache" | "memory" | null, keptReason?: string}} ModelSource
 *
 * What a model will take, in bytes. `download`: all of its files, null where a length is not known; `kept`: how much of that is already here.
 * `device`: its weights; `working`: what a pass over its whole context takes beside them; `heap`: the engine's memory in the page. Limits are null where the CPU computes; `problems` are what loadModel would refuse it for.
 * @typedef {object} Estimate
 * @property {number} parameters
 * @property {number | null} download
 * @property {number} kept
 * @property {number} device
 * @property {number} working
 * @property {number} heap
 * @property {number} largestBinding  of one matrix, in one piece
 * @property {{binding: number | null, buffer: number | null, heap: number, storage: {quota: number, usage: number} | null}} limits
 * @property {import("./errors.js").LabError[]} problems
 *
 * A downloaded file that is kept, or a part of it. `total` is null where its length is not known yet.
 * @typedef {{key: string, name: string, url: string, bytes: number, total: number | null, complete: boolean, where: "opfs" | "cache" | "memory", model: string}} KeptFile
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
 * One way to push what the model does: along a vector (model.config.dModel numbers) or along a feature of an SAE.
 * @typedef {{hook?: string, vector: Numbers, strength?: number, positions?: Positions}} VectorSteer
 * @typedef {{hook?: string, sae: import("./sae.js").Sae, feature: number, strength?: number, direction?: SteerDirection, positions?: Positions}} FeatureSteer
 * @typedef {VectorSteer | FeatureSteer} Steer
 * @typedef {"decoder" | "decoder-unit" | "decode-one-hot-unit"} DirectionKind
 * @typedef {DirectionKind | "scale" | "scale-decode"} SteerDirection  “scale” multiplies the feature by the strength and keeps
 *   the SAE's error, so that 1 changes nothing; “scale-decode” puts in what the decoder makes of it, without the error
 */

/** @typedef {{prependBos: boolean}} TokenizeSettings */

/**
 * @typedef {object} RunSettings
 * @property {boolean} prependBos
 * @property {readonly string[]} hooks   activations to hand back, by TransformerLens's names
 * @property {boolean} center    true: TransformerLens's view of the weights; false: Hugging Face's; hooks, edits and SAEs in `steer` see it
 * @property {"last" | "all" | "none"} logits
 * @property {readonly Edit[]} edits
 * @property {readonly Steer[]} steer   as in `generate`, after the edits; all positions are the prompt's
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
 * @property {boolean} center   true: SAEs in `steer` see the residual stream in TransformerLens's view (only "scale" and "scale-decode" look at it)
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
 * @typedef {"W_enc" | "W_dec" | "b_enc" | "b_dec" | "W_skip" | "threshold" | "b_gate" | "b_mag" | "r_mag"} WeightName  SAELens's names
 * @typedef {Partial<Record<WeightName | "topk_threshold", TensorLike>>} WeightsLike
 * @typedef {Partial<Record<WeightName, Tensor>> & {W_enc: Tensor, W_dec: Tensor, b_dec: Tensor}} Weights
 * @typedef {"tied" | "untied" | "standard" | "topk" | "batchtopk" | "jumprelu" | "gated" | "matryoshka_batchtopk"} ArchitectureName
 * @typedef {"none" | "expected_average_only_in" | "constant_norm_rescale" | "layer_norm"} Normalization  SAELens's names
 *
 * The settings that only some architectures have, with SAELens's meanings.
 * @typedef {object} SaeExtras
 * @property {number} k  active latents per row (topk), or in the mean over a batch (batchtopk, matryoshka_batchtopk)
 * @property {boolean} rescaleActsByDecoderNorm  top-k kinds: pre-activations count times the norm of their decoder row
 * @property {number} topkThresholdLr  batch top-k: how fast the running threshold follows
 * @property {boolean} matryoshkaAuxLoss  dead latents reconstruct the error of their own level
 * @property {number} jumpreluInitThreshold
 * @property {number} jumpreluBandwidth
 * @property {"step" | "tanh" | "quadratic"} jumpreluPenalty
 * @property {number} jumpreluTanhScale
 * @property {boolean} jumpreluSteToInput
 * @property {number} jumpreluTargetL0
 * @property {number} preActLossCoefficient  on dead latents; 0 for none
 *
 * How the weights start. Kaiming: U(±√(6/fan_in)); kaiming-linear: U(±√(3/fan_in)); normal: N(0, 1/fan_in).
 * @typedef {"kaiming" | "kaiming-linear" | "normal" | "transposed"} InitLaw
 * @typedef {{encoder: InitLaw, decoder: InitLaw, decoderNorm: number | null, encoderBias: "zeros" | "torch-linear"}} Init
 *
 * `lossUnit` "mean": both loss terms are means over batch and their last dimension; "sum": sums over it.
 * @typedef {SaeExtras & {matryoshkaWidths: readonly number[] | null, architecture: ArchitectureName | string, dIn: number | null, dSae: number | null,
 *   dOut: number | null, seed: number, weights: WeightsLike | null, init: Init | null, lossUnit: "mean" | "sum" | null, l1Weighted: boolean | null,
 *   applyBDecToInput: boolean | null, normalizeActivations: Normalization, transcoder: boolean, skip: boolean}} SaeSettings
 *
 * What an SAE was made for, as far as that is known.
 * @typedef {{modelName: string | null, hookName: string | null, hookNameOut: string | null, hookHeadIndex: number | null, prependBos: boolean | null,
 *   contextSize: number | null, center: boolean | null, datasetPath: string | null, other: Record<string, unknown>}} SaeMetadata
 * @typedef {SaeExtras & {matryoshkaWidths: number[], architecture: ArchitectureName, dIn: number, dSae: number, dOut: number, parameters: number, seed: number,
 *   applyBDecToInput: boolean, normalizeActivations: Normalization, reshapeHookZ: boolean, transcoder: boolean, skip: boolean,
 *   lossUnit: "mean" | "sum", l1Weighted: boolean, metadata: SaeMetadata}} SaeConfig
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
 * @typedef {{config: SaeConfig, epochsTrained: number, stepsTrained: number, streamRows: number, history: Epoch[], settings: Recipe | null}} SaeInfo  `streamRows`
 *   are those that the stream it is in has given, 0 when it was last trained on rows; the settings are the last training's
 */

/**
 * `dead` names the latents that count as dead, for the auxiliary top-k loss (`auxKCoefficient` above 0) or ghost gradients.
 * @typedef {{l1: number, target: import("./acts.js").DeviceArray | TensorLike | null, dead: readonly number[], auxKCoefficient: number, ghost: boolean}} LossSettings
 *
 * `terms.recon` and `terms.l1` are in the SAE's loss unit, `l1` without its coefficient; further terms, by SAELens's names, have theirs.
 * @typedef {{terms: {recon: number, l1: number, [name: string]: number}, nActive: number, gradients: Record<string, Tensor>}} Loss
 */

/**
 * @typedef {{k: number, skipPosition0: boolean, by: "score" | "frequency" | "mean" | "max"}} TopFeaturesSettings
 * @typedef {{rows: number, alive: number, features: {feature: number, meanActive: number, frequency: number, mean: number, max: number}[]}} TopFeatures
 *
 * The `k` largest activations above `threshold`: of all rows, or of a sample of `count` rows drawn from those above it. "corpus" lists them in
 * the order of the rows.
 * @typedef {{feature: number | null, k: number, skipPosition0: boolean, context: number, threshold: number, order: "activation" | "corpus",
 *   sample: {count: number, seed: number} | null}} ExamplesSettings
 * @typedef {{activation: number, row: number, text: number, position: number, token: string, before: string[], after: string[]}} Example
 * @typedef {{feature: number, active: number, rows: number, examples: Example[]}} Examples  `active`: rows above the threshold
 * @typedef {{hook: string, center: boolean, prependBos: boolean, k: number, skipPosition0: boolean, features: readonly number[] | null}} HeatmapSettings
 * @typedef {{tokens: string[], ids: Uint32Array, features: number[], data: Float32Array, shape: number[]}} Heatmap
 * @typedef {{feature: number | null, kind: DirectionKind}} DirectionSettings
 */

/**
 * A published SAE, as listSaes() knows it. `bytes` is about the size of its weights; `unavailable` says why it cannot be
 * loaded here, and is null for those that can.
 * @typedef {{id: string, release: string, model: string, hook: string, architecture: string, dIn: number, dSae: number, bytes: number, baseUrl: string,
 *   l0: number | null, varianceExplained: number | null, unavailable: string | null, publication: string | null, neuronpedia: string | null}} ListedSae
 * @typedef {{dtype: "float32" | "float16", metadata: Readonly<Record<string, unknown>>}} SaveSettings
 * @typedef {{"cfg.json": Uint8Array, "sae_weights.safetensors": Uint8Array, "sparsity.safetensors"?: Uint8Array}} SaeFiles
 * @typedef {{hook: string | null, center: boolean | null, prependBos: boolean | null, contextSize: number | null}} MismatchSettings
 * @typedef {{what: "width" | "model" | "hook" | "center" | "prependBos" | "contextSize" | "normalization", sae: string, here: string, message: string}} Mismatch
 */

/**
 * @typedef {object} QualitySettings
 * @property {boolean} skipPosition0  which rows the figures at the top, the latents and the histogram are of; both choices are in the answer
 * @property {boolean} skipSpecial    leave out rows whose token is <|endoftext|> (BOS and EOS)
 * @property {import("./acts.js").Acts | null} target  the same texts at the hook that a transcoder writes to
 *
 * x is a row (a transcoder's target), x̂ what the SAE makes of it. A figure is null where it has no value, as an explained variance of one row.
 * Fewer distinct rows than dimensions make every explained variance look good; a density below 1 / rows cannot be seen.
 * @typedef {object} Figures
 * @property {number} rows
 * @property {number} distinctRows   rows that differ: the same tokens up to a position always give the same row
 * @property {number} l0             mean number of active features
 * @property {number} fracActive     the same as a fraction
 * @property {number} l1             mean sum of the features
 * @property {number} mse            mean of the squared error summed over dimensions, as in SAELens
 * @property {number} meanMse        its mean over dimensions, as in the notebooks
 * @property {number} cosine
 * @property {number} normRatio      mean of ‖x̂‖/‖x‖, SAELens's l2_ratio
 * @property {number} normIn
 * @property {number} normOut
 * @property {number | null} relativeReconstructionBias  E‖x̂‖² / E⟨x, x̂⟩
 * @property {number | null} evPerDimension        1 − Σ‖x − x̂‖² / Σ‖x − mean‖², a mean per dimension: the right one, SAELens's explained_variance
 * @property {number | null} evLegacy              the mean over rows of that ratio: SAELens's explained_variance_legacy
 * @property {number | null} evDictionaryLearning  1 − Σ var(x − x̂) / Σ var(x): a constant error is forgiven
 * @property {number | null} evGlobal              1 − mean((x − x̂)²) / var of all numbers around one mean: chapter 9's and week 7's, mostly higher
 * @property {number} deadLatents    never active on these rows
 * @property {number} denseLatents   active on more than a tenth of them
 *
 * `density`, `fired` (rows), `maxActivation` and `meanActive` (over the rows where it is) have one number a latent. The histogram is of log₁₀ density;
 * latents that never fire are its `zeros`.
 * @typedef {Figures & {all: Figures, withoutPosition0: Figures | null, density: Float64Array, fired: Uint32Array, maxActivation: Float32Array,
 *   meanActive: Float64Array, histogram: {edges: number[], counts: number[], zeros: number}}} Quality
 */

/**
 * @typedef {object} SplicedSettings
 * @property {string | null} hook         where the SAE reads
 * @property {string | null} outHook      where its output is put in: another hook for a transcoder
 * @property {boolean | null} center
 * @property {boolean | null} prependBos
 * @property {number | null} contextSize  texts longer than this many tokens are cut into parts, each with its own BOS
 * @property {boolean} skipSpecial        leave positions of <|endoftext|> (BOS and EOS) as they are and out of the means, as SAELens does
 * @property {boolean} skipPosition0      the same for position 0
 * @property {boolean} keepError          put in x + SAE(x) − SAE(x): the clean model, but for features that are left out
 * @property {readonly number[]} withoutFeatures  features set to 0 before decoding
 * @property {boolean} ablateSkipped      the ablations change skipped positions too, as SAELens's zero ablation does
 *
 * Means over positions, in nats: cross-entropy of the next token, and KL(clean ‖ changed). `lossRecovered` is
 * (ceZero − ceSae) / (ceZero − ceClean), SAELens's ce_loss_score; `…Mean` is the same against mean ablation; `klScore` = (klZero − klSae) / klZero.
 * @typedef {{sequences: number, positions: number, predictions: number, ceClean: number, ceSae: number, ceZero: number, ceMean: number, deltaCe: number,
 *   lossRecovered: number | null, lossRecoveredMean: number | null, klSae: number, klZero: number, klMean: number, klScore: number | null, klScoreMean: number | null,
 *   hook: string, outHook: string, center: boolean, prependBos: boolean}} Spliced
 */

/**
 * @typedef {"relu-hidden" | "relu-output"} ToyModelName
 * @typedef {"normal" | "uniform"} ToyValues  N(0, 1), or U(0, 1)
 *
 * @typedef {object} ToyTrainSettings
 * @property {ToyModelName} model
 * @property {number} nFeatures
 * @property {number} nHidden
 * @property {readonly number[]} probabilities  how often a feature is not 0; one instance is trained for each
 * @property {number} importanceDecay  feature i counts importanceDecay^i in the loss
 * @property {ToyValues | null} values
 * @property {number} batchSize
 * @property {number} steps
 * @property {number} lr
 * @property {number} seed  an instance depends on it and on its place in the list, not on the others
 * @property {number} evalRows  rows of the fresh sample for `finalLoss`
 * @property {readonly Record<string, TensorLike>[] | null} weights  to start from, one object for each instance
 * @property {readonly TensorLike[] | null} batches  instead of random ones, [steps, batchSize, nFeatures] for each instance
 *
 * W_enc [nHidden, nFeatures] or W of the same shape, W_dec [nFeatures, nHidden] (of a tied model Wᵀ), b_enc [nHidden], b_dec [nFeatures].
 * @typedef {{W_dec: Tensor, b_dec: Tensor, W_enc?: Tensor, b_enc?: Tensor, W?: Tensor}} ToyWeights
 *
 * @typedef {object} ToyInstance
 * @property {number} probability
 * @property {Float32Array} losses   before each step, on its batch
 * @property {ToyWeights} weights
 * @property {number} finalLoss      on a fresh sample
 * @property {number} zeroLoss       of predicting 0, exactly
 * @property {number} pcaLoss        of the best affine map through nHidden dimensions, exactly
 * @property {number[]} norms        length of each row of W_dec
 * @property {number[]} dimensionality  ‖W_i‖² / Σ_j (Ŵ_i · W_j)² of these rows: 1 for a feature alone, ½ in a pair, ⅖ in a pentagon
 * @typedef {{instances: ToyInstance[], model: ToyModelName, seed: number}} ToyTrained
 *
 * @typedef {{sizes: readonly number[]}} InterferenceSettings
 * @typedef {{features: number[], input: number[], output: number[], error: number, additive: number}} InterferenceExample
 * @typedef {{size: number, example: InterferenceExample, subsets: number, mean: number, min: number, max: number, additive: number}} Interference
 *
 * @typedef {{instance: Pick<ToyInstance, "weights"> & {probability?: number} | null, model: ToyModelName, probability: number | null,
 *   values: ToyValues | null, rows: number, seed: number}} ToySampleSettings
 */

/**
 * @typedef {object} WorldSettings
 * @property {number} nFeatures
 * @property {number} dIn
 * @property {number} probability   how often each feature fires
 * @property {number} correlation   a feature fires where a normal variable is high; these correlate so much, every two of them
 * @property {number} meanMagnitude  a feature that fires has the magnitude relu(N(mean, std²))
 * @property {number} stdMagnitude
 * @property {number} orthogonalize  steps that push random directions apart, SAELens's 200; 0 for none
 * @property {number} rows
 * @property {number} seed
 *
 * @typedef {object} MatchSettings
 * @property {import("./acts.js").DeviceArray | TensorLike | null} foundActs  [rows, n], as sae.encode gives them
 * @property {import("./acts.js").DeviceArray | TensorLike | null} truthActs  [rows, m]
 * @property {boolean} signed  pair by cosine instead of |cosine|: for worlds with opposite directions
 *
 * `pairs` has as many entries as the smaller side has directions, in the order of the true ones. `latents` are SAELens's figures: each found
 * feature against the nearest true one, the mean over all found.
 * @typedef {{truth: number, found: number, cosine: number, f1?: number}} MatchedPair
 * @typedef {object} Matching
 * @property {number} mcc
 * @property {number} meanMaxCosine  the mean over true directions of the largest cosine with any found one
 * @property {number} uniqueness     how many true directions are the nearest of some found one, over how many were found
 * @property {MatchedPair[]} pairs
 * @property {number} [f1]           the mean of the pairs'
 * @property {{precision: number, recall: number, f1: number, accuracy: number}} [latents]
 */

export {};
