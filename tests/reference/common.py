"""What the reference scripts share: where things are, the two models, and how numbers are written down.

Nothing is loaded from the network: both models are made from files of this repository.
"""
import json, os, re
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

torch.set_num_threads(1)  # sums are then always added up in the same order
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(False)

HERE = Path(__file__).parent
NUMBERS = HERE / "numbers"
FOLDERS = {"tiny": HERE.parent.parent / "www/models/tiny", "random": HERE / "models/random"}
NUMBERS.mkdir(exist_ok=True)


def tokenizer_of(name):
    return Tokenizer.from_file(str(FOLDERS[name] / "tokenizer.json"))


def with_bos(tokenizer, text):
    """Token ids of a text as TransformerLens makes them: the string with <|endoftext|> before it."""
    return tokenizer.encode("<|endoftext|>" + text).ids


def hf_model(name, dtype=torch.float32):
    """The raw model in Hugging Face transformers."""
    config = GPT2Config(**json.loads((FOLDERS[name] / "config.json").read_text()), attn_implementation="eager")
    model = GPT2LMHeadModel(config).eval()
    weights = {"transformer." + key.removeprefix("transformer."): value.float()
               for key, value in load_file(FOLDERS[name] / "model.safetensors").items() if not key.endswith((".attn.bias", ".attn.masked_bias"))}  # causal masks; `c_attn.bias` stays
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    model.tie_weights()
    assert model.lm_head.weight is model.transformer.wte.weight
    return model.to(dtype)


def tl_model(name, processed=True):
    """The model in TransformerLens; processed as `from_pretrained` does by default, or not at all (`from_pretrained_no_processing`)."""
    hf = hf_model(name)
    c = hf.config
    cfg = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head, d_head=c.n_embd // c.n_head, d_mlp=4 * c.n_embd,
        d_vocab=c.vocab_size, eps=c.layer_norm_epsilon, act_fn="gelu_new", normalization_type="LN", init_weights=False, device="cpu")
    model = HookedTransformer(cfg)
    model.load_and_process_state_dict(convert_gpt2_weights(hf, cfg), fold_ln=processed, center_writing_weights=processed,
                                      center_unembed=processed, fold_value_biases=processed)
    return model.eval()


def save_tensors(name, tensors, folder=NUMBERS):
    path = folder / f"{name}.safetensors"
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, path, metadata={"format": "pt"})
    path.chmod(0o644)


def compact(text):
    """Lists of plain numbers on one line."""
    return re.sub(r"\[[-+.,\d\se]+\]", lambda m: re.sub(r"\s+", " ", m[0]).replace("[ ", "[").replace(" ]", "]"), text)


def save_json(name, value):
    (NUMBERS / f"{name}.json").write_text(compact(json.dumps(value, indent=1, ensure_ascii=False)) + "\n", encoding="utf-8")


def apart(a, b):
    """The largest absolute difference, as a plain number."""
    return (a.double() - b.double()).abs().max().item()
