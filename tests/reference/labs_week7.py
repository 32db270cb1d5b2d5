"""Write what week 7's cells print and plot (all but its toy models), on the tiny model in Hugging Face transformers.

The SAE, its training loop and its analyses are the notebook's; only the initial weights (N(0, 1/d) by formula) and the batch orders are given. The model is Hugging Face's raw one, without BOS:
hidden_states[6] is what enters block 6. Training runs in f32 and f64; everything after it is of the stored weights, which are the f64 result rounded to f32.
What the notebook only describes (multiply a feature, decode, go on; a real steering vector; a probe) is carried out.

    python labs_week7.py        writes numbers/labs_week7.{json,safetensors}
"""
import numpy as np
import torch
from scipy.optimize import minimize
from common import apart, hf_model, save_json, save_tensors, tl_model
from labs_common import batch_order, explained_variances, hf_tokenizer, js_list, normal_weights, normals

TEXTS = ["The quick brown fox jumps over the lazy dog.", "Machine learning is a subset of artificial intelligence.", "Python is a popular programming language for data science.",
         "The weather today is sunny and warm.", "Neural networks consist of layers of interconnected nodes.", "Coffee is a popular beverage consumed worldwide.", "The capital of France is Paris.",
         "Quantum computing could revolutionize computation.", "The human brain contains billions of neurons.", "Mathematics is the language of science."]
LAYER, FACTOR, L1, LR, BATCH, EPOCHS, PROMPT, ALPHA = 6, 4, 1e-3, 1e-3, 32, 100, "The capital of France is", 5.0
SEEDS = {"weights": 41, "order": 43, "capacityWeights": [51, 53, 55], "capacityOrder": [61, 62, 63], "vector": 71}

tokenizer = hf_tokenizer()
model = hf_model("tiny")
report, tensors = {"seeds": SEEDS, "cells": {}}, {}
cells = report["cells"]


def collect(texts, layer):
    rows = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=128).input_ids
        rows.append(model(ids, output_hidden_states=True).hidden_states[layer][0])
    return torch.cat(rows)


# ---- cells 7 to 9
x = collect(TEXTS, LAYER)
rows, d_model = x.shape
d_hidden = FACTOR * d_model
after_ln_f = collect(TEXTS, -1)
raw = tl_model("tiny", processed=False)
names = ["blocks.6.hook_resid_pre", "blocks.5.hook_resid_post", "blocks.11.hook_resid_post"]
caches = [raw.run_with_cache(tokenizer(text, return_tensors="pt").input_ids, names_filter=names)[1] for text in TEXTS]
same = [torch.cat([cache[name][0] for cache in caches]) for name in names]
prefixes = [tuple(tokenizer(text).input_ids[:p + 1]) for text in TEXTS for p in range(len(tokenizer(text).input_ids))]
position = torch.tensor([len(p) - 1 for p in prefixes])
cells["7-8"] = {"hiddenSize": model.config.n_embd, "dIn": d_model, "dSae": d_hidden, "expansion": d_hidden / d_model, "l1": L1, "parameters": 2 * d_model * d_hidden + d_hidden + d_model}
cells["9"] = {"texts": TEXTS, "rows": rows, "shape": list(x.shape), "distinctRows": len(set(prefixes)), "position0Rows": int((position == 0).sum()), "mean": x.mean().item(), "std": x.std().item(),
              "tokens": [tokenizer.tokenize(text) for text in TEXTS], "default": {"mean": after_ln_f.mean().item(), "std": after_ln_f.std().item(), "meanNorm": after_ln_f.norm(dim=1).mean().item()},
              "apart": {"blocks.6.hook_resid_pre": apart(x, same[0]), "blocks.5.hook_resid_post": apart(x, same[1]), "hidden_states[-1] and blocks.11.hook_resid_post": apart(after_ln_f, same[2])}}
tensors["hidden_states/6"], tensors["hidden_states/-1/first"] = x, after_ln_f[:len(cells["9"]["tokens"][0])]
print({key: value for key, value in cells["9"].items() if key not in ("texts", "tokens")})


