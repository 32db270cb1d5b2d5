"""Write models/random: a GPT-2 of two blocks whose every weight is a seeded random number.

Its numbers mean nothing, so nothing about them can be right by luck: all biases and layer-norm weights are far from 0 and 1, the width
of a head (16) is not 64, and the outputs are far from uniform. Its file looks like the older published ones: names with `transformer.`,
causal masks stored as `h.N.attn.bias` (once as numbers, once as booleans), `masked_bias`, no `lm_head.weight`, no `n_inner` in the
configuration, and the tokenizer both as tokenizer.json and as vocab.json + merges.txt.

    python random_model.py
"""
import json
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel
from common import FOLDERS, save_tensors

TEXT = """The capital of France is Paris. The weather today is cold and windy. Once upon a time there was a brave knight who lived in a castle.
def fibonacci(n):
    if n <= 1:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)
What is the meaning of life? The Earth orbits around the Sun, and the Moon orbits the Earth. I am so happy today! I don't know; they're late, we'll see.
The caf\u00e9 is na\u00efve \u2013 \u732b\u306f\u732b \U0001f600\U0001f600. The end of the story is the end of the day."""
EOT = "<|endoftext|>"
VOCABULARY, CONTEXT, BLOCKS, WIDTH, HEADS = 300, 64, 2, 48, 3
folder = FOLDERS["random"]
folder.mkdir(parents=True, exist_ok=True)

# ---- tokenizer: 256 bytes, 43 merges, <|endoftext|> last
learner = Tokenizer(models.BPE())
learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
learner.train_from_iterator(TEXT.split("\n"), trainers.BpeTrainer(
    vocab_size=VOCABULARY - 1, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
learned = json.loads(learner.to_str())["model"]
vocab = {**learned["vocab"], EOT: VOCABULARY - 1}
vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
merges = [tuple(pair) for pair in learned["merges"]]
assert list(vocab.values()) == list(range(VOCABULARY))
(folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
(folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")

tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
tokenizer.add_special_tokens([AddedToken(EOT, special=True, normalized=True)])
tokenizer.save(str(folder / "tokenizer.json"))

# ---- weights
config = GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=BLOCKS, n_head=HEADS, bos_token_id=VOCABULARY - 1, eos_token_id=VOCABULARY - 1)
model = GPT2LMHeadModel(config)
generator = torch.Generator().manual_seed(0)
for name, parameter in model.named_parameters():
    parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    if ".ln_" in name and name.endswith("weight"):
        parameter.copy_(1 + 1.5 * parameter)
weights = {name: parameter.clone().contiguous() for name, parameter in model.named_parameters()}  # the tied head is listed once, as wte
mask = torch.ones(CONTEXT, CONTEXT).tril().view(1, 1, CONTEXT, CONTEXT)
weights["transformer.h.0.attn.bias"], weights["transformer.h.1.attn.bias"] = mask, mask.bool()
weights["transformer.h.1.attn.masked_bias"] = torch.tensor(-1e4)
assert "lm_head.weight" not in weights
save_tensors("model", weights, folder)
fields = ["model_type", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon", "activation_function", "bos_token_id", "eos_token_id"]
(folder / "config.json").write_text(json.dumps({field: getattr(config, field) for field in fields}, indent=2) + "\n")
print(f"models/random: {sum(p.numel() for p in model.parameters()):,} parameters, {len(merges)} merges: {[a + b for a, b in merges]}")
