"""What the labs' scripts share: numbers that follow from a seed, texts of www/labs/texts, and figures of an SAE.

The formulas are those of www/labs/work/random.js and seeded.js, written again; numpy's logarithm and cosine may differ from a browser's in the last bit.
"""
import json, re
import numpy as np
import torch
from transformers import PreTrainedTokenizerFast
from common import FOLDERS, HERE

TEXTS = HERE.parent.parent / "www/labs/texts"


def uniform(n, seed, skip=0):
    """`n` numbers in [0, 1) by mulberry32, whose state after i steps is the seed plus i times a constant."""
    with np.errstate(over="ignore"):
        state = np.uint32(seed) + np.arange(skip + 1, skip + n + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
        t = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
        t = (t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))) ^ t
        return (t ^ (t >> np.uint32(14))).astype(np.float64) / 4294967296


def normals(n, seed):
    u = uniform(2 * n, seed)
    return torch.from_numpy(np.sqrt(-2 * np.log(1 - u[0::2])) * np.cos(2 * np.pi * u[1::2])).float()


def batch_order(rows, epochs, seed):
    """[epochs, rows]: Fisher and Yates from the end, all epochs from one stream."""
    u, at, orders = uniform(epochs * (rows - 1), seed), 0, []
    for _ in range(epochs):
        order = list(range(rows))
        for i in range(rows - 1, 0, -1):
            j = int(u[at] * (i + 1))
            order[i], order[j], at = order[j], order[i], at + 1
        orders.append(order)
    return torch.tensor(orders)


def normal_weights(d_in, d_sae, seed):
    """W_enc [d_in, d_sae] of N(0, 1/d_in) from `seed`, W_dec [d_sae, d_in] of N(0, 1/d_sae) from seed + 1."""
    return {"W_enc": (normals(d_in * d_sae, seed).double() / d_in**0.5).float().reshape(d_in, d_sae), "b_enc": torch.zeros(d_sae),
            "W_dec": (normals(d_in * d_sae, seed + 1).double() / d_sae**0.5).float().reshape(d_sae, d_in), "b_dec": torch.zeros(d_in)}


def js_list(file, name, **known):
    """A list of strings, or of lists of strings, of a module in www/labs/texts; `known`: constants that it names."""
    body = re.search(rf"export const {name} = Object\.freeze\((\[.*?\])\);", (TEXTS / file).read_text("utf-8"), re.S)[1]
    for key, value in known.items():
        body = re.sub(rf"\b{key}\b", lambda _: json.dumps(value), body)
    return json.loads(re.sub(r",(\s*\])", r"\1", body))


def explained_variances(x, y):
    """mean((x−y)²) and four explained variances, by the names that the lab gives them."""
    r, centred = x - y, x - x.mean(0)
    unexplained, whole = r.pow(2).sum(-1), centred.pow(2).sum(-1)
    mse = r.pow(2).mean()
    return {"rows": len(x), "mse": mse.item(), "evGlobal": (1 - mse / x.var()).item(), "evPerDimension": (1 - unexplained.sum() / whole.sum()).item(),
            "evLegacy": (1 - unexplained / whole).mean().item(), "evDictionaryLearning": (1 - (r - r.mean(0)).pow(2).sum() / centred.pow(2).sum()).item()}


def auroc(positive, negative):
    """The share of pairs in which the positive one is larger, ties counting half."""
    p, n = torch.as_tensor(positive)[:, None], torch.as_tensor(negative)[None, :]
    return ((p > n).double() + 0.5 * (p == n).double()).mean().item()


def hf_tokenizer():
    """The tiny model's tokenizer as a notebook's AutoTokenizer is."""
    special = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_file=str(FOLDERS["tiny"] / "tokenizer.json"), bos_token=special, eos_token=special, pad_token=special)
