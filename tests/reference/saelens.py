"""Write SAELens' training SAEs at work: features, loss terms, gradients, ten steps of its trainer, and its schedules.

Each case trains on the same given batches from given weights, in f32 and, from the same numbers, in f64. SAELens' own classes do all of it:
`SAETrainer.step` runs the steps; only the list of dead latents is given instead of counted. SAELens has no transcoder that trains, so `TrainableTranscoder` below
adds standard's loss to its inference class. Both precisions must choose the same features in every step, which is asserted: a test then need not care about ties.

    python saelens.py        writes numbers/saelens.{safetensors,json} and numbers/schedules.json
"""
import copy
import torch
import sae_lens
from sae_lens import (
    BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, GatedTrainingSAE, GatedTrainingSAEConfig, JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig,
    JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig, JumpReLUTranscoder, JumpReLUTranscoderConfig, MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig,
    SAETrainer, SkipTranscoder, SkipTranscoderConfig, StandardTrainingSAE, StandardTrainingSAEConfig, TopKTrainingSAE, TopKTrainingSAEConfig, Transcoder, TranscoderConfig)
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.sae import TrainCoefficientConfig, TrainStepInput, TrainStepOutput
from sae_lens.saes.topk_sae import calculate_topk_aux_acts
from sae_lens.training.activation_scaler import ActivationScaler
from sae_lens.training.optim import CoefficientScheduler, get_lr_scheduler
from common import apart, save_json, save_tensors

torch.set_grad_enabled(True)
D_IN, D_SAE, D_OUT, BATCH, STEPS, LR = 16, 48, 12, 32, 10, 1e-3


# ---- what SAELens lacks
class TrainsLikeStandard:
    """`forward` towards a target, with standard's loss: mse + l1 * sum of f * ||W_dec[i]||."""
    targets = None

    def get_coefficients(self):
        return {"l1": TrainCoefficientConfig(value=0.1, warm_up_steps=0)}

    def training_forward_pass(self, step_input):
        sae_out, features = self.forward_with_activations(step_input.sae_in)
        mse = (sae_out - self.targets[step_input.n_training_steps]).pow(2).sum(dim=-1).mean()
        l1 = (step_input.coefficients["l1"] * (features * self.W_dec.norm(dim=1)).norm(p=1, dim=-1)).mean()
        return TrainStepOutput(step_input.sae_in, sae_out, features, step_input.sae_in @ self.W_enc + self.b_enc, mse + l1, {"mse_loss": mse, "l1_loss": l1})


class TrainableTranscoder(TrainsLikeStandard, Transcoder): ...
class TrainableSkipTranscoder(TrainsLikeStandard, SkipTranscoder): ...


class TrainerWithGivenDead(SAETrainer):
    given = None  # [steps, d_sae]

    @property
    def dead_neurons(self):
        return self.given[self.n_training_steps]


# ---- data and weights: nothing symmetric, no mean of 0, no two decoder rows of one length
def numbers(seed):
    generator = torch.Generator().manual_seed(seed)
    return (lambda *shape: torch.randn(*shape, generator=generator)), (lambda *shape: torch.rand(*shape, generator=generator))


normal, uniform = numbers(1)
scales, mean = torch.linspace(0.4, 1.6, D_IN), 0.7 * normal(D_IN)
causes = torch.relu(normal(STEPS * BATCH, 24) - 0.8)
batches = ((causes @ (0.6 * normal(24, D_IN)) + 0.1 * normal(STEPS * BATCH, D_IN)) * scales + mean).reshape(STEPS, BATCH, D_IN)
targets = torch.tanh(batches @ (0.4 * normal(D_IN, D_OUT))) * torch.linspace(0.5, 2, D_OUT) + 0.3 * normal(D_OUT)


