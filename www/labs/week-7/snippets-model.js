// @ts-check
// Part 2 "in code": the public module, and Hugging Face's transformers with torch. A script goes on from those of the steps before.

import { py } from "../../ui/snippets-python.js";
import { textsIn } from "./load.js";

/** @typedef {Record<string, any>} Values */

const js = (/** @type {unknown} */ value) => JSON.stringify(value);

export const modelSnippets = {
  /** @param {Values} values */
  load: ({ texts, maxTokens, prependBos }) => ({
    javascript: `const texts = [
${textsIn(texts).map((text) => `  ${js(text)},\n`).join("")}];
const model = await lab.loadModel("tiny");
for (const text of texts) {
  const { raw } = await model.tokenize(text, { prependBos: ${prependBos} });   // Ġ for a leading space
  console.log(raw.slice(0, ${maxTokens}));
}
`,
    python: `import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "www/models/tiny"                 # or "gpt2"
model = AutoModelForCausalLM.from_pretrained(folder).float().eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
tokenizer.pad_token = tokenizer.eos_token

texts = [
${textsIn(texts).map((text) => `    ${py(text)},\n`).join("")}]
for text in texts:
    print(tokenizer.tokenize(${prependBos ? "tokenizer.eos_token + text" : "text"})[:${maxTokens}])
`,
  }),

  /** @param {Values} values */
  sae: ({ expansion, l1, seed }) => ({
    javascript: `const dIn = model.config.dModel;
const sae = await lab.createSae({
  architecture: "untied", dIn, dSae: ${expansion} * dIn, seed: ${seed},
  init: { encoder: "normal", decoder: "normal", decoderNorm: null, encoderBias: "zeros" },
});
console.log(sae.config.parameters);
`,
    python: `import torch.nn as nn

class SAE(nn.Module):
    def __init__(self, d, n):
        super().__init__()
        self.W_enc = nn.Parameter(torch.randn(n, d) / d ** 0.5)
        self.W_dec = nn.Parameter(torch.randn(d, n) / n ** 0.5)
        self.b_enc, self.b_dec = nn.Parameter(torch.zeros(n)), nn.Parameter(torch.zeros(d))

    def forward(self, x):
        f = torch.relu(x @ self.W_enc.T + self.b_enc)
        return f @ self.W_dec.T + self.b_dec, f

torch.manual_seed(${seed})
d, c = model.config.n_embd, ${l1}
sae = SAE(d, ${expansion} * d)
print(sum(p.numel() for p in sae.parameters()))
`,
  }),

  /** @param {Values} values @param {string[]} texts */
  activations: ({ index, prependBos, view }, texts) => ({
    javascript: `// goes on from the texts; hidden_states[i] is what enters block i, the last entry what leaves the final layer norm
const index = ${index} < 0 ? ${index} + model.config.nLayers + 1 : ${index};
const hook = index === model.config.nLayers ? "ln_final.hook_normalized" : \`blocks.\${index}.hook_resid_pre\`;
const acts = await model.collect(texts, { hook, prependBos: ${prependBos}, center: ${view === "tl"}, maxTokens: 128 });
console.log(acts.shape, acts.stats.distinctRows);
console.table([acts.stats.all, acts.stats.withoutPosition0]);
`,
    python: `# goes on from the texts${texts.length ? "" : " above"}
def collect(texts, index=${index}):
    rows = []
    for text in texts:
        inputs = tokenizer(${prependBos ? "tokenizer.eos_token + text" : "text"}, return_tensors="pt", truncation=True, max_length=128)
        with torch.no_grad():
            rows.append(model(**inputs, output_hidden_states=True).hidden_states[index][0])
    return torch.cat(rows)

acts = collect(texts)
${view === "tl" ? "acts = acts - acts.mean(1, keepdim=True)        # TransformerLens's view\n" : ""}print(acts.shape, len(acts.unique(dim=0)))
`,
  }),

  /** @param {Values} values @param {Values | undefined} sae */
  train: ({ epochs, batchSize, lr, seed }, sae) => ({
    javascript: `const { epochs } = await sae.train(acts, {
  epochs: ${epochs}, batchSize: ${batchSize}, lr: ${lr}, l1: ${sae?.l1 ?? 0.001}, seed: ${seed},
  onProgress: (p) => { if (!("phase" in p) && p.epoch % 10 === 0) console.log(p.epoch, p.total, p.recon, p.nActive); },
});
`,
    python: `torch.manual_seed(${seed})
optimizer = torch.optim.Adam(sae.parameters(), lr=${lr})
history = []
for epoch in range(${epochs}):
    entries = []
    for rows in torch.randperm(len(acts)).split(${batchSize}):
        x = acts[rows]
        y, f = sae(x)
        recon, penalty = ((y - x) ** 2).mean(), c * f.abs().mean()
        optimizer.zero_grad()
        (recon + penalty).backward()
        optimizer.step()
        with torch.no_grad():
            l0 = (sae(x)[1] > 0).float().sum(1).mean()          # counted after the step
        entries.append([recon.item(), penalty.item(), l0.item()])
    history.append(torch.tensor(entries).mean(0))
    if epoch % 10 == 0:
        print(epoch, history[-1].tolist())
`,
  }),

  final: () => ({
    javascript: `const { all, withoutPosition0 } = await lab.analysis.quality(sae, acts);
console.table({ all, withoutPosition0 });   // evGlobal, evPerDimension, evLegacy, evDictionaryLearning
console.log("the notebook's:", 1 - epochs.at(-1).recon / acts.stats.std ** 2);
`,
    python: `with torch.no_grad():
    y, f = sae(acts)
error, mean = (acts - y) ** 2, acts.mean(0)
print("the notebook's:", 1 - history[-1][0] / acts.var())
print("one mean for all:", 1 - error.mean() / acts.var())
print("per dimension:", 1 - error.sum() / ((acts - mean) ** 2).sum())
print("mean of rows:", (1 - error.sum(1) / ((acts - mean) ** 2).sum(1)).mean())
print("errors around their mean:", 1 - (acts - y).var(0).sum() / acts.var(0).sum())
`,
  }),
};
