"""Write what older systems do about dead latents, and with them about decoder rows and b_dec: ghost gradients, resampling, unit rows, geometric median.

The SAE and its mse and L1 are SAELens' `StandardTrainingSAE`; the rest SAELens has dropped, so its formulas stand here, each with its source. Chance is taken out:
which latents are dead and which rows replace them is given. Everything is computed in f32 and, from the same numbers, in f64, which is kept.

    python dead_latents.py        writes numbers/dead_latents.{safetensors,json}
"""
import torch
from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.saes.sae import TrainStepInput
from common import apart, save_json, save_tensors

torch.set_grad_enabled(True)
D_IN, D_SAE, BATCH, STEPS, L1, LR = 16, 48, 32, 5, 0.1, 1e-3
PRECISIONS = {"f32": torch.float32, "f64": torch.float64}
generator = torch.Generator().manual_seed(31)


def normal(*shape):
    return torch.randn(*shape, generator=generator)


mean = 0.7 * normal(D_IN)
batches = ((torch.relu(normal(2 * STEPS * BATCH, 24) - 0.8) @ (0.6 * normal(24, D_IN)) + 0.1 * normal(2 * STEPS * BATCH, D_IN)) * torch.linspace(0.4, 1.6, D_IN) + mean).reshape(2 * STEPS, BATCH, D_IN)
DEAD = [3, 7, 12, 19, 30, 31, 47]
unit = torch.nn.functional.normalize(normal(D_SAE, D_IN), dim=1)
INIT = {"W_enc": 0.6 * unit.T + 0.1 * normal(D_IN, D_SAE), "b_enc": 0.2 * normal(D_SAE), "W_dec": unit * (0.4 + torch.rand(D_SAE, 1, generator=generator)), "b_dec": 0.6 * mean + 0.1 * normal(D_IN)}
INIT["b_enc"][DEAD] = -4.0
tensors = {"batches": batches} | {f"init/{name}": value for name, value in INIT.items()}
report = {"dIn": D_IN, "dSae": D_SAE, "batchSize": BATCH, "l1": L1, "lr": LR}


def new_sae(dtype, weights=INIT):
    sae = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=D_IN, d_sae=D_SAE, dtype=str(dtype).removeprefix("torch."), l1_coefficient=L1))
    for name, p in sae.named_parameters():
        p.data = weights[name].to(dtype, copy=True)
    return sae


def forward(sae, batch):
    return sae.training_forward_pass(TrainStepInput(batch, {"l1": L1}, None, 0, False))


def of(sae, what=lambda p: p):
    return {name: what(p).detach().clone() for name, p in sae.named_parameters()}


def keep(prefix, results):
    """Put the f64 tensors away; how far the f32 ones are from them."""
    tensors.update({f"{prefix}/{name}": value.float() for name, value in results["f64"].items()})
    return {"largest": max(apart(results["f32"][n], results["f64"][n]) for n in results["f64"]), "largest_value": max(v.abs().max().item() for v in results["f64"].values())}


def say(name, value):
    print(f"{name}: {value}")


# ---- (a) ghost gradients: SAELens 3.23.4, training/training_sae.py, calculate_ghost_grad_loss
def ghost_grad_loss(x, sae_out, hidden_pre, W_dec, dead):
    residual = x - sae_out
    ghost_out = torch.exp(hidden_pre[:, dead]) @ W_dec[dead]  # of the dead latents alone; exp instead of relu; without b_dec
    scale = residual.norm(dim=-1) / (1e-6 + 2 * ghost_out.norm(dim=-1))
    ghost_out = ghost_out * scale[:, None].detach()  # half as long as the residual
    per_number = (ghost_out - residual.detach()).pow(2)
    rescale = (sae_out - x).pow(2) / (per_number + 1e-6)  # number by number: makes the value that of the mse, and leaves a direction
    return (rescale.detach() * per_number).mean()  # over rows and dimensions, unlike the mse, which is summed over dimensions


