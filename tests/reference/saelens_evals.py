"""Write SAELens' evaluation of two SAEs on the tiny model: sparsity, variance, and what the model loses when the SAE stands in for its activations.

SAELens' own functions compute it (`get_sparsity_and_variance_metrics`, `get_downstream_reconstruction_metrics`, `get_recons_loss` of evals.py); instead of its store of
activations they are given six texts. Three figures are not SAELens': dictionary_learning's explained variance, the labs' (one variance over all numbers), and mean ablation.

Texts cropped to one length go through SAELens as one batch. Whole texts differ in length and go through text by text; the figures that are no means over
tokens (`explained_variance_legacy`, `relative_reconstruction_bias`) are then computed over all rows at once, by `of_rows`, which the cropped texts show to be SAELens'.

    python saelens_evals.py        writes numbers/saelens_evals.{safetensors,json}
"""
import torch
import sae_lens
from sae_lens import StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig
from sae_lens.evals import ExplainedVarianceCalculator, _kl, get_downstream_reconstruction_metrics, get_recons_loss, get_sparsity_and_variance_metrics
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.activation_scaler import ActivationScaler
from common import save_json, save_tensors, tl_model, tokenizer_of, with_bos

HOOK, D_IN, D_SAE, BOS, CROPPED = "blocks.6.hook_resid_pre", 96, 192, 4095, 16
TEXTS = [
    "The weather today is cold and windy, and the people of the town stay at home by the fire.",
    "Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little.",
    "def fibonacci(n):\n    if n <= 1:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)",
    "The capital of France is Paris, and the capital of Italy is Rome; both of them are very old.",
    "I am so happy today! My friends and I went to the store to buy bread, milk and a little cheese.",
    "Mr. Speaker, Mr. Vice President, members of Congress: the state of our union is strong tonight.",
]
tokenizer = tokenizer_of("tiny")
whole = [with_bos(tokenizer, text) for text in TEXTS]
assert all(ids[0] == BOS and BOS not in ids[1:] and len(ids) > CROPPED for ids in whole)
sets = {"whole": whole, "cropped": [ids[:CROPPED] for ids in whole]}
models = {"f32": tl_model("tiny"), "f64": tl_model("tiny").to(torch.float64)}


def activations(model, ids):
    return model.run_with_cache(torch.tensor([ids]), names_filter=HOOK)[1][HOOK][0]


