//! Whether this very device computes what it should: a short text through the model as it lies there,
//! and through a plain forward pass in f64, with the same weights read back layer by layer.

use burn::tensor::Tensor;
use serde::Serialize;

use super::cache::KvCache;
use super::hooks::{Hooks, View};
use super::matrix::Matrix;
use super::model::{Gpt2, LayerNorm, Linear, LogitsWanted};
use crate::error::{LabError, Result};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::read;

/// How far a logit may be off. In f32, GPT-2 small's logits (about 100) are off by some 1e-4; a kernel that is wrong is off by whole numbers.
const ALLOWED: f64 = 5e-3;
/// Bytes of weights read back at once, as f32: of a GPU, which answers after milliseconds, and of memory, where they are copied.
const AT_ONCE: usize = 8 << 20;
const AT_ONCE_IN_MEMORY: usize = 256 << 10;

/// The largest difference of a logit at any position, without the head's centring.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub prompt: Vec<u32>,
    pub error: f64,
    pub allowed: f64,
    pub passed: bool,
}

/// Runs `prompt` (two tokens or more) both ways: on the device all but its last token at once and the last one after them, with
/// keys and values kept, so that the kernels of both have to be right.
pub async fn check(model: &Gpt2, prompt: &[u32], pause: &impl Checkpoint) -> Result<Check> {
    let (first, last) = prompt.split_at(prompt.len().saturating_sub(1));
    let mut cache = KvCache::with_room(prompt.len());
    let mut computed = Vec::new();
    pause.reached(Progress::WarmUp).await?;
    for ids in [first, last].into_iter().filter(|ids| !ids.is_empty()) {
        let mut hooks = Hooks { view: View::HuggingFace, ..Hooks::default() };
        if let Some(normalized) = model.forward(&[ids], Some(&mut cache), &mut hooks, LogitsWanted::Normalized)? {
            computed.extend(model.read_logits(normalized, View::HuggingFace).await?.data);
        }
    }
    let exact = plain(model, prompt, pause).await?;
    if exact.iter().any(|x| !x.is_finite()) {
        return Err(LabError::file("The weights give results that are no numbers."));
    }
    // A difference that is no number must not pass for the smallest.
    let difference = |(&a, &b): (&f32, &f64)| if a.is_finite() { (f64::from(a) - b).abs() } else { f64::INFINITY };
    let error = if computed.len() == exact.len() { computed.iter().zip(&exact).map(difference).fold(0.0, f64::max) } else { f64::INFINITY };
    Ok(Check { prompt: prompt.to_vec(), error, allowed: ALLOWED, passed: error <= ALLOWED })
}

/// Rows of f64, one for each position.
type Rows = Vec<Vec<f64>>;

/// GPT-2's forward pass as one would write it down; logits of all positions behind each other.
async fn plain(model: &Gpt2, ids: &[u32], pause: &impl Checkpoint) -> Result<Vec<f64>> {
    let config = &model.config;
    let total = config.n_layers + 1;
    let mut x = Rows::new();
    for (at, &id) in ids.iter().enumerate() {
        let token = model.wte.read_rows(id as usize, 1).await?;
        let position = vector(&model.wpe.clone().narrow(0, at, 1).reshape([config.d_model])).await?;
        x.push(token.iter().zip(position).map(|(&t, p)| f64::from(t) + p).collect());
    }
    for (l, block) in model.blocks.iter().enumerate() {
        let qkv = linear(&layer_norm(&x, &block.ln_1, config.eps).await?, &block.c_attn).await?;
        let z = attention(&qkv, config.n_heads, config.d_head);
        add(&mut x, &linear(&z, &block.attn_c_proj).await?);
        let mut hidden = linear(&layer_norm(&x, &block.ln_2, config.eps).await?, &block.c_fc).await?;
        hidden.iter_mut().flatten().for_each(|h| *h = gelu(*h));
        add(&mut x, &linear(&hidden, &block.mlp_c_proj).await?);
        pause.reached(Progress::Check { done: l + 1, total }).await?;
    }
    let x = layer_norm(&x, &model.ln_f, config.eps).await?;
    let mut logits = vec![0.0; x.len() * config.d_vocab];
    each_row(&model.wte, config.d_model, |v, row| {
        for (t, x) in x.iter().enumerate() {
            logits[t * config.d_vocab + v] = x.iter().zip(row).map(|(x, &w)| x * f64::from(w)).sum();
        }
    })
    .await?;
    pause.reached(Progress::Check { done: total, total }).await?;
    Ok(logits)
}

/// Reads a matrix back, a few rows at a time, and shows each of them once.
async fn each_row(matrix: &Matrix, cols: usize, mut show: impl FnMut(usize, &[f32])) -> Result<()> {
    let bytes = if matrix.floats().is_some() { AT_ONCE_IN_MEMORY } else { AT_ONCE };
    let at_once = (bytes / (4 * cols)).max(1);
    for start in (0..matrix.rows()).step_by(at_once) {
        let values = matrix.read_rows(start, at_once.min(matrix.rows() - start)).await?;
        for (i, row) in values.chunks_exact(cols).enumerate() {
            show(start + i, row);
        }
    }
    Ok(())
}

async fn vector(tensor: &Tensor<1>) -> Result<Vec<f64>> {
    Ok(read(tensor.clone()).await?.data.into_iter().map(f64::from).collect())
}

async fn linear(x: &Rows, linear: &Linear) -> Result<Rows> {
    let bias = vector(&linear.bias).await?;
    let cols = bias.len();
    let mut y = vec![bias; x.len()];
    each_row(&linear.weight, cols, |i, row| {
        for (x, y) in x.iter().zip(&mut y) {
            let x = x[i];
            y.iter_mut().zip(row).for_each(|(y, &w)| *y += x * f64::from(w));
        }
    })
    .await?;
    Ok(y)
}

async fn layer_norm(x: &Rows, norm: &LayerNorm, eps: f64) -> Result<Rows> {
    let (weight, bias) = (vector(&norm.weight).await?, vector(&norm.bias).await?);
    let row = |x: &Vec<f64>| {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        let scale = 1.0 / (variance + eps).sqrt();
        x.iter().zip(weight.iter().zip(&bias)).map(|(x, (w, b))| (x - mean) * scale * w + b).collect()
    };
    Ok(x.iter().map(row).collect())
}

/// Causal attention of `[pos, 3 * n_heads * d_head]` queries, keys and values: `[pos, n_heads * d_head]`.
fn attention(qkv: &Rows, n_heads: usize, d_head: usize) -> Rows {
    let d_model = n_heads * d_head;
    let mut z = vec![vec![0.0; d_model]; qkv.len()];
    for h in 0..n_heads {
        let part = |row: &'_ [f64], which: usize| row[which * d_model + h * d_head..][..d_head].to_vec();
        for query in 0..qkv.len() {
            let q = part(&qkv[query], 0);
            let score = |key: usize| part(&qkv[key], 1).iter().zip(&q).map(|(k, q)| k * q).sum::<f64>() / (d_head as f64).sqrt();
            let scores: Vec<f64> = (0..=query).map(score).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (key, weight) in weights.iter().enumerate() {
                for (i, v) in part(&qkv[key], 2).iter().enumerate() {
                    z[query][h * d_head + i] += weight / sum * v;
                }
            }
        }
    }
    z
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

fn add(x: &mut Rows, y: &Rows) {
    for (x, y) in x.iter_mut().zip(y) {
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    }
}
