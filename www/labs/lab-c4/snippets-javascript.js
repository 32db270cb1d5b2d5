// @ts-check
// "The same in code" with the public module. A script goes on from those of the steps that it needs.

import { chosenPrompts } from "./prompts.js";
import { STEPS } from "./steps.js";

/** @typedef {Record<string, any>} Values */
/** @typedef {import("../../ui/conventions.js").Conventions} Conventions */

const text = (/** @type {unknown} */ value) => JSON.stringify(value);
const from = (/** @type {keyof typeof STEPS} */ step) => `// goes on from step ${STEPS[step]}\n`;
const list = (/** @type {string} */ own) =>
  String(own ?? "")
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => line.replaceAll("\\n", "\n"));
const numbers = (/** @type {unknown} */ own) => (String(own ?? "").match(/[\d.e-]+/g) ?? []).map(Number).filter(Number.isFinite);
const hook = (/** @type {Values} */ { layer }) => `blocks.${layer ?? 6}.hook_resid_post`;
const view = (/** @type {Values} */ values) => values.view !== "hf";

/** An object literal on one line; what is undefined is left out. @param {Values} object @param {string} [more] */
const inline = (object, more = "") =>
  `{ ${[
    ...Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}: ${text(value)}`),
    more,
  ]
    .filter(Boolean)
    .join(", ")} }`;

/** The line that makes an autoencoder of the notebook's kind. @param {Values} values @param {string} [more] added to the seed */
function made({ weights = "tied", expansion = 4, encoderBias = "zeros", seed = 0 }, more = "") {
  const init = encoderBias === "zeros" ? "" : `, init: { encoder: "kaiming", decoder: "kaiming-linear", decoderNorm: null, encoderBias: "torch-linear" }`;
  return `const sae = await lab.createSae({ architecture: ${text(weights)}, dIn, dSae: Math.round(${text(expansion)} * dIn), seed: ${text(seed)}${more}${init} });`;
}

/** @param {Values} values */
export const autoencoder = (values) => `${from("setup")}const dIn = model.config.dModel;
${made(values)}
console.log(sae.config.dIn, sae.config.dSae, sae.config.dSae / dIn, sae.config.parameters);
`;

/** @param {Values} values */
export const forward = ({ rows }) => `${from("autoencoder")}const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const x = { data: Float32Array.from({ length: ${text(rows)} * dIn }, normal), shape: [${text(rows)}, dIn] };
const features = await sae.encode(x);
const back = await sae.decode(features);
const { data } = await features.read();
console.log(x.shape, features.shape, back.shape);
console.log("fraction > 0:", data.filter((f) => f > 0).length / data.length);
`;

/** @param {Values} values */
export const prompts = (values) => `${from("setup")}const texts = [
${chosenPrompts({ samples: values.samples ?? [], own: values.own ?? "" })
  .map((prompt) => `  ${text(prompt.text)},\n`)
  .join("")}];
for (const prompt of texts) {
  const { tokens } = await model.tokenize(prompt, { prependBos: ${values.prependBos} });
  console.log(tokens.length, tokens);
}
`;

/** @param {Values} values */
export const activations = (values) => `${from("prompts")}const at = ${inline({ hook: hook(values), prependBos: values.prependBos, center: view(values) })};
const prompted = await model.collect(texts, { ...at, position: ${text(values.position)}, seed: ${text(values.seed)} });
console.log(prompted.shape, prompted.stats.distinctRows, "distinct");
console.table([prompted.stats.all, prompted.stats.withoutPosition0]);
`;

/** @param {Values} values */
export const randomTokens = ({ count, length, minId, maxId, randomBos, seed }) => `${from("activations")}const acts = await model.collect(texts, {
  ...at,
  randomSequences: ${inline({ count, length, minId, maxId })},
  seed: ${text(seed)},
});${randomBos ? "\n// with a BOS in front: pass lists of ids, [model.config.bos, …ids], among the texts instead" : ""}
console.log(acts.shape, acts.stats.distinctRows, "distinct");
const { text, position, token } = await acts.rows(); // where each row comes from; random sequences have negative numbers
`;

/** @param {Values} values */
export const train = (values) => {
  const { epochs, batchSize, lr, l1, heldOut, seed, printEvery } = values;
  return `${from("random-tokens")}const dIn = acts.shape[1];
