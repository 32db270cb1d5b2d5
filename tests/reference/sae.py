"""Write lab C.4's sparse autoencoder at work: losses, gradients, weights, top features, examples, steering directions.

`SparseAutoencoder`, its loss and the three analyses are the lab's; the training loop differs only in taking its batches in a given order.
Every run is made in f32 and, from the same initial weights, in f64. Adam divides a gradient by its own size, so a weight whose gradient is
nearly 0 may move by up to lr either way: the summary says how far f32 and f64 are apart after training, and for how many weights.

    python sae.py        writes numbers/sae.{safetensors,json} and numbers/sae_tiny.{safetensors,json}
"""
import copy
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import apart, save_json, save_tensors, tl_model, tokenizer_of, with_bos

torch.set_grad_enabled(True)


class SparseAutoencoder(nn.Module):
    def __init__(self, d_model, n_features, tied_weights=True):
        super().__init__()
        self.d_model, self.n_features, self.tied_weights = d_model, n_features, tied_weights
        self.encoder = nn.Linear(d_model, n_features, bias=True)
        if tied_weights:
            self.decoder_bias = nn.Parameter(torch.zeros(d_model))
        else:
            self.decoder = nn.Linear(n_features, d_model, bias=True)
        nn.init.kaiming_uniform_(self.encoder.weight, nonlinearity="relu")
        nn.init.zeros_(self.encoder.bias)
        if not tied_weights:
            nn.init.kaiming_uniform_(self.decoder.weight, nonlinearity="linear")
            nn.init.zeros_(self.decoder.bias)

    def encode(self, x):
        return F.relu(self.encoder(x))

    def decode(self, features):
        return F.linear(features, self.encoder.weight.T, self.decoder_bias) if self.tied_weights else self.decoder(features)

    def compute_loss(self, x, sparsity_coef):
        features = self.encode(x)
        recon_loss = F.mse_loss(self.decode(features), x)
        sparsity_loss = features.abs().mean()
        total_loss = recon_loss + sparsity_coef * sparsity_loss
        active = features > 0
        return total_loss, {"total": total_loss.item(), "recon": recon_loss.item(), "l1": sparsity_loss.item(),
                            "fracActive": active.to(x.dtype).mean().item(), "nActive": active.sum(dim=-1).to(x.dtype).mean().item()}

    def in_lab_names(self, grad=False):
        """W_enc [d_in, d_sae], b_enc, W_dec [d_sae, d_in] (untied only), b_dec."""
        of = (lambda p: p.grad) if grad else (lambda p: p)
        named = {"W_enc": of(self.encoder.weight).T, "b_enc": of(self.encoder.bias)}
        if self.tied_weights:
            named["b_dec"] = of(self.decoder_bias)
        else:
            named["W_dec"], named["b_dec"] = of(self.decoder.weight).T, of(self.decoder.bias)
        return {key: value.detach().clone() for key, value in named.items()}


def new_sae(seed, d_in, d_sae, tied):
    torch.manual_seed(seed)
    return SparseAutoencoder(d_in, d_sae, tied)


def batch_order(rows, epochs, seed):
    """One permutation of the rows per epoch, one after the other."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([torch.randperm(rows, generator=generator) for _ in range(epochs)])


def train(sae, activations, order, batch_size, lr, sparsity_coef):
    """(losses before each step, their unweighted mean per epoch, gradients of the first step); trains `sae` in place."""
    optimizer = torch.optim.Adam(sae.parameters(), lr=lr)
    steps, epochs, first_gradients = [], [], None
    for epoch in order.split(len(activations)):
        for batch in epoch.split(batch_size):
            optimizer.zero_grad()
            loss, terms = sae.compute_loss(activations[batch], sparsity_coef)
            loss.backward()
            first_gradients = first_gradients or sae.in_lab_names(grad=True)
            optimizer.step()
            steps.append(terms)
        n = -(-len(activations) // batch_size)
        epochs.append({key: float(np.mean([terms[key] for terms in steps[-n:]])) for key in terms} | {"steps": n})
    return steps, epochs, first_gradients


def find_most_active_features(sae, activations, top_k=20):
    """The lab's, with the score and the largest activation beside its three columns."""
    with torch.no_grad():
        features = sae.encode(activations)
        active = (features > 0).float()
        mean_acts = (features * active).sum(dim=0) / active.sum(dim=0).clamp(min=1)
        frequency = active.mean(dim=0)
        scores = mean_acts * frequency
        best = torch.argsort(scores, descending=True)[:top_k].tolist()
        return [{"feature": i, "meanActive": mean_acts[i].item(), "frequency": frequency[i].item(), "score": scores[i].item(),
                 "max": features[:, i].max().item()} for i in best]