def initial_weights(d_out, seed):
    """Of every name that some architecture has; W_dec's rows are 0.4 to 1.4 long."""
    normal, uniform = numbers(seed)
    unit = torch.nn.functional.normalize(normal(D_SAE, D_IN), dim=1)
    W_dec = (unit if d_out == D_IN else torch.nn.functional.normalize(normal(D_SAE, d_out), dim=1)) * (0.4 + uniform(D_SAE, 1))
    threshold = 0.3 + 0.05 * normal(D_SAE)
    threshold[:3] = torch.tensor([0.0, 0.0005, 0.002])  # may want to go below 0
    return {"W_enc": 0.6 * unit.T + 0.1 * normal(D_IN, D_SAE), "b_enc": 0.2 * normal(D_SAE), "W_dec": W_dec, "b_dec": (0.6 * mean if d_out == D_IN else 0) + 0.1 * normal(d_out),
            "b_gate": 0.2 * normal(D_SAE), "b_mag": 0.2 * normal(D_SAE), "r_mag": 0.3 * normal(D_SAE), "threshold": threshold, "W_skip": 0.2 * normal(d_out, D_IN)}


# ---- cases: (name, class, its configuration, more)
FEW, MANY, NONE = [3, 7, 12, 30, 47], [*range(1, 40, 2)], []  # k_aux is d_in / 2 = 8; FEW leaves no level of the matryoshkas without a dead latent, INNER two
INNER = [0, 2, 5]
FEW_FIRST = {"dead": [FEW, FEW, NONE, NONE, MANY, MANY, MANY, NONE, FEW, MANY]}
MANY_FIRST = {"dead": [MANY, MANY, MANY, NONE, FEW, FEW, FEW, NONE, MANY, FEW]}
INNER_LATER = {"dead": [MANY, FEW, NONE, INNER, INNER, MANY, FEW, INNER, NONE, MANY]}
STANDARD, TOPK, BATCHTOPK = (StandardTrainingSAE, StandardTrainingSAEConfig), (TopKTrainingSAE, TopKTrainingSAEConfig), (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig)
MATRYOSHKA, JUMPRELU, GATED = (MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig), (JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig), (GatedTrainingSAE, GatedTrainingSAEConfig)
JUMP = {"jumprelu_init_threshold": 0.3, "jumprelu_bandwidth": 0.5}
WIDTHS = {"matryoshka_widths": [8, 20, 48]}
CASES = [
    ("standard", STANDARD, {"l1_coefficient": 0.1}, {}),
    ("standard_no_b_dec", STANDARD, {"l1_coefficient": 0.1, "apply_b_dec_to_input": False}, {}),
    ("standard_warm_up", STANDARD, {"l1_coefficient": 0.5, "l1_warm_up_steps": 4}, {"trainer": {"lr_scheduler_name": "cosineannealing", "lr_warm_up_steps": 3, "lr_decay_steps": 3, "lr_end": LR / 10}}),
    ("standard_small", STANDARD, {"l1_coefficient": 0.1}, {"scale": 0.08}),  # its gradients become shorter than 1 on the way and are then not clipped
    ("standard_layer_norm", STANDARD, {"l1_coefficient": 0.1, "normalize_activations": "layer_norm"}, {}),
    ("standard_constant_norm_rescale", STANDARD, {"l1_coefficient": 0.1, "normalize_activations": "constant_norm_rescale"}, {}),
    ("topk", TOPK, {"k": 6, "rescale_acts_by_decoder_norm": True}, FEW_FIRST),
    ("topk_no_rescale", TOPK, {"k": 6, "rescale_acts_by_decoder_norm": False, "aux_loss_coefficient": 0.25}, MANY_FIRST),
    ("topk_layer_norm", TOPK, {"k": 6, "rescale_acts_by_decoder_norm": False, "normalize_activations": "layer_norm"}, {}),
    ("batchtopk", BATCHTOPK, {"k": 5.5, "rescale_acts_by_decoder_norm": True}, FEW_FIRST),
    ("batchtopk_no_rescale", BATCHTOPK, {"k": 5.3, "rescale_acts_by_decoder_norm": False, "topk_threshold_lr": 0.1}, MANY_FIRST),  # 169 of 169.6
    ("matryoshka", MATRYOSHKA, {"k": 5.5, **WIDTHS}, FEW_FIRST),
    ("matryoshka_no_rescale", MATRYOSHKA, {"k": 5.5, **WIDTHS, "rescale_acts_by_decoder_norm": False}, MANY_FIRST),
    ("matryoshka_aux", MATRYOSHKA, {"k": 5.5, **WIDTHS, "use_matryoshka_aux_loss": True}, INNER_LATER),
    ("matryoshka_aux_no_rescale", MATRYOSHKA, {"k": 5.5, **WIDTHS, "use_matryoshka_aux_loss": True, "rescale_acts_by_decoder_norm": False, "aux_loss_coefficient": 0.25}, INNER_LATER),
    ("jumprelu_step", JUMPRELU, {**JUMP, "l0_coefficient": 0.05, "l0_warm_up_steps": 0}, {}),
    ("jumprelu_warm_up", JUMPRELU, {**JUMP, "l0_coefficient": 0.2, "l0_warm_up_steps": 4, "apply_b_dec_to_input": False}, {}),
    ("jumprelu_tanh", JUMPRELU, {**JUMP, "l0_coefficient": 0.05, "jumprelu_sparsity_loss_mode": "tanh", "jumprelu_tanh_scale": 4.0}, {}),
    ("jumprelu_quadratic", JUMPRELU, {**JUMP, "l0_coefficient": 0.05, "jumprelu_sparsity_loss_mode": "quadratic", "target_l0": 20.0}, {}),
    ("jumprelu_ste_to_input", JUMPRELU, {**JUMP, "l0_coefficient": 0.05, "jumprelu_ste_to_input": True}, {}),
    ("jumprelu_pre_act", JUMPRELU, {**JUMP, "l0_coefficient": 0.05, "pre_act_loss_coefficient": 0.03}, FEW_FIRST),
    ("jumprelu_anthropic", JUMPRELU, {**JUMP, "l0_coefficient": 0.05, "jumprelu_sparsity_loss_mode": "tanh", "jumprelu_ste_to_input": True, "pre_act_loss_coefficient": 0.03}, MANY_FIRST),
    ("gated", GATED, {"l1_coefficient": 0.1}, {}),
    ("gated_no_b_dec", GATED, {"l1_coefficient": 0.1, "l1_warm_up_steps": 4, "apply_b_dec_to_input": False}, {}),
    ("transcoder", (TrainableTranscoder, TranscoderConfig), {"d_out": D_OUT, "apply_b_dec_to_input": False}, {}),
    ("skip_transcoder", (TrainableSkipTranscoder, SkipTranscoderConfig), {"d_out": D_OUT, "apply_b_dec_to_input": False}, {}),
]
INFERENCE_ONLY = [("jumprelu_transcoder", JumpReLUTranscoder, JumpReLUTranscoderConfig), ("jumprelu_skip_transcoder", JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig)]


