// @ts-check
// The value of every option that is not given, one frozen object per method: the labs' own values. The page
// fills its forms from here too, so a default stands in one place. `null` means "not set".

/** The residual stream after block 6, which the labs look at. */
export const HOOK = "blocks.6.hook_resid_post";

/** @type {Readonly<{device: "auto" | "webgpu" | "cpu"}>} */
const openLab = Object.freeze({ device: "auto" });

/**
 * "auto" weights: 16 bits on a GPU, 32 on the CPU.
 * @type {Readonly<import("./types.js").LoadModelSettings>}
 */
const loadModel = Object.freeze({ weights: "auto", keep: true, acceptFailedCheck: false });

/** @type {Readonly<Pick<import("./types.js").LoadModelSettings, "weights">>} */
const estimate = Object.freeze({ weights: "auto" });

/** @type {Readonly<import("./types.js").TokenizeSettings>} */
const tokenize = Object.freeze({ prependBos: true });

/** @type {Readonly<import("./types.js").RunSettings>} */
const run = Object.freeze({
  prependBos: true,
  hooks: Object.freeze(/** @type {string[]} */ ([])),
  center: true,
  logits: "last",
  edits: Object.freeze(/** @type {import("./types.js").Edit[]} */ ([])),
  steer: Object.freeze(/** @type {import("./types.js").Steer[]} */ ([])),
  topK: 0,
});

/** @type {Readonly<import("./types.js").GenerateSettings>} */
const generate = Object.freeze({
  maxNewTokens: 20,
  temperature: 1,
  topK: null,
  topP: null,
  frequencyPenalty: 0,
  seed: 0,
  prependBos: true,
  stopAtEos: true,
  useCache: true,
  center: true,
  logprobs: false,
  steer: Object.freeze(/** @type {import("./types.js").Steer[]} */ ([])),
});

/** One entry of `steer` of `generate` and `run`, beside its vector or its SAE and feature. */
const steer = Object.freeze({
  hook: HOOK,
  strength: 5,
  direction: /** @type {import("./types.js").SteerDirection} */ ("decode-one-hot-unit"),
  positions: /** @type {import("./types.js").Positions} */ ("all"),
});

/** @type {Readonly<import("./types.js").CollectSettings>} */
const collect = Object.freeze({
  hook: HOOK,
  position: "all",
  prependBos: true,
  center: true,
  maxTokens: null,
  randomSequences: null,
  seed: 0,
});

/**
 * `dIn` has to be given, unless `weights` say it; `dSae` not given is 4 · dIn. What is null follows the
 * architecture's own convention: the notebooks' for tied and untied, SAELens's else.
 * @type {Readonly<import("./types.js").SaeSettings>}
 */
const createSae = Object.freeze({
  architecture: "tied", dIn: null, dSae: null, dOut: null, seed: 0, weights: null, init: null,
  lossUnit: null, l1Weighted: null, applyBDecToInput: null, normalizeActivations: "none", transcoder: false, skip: false,
  k: 32, rescaleActsByDecoderNorm: true, topkThresholdLr: 0.01, matryoshkaWidths: null, matryoshkaAuxLoss: false,
  jumpreluInitThreshold: 0.01, jumpreluBandwidth: 0.05, jumpreluPenalty: "step", jumpreluTanhScale: 4, jumpreluSteToInput: false,
  jumpreluTargetL0: 32, preActLossCoefficient: 0,
});

/**
 * How one SAE is trained: the notebooks' plain Adam.
 * @type {Readonly<import("./types.js").Recipe>}
 */
const recipe = Object.freeze({
  lr: 1e-3,
  l1: 5e-4,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  lrSchedule: "constant",
  lrWarmUpSteps: 0,
  lrDecaySteps: 0,
  lrEnd: null,
  l1WarmUpSteps: 0,
  gradientClip: null,
  decoderNorm: "free",
  bDecInit: "keep",
  deadWindow: 1000,
  remedy: null,
  auxKCoefficient: 1,
  resampleEvery: 2500,
  resampleScale: 0.2,
});

/** @type {Readonly<import("./types.js").TrainSettings>} */
const train = Object.freeze({
  ...recipe,
  epochs: 100,
  batchSize: 256,
  seed: 0,
  target: null,
  order: null,
  heldOut: 0,
  continue: false,
});

/** @type {Readonly<import("./types.js").TrainStreamSettings>} */
const trainStream = Object.freeze({
  ...recipe,
  hook: HOOK,
  targetHook: null,
  center: true,
  prependBos: true,
  contextSize: null,
  skipPosition0: false,
  tokens: 100_000,
  bufferRows: 16_384,
  batchSize: 256,
  entryEvery: 20,
  perSae: null,
  seed: 0,
  heldOut: 0,
  continue: false,
});

/** `target` not given is the input itself. @type {Readonly<import("./types.js").LossSettings>} */
const loss = Object.freeze({ l1: 5e-4, target: null, dead: Object.freeze(/** @type {number[]} */ ([])), auxKCoefficient: 0, ghost: false });

