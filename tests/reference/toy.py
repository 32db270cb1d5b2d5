"""Write what toy models of superposition are held against: both models trained by torch, bounds, geometry, interference, SAELens's synthetic worlds and its match scores.

Two models: week 7's (ReLU on the hidden layer, a decoder of its own, linear output) and that of "Toy Models of Superposition" (tied, ReLU on the output).
Several instances are trained at once, as the paper does it, each on batches of its own. Everything is computed in f32 and, from the same numbers, in f64, which is kept.

    python toy.py        writes numbers/toy.{safetensors,json}
"""
from itertools import combinations
import torch
from sae_lens.synthetic import FeatureDictionary, compute_classification_metrics, feature_uniqueness, mean_correlation_coefficient, orthogonalize_embeddings
from scipy.optimize import linear_sum_assignment
from scipy.stats import multivariate_normal, norm
from common import apart, save_json, save_tensors

torch.set_grad_enabled(True)
STEPS, LR = 10, 0.01
PRECISIONS = {"f32": torch.float32, "f64": torch.float64}
generator = torch.Generator().manual_seed(47)
tensors, report = {}, {"steps": STEPS, "lr": LR}


def normal(*shape):
    return torch.randn(*shape, generator=generator)


def sparse(probability, values, *shape):
    """Features that are 0, or with some probability a random value."""
    active = torch.rand(*shape, generator=generator) < probability
    return active * (normal(*shape) if values == "normal" else torch.rand(*shape, generator=generator))


def relu_hidden(w, x):
    """x [instance, row, feature]"""
    hidden = torch.relu(x @ w["W_enc"].mT + w["b_enc"][:, None])
    return hidden, hidden @ w["W_dec"].mT + w["b_dec"][:, None]


def relu_output(w, x):
    hidden = x @ w["W"].mT
    return hidden, torch.relu(hidden @ w["W"] + w["b_dec"][:, None])


MODELS = {"relu-hidden": relu_hidden, "relu-output": relu_output}


def initial(model, instances, n, h):
    if model == "relu-hidden":
        return {"W_enc": 0.5 * normal(instances, h, n), "W_dec": 0.5 * normal(instances, n, h), "b_enc": 0.1 * normal(instances, h), "b_dec": 0.1 * normal(instances, n)}
    return {"W": 0.5 * normal(instances, h, n), "b_dec": 0.1 * normal(instances, n)}


def losses_of(model, w, x, importance):
    """The mean over batch and features of I_i (x_i - x̂_i)², for each instance."""
    return (importance * (x - MODELS[model](w, x)[1]).pow(2)).mean(dim=(1, 2))


# ---- training
CASES = [  # model, features, hidden, probabilities, importance's decay, values, batch
    ("relu-hidden", 5, 2, [0.1, 0.5], 1.0, "normal", 24),
    ("relu-hidden", 9, 4, [0.3, 0.2, 0.05], 0.8, "uniform", 16),
    ("relu-hidden", 3, 6, [0.4], 0.9, "normal", 8),
    ("relu-output", 5, 2, [0.1, 0.5], 1.0, "uniform", 24),
    ("relu-output", 12, 5, [0.3, 0.2, 0.05], 0.8, "uniform", 16),
    ("relu-output", 6, 1, [0.4, 1.0], 0.9, "normal", 8)]
report["cases"] = []
for number, (model, n, h, probabilities, decay, values, batch) in enumerate(CASES):
    importance = decay ** torch.arange(n, dtype=torch.float64)
    init = initial(model, len(probabilities), n, h)
    batches = torch.stack([sparse(p, values, STEPS, batch, n) for p in probabilities])
    losses, gradients, after = {}, {}, {}
    for label, dtype in PRECISIONS.items():
        w = {name: value.to(dtype).clone().requires_grad_() for name, value in init.items()}
        optimizer = torch.optim.Adam(w.values(), lr=LR)
        losses[label] = []
        for step in range(STEPS):
            optimizer.zero_grad()
            of_each = losses_of(model, w, batches[:, step].to(dtype), importance.to(dtype))
            of_each.sum().backward()
            if step == 0:
                gradients[label] = {name: value.grad.clone() for name, value in w.items()}
            optimizer.step()
            losses[label].append(of_each.tolist())
        after[label] = {name: value.detach().clone() for name, value in w.items()}
    with torch.no_grad():
        rows = 2 * normal(7, n)
        trained = {name: value.float().double() for name, value in after["f64"].items()}  # as they are stored
        hidden, outputs = MODELS[model](trained, rows.double()[None].expand(len(probabilities), -1, -1))
        decoder = trained["W_dec"] if model == "relu-hidden" else trained["W"].mT
        norms = decoder.norm(dim=-1)
        # D_i = ‖W_i‖² / Σ_j (Ŵ_i · W_j)², Toy Models of Superposition, "The Geometry of Superposition"
        dimensionality = norms**2 / ((decoder / norms[..., None]) @ decoder.mT).pow(2).sum(-1)
        interference = []
        for size in sorted({1, min(3, n), n}):
            sets = list(combinations(range(n), size))
            x = torch.zeros(len(sets), n, dtype=torch.float64)
            for at, chosen in enumerate(sets):
                x[at, list(chosen)] = 1
            error = (MODELS[model](trained, x[None].expand(len(probabilities), -1, -1))[1] - x).pow(2).sum(-1)
            interference.append({"size": size, "subsets": len(sets), "first": error[:, 0].tolist(), "mean": error.mean(1).tolist(), "min": error.min(1).values.tolist(), "max": error.max(1).values.tolist()})
    prefix = f"case/{number}"
    tensors |= {f"{prefix}/batches": batches, f"{prefix}/rows": rows, f"{prefix}/hidden": hidden.float(), f"{prefix}/outputs": outputs.float()}
    for kind, group in [("init", init), ("gradients", gradients["f64"]), ("after", after["f64"])]:
        tensors |= {f"{prefix}/{kind}/{name}": value.float() for name, value in group.items()}
    case = {"model": model, "nFeatures": n, "nHidden": h, "probabilities": probabilities, "importanceDecay": decay, "values": values, "batchSize": batch, "weights": list(init),
            "losses": losses, "norms": norms.tolist(), "dimensionality": dimensionality.tolist(), "interference": interference,
            "f32 - f64": {"loss_relative": max(abs(a / b - 1) for f, d in zip(losses["f32"], losses["f64"]) for a, b in zip(f, d)), "after": max(apart(after["f32"][name], after["f64"][name]) for name in init)}}
    report["cases"].append(case)
    print(model, n, h, case["f32 - f64"])

