"""Write what chapter 9's cells print, on the tiny model, with its shipped SAE loaded by SAELens.

The cells' own calls: TransformerLens with a tokenizer (to_tokens, to_string, run_with_cache, generate) and SAELens (encode, decode, W_dec). Then the corrected figures and the
exercises. Numbers are f32, as a notebook prints them; `f32 - f64` says how far they are from the same in f64.
Torch's random stream cannot be repeated elsewhere, so of the samples only the distribution that they are drawn from is written.

    python labs_chapter9.py        writes numbers/labs_chapter9.json
"""
from tempfile import TemporaryDirectory
import torch
from sae_lens import SAE
from scipy.stats import mannwhitneyu, spearmanr
from transformers import AutoTokenizer
from common import FOLDERS, apart, save_json, tl_model
from labs_common import auroc, batch_order, explained_variances, hf_tokenizer, js_list, normal_weights

HOOK, NAME = "blocks.8.hook_resid_pre", "blocks.8.hook_resid_pre_768"
TEXT = "The Golden Gate Bridge is a famous landmark in San Francisco."
TEST_TEXTS = ["The Golden Gate Bridge is beautiful.", "San Francisco is a city in California.", "The bridge spans the bay.", "I love eating pizza.",
              "Python is a programming language.", "The weather is nice today."]
FRANCE, PROMPT, CODE = "The capital of France is Paris.", "I went to the store to buy", "def hello_world():\n    print('Hello, world!')"

model = tl_model("tiny")
with TemporaryDirectory() as place:  # from a folder, because TransformerLens loads it once more
    hf_tokenizer().save_pretrained(place)
    model.set_tokenizer(AutoTokenizer.from_pretrained(place))
model64 = tl_model("tiny").to(torch.float64)
folder = FOLDERS["tiny"].parent / "saes/tiny" / NAME
sae, sae64 = (SAE.load_from_disk(folder, dtype=dtype).eval() for dtype in ("float32", "float64"))
report = {"cells": {}, "exercises": {}}
cells, exercises = report["cells"], report["exercises"]


def activations(text, hook=HOOK):
    return model.run_with_cache(model.to_tokens(text), names_filter=hook)[1][hook]


def features_of(text):
    return sae.encode(activations(text))[0]


# ---- cells 3 to 10
cells["3-4"] = {"nLayers": model.cfg.n_layers, "dModel": model.cfg.d_model, "dIn": sae.cfg.d_in, "dSae": sae.cfg.d_sae, "expansion": sae.cfg.d_sae / sae.cfg.d_in}
tokens = model.to_tokens(TEXT)
token_strs = [model.to_string(t) for t in tokens[0]]
x = activations(TEXT)
f = sae.encode(x)
active = (f[0] > 0).sum(-1).float()
cells["5-8"] = {"text": TEXT, "ids": tokens[0].tolist(), "tokens": token_strs, "activationShape": list(x.shape), "featureShape": list(f.shape),
                "active": active.int().tolist(), "meanActive": active.mean().item(), "sparsity": (1 - active.mean() / f.shape[-1]).item(),
                "withoutPosition0": {"meanActive": active[1:].mean().item(), "sparsity": (1 - active[1:].mean() / f.shape[-1]).item()}}
x64 = model64.run_with_cache(tokens, names_filter=HOOK)[1][HOOK]
cells["5-8"]["f32 - f64"] = {"activations": apart(x, x64), "features": apart(f, sae64.encode(x64))}
cells["9"] = [{"token": token_strs[p], "features": [{"feature": i.item(), "value": v.item()} for v, i in zip(*torch.topk(f[0, p], k=3))]} for p in range(len(token_strs))]


def most_active(features, first=0):
    part = features[first:]
    pos, feature = (part == part.max()).nonzero()[0].tolist()
    return {"feature": feature, "activation": part.max().item(), "position": pos + first, "token": token_strs[pos + first]}


cells["10"] = {"all": most_active(f[0]), "withoutPosition0": most_active(f[0], 1)}
# On GPT-2 the winner is position 0's; on the tiny model it is not, so that feature is looked at too.
chosen = {"all": cells["10"]["all"]["feature"], "position0": f[0, 0].argmax().item()}
assert chosen["all"] == cells["10"]["withoutPosition0"]["feature"] != chosen["position0"]

