"""Write greedy continuations, plain and steered, and the distributions that TransformerLens would sample from.

Greedy: 40 tokens after BOS + prompt, no stop at the end-of-text token. `smallest_gap` is the smallest lead of the best logit over the second:
where it is of the size of rounding errors, another correct implementation may go another way. Each continuation is computed with the cache
(Hugging Face's `generate`) and without, in f32 and in f64; the summary says where these disagree.
Steered: lab C.4's loop, 20 tokens, a fixed vector of norm 10 added at blocks.6.hook_resid_post at every position.
Sampling: TransformerLens's own `sample_logits` with the draw at its end taken out.

    python generate.py        writes numbers/{generate.json, steering.safetensors, sampling.json}
"""
import json
from unittest.mock import patch
import torch
from transformer_lens.utilities.logits_utils import sample_logits
from common import HERE, hf_model, save_json, save_tensors, tl_model, tokenizer_of, with_bos

REPORT = json.loads((HERE.parent / "tiny-lm/report.json").read_text())
PROMPTS = {
    "tiny": list(REPORT["samples"]) + ["Water boils at 100 degrees Celsius.", "for i in range(10):\n    print(i)", "Hello! How are you today?"],
    "random": ["The weather today is", "def fibonacci(n):\n    if n <= 1:", "caf\u00e9 \U0001f600"],
}
STEERED, HOOK, NORM = ["The weather today is", "Once upon a time", "The capital of France is"], "blocks.6.hook_resid_post", 10.0


def greedy(logits_of, ids, steps):
    """(new ids, their log-probabilities, (smallest gap, its step)) of the best token each time; logits_of(ids) -> [d_vocab]."""
    ids, new, logprobs, gaps = list(ids), [], [], []
    for _ in range(steps):
        logits = logits_of(ids)
        best = logits.topk(2)
        new.append(best.indices[0].item())
        logprobs.append(logits.log_softmax(-1)[new[-1]].item())
        gaps.append((best.values[0] - best.values[1]).item())
        ids.append(new[-1])
    return new, logprobs, (min(gaps), gaps.index(min(gaps)))


def entry(tokenizer, text, ids, new, logprobs, gap):
    return {"prompt": text, "ids": ids, "new_ids": new, "text": tokenizer.decode(new, skip_special_tokens=False), "logprobs": logprobs,
            "smallest_gap": gap[0], "smallest_gap_step": gap[1]}


result = {}
for name, prompts in PROMPTS.items():
    tokenizer = tokenizer_of(name)
    hf, hf64 = hf_model(name), hf_model(name, torch.float64)
    result[name] = []
    for text in prompts:
        ids = with_bos(tokenizer, text)
        new, logprobs, gap = greedy(lambda ids: hf(torch.tensor([ids])).logits[0, -1], ids, 40)
        new64, logprobs64, gap64 = greedy(lambda ids: hf64(torch.tensor([ids])).logits[0, -1], ids, 40)
        x = torch.tensor([ids])
        cached = hf.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=40, do_sample=False, eos_token_id=None, pad_token_id=0)[0, len(ids):].tolist()
        result[name].append(entry(tokenizer, text, ids, new64, logprobs64, gap64))
        print(f"{name} {text!r}: smallest gap {gap64[0]:.4f} at step {gap64[1]}; f32 {'same' if new == new64 else 'OTHER'}, with cache {'same' if cached == new64 else 'OTHER'}")
        print(f"    {result[name][-1]['text']!r}")

tokenizer, tl = tokenizer_of("tiny"), tl_model("tiny")
for prompt, told in REPORT["samples"].items():  # what the model's own report says it says
    ours = prompt + next(e["text"] for e in result["tiny"] if e["prompt"] == prompt)
    assert ours.startswith(told), (told, ours)
vector = torch.randn(96, generator=torch.Generator().manual_seed(6))
vector = vector / vector.norm() * NORM
result["steered"] = {"hook": HOOK, "norm": NORM, "prompts": []}
for text in STEERED:
    ids = with_bos(tokenizer, text)
    new, logprobs, gap = greedy(lambda ids: tl.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(HOOK, lambda x, hook: x + vector)])[0, -1], ids, 20)
    result["steered"]["prompts"].append(entry(tokenizer, text, ids, new, logprobs, gap))
    print(f"steered {text!r}: smallest gap {gap[0]:.4f} at step {gap[1]}\n    {result['steered']['prompts'][-1]['text']!r}")
save_tensors("steering", {"vector": vector})
save_json("generate", result)


# ---- sampling
class Captured(Exception):
    pass


def distribution(logits, tokens, **options):
    """The logits that `sample_logits` hands to the categorical draw, or the token it takes without one."""
    def instead_of_drawing(logits):
        raise Captured(logits)
    with patch("torch.distributions.categorical.Categorical", instead_of_drawing):
        try:
            return {"token": sample_logits(torch.tensor([logits]), tokens=torch.tensor([tokens]), **options).item()}
        except Captured as captured:
            masked = captured.args[0][0]
            return {"logits": [None if x == -torch.inf else x for x in masked.tolist()], "probs": masked.softmax(-1).tolist()}


LOGITS = [2.0, 1.0, 0.5, -1.0, 3.0, 0.0, 1.5, -2.5]
TIES = [1.0, 2.0, 2.0, 0.5, 2.0, -1.0]
HISTORY = [7, 4, 0, 4, 4, 6]  # the prompt, BOS (7) included, and what has been generated
CASES = [
    (LOGITS, [7], {}),
    (LOGITS, [7], {"temperature": 0.7}),
    (LOGITS, HISTORY, {"temperature": 0.0, "freq_penalty": 2.0}),  # greedy: the penalty isn't applied
    (LOGITS, HISTORY, {"temperature": 2.0, "freq_penalty": 1.0}),  # after the temperature, every occurrence counts
    (LOGITS, HISTORY, {"freq_penalty": 0.5, "top_k": 3}),  # the penalty changes who is among the best three
    (TIES, [5], {"top_k": 2}),  # three tokens share the second place: all stay
    (TIES, [5], {"top_k": 100}),  # more than there are
    (LOGITS, [7], {"top_k": 1}),
    (LOGITS, [7], {"top_p": 0.8}),
    (LOGITS, [7], {"top_p": 0.01}),  # the best one always stays
    (LOGITS, [7], {"top_p": 1.0}),
    (LOGITS, [7], {"top_k": 4, "top_p": 0.1}),  # top_k given: top_p isn't looked at
    (LOGITS, HISTORY, {"temperature": 0.5, "freq_penalty": 1.5, "top_p": 0.9}),
]
names = {"temperature": "temperature", "freq_penalty": "frequencyPenalty", "top_k": "topK", "top_p": "topP"}
cases = [{"logits": logits, "tokens": tokens, "options": {names[k]: v for k, v in options.items()}, "expected": distribution(logits, tokens, **options)}
         for logits, tokens, options in CASES]
save_json("sampling", cases)
print(f"sampling: {len(cases)} cases, kept tokens {[sum(p > 0 for p in c['expected']['probs']) if 'probs' in c['expected'] else 'greedy' for c in cases]}")
