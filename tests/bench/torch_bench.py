"""What `./build.sh bench --peers` measures, by torch on the CPU, for orientation: as JSON, milliseconds in lists.

    python torch_bench.py --from FOLDER --contexts 64,512 --prefills 64,512 --tokens 8 --rounds 5 --sae 768x3072x256,… --layer 6
"""
import argparse, json, time
import torch
import transformers
from transformers import GPT2LMHeadModel, GPT2Model
from seeded import tokens, uniform

L1, LR, K = 5e-4, 1e-3, 32  # RECIPE of peers/numbers.js

parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="folder", required=True)
parser.add_argument("--contexts", default="64,512")
parser.add_argument("--prefills", default="64,512")
parser.add_argument("--tokens", type=int, default=8)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--sae", default="768x3072x256")
parser.add_argument("--layer", type=int, default=6)
args = parser.parse_args()
transformers.utils.logging.disable_progress_bar()
numbers = lambda text: [int(n) for n in text.split(",") if n]
clock = lambda: time.perf_counter() * 1000

model = GPT2LMHeadModel.from_pretrained(args.folder).eval()
vocab = model.config.vocab_size


@torch.inference_mode()
def prefill(n):
    start = clock()
    model(tokens(n, n, vocab), logits_to_keep=1)
    return clock() - start


@torch.inference_mode()
def decode(context):
    """Of one token, over as many as the others take."""
    out = model(tokens(context, context, vocab), use_cache=True, logits_to_keep=1)
    start = clock()
    for _ in range(args.tokens):
        out = model(out.logits[:, -1].argmax(-1, keepdim=True), past_key_values=out.past_key_values, use_cache=True)
    return (clock() - start) / args.tokens


def collector():
    """The model up to a layer, without what comes behind it: peers-plan.mjs has the sequences."""
    config = transformers.GPT2Config.from_pretrained(args.folder, n_layer=args.layer + 1)
    part = GPT2Model(config).eval()
    part.load_state_dict(model.transformer.state_dict(), strict=False)
    part.ln_f = torch.nn.Identity()
    ids = torch.cat([tokens(20, 100 + i, vocab) for i in range(24)])

    @torch.inference_mode()
    def collect():
        start = clock()
        resid = part(ids, use_cache=False).last_hidden_state.flatten()
        return clock() - start, resid[::97].tolist()

    return collect


def sae(architecture, d, features, batch):
    x = uniform(batch * d, 1, 1).view(batch, d)
    encoder = uniform(d * features, 2, d**-0.5).view(d, features)
    decoder = encoder.T.clone()
    b_enc, b_dec = torch.zeros(features), torch.zeros(d)
    parameters = [encoder, b_enc, b_dec] + ([] if architecture == "tied" else [decoder])
    for parameter in parameters:
        parameter.requires_grad_()
    adam = torch.optim.Adam(parameters, lr=LR)

    def loss():
        if architecture == "tied":
            f = torch.relu(x @ encoder + b_enc)
            return (f @ encoder.T + b_dec - x).square().mean() + L1 * f.mean()
        pre = (x - b_dec) @ encoder + b_enc
        if architecture == "topk":
            top = torch.relu(pre).topk(K, dim=-1)
            f = torch.zeros_like(pre).scatter(-1, top.indices, top.values)
            return (f @ decoder + b_dec - x).square().sum(-1).mean()
        f = torch.relu(pre)
        return (f @ decoder + b_dec - x).square().sum(-1).mean() + L1 * (f * decoder.norm(dim=-1)).sum(-1).mean()

    def step():
        start = clock()
        adam.zero_grad()
        value = loss()
        value.backward()
        adam.step()
        return clock() - start, value.item()

    times, losses = zip(*(step() for _ in range(2 + args.rounds)))
    return {"ms": times[2:], "losses": losses[:2]}


with torch.inference_mode():
    logits = model(tokens(16, 16, vocab)).logits[0, -1].tolist()
prefill(16)
collect = collector()
collected = [collect() for _ in range(1 + args.rounds)]
result = {
    "torch": torch.__version__, "transformers": transformers.__version__, "threads": torch.get_num_threads(), "logits": logits,
    "decode": {context: [decode(context) for _ in range(args.rounds)] for context in numbers(args.contexts)},
    "prefill": {n: [prefill(n) for _ in range(args.rounds)] for n in numbers(args.prefills)},
    "collect": {"ms": [ms for ms, _ in collected[1:]], "data": collected[0][1]},
    "sae": {sizes: {kind: sae(kind, *(int(n) for n in sizes.split("x"))) for kind in ["tied", "standard", "topk"]} for sizes in args.sae.split(",") if sizes},
}
print(json.dumps(result))
