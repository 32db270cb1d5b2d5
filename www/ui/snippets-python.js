// @ts-check
// "The same in code": each step with TransformerLens and torch. A script goes on from those of the earlier steps.
// Random numbers come from torch there and from the lab here, so what is drawn differs; what is computed does not.

import { textsOf } from "./prompts.js";

/** @typedef {Record<string, any>} Values */

/** A value as Python writes it. @param {unknown} value @returns {string} */
export const py = (value) => (value === null ? "None" : value === true ? "True" : value === false ? "False" : JSON.stringify(value));

/** @param {Values} values */
export function tokens({ prompt, prependBos, maxNewTokens, temperature, topK, topP, frequencyPenalty, seed, stopAtEos }) {
  return `# pip install torch transformers transformer_lens
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

folder = "www/models/tiny"

def load(centre=True):
    hf = AutoModelForCausalLM.from_pretrained(folder).float()
    c = hf.config
    cfg = HookedTransformerConfig(
        n_layers=c.n_layer, d_model=c.n_embd, n_heads=c.n_head, d_head=c.n_embd // c.n_head, d_mlp=4 * c.n_embd,
        d_vocab=c.vocab_size, n_ctx=c.n_positions, act_fn="gelu_new", normalization_type="LN", eps=c.layer_norm_epsilon)
    model = HookedTransformer(cfg, tokenizer=AutoTokenizer.from_pretrained(folder))
    model.load_and_process_state_dict(
        convert_gpt2_weights(hf, cfg), fold_ln=centre, center_writing_weights=centre, center_unembed=centre)
    return model.eval()

torch.set_grad_enabled(False)
model = load()

tokens = model.to_tokens(${py(prompt)}, prepend_bos=${py(prependBos)})
print(model.to_str_tokens(tokens[0]))
logits, loss = model(tokens, return_type="both")
print("loss in nats:", loss.item())
probs, ids = logits[0, -1].softmax(-1).topk(10)
for p, i in zip(probs, ids):
    print(f"{p:.3f}", repr(model.to_string(i)))

torch.manual_seed(${py(seed)})
out = model.generate(
    tokens, max_new_tokens=${py(maxNewTokens)}, do_sample=${py(temperature > 0)}, temperature=${py(temperature || 1)},
    top_k=${py(topK)}, top_p=${py(topP)}, freq_penalty=${py(frequencyPenalty)}, stop_at_eos=${py(stopAtEos)})
print(model.to_string(out[0]))
`;
}

/** @param {Values} values @param {Values} options */
export function collect(values, { hook, position, prependBos, center, randomSequences, seed }) {
  const all = "range(len(found))";
  const kept = { all, last: "[len(found) - 1]", random: "[torch.randint(len(found), ()).item()]" }[
    /** @type {"all" | "last" | "random"} */ (position)
  ];
  // random sequences give all of their positions
  const keep = kept === all || !randomSequences ? kept : `${kept} if s < len(texts) else ${all}`;
  return `# goes on from step 1
${center ? "" : "model = load(centre=False)                           # Hugging Face's view\n"}hook = ${py(hook)}
texts = [
${textsOf(values)
  .map((prompt) => `    ${py(prompt)},\n`)
  .join("")}]

torch.manual_seed(${py(seed)})
sequences = [model.to_tokens(text, prepend_bos=${py(prependBos)}) for text in texts]
${randomSequences ? `sequences += [torch.randint(${py(randomSequences.minId)}, ${py(randomSequences.maxId + 1)}, (1, ${py(randomSequences.length)})) for _ in range(${py(randomSequences.count)})]\n` : ""}
acts, origin = [], []                               # origin: (sequence, position) of each row
for s, tokens in enumerate(sequences):
    _, cache = model.run_with_cache(tokens, names_filter=hook)
    found = cache[hook][0]                          # [pos, width]
    for p in ${keep}:
        acts.append(found[p])
        origin.append((s, p))
acts = torch.stack(acts)                            # [rows, width]
position = torch.tensor([p for _, p in origin])

print(acts.shape, acts.mean().item(), acts.std().item())
for name, rows in [("all", acts), ("without position 0", acts[position > 0])]:
    norms = rows.norm(dim=-1)
    print(name, len(rows), norms.mean().item(), norms.median().item(), norms.max().item())
`;
}

