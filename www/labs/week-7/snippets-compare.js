// @ts-check
// Parts 5 and 6 "in code". A script goes on from those of the steps before.

/** @typedef {Record<string, any>} Values */

const js = (/** @type {unknown} */ value) => JSON.stringify(value);
/** @param {unknown} pairs @param {0 | 1} side */
const side = (pairs, side) =>
  String(pairs)
    .split("\n")
    .map((line) => line.split("|").map((text) => text.trim()))
    .filter((pair) => pair.length === 2 && pair[0] && pair[1])
    .map((pair) => `  ${js(pair[side])},\n`)
    .join("");

export const compareSnippets = {
  /** @param {Values} values @param {Values | undefined} data */
  decompose: ({ pairs, threshold, k, l2, seed }, data) => {
    const at = `{ hook: acts.hook, position: "last", prependBos: ${data?.prependBos ?? false}, center: ${data?.center ?? false} }`;
    return {
      javascript: `const first = await model.collect([
${side(pairs, 0)}], ${at});
const second = await model.collect([
${side(pairs, 1)}], ${at});
const contrast = await lab.analysis.contrast(first, second);
const probe = await lab.analysis.probe(first, second, { l2: ${l2}, standardize: true });
const random = Float32Array.from({ length: sae.config.dIn }, () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()));
for (const vector of [random, contrast.vector, probe.vector]) {
  console.log(await lab.analysis.decompose(sae, vector, { k: ${k}, threshold: ${threshold} }));
}
`,
      python: `from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

first = [
${side(pairs, 0)}]
second = [
${side(pairs, 1)}]
last = lambda texts: torch.stack([collect([text])[-1] for text in texts])
a, b = last(first), last(second)
scaler = StandardScaler().fit(torch.cat([a, b]))
fit = LogisticRegression(C=${1 / l2}, max_iter=10000).fit(scaler.transform(torch.cat([a, b])), [1] * len(a) + [0] * len(b))
torch.manual_seed(${seed})
vectors = {
    "random": torch.randn(d),
    "contrast": a.mean(0) - b.mean(0),
    "probe": torch.tensor(fit.coef_[0] / scaler.scale_, dtype=torch.float32),
}
for name, v in vectors.items():
    with torch.no_grad():
        y, f = sae(v[None])
    cosine = torch.nn.functional.cosine_similarity(sae.W_dec, v[:, None], dim=0)
    print(name, v.norm().item(), (f > ${threshold}).sum().item(), f[0].topk(${k}), ((y - v) ** 2).sum().item(), cosine.topk(3))
`,
    };
  },

  /** @param {Values} values @param {Values | undefined} sae */
  capacity: ({ expansions, epochs, batchSize, lr, seed }, sae) => {
    const sizes = String(expansions).split(/[\s,;]+/).filter((part) => Number(part) > 0).map(Number);
    return {
      javascript: `const saes = [];
for (const expansion of ${js(sizes)}) {
  const sae = await lab.createSae({
    architecture: "untied", dIn: acts.shape[1], dSae: expansion * acts.shape[1], seed: ${seed} + saes.length,
    init: { encoder: "normal", decoder: "normal", decoderNorm: null, encoderBias: "zeros" },
  });
  await sae.train(acts, { epochs: ${epochs}, batchSize: ${batchSize}, lr: ${lr}, l1: ${sae?.l1 ?? 0.001}, seed: ${seed} });
  const { meanMse, l0 } = await lab.analysis.quality(sae, acts);
  console.log(sae.config.dSae, meanMse, l0);
  saes.push(sae);
}
`,
      python: `saes = []
for expansion in ${js(sizes)}:
    torch.manual_seed(${seed} + len(saes))
    small = SAE(d, expansion * d)
    optimizer = torch.optim.Adam(small.parameters(), lr=${lr})
    for epoch in range(${epochs}):
        for rows in torch.randperm(len(acts)).split(${batchSize}):
            y, f = small(acts[rows])
            loss = ((y - acts[rows]) ** 2).mean() + c * f.abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        y, f = small(acts)
    print(expansion * d, ((y - acts) ** 2).mean().item(), (f > 0).float().sum(1).mean().item())
    saes.append(small)
`,
    };
  },

  /** @param {Values} values */
  matching: ({ threshold }) => ({
    javascript: `for (let i = 0; i + 1 < saes.length; i += 1) {
  const { features, best } = await lab.analysis.matching(saes[i], saes[i + 1], { k: 1 });
  console.log(best.reduce((a, b) => a + b) / best.length, best.filter((c) => c >= ${threshold}).length, features);
}
`,
    python: `unit = lambda sae: torch.nn.functional.normalize(sae.W_dec.detach(), dim=0)
for small, large in zip(saes, saes[1:]):
    best, parent = (unit(large).T @ unit(small)).max(1)
    print(best.mean().item(), (best >= ${threshold}).sum().item(), parent[best >= ${threshold}].unique(return_counts=True))
`,
  }),

  project: () => ({
    javascript: `// a project is the steps above with your own texts; then features by how well they tell the two kinds apart
const yes = await model.collect(textsWithConcept, { hook, prependBos: false, center: false });
const no = await model.collect(textsWithout, { hook, prependBos: false, center: false });
const { features } = await lab.analysis.concepts(sae, yes, no, { k: 20, per: "text" });
console.table(features);
`,
    python: `# a project is the steps above with your own texts; then features by how well they tell the two kinds apart
from sklearn.metrics import roc_auc_score

strongest = lambda texts: torch.stack([sae(collect([text]))[1].max(0).values for text in texts]).detach()
f = torch.cat([strongest(texts_with_concept), strongest(texts_without)])
labels = [1] * len(texts_with_concept) + [0] * len(texts_without)
auroc = torch.tensor([roc_auc_score(labels, f[:, i]) for i in range(f.shape[1])])
print(auroc.topk(20))
`,
  }),
};
