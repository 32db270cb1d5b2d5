// @ts-check
// "The same in code" for cells 1 to 12: with the public module, and with TransformerLens and SAELens. A script goes on from those of the earlier steps.

import { py } from "../../ui/snippets-python.js";
import { linesOf } from "./steps.js";

/** @typedef {Record<string, any>} Values */

export const js = (/** @type {unknown} */ value) => JSON.stringify(value);
/** @param {Values} values */
const center = ({ view }) => view === "tl";
/** @param {readonly string[]} texts */
export const jsList = (texts) => `[\n${texts.map((text) => `  ${js(text)},\n`).join("")}]`;
/** @param {readonly string[]} texts */
export const pyList = (texts) => `[\n${texts.map((text) => `    ${py(text)},\n`).join("")}]`;
/** TransformerLens takes the mean out of the residual stream when it loads the weights; Hugging Face's view leaves it in. @param {Values} values */
const loader = (values) => (values.view === "hf" ? "from_pretrained_no_processing" : "from_pretrained");

/** @param {Values} values */
export const setupJs = ({ seed }) => `import { openLab } from "./sae-lab.js";

const lab = await openLab();              // lab.info: what computes, and why
const model = await lab.loadModel("tiny");
const seed = ${js(seed)};
console.log(lab.info.device, model.config.nLayers, model.config.dModel);
`;

/** @param {Values} values */
export const setupPy = ({ seed }) => `# pip install transformer-lens sae-lens
import torch
from transformer_lens import HookedTransformer
from sae_lens import SAE

device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(${py(seed)})
torch.set_grad_enabled(False)
model = HookedTransformer.from_pretrained("gpt2-small", device=device)
print(device, model.cfg.n_layers, model.cfg.d_model)
`;

/** @param {Values} values */
export function loadJs(values) {
  const { source, shipped, published, baseUrl, architecture, expansion, epochs, seed } = values;
  if (source === "train")
    return `// goes on from step 1; texts are prompts of your own, or Lab C.4's
const rows = await model.collect(texts, { hook: "blocks.8.hook_resid_pre" });
const sae = await lab.createSae({ architecture: ${js(architecture)}, dIn: rows.shape[1], dSae: ${js(expansion)} * rows.shape[1], seed: ${js(seed)}${architecture === "topk" ? ", k: 24" : ""} });
await sae.train(rows, { epochs: ${js(epochs)}, batchSize: 128, lr: 1e-3, seed: ${js(seed)}${architecture === "standard" ? ", l1: 1" : ""} });
`;
  const from = source === "files" ? "{ files: input.files }" : source === "url" ? `{ baseUrl: ${js(String(baseUrl ?? "").trim())} }` : js(source === "published" ? published : shipped);
  return `// goes on from step 1
${source === "checkpoint" ? "const sae = await lab.restoreSae(new Uint8Array(await file.arrayBuffer()));" : `const sae = await lab.loadSae(${from});`}
const { dIn, dSae, metadata } = sae.config;
console.log(dIn, dSae, dSae / dIn, metadata.hookName);
console.table(await sae.mismatches(model, { hook: metadata.hookName }));
`;
}

/** @param {Values} values @param {string} model */
export function loadPy({ source, published, shipped }, model) {
  if (source === "published") {
    const [release, ...id] = String(published).split("/");
    return `# goes on from step 1
sae = SAE.from_pretrained(release=${py(release)}, sae_id=${py(id.join("/"))}, device=device)
# before SAELens 6 this gave three things: sae, cfg_dict, sparsity
print(sae.cfg.d_in, sae.cfg.d_sae, sae.cfg.d_sae / sae.cfg.d_in)
`;
  }
  const folder =
    source === "shipped" ? `${shipped} comes with the lab, for its model ${model}: copy its folder` : source === "train" ? "trained on the page: “Keep it” there saves the files" : "the folder that holds cfg.json and sae_weights.safetensors";
  return `# goes on from step 1
# ${folder}
sae = SAE.load_from_disk("my-sae", device=device, dtype="float32")
print(sae.cfg.d_in, sae.cfg.d_sae, sae.cfg.d_sae / sae.cfg.d_in)
`;
}

/** @param {Values} values */
export const tokensJs = ({ text, prependBos }) => `// goes on from step 1
const text = ${js(text)};
const { tokens, ids, raw } = await model.tokenize(text, { prependBos: ${js(prependBos)} });
console.log(tokens);
`;

/** @param {Values} values */
export const tokensPy = ({ text, prependBos }) => `# goes on from step 1
text = ${py(text)}
tokens = model.to_tokens(text, prepend_bos=${py(prependBos)})
print([model.to_string(t) for t in tokens[0]])
`;

/** @param {Values} values @param {string} hook */
export const activationsJs = (values, hook) => `// goes on from steps 2 and 3
const hook = ${js(hook)};
const reading = { prependBos: ${js(values.prependBos)}, center: ${js(center(values))} };
const run = await model.run(text, { hooks: [hook], logits: "none", ...reading });
const activations = run.hooks[hook];
console.log(activations.shape);           // [positions, dModel]
`;

/** @param {Values} values @param {string} hook */
export const activationsPy = (values, hook) => `# goes on from steps 2 and 3
${values.view === "hf" ? `model = HookedTransformer.${loader(values)}("gpt2-small", device=device)\n` : ""}hook = ${py(hook)}
_, cache = model.run_with_cache(tokens)
activations = cache[hook]
print(activations.shape)                  # batch, positions, d_model
print(activations[0].norm(dim=-1))
`;

