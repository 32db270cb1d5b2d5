"""Write what the code cells of lab C.4 and of its solutions print and plot, on the bundled tiny model.

The model runs in TransformerLens, the autoencoder is torch's. What the notebooks draw at random is made by formulas that need no file, so that
another program draws the same: `uniform` (mulberry32) gives token ids, initial weights, normal numbers (Box and Muller) and the order of the batches.
Every training is run in f32, as the notebooks', and in f64; the summary says how far the two drift apart, which is how far another correct program
may. Everything that comes after a training is computed from the f64 run's weights, rounded to f32 and stored.

    python labs_c4.py        writes numbers/labs_c4.{json,safetensors}
"""
import copy, math
import numpy as np
import torch
import torch.nn.functional as F
from common import apart, save_json, save_tensors, tl_model, tokenizer_of, with_bos

torch.set_grad_enabled(True)

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
SOLUTION_PROMPTS = ["The capital of France is Paris.", "def fibonacci(n): return n if n <= 1 else", "What is the meaning of life?", "I am so happy today!",
                    "The quick brown fox jumps over the lazy dog."]
TEST_PROMPTS = ["def hello_world():", "What is the capital?", "I am very happy!", "The moon orbits Earth."]
HEATMAP_PROMPTS = ["def fibonacci(n):\n    if n <= 1:", "The capital of France is Paris.", "I am so happy today!"]
MASK = np.uint64(0xFFFFFFFF)


# ---- what is drawn
def uniform(seed, count):
    """`count` numbers in [0, 1) in f64: mulberry32 from a seed."""
    with np.errstate(over="ignore"):
        state = (np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x6D2B79F5)) & MASK
        t = ((state ^ (state >> np.uint64(15))) * (state | np.uint64(1))) & MASK
        t = (t ^ (t + ((t ^ (t >> np.uint64(7))) * (t | np.uint64(61)) & MASK))) & MASK
    return (t ^ (t >> np.uint64(14))) / 4294967296


def normals(seed, count):
    u = uniform(seed, 2 * count).reshape(count, 2)
    return torch.tensor((np.sqrt(-2 * np.log(1 - u[:, 0])) * np.cos(2 * np.pi * u[:, 1])).astype(np.float32))


def batch_order(seed, rows, epochs):
    """One permutation of the rows per epoch, one after the other: Fisher and Yates, from the last place down."""
    draws, order = iter(uniform(seed, epochs * (rows - 1))), []
    for _ in range(epochs):
        one = list(range(rows))
        for i in range(rows - 1, 0, -1):
            j = int(next(draws) * (i + 1))
            one[i], one[j] = one[j], one[i]
        order += one
    return order


class TiedSae:
    """W_enc [d, n] row by row from `uniform` in ±√(6/d), then b_enc: zeros (the lab) or in ±1/√d (its solutions); b_dec zeros."""
    def __init__(self, seed, d, n, torch_bias):
        u = 2 * uniform(seed, d * n + n) - 1
        bias = u[d * n:] / math.sqrt(d) if torch_bias else np.zeros(n)
        self.set(torch.tensor((u[:d * n] * math.sqrt(6 / d)).astype(np.float32)).reshape(d, n), torch.tensor(bias.astype(np.float32)), torch.zeros(d))

    def set(self, w, b_enc, b_dec):
        self.parameters = [p.detach().clone().requires_grad_() for p in (w, b_enc, b_dec)]

    def to(self, dtype):
        other = copy.copy(self)
        other.set(*(p.to(dtype) for p in self.parameters))
        return other

    def encode(self, x):
        w, b_enc, _ = self.parameters
        return F.relu(F.linear(x, w.T, b_enc))

    def decode(self, f):
        w, _, b_dec = self.parameters
        return F.linear(f, w, b_dec)

    def loss(self, x, coefficient):
        f = self.encode(x)
        recon, sparsity, active = F.mse_loss(self.decode(f), x), f.abs().mean(), f > 0
        total = recon + coefficient * sparsity
        return total, {"total": total.item(), "recon": recon.item(), "sparsity": sparsity.item(), "fracNonzero": active.to(x.dtype).mean().item(),
                       "nActive": active.sum(-1).to(x.dtype).mean().item()}

    def train(self, x, order, batch_size, coefficient, lr=1e-3):
        """Adam; the history's entry of an epoch is the mean over its batches of the values before each step."""
        adam, history = torch.optim.Adam(self.parameters, lr=lr), []
        for epoch in torch.tensor(order).split(len(x)):
            terms = []
            for batch in epoch.split(batch_size):
                adam.zero_grad()
                loss, told = self.loss(x[batch], coefficient)
                loss.backward()
                adam.step()
                terms.append(told)
            history.append({key: float(np.mean([t[key] for t in terms])) for key in terms[0]})
        return {key: [entry[key] for entry in history] for key in history[0]}