/** @param {Values} values */
export const features = ({ k, skipPosition0, by }) => `# goes on from step 3
f = sae.encode(acts${skipPosition0 ? "[position > 0]" : ""})                      # [rows, d_sae]
active = f > 0
frequency = active.float().mean(0)
mean_active = f.sum(0) / active.sum(0).clamp(min=1)
largest = f.max(0).values

order = ${{ score: "mean_active * frequency", frequency: "frequency", mean: "f.mean(0)", max: "largest" }[/** @type {"score" | "frequency" | "mean" | "max"} */ (by)]}
top = order.argsort(descending=True)[:${py(k)}].tolist()
for i in top:
    print(i, mean_active[i].item(), frequency[i].item(), largest[i].item())
`;

/** @param {Values} values */
export const examples = ({ feature, k, skipPosition0, context }) => `# goes on from step 4
feature = ${feature === null ? "top[0]" : py(feature)}
value = sae.encode(acts)[:, feature]
strongest = [row for row in value.argsort(descending=True).tolist() if value[row] > 0${skipPosition0 ? " and position[row] > 0" : ""}]
for row in strongest[:${py(k)}]:
    s, p = origin[row]
    strings = model.to_str_tokens(sequences[s][0])
    before, after = strings[max(0, p - ${py(context)}):p], strings[p + 1:p + 1 + ${py(context)}]
    print(f"{value[row]:.3f}", "".join(before), [strings[p]], "".join(after))
`;

/** @param {Values} values */
export const heatmap = ({ prompt, k, skipPosition0, prependBos }) => `# goes on from step 3
tokens = model.to_tokens(${py(prompt)}, prepend_bos=${py(prependBos)})
_, cache = model.run_with_cache(tokens, names_filter=hook)
f = sae.encode(cache[hook][0])                      # [pos, d_sae]
top = f${skipPosition0 ? "[1:]" : ""}.max(0).values.argsort(descending=True)[:${py(k)}]

import matplotlib.pyplot as plt  # pip install matplotlib
plt.imshow(f[:, top].T, aspect="auto", cmap="cividis")
plt.yticks(range(len(top)), [f"F{i}" for i in top.tolist()])
plt.xticks(range(tokens.shape[1]), model.to_str_tokens(tokens[0]), rotation=90)
plt.colorbar(label="activation")
plt.show()
`;

/** @param {Values} values @param {string} hook @param {number[]} features none: the first of step 4 */
export function steer({ prompt, strength, direction, maxNewTokens, prependBos, stopAtEos }, hook, features) {
  const form = {
    "decode-one-hot-unit":
      "d = sae.decode(torch.eye(len(sae.W_dec))[i])     # the bias inside\n    return d / d.norm()",
    "decoder-unit": "d = sae.W_dec[i]\n    return d / d.norm()",
    decoder: "return sae.W_dec[i]",
  }[/** @type {"decode-one-hot-unit" | "decoder-unit" | "decoder"} */ (direction)];
  return `# goes on from step ${features.length ? 3 : 4}
def direction(i):
    ${form}

added = ${py(strength)} * sum(direction(i) for i in ${features.length ? py(features) : "[top[0]]"})
tokens = model.to_tokens(${py(prompt)}, prepend_bos=${py(prependBos)})

def write(hooks):
    with model.hooks(fwd_hooks=hooks):
        out = model.generate(tokens, max_new_tokens=${py(maxNewTokens)}, do_sample=False, stop_at_eos=${py(stopAtEos)})
    return model.to_string(out[0])

print(write([]))
print(write([(${py(hook)}, lambda resid, hook: resid + added)]))
`;
}
