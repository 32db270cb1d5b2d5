"""Write SAEs to files as SAELens does, and older releases' files by hand, and what SAELens computes after loading them.

New files are written by `save_inference_model` of a training SAE, or by `save_model` where SAELens has no training class. Old ones (`old_…`) have the keys that
files of their time have: `old_res_jb` those of gpt2-small-res-jb, the others those that SAELens 3.23's `SAEConfig.to_dict` writes. Every SAE is loaded
by `load_from_disk` in f64 and in f32 and encodes and decodes the same eight rows; the f64 numbers are kept.

    python saelens_files.py        writes saes/CASE/{cfg.json,sae_weights.safetensors[,sparsity.safetensors]} and numbers/saelens_files.{safetensors,json}
"""
import json, os, shutil, sys
if os.environ.get("PYTHONHASHSEED") != "0":  # SAELens writes the keys of cfg.json in the order of a set
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
import warnings
import torch
import sae_lens
from safetensors.torch import load_file, save_file
from sae_lens import (
    SAE, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, GatedTrainingSAE, GatedTrainingSAEConfig, JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig, JumpReLUTrainingSAE,
    JumpReLUTrainingSAEConfig, JumpReLUTranscoder, JumpReLUTranscoderConfig, MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig, SkipTranscoder, SkipTranscoderConfig,
    StandardTrainingSAE, StandardTrainingSAEConfig, TopKTrainingSAE, TopKTrainingSAEConfig, TrainingSAE, Transcoder, TranscoderConfig)
from sae_lens.loading.pretrained_sae_loaders import handle_config_defaulting
from sae_lens.saes.sae import SAEMetadata
from common import HERE, apart, save_json, save_tensors

warnings.filterwarnings("ignore", category=UserWarning)
D_IN, D_SAE, D_OUT, ROWS, HEADS = 16, 48, 12, 8, 4
SAES = HERE / "saes"
shutil.rmtree(SAES, ignore_errors=True)
generator = torch.Generator().manual_seed(11)


def normal(*shape):
    return torch.randn(*shape, generator=generator)


rows = 1.2 * normal(ROWS, D_IN) + 0.6 * normal(D_IN)


def weights(names, d_out=D_IN):
    """Other numbers for every SAE; the rows of W_dec are 0.4 to 1.4 long."""
    unit = torch.nn.functional.normalize(normal(D_SAE, D_IN), dim=1)
    W_dec = (unit if d_out == D_IN else torch.nn.functional.normalize(normal(D_SAE, d_out), dim=1)) * (0.4 + torch.rand(D_SAE, 1, generator=generator))
    every = {"W_enc": 0.7 * unit.T + 0.1 * normal(D_IN, D_SAE), "b_enc": 0.2 * normal(D_SAE), "W_dec": W_dec, "b_dec": 0.3 * normal(d_out), "b_gate": 0.2 * normal(D_SAE), "b_mag": 0.2 * normal(D_SAE),
             "r_mag": 0.3 * normal(D_SAE), "threshold": 0.3 + 0.05 * normal(D_SAE), "W_skip": 0.2 * normal(d_out, D_IN)}
    return {name: every[name].contiguous() for name in names}


def sparsity():
    """log10 of how often each feature was active, as the trainer writes it; three features never were."""
    frequency = torch.rand(D_SAE, generator=generator) ** 3
    frequency[[4, 20, 33]] = 0
    return {"sparsity": torch.log10(frequency + 1e-10)}


# ---- files written by SAELens
METADATA = {"model_name": "tiny", "model_class_name": "HookedTransformer", "hook_name": "blocks.6.hook_resid_pre", "hook_head_index": None, "context_size": 128, "prepend_bos": True, "seqpos_slice": (None,),
            "model_from_pretrained_kwargs": {"center_writing_weights": True}, "exclude_special_tokens": False, "dataset_path": "Skylion007/openwebtext"}