# ---- cells 8, 10, 11
class SparseAutoencoder(torch.nn.Module):
    def __init__(self, weights, dtype=torch.float32):
        super().__init__()
        self.W_enc, self.W_dec, self.b_enc, self.b_dec = (torch.nn.Parameter(value.to(dtype).clone()) for value in (weights["W_enc"].T, weights["W_dec"].T, weights["b_enc"], weights["b_dec"]))

    def forward(self, x):
        features = torch.relu(x @ self.W_enc.T + self.b_enc)
        return features @ self.W_dec.T + self.b_dec, features

    def loss(self, x):
        reconstructed, features = self(x)
        recon, sparsity = ((reconstructed - x) ** 2).mean(), L1 * features.abs().mean()
        return recon + sparsity, recon, sparsity

    def in_lab_names(self):
        return {"W_enc": self.W_enc.detach().T, "b_enc": self.b_enc.detach(), "W_dec": self.W_dec.detach().T, "b_dec": self.b_dec.detach()}


def train(sae, x, order):
    """Means over the batches of each epoch: loss, recon and sparsity before the step, l0 after it (and before)."""
    optimizer, history = torch.optim.Adam(sae.parameters(), lr=LR), []
    for epoch in order:
        steps = []
        for batch in epoch.split(BATCH):
            with torch.enable_grad():
                terms = sae.loss(x[batch])
                optimizer.zero_grad()
                terms[0].backward()
            before = (sae(x[batch])[1] > 0).double().sum(1).mean().item()
            optimizer.step()
            steps.append([t.item() for t in terms] + [(sae(x[batch])[1] > 0).double().sum(1).mean().item(), before])
        history.append(np.mean(steps, axis=0).tolist())
    return {key: list(values) for key, values in zip(["loss", "recon", "sparsity", "l0", "l0Before"], zip(*history))}


order, runs = batch_order(rows, EPOCHS, SEEDS["order"]), {}
for name, dtype in [("f32", torch.float32), ("f64", torch.float64)]:
    runs[name] = SparseAutoencoder(normal_weights(d_model, d_hidden, SEEDS["weights"]), dtype)
    cells.setdefault("10", {})[name] = train(runs[name], x.to(dtype), order)
f32, f64 = cells["10"]["f32"], cells["10"]["f64"]
cells["10"]["f32 - f64"] = {key: max(abs(a - b) / (abs(b) if key in ("loss", "recon", "sparsity") else 1) for a, b in zip(f32[key], f64[key])) for key in f64} | {
    "weights": max(apart(a, b) for a, b in zip(runs["f32"].in_lab_names().values(), runs["f64"].in_lab_names().values()))}
cells["10"]["l0 - l0Before"] = {"first": f64["l0"][0] - f64["l0Before"][0], "largest": max((a - b for a, b in zip(f64["l0"], f64["l0Before"])), key=abs)}
cells["11"] = {"recon": f64["recon"][-1], "l0": f64["l0"][-1], "share": f64["l0"][-1] / d_hidden, "ev": 1 - f64["recon"][-1] / x.var().item()}
print("f32 - f64:", cells["10"]["f32 - f64"], "final:", cells["11"], "l0 after and before:", cells["10"]["l0 - l0Before"])
trained = {key: value.float().contiguous() for key, value in runs["f64"].in_lab_names().items()}
tensors.update({f"trained/{key}": value for key, value in trained.items()})
sae = SparseAutoencoder(trained)
out, features = sae(x)
cells["11"]["ofTheStoredWeights"] = {"l0": (features > 0).double().sum(1).mean().item(), "all": explained_variances(x.double(), out.double()),
                                     "withoutPosition0": explained_variances(x[position > 0].double(), out[position > 0].double())}


# ---- cell 12
def frequent(features, k=10):
    counts, magnitudes = (features > 0).float().sum(0), features.mean(0)
    best = torch.argsort(counts, descending=True, stable=True)[:k]
    return [{"feature": i.item(), "frequency": (counts[i] / len(features)).item(), "magnitude": magnitudes[i].item()} for i in best]


cells["12"] = {"all": frequent(features), "withoutPosition0": frequent(features[position > 0]), "counts": (features > 0).sum(0).tolist()}
analyzed = cells["12"]["all"][0]["feature"]

