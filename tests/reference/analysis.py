"""Write what numpy, scikit-learn, SAELens and TransformerLens make of the questions that the lab asks about features and directions.

Activations are the tiny model's in f64 (TransformerLens, processed), the SAE the shipped one of 384 features, loaded by SAELens in f64. Its thresholds
make features jump: of every set of rows the smallest distance of a pre-activation from its threshold is printed and stored (`margin`), which f32 has to
stay below for the same features to be active.

    python analysis.py        writes numbers/analysis.{json,safetensors}
"""
import json
import numpy as np
import torch
from safetensors.torch import load_file
from sae_lens import SAE
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from common import HERE, NUMBERS, save_json, save_tensors, tl_model, tokenizer_of, with_bos

SAES, HOOK, BOS = HERE.parents[1] / "www/models/saes/tiny", "blocks.8.hook_resid_pre", 4095
TEXTS = json.loads((NUMBERS / "sae_tiny.json").read_text())["texts"]
POSITIVE = ["for i in range(10):\n    print(i)", "import numpy as np\narray = np.zeros((10, 10))", "def add(a, b):\n    return a + b", "if x == 0:\n    return None",
            "class Point:\n    def __init__(self, x, y):\n        self.x = x", "with open(name) as f:\n    lines = f.readlines()", "return [x * 2 for x in values]"]
NEGATIVE = ["Once upon a time, there was a brave knight who", "I am so happy today!", "The quick brown fox jumps over the lazy dog.", "What is the meaning of life?",
            "The detective examined the mysterious letter carefully.", "In a galaxy far, far away,", "I feel uncertain about the future.", "Why is the sky blue?"]
STEERED, ALPHA = ["The capital of France is", "for i in range(10):\n    print("], 5.0

tokenizer, model = tokenizer_of("tiny"), tl_model("tiny").to(torch.float64)


def sae_of(width):
    return SAE.load_from_disk(SAES / f"blocks.8.hook_resid_pre_{width}", dtype="float64").eval()


sae = sae_of(384)


def margin(x):
    """The smallest distance of a pre-activation from its threshold."""
    return ((x - sae.b_dec) @ sae.W_enc + sae.b_enc - sae.threshold).abs().min().item()


class Rows:
    """Activations of texts with BOS: rows `x`, features `f`; text and position of each row."""

    def __init__(self, texts):
        ids = [with_bos(tokenizer, text) for text in texts]
        self.x = torch.cat([model.run_with_cache(torch.tensor([i]), names_filter=HOOK)[1][HOOK][0] for i in ids])
        self.text = np.concatenate([[t] * len(i) for t, i in enumerate(ids)])
        self.position = np.concatenate([np.arange(len(i)) for i in ids])
        self.token = np.concatenate(ids)
        self.f = sae.encode(self.x)

    def of(self, skip):
        return np.flatnonzero(self.position > 0) if skip else np.arange(len(self.x))


def largest(values, k):
    """Places of the k largest, the first of equals first."""
    return sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]


tensors, result = {}, {"hook": HOOK, "sae": "384", "texts": TEXTS, "positive": POSITIVE, "negative": NEGATIVE}
prompts, positive, negative = Rows(TEXTS), Rows(POSITIVE), Rows(NEGATIVE)
result["margin"] = {name: margin(rows.x) for name, rows in [("texts", prompts), ("positive", positive), ("negative", negative)]}
print("margins", result["margin"])
for name, rows in [("texts", prompts), ("positive", positive), ("negative", negative)]:
    tensors[f"{name}/activations"] = rows.x.float()
    result[f"{name}Rows"] = {"text": rows.text.tolist(), "position": rows.position.tolist(), "token": rows.token.tolist()}

# ---- co-activation
result["coactivation"] = []
for skip, min_frequency in [(False, 0.01), (True, 0.01), (True, 0.2), (False, 0.3)]:
    f = prompts.f[prompts.of(skip)].numpy()
    above = np.flatnonzero((f > 0).mean(0) > min_frequency)
    varying = above[f[:, above].std(0) > 0]
    correlation = np.corrcoef(f[:, varying].T)
    together = ((f[:, varying] > 0).astype(float).T @ (f[:, varying] > 0)) / len(f)
    a, b = np.triu_indices(len(varying), 1)
    values = correlation[a, b]

    def pairs(sign):
        return [{"a": int(varying[a[n]]), "b": int(varying[b[n]]), "correlation": values[n], "together": together[a[n], b[n]]} for n in largest(sign * values, 11)]

    highest, lowest = pairs(1), pairs(-1)
    gap = lambda list: min(abs(p["correlation"] - q["correlation"]) for p, q in zip(list, list[1:]))
    entry = {"skipPosition0": skip, "minFrequency": min_frequency, "rows": len(f), "active": len(above), "features": varying.tolist(),
             "pairs": highest[:10], "lowest": lowest[:10], "smallestGap": {"pairs": gap(highest), "lowest": gap(lowest)}}
    if len(varying) <= 100:
        entry["matrix"] = f"coactivation/{len(result['coactivation'])}"
        tensors[entry["matrix"]] = torch.tensor(correlation).float()
    result["coactivation"].append(entry)
    print(f"coactivation, skip {skip}, {min_frequency}: {len(above)} active, {len(varying)} vary, gaps {entry['smallestGap']}, first {highest[0]}, last {lowest[0]}")