def twice(label, sae, x, order, batch_size, coefficient):
    """Trains in f32 and in f64 from the same start. Returns both histories, the f64 run's weights in f32, and the final losses on all rows."""
    single, double = sae.to(torch.float32), sae.to(torch.float64)
    histories = {"f32": single.train(x, order, batch_size, coefficient), "f64": double.train(x.double(), order, batch_size, coefficient)}
    with torch.no_grad():
        final = {"f32": single.loss(x, coefficient)[1], "f64": double.loss(x.double(), coefficient)[1]}
    drift = {}
    for key in ["total", "recon", "sparsity", "nActive"]:
        relative = [abs(a / b - 1) for a, b in zip(histories["f32"][key], histories["f64"][key])]
        drift[key] = {"first10": max(relative[:10]), "all": max(relative), "final": abs(final["f32"][key] / final["f64"][key] - 1)}
    drift["weights"] = max(apart(a, b) for a, b in zip(single.parameters, double.parameters))
    print(f"{label}: recon {histories['f64']['recon'][0]:.4f} -> {histories['f64']['recon'][-1]:.4f}, active {histories['f64']['nActive'][-1]:.1f}; f32 - f64 {drift}")
    return histories, double.to(torch.float32), final, drift


# ---- the model
tokenizer, model = tokenizer_of("tiny"), tl_model("tiny")
D = model.cfg.d_model
N = 4 * D


def resid(ids, layer):
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([ids]))
    return cache["resid_post", layer][0]


def collect(prompts, layer):
    return torch.cat([resid(with_bos(tokenizer, prompt), layer) for prompt in prompts])


def shown(ids):
    return [tokenizer.decode([i], skip_special_tokens=False) for i in ids]


report, tensors = {"model": {"layers": model.cfg.n_layers, "dModel": D}}, {}


def put(name, sae):
    tensors.update({f"{name}/{key}": p for key, p in zip(["W_enc", "b_enc", "b_dec"], sae.parameters)})


# ---- lab C.4, part 2: the autoencoder
sae = TiedSae(99, D, N, torch_bias=False)
with torch.no_grad():
    x = normals(1, 32 * D).reshape(32, D)
    f = sae.encode(x)
    back = sae.decode(f)
report["sae"] = {"dIn": D, "dSae": N, "expansion": N / D, "parameters": sum(p.numel() for p in sae.parameters), "untiedParameters": 2 * D * N + N + D}
report["forward"] = {"inputShape": list(x.shape), "featuresShape": list(f.shape), "outputShape": list(back.shape), "min": f.min().item(), "max": f.max().item(),
                     "fracActive": (f > 0).float().mean().item(), "error": F.mse_loss(back, x).item(), "inputSum": x.double().sum().item()}

# ---- part 3: the data
prompts_ids = [with_bos(tokenizer, prompt) for prompt in SAMPLE_PROMPTS]
activations = collect(SAMPLE_PROMPTS, 6)
low, high = 256, model.cfg.d_vocab - 2
random_ids = (low + (uniform(0, 50 * 20) * (high - low + 1)).astype(int)).reshape(50, 20).tolist()
random_activations = torch.cat([resid(ids, 6) for ids in random_ids])
everything = torch.cat([activations, random_activations])
prefixes = {tuple(ids[:p + 1]) for ids in prompts_ids + random_ids for p in range(len(ids))}
report["data"] = {
    "shape": list(activations.shape), "mean": activations.mean().item(), "std": activations.std().item(), "randomShape": list(random_activations.shape),
    "totalShape": list(everything.shape), "distinctRows": len(prefixes), "lastShape": [len(SAMPLE_PROMPTS), D], "firstIds": random_ids[0], "idSum": sum(map(sum, random_ids)),
    "randomMeanNorm": random_activations.norm(dim=-1).mean().item(), "promptsMeanNorm": activations.norm(dim=-1).mean().item(),
    "randomMean": random_activations.mean().item(), "randomStd": random_activations.std().item(),
}
tensors["lastRandomRows"] = random_activations[-20:]

