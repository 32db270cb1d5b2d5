"""Write what chapter 9's page shows beside its cells, on the tiny model with its shipped SAE: where in a text two features are active, with BOS
and without; the logits that their decoder rows add; greedy text steered by twice the largest activation.

    python labs_chapter9_beside.py        writes numbers/labs_chapter9_beside.json
"""
from tempfile import TemporaryDirectory
import torch
from sae_lens import SAE
from transformers import AutoTokenizer
from common import FOLDERS, save_json, tl_model
from labs_common import hf_tokenizer, js_list

HOOK, NAME = "blocks.8.hook_resid_pre", "blocks.8.hook_resid_pre_768"
LANDMARK, PROMPT = "The Golden Gate Bridge is a famous landmark in San Francisco.", "I went to the store to buy"
TEXTS = js_list("chapter9.js", "TEST_TEXTS") + js_list("chapter9.js", "PROSE_TEXTS")
FEATURES = [202, 517, 652]  # the most active on the page's text, the strongest at its position 0, the strongest on " Bridge"

torch.set_grad_enabled(False)
model = tl_model("tiny")
with TemporaryDirectory() as place:
    hf_tokenizer().save_pretrained(place)
    model.set_tokenizer(AutoTokenizer.from_pretrained(place))
sae = SAE.load_from_disk(FOLDERS["tiny"].parent / "saes/tiny" / NAME, dtype="float32").eval()


def features_of(text, prepend_bos=True):
    tokens = model.to_tokens(text, prepend_bos=prepend_bos)
    return sae.encode(model.run_with_cache(tokens, names_filter=HOOK)[1][HOOK])[0]


def places(feature, prepend_bos):
    columns = [features_of(text, prepend_bos)[:, feature] for text in TEXTS]
    parts = {"first": [c[:1] for c in columns], "second": [c[1:2] for c in columns], "later": [c[2:] for c in columns]}
    return {name: {"rows": len(x), "active": (x > 0).sum().item(), "mean": x.mean().item(), "max": x.max().item()} for name, x in ((name, torch.cat(part)) for name, part in parts.items())}


def steered(feature):
    largest = max(features_of(text)[1:, feature].max().item() for text in [LANDMARK, *TEXTS])
    push = 2 * largest * sae.W_dec[feature]
    with model.hooks(fwd_hooks=[(HOOK, lambda resid, hook: resid + push)]):
        text = model.generate(PROMPT, max_new_tokens=20, do_sample=False, verbose=False)
    return {"largest": largest, "added": push.norm().item(), "greedy": text}


report = []
for feature in FEATURES:
    effect = sae.W_dec[feature] @ model.W_U
    top, bottom = effect.topk(10), (-effect).topk(10)
    report.append({"feature": feature, "withBos": places(feature, True), "withoutBos": places(feature, False), "raises": [{"token": model.to_string([i]), "logit": v} for v, i in zip(top.values.tolist(), top.indices.tolist())],
                   "lowers": [{"token": model.to_string([i]), "logit": -v} for v, i in zip(bottom.values.tolist(), bottom.indices.tolist())], **steered(feature)})
save_json("labs_chapter9_beside", {"texts": len(TEXTS), "features": report})