export const featuresJs = () => `// goes on from step 4
const onDevice = await sae.encode(activations);
const features = await onDevice.read();   // { data, shape: [positions, dSae] }
await onDevice.dispose();
console.log(features.shape);
`;

export const featuresPy = () => `# goes on from step 4
feature_acts = sae.encode(activations)
print(feature_acts.shape)                 # batch, positions, features
`;

export const sparsityJs = () => `// goes on from step 5
const [positions, total] = features.shape;
const active = Array.from({ length: positions }, (_, i) =>
  features.data.subarray(i * total, (i + 1) * total).filter((x) => x > 0).length);
const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
console.log(active, mean(active), mean(active.slice(1)), 1 - mean(active) / total);
`;

export const sparsityPy = () => `# goes on from step 5
active = (feature_acts[0] > 0).sum(dim=-1).float()
print(active, active.mean(), active[1:].mean())
print(f"{100 * (1 - active.mean() / feature_acts.shape[-1]):.2f}%")
`;

/** @param {Values} values */
export const topJs = ({ k }) => `// goes on from step 5
tokens.forEach((token, i) => {
  const acts = features.data.subarray(i * total, (i + 1) * total);
  const top = [...acts.keys()].sort((a, b) => acts[b] - acts[a]).slice(0, ${js(k)});
  console.log(token, top.map((f) => \`#\${f}(\${acts[f].toFixed(2)})\`).join(", "));
});
`;

/** @param {Values} values */
export const topPy = ({ k }) => `# goes on from step 5
for token, acts in zip(model.to_str_tokens(tokens[0]), feature_acts[0]):
    values, numbers = acts.topk(${py(k)})
    print(f"{token!r:15}", [f"#{i}({v:.2f})" for i, v in zip(numbers.tolist(), values.tolist())])
`;

export const strongestJs = () => `// goes on from step 5
const strongest = (from) => {
  let at = from * total;
  for (let i = at; i < features.data.length; i += 1) if (features.data[i] > features.data[at]) at = i;
  return { feature: at % total, position: Math.floor(at / total), activation: features.data[at] };
};
console.log("all positions:", strongest(0));
console.log("without position 0:", strongest(1));
`;

export const strongestPy = () => `# goes on from step 5
for first in (0, 1):                      # all positions, then without position 0
    acts = feature_acts[0, first:]
    position, feature = divmod(acts.argmax().item(), acts.shape[-1])
    print(f"#{feature}: {acts.max():.2f} at position {position + first}")
`;

const feature = (/** @type {number | null} */ chosen, /** @type {number | null} */ typed) => typed ?? chosen ?? 0;

/** @param {Values} values @param {number | null} chosen */
export const textsJs = (values, chosen) => `// goes on from step 4
const feature = ${feature(chosen, values.feature)};
const texts = ${jsList(linesOf(values.texts))};
const tested = await model.collect(texts, { hook, ...reading });
const { data } = await lab.analysis.featureActs(sae, tested, { features: [feature] });
const from = await tested.rows();         // which text and position each row is of
const most = texts.map((_, t) => Math.max(...data.filter((_, i) => from.text[i] === t)));
const largest = Math.max(...most, 1e-9);
texts.forEach((text, t) => console.log(most[t].toFixed(2), "█".repeat(Math.round(20 * most[t] / largest)), text));
`;

/** @param {Values} values @param {number | null} chosen */
export const textsPy = (values, chosen) => `# goes on from step 4
feature = ${feature(chosen, values.feature)}
texts = ${pyList(linesOf(values.texts))}

def largest(text, first=0):               # first=1: without position 0
    _, cache = model.run_with_cache(model.to_tokens(text, prepend_bos=${py(values.prependBos)}), names_filter=hook)
    return sae.encode(cache[hook])[0, first:, feature].max().item()

most = [largest(text) for text in texts]
for text, act in zip(texts, most):
    print(f"{act:6.2f} {'█' * round(20 * act / max(*most, 1e-9)):20} {text[:50]!r}")
`;

/** @param {Values} values */
export const reconstructionJs = (values) => `// goes on from step 4
const acts = await model.collect(${js(linesOf(values.texts))}, { hook, ...reading });
const { all, withoutPosition0 } = await lab.analysis.quality(sae, acts);
const figures = ["meanMse", "evGlobal", "evPerDimension", "evLegacy", "evDictionaryLearning"];
console.table(figures.map((name) => ({ name, all: all[name], withoutPosition0: withoutPosition0?.[name] })));
await acts.dispose();
`;

/** @param {Values} values */
export const reconstructionPy = (values) => `# goes on from step 4
texts = ${pyList(linesOf(values.texts))}
rows = []
for text in texts:
    _, cache = model.run_with_cache(model.to_tokens(text, prepend_bos=${py(values.prependBos)}), names_filter=hook)
    rows.append(cache[hook][0])           # [1:] leaves position 0 out
x = torch.cat(rows)
error = x - sae.decode(sae.encode(x))
spread = x - x.mean(dim=0)

print("MSE", error.pow(2).mean().item())
print("per dimension", 1 - (error.pow(2).sum() / spread.pow(2).sum()).item())
print("one mean for all (notebook)", 1 - (error.pow(2).mean() / x.var()).item())
print("mean of the rows'", (1 - error.pow(2).sum(-1) / spread.pow(2).sum(-1)).mean().item())
print("dictionary_learning's", 1 - (error.var(dim=0).sum() / x.var(dim=0).sum()).item())
`;
