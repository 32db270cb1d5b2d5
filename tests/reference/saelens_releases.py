"""Write the list of published SAEs of GPT-2 small that the page knows by name, from SAELens's own list (sae_lens/pretrained_saes.yaml).

What the yaml does not say (widths, architectures) is in SIZES: from the releases' descriptions and their cfg.json. Entries of other models in the
written file (`"repo": null`) are kept.

    python saelens_releases.py        writes ../../www/models/saes/saes.json
"""
import json
from pathlib import Path
import sae_lens
import yaml
from common import HERE

TARGET = HERE.parents[1] / "www" / "models" / "saes" / "saes.json"
WIDTH = 768
# release: architecture, d_sae (None: at the end of each id)
SIZES = {"gpt2-small-res-jb": ("standard", 24576), "gpt2-small-res-jb-feature-splitting": ("standard", None), "gpt2-small-mlp-tm": ("standard", 24576)}
SIZES |= {f"gpt2-small-{hook}-v5-{size}": ("topk", width) for hook in ["resid-post", "resid-mid", "attn-out", "mlp-out"] for size, width in [("32k", 32768), ("128k", 131072)]}
SIZES |= {f"gpt2-small-res_{kind}-ajt": ("standard", 60 * WIDTH) for kind in ["sce", "scefr", "scl", "sle", "slefr", "sll"]}
UNAVAILABLE = {"gpt2-small-hook-z-kk": "Its weights are PyTorch pickles (.pt), which can run any code and which no browser reads. Load one with SAELens in Python, save it with sae.save_model(), and open the files here."}
NAMES = {"l0": "l0", "variance_explained": "varianceExplained", "norm_scaling_factor": "inputScale", "neuronpedia": "neuronpedia"}


def one(entry, width):
    out = {"id": entry["id"]}
    if entry["path"] != entry["id"]:
        out["path"] = entry["path"]
    if width is None:
        hook, size = entry["id"].rsplit("_", 1)
        out |= {"hook": hook, "dSae": int(size)}
    if entry["id"].endswith(".hook_z"):
        out["hook"] = entry["id"].replace(".hook_z", ".attn.hook_z")
    return out | {ours: entry[theirs] for theirs, ours in NAMES.items() if theirs in entry}


published = yaml.safe_load((Path(sae_lens.__file__).parent / "pretrained_saes.yaml").read_text())
releases = []
for name, release in published.items():
    if release.get("model") != "gpt2-small":
        continue
    architecture, width = SIZES.get(name, ("standard", 24576) if name in UNAVAILABLE else ("", 0))
    assert architecture, f"SIZES lacks {name}"
    out = {"release": name, "model": "gpt2-small", "repo": release["repo_id"], "base": f"https://huggingface.co/{release['repo_id']}/resolve/main/", "architecture": architecture, "dIn": WIDTH, "dSae": width}
    if name in UNAVAILABLE:
        out["unavailable"] = UNAVAILABLE[name]
    if release.get("config_overrides"):
        out["overrides"] = release["config_overrides"]
    if release.get("links", {}).get("publication"):
        out["publication"] = release["links"]["publication"]
    releases.append(out | {"saes": [one(entry, width) for entry in release["saes"]]})
kept = [release for release in json.loads(TARGET.read_text())["releases"] if release["repo"] is None] if TARGET.exists() else []
order = lambda release: (not release["release"].startswith("gpt2-small-res-jb"), release["release"])
lines = []
for release in kept + sorted(releases, key=order):
    saes = release.pop("saes")
    head = json.dumps(release, ensure_ascii=False)[:-1]
    lines.append(head + ', "saes": [\n' + ",\n".join("  " + json.dumps(sae, ensure_ascii=False) for sae in saes) + "\n]}")
TARGET.parent.mkdir(parents=True, exist_ok=True)
source = f"SAELens {sae_lens.__version__}, sae_lens/pretrained_saes.yaml; written by tests/reference/saelens_releases.py"
TARGET.write_text('{"source": ' + json.dumps(source) + ', "releases": [\n' + ",\n".join(lines) + "\n]}\n")
print(f"{len(lines)} releases, {sum(len(json.loads(line)['saes']) for line in lines)} SAEs, {TARGET.stat().st_size} bytes")
