"""Write what GPT-2 computes: logits, log-probabilities, loss and every hook, in two views.

view `hf`: Hugging Face transformers, raw weights; hooks are taken from its own modules.
view `tl`: TransformerLens with the weight processing that `from_pretrained` does by default.

The printed summary compares f32 with f64 and the two views with each other: TransformerLens's residual stream must be Hugging Face's
minus its mean over d_model, its logits Hugging Face's minus their mean over the vocabulary, its hook_z Hugging Face's minus
b_V + ln_1.bias @ W_V, its ln_final.hook_normalized Hugging Face's before ln_f's weight and bias.

    python gpt2.py        writes numbers/gpt2_{tiny,random}.{safetensors,json}
"""
import torch
from common import apart, hf_model, save_json, save_tensors, tl_model, tokenizer_of, with_bos

PROMPTS = {
    "tiny": ["The capital of France is Paris.", "def fibonacci(n):\n    if n <= 1:", "Once upon a time, there was a brave knight who",
             "Na\u00efve caf\u00e9 \u732b \U0001f600\tend\n\n"],
    "random": ["The weather today is", "def fibonacci(n):\n    if n <= 1:", "caf\u00e9 \U0001f600"],
}
LONG = "The end of the story is the end of the day. " * 80  # cut to the whole context: the last prompt of each model
LAYERS = {"tiny": [0, 6, 11], "random": [0, 1]}
IN_BLOCK = ["hook_resid_pre", "hook_attn_out", "hook_resid_mid", "hook_mlp_out", "hook_resid_post", "attn.hook_pattern", "attn.hook_z", "mlp.hook_post"]


def hook_names(layers):
    return [f"blocks.{layer}.{hook}" for layer in layers for hook in IN_BLOCK] + ["ln_final.hook_normalized"]


def run_hf(model, ids):
    """(output, hooks): Hugging Face's modules under TransformerLens's names, without the batch dimension."""
    hooks, handles = {}, []

    def output_of(module, name):
        handles.append(module.register_forward_hook(lambda m, args, out: hooks.__setitem__(name, (out[0] if isinstance(out, tuple) else out)[0])))

    def input_of(module, name, shape=()):
        handles.append(module.register_forward_pre_hook(lambda m, args: hooks.__setitem__(name, args[0][0])))

    for layer, block in enumerate(model.transformer.h):
        at = f"blocks.{layer}."
        input_of(block, at + "hook_resid_pre")
        output_of(block.attn, at + "hook_attn_out")
        input_of(block.attn.c_proj, at + "attn.hook_z")
        input_of(block.ln_2, at + "hook_resid_mid")
        output_of(block.mlp.act, at + "mlp.hook_post")
        output_of(block.mlp, at + "hook_mlp_out")
        output_of(block, at + "hook_resid_post")
    output_of(model.transformer.ln_f, "ln_final.hook_normalized")
    x = torch.tensor([ids])
    out = model(x, labels=x, output_attentions=True, output_hidden_states=True)
    for handle in handles:
        handle.remove()
    heads = model.config.n_head
    for layer, pattern in enumerate(out.attentions):
        hooks[f"blocks.{layer}.attn.hook_pattern"] = pattern[0]  # [head, query, key]
        z = hooks[f"blocks.{layer}.attn.hook_z"]  # [pos, d_model]
        hooks[f"blocks.{layer}.attn.hook_z"] = z.view(len(z), heads, -1)  # [pos, head, d_head]
    return out, hooks


def run_tl(model, ids):
    """(logits [pos, d_vocab], loss, hooks) without the batch dimension."""
    x = torch.tensor([ids])
    (logits, loss), cache = model.run_with_cache(x, return_type="both")
    return logits[0], loss, {name: value[0] for name, value in cache.items()}


def centred(x):
    return x - x.mean(-1, keepdim=True)


