// @ts-check
// "The same in code" with TransformerLens and torch. A script goes on from those of the steps that it needs.
// Random numbers come from torch there and from the lab here, so what is drawn differs; what is computed does not.

import { py } from "../../ui/snippets-python.js";
import { chosenPrompts } from "./prompts.js";
import { STEPS } from "./steps.js";

/** @typedef {Record<string, any>} Values */
/** @typedef {import("../../ui/conventions.js").Conventions} Conventions */

const from = (/** @type {keyof typeof STEPS} */ step) => `# goes on from step ${STEPS[step]}\n`;
const list = (/** @type {string} */ own) =>
  String(own ?? "")
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => line.replaceAll("\\n", "\n"));
const numbers = (/** @type {unknown} */ own) => (String(own ?? "").match(/[\d.e-]+/g) ?? []).map(Number).filter(Number.isFinite);

/** The autoencoder's class, as short as it can be. @param {Values} values */
const sae = ({ weights = "tied", encoderBias = "zeros" }) => `import torch.nn as nn
import torch.nn.functional as F

class SAE(nn.Module):
    def __init__(self, d_in, d_sae):
        super().__init__()
        self.encoder = nn.Linear(d_in, d_sae)
        nn.init.kaiming_uniform_(self.encoder.weight, nonlinearity="relu")
${encoderBias === "zeros" ? "        nn.init.zeros_(self.encoder.bias)\n" : ""}        self.b_dec = nn.Parameter(torch.zeros(d_in))
${weights === "tied" ? "" : "        self.W_own = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(d_in, d_sae), nonlinearity=\"linear\"))\n"}
    @property
    def W_dec(self):                                # [d_sae, d_in]
        return ${weights === "tied" ? "self.encoder.weight" : "self.W_own.T"}

    def encode(self, x):
        return F.relu(self.encoder(x))

    def decode(self, f):
        return f @ self.W_dec + self.b_dec
`;

/** A training loop. @param {string} rows @param {Values} values @param {string} [indent] */
const loop = (rows, { epochs, batchSize, lr }, indent = "") =>
  `optimizer = torch.optim.Adam(sae.parameters(), lr=${py(lr)})
for epoch in range(1, ${py(epochs)} + 1):
    for x in ${rows}[torch.randperm(len(${rows}))].split(${py(batchSize)}):
        f = sae.encode(x)
        recon = F.mse_loss(sae.decode(f), x)
        loss = recon + l1 * f.abs().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
`
    .split("\n")
    .map((line) => (line ? indent + line : line))
    .join("\n");

/** @param {Values} values */
export const autoencoder = (values) => `${from("setup")}${sae(values)}
d = model.cfg.d_model
torch.manual_seed(${py(values.seed)})
sae = SAE(d, round(${py(values.expansion)} * d))
print(d, sae.W_dec.shape[0], sae.W_dec.shape[0] / d, sum(p.numel() for p in sae.parameters()))
`;

/** @param {Values} values */
export const forward = ({ rows }) => `${from("autoencoder")}with torch.no_grad():
    x = torch.randn(${py(rows)}, d)
    f = sae.encode(x)
    back = sae.decode(f)
print(x.shape, f.shape, back.shape, f.min().item(), f.max().item(), (f > 0).float().mean().item())
`;

/** @param {Values} values */
export const prompts = (values) => `${from("setup")}texts = [
${chosenPrompts({ samples: values.samples ?? [], own: values.own ?? "" })
  .map((prompt) => `    ${py(prompt.text)},\n`)
  .join("")}]
for text in texts:
    tokens = model.to_tokens(text, prepend_bos=${py(values.prependBos)})
    print(tokens.shape[1], model.to_str_tokens(tokens[0]))
`;

/** @param {Values} values */
export const activations = ({ layer, position, prependBos, view, seed }) => `${from("prompts")}${view === "hf" ? "# Hugging Face's view: load the model with from_pretrained_no_processing\n" : ""}hook = "blocks.${layer}.hook_resid_post"
torch.manual_seed(${py(seed)})

def read(tokens):
    _, cache = model.run_with_cache(tokens, names_filter=hook)
    return cache[hook][0]                           # [pos, d_model]

def kept(rows):
    return ${{ all: "rows", last: "rows[-1:]", random: "rows[torch.randint(len(rows), (1,))]" }[/** @type {"all"} */ (position)] ?? "rows"}

with torch.no_grad():
    prompted = torch.cat([kept(read(model.to_tokens(text, prepend_bos=${py(prependBos)}))) for text in texts])
print(prompted.shape, prompted.mean().item(), prompted.std().item(), len(prompted.unique(dim=0)), "distinct")
`;