# ---- cell 11
cells["11"] = []
for feature in chosen.values():
    rows = []
    for text in TEST_TEXTS:
        column = features_of(text)[:, feature]
        best, later = column.max(0), column[1:].max(0)
        rows.append({"text": text, "activation": best.values.item(), "position": best.indices.item(), "bar": int(best.values.item() * 5),
                     "withoutPosition0": {"activation": later.values.item(), "position": later.indices.item() + 1}})
    cells["11"].append({"feature": feature, "rows": rows})

# ---- cell 12
x = activations(FRANCE)
y = sae.decode(sae.encode(x))
mse = ((x - y) ** 2).mean().item()
cells["12"] = {"text": FRANCE, "mse": mse, "ev": 1 - mse / x.var().item(), "all": explained_variances(x[0].double(), y[0].double()), "withoutPosition0": explained_variances(x[0, 1:].double(), y[0, 1:].double())}

# ---- cells 13 and 14
try:
    output = model.generate(PROMPT, max_new_tokens=2, temperature=0.7, do_sample=True, verbose=False)
    model.to_string(output[0])
    raise AssertionError("the notebook's cell 13 did not fail")
except (TypeError, ValueError, AttributeError) as error:
    cells["13"] = {"asWritten": {"error": type(error).__name__, "message": str(error)[:200], "generateReturned": type(output).__name__, "element0": output[0]}}
    print("cell 13 as written:", cells["13"]["asWritten"])


def steering(feature, strength):
    direction = sae.W_dec[feature]

    def hook(activation, hook):
        activation[:, :, :] += strength * direction
        return activation

    return [(HOOK, hook)] if strength else []


def steered(prompt, feature, strength):
    """Greedy text, its new ids, the smallest lead of the best logit, and the next token's distribution at T = 0.7."""
    ids = model.to_tokens(prompt)
    with model.hooks(fwd_hooks=steering(feature, strength)):
        text = model.generate(prompt, max_new_tokens=20, do_sample=False, verbose=False)
        full = model.generate(ids, max_new_tokens=20, do_sample=False, verbose=False)[0].tolist()
        logits = model(ids)[0, -1].double()
        new, gaps, so_far = full[ids.shape[1]:], [], ids[0].tolist()
        for token in new:
            best = model(torch.tensor([so_far]))[0, -1].topk(2).values
            gaps.append((best[0] - best[1]).item())
            so_far.append(token)
    return text, new, min(gaps), (logits / 0.7).softmax(-1)


def listed(probs, order):
    return [{"id": i, "token": model.to_string(torch.tensor([i])), "prob": probs[i].item()} for i in order]


plain = steered(PROMPT, 0, 0)
residual = activations(PROMPT)[0, 1:].norm(dim=-1)
cells["14"] = {"prompt": PROMPT, "plain": {"text": plain[0], "ids": plain[1], "smallestGap": plain[2], "top": listed(plain[3], plain[3].topk(10).indices.tolist())}, "steered": []}
for name, feature in chosen.items():
    for strength in [5.0, 20.0, -5.0]:
        text, ids, gap, probs = steered(PROMPT, feature, strength)
        change = (probs - plain[3]).abs().topk(10).indices.tolist()
        cells["14"]["steered"].append({"feature": feature, "chosen": name, "strength": strength, "text": text, "ids": ids, "smallestGap": gap, "top": listed(probs, probs.topk(10).indices.tolist()),
                                       "shifts": [{"id": i, "plain": plain[3][i].item(), "steered": probs[i].item()} for i in change],
                                       "kl": (plain[3] * (plain[3] / probs).log()).sum().item(),
                                       "norms": {"direction": sae.W_dec[feature].norm().item(), "added": abs(strength) * sae.W_dec[feature].norm().item(), "residual": residual.quantile(0.5).item()}})
        print(f"steered by #{feature} x {strength}: kl {cells['14']['steered'][-1]['kl']:.3g}, smallest gap {gap:.3g}: {text!r}")
cells["15"] = {"url": f"https://www.neuronpedia.org/gpt2-small/8-res-jb/{chosen['all']}", "feature": chosen["all"]}

# ---- exercise 1, with its cell 16
top = features_of(CODE).max(0).values.topk(5)
exercises["1"] = {"codeText": CODE, "strongest": [{"feature": i.item(), "value": v.item()} for v, i in zip(*top)]}