# ---- the SAEs: half of the decoder's directions are rows of the data, half random; W_enc is W_dec's transpose, b_dec the mean
generator = torch.Generator().manual_seed(21)
rows = torch.cat([activations(models["f32"], ids) for ids in whole])
b_dec = rows.mean(0)
chosen = torch.randperm(len(rows), generator=generator)[:D_SAE // 2]
W_dec = torch.nn.functional.normalize(torch.cat([rows[chosen] - b_dec, torch.randn(D_SAE - len(chosen), D_IN, generator=generator)]), dim=1)
scale = (rows - b_dec).norm(dim=1).mean()
WEIGHTS = {"W_enc": W_dec.T.contiguous(), "b_enc": scale * (0.05 * torch.randn(D_SAE, generator=generator) - 0.3), "W_dec": W_dec, "b_dec": b_dec}
WEIGHTS["b_enc"][D_SAE - 4:] = -100.0  # four dead features
SAES = [("standard", StandardSAE, StandardSAEConfig, {}), ("topk", TopKSAE, TopKSAEConfig, {"k": 8})]


def new_sae(sae_class, config_class, config, dtype):
    sae = sae_class(config_class(d_in=D_IN, d_sae=D_SAE, dtype=str(dtype).removeprefix("torch."), metadata=SAEMetadata(hook_name=HOOK, hook_head_index=None), **config))
    for name, p in sae.named_parameters():
        p.data = WEIGHTS[name].to(dtype, copy=True)
    return sae.eval()


# ---- figures of rows x, their reconstructions y and features f
def of_rows(x, y, f):
    residual = (x - y).pow(2).sum(-1)
    explained = ExplainedVarianceCalculator()
    explained.add_batch(y, x)
    return {
        "l2_norm_in": x.norm(dim=-1).mean(), "l2_norm_out": y.norm(dim=-1).mean(), "l2_ratio": (y.norm(dim=-1) / x.norm(dim=-1)).mean(),
        "relative_reconstruction_bias": y.pow(2).sum(-1).mean() / (x * y).sum(-1).mean(),
        "l0": (f != 0).sum(-1).to(x.dtype).mean(), "l1": f.abs().sum(-1).mean(),
        "explained_variance_legacy": (1 - residual / (x - x.mean(0)).pow(2).sum(-1)).mean(), "mse": residual.mean(),
        "cossim": torch.nn.functional.cosine_similarity(x, y, dim=-1).mean(), "explained_variance": explained.compute(),
        "explained_variance_dictionary_learning": 1 - (x - y).var(dim=0).sum() / x.var(dim=0).sum(),
        "explained_variance_labs": 1 - (x - y).pow(2).mean() / x.var()}


def numbers(values):
    return {name: float(value) for name, value in values.items()}


# ---- what the model loses
def kept(ids, ignore):
    return torch.tensor([token not in ignore for token in ids])


def replaced(model, ids, value, where):
    """(loss per predicting position, logits) with `value` put in at the positions `where`."""
    logits, loss = model.run_with_hooks(torch.tensor([ids]), return_type="both", loss_per_token=True,
                                        fwd_hooks=[(HOOK, lambda act, hook: torch.where(where[None, :, None], value.to(act.dtype), act))])
    return loss[0], logits[0]


def of_model(sae, model, texts, ignore, mean):
    """SAELens' means over tokens, text by text, and ablations of kept positions alone; the mean is that of the kept rows."""
    per_token = {}

    def add(name, values, ids):
        mask = kept(ids, ignore)[:len(values)]  # a loss has no last position
        per_token.setdefault(name, []).append(values[mask])

    for ids in texts:
        everywhere, here = torch.ones(len(ids), dtype=torch.bool), kept(ids, ignore)
        for name, values in get_recons_loss(sae, model, ActivationScaler(), torch.tensor([ids]), compute_kl=True, compute_ce_loss=True, ignore_tokens=ignore).items():
            add(name, values[0], ids)
        clean = model(torch.tensor([ids]))[0]
        for name, value, where in [("zero_ablation_kept", torch.zeros(D_IN), here), ("mean_ablation", mean, everywhere), ("mean_ablation_kept", mean, here)]:
            loss, logits = replaced(model, ids, value, where)
            add(f"ce_loss_with_{name}", loss, ids)
            add(f"kl_div_with_{name}", _kl(clean, logits), ids)
    means = {name: torch.cat(values).mean().item() for name, values in per_token.items()}
    counts = {"positions": sum(map(len, per_token["kl_div_with_sae"])), "predictions": sum(map(len, per_token["ce_loss_with_sae"]))}
    return means | scores(means, "ablation") | scores(means, "mean_ablation") | counts


def scores(m, ablation):
    """1: as good as without the SAE; 0: no better than the ablation."""
    suffix = "" if ablation == "ablation" else f"_{ablation}"
    return {f"ce_loss_score{suffix}": (m[f"ce_loss_with_{ablation}"] - m["ce_loss_with_sae"]) / (m[f"ce_loss_with_{ablation}"] - m["ce_loss_without_sae"]),
            f"kl_div_score{suffix}": (m[f"kl_div_with_{ablation}"] - m["kl_div_with_sae"]) / m[f"kl_div_with_{ablation}"]}


class Store:
    """All that evals.py asks a store of activations for."""
    def __init__(self, texts):
        self.tokens = torch.tensor(texts)

    def get_batch_tokens(self, batch_size):
        return self.tokens


def by_saelens(sae, model, texts, ignore):
    given = dict(sae=sae, model=model, activation_store=Store(texts), activation_scaler=ActivationScaler(), n_batches=1, eval_batch_size_prompts=len(texts), model_kwargs={}, ignore_tokens=ignore)
    figures, per_feature = get_sparsity_and_variance_metrics(compute_l2_norms=True, compute_sparsity_metrics=True, compute_variance_metrics=True, compute_featurewise_density_statistics=True, **given)
    return figures | get_downstream_reconstruction_metrics(compute_kl=True, compute_ce_loss=True, **given), per_feature


report = {"saeLens": sae_lens.__version__, "model": "tiny", "hook": HOOK, "dIn": D_IN, "dSae": D_SAE, "texts": TEXTS, "ids": sets, "saes": []}
for name, sae_class, config_class, config in SAES:
    entry = {"name": name, "config": config, "evals": []}
    for set_name, texts in sets.items():
        for ignore, excludes in [([], False), ([BOS], True)]:
            figures, density, active = {}, {}, {}
            for label, model in models.items():
                dtype = model.W_E.dtype
                sae = new_sae(sae_class, config_class, config, dtype)
                x = torch.cat([activations(model, ids)[kept(ids, ignore)] for ids in texts])
                f = sae.encode(x)
                active[label] = f != 0
                density[label] = active[label].double().mean(0).tolist()
                figures[label] = numbers(of_rows(x, sae.decode(f), f)) | of_model(sae, model, texts, ignore, x.mean(0))
                if set_name == "cropped":  # SAELens' word
                    theirs, per_feature = by_saelens(sae, model, texts, ignore)
                    apart = {n: abs(figures[label][n] - v) / max(abs(v), 1e-9) for n, v in theirs.items()}
                    assert max(apart.values()) < (1e-5 if label == "f32" else 1e-6), (name, ignore, label, apart)
                    assert torch.allclose(torch.tensor(density[label]), torch.tensor(per_feature["feature_density"]), atol=1e-7)
                    figures[label] |= theirs
            assert torch.equal(active["f32"], active["f64"])
            difference = {n: abs(figures["f32"][n] - v) / max(abs(v), 1e-9) for n, v in figures["f64"].items()}
            worst = max(difference, key=difference.get)
            entry["evals"].append({"set": set_name, "excludesBos": excludes, **figures, "feature_density": density["f64"], "f32 - f64 relative": {"largest": difference[worst], "of": worst}})
            shown = figures["f64"]
            print(f"{name}, {set_name}, {'without' if excludes else 'with'} BOS: " + ", ".join(f"{n} {v:.5g}" for n, v in shown.items()) + f"; f32 - f64 relative {difference[worst]:.1e} ({worst})")
    report["saes"].append(entry)
save_tensors("saelens_evals", WEIGHTS)
save_json("saelens_evals", report)
