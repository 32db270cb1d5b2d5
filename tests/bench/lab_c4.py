"""Lab C.4 as its notebook has it, on a GPT-2 of GPT-2 small's shapes: 26 prompts and 50 random sequences, 1253 rows after block 6, a tied SAE of 4 · d features, 100 epochs
at batch 256, the most active features. Prints as JSON what each part took, in seconds, and the losses.

SparseAutoencoder, compute_loss, train_sae and find_most_active_features are the notebook's own code without its progress bars and prints; its prompts are token ids here. Activations come from
transformers' plain pass: TransformerLens, which the notebook uses, keeps every activation of it and takes longer.

    python lab_c4.py --from FOLDER --ids FILE [--epochs 100]
"""
import argparse, json, time

clock = time.perf_counter
begin = clock()
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from transformers import GPT2Model
from seeded import uniform

parser = argparse.ArgumentParser()
parser.add_argument("--from", dest="folder", required=True)
parser.add_argument("--ids", required=True)
parser.add_argument("--layer", type=int, default=6)
parser.add_argument("--epochs", type=int, default=100)
args = parser.parse_args()
torch.manual_seed(0)


class SparseAutoencoder(nn.Module):
    def __init__(self, d_model, n_features):
        super().__init__()
        self.n_features = n_features
        self.encoder = nn.Linear(d_model, n_features, bias=True)
        self.decoder_bias = nn.Parameter(torch.zeros(d_model))
        nn.init.kaiming_uniform_(self.encoder.weight, nonlinearity="relu")
        nn.init.zeros_(self.encoder.bias)

    def encode(self, x):
        return F.relu(self.encoder(x))

    def decode(self, features):
        return F.linear(features, self.encoder.weight.T, self.decoder_bias)

    def forward(self, x):
        features = self.encode(x)
        return self.decode(features), features

    def compute_loss(self, x, sparsity_coef=1e-3):
        reconstructed, features = self.forward(x)
        recon_loss = F.mse_loss(reconstructed, x)
        sparsity_loss = features.abs().mean()
        total_loss = recon_loss + sparsity_coef * sparsity_loss
        with torch.no_grad():
            sparsity = (features > 0).float().mean().item()
            n_active = (features > 0).sum(dim=-1).float().mean().item()
        return total_loss, {"total": total_loss.item(), "recon": recon_loss.item(), "sparsity": sparsity_loss.item(), "frac_nonzero": sparsity, "n_active": n_active}


def train_sae(sae, activations, n_epochs=100, batch_size=256, lr=1e-3, sparsity_coef=1e-3):
    dataloader = DataLoader(TensorDataset(activations), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.Adam(sae.parameters(), lr=lr)
    history = {"total": [], "recon": [], "sparsity": [], "frac_nonzero": [], "n_active": []}
    for _ in range(n_epochs):
        epoch_losses = {k: [] for k in history.keys()}
        for batch in dataloader:
            x = batch[0]
            optimizer.zero_grad()
            loss, loss_dict = sae.compute_loss(x, sparsity_coef=sparsity_coef)
            loss.backward()
            optimizer.step()
            for k, v in loss_dict.items():
                epoch_losses[k].append(v)
        for k in history.keys():
            history[k].append(float(np.mean(epoch_losses[k])))
    return history


def find_most_active_features(sae, activations, top_k=20):
    with torch.no_grad():
        features = sae.encode(activations)
        mean_acts = (features * (features > 0).float()).sum(dim=0) / (features > 0).float().sum(dim=0).clamp(min=1)
        frequency = (features > 0).float().mean(dim=0)
        scores = mean_acts * frequency
        top_indices = torch.argsort(scores, descending=True)[:top_k]
        return [(idx.item(), mean_acts[idx].item(), frequency[idx].item()) for idx in top_indices]


seconds = {}


def lap(name):
    global begin
    now = clock()
    seconds[name] = now - begin
    begin = now


model = GPT2Model.from_pretrained(args.folder).eval()
lap("open")
seen = []
model.h[args.layer].register_forward_hook(lambda _block, _inputs, out: seen.append((out if torch.is_tensor(out) else out[0])[0]))
with torch.no_grad():
    for ids in json.load(open(args.ids)):
        model(torch.tensor([ids]), use_cache=False)
    rows = torch.cat(seen)
    rows = rows - rows.mean(dim=-1, keepdim=True)  # TransformerLens's centred view
lap("collect")
d = rows.shape[1]
sae = SparseAutoencoder(d, 4 * d)
# The first weights are the lab's: as kaiming_uniform_ draws them, from numbers that both have.
sae.encoder.weight.data = uniform(4 * d * d, 2, (2 / d) ** 0.5).view(d, 4 * d).T.contiguous()
history = train_sae(sae, rows, n_epochs=args.epochs, batch_size=256, lr=1e-3, sparsity_coef=5e-4)
lap("train")
find_most_active_features(sae, rows)
lap("features")
print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows.shape[0], "seconds": seconds, "losses": history["total"]}))