def steering_directions(sae, feature):
    """The lab's direction, which contains the decoder's bias, and two which don't."""
    with torch.no_grad():
        one_hot = torch.zeros(1, sae.n_features)
        one_hot[0, feature] = 1.0
        direction = sae.decode(one_hot)[0]
        row = sae.encoder.weight[feature] if sae.tied_weights else sae.decoder.weight[:, feature]
        return {"decode-one-hot-unit": direction / direction.norm(), "decoder": row, "decoder-unit": row / row.norm()}


def trained_twice(sae, activations, order, l1):
    """The f32 run (in place) and the f64 run from the same weights: ({"f32": …, "f64": …} of `train`'s results, both SAEs)."""
    sae64 = copy.deepcopy(sae).double()
    results = {"f32": train(sae, activations, order, BATCH, LR, l1), "f64": train(sae64, activations.double(), order, BATCH, LR, l1)}
    return results, sae64


def put(tensors, prefix, named, dtype=torch.float32):
    tensors.update({f"{prefix}/{key}": value.to(dtype) for key, value in named.items()})


def compare(label, results, sae, sae64):
    steps32, steps64 = results["f32"][0], results["f64"][0]
    worst = max(abs(a["total"] - b["total"]) / abs(b["total"]) for a, b in zip(steps32, steps64))
    gradients = max(apart(results["f32"][2][key], results["f64"][2][key]) for key in results["f64"][2])
    moved = torch.cat([(a.double() - b).abs().flatten() for a, b in zip(sae.in_lab_names().values(), sae64.in_lab_names().values())])
    report = {"loss_relative": worst, "first_gradients": gradients, "weights_max": moved.max().item(), "weights_above_1e-5": int((moved > 1e-5).sum()), "weights": moved.numel()}
    print(f"{label}: total {steps64[0]['total']:.6f} -> {steps64[-1]['total']:.6f}, f32 - f64: " + ", ".join(f"{k} {v:.3g}" for k, v in report.items()))
    return report


# ---- synthetic activations
ROWS, D_IN, D_SAE, BATCH, LR, EPOCHS = 300, 48, 192, 64, 1e-3, 2
generator = torch.Generator().manual_seed(2)
causes = torch.relu(torch.randn(ROWS, 64, generator=generator) - 1)  # about one in six is there
activations = causes @ torch.randn(64, D_IN, generator=generator) + 0.1 * torch.randn(ROWS, D_IN, generator=generator) + 0.5
order = batch_order(ROWS, EPOCHS, seed=3)
tensors = {"activations": activations}
report = {"rows": ROWS, "dIn": D_IN, "dSae": D_SAE, "batchSize": BATCH, "lr": LR, "epochs": EPOCHS, "order": order.tolist(), "runs": []}
for tied in [True, False]:
    architecture = "tied" if tied else "untied"
    for l1 in [5e-4, 1.0]:
        sae, at = new_sae(4, D_IN, D_SAE, tied), f"{architecture}/{'l1' if l1 == 1.0 else 'lab'}"
        put(tensors, f"{architecture}/init", sae.in_lab_names())
        results, sae64 = trained_twice(sae, activations, order, l1)
        put(tensors, f"{at}/gradients", results["f64"][2])
        put(tensors, f"{at}/after", sae64.in_lab_names())
        run = {"name": at, "architecture": architecture, "l1": l1, "steps": {k: v[0] for k, v in results.items()}, "epochs": {k: v[1] for k, v in results.items()},
               "f32 - f64": compare(at, results, sae, sae64)}
        if l1 == 5e-4:  # the analyses are of this SAE, whose weights are the stored `after` ones: f64 results rounded to f32
            final = copy.deepcopy(sae64).float()
            run["topFeatures"] = find_most_active_features(final, activations)
            run["directions"] = [run["topFeatures"][n]["feature"] for n in (0, 5, 10)]  # the lab's choice
            for feature in run["directions"]:
                put(tensors, f"{at}/direction/{feature}", steering_directions(final, feature))
            with torch.no_grad():
                tensors[f"{at}/encode"], tensors[f"{at}/decode"] = final.encode(activations[:5]), final.decode(final.encode(activations[:5]))
            cosine = F.cosine_similarity(tensors[f"{at}/direction/{run['directions'][0]}/decode-one-hot-unit"], tensors[f"{at}/direction/{run['directions'][0]}/decoder"], dim=0)
            print(f"    top features {[f['feature'] for f in run['topFeatures']]}, smallest lead in score "
                  f"{min(a['score'] - b['score'] for a, b in zip(run['topFeatures'], run['topFeatures'][1:])):.1e}; cosine of the lab's direction with the decoder row {cosine:.4f}")
        report["runs"].append(run)
