"""Write a GPT-2 of any size whose every weight is a seeded random number, for the bench that compares the lab with its peers.

As tests/reference/gpt2_small.py, and for the same reasons: activations of the size of 1, logits with a standard deviation of about 4. Its matrices hold numbers
that 16 bits hold too, so that the lab's f16 weights and a peer's f32 are one model, and their logits have to agree. The tokenizer knows bytes only: peers are given token ids.

    python random_gpt2.py --layers 12 --d 768 --vocab 50257 --out FOLDER      nothing, where the folder is there
"""
import argparse, json, math, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from tokenizers import pre_tokenizers

SEED, CONTEXT, D_HEAD = 5, 1024, 64
MATRICES = ("wte.weight", "wpe.weight", "c_attn.weight", "c_proj.weight", "c_fc.weight")

parser = argparse.ArgumentParser()
parser.add_argument("--layers", type=int, required=True)
parser.add_argument("--d", type=int, required=True)
parser.add_argument("--vocab", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()
if args.out.is_dir():
    sys.exit()
d = args.d
assert d % D_HEAD == 0, f"--d {d} is no multiple of {D_HEAD}, the width of a head"
assert args.vocab >= 257, f"--vocab {args.vocab} is fewer than the 257 tokens of the tokenizer"

shapes = {"wte.weight": (args.vocab, d), "wpe.weight": (CONTEXT, d)}
for layer in range(args.layers):
    for name, shape in {
        "ln_1.weight": (d,), "ln_1.bias": (d,), "attn.c_attn.weight": (d, 3 * d), "attn.c_attn.bias": (3 * d,), "attn.c_proj.weight": (d, d), "attn.c_proj.bias": (d,),
        "ln_2.weight": (d,), "ln_2.bias": (d,), "mlp.c_fc.weight": (d, 4 * d), "mlp.c_fc.bias": (4 * d,), "mlp.c_proj.weight": (4 * d, d), "mlp.c_proj.bias": (d,),
    }.items():
        shapes[f"h.{layer}.{name}"] = shape
shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}


def deviation(name, shape):
    if name == "wte.weight":
        return 4 / math.sqrt(d)
    if name == "wpe.weight":
        return 0.1
    return math.sqrt(2 / shape[0]) if name.endswith(MATRICES) else 0.2


generator = np.random.default_rng(SEED)
weights = {}
for name, shape in shapes.items():
    values = (generator.random(shape, dtype=np.float32) - 0.5) * np.float32(math.sqrt(12) * deviation(name, shape))
    if name.endswith(MATRICES):
        values = values.astype(np.float16).astype(np.float32)
    weights[name] = values + np.float32(1) if "ln_" in name and name.endswith("weight") else values

new = args.out.with_name(args.out.name + ".new")
new.mkdir(parents=True, exist_ok=True)
save_file(weights, new / "model.safetensors", metadata={"format": "pt"})
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
(new / "vocab.json").write_text(json.dumps({**{letter: i for i, letter in enumerate(alphabet)}, "<|endoftext|>": 256}), encoding="utf-8")
(new / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
(new / "config.json").write_text(json.dumps({
    "model_type": "gpt2", "vocab_size": args.vocab, "n_positions": CONTEXT, "n_embd": d, "n_layer": args.layers, "n_head": d // D_HEAD, "layer_norm_epsilon": 1e-5,
    "activation_function": "gelu_new", "bos_token_id": 256, "eos_token_id": 256,
}, indent=2) + "\n")
new.rename(args.out)
print(f"{args.out}: {sum(w.size for w in weights.values()):,} parameters")