# ---- columns, and the strongest of each row
features = [int(i) for i in prompts.f.max(0).values.topk(4).indices] + [0, 383]
result["featureActs"] = {"features": features}
tensors["featureActs"] = prompts.f[:, features].float()
f = prompts.f.numpy()
strongest = [largest(row, 3) for row in f]
best = np.unravel_index(f.argmax(), f.shape)
result["perToken"] = {"features": strongest, "active": (f > 0).sum(1).tolist(), "meanActive": (f > 0).sum(1).mean(),
                      "max": {"row": int(best[0]), "feature": int(best[1]), "value": f.max()},
                      "smallestGap": min(row[i] - row[j] for row, places in zip(f, [largest(row, 4) for row in f]) for i, j in zip(places, places[1:]) if row[j] > 0)}
tensors["perToken"] = torch.tensor([[row[i] for i in places] for row, places in zip(f, strongest)]).float()
print("perToken", result["perToken"]["max"], "mean", result["perToken"]["meanActive"], "gap", result["perToken"]["smallestGap"])

# ---- matching by decoder cosine
small = sae_of(192)
unit = lambda w: torch.nn.functional.normalize(w, dim=1)
cosines = unit(sae.W_dec) @ unit(small.W_dec).T  # [384, 192]
top = cosines.topk(4)
result["matching"] = {"a": "192", "b": "384", "features": top.indices[:, :3].tolist(), "smallestGap": (top.values[:, :3] - top.values[:, 1:]).min().item(),
                      "histogram": np.histogram(top.values[:, 0].numpy(), np.linspace(-1, 1, 41))[0].tolist()}
tensors["matching"] = top.values[:, :3].float()
print("matching", result["matching"]["smallestGap"], "best", top.values[:, 0].min().item(), top.values[:, 0].max().item())

# ---- concepts: AUROC of each feature
result["concepts"] = []
for per, skip in [("token", True), ("token", False), ("text", True)]:
    values = []
    for rows in [positive, negative]:
        chosen = rows.of(skip)
        f = rows.f.numpy()[chosen]
        if per == "text":
            f = np.stack([f[rows.text[chosen] == t].max(0) for t in np.unique(rows.text)])
        values.append(f)
    p, n = values
    labels = np.r_[np.ones(len(p)), np.zeros(len(n))]
    both = np.concatenate(values)
    auroc = [roc_auc_score(labels, both[:, i]) for i in range(384)]
    judged = [i for i in range(384) if (both[:, i] > 0).any()]
    order = sorted(judged, key=lambda i: (-round(auroc[i], 12), n[:, i].mean() - p[:, i].mean(), i))[:20]
    result["concepts"].append({"per": per, "skipPosition0": skip, "positives": len(p), "negatives": len(n), "judged": len(judged), "features": [
        {"feature": i, "auroc": auroc[i], "meanPositive": p[:, i].mean(), "meanNegative": n[:, i].mean(), "frequencyPositive": (p[:, i] > 0).mean(),
         "frequencyNegative": (n[:, i] > 0).mean(), "max": both[:, i].max()} for i in order]})
    print("concepts", per, skip, len(p), len(n), [round(auroc[i], 4) for i in order[:6]])

