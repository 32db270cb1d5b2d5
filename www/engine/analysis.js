// @ts-check
import { defaults } from "./defaults.js";
import { handleOf } from "./handles.js";
import { toIds, toInput, toList, toSample, toText, toVector } from "./inputs.js";
import { take } from "./options.js";
import { required } from "./sae.js";
import { matchFeatures } from "./toy.js";

/** @typedef {import("./types.js").Control} Control */
/** @typedef {import("./sae.js").Sae} Sae */
/** @typedef {import("./acts.js").Acts} Acts */

/** Questions about what an SAE has learnt, as `lab.analysis`. The answers are plain numbers and texts. */
export class Analysis {
  #client;

  /** @param {import("./client.js").Client} client */
  constructor(client) {
    this.#client = client;
  }

  /**
   * The features that are most active over a set of activations.
   *
   * @param {Sae} sae
   * @param {Acts} acts
   * @param {Partial<import("./types.js").TopFeaturesSettings> & Control} [options]
   * @returns {Promise<import("./types.js").TopFeatures>}
   */
  async topFeatures(sae, acts, options) {
    const { settings, control } = take("topFeatures", defaults.topFeatures, options, ["signal", "onProgress"]);
    return this.#call("topFeatures", [...this.#saeAndActs(sae, acts), settings], control);
  }

  /**
   * The rows on which one feature is most active, with the tokens around each.
   *
   * @param {Sae} sae
   * @param {Acts} acts
   * @param {Partial<import("./types.js").ExamplesSettings> & Control} options  `feature` is required
   * @returns {Promise<import("./types.js").Examples>}
   */
  async examples(sae, acts, options) {
    const { settings, control } = take("examples", defaults.examples, options, ["signal", "onProgress"]);
    required("examples", "feature", settings.feature);
    const sent = { ...settings, sample: toSample("examples", settings.sample) };
    return this.#call("examples", [...this.#saeAndActs(sae, acts), sent], control);
  }

  /**
   * Which features are active together: the most and the least correlated pairs.
   *
   * @param {Sae} sae
   * @param {Acts} acts
   * @param {Partial<import("./types-analysis.js").CoactivationSettings> & Control} [options]
   * @returns {Promise<import("./types-analysis.js").Coactivation>}
   * @throws {import("./errors.js").LabError} LAB-EMPTY-INPUT when no feature is active often enough; LAB-BAD-SETTING when more than 4096 are
   */
  async coactivation(sae, acts, options) {
    const { settings, control } = take("coactivation", defaults.coactivation, options, ["signal", "onProgress"]);
    return this.#call("coactivation", [...this.#saeAndActs(sae, acts), settings], control);
  }

  /**
   * What some features are on every row: columns of the encoded data set.
   *
   * @param {Sae} sae
   * @param {Acts} acts
   * @param {Partial<import("./types-analysis.js").FeatureActsSettings> & Control} options  `features` are required
   * @returns {Promise<import("./types-analysis.js").FeatureActs>}
   */
  async featureActs(sae, acts, options) {
    const { settings, control } = take("featureActs", defaults.featureActs, options, ["signal", "onProgress"]);
    required("featureActs", "features", settings.features);
    const sent = { ...settings, features: [...toIds("featureActs", "number in “features”", settings.features)] };
    return this.#call("featureActs", [...this.#saeAndActs(sae, acts), sent], control);
  }

  /**
   * The strongest features of every row, and how many are active there.
   *
   * @param {Sae} sae
   * @param {Acts} acts
   * @param {Partial<import("./types-analysis.js").PerTokenSettings> & Control} [options]
   * @returns {Promise<import("./types-analysis.js").PerToken>}
   */
  async perToken(sae, acts, options) {
    const { settings, control } = take("perToken", defaults.perToken, options, ["signal", "onProgress"]);
    return this.#call("perToken", [...this.#saeAndActs(sae, acts), settings], control);
  }

  /**
   * For each feature of the second SAE the features of the first that point most in its direction: how features split. Numbers
   * of different SAEs have nothing to do with each other.
   *
   * @param {Sae} saeA
   * @param {Sae} saeB
   * @param {Partial<import("./types-analysis.js").MatchingSettings> & Control} [options]
   * @returns {Promise<import("./types-analysis.js").Matching>}
   */
  async matching(saeA, saeB, options) {
    const { settings, control } = take("matching", defaults.matching, options, ["signal", "onProgress"]);
    return this.#call("matching", [this.#sae(saeA), this.#sae(saeB), settings], control);
  }

  /**
   * Features ranked by how well each alone tells positive from negative activations.
   *
   * @param {Sae} sae
   * @param {Acts} positive
   * @param {Acts} negative
   * @param {Partial<import("./types-analysis.js").ConceptsSettings> & Control} [options]
   * @returns {Promise<import("./types-analysis.js").Concepts>}
   */
  async concepts(sae, positive, negative, options) {
    const { settings, control } = take("concepts", defaults.concepts, options, ["signal", "onProgress"]);
    return this.#call("concepts", [this.#sae(sae), ...this.#twoActs(positive, negative), settings], control);
  }

  /**
   * The direction from negative to positive activations: the difference of their means. For `steer`, or to be decomposed.
   *
   * @param {Acts} positive
   * @param {Acts} negative
   * @param {Partial<import("./types-analysis.js").ContrastSettings> & Control} [options]
   * @returns {Promise<import("./types-analysis.js").Contrast>}
   */
  async contrast(positive, negative, options) {
    const { settings, control } = take("contrast", defaults.contrast, options, ["signal", "onProgress"]);
    return this.#call("contrast", [...this.#twoActs(positive, negative), settings], control);
  }

