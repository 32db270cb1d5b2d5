// @ts-check
// "The same in code": each step with the public module. A script goes on from those of the earlier steps.

import { ownTexts, textsOf } from "./prompts.js";
import { rowsOptions, saeOptions, streamOptions, trainingOptions } from "./sae-options.js";

/** @typedef {Record<string, any>} Values */

const text = (/** @type {unknown} */ value) => JSON.stringify(value);

/** The result, or null while the settings hold something that cannot be. @template T @param {() => T} work @returns {T | null} */
function attempt(work) {
  try {
    return work();
  } catch {
    return null;
  }
}

/** An object literal, one property a line; properties that are undefined are left out. @param {Record<string, unknown>} object @param {string} [more] */
function literal(object, more = "") {
  const lines = Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `  ${name}: ${text(value)},`);
  return `{\n${[...lines, more && `  ${more}`].filter(Boolean).join("\n")}\n}`;
}

/** @param {Values} values */
export function tokens({ prompt, prependBos, ...sampling }) {
  return `import { openLab } from "./sae-lab.js";

const lab = await openLab({ device: "auto" });
const model = await lab.loadModel("tiny");
const prompt = ${text(prompt)};

const read = await model.run(prompt, { prependBos: ${prependBos}, logits: "all", topK: 10 });
console.log(read.tokens.tokens, read.tokens.ids);
console.log("loss in nats:", read.loss);
console.table(read.top);

const made = await model.generate(prompt, ${literal({ ...sampling, prependBos }, "onToken: ({ token }) => console.log(token),")});
console.log(made.text);
`;
}

/** @param {Values} values @param {Values} options */
export const collect = (values, options) => `// goes on from step 1
const texts = [
${textsOf(values)
  .map((prompt) => `  ${text(prompt)},\n`)
  .join("")}];

const acts = await model.collect(texts, ${literal(options)});
console.log(acts.shape, acts.hook);
console.table([acts.stats.all, acts.stats.withoutPosition0]);
`;

/**
 * @param {Values} values @param {{hook: string, center: boolean, prependBos: boolean}} data @param {number} width @param {number[]} moved where the coefficient was moved to
 */
export function train(values, data, width, moved) {
  const { dIn: _, ...made } = attempt(() => saeOptions(values, width)) ?? { dIn: width };
  const streaming = values.rowsFrom === "stream";
  const onProgress = 'onProgress: (p) => { if (!("phase" in p)) console.log(p); }, // one object per ' + (streaming ? "entry" : "epoch");
  const note = moved.length ? `// on the page the coefficient was moved while this ran, last to ${text(moved.at(-1))}; sae.setL1(${text(moved.at(-1))}) does that\n` : "";
  return `// goes on from step 2
const dIn = acts.shape[1];
const sae = await lab.createSae(${literal(made, "dIn,")});

${note}${
    streaming
      ? `const { histories: [entries] } = await lab.trainStream(model, [sae], texts, ${literal({ ...streamOptions(values, data), ...trainingOptions(values) }, onProgress)});
console.table(entries.at(-1));
`
      : `const { epochs } = await sae.train(acts, ${literal({ ...rowsOptions(values), ...trainingOptions(values) }, onProgress)});
console.table(epochs.at(-1));
`
  }
// SAELens's files: cfg.json, sae_weights.safetensors, sparsity.safetensors
const files = await sae.save({ dtype: "float32" });
`;
}

/** @param {Values} values @param {{hook: string, center: boolean, prependBos: boolean}} reading what step 2 reads */
export function load(values, { hook, center, prependBos }) {
  const checkpoint = values.source === "checkpoint";
  const source =
    values.source === "files"
      ? "{ files: document.querySelector(\"input[type=file]\").files } // cfg.json and sae_weights.safetensors"
      : values.source === "url"
        ? `{ baseUrl: ${text(String(values.baseUrl ?? "").trim())} }`
        : text(values[values.source]);
  return `// goes on from step 2
${
  checkpoint
    ? `const file = document.querySelector("input[type=file]").files[0];
const sae = await lab.restoreSae(new Uint8Array(await file.arrayBuffer()));`
    : `const sae = await lab.loadSae(${source}, { onProgress: console.log });`
}
console.log(sae.config);

// what does not fit between it and the rows of step 2
for (const { message } of await sae.mismatches(model, { hook: ${text(hook)}, center: ${center}, prependBos: ${prependBos} })) {
  console.warn(message);
}
`;
}