# ---- cells 13 to 15, of the most frequent feature and of one that is rare
rarest = min((i for i in range(d_hidden) if (features[:, i] > 0).sum() >= 8), key=lambda i: (features[:, i] > 0).sum().item())
tokens = [(text, t) for text, pieces in enumerate(cells["9"]["tokens"]) for t in pieces]
cells["13-15"] = []
for feature in [analyzed, rarest]:
    column = features[:, feature]
    top = torch.topk(column, 5)
    listed = [{"row": r, "text": tokens[r][0], "token": tokens[r][1], "activation": column[r].item()} for r in range(rows) if r in top.indices]
    pieces = [e["token"] for e in listed]
    rule = "space" if all(t.startswith("Ġ") for t in pieces) else "upper" if all(t.isupper() for t in pieces) else "digits" if all(t.isdigit() for t in pieces) else "tokens"
    clearly = (column > 0.1).nonzero()[:, 0]
    cells["13-15"].append({"feature": feature, "examples": listed, "sorted": top.indices.tolist(), "rule": rule, "active": int((column > 0).sum()), "aboveThreshold": len(clearly), "rowsAboveThreshold": clearly.tolist(),
                           "distinctTokens": len({tokens[r][1] for r in clearly.tolist()}), "atPosition0": int((position[clearly] == 0).sum())})
    print(f"feature {feature}: {pieces}, rule {rule}, {len(clearly)} above 0.1")
rules = [["Ġa", "Ġdog"], ["NASA", "UN"], ["12", "7"], ["Ġa", "12"], ["USA", "Ġis"], [".", ","], ["A1", "B2"], ["İ", "Ġ"], [], ["X", "Y9", "Z."]]
cells["14"] = {"rules": [{"tokens": t, "rule": "space" if all(p.startswith("Ġ") for p in t) else "upper" if all(p.isupper() for p in t) else "digits" if all(p.isdigit() for p in t) else "tokens"} for t in rules]}

# ---- cell 16, and what it only describes
ids = tokenizer(PROMPT, return_tensors="pt").input_ids


def logits_with(change, ids):
    """The last position's logits with what enters block 6 changed."""
    handle = model.transformer.h[LAYER].register_forward_pre_hook(lambda module, args: (change(args[0]), *args[1:]))
    logits = model(ids).logits[0, -1]
    handle.remove()
    return logits


def multiplied(h, feature, alpha, error):
    features = sae(h)[1]
    scaled = features.clone()
    scaled[..., feature] *= alpha
    decode = lambda f: f @ sae.W_dec.T + sae.b_dec
    return decode(scaled) + (h - decode(features) if error else 0)


def top(logits, k=5):
    probs = logits.double().softmax(-1)
    return [{"id": i.item(), "token": tokenizer.decode([i]), "prob": p.item()} for p, i in zip(*probs.topk(k))]


def greedy(change, ids):
    new, gap = [], []
    for _ in range(20):
        logits = logits_with(change, torch.cat([ids, torch.tensor([new], dtype=torch.long)], 1))
        best = logits.topk(2)
        gap.append((best.values[0] - best.values[1]).item())
        new.append(best.indices[0].item())
        if new[-1] == model.config.eos_token_id:
            break
    return {"ids": new, "text": tokenizer.decode(new), "smallestGap": min(gap)}


plain = model(ids).logits[0, -1]
probs = plain.double().softmax(-1)
cells["16"] = {"text": PROMPT, "baseline": top(plain), "greedy": greedy(lambda h: h, ids), "multiplied": []}
h = model(ids, output_hidden_states=True).hidden_states[LAYER]
strongest = sae(h)[1][0].max(0).values.argmax().item()
for feature in dict.fromkeys([analyzed, strongest]):
    entry = {"feature": feature, "alpha": ALPHA, "activations": sae(h)[1][0, :, feature].tolist(), "added": (multiplied(h, feature, ALPHA, True) - h)[0, -1].norm().item()}
    for name, alpha, error in [("withError", ALPHA, True), ("withoutError", ALPHA, False), ("reconstructionOnly", 1.0, False)]:
        change = lambda h, alpha=alpha, error=error: multiplied(h, feature, alpha, error)
        logits = logits_with(change, ids)
        entry[name] = {"top": top(logits), "kl": (probs * (plain.double().log_softmax(-1) - logits.double().log_softmax(-1))).sum().item(), "greedy": greedy(change, ids)}
    cells["16"]["multiplied"].append(entry)
    print(f"feature {feature} x {ALPHA}:", {name: (round(entry[name]["kl"], 4), entry[name]["greedy"]["text"], round(entry[name]["greedy"]["smallestGap"], 3)) for name in ("withError", "withoutError", "reconstructionOnly")})


