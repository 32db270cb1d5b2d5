"""Write a GPT-2 folder of Hugging Face's as one ONNX file for onnxruntime-web, the way that favours it.

Logits of the last position only. One key and one value tensor a layer, each an output of its own: a stacked output breaks the Concat of onnxruntime-web's WebGPU.
Token ids and positions are 32-bit, which its WebGPU takes without a conversion; layer norm and GELU are one operator each.

    inputs   ids [1, new] int32, positions [1, new] int32, mask [1, 1, new, past + new] f32 (0, or very negative for what a position may not see),
             past_key_N and past_value_N [1, heads, past, d_head]
    outputs  logits [1, vocab], key_N and value_N [1, heads, past + new, d_head]

    python onnx_gpt2.py --from FOLDER --out FILE      nothing, where the file is there

With --collect LAYER a file that ends after that block, for sequences of one length and without a cache: ids [batch, new], positions [1, new], mask [1, 1, new, new]
to resid [batch, new, d].
"""
import argparse, json, sys
from pathlib import Path
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="folder", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--collect", type=int)
args = parser.parse_args()
if args.out.is_file():
    sys.exit()
config = json.loads((args.folder / "config.json").read_text())
d, heads, layers, vocab, eps = (config[key] for key in ["n_embd", "n_head", "n_layer", "vocab_size", "layer_norm_epsilon"])
d_head = d // heads
collect = args.collect is not None
batch = "batch" if collect else 1
weights = {name.removeprefix("transformer."): value.astype(np.float32) for name, value in load_file(args.folder / "model.safetensors").items()}

nodes, initializers = [], []


def constant(name, value):
    initializers.append(numpy_helper.from_array(np.array(value, order="C"), name))
    return name


def node(op, inputs, output, domain="", **attributes):
    nodes.append(helper.make_node(op, inputs, [output] if isinstance(output, str) else output, name=(output if isinstance(output, str) else output[0]), domain=domain, **attributes))
    return output


def weight(name):
    return constant(name, weights[name])


def layer_norm(x, name):
    return node("LayerNormalization", [x, weight(f"{name}.weight"), weight(f"{name}.bias")], f"{name}.out", axis=-1, epsilon=eps)


def linear(x, name):
    return node("Add", [node("MatMul", [x, weight(f"{name}.weight")], f"{name}.product"), weight(f"{name}.bias")], f"{name}.out")


def heads_of(x, name):
    return node("Transpose", [node("Reshape", [x, "to_heads"], f"{name}.heads")], f"{name}.by_head", perm=[0, 2, 1, 3])


constant("to_heads", np.array([0, -1, heads, d_head], np.int64))
constant("from_heads", np.array([0, -1, d], np.int64))
constant("thirds", np.array([d, d, d], np.int64))
constant("scale", np.array(d_head**-0.5, np.float32))
if not collect:
    constant("last", np.array(-1, np.int64))

tokens = node("Gather", [weight("wte.weight"), "ids"], "tokens")
x = node("Add", [tokens, node("Gather", [weight("wpe.weight"), "positions"], "places")], "embedded")
inputs = [
    helper.make_tensor_value_info("ids", TensorProto.INT32, [batch, "new"]),
    helper.make_tensor_value_info("positions", TensorProto.INT32, [1, "new"]),
    helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, "new", "new" if collect else "total"]),
]
outputs = [helper.make_tensor_value_info("resid", TensorProto.FLOAT, [batch, "new", d]) if collect else helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, vocab])]
for layer in range(args.collect + 1 if collect else layers):
    h = f"h.{layer}"
    qkv = linear(layer_norm(x, f"{h}.ln_1"), f"{h}.attn.c_attn")
    q, k, v = node("Split", [qkv, "thirds"], [f"{h}.q", f"{h}.k", f"{h}.v"], axis=-1)
    q = node("Mul", [heads_of(q, q), "scale"], f"{h}.q.scaled")
    k, v = heads_of(k, k), heads_of(v, v)
    for kind, new in [] if collect else [("key", k), ("value", v)]:
        inputs.append(helper.make_tensor_value_info(f"past_{kind}_{layer}", TensorProto.FLOAT, [1, heads, "past", d_head]))
        node("Concat", [f"past_{kind}_{layer}", new], f"{kind}_{layer}", axis=2)
        outputs.append(helper.make_tensor_value_info(f"{kind}_{layer}", TensorProto.FLOAT, [1, heads, "total", d_head]))
    key, value = (k, v) if collect else (f"key_{layer}", f"value_{layer}")
    scores = node("MatMul", [q, node("Transpose", [key], f"{h}.k.turned", perm=[0, 1, 3, 2])], f"{h}.scores")
    pattern = node("Softmax", [node("Add", [scores, "mask"], f"{h}.masked")], f"{h}.pattern", axis=-1)
    z = node("MatMul", [pattern, value], f"{h}.z")
    z = node("Reshape", [node("Transpose", [z], f"{h}.z.by_place", perm=[0, 2, 1, 3]), "from_heads"], f"{h}.z.joined")
    x = node("Add", [x, linear(z, f"{h}.attn.c_proj")], f"{h}.mid")
    hidden = node("FastGelu", [linear(layer_norm(x, f"{h}.ln_2"), f"{h}.mlp.c_fc")], f"{h}.gelu", domain="com.microsoft")
    x = node("Add", [x, linear(hidden, f"{h}.mlp.c_proj")], "resid" if collect and layer == args.collect else f"{h}.post")
if not collect:
    x = node("Gather", [x, "last"], "last_place", axis=1)
    node("MatMul", [layer_norm(x, "ln_f"), constant("head", weights["wte.weight"].T)], "logits")

graph = helper.make_graph(nodes, "gpt2", inputs, outputs, initializers)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9)
new = args.out.with_name(args.out.name + ".new")
onnx.save(model, new)
new.rename(args.out)
print(f"{args.out}: {args.out.stat().st_size:,} bytes, {len(nodes)} operators")