torch.set_grad_enabled(False)

# ---- bounds, by a principal component analysis of a large sample in which feature i is √I_i as large
ROWS = 400_000
report["bounds"] = []
for n, h, probability, values, decay in [(5, 2, 0.1, "normal", 1.0), (5, 2, 0.1, "uniform", 1.0), (20, 5, 0.05, "uniform", 0.9), (6, 3, 0.5, "uniform", 0.7), (4, 4, 0.3, "normal", 1.0)]:
    x = sparse(probability, values, ROWS, n).double() * decay ** (torch.arange(n) / 2)
    variances = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))  # rising
    report["bounds"].append({"nFeatures": n, "nHidden": h, "probability": probability, "values": values, "importanceDecay": decay, "rows": ROWS,
                             "zero": (x.pow(2).sum(1).mean() / n).item(), "pca": (variances[:n - h].sum() / n).item()})
    print("bounds", report["bounds"][-1])

# ---- matching: SAELens's scores, scipy's assignment
report["matching"] = []
for number, (found, true, width, noise) in enumerate([(12, 8, 6, 0.3), (8, 12, 6, 0.3), (20, 20, 10, 0.1), (40, 15, 20, 1.0), (1, 3, 2, 0.5)]):
    truth = normal(true, width)
    chosen = torch.randint(true, (found,), generator=generator)
    directions = truth[chosen] * torch.randn(found, 1, generator=generator) + noise * normal(found, width)
    truth_acts = sparse(0.2, "uniform", 200, true)
    found_acts = truth_acts[:, chosen] * (torch.rand(200, found, generator=generator) < 0.8) + sparse(0.05, "uniform", 200, found)
    found_acts[:, 0] = 0  # one that never fires
    cosines = torch.nn.functional.normalize(truth.double(), dim=1) @ torch.nn.functional.normalize(directions.double(), dim=1).T
    at, partner = linear_sum_assignment(-cosines.abs().numpy())
    pairs = []
    for t, f in zip(at.tolist(), partner.tolist()):
        a, b = found_acts[:, f] > 0, truth_acts[:, t] > 0
        both = (a & b).sum().item()
        pairs.append({"truth": t, "found": f, "cosine": cosines[t, f].item(), "f1": 2 * both / max(a.sum().item() + b.sum().item(), 1)})
    figures = compute_classification_metrics(found_acts, truth_acts, directions, truth)
    tensors |= {f"matching/{number}/found": directions, f"matching/{number}/truth": truth, f"matching/{number}/foundActs": found_acts, f"matching/{number}/truthActs": truth_acts}
    report["matching"].append({"mcc": mean_correlation_coefficient(directions, truth), "uniqueness": feature_uniqueness(directions, truth), "meanMaxCosine": cosines.max(1).values.mean().item(), "pairs": pairs,
                               "f1": sum(p["f1"] for p in pairs) / len(pairs), "latents": {"precision": figures.precision, "recall": figures.recall, "f1": figures.f1_score, "accuracy": figures.accuracy}})
    print("matching", {key: value for key, value in report["matching"][-1].items() if key != "pairs"})

# ---- worlds
torch.set_grad_enabled(True)
report["orthogonalize"] = []
for number, (n, width, steps) in enumerate([(20, 10, 200), (5, 8, 50), (6, 2, 200)]):
    start = torch.nn.functional.normalize(normal(n, width), dim=1)
    f32, f64 = (orthogonalize_embeddings(start.to(dtype), num_steps=steps) for dtype in PRECISIONS.values())
    tensors |= {f"orthogonalize/{number}/start": start, f"orthogonalize/{number}/end": f64.float()}
    report["orthogonalize"].append({"steps": steps, "f32 - f64": apart(f32, f64)})
    print("orthogonalize", report["orthogonalize"][-1])
dictionary = FeatureDictionary(20, 10, initializer=None, seed=1)  # activations are features times directions, without a bias
assert apart(dictionary(torch.eye(20)), dictionary.feature_vectors) == 0

# Features fire where correlated normal variables are above a threshold: SAELens's ActivationGenerator with the same correlation for every two.
report["correlated"] = [{"probability": p, "correlation": rho, "threshold": norm.ppf(1 - p), "both": multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf([norm.ppf(p)] * 2).item()}
                        for p in [0.1, 0.02, 0.7] for rho in [0.0, 0.3, 0.8]]
report["quantiles"] = [{"probability": p, "z": norm.ppf(p)} for p in [1e-9, 1e-4, 0.01, 0.02425, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975, 0.9986, 0.99999]]
save_tensors("toy", tensors)
save_json("toy", report)