# ---- cell 17: the random vector, a contrast vector, a probe's direction
def decompose(vector):
    out, f = sae(vector[None])
    active, cosine = int((f[0] > 0.1).sum()), torch.nn.functional.cosine_similarity(sae.W_dec.T, vector[None])
    best, aligned = torch.topk(f[0], min(5, active)), cosine.topk(5)
    return {"norm": vector.norm().item(), "active": active, "features": [{"feature": i.item(), "value": v.item()} for v, i in zip(*best)], "error": ((out[0] - vector) ** 2).sum().item(),
            "cosines": [{"feature": i.item(), "cosine": c.item()} for c, i in zip(*aligned)]}


pairs = js_list("week7.js", "MOOD_PAIRS")
last = [torch.stack([model(tokenizer(pair[side], return_tensors="pt").input_ids, output_hidden_states=True).hidden_states[LAYER][0, -1] for pair in pairs]) for side in (0, 1)]
contrast = last[0].mean(0) - last[1].mean(0)
both, labels = torch.cat(last).double().numpy(), np.array([1.0] * len(pairs) + [0.0] * len(pairs))
mean, std = both.mean(0), both.std(0)
z = (both - mean) / std


def objective(p):
    """scikit-learn's logistic regression with C = 1: half the squared weights plus the sum of the losses."""
    margin = z @ p[:-1] + p[-1]
    residual = 1 / (1 + np.exp(-margin)) - labels
    return 0.5 * p[:-1] @ p[:-1] + np.logaddexp(0, margin).sum() - labels @ margin, np.append(p[:-1] + z.T @ residual, residual.sum())


solution = minimize(objective, np.zeros(d_model + 1), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000})
probe = torch.from_numpy(solution.x[:-1] / std).float()
along = torch.cat(last) @ contrast
middle = (last[0].mean(0) + last[1].mean(0)) @ contrast / 2
random = normals(d_model, SEEDS["vector"])
cells["17"] = {"pairs": len(pairs), "random": decompose(random), "contrast": decompose(contrast), "probe": decompose(probe), "cosineOfContrastAndProbe": torch.nn.functional.cosine_similarity(contrast, probe, dim=0).item(),
               "probeAccuracy": float(((z @ solution.x[:-1] + solution.x[-1] > 0) == (labels > 0)).mean()), "accuracyAlong": ((along > middle) == torch.tensor(labels > 0)).double().mean().item(), "randomActive": int((sae(random[None])[1] > 0.1).sum())}
tensors["vectors/random"], tensors["vectors/contrast"], tensors["vectors/probe"] = random, contrast, probe
print("decompositions:", {k: (round(cells["17"][k]["norm"], 3), cells["17"][k]["active"], cells["17"][k]["features"][:2], cells["17"][k]["cosines"][0]) for k in ("random", "contrast", "probe")}, cells["17"]["probeAccuracy"], cells["17"]["accuracyAlong"])

# ---- cells 18 and 19
cells["18"] = []
for i, factor in enumerate([2, 4, 8]):
    capacity, results = factor * d_model, {}
    for name, dtype in [("f32", torch.float32), ("f64", torch.float64)]:
        temp = SparseAutoencoder(normal_weights(d_model, capacity, SEEDS["capacityWeights"][i]), dtype)
        train(temp, x.to(dtype), batch_order(rows, 20, SEEDS["capacityOrder"][i]))
        out, f = temp(x.to(dtype))
        results[name] = {"recon": ((out - x.to(dtype)) ** 2).mean().item(), "l0": (f > 0).double().sum(1).mean().item()}
    entry = {"capacity": capacity, **results["f64"], "sparsity": results["f64"]["l0"] / capacity, "f32 - f64": {key: abs(results["f32"][key] - results["f64"][key]) for key in results["f64"]}}
    cells["18"].append(entry)
    print(entry)
save_tensors("labs_week7", tensors)
save_json("labs_week7", report)
