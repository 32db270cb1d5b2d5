"""Write what the random model's logits become when activations are changed on the way, as TransformerLens's `run_with_hooks` changes them.

Every edit is run on the processed model (view `tl`) and on the unprocessed one (view `hf`) with the same given numbers. Where Hugging Face
has a module whose output is the hook, the `hf` numbers are checked against a forward hook on that module.

    python edits.py        writes numbers/edits.{safetensors,json}
"""
import torch
from common import apart, hf_model, save_json, save_tensors, tl_model, tokenizer_of, with_bos

TEXT = "The weather today is"
ids = with_bos(tokenizer_of("random"), TEXT)
pos, d_model, heads, d_head = len(ids), 48, 3, 16
generator = torch.Generator().manual_seed(1)


def normal(*shape):
    return torch.randn(shape, generator=generator)


causal = torch.full((pos, pos), -torch.inf).triu(1)
EDITS = [  # name, [(hook, "add" | "replace", numbers, positions or None for all)]
    ("add_resid_post_0", [("blocks.0.hook_resid_post", "add", 3 * normal(d_model) + 1, None)]),  # its mean isn't 0
    ("add_resid_post_1", [("blocks.1.hook_resid_post", "add", 3 * normal(d_model), None)]),
    ("add_resid_pre_0_at", [("blocks.0.hook_resid_pre", "add", 3 * normal(d_model), [2, 5])]),
    ("add_attn_out_1", [("blocks.1.hook_attn_out", "add", normal(d_model), None)]),
    ("replace_mlp_out_0", [("blocks.0.hook_mlp_out", "replace", 2 * normal(pos, d_model), None)]),
    ("replace_resid_mid_1", [("blocks.1.hook_resid_mid", "replace", 2 * normal(pos, d_model), None)]),
    ("replace_z_1", [("blocks.1.attn.hook_z", "replace", normal(pos, heads, d_head), None)]),  # the views disagree: only hf's z contains the value biases
    ("replace_pattern_0", [("blocks.0.attn.hook_pattern", "replace", (normal(heads, pos, pos) + causal).softmax(-1), None)]),
    ("replace_mlp_post_1_at", [("blocks.1.mlp.hook_post", "replace", normal(pos, 4 * d_model).relu(), [pos - 1])]),  # only that row is used
    ("add_then_replace", [("blocks.0.hook_resid_pre", "add", normal(d_model), None), ("blocks.0.hook_mlp_out", "replace", normal(pos, d_model), None)]),
]
AFTER = {"add_resid_post_0": ["blocks.0.hook_resid_post", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post"]}


def changed(x, kind, numbers, positions):
    """x [pos, ...] after the edit."""
    at = slice(None) if positions is None else positions
    x = x.clone()
    x[at] = x[at] + numbers if kind == "add" else numbers[at]
    return x


def run(model, edits):
    hooks = [(hook, lambda x, hook, e=e: changed(x[0], *e)[None]) for hook, *e in edits]
    with model.hooks(fwd_hooks=hooks):
        logits, cache = model.run_with_cache(torch.tensor([ids]))
    return logits[0], cache


def run_hf(edits):
    handles = []
    for name, *e in edits:
        _, layer, hook = name.split(".", 2)
        block = hf.transformer.h[int(layer)]
        module = {"hook_resid_post": block, "hook_mlp_out": block.mlp, "mlp.hook_post": block.mlp.act, "hook_attn_out": block.attn}.get(hook)
        if module is None:
            return None

        def edit(module, args, out, e=e):
            return (changed(out[0][0], *e)[None], *out[1:]) if isinstance(out, tuple) else changed(out[0], *e)[None]
        handles.append(module.register_forward_hook(edit))
    logits = hf(torch.tensor([ids])).logits[0]
    for handle in handles:
        handle.remove()
    return logits


hf, tl, raw = hf_model("random"), tl_model("random"), tl_model("random", processed=False)
plain = run(tl, [])[0]
tensors, entries = {}, []
for name, edits in EDITS:
    (tl_logits, tl_cache), (hf_logits, hf_cache) = run(tl, edits), run(raw, edits)
    tensors[f"{name}/tl/logits"], tensors[f"{name}/hf/logits"] = tl_logits, hf_logits
    for n, (hook, kind, numbers, positions) in enumerate(edits):
        tensors[f"{name}/{n}"] = numbers
    for hook in AFTER.get(name, []):
        tensors[f"{name}/tl/{hook}"], tensors[f"{name}/hf/{hook}"] = tl_cache[hook][0], hf_cache[hook][0]
    entries.append({"name": name, "edits": [{"hook": hook, "kind": kind, "positions": positions} for hook, kind, _, positions in edits]})
    views = apart(tl_logits, hf_logits - hf_logits.mean(-1, keepdim=True))
    module = run_hf(edits)
    print(f"{name}: moves the logits by {apart(tl_logits, plain):.2f}; tl - centred hf {views:.1e}; "
          f"hf - Hugging Face's modules {'(no such module)' if module is None else format(apart(hf_logits, module), '.1e')}")
save_tensors("edits", tensors)
save_json("edits", {"model": "random", "text": TEXT, "ids": ids, "edits": entries})