for name, prompts in PROMPTS.items():
    tokenizer = tokenizer_of(name)
    hf, hf64 = hf_model(name), hf_model(name, torch.float64)
    tl, tl_raw = tl_model(name), tl_model(name, processed=False)
    context = hf.config.n_positions
    all_ids = [with_bos(tokenizer, text) for text in prompts] + [with_bos(tokenizer, LONG)[:context]]
    hooks = hook_names(LAYERS[name])
    tensors, entries = {}, []
    error = {"hf f32 - hf f64": {}, "tl without processing - hf f64": {}, "tl - centred hf f64": {}}

    def note(kind, key, a, b):
        error[kind][key] = max(error[kind].get(key, 0.0), apart(a, b))

    for n, ids in enumerate(all_ids):
        (out, seen), (out64, seen64) = run_hf(hf, ids), run_hf(hf64, ids)
        logits, logits64 = out.logits[0], out64.logits[0]
        tl_logits, tl_loss, tl_seen = run_tl(tl, ids)
        raw_logits, _, raw_seen = run_tl(tl_raw, ids)

        note("hf f32 - hf f64", "logits", logits, logits64)
        note("tl without processing - hf f64", "logits", raw_logits, logits64)
        note("tl - centred hf f64", "logits", tl_logits, centred(logits64))
        note("hf f32 - hf f64", "logprobs", logits.log_softmax(-1), logits64.log_softmax(-1))
        note("tl - centred hf f64", "logprobs", tl_logits.log_softmax(-1), logits64.log_softmax(-1))
        for hook in hooks:
            kind = hook.removeprefix("blocks.").lstrip("0123456789.")
            note("hf f32 - hf f64", kind, seen[hook], seen64[hook])
            raw = raw_seen[hook]
            if hook == "ln_final.hook_normalized":  # since TransformerLens 3.0 this hook is before weight and bias
                raw = raw * tl_raw.ln_final.w + tl_raw.ln_final.b
            note("tl without processing - hf f64", kind, raw, seen64[hook])
            if "resid" in hook or hook.endswith("_out"):
                expected = centred(seen64[hook])
            elif hook.endswith("hook_z"):  # the value biases, ln_1's share folded in, have moved into the output bias
                block = hf64.transformer.h[int(hook.split(".")[1])]
                b_v = block.attn.c_attn.bias + block.ln_1.bias @ block.attn.c_attn.weight
                expected = seen64[hook] - b_v.view(3, *seen64[hook].shape[1:])[2]
            elif hook == "ln_final.hook_normalized":  # before weight and bias, which have moved into the unembedding
                expected = (seen64[hook] - hf64.transformer.ln_f.bias) / hf64.transformer.ln_f.weight
            else:
                expected = seen64[hook]
            note("tl - centred hf f64", kind, tl_seen[hook], expected)

        last, best = logits64[-1], logits64[-1].topk(5)
        entries.append({
            "text": prompts[n] if n < len(prompts) else tokenizer.decode(ids[1:]), "ids": ids, "tokens": [tokenizer.decode([i], skip_special_tokens=False) for i in ids],
            "loss": {"hf": out.loss.item(), "tl": tl_loss.item(), "f64": out64.loss.item()},
            "top": [{"id": i, "token": tokenizer.decode([i], skip_special_tokens=False), "prob": last.softmax(-1)[i].item()} for i in best.indices.tolist()],
            "logit_mean": {"hf": logits.mean().item(), "tl": tl_logits.mean().item()},
        })
        if n + 1 == len(all_ids):  # the whole context: the last two positions and the last residual are enough
            kept, hooks_kept = slice(-2, None), [f"blocks.{LAYERS[name][-1]}.hook_resid_post"]
        elif name == "tiny":
            kept, hooks_kept = slice(None) if n == 0 else slice(-1, None), hooks if n == 0 else []
        else:
            kept, hooks_kept = slice(None), hooks
        tensors[f"hf/logits/{n}"], tensors[f"tl/logits/{n}"] = logits[kept], tl_logits[kept]
        if n == 0:
            tensors["hf/logprobs/0"] = logits.log_softmax(-1)
            tensors["hf/hidden_states/0"] = torch.stack([h[0] for h in out.hidden_states])  # [n_layer + 1, pos, d_model]
        for hook in hooks_kept:
            tensors[f"hf/{hook}/{n}"], tensors[f"tl/{hook}/{n}"] = seen[hook], tl_seen[hook]

    save_tensors(f"gpt2_{name}", tensors)
    save_json(f"gpt2_{name}", {"layers": LAYERS[name], "prompts": entries, "largest_differences": error})
    print(f"\n{name}: {[len(ids) for ids in all_ids]} tokens, losses {[round(e['loss']['f64'], 6) for e in entries]}, {len(tensors)} tensors")
    for kind, values in error.items():
        print(f"  {kind}: " + ", ".join(f"{key} {value:.1e}" for key, value in values.items()))
