"""What SAELens computes with the SAEs that this project wrote: every folder of saes_ours, on the rows of saelens_files.

    SAE_LAB_WRITE_FIXTURES=1 cargo test written     writes saes_ours/CASE
    python saelens_reads_ours.py                    writes numbers/saelens_reads_ours.{safetensors,json}
"""
import warnings
import sae_lens
from safetensors.torch import load_file
from sae_lens import SAE
from common import HERE, apart, save_json, save_tensors

warnings.filterwarnings("ignore", category=UserWarning)
HEADS = 4
rows = load_file(HERE / "numbers" / "saelens_files.safetensors")["rows"]
tensors, report = {}, {"saeLens": sae_lens.__version__, "heads": HEADS, "cases": []}
for folder in sorted(path for path in (HERE / "saes_ours").iterdir() if path.is_dir()):
    results = {}
    for label, dtype in [("f64", "float64"), ("f32", "float32"), ("file", None)]:
        sae = SAE.load_from_disk(folder, dtype=dtype).eval()
        x = rows.to(sae.dtype)
        if sae.cfg.reshape_activations == "hook_z":
            x = x.reshape(len(rows), HEADS, -1)
        results[label] = sae.encode(x), sae(x)
    (features, output), name = results["f64"], folder.name
    tensors[f"{name}/features"], tensors[f"{name}/output"] = features.float(), output.float()
    case = {"name": name, "class": type(sae).__name__, "config": sae.cfg.to_dict(), "l0": (features > 0).sum(-1).tolist(),
            "f32 - f64": {"features": apart(results["f32"][0], features), "output": apart(results["f32"][1], output)}}
    if (folder / "sparsity.safetensors").exists():
        case["sparsity"] = load_file(folder / "sparsity.safetensors")["sparsity"].tolist()
    report["cases"].append(case)
    print(f"{name}: {case['class']}, l0 {case['l0']}, {case['f32 - f64']}")
save_tensors("saelens_reads_ours", tensors)
save_json("saelens_reads_ours", report)
