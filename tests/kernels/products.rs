//! [`sae_lab::kernels::products`].

use burn::tensor::Device;
use sae_lab::kernels::attention::pass;
use sae_lab::kernels::products::{self, Then};
use sae_lab::tensors::upload;
use serde::Deserialize;

use crate::Answer;
use crate::attention::{Normalized, normalized};
use crate::held::{DIVISION_ERROR, Held, Near, U, exp_error, sum_error};
use crate::inputs::{Draw, ids_on, nothing, poisoned};

/// `[rows, k] · [k, n]`: n even. `norm` for one row. For the ending "qkv" n is a multiple of 6 and rows one of `batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    seed: u64,
    rows: usize,
    k: usize,
    n: usize,
    half: bool,
    bias: bool,
    norm: bool,
    whole: bool,
    ending: String,
    #[serde(default)]
    batch: usize,
    #[serde(default)]
    offset: usize,
    /// Positions that the cache has room for after what is written.
    #[serde(default)]
    spare: usize,
}

pub async fn linear(device: &Device, sizes: Linear) -> Answer {
    let Linear { seed, rows, k, n, half, bias, norm, whole, ref ending, batch, offset, spare } = sizes;
    let mut draw = Draw::new(seed, whole);
    let x = draw.values(rows * k);
    let (w, w_values) = draw.weight([k, n], half, device);
    let bias = if bias { draw.values(n) } else { Vec::new() };
    let norm_of = if norm { draw.values(2 * k) } else { Vec::new() };
    let to = draw.values(if ending == "add" { rows * n } else { 0 });
    let pos = rows / batch.max(1);
    let capacity = offset + pos + spare;
    let cache = nothing(if ending == "qkv" { [batch, capacity, 2 * n / 3] } else { [1, 1, 1] }, device);
    let then = match ending.as_str() {
        "gelu" => Then::Gelu,
        "add" => Then::Add(upload(to.clone(), [rows, n], device)),
        "qkv" => Then::Qkv { cache: cache.clone(), pass: pass(pos, offset, capacity, &[], device) },
        _ => Then::Nothing,
    };
    let x_on = upload(x.clone(), [rows, k], device);
    let bias_on = (!bias.is_empty()).then(|| upload(bias.clone(), [n], device));
    let norm_on = norm.then(|| (upload(norm_of.clone(), [2 * k], device), EPS));
    poisoned(device).await?;
    let got = products::linear(x_on, w, bias_on, norm_on, then);

    let x: Vec<Near> = if norm {
        let Normalized { values } = normalized(&x, &norm_of, EPS);
        values
    } else {
        x.into_iter().map(Near::exactly).collect()
    };
    let mut sums = product(&x, &w_values, rows, n, whole && !norm, |c| f64::from(bias.get(c).copied().unwrap_or(0.0)), |at, c| at * n + c, k);
    match ending.as_str() {
        "gelu" => sums.iter_mut().for_each(gelu),
        "add" => {
            for (sum, to) in sums.iter_mut().zip(to) {
                sum.is += f64::from(to);
                sum.off += if whole && !norm { 0.0 } else { 2.0 * U * sum.is.abs() + U * f64::from(to.abs()) };
            }
        }
        "qkv" => return qkv(got, cache, sums, [batch, pos, offset, capacity, n / 3]).await,
        _ => {}
    }
    Held::default().against("y", got, sums).await
}

pub const EPS: f64 = 1e-5;

/// Sums over `k` of `x[row, k] · w[at(k, column)]`, and how far they may be off.
#[allow(clippy::too_many_arguments, reason = "all of them numbers of one product")]
fn product(
    x: &[Near],
    w: &[f32],
    rows: usize,
    n: usize,
    exact: bool,
    start: impl Fn(usize) -> f64,
    at: impl Fn(usize, usize) -> usize,
    k: usize,
) -> Vec<Near> {
    let mut sums = Vec::with_capacity(rows * n);
    for row in 0..rows {
        let x = &x[row * k..][..k];
        for c in 0..n {
            let (mut sum, mut all, mut off) = (start(c), start(c).abs(), 0.0);
            for (i, x) in x.iter().enumerate() {
                let w = f64::from(w[at(i, c)]);
                sum += x.is * w;
                all += (x.is * w).abs();
                off += x.off * w.abs();
            }
            // The terms and what the sum begins with, and two where a part of the threads begins with 0.
            sums.push(Near { is: sum, off: if exact { 0.0 } else { off + sum_error(k + 2) * (all + off) } });
        }
    }
    sums
}

/// `x σ(t)` with `t = x (a + b x²)`: how an error of x goes on (|gelu′| ≤ 1.13), and that of the exponential by `σ′ = σ (1 − σ)`.
fn gelu(x: &mut Near) {
    let v = x.is;
    let a = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let t = v * (a + 0.044715 * a * v * v);
    let sigma = 1.0 / (1.0 + (-t).exp());
    let is = 0.5 * v * (1.0 + (t / 2.0).tanh());
    let of_exp = (1.0 - sigma) * (exp_error(t) + 6.0 * U * t.abs());
    // Where e^−t is held at e^80, the result is 1e-34 of x instead of less.
    *x = Near { is, off: 1.13 * x.off + is.abs() * (of_exp + 2.0 * U + DIVISION_ERROR) + v.abs() * 1e-34 };
}

/// Queries are the output; keys and values of position `offset + p` are in the cache, and nothing else of it was touched.
async fn qkv(got: burn::tensor::Tensor<2>, cache: burn::tensor::Tensor<3>, sums: Vec<Near>, [batch, pos, offset, capacity, d]: [usize; 5]) -> Answer {
    let queries: Vec<Near> = sums.chunks_exact(3 * d).flat_map(|row| row[..d].to_vec()).collect();
    let mut kept = vec![Near::UNTOUCHED; batch * capacity * 2 * d];
    for (row, sums) in sums.chunks_exact(3 * d).enumerate() {
        let place = row / pos * capacity + offset + row % pos;
        kept[place * 2 * d..][..2 * d].copy_from_slice(&sums[d..]);
    }
    Held::default().against("y", got, queries).await?.against("cache", cache, kept).await
}

/// `[rows, k] · [n, k]ᵀ`: k even.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transposed {
    seed: u64,
    rows: usize,
    k: usize,
    n: usize,
    half: bool,
    whole: bool,
}

pub async fn transposed(device: &Device, Transposed { seed, rows, k, n, half, whole }: Transposed) -> Answer {
    let mut draw = Draw::new(seed, whole);
    let x = draw.values(rows * k);
    let (w, w_values) = draw.weight([n, k], half, device);
    let x_on = upload(x.clone(), [rows, k], device);
    poisoned(device).await?;
    let got = products::transposed(x_on, w);
    let x: Vec<Near> = x.into_iter().map(Near::exactly).collect();
    Held::default().against("y", got, product(&x, &w_values, rows, n, whole, |_| 0.0, |at, c| c * k + at, k)).await
}

/// `ids` rows of `[rows, n]`: n even.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gather {
    seed: u64,
    rows: usize,
    n: usize,
    ids: usize,
    half: bool,
}

pub async fn gather(device: &Device, Gather { seed, rows, n, ids, half }: Gather) -> Answer {
    let mut draw = Draw::new(seed, false);
    let (w, values) = draw.weight([rows, n], half, device);
    let ids = draw.ids(ids, rows);
    let ids_there = ids_on(&ids, device);
    poisoned(device).await?;
    let got = products::gather(w, ids_there);
    Held::default().against("y", got, ids.iter().flat_map(|&id| &values[id as usize * n..][..n]).map(|&x| Near::exactly(x))).await
}
