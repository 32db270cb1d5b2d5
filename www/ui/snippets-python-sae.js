// @ts-check
// "The same in code" for steps 3 and 8, in Python: SAELens where it has what the page does, torch by hand for the notebooks' kinds.

import { dictionarySize, kindOf, matryoshkaWidths } from "./architectures.js";
import { ownTexts } from "./prompts.js";
import { trainingOptions } from "./sae-options.js";
import { py } from "./snippets-python.js";

/** @typedef {Record<string, any>} Values */

/** The settings that a script leaves out, named in a comment. @param {Values} options @param {readonly string[]} known */
function leftOut(options, known) {
  const names = Object.keys(options).filter((name) => !known.includes(name));
  return names.length ? `# set on the page and not in this script: ${names.join(", ")}\n` : "";
}

/** The rows to learn from, as an endless iterator of batches. @param {Values} values */
const batches = ({ rowsFrom, tokens, bufferRows, contextSize, batchSize, skipPosition0 }) =>
  rowsFrom === "stream"
    ? `from sae_lens.training.mixing_buffer import mixing_buffer

def rows():                                         # texts through the model, again and again
    bos = [model.tokenizer.bos_token_id]
    while True:
        for s in torch.randperm(len(texts)).tolist():
            ids = model.to_tokens(texts[s], prepend_bos=False)[0].tolist()
            for start in range(0, len(ids), ${py(contextSize)} - 1):
                part = torch.tensor([bos + ids[start:start + ${py(contextSize)} - 1]])
                _, cache = model.run_with_cache(part, names_filter=hook)
                yield cache[hook][0]${skipPosition0 ? "[1:]" : ""}

batches = mixing_buffer(${py(bufferRows)}, ${py(batchSize)}, rows())
seen = ${py(tokens)}`
    : `def shuffled():
    while True:
        yield from acts[torch.randperm(len(acts))].split(${py(batchSize)})

batches = shuffled()
seen = EPOCHS * len(acts)`;

/** @param {Values} values @param {{hook: string, center: boolean, prependBos: boolean}} data @param {number} width */
export function train(values, data, width) {
  return kindOf(values.architecture).family === "As in SAELens" ? withSaeLens(values, width) : byHand(values);
}