# ---- part 4: training
EPOCHS, BATCH, L1 = 100, 256, 5e-4
histories, trained, final, drift = twice("lab", TiedSae(100, D, N, torch_bias=False), everything, batch_order(200, len(everything), EPOCHS), BATCH, L1)
report["training"] = {"history": histories, "final": final, "f32 - f64 relative": drift}
put("lab", trained)

# ---- part 5: the features
with torch.no_grad():
    f = trained.encode(everything)
    active = f > 0
    mean_acts = (f * active).sum(0) / active.sum(0).clamp(min=1)
    frequency = active.float().mean(0)
    scores = mean_acts * frequency
    ranking = scores.argsort(descending=True)[:20]
    on_prompts = trained.encode(activations)
report["top"] = [{"feature": i, "meanActive": mean_acts[i].item(), "frequency": frequency[i].item(), "score": scores[i].item()} for i in ranking.tolist()]
report["smallestLead"] = (scores[ranking][:-1] - scores[ranking][1:]).min().item()
places = [(n, p) for n, ids in enumerate(prompts_ids) for p in range(len(ids))]
report["examples"] = []
for feature in ranking[:5].tolist():
    values = on_prompts[:, feature]
    rows = [row for row in values.argsort(descending=True, stable=True).tolist() if values[row] > 0]
    entries = [{"activation": values[r].item(), "text": places[r][0], "position": places[r][1], "token": shown([prompts_ids[places[r][0]][places[r][1]]])[0]} for r in rows[:10]]
    report["examples"].append({"feature": feature, "active": len(rows), "examples": entries})
report["heatmaps"] = []
for n, prompt in enumerate(HEATMAP_PROMPTS):
    with torch.no_grad():
        values = trained.encode(resid(with_bos(tokenizer, prompt), 6))
    best = np.argsort(values.numpy().max(axis=0))[-10:][::-1].tolist()
    report["heatmaps"].append({"prompt": prompt, "tokens": shown(with_bos(tokenizer, prompt)), "features": best})
    tensors[f"heatmap/{n}"] = values[:, best].T

# ---- part 6: steering
PROMPT, STRENGTH = "The weather today is", 10.0
ids = with_bos(tokenizer, PROMPT)
with torch.no_grad():
    normal = model.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False, eos_token_id=model.cfg.d_vocab - 1, return_type="tokens", verbose=False)[0].tolist()
report["steering"] = {"prompt": PROMPT, "strength": STRENGTH, "normal": {"ids": normal[len(ids):], "text": tokenizer.decode(normal, skip_special_tokens=False)}, "steered": []}


def steered(direction):
    """20 tokens, the best each time, with the direction added at every position; and the smallest lead of the best logit over the second."""
    tokens, leads = torch.tensor([ids]), []
    for _ in range(20):
        with torch.no_grad():
            logits = model.run_with_hooks(tokens, fwd_hooks=[("blocks.6.hook_resid_post", lambda activation, hook: activation + direction)])[0, -1]
        best = logits.topk(2).values
        leads.append((best[0] - best[1]).item())
        tokens = torch.cat([tokens, logits.argmax().reshape(1, 1)], 1)
    return tokens[0, len(ids):].tolist(), min(leads)


unit = lambda v: v / v.norm()
directions = {}
for rank in (0, 5, 10):
    feature = ranking[rank].item()
    with torch.no_grad():
        one_hot = torch.zeros(1, N)
        one_hot[0, feature] = 1.0
        row = trained.parameters[0][:, feature]
        directions[feature] = kinds = {"decode-one-hot-unit": unit(trained.decode(one_hot)[0]), "decoder": row, "decoder-unit": unit(row)}
    entry = {"rank": rank, "feature": feature}
    for kind in ["decode-one-hot-unit", "decoder-unit"]:
        new, lead = steered(kinds[kind].detach() * STRENGTH)
        entry[kind] = {"ids": new, "text": PROMPT + "".join(shown(new)), "smallestLead": lead}
    entry["kinds"] = [F.cosine_similarity(a, b, dim=0).item() for a in kinds.values() for b in kinds.values()]
    report["steering"]["steered"].append(entry)