TOPK, BATCHTOPK, JUMPRELU = (TopKTrainingSAE, TopKTrainingSAEConfig), (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig), (JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig)
STANDARD, OUT = (StandardTrainingSAE, StandardTrainingSAEConfig), {"d_out": D_OUT, "apply_b_dec_to_input": False}
HOOK_Z = {"hook_name": "blocks.6.attn.hook_z"}
OUT_HOOK = {"hook_name": "blocks.6.hook_mlp_in", "hook_name_out": "blocks.6.hook_mlp_out"}
NEW = [
    ("standard", STANDARD, {}, {}),
    ("standard_no_b_dec", STANDARD, {"apply_b_dec_to_input": False}, {"prepend_bos": False}),
    ("standard_bfloat16", STANDARD, {"dtype": "bfloat16"}, {}),
    ("standard_float16", STANDARD, {"dtype": "float16"}, {}),
    ("standard_hook_z", STANDARD, {"reshape_activations": "hook_z"}, HOOK_Z),
    ("standard_constant_norm_rescale", STANDARD, {"normalize_activations": "constant_norm_rescale"}, {}),
    ("topk", TOPK, {"k": 6}, {}),  # rescale_acts_by_decoder_norm, with the norms folded in on saving
    ("topk_no_rescale", TOPK, {"k": 30, "rescale_acts_by_decoder_norm": False}, {}),  # more than are positive in some rows
    ("topk_layer_norm", TOPK, {"k": 6, "rescale_acts_by_decoder_norm": False, "normalize_activations": "layer_norm"}, {"prepend_bos": False, "context_size": 64}),
    ("jumprelu", JUMPRELU, {}, {}),
    ("jumprelu_bfloat16", JUMPRELU, {"dtype": "bfloat16"}, {}),  # the threshold stays float32 in the file
    ("gated", (GatedTrainingSAE, GatedTrainingSAEConfig), {}, {}),
    ("batchtopk", BATCHTOPK, {"k": 5.5}, {}),
    ("batchtopk_no_rescale", BATCHTOPK, {"k": 5.5, "rescale_acts_by_decoder_norm": False}, {}),
    ("matryoshka_batchtopk", (MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig), {"k": 5.5, "matryoshka_widths": [8, 20, 48]}, {}),
    ("transcoder", (Transcoder, TranscoderConfig), OUT, OUT_HOOK),
    ("skip_transcoder", (SkipTranscoder, SkipTranscoderConfig), OUT, OUT_HOOK),
    ("jumprelu_transcoder", (JumpReLUTranscoder, JumpReLUTranscoderConfig), OUT, OUT_HOOK),
    ("jumprelu_skip_transcoder", (JumpReLUSkipTranscoder, JumpReLUSkipTranscoderConfig), OUT, OUT_HOOK),
]
for name, (sae_class, config_class), config, metadata in NEW:
    sae = sae_class(config_class(d_in=D_IN, d_sae=D_SAE, metadata=SAEMetadata(**METADATA | metadata), **config))
    given = weights([n for n, _ in sae.named_parameters()], config.get("d_out", D_IN))
    for n, p in sae.named_parameters():
        p.data = given[n].to(p.dtype)
    if isinstance(sae, BatchTopKTrainingSAE):
        sae.topk_threshold.fill_(0.45)
    sae.save_inference_model(SAES / name) if isinstance(sae, TrainingSAE) else sae.save_model(SAES / name)
    if name in ["standard", "batchtopk"]:
        save_file(sparsity(), SAES / name / "sparsity.safetensors")

# ---- files of older releases
RES_JB = {  # before 3.0: the whole training configuration; nothing about the architecture
    "model_name": "gpt2-small", "hook_point": "blocks.6.hook_resid_pre", "hook_point_layer": 6, "hook_point_head_index": None, "dataset_path": "Skylion007/openwebtext", "is_dataset_tokenized": False,
    "context_size": 128, "use_cached_activations": False, "cached_activations_path": "activations/Skylion007_openwebtext/gpt2-small/blocks.6.hook_resid_pre", "d_in": D_IN, "n_batches_in_buffer": 128,
    "total_training_tokens": 300000000, "store_batch_size": 32, "device": "mps", "seed": 42, "dtype": "torch.float32", "b_dec_init_method": "geometric_median", "expansion_factor": 3, "from_pretrained_path": None,
    "l1_coefficient": 8e-05, "lr": 0.0004, "lr_scheduler_name": None, "lr_warm_up_steps": 5000, "train_batch_size": 4096, "use_ghost_grads": False, "feature_sampling_window": 1000,
    "feature_sampling_method": None, "resample_batches": 1028, "feature_reinit_scale": 0.2, "dead_feature_window": 5000, "dead_feature_estimation_method": "no_fire", "dead_feature_threshold": 1e-08,
    "log_to_wandb": True, "wandb_project": "example", "wandb_entity": None, "wandb_log_frequency": 100, "n_checkpoints": 10, "checkpoint_path": "checkpoints/example", "d_sae": D_SAE,
    "tokens_per_buffer": 67108864, "run_name": "48-L1-8e-05-LR-0.0004-Tokens-3.000e+08"}