/** The notebooks' kinds: a module of one's own, and torch's Adam. @param {Values} values */
function byHand(values) {
  const { architecture, expansion, epochs, batchSize, lr, l1, seed, gradientClip, decoderNorm } = values;
  const streaming = values.rowsFrom === "stream";
  const { gradientClip: _, decoderNorm: __, ...others } = /** @type {Values} */ (trainingOptions(values));
  const steps = `x = next(batches)
        f = sae.encode(x)
        recon = F.mse_loss(sae.decode(f), x)
        loss = recon + ${py(l1)} * f.abs().mean()
        optimizer.zero_grad()
        loss.backward()${gradientClip === null || gradientClip === undefined ? "" : `\n        nn.utils.clip_grad_norm_(sae.parameters(), ${py(gradientClip)})`}
        optimizer.step()${decoderNorm === "unit" ? "\n        with torch.no_grad():\n            sae.W_dec /= sae.W_dec.norm(dim=-1, keepdim=True)" : ""}`;
  return `# goes on from step 2
import torch.nn as nn
import torch.nn.functional as F

class SAE(nn.Module):
    def __init__(self, d_in, d_sae, tied):
        super().__init__()
        self.encoder = nn.Linear(d_in, d_sae)
        nn.init.kaiming_uniform_(self.encoder.weight, nonlinearity="relu")
        nn.init.zeros_(self.encoder.bias)
        self.b_dec = nn.Parameter(torch.zeros(d_in))
        self.own = None if tied else nn.Parameter(nn.init.kaiming_uniform_(torch.empty(d_in, d_sae), nonlinearity="linear"))

    @property
    def W_dec(self):                                # [d_sae, d_in]
        return self.encoder.weight if self.own is None else self.own.T

    def encode(self, x):
        return F.relu(self.encoder(x))

    def decode(self, f):
        return f @ self.W_dec + self.b_dec

torch.manual_seed(${py(seed)})
sae = SAE(acts.shape[1], round(${py(expansion)} * acts.shape[1]), tied=${py(architecture === "tied")})
optimizer = torch.optim.Adam(sae.parameters(), lr=${py(lr)})
${leftOut(others, ["lr", "l1", "deadWindow"])}
${batches(values).replace("EPOCHS * len(acts)", `${py(epochs)} * -(-len(acts) // ${py(batchSize)}) * ${py(batchSize)}`)}
steps = seen // ${py(batchSize)}

with torch.enable_grad():
    for step in range(1, steps + 1):
        ${steps}
        if step % max(1, steps // 20) == 0:
            print(step, loss.item(), recon.item(), (f > 0).sum(-1).float().mean().item())
batches.close()
${streaming || !values.heldOut ? "" : "# all rows are trained on here: the page holds some texts out\n"}`;
}

/** SAELens's kinds, by SAELens. @param {Values} values @param {number} width */
function withSaeLens(values, width) {
  const kind = kindOf(values.architecture);
  const name = `${{ standard: "Standard", topk: "TopK", batchtopk: "BatchTopK", jumprelu: "JumpReLU", gated: "Gated", matryoshka_batchtopk: "MatryoshkaBatchTopK" }[/** @type {string} */ (kind.name)]}TrainingSAE`;
  const dSae = dictionarySize(values, width);
  const options = trainingOptions(values);
  const term = kind.name === "jumprelu" ? "l0" : "l1";
  const settings = {
    d_in: width,
    d_sae: dSae,
    ...(kind.coefficient
      ? { [`${term}_coefficient`]: values.l1, [`${term}_warm_up_steps`]: values.l1WarmUpSteps }
      : {
          k: values.k,
          rescale_acts_by_decoder_norm: values.rescaleActsByDecoderNorm,
          aux_loss_coefficient: values.remedy === "none" ? 0 : (values.auxKCoefficient ?? 0),
        }),
    ...(kind.name === "matryoshka_batchtopk" ? { matryoshka_widths: matryoshkaWidths(values, dSae) } : {}),
    ...(kind.name === "jumprelu"
      ? {
          jumprelu_sparsity_loss_mode: values.jumpreluPenalty,
          ...(values.jumpreluPenalty === "quadratic" ? { target_l0: values.jumpreluTargetL0 } : {}),
          jumprelu_bandwidth: values.jumpreluBandwidth,
          jumprelu_init_threshold: values.jumpreluInitThreshold,
        }
      : {}),
    normalize_activations: values.normalizeActivations,
    device: "cpu",
    dtype: "float32",
  };
  const known = [
    "lr",
    "l1",
    "lrSchedule",
    "lrWarmUpSteps",
    "lrDecaySteps",
    "l1WarmUpSteps",
    "bDecInit",
    "deadWindow",
    "auxKCoefficient",
    ...(values.gradientClip === 1 ? ["gradientClip"] : []),
    ...(["none", "aux-k"].includes(values.remedy) && !kind.coefficient ? ["remedy"] : []),
  ];
  const start = {
    mean: "sae.b_dec.data = acts.mean(0)\n",
    "geometric-median":
      "from geom_median.torch import compute_geometric_median  # pip install geom_median\nsae.b_dec.data = compute_geometric_median(acts).median\n",
  }[/** @type {string} */ (values.bDecInit)];
  const schedule = values.lrSchedule === "cosine" ? "cosineannealing" : "constant";
  return `# goes on from step 2
# pip install sae-lens
from sae_lens import ${name}, ${name}Config, SAETrainer
from sae_lens.config import SAETrainerConfig

torch.manual_seed(${py(values.seed)})
sae = ${name}(${name}Config(
${Object.entries(settings)
  .map(([key, value]) => `    ${key}=${py(value)},\n`)
  .join("")}))
${start ?? ""}${leftOut(options, known)}
${batches(values).replace("EPOCHS", py(values.epochs))}

with torch.enable_grad():                           # SAELens clips the gradients to norm 1
    sae = SAETrainer(SAETrainerConfig(
        total_training_samples=seen, train_batch_size_samples=${py(values.batchSize)}, lr=${py(values.lr)}, lr_end=${py(values.lr / 10)},
        lr_scheduler_name=${py(schedule)}, lr_warm_up_steps=${py(values.lrWarmUpSteps)}, lr_decay_steps=${py(values.lrDecaySteps)},
        dead_feature_window=${py(values.deadWindow)}), sae, batches).fit()

batches.close()

f = sae.encode(acts)
print("L0", (f > 0).sum(-1).float().mean().item(), "MSE", ((sae.decode(f) - acts) ** 2).mean().item())
sae.save_inference_model("my-sae")                  # cfg.json, sae_weights.safetensors
`;
}

/** @param {Values} values @param {string} folder of one that comes with the lab */
export function load(values, folder) {
  const [release, ...rest] = String(values.published ?? "").split("/");
  const how = {
    shipped: `sae = SAE.load_from_disk(${py(folder)})`,
    published: `sae = SAE.from_pretrained(${py(release)}, ${py(rest.join("/"))})`,
    files: 'sae = SAE.load_from_disk("my-sae")  # the folder that holds cfg.json and sae_weights.safetensors',
    url: `# download cfg.json and sae_weights.safetensors from ${String(values.baseUrl ?? "").trim()} into a folder
sae = SAE.load_from_disk("my-sae")`,
    checkpoint: `# only the lab reads its checkpoints; the files that “Save the files” writes open in SAELens
sae = SAE.load_from_disk("my-sae")`,
  }[/** @type {string} */ (values.source)];
  return `# goes on from step 2
# pip install sae-lens
from sae_lens import SAE

${how}
print(sae.cfg)

f = sae.encode(acts)                                # [rows, d_sae]
print("L0", (f > 0).sum(-1).float().mean().item(), "MSE", ((sae.decode(f) - acts) ** 2).mean().item())
`;
}

/** @param {Values} values @param {{hook: string, center: boolean, prependBos: boolean}} data */
export function quality({ own, skipSpecial, keepError }, { hook, prependBos }) {
  const extra = String(own).trim();
  return `# goes on from step 3
def figures(x, f, x_hat):
    error = ((x - x_hat) ** 2).sum(-1)
    spread = ((x - x.mean(0)) ** 2).sum(-1)         # around each dimension's own mean
    print(len(x), "rows, L0", (f > 0).sum(-1).float().mean().item(), "MSE", ((x - x_hat) ** 2).mean().item())
    print("  EV per dimension       ", (1 - error.sum() / spread.sum()).item())
    print("  EV legacy              ", (1 - error / spread).mean().item())
    print("  EV dictionary_learning ", (1 - (x - x_hat).var(0).sum() / x.var(0).sum()).item())
    print("  EV notebooks           ", (1 - ((x - x_hat) ** 2).mean() / x.var()).item())
    print("  cosine", torch.cosine_similarity(x, x_hat).mean().item(), "norm ratio", (x_hat.norm(dim=-1) / x.norm(dim=-1)).mean().item())
    density = (f > 0).float().mean(0)
    print("  dead", (density == 0).sum().item(), "dense", (density > 0.1).sum().item())
    print("  log10 density:", torch.histc(density[density > 0].log10(), bins=16, min=-4, max=0).tolist())

f = sae.encode(acts)
x_hat = sae.decode(f)
for keep in [position >= 0, position > 0]:          # all rows; without position 0
    figures(acts[keep], f[keep], x_hat[keep])

hook = ${py(hook)}
def spliced(sequences):
    """Nats a token: clean, with the SAE, with zeros, with the mean row."""
    kept = lambda tokens: ${skipSpecial ? "tokens[0] != model.tokenizer.bos_token_id" : "torch.ones(tokens.shape[1], dtype=bool)"}
    read = lambda tokens: model.run_with_cache(tokens, names_filter=hook)[1][hook][0][kept(tokens)]
    mean = torch.cat([read(tokens) for tokens in sequences]).mean(0)
    ways = {
        "clean": lambda x, keep: x,
        "SAE": lambda x, keep: torch.where(keep[:, None], sae.decode(sae.encode(x))${keepError ? " + (x - sae.decode(sae.encode(x)))" : ""}, x),
        "zeros": lambda x, keep: torch.zeros_like(x),
        "mean": lambda x, keep: mean.expand_as(x),
    }
    ce, kl = {}, {}
    for name, way in ways.items():
        losses, divergences = [], []
        for tokens in sequences:
            keep = kept(tokens)
            clean = model(tokens)[0].log_softmax(-1)
            changed = model.run_with_hooks(tokens, fwd_hooks=[(hook, lambda x, hook: way(x, keep))])[0].log_softmax(-1)
            losses.append(-changed[:-1].gather(-1, tokens[0, 1:, None])[:, 0][keep[:-1]])
            divergences.append((clean.exp() * (clean - changed)).sum(-1)[keep])
        ce[name], kl[name] = torch.cat(losses).mean().item(), torch.cat(divergences).mean().item()
        print(name, "cross-entropy", ce[name], "KL from clean", kl[name])
    for name in ["zeros", "mean"]:
        print("loss recovered, against", name, (ce[name] - ce["SAE"]) / (ce[name] - ce["clean"]))

spliced(sequences[:len(texts)])
${
  extra
    ? `
own = [
${ownTexts({ own })
  .map((line) => `    ${py(line)},\n`)
  .join("")}]
own_sequences = [model.to_tokens(text, prepend_bos=${py(prependBos)}) for text in own]
x = torch.cat([model.run_with_cache(tokens, names_filter=hook)[1][hook][0] for tokens in own_sequences])
figures(x, sae.encode(x), sae.decode(sae.encode(x)))
spliced(own_sequences)
`
    : ""
}`;
}
