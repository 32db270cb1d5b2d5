// @ts-check
// "The same in code" for the exercises: the way there, not the answer.

import { py } from "../../ui/snippets-python.js";
import { js, jsList, pyList } from "./snippets.js";
import { linesOf } from "./steps.js";

/** @typedef {Record<string, any>} Values */

/** @param {Values} values */
export const codeJs = ({ code, prose, k }) => `// goes on from step 4
const code = await model.collect(${jsList(linesOf(code))}, { hook, ...reading });
const prose = await model.collect(${jsList(linesOf(prose))}, { hook, ...reading });
const ranking = await lab.analysis.concepts(sae, code, prose, { k: ${js(k)}, per: "text", skipPosition0: true });
console.table(ranking.features);
`;

/** @param {Values} values */
export const codePy = ({ code, prose, k, prependBos }) => `# goes on from step 4; pip install scikit-learn
from sklearn.metrics import roc_auc_score

code = ${pyList(linesOf(code))}
prose = ${pyList(linesOf(prose))}

def most(text):                           # each feature's largest activation, without position 0
    _, cache = model.run_with_cache(model.to_tokens(text, prepend_bos=${py(prependBos)}), names_filter=hook)
    return sae.encode(cache[hook])[0, 1:].max(dim=0).values

acts = torch.stack([most(text) for text in code + prose]).cpu().numpy()
is_code = [1] * len(code) + [0] * len(prose)
auroc = torch.tensor([roc_auc_score(is_code, acts[:, i]) for i in range(acts.shape[1])])
for value, i in zip(*auroc.topk(${py(k)})):
    print(f"#{i.item()}: {value:.3f}")
`;

/** @param {Values} values @param {(layer: number) => string} hook */
export const layersJs = ({ first, second, l1, epochs, expansion, seed, scale, prependBos, view }, hook) => `// goes on from step 1
async function train(hook, seed) {
  const acts = await model.collect(["as many texts", "as you have"], { hook, prependBos: ${js(prependBos)}, center: ${js(view === "tl")} });
  const sae = await lab.createSae({ architecture: "standard", dIn: acts.shape[1], dSae: ${js(expansion)} * acts.shape[1], seed${scale ? ', normalizeActivations: "expected_average_only_in"' : ""} });
  await sae.train(acts, { epochs: ${js(epochs)}, batchSize: 64, lr: 1e-3, l1: ${js(l1)}, seed });
  return sae;
}
const a = await train(${js(hook(first))}, ${js(seed)});
const b = await train(${js(hook(second))}, ${js(seed + 1)});
const nearest = await lab.analysis.matching(a, b, { k: 1 });
console.log(nearest.features.slice(0, 20), nearest.best.slice(0, 20));
`;

/** @param {Values} values @param {(layer: number) => string} hook */
export const layersPy = ({ first, second }, hook) => `# goes on from step 1: two published ones instead of two of your own
saes = [SAE.from_pretrained("gpt2-small-res-jb", name, device=device) for name in (${py(hook(first))}, ${py(hook(second))})]
a, b = (sae.W_dec / sae.W_dec.norm(dim=-1, keepdim=True) for sae in saes)

best = torch.cat([(rows @ a.T).max(dim=-1).values for rows in b.split(1024)])
same = (a * b).sum(-1)
print("nearest:", best.mean().item(), "same number:", same.mean().item(), "above 0.7:", (best > 0.7).float().mean().item())
`;

/** @param {Values} values */
export const tradeOffJs = ({ texts }) => `// goes on from step 4
for (const text of ${jsList(linesOf(texts))}) {
  const acts = await model.collect([text], { hook, ...reading });
  const { all } = await lab.analysis.quality(sae, acts);
  console.log(all.l0, all.evGlobal, text);
  await acts.dispose();
}
`;

/** @param {Values} values */
export const tradeOffPy = ({ texts, prependBos }) => `# goes on from step 4; pip install scipy matplotlib
import matplotlib.pyplot as plt
from scipy.stats import spearmanr

texts = ${pyList(linesOf(texts))}
l0, ev = [], []
for text in texts:
    _, cache = model.run_with_cache(model.to_tokens(text, prepend_bos=${py(prependBos)}), names_filter=hook)
    x = cache[hook][0]
    f = sae.encode(x)
    l0.append((f > 0).sum(-1).float().mean().item())
    ev.append(1 - ((x - sae.decode(f)).pow(2).mean() / x.var()).item())
print(spearmanr(l0, ev))
plt.scatter(l0, ev)
plt.xlabel("active features")
plt.ylabel("explained variance")
plt.show()
`;
