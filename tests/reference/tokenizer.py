"""Write how texts become tokens: ids, each token decoded on its own, its raw byte-level piece and its bytes.

The tiny model's tokenizer is read from tokenizer.json by Hugging Face tokenizers; the random model's from vocab.json + merges.txt by
transformers' GPT2Tokenizer, and its tokenizer.json must say the same. `shown` is the decoded token with every byte that is no whole
character written as <0xE2>, which is how the lab shows it; `decoded` has Hugging Face's replacement characters there.

    python tokenizer.py        writes numbers/tokenizer.json
"""
import codecs
from transformers import GPT2Tokenizer
from tokenizers import pre_tokenizers
from common import FOLDERS, save_json, tokenizer_of, with_bos

TEXTS = [
    "", "Hello world!", " Hello world!", "The capital of France is Paris.", "I don't know; they're late, we'll see, I'd say. DON'T!",
    "def fibonacci(n):\n    if n <= 1:\n        return n\n", "import numpy as np\narray = np.zeros((10, 10))", "for i in range(10):\n\tprint(i)\r\n",
    "x = {'a': [1, 2.5e-3], \"b\": None}  # comment", "<|endoftext|>", "one<|endoftext|>two <|endoftext|> three", "<|endoftext|><|endoftext|>", "<|endoftext|", "< |endoftext| >",
    "   ", " " * 17, "a" + " " * 9 + "b   c  d", "tabs\t\t\tand\n\n\nnewlines \n \n", "trailing   ", "caf\u00e9 na\u00efve \u00fcber \u0153uvre",
    "cafe\u0301 (combining)", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u6211\u7231\u732b", "\u041f\u0440\u0438\u0432\u0435\u0442 \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7!", "no\u00a0break\u3000ideographic\u2028line", "nul\u0000byte\ufffd\ufeff", "1234567890 3.14159 2 + 2 = 4 x^2", "$$$ ??? ... --- === !!!",
]
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]  # OpenAI's bytes_to_unicode: these bytes stand for themselves,
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]  # and the others for the characters from U+0100 on
BYTE_OF = {chr(byte): byte for byte in PRINTABLE} | {chr(256 + n): byte for n, byte in enumerate(OTHERS)}
assert sorted(BYTE_OF) == sorted(pre_tokenizers.ByteLevel.alphabet())
codecs.register_error("hex", lambda e: ("".join(f"<0x{b:02X}>" for b in e.object[e.start:e.end]), e.end))


def describe(text, ids, decode, piece):
    raw = [piece(i) for i in ids]
    data = [r.encode() if r == "<|endoftext|>" else bytes(BYTE_OF[c] for c in r) for r in raw]
    assert b"".join(data) == text.encode(), text
    return {"text": text, "ids": ids, "decoded": [decode([i]) for i in ids], "shown": [d.decode("utf-8", "hex") for d in data], "raw": raw,
            "bytes": [d.hex() for d in data]}


tiny, random_json = tokenizer_of("tiny"), tokenizer_of("random")
folder = FOLDERS["random"]
random = GPT2Tokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
result = {"tiny": [], "random": []}
for text in TEXTS:
    result["tiny"].append(describe(text, tiny.encode(text).ids, lambda ids: tiny.decode(ids, skip_special_tokens=False), tiny.id_to_token))
    ids = random(text)["input_ids"]
    assert ids == random_json.encode(text).ids, text
    assert with_bos(tiny, text) == [4095, *tiny.encode(text).ids] and with_bos(random_json, text) == [299, *ids], text
    result["random"].append(describe(text, ids, lambda ids: random.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False), random.convert_ids_to_tokens))
for name, entries in result.items():
    print(f"{name}: {len(entries)} texts, {sum(len(e['ids']) for e in entries)} tokens, {sum(any('<0x' in s for s in e['shown']) for e in entries)} texts with split characters")
save_json("tokenizer", result)