  /**
   * A linear probe that tells positive from negative activations: logistic regression. `onProgress`: {phase: "analyse", done,
   * total} in fits, of all rows and of all but each fold.
   *
   * @param {Acts} positive
   * @param {Acts} negative
   * @param {Partial<import("./types-analysis.js").ProbeSettings> & Control} [options]
   * @returns {Promise<import("./types-analysis.js").Probe>}
   */
  async probe(positive, negative, options) {
    const { settings, control } = take("probe", defaults.probe, options, ["signal", "onProgress"]);
    return this.#call("probe", [...this.#twoActs(positive, negative), settings], control);
  }

  /**
   * What an SAE makes of a direction: the features it is encoded as, and the decoder rows that point its way.
   *
   * @param {Sae} sae
   * @param {import("./types.js").Numbers} vector  dIn numbers
   * @param {Partial<import("./types-analysis.js").DecomposeSettings> & {signal?: AbortSignal}} [options]
   * @returns {Promise<import("./types-analysis.js").Decomposition>}
   */
  async decompose(sae, vector, options) {
    const { settings, control } = take("decompose", defaults.decompose, options, ["signal"]);
    return this.#call("decompose", [this.#sae(sae), toVector("decompose", "vector", vector), settings], control);
  }

  /**
   * Features by tokens over one text: the k strongest features, or those given.
   *
   * @param {import("./model.js").Model} model
   * @param {Sae} sae
   * @param {string} text
   * @param {Partial<import("./types.js").HeatmapSettings> & {signal?: AbortSignal}} [options]
   * @returns {Promise<import("./types.js").Heatmap>}
   */
  async heatmap(model, sae, text, options) {
    const { settings, control } = take("heatmap", defaults.heatmap, options, ["signal"]);
    const { features, ...rest } = settings;
    const sent = features === null ? rest : { ...rest, features: [...toIds("heatmap", "number in “features”", features)] };
    const ids = [handleOf(model, this.#client, "model"), this.#sae(sae)];
    return this.#call("heatmap", [...ids, toText("heatmap", text), sent], control);
  }

  /**
   * How well an SAE stands for activations: sparsity, error, four explained variances by name, density of every
   * latent; with and without position 0. `onProgress`: {phase: "analyse", done, total} in rows.
   *
   * @param {Sae} sae
   * @param {Acts} acts
   * @param {Partial<import("./types.js").QualitySettings> & Control} [options]  a transcoder needs `target`
   * @returns {Promise<import("./types.js").Quality>}
   */
  async quality(sae, acts, options) {
    const { settings, control } = take("quality", defaults.quality, options, ["signal", "onProgress"]);
    const { target, ...sent } = settings;
    const targetId = target === null ? null : handleOf(target, this.#client, "acts");
    return this.#call("quality", [...this.#saeAndActs(sae, acts), targetId, sent], control);
  }

  /**
   * What the model loses when an SAE's output stands in for its activations: cross-entropy and KL divergence
   * against the clean model, beside zero and mean ablation of the same hook. `onProgress`: {phase: "analyse", done, total}
   * in sequences, each of which counts twice.
   *
   * @param {import("./model.js").Model} model
   * @param {Sae} sae
   * @param {string | readonly import("./types.js").TextOrIds[]} texts  lists of token ids are run as they are
   * @param {Partial<import("./types.js").SplicedSettings> & Control} [options]
   * @returns {Promise<import("./types.js").Spliced>}
   */
  async spliced(model, sae, texts, options) {
    const { settings, control } = take("spliced", defaults.spliced, options, ["signal", "onProgress"]);
    const given = typeof texts === "string" ? [texts] : toList("spliced", "texts", texts);
    const sent = { ...settings, withoutFeatures: [...toIds("spliced", "number in “withoutFeatures”", settings.withoutFeatures)] };
    const ids = [handleOf(model, this.#client, "model"), this.#sae(sae)];
    return this.#call("spliced", [...ids, given.map((text) => toInput("spliced", text)), sent], control);
  }

  /**
   * How well found directions are the true ones of a world where these are known (`lab.toy`): `mcc` is SAELens's mean correlation
   * coefficient, the mean |cosine| of the best one-to-one pairs. With the activations of both on the same rows also the F1 of each pair, of
   * telling by the latent whether the feature is there.
   *
   * Compare `mcc` with that of random directions: in few dimensions chance scores high, 0.6 for twenty in ten, 0.9 for five in two.
   *
   * @param {import("./types.js").TensorLike} found  [n, d], as W_dec of an SAE
   * @param {import("./types.js").TensorLike} truth  [m, d]
   * @param {Partial<import("./types.js").MatchSettings> & Control} [options]
   * @returns {Promise<import("./types.js").Matching>}
   */
  async matchFeatures(found, truth, options) {
    return matchFeatures(this.#client, found, truth, options);
  }

  /**
   * @param {unknown} sae
   * @param {unknown} acts
   */
  #saeAndActs(sae, acts) {
    return [this.#sae(sae), handleOf(acts, this.#client, "acts")];
  }

  /**
   * @param {unknown} positive
   * @param {unknown} negative
   */
  #twoActs(positive, negative) {
    return [positive, negative].map((acts) => handleOf(acts, this.#client, "acts"));
  }

  /** @param {unknown} sae */
  #sae(sae) {
    return handleOf(sae, this.#client, "sae");
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {Control} control
   */
  #call(method, args, { signal, onProgress }) {
    return this.#client.call(method, args, { signal, onStep: onProgress }).result;
  }
}
