// @ts-check
// Part 1 "in code": the public module's lab.toy, and the same written out in torch.

import { TOY, TOY_KINDS, toyOptions } from "./toy-models.js";

/** @typedef {Record<string, any>} Values */

const js = (/** @type {unknown} */ value) => JSON.stringify(value);
/** An object literal, one property a line. @param {Record<string, unknown>} object */
const literal = (object) => `{\n${Object.entries(object).map(([name, value]) => `  ${name}: ${js(value)},`).join("\n")}\n}`;
/** A list of numbers as the visitor wrote it. @param {unknown} text */
const list = (text) => String(text).split(/[\s,;]+/).filter((part) => part && Number.isFinite(Number(part))).map(Number);

export const toySnippets = {
  /** @param {Values} values */
  train: (values) => ({
    javascript: `import { openLab } from "./sae-lab.js";

const lab = await openLab();
${TOY_KINDS.map((kind) => `// ${kind.says}\nconst ${kind.key} = await lab.toy.train(${literal(toyOptions(kind, values))});`).join("\n\n")}

for (const { instances: [{ finalLoss, zeroLoss, pcaLoss }] } of [notebook, paper]) {
  console.log({ finalLoss, zeroLoss, pcaLoss });
}
`,
    python: `import torch

torch.manual_seed(${values.seed})
n, m, p = ${values.nFeatures}, ${values.nHidden}, ${values.probability}
importance = ${values.importanceDecay} ** torch.arange(n)

def train(forward, parameters, draw, weight):
    optimizer = torch.optim.Adam(parameters, lr=${values.lr})
    for step in range(${values.steps}):
        x = (torch.rand(${values.batchSize}, n) < p) * draw(${values.batchSize}, n)
        loss = (weight * (forward(x) - x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(step, round(loss.item(), 4))

# the notebook's: ReLU on the hidden numbers, linear output
W_enc, W_dec = torch.randn(m, n) * 0.1, torch.randn(n, m) * 0.1
b_enc, b_dec = torch.zeros(m), torch.zeros(n)
first = [t.requires_grad_() for t in (W_enc, W_dec, b_enc, b_dec)]
notebook = lambda x: torch.relu(x @ W_enc.T + b_enc) @ W_dec.T + b_dec
train(notebook, first, torch.randn, 1)

# the paper's: one matrix, ReLU on the output
W, b = torch.randn(m, n) * (2 / (n + m)) ** 0.5, torch.zeros(n)
second = [t.requires_grad_() for t in (W, b)]
paper = lambda x: torch.relu(x @ W.T @ W + b)
train(paper, second, torch.rand, importance)

print("zero:", p, p / 3, " PCA:", p * (n - m) / n, (p / 3 - p * p / 4) * (n - m) / n)
`,
  }),

  arrows: () => ({
    javascript: `// goes on from the training
for (const { instances: [{ weights, norms, dimensionality }] } of [notebook, paper]) {
  console.log(weights.W_dec);            // one row a feature: where its arrow ends
  console.table({ norms, dimensionality });
}
`,
    python: `# goes on from the training
import matplotlib.pyplot as plt

def dimensionality(rows):                 # ‖W_i‖² / Σ_j (Ŵ_i · W_j)²
    unit = rows / rows.norm(dim=1, keepdim=True)
    return rows.norm(dim=1) ** 2 / ((unit @ rows.T) ** 2).sum(1)

for name, rows in [("notebook", W_dec.detach()), ("paper", W.detach().T)]:
    print(name, rows.norm(dim=1), dimensionality(rows))
    for x, y in rows.tolist():
        plt.arrow(0, 0, x, y, head_width=0.05)
    plt.axis("equal")
    plt.show()
print("share kept:", (W_dec @ W_enc).diagonal(), "sum", (W_dec @ W_enc).trace())
`,
  }),

  /** @param {Values} values */
  interference: ({ together }) => ({
    javascript: `// goes on from the training
for (const { instances: [instance], model } of [notebook, paper]) {
  console.table(await lab.toy.interference(instance, model, { sizes: [1, ${together}] }));
}
`,
    python: `# goes on from the training
from itertools import combinations

def error(model, features):
    x = torch.zeros(n)
    x[list(features)] = 1.0
    return ((model(x) - x) ** 2).sum().item()

for model in (notebook, paper):
    alone = [error(model, [i]) for i in range(n)]
    print("features 0 and 0 to ${together - 1}:", alone[0], error(model, range(${together})))
    sets = list(combinations(range(n), ${together}))
    print("mean over", len(sets), "sets:", sum(error(model, s) for s in sets) / len(sets), "alone:", ${together} * sum(alone) / n)
`,
  }),

  /** @param {Values} values @param {Values} [settings] of the training */
  seeds: ({ count }, settings = TOY) => ({
    javascript: `const rows = [];
for (let seed = ${settings.seed}; seed < ${settings.seed + count}; seed += 1) {
  const row = { seed };
  for (const model of ["relu-hidden", "relu-output"]) {
    const { instances: [instance] } = await lab.toy.train({ model, steps: ${settings.steps}, seed });
    const [one, three] = await lab.toy.interference(instance, model, { sizes: [1, 3] });
    row[model] = instance.finalLoss;
    row[model + " holds"] = three.example.error > one.example.error;
  }
  rows.push(row);
}
console.table(rows);
`,
    python: `# the training above, once for each of
for seed in range(${settings.seed}, ${settings.seed + count}):
    torch.manual_seed(seed)
    ...  # train both, then error(model, [0]) and error(model, range(3))
`,
  }),

  /** @param {Values} values */
  sweep: ({ probabilities, nFeatures, importanceDecay, steps, seed }) => ({
    javascript: `const { instances } = await lab.toy.train(${literal({ model: "relu-output", values: "uniform", nFeatures, nHidden: 2, probabilities: list(probabilities), importanceDecay, steps, seed })});
for (const { probability, norms, dimensionality } of instances) console.log(probability, norms, dimensionality);
`,
    python: `import torch

torch.manual_seed(${seed})
p = torch.tensor(${js(list(probabilities))})[:, None, None]   # one world each, all at once
worlds, n, m = len(p), ${nFeatures}, 2
W = (torch.randn(worlds, m, n) * (2 / (n + m)) ** 0.5).requires_grad_()
b = torch.zeros(worlds, 1, n, requires_grad=True)
importance = ${importanceDecay} ** torch.arange(n)
optimizer = torch.optim.Adam([W, b], lr=0.01)
for step in range(${steps}):
    x = (torch.rand(worlds, 1000, n) < p) * torch.rand(worlds, 1000, n)
    out = torch.relu(x @ W.mT @ W + b)
    loss = (importance * (out - x) ** 2).mean((1, 2)).sum()    # the worlds do not mix
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(W.norm(dim=1))
`,
  }),

  /** @param {Values} values */
  sae: ({ nFeatures, nHidden, probability, dSae, coefficients, rows, epochs, lr, toySteps, seed }) => ({
    javascript: `const toy = await lab.toy.train(${literal({ model: "relu-output", values: "uniform", nFeatures, nHidden, probabilities: [probability], steps: toySteps, seed })});
const { hidden, directions } = await lab.toy.sample({ instance: toy.instances[0], model: toy.model, rows: ${rows}, seed: ${seed + 1} });
for (const l1 of ${js(list(coefficients))}) {
  const sae = await lab.createSae({ architecture: "standard", dIn: ${nHidden}, dSae: ${dSae}, seed: ${seed} });
  await sae.train(hidden, { epochs: ${epochs}, batchSize: 256, lr: ${lr}, l1, seed: ${seed} });
  const { mcc } = await lab.analysis.matchFeatures((await sae.weights()).W_dec, directions);
  console.log(l1, mcc);
  await sae.dispose();
}
`,
    python: `# hidden [rows, ${nHidden}] and directions [${nFeatures}, ${nHidden}] from a toy model as above; pip install scipy
from scipy.optimize import linear_sum_assignment

def match(found, truth):
    c = torch.nn.functional.normalize(found, dim=1) @ torch.nn.functional.normalize(truth, dim=1).T
    i, j = linear_sum_assignment(-c.abs().numpy())
    return c[i, j].abs().mean().item()

for l1 in ${js(list(coefficients))}:
    W_dec = torch.nn.functional.normalize(torch.randn(${dSae}, ${nHidden}), dim=1) * 0.1
    parts = [W_dec, W_dec.T.clone(), torch.zeros(${dSae}), torch.zeros(${nHidden})]
    W_dec, W_enc, b_enc, b_dec = [t.requires_grad_() for t in parts]
    optimizer = torch.optim.Adam(parts, lr=${lr})
    for epoch in range(${epochs}):
        for x in hidden[torch.randperm(len(hidden))].split(256):
            f = torch.relu((x - b_dec) @ W_enc + b_enc)
            loss = ((f @ W_dec + b_dec - x) ** 2).sum(1).mean() + l1 * (f * W_dec.norm(dim=1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(l1, match(W_dec.detach(), directions))
`,
  }),
};