/** @param {Values} values */
export const randomTokens = ({ count, length, minId, maxId, randomBos }) => `${from("activations")}bos = torch.tensor([[model.tokenizer.bos_token_id]])
with torch.no_grad():
    drawn = [torch.randint(${py(minId)}, ${py(Number(maxId) + 1)}, (1, ${py(length)})) for _ in range(${py(count)})]
    acts = torch.cat([prompted] + [read(${randomBos ? "torch.cat([bos, ids], dim=1)" : "ids"}) for ids in drawn])
print(acts.shape)
`;

/** @param {Values} values */
export const train = (values) => `${from("random-tokens")}${sae(values)}
torch.manual_seed(${py(values.seed)})
d, l1 = acts.shape[1], ${py(values.l1)}
sae = SAE(d, round(${py(values.expansion)} * d))
${loop("acts", values)}    if epoch % ${py(values.printEvery)} == 0:
        print(epoch, recon.item(), (f > 0).float().mean().item(), (f > 0).sum(-1).float().mean().item())
sae.requires_grad_(False)
`;

/** @param {Values} values @param {boolean} skipPosition0 */
export const topFeatures = ({ k, by }, skipPosition0) => `${from("train")}f = sae.encode(acts)${skipPosition0 ? "                                # leave out the rows of position 0 for the same figures" : ""}
active = (f > 0).float()
mean_active = f.sum(0) / active.sum(0).clamp(min=1)
frequency = active.mean(0)
order = ${{ score: "mean_active * frequency", frequency: "frequency", mean: "f.mean(0)", max: "f.max(0).values" }[/** @type {"score"} */ (by)] ?? "mean_active * frequency"}
top = order.argsort(descending=True)[:${py(k)}].tolist()
for i in top:
    print(i, mean_active[i].item(), frequency[i].item())
`;

/** @param {Values} values @param {boolean} skipPosition0 */
export const examples = ({ features, howMany, k, context }, skipPosition0) => `${from("top-features")}for i in ${numbers(features).length ? py(numbers(features)) : `top[:${py(howMany)}]`}:
    found = []
    for text in texts:
        tokens = model.to_tokens(text)
        value, strings = sae.encode(read(tokens))[:, i], model.to_str_tokens(tokens[0])
        found += [(v, strings[max(0, p - ${py(context)}):p], strings[p]) for p, v in enumerate(value.tolist()) if v > 0${skipPosition0 ? " and p > 0" : ""}]
    for v, before, token in sorted(found, key=lambda row: -row[0])[:${py(k)}]:
        print(i, f"{v:.3f}", "".join(before), [token])
`;

/** @param {Values} values */
export const heatMaps = ({ prompts: own, k }) => `${from("train")}import matplotlib.pyplot as plt
for prompt in ${py(list(own))}:
    tokens = model.to_tokens(prompt)
    f = sae.encode(read(tokens))                    # [pos, d_sae]
    chosen = f.max(0).values.argsort(descending=True)[:${py(k)}]
    plt.imshow(f[:, chosen].T, aspect="auto", cmap="cividis")
    plt.yticks(range(len(chosen)), [f"F{i}" for i in chosen.tolist()])
    plt.xticks(range(tokens.shape[1]), model.to_str_tokens(tokens[0]), rotation=90)
    plt.show()
`;

/** @param {Values} values */
export const generate = ({ prompt, how, temperature, maxNewTokens, seed, prependBos }) => `${from("setup")}tokens = model.to_tokens(${py(prompt)}, prepend_bos=${py(prependBos)})
${how === "greedy" ? "" : `torch.manual_seed(${py(seed)})\n`}out = model.generate(tokens, max_new_tokens=${py(maxNewTokens)}, ${how === "greedy" ? "do_sample=False" : `temperature=${py(temperature)}`})
print(model.to_string(out[0]))
p, ids = model(tokens)[0, -1].softmax(-1).topk(5)
print([(model.to_string(i), round(q.item(), 3)) for q, i in zip(p, ids)])
`;