${made(values)}
const { epochs } = await sae.train(acts, {
  ...${inline({ epochs, batchSize, lr, l1, seed, ...(heldOut ? { heldOut } : {}) })},
  onProgress(p) {
    if (!("phase" in p) && p.epoch % ${text(printEvery)} === 0) console.log(p.epoch, p.recon, p.fracActive, p.nActive);
  },
});
console.table(epochs.at(-1));
console.table((await lab.analysis.quality(sae, acts)).all); // with the finished weights
`;
};

/** @param {Values} values @param {boolean} skipPosition0 */
export const topFeatures = ({ k, by }, skipPosition0) => `${from("train")}const top = await lab.analysis.topFeatures(sae, acts, ${inline({ k, by, skipPosition0 })});
console.table(top.features);
`;

/** @param {Values} values @param {boolean} skipPosition0 */
export const examples = ({ features, howMany, k, context }, skipPosition0) => `${from("top-features")}for (const feature of ${
  numbers(features).length ? text(numbers(features)) : `top.features.slice(0, ${text(howMany)}).map((f) => f.feature)`
}) {
  const { examples } = await lab.analysis.examples(sae, prompted, ${inline({ k, context, skipPosition0 }, "feature")});
  for (const { activation, token, before, after } of examples) console.log(feature, activation.toFixed(3), before.join(""), "[" + token + "]", after.join(""));
}
`;

/** @param {Values} values */
export const heatMaps = ({ prompts: own, k }) => `${from("train")}for (const prompt of ${text(list(own))}) {
  const map = await lab.analysis.heatmap(model, sae, prompt, { ...at, k: ${text(k)} });
  console.log(map.features, map.tokens, map.data); // [features, tokens]
}
`;

/** @param {Values} values */
export const generate = ({ prompt, how, temperature, maxNewTokens, seed, prependBos }) => `${from("setup")}const made = await model.generate(${text(prompt)}, ${inline({ maxNewTokens, temperature: how === "greedy" ? 0 : temperature, seed: how === "greedy" ? undefined : seed, prependBos })});
console.log(made.text);
const { top } = await model.run(${text(prompt)}, { topK: 5, prependBos: ${prependBos} });
console.table(top);
`;

/** @param {Values} values @param {Conventions} _conventions */
export const steer = ({ prompt, ranks, strength, maxNewTokens, prependBos }, _conventions) => `${from("top-features")}const greedy = ${inline({ maxNewTokens, temperature: 0, prependBos })};
console.log((await model.generate(${text(prompt)}, greedy)).text);
for (const rank of ${text(numbers(ranks))}) {
  const { feature } = top.features[rank];
  for (const direction of ["decode-one-hot-unit", "decoder-unit"]) { // with the bias, as in the notebook; without
    const steer = [{ hook: at.hook, sae, feature, strength: ${text(strength)}, direction }];
    console.log(feature, direction, (await model.generate(${text(prompt)}, { ...greedy, stopAtEos: false, steer })).text);
  }
}
`;

/** @param {Values} values @param {Conventions} conventions */
export const controls = ({ prompt, feature, strength, maxNewTokens, prependBos }, { direction }) => `${from("top-features")}const prompt = ${text(prompt)};
const feature = ${feature === null ? "top.features[0].feature" : text(feature)};
const one = (strength) => [{ hook: at.hook, sae, feature, strength, direction: ${text(direction)} }];
const random = Float32Array.from({ length: dIn }, () => Math.random() + Math.random() + Math.random() - 1.5);
const ways = { plain: [], steered: one(${text(strength)}), opposite: one(${text(-strength)}), random: [{ hook: at.hook, vector: random.map((x) => x / Math.hypot(...random)), strength: ${text(strength)} }] };
for (const [name, steer] of Object.entries(ways)) {
  const { text } = await model.generate(prompt, { maxNewTokens: ${text(maxNewTokens)}, temperature: 0, prependBos: ${prependBos}, stopAtEos: false, steer });
  const { top: [likeliest] } = await model.run(prompt, { prependBos: ${prependBos}, steer, topK: 1 });
  console.log(name, text, likeliest);
}
`;

/** The rows of the exercises. @param {Values} values @param {string} layer */
const solutionRows = ({ texts: own, repeats, prependBos, ...values }, layer) => `const prompts = ${text(list(own))};
const rowsOf = (layer) => model.collect(Array.from({ length: ${text(repeats)} }, () => prompts).flat(), { hook: \`blocks.\${layer}.hook_resid_post\`, prependBos: ${prependBos}, center: ${view(values)} });
${layer}`;

/** @param {Values} values */
export const sweep = (values) => `${from("setup")}const dIn = model.config.dModel;
${solutionRows(values, `const rows = await rowsOf(${text(values.layer)});`)}
for (const l1 of ${text(numbers(values.coefficients))}) {
  ${made(values)}
  await sae.train(rows, ${inline({ epochs: values.epochs, batchSize: values.batchSize, lr: values.lr, seed: values.seed }, "l1")});
  const { all } = await lab.analysis.quality(sae, rows);
  console.log(l1, "recon", all.meanMse, "active", all.l0, "explained", all.evPerDimension);
  await sae.dispose();
}
`;

/** @param {Values} values */
export const coactivation = (values) =>
  values.which === "trained"
    ? `${from("train")}const { pairs, matrix } = await lab.analysis.coactivation(sae, acts, ${inline({ minFrequency: values.minFrequency, pairs: values.pairs, matrixUpTo: values.matrixUpTo })});
console.table(pairs);
`
    : `${from("setup")}const dIn = model.config.dModel;
${solutionRows(values, `const rows = await rowsOf(${text(values.layer)});`)}
${made(values)}
await sae.train(rows, ${inline({ epochs: values.epochs, batchSize: values.batchSize, lr: values.lr, l1: values.l1, seed: values.seed })});
const { pairs, matrix } = await lab.analysis.coactivation(sae, rows, ${inline({ minFrequency: values.minFrequency, pairs: values.pairs, matrixUpTo: values.matrixUpTo })});
console.table(pairs);
`;

/** @param {Values} values */
export const layers = (values) => `${from("setup")}const dIn = model.config.dModel;
${solutionRows(values, "const saes = [];")}
for (const layer of ${text(numbers(values.layers))}) {
  const rows = await rowsOf(layer);
  ${made(values, " + saes.length")} // another start for each
  await sae.train(rows, ${inline({ epochs: values.epochs, batchSize: values.batchSize, lr: values.lr, l1: values.l1, seed: values.seed })});
  const { features } = await lab.analysis.topFeatures(sae, rows, { k: 5, by: "mean" });
  console.log(layer, features.map((f) => f.feature), (await lab.analysis.quality(sae, rows)).all.l0);
  saes.push(sae);
}
console.log((await lab.analysis.matching(saes[0], saes[1], { k: 1 })).best); // cosine of each feature's nearest in the other
`;

/** @param {Values} values */
export const littleData = ({ few, elsewhere, steps, l1, seed, prependBos, ...values }) => `${from("prompts")}const dIn = model.config.dModel;
const at = ${inline({ hook: hook(values), prependBos, center: view(values) })};
const others = await model.collect(${text(list(elsewhere))}, at);
for (const prompts of [${text(list(few))}, texts]) {
  const rows = await model.collect(prompts, at);
  const sae = await lab.createSae({ dIn, dSae: 4 * dIn, seed: ${text(seed)} });
  const epochs = Math.round(${text(steps)} / Math.ceil(rows.shape[0] / 256));
  await sae.train(rows, { epochs, l1: ${text(l1)}, seed: ${text(seed)} });
  for (const judged of [rows, others]) console.log((await lab.analysis.quality(sae, judged)).withoutPosition0);
}
`;

/** @param {Values} values */
export const balance = ({ coefficients, epochs, batchSize, seed }) => `${from("activations")}const dIn = model.config.dModel;
for (const l1 of ${text(numbers(coefficients))}) {
  const sae = await lab.createSae({ dIn, dSae: 4 * dIn, seed: ${text(seed)} });
  await sae.train(prompted, ${inline({ epochs, batchSize, seed }, "l1")});
  const { all } = await lab.analysis.quality(sae, prompted);
  console.log(l1, all.l0, all.evPerDimension);
}
`;

/** @param {Values} _values */
export const neurons = (_values) => `${from("train")}const { W_dec } = await sae.weights(); // [dSae, dIn]
for (let i = 0; i < sae.config.dSae; i += 1) {
  const row = W_dec.data.subarray(i * dIn, (i + 1) * dIn);
  const sum = (power) => row.reduce((s, x) => s + x ** power, 0);
  console.log(i, "spreads over", sum(2) ** 2 / sum(4), "of", dIn, "dimensions");
}
`;

/** @param {Values} values */
export const challenge = ({ expansion, tokens, l1, batchSize, lr, heldOut, layer, seed, prependBos, ...values }) => `${from("setup")}const file = await fetch("./labs/texts/challenge.txt"); // or files of your own
const corpus = (await file.text()).split("<|endoftext|>");
const wide = await lab.createSae({ architecture: "standard", dIn: model.config.dModel, dSae: ${text(Number(expansion))} * model.config.dModel, seed: ${text(seed)}, normalizeActivations: "expected_average_only_in" });
const at = ${inline({ hook: hook({ layer }), prependBos, center: view(values) })};
const { histories: [history] } = await lab.trainStream(model, [wide], corpus, {
  ...at,
  ...${inline({ tokens, l1, batchSize, lr, heldOut, seed, contextSize: 128, skipPosition0: true, l1WarmUpSteps: 100 })},
});
console.table(history.at(-1));
`;

/** @param {Values} values */
export const concepts = ({ k, per }) => `${from("challenge-train")}const withIt = ["Where is the station?", "Who wrote this letter?", "Can fish hear?"];
const without = ["The station is over there.", "A friend wrote this letter.", "Fish can hear."];
const [yes, no] = await Promise.all([withIt, without].map((sentences) => model.collect(sentences, at)));
const { features } = await lab.analysis.concepts(wide, yes, no, ${inline({ k, per, skipPosition0: true })});
console.table(features); // AUROC of each; judge it again on other sentences
`;
