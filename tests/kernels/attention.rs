//! [`sae_lab::kernels::attention`].

use burn::tensor::Device;
use sae_lab::kernels::attention as kernels;
use sae_lab::tensors::upload;
use serde::Deserialize;

use crate::Answer;
use crate::held::{DIVISION_ERROR, Held, Near, ROOT_ERROR, U, exp_error, sum_error};
use crate::inputs::{Draw, poisoned};
use crate::products::EPS;

/// Tokens of `batch` sequences, `pos` each: d even.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embed {
    seed: u64,
    batch: usize,
    pos: usize,
    offset: usize,
    vocabulary: usize,
    d: usize,
    half: bool,
}

pub async fn embed(device: &Device, Embed { seed, batch, pos, offset, vocabulary, d, half }: Embed) -> Answer {
    let mut draw = Draw::new(seed, false);
    let (wte, words) = draw.weight([vocabulary, d], half, device);
    let wpe = draw.values((offset + pos) * d);
    let ids = draw.ids(batch * pos, vocabulary);
    let wpe_on = upload(wpe.clone(), [offset + pos, d], device);
    let pass = kernels::pass(pos, offset, offset + pos, &ids, device);
    poisoned(device).await?;
    let got = kernels::embed(wte, wpe_on, pass);
    let truth = (0..batch * pos * d).map(|at| {
        let (row, i) = (at / d, at % d);
        Near::exactly(words[ids[row] as usize * d + i] + wpe[(offset + row % pos) * d + i])
    });
    Held::default().against("y", got, truth).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    seed: u64,
    rows: usize,
    d: usize,
    /// What is added to all of a row: far from 0, the differences are small beside the numbers.
    #[serde(default)]
    shift: f32,
}

pub async fn layer_norm(device: &Device, LayerNorm { seed, rows, d, shift }: LayerNorm) -> Answer {
    let mut draw = Draw::new(seed, false);
    let x: Vec<f32> = draw.values(rows * d).into_iter().map(|x| x + shift).collect();
    let norm = draw.values(2 * d);
    let (x_on, norm_on) = (upload(x.clone(), [rows, d], device), upload(norm.clone(), [2 * d], device));
    poisoned(device).await?;
    let got = kernels::layer_norm(x_on, norm_on, EPS);
    Held::default().against("y", got, x.chunks_exact(d).flat_map(|row| normalized(row, &norm, EPS).values)).await
}

pub struct Normalized {
    pub values: Vec<Near>,
}

/// A row after layer norm, and how far it may be off: the mean by `m` = the error of a sum, the variance by `m²` and the error of a sum relatively,
/// and each element by what follows.
pub fn normalized(x: &[f32], norm: &[f32], eps: f64) -> Normalized {
    let d = x.len();
    let n = d as f64;
    let v = |i: usize| f64::from(x[i]);
    let mean = (0..d).map(v).sum::<f64>() / n;
    let size = (0..d).map(|i| v(i).abs()).sum::<f64>() / n;
    let variance = (0..d).map(|i| (v(i) - mean).powi(2)).sum::<f64>() / n;
    // eps comes to the kernel as f32 and is written out in decimals.
    let scale = 1.0 / (variance + eps).sqrt();
    let m = (sum_error(d) + DIVISION_ERROR) * size + U * mean.abs();
    let spread = (0..d).map(|i| (v(i) - mean).abs()).sum::<f64>() / n;
    let of_variance = (sum_error(d) + DIVISION_ERROR + 4.0 * U) * variance + m * m + 2.0 * m * U * spread + 3.0 * U * (variance + eps);
    let of_scale = of_variance / (2.0 * (variance + eps)) + ROOT_ERROR;
    let values = (0..d)
        .map(|i| {
            let (weight, bias) = (f64::from(norm[i]), f64::from(norm[d + i]));
            let apart = v(i) - mean;
            let product = apart * scale * weight;
            let off = weight.abs() * scale * (m + U * apart.abs()) * (1.0 + of_scale) + product.abs() * (of_scale + 3.0 * U) + U * bias.abs();
            Near { is: product + bias, off: 1.01 * off }
        })
        .collect();
    Normalized { values }
}