const write = `def write(prompt, hooks=(), new=20):
    tokens = model.to_tokens(prompt)
    with model.hooks(fwd_hooks=list(hooks)):
        return model.to_string(model.generate(tokens, max_new_tokens=new, do_sample=False, stop_at_eos=False)[0])
`;

/** @param {Values} values @param {Conventions} _conventions */
export const steer = ({ prompt, ranks, strength, maxNewTokens }, _conventions) => `${from("top-features")}${write}
print(write(${py(prompt)}, new=${py(maxNewTokens)}))
for rank in ${py(numbers(ranks))}:
    for bias in [True, False]:                      # as in the notebook; without
        d = sae.W_dec[top[rank]] + (sae.b_dec if bias else 0)
        added = d / d.norm() * ${py(strength)}
        print(top[rank], bias, write(${py(prompt)}, [(hook, lambda x, hook: x + added)], ${py(maxNewTokens)}))
`;

/** @param {Values} values @param {Conventions} conventions */
export const controls = ({ prompt, feature, strength, maxNewTokens }, conventions) => `${from("top-features")}${write}
unit = lambda v: v / v.norm()
d = unit(sae.W_dec[${feature === null ? "top[0]" : py(feature)}]${conventions.values.bias ? " + sae.b_dec" : ""})
ways = {"plain": 0 * d, "steered": ${py(strength)} * d, "opposite": ${py(-strength)} * d, "random": ${py(strength)} * unit(torch.randn_like(d))}
plain = model(model.to_tokens(${py(prompt)}))[0, -1].log_softmax(-1)
for name, added in ways.items():
    hooks = [(hook, lambda x, hook: x + added)]
    changed = model.run_with_hooks(model.to_tokens(${py(prompt)}), fwd_hooks=hooks)[0, -1].log_softmax(-1)
    print(name, "KL", (plain.exp() * (plain - changed)).sum().item(), write(${py(prompt)}, hooks, ${py(maxNewTokens)}))
`;

/** The rows of the exercises. @param {Values} values */
const rowsOf = ({ texts: own, repeats, prependBos }) => `prompts = ${py(list(own))} * ${py(repeats)}

def rows_of(layer):
    hook = f"blocks.{layer}.hook_resid_post"
    with torch.no_grad():
        return torch.cat([model.run_with_cache(model.to_tokens(p, prepend_bos=${py(prependBos)}), names_filter=hook)[1][hook][0] for p in prompts])
`;

/** @param {Values} values */
export const sweep = (values) => `${from("setup")}${sae(values)}
${rowsOf(values)}
rows = rows_of(${py(values.layer)})
d = rows.shape[1]
for l1 in ${py(numbers(values.coefficients))}:
    torch.manual_seed(${py(values.seed)})
    sae = SAE(d, round(${py(values.expansion)} * d))
${loop("rows", values, "    ")}    with torch.no_grad():
        f = sae.encode(rows)
        print(l1, F.mse_loss(sae.decode(f), rows).item(), (f > 0).sum(-1).float().mean().item())
`;

/** @param {Values} values */
export const coactivation = (values) => {
  const own = values.which === "trained";
  return `${own ? from("train") : `${from("setup")}${sae(values)}\n${rowsOf(values)}\nrows, l1 = rows_of(${py(values.layer)}), ${py(values.l1)}\nd = rows.shape[1]\nsae = SAE(d, round(${py(values.expansion)} * d))\n${loop("rows", values)}`}
import numpy as np
f = sae.encode(${own ? "acts" : "rows"}).detach().numpy()
used = np.where((f > 0).mean(0) > ${py(values.minFrequency)})[0]
r = np.corrcoef(f[:, used].T)
i, j = np.triu_indices(len(used), 1)
for k in r[i, j].argsort()[::-1][:${py(values.pairs)}]:
    print(used[i[k]], used[j[k]], r[i[k], j[k]])
`;
};

/** @param {Values} values */
export const layers = (values) => `${from("setup")}${sae(values)}
${rowsOf(values)}
l1 = ${py(values.l1)}
for layer in ${py(numbers(values.layers))}:
    rows = rows_of(layer)
    d = rows.shape[1]
    torch.manual_seed(${py(values.seed)} + layer)       # another start for each
    sae = SAE(d, round(${py(values.expansion)} * d))
${loop("rows", values, "    ")}    f = sae.encode(rows).detach()
    print(layer, f.mean(0).argsort(descending=True)[:5].tolist(), (f > 0).sum(-1).float().mean().item())
`;