/** @type {Readonly<import("./types.js").TopFeaturesSettings>} */
const topFeatures = Object.freeze({ k: 20, skipPosition0: false, by: "score" });

/** `feature` has to be given. @type {Readonly<import("./types.js").ExamplesSettings>} */
const examples = Object.freeze({ feature: null, k: 10, skipPosition0: false, context: 5, threshold: 0, order: "activation", sample: null });

/** @type {Readonly<import("./types.js").HeatmapSettings>} */
const heatmap = Object.freeze({ hook: HOOK, center: true, prependBos: true, k: 10, skipPosition0: false, features: null });

/** @type {Readonly<import("./types-analysis.js").CoactivationSettings>} */
const coactivation = Object.freeze({ minFrequency: 0.01, pairs: 10, skipPosition0: false, matrixUpTo: 100 });

/** `features` have to be given. @type {Readonly<import("./types-analysis.js").FeatureActsSettings>} */
const featureActs = Object.freeze({ features: null, skipPosition0: false });

/** @type {Readonly<import("./types-analysis.js").PerTokenSettings>} */
const perToken = Object.freeze({ k: 3 });

/** @type {Readonly<import("./types-analysis.js").MatchingSettings>} */
const matching = Object.freeze({ k: 3 });

/** @type {Readonly<import("./types-analysis.js").ConceptsSettings>} */
const concepts = Object.freeze({ k: 20, per: "token", minFrequency: 0, skipPosition0: true });

/** @type {Readonly<import("./types-analysis.js").ContrastSettings>} */
const contrast = Object.freeze({ skipPosition0: true });

/** @type {Readonly<import("./types-analysis.js").ProbeSettings>} */
const probe = Object.freeze({ l2: 1, standardize: true, folds: 5, skipPosition0: true });

/** @type {Readonly<import("./types-analysis.js").DecomposeSettings>} */
const decompose = Object.freeze({ k: 5, threshold: 0.1 });

/** `feature` has to be given. @type {Readonly<import("./types.js").DirectionSettings>} */
const direction = Object.freeze({ feature: null, kind: "decode-one-hot-unit" });

/** `metadata`: further keys of cfg.json's metadata, by SAELens's names. @type {Readonly<import("./types.js").SaveSettings>} */
const save = Object.freeze({ dtype: "float32", metadata: Object.freeze({}) });

/** What is null is not compared. @type {Readonly<import("./types.js").MismatchSettings>} */
const mismatches = Object.freeze({ hook: null, center: true, prependBos: true, contextSize: null });

/** `target` is for transcoders. @type {Readonly<import("./types.js").QualitySettings>} */
const quality = Object.freeze({ skipPosition0: false, skipSpecial: false, target: null });

/** What is null follows the SAE's own metadata; a hook that it does not know has to be given. @type {Readonly<import("./types.js").SplicedSettings>} */
const spliced = Object.freeze({
  hook: null,
  outHook: null,
  center: null,
  prependBos: null,
  contextSize: null,
  skipSpecial: true,
  skipPosition0: false,
  keepError: false,
  withoutFeatures: Object.freeze(/** @type {number[]} */ ([])),
  ablateSkipped: true,
});

/**
 * Week 7's toy model. `values` null: "normal" for "relu-hidden", "uniform" for "relu-output".
 * @type {Readonly<import("./types.js").ToyTrainSettings>}
 */
const toyTrain = Object.freeze({
  model: "relu-hidden",
  nFeatures: 5,
  nHidden: 2,
  probabilities: Object.freeze([0.1]),
  importanceDecay: 1,
  values: null,
  batchSize: 1000,
  steps: 500,
  lr: 0.01,
  seed: 0,
  evalRows: 100_000,
  weights: null,
  batches: null,
});

/** One feature and three, as in week 7. @type {Readonly<import("./types.js").InterferenceSettings>} */
const interference = Object.freeze({ sizes: Object.freeze([1, 3]) });

/** `instance` has to be given. @type {Readonly<import("./types.js").ToySampleSettings>} */
const toySample = Object.freeze({ instance: null, model: "relu-output", probability: null, values: null, rows: 20_000, seed: 0 });

/** @type {Readonly<import("./types.js").WorldSettings>} */
const world = Object.freeze({
  nFeatures: 20, dIn: 10, probability: 0.05, correlation: 0, meanMagnitude: 1, stdMagnitude: 0, orthogonalize: 200, rows: 20_000, seed: 0,
});

/** @type {Readonly<import("./types.js").MatchSettings>} */
const matchFeatures = Object.freeze({ foundActs: null, truthActs: null, signed: false });

/** The defaults by the name of the method. */
export const defaults = Object.freeze({
  openLab, loadModel, estimate, tokenize, run, generate, steer, collect, createSae, recipe, train, trainStream, loss, topFeatures, examples, heatmap, direction,
  coactivation, featureActs, perToken, matching, concepts, contrast, probe, decompose, quality, spliced, save, mismatches,
  toyTrain, interference, toySample, world, matchFeatures,
});