# ---- one case in one precision
def parameters(sae, of=lambda p: p):
    return {name: of(p).detach().clone() for name, p in sae.named_parameters()}


def new_sae(kind, config, weights, dtype):
    sae = kind[0](kind[1](d_in=D_IN, d_sae=D_SAE, dtype=str(dtype).removeprefix("torch."), **config))
    for name, p in sae.named_parameters():
        p.data = weights[name].to(dtype, copy=True)  # jumprelu's threshold too, which SAELens would keep in f32
    return sae


def chosen(sae, before, output, dead):
    """Everything in a step that is decided by a comparison, as booleans."""
    cfg, h = sae.cfg, output.hidden_pre
    decisions = [output.feature_acts > 0, h > 0]
    if isinstance(sae, TopKTrainingSAE) and dead.any():
        edges = [0, *cfg.matryoshka_widths] if getattr(cfg, "use_matryoshka_aux_loss", False) else [0, D_SAE]
        for a, b in zip(edges, edges[1:]):
            if dead[a:b].any():
                decisions.append(calculate_topk_aux_acts(min(D_IN // 2, int(dead[a:b].sum())), h[:, a:b], dead[a:b]) != 0)
    if isinstance(sae, JumpReLUTrainingSAE):
        threshold = before["threshold"].clamp(min=0)
        decisions += [h > threshold, ((h - threshold) / cfg.jumprelu_bandwidth).abs() < 0.5]
    if isinstance(sae, GatedTrainingSAE):
        decisions.append((output.sae_in - before["b_dec"] * cfg.apply_b_dec_to_input) @ before["W_enc"] + before["b_gate"] > 0)
    return decisions


def run(kind, config, weights, dead, scale, trainer_config, dtype):
    """Ten steps; also what the first one computes, and its gradients before they are clipped."""
    sae = new_sae(kind, config, weights, dtype)
    sae.targets = targets.to(dtype)
    trainer = TrainerWithGivenDead(SAETrainerConfig(total_training_samples=STEPS * BATCH, train_batch_size_samples=BATCH, lr=LR, **{"lr_end": LR / 10, **trainer_config}), sae, iter(()))
    trainer.given = dead
    inputs = (batches * scale).to(dtype)
    first = copy.deepcopy(sae)
    output = first.training_forward_pass(TrainStepInput(inputs[0], trainer.get_coefficients(), dead[0], 0, False))
    output.loss.backward()
    result = {"features": output.feature_acts, "hidden_pre": output.hidden_pre, "sae_out": output.sae_out, "gradients": parameters(first, lambda p: p.grad),
              "losses": [], "coefficients": [], "lr": [], "gradientNorm": [], "l0": [], "topkThreshold": [], "chosen": []}
    for batch in inputs:
        result["coefficients"].append(trainer.get_coefficients())
        result["lr"].append(trainer.optimizer.param_groups[0]["lr"])
        before = parameters(sae)
        twin = copy.deepcopy(sae)  # for the length of the gradient, which the trainer clips at once
        step_input = TrainStepInput(batch, trainer.get_coefficients(), dead[trainer.n_training_steps], trainer.n_training_steps, False)
        twin.training_forward_pass(step_input).loss.backward()
        result["gradientNorm"].append(torch.nn.utils.get_total_norm([p.grad for p in twin.parameters()]).item())
        output = trainer.step(batch)
        result["chosen"].append(chosen(sae, before, output, trainer.dead_neurons))
        result["losses"].append({name: value.item() for name, value in output.losses.items()} | {"overall_loss": output.loss.item()})
        result["l0"].append(output.feature_acts.bool().sum(-1).double().mean().item())
        if isinstance(sae, BatchTopKTrainingSAE):
            result["topkThreshold"].append(sae.topk_threshold.item())
        trainer.n_training_steps += 1
    return result | {"after": parameters(sae), "config": sae.cfg.to_dict(), "trainer": {name: getattr(trainer.cfg, name) for name in
                     ["lr", "lr_end", "lr_scheduler_name", "lr_warm_up_steps", "lr_decay_steps", "adam_beta1", "adam_beta2"]}}


def differences(a, b):
    """How far the f32 run is from the f64 run."""
    moved = torch.cat([(a["after"][n].double() - b["after"][n]).abs().flatten() for n in b["after"]])
    return {"loss_relative": max(abs(x[n] - y[n]) / max(abs(y[n]), 1e-9) for x, y in zip(a["losses"], b["losses"]) for n in y),
            "features": apart(a["features"], b["features"]), "sae_out": apart(a["sae_out"], b["sae_out"]),
            "gradients": max(apart(a["gradients"][n], b["gradients"][n]) for n in b["gradients"]), "gradients_largest": max(g.abs().max().item() for g in b["gradients"].values()),
            "after": moved.max().item(), "after_above_1e-5": int((moved > 1e-5).sum()), "weights": moved.numel(),
            "topkThreshold": max((abs(x - y) for x, y in zip(a["topkThreshold"], b["topkThreshold"])), default=0.0)}


tensors = {"batches": batches, "targets": targets}
report = {"saeLens": sae_lens.__version__, "dIn": D_IN, "dSae": D_SAE, "dOut": D_OUT, "batchSize": BATCH, "steps": STEPS, "cases": [], "inference": []}
for name, kind, config, more in CASES:
    scale = more.get("scale", 1.0)
    weights = initial_weights(config.get("d_out", D_IN), seed=2)
    if scale != 1:
        weights = {n: w * scale if n in ["b_enc", "b_dec"] else w for n, w in weights.items()}
    dead = torch.zeros(STEPS, D_SAE, dtype=torch.bool)
    for step, latents in enumerate(more.get("dead", [])):
        dead[step, latents] = True
    results = {label: run(kind, config, weights, dead, scale, more.get("trainer", {}), dtype) for label, dtype in [("f32", torch.float32), ("f64", torch.float64)]}
    f32, f64 = results["f32"], results["f64"]
    for step, (a, b) in enumerate(zip(f32["chosen"], f64["chosen"])):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True)), f"{name}: f32 and f64 choose differently in step {step}"
    for n in f64["after"]:
        tensors[f"{name}/init/{n}"] = weights[n]
        tensors[f"{name}/gradients/{n}"], tensors[f"{name}/after/{n}"] = f64["gradients"][n].float(), f64["after"][n].float()
    for n in ["features", "hidden_pre", "sae_out"]:
        tensors[f"{name}/{n}"] = f64[n].float()
    settings = {n: v for n, v in f32["config"].items() if n not in ["metadata", "device", "dtype"]}
    case = {"name": name, "class": kind[0].__name__, "config": settings, "trainer": f32["trainer"], "scale": scale, "parameters": list(f64["after"]), "dead": [row.nonzero().flatten().tolist() for row in dead],
            "coefficients": f64["coefficients"], "lr": f64["lr"], "l0": f64["l0"], "gradientNorm": f64["gradientNorm"], "losses": {label: r["losses"] for label, r in results.items()}}
    if f64["topkThreshold"]:
        case["topkThreshold"] = {label: r["topkThreshold"] for label, r in results.items()}
    case["f32 - f64"] = differences(f32, f64)
    report["cases"].append(case)
    first, last = f64["losses"][0], f64["losses"][-1]
    print(f"{name}: " + ", ".join(f"{n} {first[n]:.4g} -> {last[n]:.4g}" for n in first) + f"; l0 {f64['l0'][0]:.1f} -> {f64['l0'][-1]:.1f}; gradient {f64['gradientNorm'][0]:.3g} -> {f64['gradientNorm'][-1]:.3g}; "
          + "f32 - f64: " + ", ".join(f"{n} {v:.2g}" for n, v in case["f32 - f64"].items()))

for name, sae_class, config_class in INFERENCE_ONLY:
    config = {"d_out": D_OUT, "apply_b_dec_to_input": False}
    weights = initial_weights(D_OUT, seed=2)
    results = []
    for dtype in [torch.float32, torch.float64]:
        sae = new_sae((sae_class, config_class), config, weights, dtype).eval()
        with torch.no_grad():
            results.append((sae.encode(batches[0].to(dtype)), sae(batches[0].to(dtype))))
    assert torch.equal(results[0][0] > 0, results[1][0] > 0), name
    for n in parameters(sae):
        tensors[f"{name}/init/{n}"] = weights[n]
    tensors[f"{name}/features"], tensors[f"{name}/sae_out"] = (value.float() for value in results[1])
    report["inference"].append({"name": name, "class": sae_class.__name__, "config": config, "parameters": list(parameters(sae)),
                                "f32 - f64": {"features": apart(results[0][0], results[1][0]), "sae_out": apart(results[0][1], results[1][1])}})
    print(f"{name}: {report['inference'][-1]['f32 - f64']}")

scaler = ActivationScaler()
scaler.estimate_scaling_factor(d_in=D_IN, data_provider=iter(batches), n_batches_for_norm_estimate=STEPS)
report["expected_average_only_in"] = {"scalingFactor": scaler.scaling_factor}  # of the ten batches
save_tensors("saelens", tensors)
save_json("saelens", report)


# ---- schedules
def lr_per_step(steps, **settings):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=settings["lr"])
    scheduler, values = get_lr_scheduler(optimizer=optimizer, training_steps=steps, **settings), []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def coefficient_per_step(steps, **settings):
    scheduler, values = CoefficientScheduler(**settings), []
    for _ in range(steps):
        values.append(scheduler.value)
        scheduler.step()
    return values


lrs, coefficients = [], []
for name, lr_end, cycles in [("constant", 1e-4, 1), ("cosineannealing", 1e-4, 1), ("cosineannealing", 0.0, 1), ("cosineannealingwarmrestarts", 1e-4, 3)]:
    for warm_up, decay in [(0, 0), (1, 0), (5, 0), (0, 5), (5, 5), (7, 12)]:
        if decay == 0 or lr_end != 0:  # SAELens refuses a decay from 0
            settings = {"scheduler_name": name, "lr": 1e-3, "warm_up_steps": warm_up, "decay_steps": decay, "lr_end": lr_end, "num_cycles": cycles}
            lrs.append(settings | {"training_steps": 30, "values": lr_per_step(30, **settings)})
for warm_up, final in [(0, 5.0), (1, 5.0), (4, 5.0), (10, 0.02)]:
    coefficients.append({"warm_up_steps": warm_up, "final_value": final, "values": coefficient_per_step(14, warm_up_steps=warm_up, final_value=final)})
save_json("schedules", {"saeLens": sae_lens.__version__, "lr": lrs, "coefficient": coefficients})