for kind in ["decode-one-hot-unit", "decoder"]:
    own = [kinds[kind] for kinds in directions.values()]
    report["steering"][f"between {kind}"] = [F.cosine_similarity(a, b, dim=0).item() for a in own for b in own]
w = trained.parameters[0].detach().double()
participation, nearest = w.pow(2).sum(0) ** 2 / w.pow(4).sum(0), w.abs().max(0).values / w.norm(dim=0)
report["neurons"] = {"meanParticipation": participation.mean().item(), "meanCosine": nearest.mean().item(), "first": [participation[0].item(), nearest[0].item()]}

# ---- solutions, exercise 1
repeated = SOLUTION_PROMPTS * 10
solution = collect(repeated, 6)
ids_of = [with_bos(tokenizer, prompt) for prompt in SOLUTION_PROMPTS]
report["sweep"] = {"shape": list(solution.shape), "distinctRows": len({tuple(ids[:p + 1]) for ids in ids_of for p in range(len(ids))}), "rows": []}
for run, coefficient in enumerate([1e-2, 1e-3, 1e-4]):
    _, _, final, drift = twice(f"sweep {coefficient}", TiedSae(110 + run, D, N, torch_bias=True), solution, batch_order(210 + run, len(solution), 50), 64, coefficient)
    report["sweep"]["rows"].append({"coefficient": coefficient, "final": final, "f32 - f64 relative": drift})

# ---- common mistake 2: from the lab's start, on its prompts
report["balance"] = []
for run, coefficient in enumerate([1e-4, 1.0, 1000.0]):
    histories, _, final, drift = twice(f"balance {coefficient}", TiedSae(140, D, N, torch_bias=False), activations, batch_order(240, len(activations), 20), 64, coefficient)
    report["balance"].append({"coefficient": coefficient, "history": histories["f64"], "final": final, "f32 - f64 relative": drift})

# ---- exercise 2
histories, correlated, final, drift = twice("correlation", TiedSae(120, D, N, torch_bias=True), solution, batch_order(220, len(solution), 50), 64, L1)
put("correlation", correlated)
with torch.no_grad():
    f = correlated.encode(solution).numpy()
often = np.where((f > 0).mean(axis=0) > 0.01)[0]
correlation = np.corrcoef(f[:, often].T)
assert not np.isnan(correlation).any()
np.fill_diagonal(correlation, 0)
pairs, seen = [], set()
for index in np.argsort(correlation.flatten())[-20:][::-1]:
    i, j = divmod(int(index), len(often))
    if i < j and (i, j) not in seen and len(seen) < 10:
        seen.add((i, j))
        pairs.append({"a": int(often[i]), "b": int(often[j]), "correlation": float(correlation[i, j])})
upper = np.sort(correlation[np.triu_indices(len(often), 1)])
report["correlation"] = {"active": len(often), "pairs": pairs, "largest": upper[::-1][:10].tolist(), "lowest": upper[:10].tolist(), "final": final, "f32 - f64 relative": drift}

# ---- exercise 3
report["layers"], report["lastTokens"] = [], []
layer_saes = {}
for run, layer in enumerate([2, 10]):
    rows = collect(repeated, layer)
    _, layer_saes[layer], final, drift = twice(f"layer {layer}", TiedSae(130 + run, D, N, torch_bias=True), rows, batch_order(230 + run, len(rows), 50), 64, L1)
    put(f"layer{layer}", layer_saes[layer])
    with torch.no_grad():
        f = layer_saes[layer].encode(rows)
    best = f.mean(0).argsort(descending=True)[:5].tolist()
    report["layers"].append({"layer": layer, "shape": list(rows.shape), "top": best, "means": f.mean(0)[best].tolist(), "averageActive": (f > 0).sum(-1).float().mean().item(),
                             "final": final, "f32 - f64 relative": drift})
for prompt in TEST_PROMPTS:
    for layer, one in layer_saes.items():
        with torch.no_grad():
            f = one.encode(resid(with_bos(tokenizer, prompt), layer)[-1:])
        report["lastTokens"].append({"prompt": prompt, "layer": layer, "nActive": int((f > 0).sum()), "feature": f.argmax().item(), "value": f.max().item()})

save_tensors("labs_c4", tensors)
save_json("labs_c4", report)