report["ghost"] = []
for name, dead in [("few", DEAD), ("many", list(range(0, D_SAE, 2))), ("none", [])]:
    losses, alone, total = {}, {}, {}
    for label, dtype in PRECISIONS.items():
        mask = torch.zeros(D_SAE, dtype=torch.bool)
        mask[dead] = True
        for results, only_ghost in [(alone, True), (total, False)]:
            sae = new_sae(dtype)
            x = batches[0].to(dtype)
            output = forward(sae, x)
            ghost = ghost_grad_loss(x, output.sae_out, output.hidden_pre, sae.W_dec, mask)
            loss = ghost if only_ghost else output.loss + ghost
            loss.backward()
            results[label] = of(sae, lambda p: p.grad if p.grad is not None else torch.zeros_like(p))
        losses[label] = {n: v.item() for n, v in output.losses.items()} | {"ghost_grad_loss": ghost.item(), "overall_loss": loss.item()}
    report["ghost"].append({"name": name, "dead": dead, "losses": losses, "f32 - f64": {"ghost": keep(f"ghost/{name}/ghost_gradients", alone), "total": keep(f"ghost/{name}/gradients", total)}})
    say(f"ghost gradients, {name} dead", report["ghost"][-1])


# ---- (b) resampling: SAELens' first releases, sae_training/sparse_autoencoder.py (by squared error, and resample_neurons_anthropic);
# saprmarks/dictionary_learning, trainers/standard.py, resample_neurons
def train(sae, optimizer, some):
    losses = []
    for batch in some:
        optimizer.zero_grad()
        loss = forward(sae, batch.to(sae.dtype)).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


REPLACED = [3, 7, 12, 19, 20, 21, 47]  # 20 and 21 are alive, so that their Adam moments are not 0 anyway
ROWS = [5, 17, 29, 2, 11, 23, 8]  # of batch 4, one for each of them
VARIANTS = {  # (rows are taken minus b_dec, encoder columns are made from unit rows)
    "saelens_l2": (True, True),
    "saelens_anthropic": (False, True),
    "dictionary_learning": (False, False)}


@torch.no_grad()
def resample(sae, optimizer, x, centred, unit_encoder):
    rows = (x - sae.b_dec if centred else x)[ROWS]
    alive = torch.ones(D_SAE, dtype=torch.bool)
    alive[REPLACED] = False
    alive_norm = sae.W_enc[:, alive].norm(dim=0).mean()
    sae.W_dec[REPLACED] = rows / rows.norm(dim=1, keepdim=True)
    sae.W_enc[:, REPLACED] = 0.2 * alive_norm * (sae.W_dec[REPLACED] if unit_encoder else rows).T
    sae.b_enc[REPLACED] = 0
    for moment in ["exp_avg", "exp_avg_sq"]:  # Adam's count of steps goes on
        optimizer.state[sae.W_dec][moment][REPLACED] = 0
        optimizer.state[sae.W_enc][moment][:, REPLACED] = 0
        optimizer.state[sae.b_enc][moment][REPLACED] = 0


report["resampling"] = {"steps_before": STEPS, "steps_after": STEPS, "replaced": REPLACED, "row_batch": STEPS - 1, "rows": ROWS, "clip": None, "scale": 0.2, "variants": []}
for name, (centred, unit_encoder) in VARIANTS.items():
    states, losses = {}, {}
    for label, dtype in PRECISIONS.items():
        sae = new_sae(dtype)
        optimizer = torch.optim.Adam(sae.parameters(), lr=LR)
        before = train(sae, optimizer, batches[:STEPS])
        states.setdefault("before", {})[label] = of(sae)
        x = batches[STEPS - 1].to(dtype)
        with torch.no_grad():
            error = (x - sae(x)).pow(2).sum(-1)
        states.setdefault("probabilities", {})[label] = {"loss_squared": error.pow(2) / error.pow(2).sum(), "error_norm": error.sqrt() / error.sqrt().sum()}
        resample(sae, optimizer, x, centred, unit_encoder)
        states.setdefault("resampled", {})[label] = of(sae)
        for moment in ["exp_avg", "exp_avg_sq"]:
            states.setdefault(moment, {})[label] = of(sae, lambda p: optimizer.state[p][moment])
        losses[label] = before + train(sae, optimizer, batches[STEPS:])
        states.setdefault("after", {})[label] = of(sae)
    shared = ["before", "probabilities"]  # the same for all variants
    differences = {state: keep(f"resampling/{state}" if state in shared else f"resampling/{name}/{state}", results) for state, results in states.items()}
    report["resampling"]["variants"].append({"name": name, "centred": centred, "unitEncoder": unit_encoder, "losses": losses, "f32 - f64": differences})
    say(f"resampling, {name}", report["resampling"]["variants"][-1])