# ---- difference of means, and a probe
result["contrast"], result["probe"] = [], []
for skip in [True, False]:
    sides = [rows.x[rows.of(skip)].numpy() for rows in [positive, negative]]
    texts = [rows.text[rows.of(skip)] for rows in [positive, negative]]
    means = [side.mean(0) for side in sides]
    vector = means[0] - means[1]
    x, labels = np.concatenate(sides), np.r_[np.ones(len(sides[0])), np.zeros(len(sides[1]))]
    along = x @ vector - (means[0] + means[1]) @ vector / 2
    result["contrast"].append({"skipPosition0": skip, "norm": np.linalg.norm(vector), "accuracyAlong": ((along > 0) == labels).mean(), "aurocAlong": roc_auc_score(labels, along),
                               "margin": np.abs(along).min()})
    tensors[f"contrast/{len(result['contrast']) - 1}"] = torch.tensor(vector).float()
    print("contrast", result["contrast"][-1])
    for l2, standardize in [(1.0, True), (0.01, True), (10.0, False)]:
        regression = lambda: LogisticRegression(C=1 / l2, tol=1e-12, max_iter=100_000, solver="newton-cholesky")

        def fit(x, y):
            pipeline = make_pipeline(*([StandardScaler()] if standardize else []), regression()).fit(x, y)
            w, b = pipeline[-1].coef_[0], pipeline[-1].intercept_[0]
            if standardize:
                w = w / pipeline[0].scale_
                b = b - w @ pipeline[0].mean_
            return pipeline, w, b

        pipeline, w, b = fit(x, labels)
        fold = np.concatenate(texts) % 5
        folds, margins = [], [np.abs(x @ w + b).min()]
        for n in range(5):
            out = fold == n
            left, v, c = fit(x[~out], labels[~out])
            folds.append(left.score(x[out], labels[out]))
            margins.append(np.abs(x[out] @ v + c).min())
        right = sum(score * (fold == n).sum() for n, score in enumerate(folds)) / len(x)
        entry = {"skipPosition0": skip, "l2": l2, "standardize": standardize, "bias": b, "norm": np.linalg.norm(w), "accuracy": pipeline.score(x, labels), "folds": folds, "heldOut": right, "margin": min(margins)}
        tensors[f"probe/{len(result['probe'])}"] = torch.tensor(w).float()
        result["probe"].append(entry)
        print("probe", entry)

# ---- directions taken apart
result["decompose"] = []
vectors = {"contrast": tensors["contrast/0"].double(), "long contrast": tensors["contrast/0"].double() * 3, "random": torch.randn(96, generator=torch.Generator().manual_seed(9)).double()}
for name, v in vectors.items():
    f = sae.encode(v[None])[0]
    cosine = torch.nn.functional.cosine_similarity(sae.W_dec, v[None], dim=1)
    active = (f > 0.1).sum().item()
    result["decompose"].append({"name": name, "active": active, "features": [{"feature": int(i), "value": f[i].item()} for i in f.topk(min(5, active)).indices],
                                "error": ((sae(v[None])[0] - v) ** 2).sum().item(), "norm": v.norm().item(), "margin": margin(v[None]),
                                "cosines": [{"feature": int(i), "cosine": cosine[i].item()} for i in cosine.topk(5).indices]})
    tensors[f"decompose/{len(result['decompose']) - 1}"] = v.float()
    print("decompose", result["decompose"][-1])

# ---- steering by a feature, with the SAE's error and without
result["steering"] = []
for text in STEERED:
    ids = with_bos(tokenizer, text)
    x = model.run_with_cache(torch.tensor([ids]), names_filter=HOOK)[1][HOOK][0]
    f = sae.encode(x)
    feature = int(f[-1].argmax())
    factors = torch.ones(384, dtype=torch.float64)
    factors[feature] = ALPHA

    def decoded(x, hook):
        return sae.decode(sae.encode(x) * factors)

    def kept(x, hook):
        return x + sae.decode(sae.encode(x) * factors) - sae.decode(sae.encode(x))

    ways = {"none": [], "scale": [(HOOK, kept)], "scale-decode": [(HOOK, decoded)], "scale-decode 1": [(HOOK, lambda x, hook: sae(x))]}
    entry = {"text": text, "ids": ids, "feature": feature, "alpha": ALPHA, "value": f[-1, feature].item(), "margin": margin(x), "ways": {}}
    for name, hooks in ways.items():
        logits = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=hooks)[0, -1]
        probs = logits.softmax(-1)
        entry["ways"][name] = [{"id": int(i), "token": tokenizer.decode([int(i)]), "prob": probs[i].item()} for i in probs.topk(5).indices]
        tensors[f"steering/{len(result['steering'])}/{name}"] = logits.float()
        top = logits.topk(6).values
        entry.setdefault("smallestGap", {})[name] = (top[:-1] - top[1:]).min().item()
    result["steering"].append(entry)
    print("steering", text, feature, entry["value"], entry["margin"], {name: [t["token"] for t in top] for name, top in entry["ways"].items()}, entry["smallestGap"])

save_tensors("analysis", tensors)
save_json("analysis", result)
