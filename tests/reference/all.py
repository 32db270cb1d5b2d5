"""Run every reference script again and say what changed in the numbers.

The same versions on the same processor give the same bytes; another processor may add up in another order, which shows as a largest
difference of about 1e-6.

    python all.py
"""
import subprocess, sys
from pathlib import Path
from safetensors.torch import load

HERE = Path(__file__).parent
SCRIPTS = ["random_model.py", "gpt2.py", "gpt2_small.py", "edits.py", "generate.py", "tokenizer.py", "sae.py",  # the first makes the model of the others
           "saelens.py", "saelens_files.py", "saelens_reads_ours.py", "saelens_evals.py", "dead_latents.py", "toy.py", "analysis.py", "labs_c4.py", "labs_chapter9.py", "labs_chapter9_beside.py", "labs_week7.py"]


def written():
    return {path.relative_to(HERE): path.read_bytes() for folder in ["numbers", "models", "saes"] for path in sorted((HERE / folder).rglob("*")) if path.is_file()}


def change(name, old, new):
    if old is None or new is None:
        return "NEW" if old is None else "GONE"
    if old == new:
        return "same"
    if name.suffix == ".safetensors":
        a, b = load(old), load(new)
        if {key: value.shape for key, value in a.items()} == {key: value.shape for key, value in b.items()}:
            return f"CHANGED, largest difference {max((a[key].double() - b[key].double()).abs().max().item() for key in a):.1e}"
    return "CHANGED"


before = written()
for script in SCRIPTS:
    print(f"\n== {script}", flush=True)
    subprocess.run([sys.executable, script], cwd=HERE, check=True)
after = written()
print("\n== files")
for name in sorted(before.keys() | after.keys()):
    print(f"{len(after.get(name, b'')):>9,}  {name}  {change(name, before.get(name), after.get(name))}")
print(f"{sum(map(len, after.values())):>9,}  bytes in all")