/// Queries of `batch` sequences at `offset … offset + pos`, `heads` of `d_head` at most [`kernels::LARGEST_HEAD`], over a cache with room for `spare` more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    seed: u64,
    batch: usize,
    pos: usize,
    offset: usize,
    spare: usize,
    heads: usize,
    d_head: usize,
    /// Queries and keys are so much larger than 1: with it, all weight is on a few keys.
    #[serde(default)]
    sharp: f32,
}

pub async fn attention(device: &Device, sizes: Attention) -> Answer {
    let Attention { seed, batch, pos, offset, spare, heads, d_head, sharp } = sizes;
    let (d, capacity) = (heads * d_head, offset + pos + spare);
    let mut draw = Draw::new(seed, false);
    let q: Vec<f32> = draw.values(batch * pos * d).into_iter().map(|x| x * (1.0 + sharp)).collect();
    let mut cache = draw.values(batch * capacity * 2 * d);
    for (place, both) in cache.chunks_exact_mut(2 * d).enumerate() {
        both[..d].iter_mut().for_each(|key| *key *= 1.0 + sharp);
        if place % capacity >= offset + pos {
            both.fill(f32::NAN); // nothing there yet, and not to be read
        }
    }
    let (q_on, cache_on) = (upload(q.clone(), [batch * pos, d], device), upload(cache.clone(), [batch, capacity, 2 * d], device));
    let pass = kernels::pass(pos, offset, capacity, &[], device);
    poisoned(device).await?;
    let got = kernels::attention(q_on, cache_on, pass, d_head);

    let mut truth = vec![Near::UNTOUCHED; batch * pos * d];
    for row in 0..batch * pos {
        let keys = offset + row % pos + 1;
        for head in 0..heads {
            let key = |j: usize| &cache[(row / pos * capacity + j) * 2 * d + head * d_head..];
            let y = attend(&q[row * d + head * d_head..][..d_head], keys, &key, d);
            truth[row * d + head * d_head..][..d_head].copy_from_slice(&y);
        }
    }
    Held::default().against("y", got, truth).await
}

/// Of one query. `both(j)` begins with key `j`; its value is `d` later.
fn attend<'a>(q: &[f32], keys: usize, both: &impl Fn(usize) -> &'a [f32], d: usize) -> Vec<Near> {
    let scale = 1.0 / (q.len() as f64).sqrt();
    let terms = |j: usize| q.iter().zip(both(j)).map(move |(&q, &k)| f64::from(q) * f64::from(k) * scale);
    let scores: Vec<f64> = (0..keys).map(|j| terms(j).sum()).collect();
    // Each score may be off by this: its sum, and the scale, rounded twice.
    let of_score = (0..keys).map(|j| (sum_error(q.len()) + 3.0 * U) * terms(j).map(f64::abs).sum::<f64>()).fold(0.0, f64::max);
    let largest = scores.iter().copied().fold(f64::MIN, f64::max);
    let range = largest - scores.iter().copied().fold(f64::MAX, f64::min);
    // A weight is the product of its own exponential and of one for each later tile with a larger maximum; their exponents add up to at most `range`.
    let tiles = keys.div_ceil(64) as f64;
    let of_weight = 2.0 * of_score + tiles * (exp_error(0.0) + 2.0 * U) + exp_error(range) + 2.0 * U * range;
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    (0..q.len())
        .map(|i| {
            let (mut y, mut all) = (0.0, 0.0);
            for (j, weight) in weights.iter().enumerate() {
                let value = f64::from(both(j)[d + i]);
                y += weight / sum * value;
                all += weight / sum * value.abs();
            }
            let relative = 2.0 * of_weight + 2.0 * sum_error(keys) + 2.0 * tiles * U + DIVISION_ERROR;
            Near { is: y, off: 1.01 * relative * all }
        })
        .collect()
}