save_tensors("sae", tensors)
save_json("sae", report)

# ---- the tiny model's activations on the lab's prompts
SAMPLE_PROMPTS = [
    "The capital of France is Paris.", "Water boils at 100 degrees Celsius.", "The Earth orbits around the Sun.",
    "def fibonacci(n):\n    if n <= 1:", "import numpy as np\narray = np.zeros((10, 10))", "for i in range(10):\n    print(i)",
    "What is the meaning of life?", "How do neural networks learn?", "Why is the sky blue?",
    "Once upon a time, there was a brave knight who", "In a galaxy far, far away,", "The detective examined the mysterious letter carefully.",
    "I am so happy today!", "This is absolutely terrible.", "I feel uncertain about the future.",
    "Please summarize the following text:", "Translate this to French:", "Explain like I'm five:",
    "2 + 2 = 4, 3 + 3 = 6, 4 + 4 =", "The derivative of x^2 is 2x.",
    "The quick brown fox jumps over the lazy dog.", "Breaking news: Scientists discover new species", "Recipe: Mix flour, eggs, and sugar together.",
    "Hello! How are you today?", "ERROR: Connection refused on port 8080", "According to the latest research,",
]
HOOK, D_SAE, EPOCHS, STEPS = "blocks.6.hook_resid_post", 384, 3, 10
tokenizer, model = tokenizer_of("tiny"), tl_model("tiny")
ids = [with_bos(tokenizer, text) for text in SAMPLE_PROMPTS]
with torch.no_grad():
    activations = torch.cat([model.run_with_cache(torch.tensor([x]), names_filter=HOOK)[1][HOOK][0] for x in ids])
text_of = [n for n, x in enumerate(ids) for _ in x]
position_of = [p for x in ids for p in range(len(x))]
token_of = [i for x in ids for i in x]


def norms(x):
    n = x.norm(dim=-1)
    return {"rows": len(x), "meanNorm": n.mean().item(), "medianNorm": float(np.median(n.numpy())), "maxNorm": n.max().item(), "mean": x.mean().item(), "std": x.std().item()}


later = torch.tensor(position_of) > 0
stats = {"rows": len(activations), "width": activations.shape[1], "mean": activations.mean().item(), "std": activations.std().item(),
         "distinctRows": len({tuple(x[:p + 1]) for x in ids for p in range(len(x))}), "tokens": sum(map(len, ids)),
         "all": norms(activations), "withoutPosition0": norms(activations[later]), "position0": norms(activations[~later][:1])}
print(f"tiny at {HOOK}: {stats}")
order = batch_order(len(activations), EPOCHS, seed=5)
tensors = {"activations": activations}
report = {"texts": SAMPLE_PROMPTS, "ids": ids, "hook": HOOK, "stats": stats, "dSae": D_SAE, "batchSize": BATCH, "lr": LR, "l1": 5e-4, "order": order.tolist(), "runs": []}
for tied in [True, False]:
    architecture = "tied" if tied else "untied"
    sae = new_sae(7, activations.shape[1], D_SAE, tied)
    start = copy.deepcopy(sae)
    put(tensors, f"{architecture}/init", sae.in_lab_names())
    results, sae64 = trained_twice(sae, activations, order, 5e-4)
    run = {"architecture": architecture, "steps": {k: v[0][:STEPS] for k, v in results.items()}, "epochs": {k: v[1] for k, v in results.items()}, "f32 - f64": compare(f"tiny {architecture}", results, sae, sae64)}
    if tied:  # analyses of the untrained SAE, whose weights are stored
        with torch.no_grad():
            features = start.encode(activations)
        run["topFeatures"] = find_most_active_features(start, activations)
        run["topFeaturesWithoutPosition0"] = find_most_active_features(start, activations[later])
        run["examples"] = []
        for feature in [run["topFeatures"][n]["feature"] for n in (0, 5, 10)]:
            rows = [row for row in torch.argsort(features[:, feature], descending=True, stable=True).tolist() if features[row, feature] > 0][:10]
            run["examples"].append({"feature": feature, "active": int((features[:, feature] > 0).sum()),
                                    "examples": [{"activation": features[r, feature].item(), "row": r, "text": text_of[r], "position": position_of[r], "token": token_of[r]} for r in rows]})
        shown = features[:len(ids[0])]  # the lab's heat map of the first prompt: the features with the largest activation
        best = shown.amax(0).argsort(descending=True)[:10]
        run["heatmap"] = {"text": SAMPLE_PROMPTS[0], "features": best.tolist(), "max": shown.amax(0)[best].tolist()}
        tensors["tied/heatmap"] = shown[:, best].T
    report["runs"].append(run)
save_tensors("sae_tiny", tensors)
save_json("sae_tiny", report)