def per_text(texts):
    """[texts, d_sae]: each feature's largest activation after position 0; and the rows after position 0."""
    rows = [features_of(text)[1:] for text in texts]
    return torch.stack([r.max(0).values for r in rows]), torch.cat(rows)


lists = {key: js_list("chapter9.js", key, CODE_TEXT=CODE) for key in ["CODE_TEXTS", "PROSE_TEXTS", "CODE_HELD_OUT", "PROSE_HELD_OUT"]}
groups = {key: per_text(texts) for key, texts in lists.items()}
scores = [auroc(groups["CODE_TEXTS"][0][:, i], groups["PROSE_TEXTS"][0][:, i]) for i in range(sae.cfg.d_sae)]
means = [(groups[k][1].mean(0)) for k in ("CODE_TEXTS", "PROSE_TEXTS")]
order = sorted(range(sae.cfg.d_sae), key=lambda i: -scores[i])
exercises["1"]["ranking"] = [{"feature": i, "auroc": scores[i], "meanPositive": means[0][i].item(), "meanNegative": means[1][i].item()} for i in order[:40]]
exercises["1"]["perfect"] = sum(s == 1 for s in scores)


def held_out(i):
    code, prose = groups["CODE_HELD_OUT"], groups["PROSE_HELD_OUT"]
    score = auroc(code[0][:, i], prose[0][:, i])
    u = mannwhitneyu(code[0][:, i], prose[0][:, i]).statistic / (len(code[0]) * len(prose[0]))
    assert abs(score - u) < 1e-12
    return {"feature": i, "auroc": score, "tokenAuroc": auroc(code[1][:, i], prose[1][:, i]), "code": code[0][:, i].tolist(), "prose": prose[0][:, i].tolist(), "meanCode": code[1][:, i].mean().item(),
            "meanProse": prose[1][:, i].mean().item(), "frequencyCode": (code[1][:, i] > 0).float().mean().item(), "frequencyProse": (prose[1][:, i] > 0).float().mean().item()}


everywhere = max(range(sae.cfg.d_sae), key=lambda i: (torch.cat([groups["CODE_TEXTS"][1], groups["PROSE_TEXTS"][1]])[:, i] > 0).float().mean())
silent = next(i for i in range(sae.cfg.d_sae) if all((g[1][:, i] == 0).all() for g in groups.values()))
exercises["1"]["heldOut"] = [held_out(i) for i in [order[0], order[3], order[-1], everywhere, silent, chosen["all"]]]
print("code features:", [(r["feature"], r["auroc"]) for r in exercises["1"]["ranking"][:5]], "held out:", [(r["feature"], r["auroc"]) for r in exercises["1"]["heldOut"]])

# ---- exercise 2: two layers, SAELens's standard SAE and loss
LAYERS, EPOCHS, BATCH, L1, LR, D_SAE = [0, 10], 20, 32, 1.0, 1e-3, 384
layer_texts = [TEXT, *TEST_TEXTS, FRANCE]
seeds = {"weights": [31, 35], "order": 33}