# ---- (c) decoder rows held at length 1: saprmarks/dictionary_learning, trainers/standard.py, ConstrainedAdam
@torch.no_grad()
def remove_parallel(sae):
    rows = sae.W_dec / sae.W_dec.norm(dim=1, keepdim=True)
    sae.W_dec.grad -= (sae.W_dec.grad * rows).sum(dim=1, keepdim=True) * rows


@torch.no_grad()
def renormalise(sae):
    sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)


report["unitDecoder"] = []
for name, clip in [("plain", None), ("clipped", 1.0)]:
    gradients, after, losses, norms = {}, {}, {}, {}
    for label, dtype in PRECISIONS.items():
        sae = new_sae(dtype)
        renormalise(sae)
        optimizer = torch.optim.Adam(sae.parameters(), lr=LR)
        losses[label], norms[label] = [], []
        for batch in batches[:STEPS]:
            optimizer.zero_grad()
            loss = forward(sae, batch.to(dtype)).loss
            loss.backward()
            if clip:  # by the length before the parallel part goes
                norms[label].append(torch.nn.utils.clip_grad_norm_(sae.parameters(), clip).item())
            remove_parallel(sae)
            gradients.setdefault(label, of(sae, lambda p: p.grad))
            optimizer.step()
            renormalise(sae)
            losses[label].append(loss.item())
        after[label] = of(sae)
    report["unitDecoder"].append({"name": name, "clip": clip, "losses": losses, "gradientNorm": norms["f64"], "f32 - f64": {"gradients": keep(f"unitDecoder/{name}/gradients", gradients), "after": keep(f"unitDecoder/{name}/after", after)}})
    say(f"unit decoder, {name}", report["unitDecoder"][-1])


# ---- (d) geometric median by Weiszfeld's iteration: SAELens 3.23.4, training/geometric_median.py, compute_geometric_median
@torch.no_grad()
def geometric_median(points, eps=1e-6, maxiter=100, ftol=1e-20):
    def objective(median):
        return (points - median).norm(dim=1).sum()

    median = points.mean(0)
    objectives = [objective(median)]
    for _ in range(maxiter):
        weights = 1 / (points - median).norm(dim=1).clamp(min=eps)
        median = (points * (weights / weights.sum())[:, None]).sum(0)
        objectives.append(objective(median))
        if abs(objectives[-2] - objectives[-1]) <= ftol * objectives[-1]:
            break
    return median, [value.item() for value in objectives]


points = batches.reshape(-1, D_IN)[:64].clone()
points[:6] *= 20  # a few very long rows, as position 0 has them
on_a_point = torch.cat([points[10:11].expand(30, -1), points[11:31]])  # more than half the rows are one point, which is the median
tensors |= {"geometricMedian/points": points, "geometricMedian/on_a_point": on_a_point, "geometricMedian/mean": points.mean(0)}
report["geometricMedian"] = {"eps": 1e-6, "ftol": 1e-20, "runs": []}
for name, given, maxiter in [("points", points, 100), ("points_3", points, 3), ("on_a_point", on_a_point, 100)]:
    results = {label: geometric_median(given.to(dtype), maxiter=maxiter) for label, dtype in PRECISIONS.items()}
    report["geometricMedian"]["runs"].append({"name": name, "points": "on_a_point" if name == "on_a_point" else "points", "maxiter": maxiter, "iterations": {label: len(r[1]) - 1 for label, r in results.items()},
        "objectives": results["f64"][1], "f32 - f64": keep(f"geometricMedian/{name}", {label: {"median": r[0]} for label, r in results.items()})})
    say(f"geometric median, {name}", {k: v for k, v in report["geometricMedian"]["runs"][-1].items() if k != "objectives"})
save_tensors("dead_latents", tensors)
save_json("dead_latents", report)