/** @param {Values} values */
export const features = ({ k, skipPosition0, by }) => `// goes on from step 3
const top = await lab.analysis.topFeatures(sae, acts, ${literal({ k, skipPosition0, by })});
console.log(top.alive, "features are active somewhere");
console.table(top.features);
`;

/** @param {Values} values */
export const examples = ({ feature, k, skipPosition0, context }) => `// goes on from step 4
const feature = ${feature === null ? "top.features[0].feature" : text(feature)};
const { examples } = await lab.analysis.examples(sae, acts, ${literal({ k, skipPosition0, context }, "feature,")});
for (const { activation, before, token, after } of examples) {
  console.log(activation.toFixed(3), before.join(""), "[" + token + "]", after.join(""));
}
`;

/** @param {Values} values @param {{hook: string, center: boolean}} data */
export const heatmap = ({ prompt, k, skipPosition0, prependBos }, { hook, center }) => `// goes on from step 3
const map = await lab.analysis.heatmap(model, sae, ${text(prompt)}, ${literal({ hook, center, prependBos, k, skipPosition0 })});
const [rows, columns] = map.shape;
console.table(map.features.map((feature, row) => ({
  feature,
  ...Object.fromEntries(map.tokens.map((token, i) => [i + " " + token, map.data[row * columns + i]])),
})));
`;

/** @param {Values} values @param {string} hook @param {number[]} features none: the first of step 4 */
export const steer = ({ prompt, strength, direction, maxNewTokens, prependBos, stopAtEos }, hook, features) => `// goes on from step ${features.length ? 3 : 4}
const prompt7 = ${text(prompt)};
const settings = { maxNewTokens: ${text(maxNewTokens)}, temperature: 0, prependBos: ${prependBos}, stopAtEos: ${stopAtEos} };
const steer = ${features.length ? text(features) : "[top.features[0].feature]"}.map((feature) => (
  { hook: ${text(hook)}, sae, feature, strength: ${text(strength)}, direction: ${text(direction)} }));

const plain = await model.generate(prompt7, settings);
const steered = await model.generate(prompt7, { ...settings, steer });
console.log(plain.text);
console.log(steered.text);
`;

/** @param {Values} values @param {{hook: string, center: boolean, prependBos: boolean}} data */
export const quality = ({ own, skipSpecial, keepError }, { hook, center, prependBos }) => `// goes on from step 3
const { all, withoutPosition0, histogram, density } = await lab.analysis.quality(sae, acts);
console.table({ all, withoutPosition0 });
console.log("features by log10 of their density:", histogram);

const at = { hook: ${text(hook)}, center: ${center}, prependBos: ${prependBos} };
const spliced = await lab.analysis.spliced(model, sae, texts, { ...at, contextSize: model.config.nCtx, skipSpecial: ${skipSpecial}, keepError: ${keepError} });
console.table(spliced); // nats a token: clean, with the SAE, with zeros, with the mean row
${
  String(own).trim()
    ? `
const own = [
${ownTexts({ own })
  .map((line) => `  ${text(line)},\n`)
  .join("")}];
const ownActs = await model.collect(own, at);
console.table((await lab.analysis.quality(sae, ownActs)).all);
console.table(await lab.analysis.spliced(model, sae, own, { ...at, contextSize: model.config.nCtx, skipSpecial: ${skipSpecial}, keepError: ${keepError} }));
`
    : ""
}
lab.dispose();
`;