def train_standard(rows, weights, order, dtype, scale=1.0):
    """(mean loss per epoch, features, reconstruction, decoder), with the rows multiplied by `scale` on the way in."""
    rows = rows * scale
    p = {key: value.to(dtype).clone().requires_grad_() for key, value in weights.items()}
    optimizer, rows, steps = torch.optim.Adam(p.values(), lr=LR), rows.to(dtype), []

    def forward(x):
        features = torch.relu((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"])
        return features, features @ p["W_dec"] + p["b_dec"]

    with torch.enable_grad():
        for epoch in order:
            for batch in epoch.split(BATCH):
                features, out = forward(rows[batch])
                loss = (out - rows[batch]).pow(2).sum(-1).mean() + L1 * (features * p["W_dec"].norm(dim=1)).sum(-1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                steps.append(loss.item())
    per_epoch = -(-rows.shape[0] // BATCH)
    features, out = forward(rows)
    return [sum(steps[i:i + per_epoch]) / per_epoch for i in range(0, len(steps), per_epoch)], features, out / scale, p["W_dec"].detach()


def unit_matching(a, b):
    a, b = (d / d.norm(dim=1, keepdim=True) for d in (a, b))
    best = (b @ a.T).max(1)
    return {"mean": best.values.mean().item(), "median": best.values.quantile(0.5).item(), "matched": (best.values > 0.7).double().mean().item(), "sameNumber": (a * b).sum(1).mean().item(),
            "first": [{"feature": i.item(), "cosine": c.item()} for c, i in zip(best.values[:20], best.indices[:20])]}


exercises["2"] = {"texts": layer_texts, "dSae": D_SAE, "epochs": EPOCHS, "batchSize": BATCH, "l1": L1, "lr": LR, "seeds": seeds, "runs": []}
later = torch.tensor([p > 0 for text in layer_texts for p in range(model.to_tokens(text).shape[1])])
# The rows as they are, and scaled to a mean length of sqrt(d): SAELens's expected_average_only_in.
for normalize in ["none", "expected_average_only_in"]:
    layers, decoders = [], []
    for n, layer in enumerate(LAYERS):
        rows = torch.cat([activations(text, f"blocks.{layer}.hook_resid_pre")[0] for text in layer_texts])
        weights, order = normal_weights(96, D_SAE, seeds["weights"][n]), batch_order(len(rows), EPOCHS, seeds["order"])
        scale = 1.0 if normalize == "none" else 96**0.5 / rows.norm(dim=1).mean().item()
        runs = {name: train_standard(rows, weights, order, dtype, scale) for name, dtype in [("f32", torch.float32), ("f64", torch.float64)]}
        losses, f, out, decoder = runs["f64"]
        decoders.append(decoder)
        fired = f > 0
        layers.append({"layer": layer, "rows": len(rows), "meanNorm": rows.norm(dim=1).mean().item(), "losses": losses, "l0": fired.double().sum(-1).mean().item(), "l0WithoutPosition0": fired[later].double().sum(-1).mean().item(),
                       "all": explained_variances(rows.double(), out), "withoutPosition0": explained_variances(rows[later].double(), out[later]), "dead": int((~fired).all(0).sum()), "meanDensity": fired.double().mean().item(),
                       "f32 - f64": {"loss": max(abs(a - b) / b for a, b in zip(runs["f32"][0], losses)), "decoder": apart(runs["f32"][3], decoder), "l0": (runs["f32"][1] > 0).double().sum(-1).mean().item() - fired.double().sum(-1).mean().item()}})
        print(f"{normalize}, layer {layer}:", {k: v for k, v in layers[-1].items() if k != "losses"})
    exercises["2"]["runs"].append({"normalizeActivations": normalize, "layers": layers, "matching": unit_matching(*decoders)})

# ---- exercise 3
texts = [TEXT, *TEST_TEXTS, FRANCE, PROMPT, CODE, "2 + 3 = 5, 4 + 4 = 8, 6 + 1 = 7", "Le chat est noir. La maison est grande."]
points = []
for text in texts:
    x = activations(text)[0]
    f = sae.encode(x)
    y, l0 = sae.decode(f), (f > 0).double().sum(-1)
    points.append({"text": text, "l0": l0.mean().item(), "all": explained_variances(x.double(), y.double()), "l0WithoutPosition0": l0[1:].mean().item(), "withoutPosition0": explained_variances(x[1:].double(), y[1:].double())})
x = activations(FRANCE)[0, 1:]
f, levels = sae.encode(x), []
for k in [1, 2, 4, 8, 16, 32, None]:
    kept = f if k is None else torch.zeros_like(f).scatter(1, (best := f.topk(k)).indices, best.values)
    levels.append({"k": k, "l0": (kept > 0).double().sum(-1).mean().item(), "ev": explained_variances(x.double(), sae.decode(kept).double())["evPerDimension"], "mse": (x - sae.decode(kept)).pow(2).mean().item()})
exercises["3"] = {"points": points, "levels": levels, "correlation": spearmanr([p["l0"] for p in points], [p["all"]["evGlobal"] for p in points]).statistic,
                  "correlationWithoutPosition0": spearmanr([p["l0WithoutPosition0"] for p in points], [p["withoutPosition0"]["evPerDimension"] for p in points]).statistic}
print("trade-off:", exercises["3"]["correlation"], exercises["3"]["correlationWithoutPosition0"], [(p["k"], round(p["ev"], 3)) for p in levels])
save_json("labs_chapter9", report)