OLD_3 = {"architecture": "standard", "d_in": D_IN, "d_sae": D_SAE, "dtype": "torch.float32", "device": "cuda", "model_name": "gpt2-small", "hook_name": "blocks.6.hook_resid_post", "hook_layer": 6, "hook_head_index": None,
         "activation_fn_str": "relu", "activation_fn_kwargs": {}, "apply_b_dec_to_input": True, "finetuning_scaling_factor": False, "sae_lens_training_version": "3.23.4", "prepend_bos": True,
         "dataset_path": "Skylion007/openwebtext", "dataset_trust_remote_code": True, "context_size": 128, "normalize_activations": "none", "neuronpedia_id": None, "model_from_pretrained_kwargs": {}}
BASE, ONES = ["W_enc", "b_enc", "W_dec", "b_dec"], {"scaling_factor": torch.ones(D_SAE)}
OLD = [
    ("old_res_jb", RES_JB, BASE, ONES),
    ("old_boolean_normalize", RES_JB | {"normalize_activations": True, "activation_fn_str": "relu", "hook_point": "blocks.6.hook_mlp_out"}, BASE, ONES),
    ("old_standard", OLD_3, BASE, {}),
    ("old_topk", OLD_3 | {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}, "normalize_activations": "layer_norm", "prepend_bos": False, "context_size": 64, "sae_lens_training_version": None}, BASE, ONES),
    ("old_activation_fn_topk", {k: v for k, v in OLD_3.items() if k != "activation_fn_str"} | {"activation_fn": "topk", "activation_fn_kwargs": {"k": 5}}, BASE, {}),
    ("old_hook_z", OLD_3 | {"hook_name": "blocks.6.attn.hook_z"}, BASE, {}),
    ("old_gated", OLD_3 | {"architecture": "gated"}, ["W_enc", "b_gate", "b_mag", "r_mag", "W_dec", "b_dec"], {}),
    ("old_jumprelu", OLD_3 | {"architecture": "jumprelu", "apply_b_dec_to_input": False, "normalize_activations": None}, [*BASE, "threshold"], {}),
    ("old_log_threshold", OLD_3 | {"architecture": "jumprelu", "jumprelu_init_threshold": 0.3, "jumprelu_bandwidth": 0.05, "l1_coefficient": 1.0}, [*BASE, "threshold"], {}),  # a checkpoint of training
]
for name, config, names, more in OLD:
    tensors = weights(names) | more
    if name == "old_log_threshold":
        tensors["log_threshold"] = tensors.pop("threshold").log()
    (SAES / name).mkdir(parents=True)
    save_file(tensors, SAES / name / "sae_weights.safetensors")
    (SAES / name / "cfg.json").write_text(json.dumps(config))
    if name == "old_res_jb":
        save_file(sparsity(), SAES / name / "sparsity.safetensors")

# ---- what SAELens makes of them
tensors, report = {"rows": rows}, {"saeLens": sae_lens.__version__, "dIn": D_IN, "dSae": D_SAE, "dOut": D_OUT, "heads": HEADS, "cases": []}
for name in [case[0] for case in NEW + OLD]:
    folder, loader = SAES / name, JumpReLUTrainingSAE if name == "old_log_threshold" else SAE
    for path in folder.iterdir():
        path.chmod(0o644)
    results = {}
    for label, dtype in [("f64", "float64"), ("f32", "float32"), ("file", None)]:
        sae = loader.load_from_disk(folder, dtype=dtype).eval()
        x = rows.to(sae.dtype)
        if sae.cfg.reshape_activations == "hook_z" and not isinstance(sae, TrainingSAE):
            x = x.reshape(ROWS, HEADS, D_IN // HEADS)
        features = sae.encode(x)
        output = sae(x)
        results[label] = features, output
    assert torch.equal(results["f64"][0] > 0, results["f32"][0] > 0), name
    tensors[f"{name}/features"], tensors[f"{name}/output"] = (value.float() for value in results["f64"])
    written = json.loads((folder / "cfg.json").read_text())
    file = load_file(folder / "sae_weights.safetensors")
    case = {"name": name, "class": type(sae).__name__, "files": sorted(path.name for path in folder.iterdir()), "tensors": {n: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape)} for n, t in file.items()},
            "resolved": handle_config_defaulting(written), "config": sae.cfg.to_dict(), "l0": (results["f64"][0] > 0).sum(-1).tolist(),
            "f32 - f64": {"features": apart(results["f32"][0], results["f64"][0]), "output": apart(results["f32"][1], results["f64"][1])},
            "in the file's dtype - f64": {"features": apart(results["file"][0], results["f64"][0]), "output": apart(results["file"][1], results["f64"][1])}}
    report["cases"].append(case)
    print(f"{name}: {case['class']}, {list(case['tensors'])}, l0 {case['l0']}, {case['f32 - f64']}")
save_tensors("saelens_files", tensors)
save_json("saelens_files", report)
