"""Enter the SAEs that come with the page in www/models/saes/saes.json, with the sizes and hashes of their files.

    python list.py
"""
import hashlib, json
from pathlib import Path

SAES = Path(__file__).resolve().parents[2] / "www" / "models" / "saes"
TARGET = SAES / "saes.json"
ROLES = {"cfg": "cfg.json", "weights": "sae_weights.safetensors", "sparsity": "sparsity.safetensors"}


def entry(folder):
    hook, d_sae = folder.name.rsplit("_", 1)
    quality = json.loads((folder / "quality.json").read_text())["rows"]
    files = {role: (folder / name).read_bytes() for role, name in ROLES.items()}
    return {"id": folder.name, "hook": hook, "dSae": int(d_sae), "l0": round(quality["l0"], 1), "varianceExplained": round(quality["evPerDimension"], 3),
            "files": {role: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for role, data in files.items()}}


folders = sorted((SAES / "tiny").iterdir(), key=lambda folder: int(folder.name.rsplit("_", 1)[1]))
config = json.loads((folders[0] / "cfg.json").read_text())
ours = {"release": "tiny-res", "model": "tiny", "repo": None, "base": "tiny/", "architecture": config["architecture"], "dIn": config["d_in"], "dSae": None}
lines = TARGET.read_text().split("\n")
start = next((n for n, line in enumerate(lines) if line.startswith('{"release": "tiny-res"')), None)
if start is not None:
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("]}"))
    del lines[start:end + 1]
first = next(n for n, line in enumerate(lines) if line.startswith('{"release"'))
lines[first:first] = [json.dumps(ours)[:-1] + ', "saes": [', *",\n".join("  " + json.dumps(entry(folder)) for folder in folders).split("\n"), "]},"]
TARGET.write_text("\n".join(lines))
json.loads(TARGET.read_text())
print(f"{len(folders)} SAEs of the tiny model are listed")