/** @param {Values} values */
export const littleData = ({ few, elsewhere, steps, l1, seed }) => `${from("train")}others = torch.cat([read(model.to_tokens(p))[1:] for p in ${py(list(elsewhere))}])
l1 = ${py(l1)}
for prompts in [${py(list(few))}, texts]:
    rows = torch.cat([read(model.to_tokens(p)) for p in prompts])
    torch.manual_seed(${py(seed)})
    sae = SAE(rows.shape[1], 4 * rows.shape[1])
    optimizer = torch.optim.Adam(sae.parameters(), lr=1e-3)
    for step in range(${py(steps)}):
        x = rows[torch.randperm(len(rows))[:256]]
        f = sae.encode(x)
        loss = F.mse_loss(sae.decode(f), x) + l1 * f.abs().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    for x in [rows, others]:
        print(len(x), F.mse_loss(sae.decode(sae.encode(x)), x).item())
`;

/** @param {Values} values */
export const balance = ({ coefficients, epochs, batchSize, seed }) => `${from("train")}for l1 in ${py(numbers(coefficients))}:
    torch.manual_seed(${py(seed)})
    sae = SAE(prompted.shape[1], 4 * prompted.shape[1])
${loop("prompted", { epochs, batchSize, lr: 1e-3 }, "    ")}    print(l1, (sae.encode(prompted) > 0).sum(-1).float().mean().item())
`;

/** @param {Values} _values */
export const neurons = (_values) => `${from("train")}W = sae.W_dec                                       # [d_sae, d_in]
spread = (W ** 2).sum(1) ** 2 / (W ** 4).sum(1)
R = torch.randn_like(W)
print(spread.mean().item(), ((R ** 2).sum(1) ** 2 / (R ** 4).sum(1)).mean().item(), "of", W.shape[1])
`;

/** @param {Values} values */
export const challenge = ({ expansion, tokens, l1, batchSize, lr, layer, seed }) => `${from("setup")}# pip install sae-lens
from sae_lens import SAETrainer, StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.training.mixing_buffer import mixing_buffer

hook = "blocks.${layer}.hook_resid_post"
texts = open("challenge.txt").read().split("<|endoftext|>")   # or files of your own

def rows():
    while True:
        for s in torch.randperm(len(texts)).tolist():
            tokens = model.to_tokens(texts[s])[:, :128]
            yield model.run_with_cache(tokens, names_filter=hook)[1][hook][0][1:]

torch.manual_seed(${py(seed)})
wide = StandardTrainingSAE(StandardTrainingSAEConfig(
    d_in=model.cfg.d_model, d_sae=${py(Number(expansion))} * model.cfg.d_model, l1_coefficient=${py(l1)}, l1_warm_up_steps=100,
    normalize_activations="expected_average_only_in", device="cpu"))
wide = SAETrainer(SAETrainerConfig(total_training_samples=${py(tokens)}, train_batch_size_samples=${py(batchSize)}, lr=${py(lr)}, lr_end=${py(lr)}),
    wide, mixing_buffer(16384, ${py(batchSize)}, rows())).fit()
`;

/** @param {Values} values */
export const concepts = ({ k, per }) => `${from("challenge-train")}from sklearn.metrics import roc_auc_score   # pip install scikit-learn
with_it = ["Where is the station?", "Who wrote this letter?", "Can fish hear?"]
without = ["The station is over there.", "A friend wrote this letter.", "Fish can hear."]

def values(sentence):                               # [d_sae], or [pos, d_sae]
    rows = model.run_with_cache(model.to_tokens(sentence), names_filter=hook)[1][hook][0][1:]
    return wide.encode(rows)${per === "token" ? "" : ".max(0).values[None]"}

yes, no = (torch.cat([values(s) for s in group]).detach() for group in (with_it, without))
label = [1] * len(yes) + [0] * len(no)
auroc = [roc_auc_score(label, torch.cat([yes, no])[:, i]) for i in range(yes.shape[1])]
print(sorted(range(len(auroc)), key=lambda i: -auroc[i])[:${py(k)}])
`;
