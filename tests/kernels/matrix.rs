//! [`sae_lab::gpt2::Matrix`]: sizes that no kernel takes go burn's way, and come out right.

use burn::tensor::Device;
use half::f16;
use sae_lab::gpt2::{Layout, MatrixBuilder, Precision};
use sae_lab::tensors::{HostTensor, upload};
use serde::Deserialize;

use crate::Answer;
use crate::held::{Held, Near, sum_error};
use crate::inputs::{Draw, poisoned};

/// All that a matrix `[k, n]` does with `rows` rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    seed: u64,
    rows: usize,
    k: usize,
    n: usize,
    half: bool,
}

pub async fn matrix(device: &Device, Sizes { seed, rows, k, n, half }: Sizes) -> Answer {
    let layout = Layout::new(k, n, if half { Precision::F16 } else { Precision::F32 });
    let mut draw = Draw::new(seed, false);
    let mut w = draw.values(k * n);
    let mut builder = MatrixBuilder::new("w", layout, device);
    for piece in w.chunks(1001) {
        builder.push(piece)?;
    }
    let matrix = builder.finish()?;
    if layout.half {
        w.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
    }
    let (x, z, bias) = (draw.values(rows * k), draw.values(rows * n), draw.values(n));
    let ids = draw.ids(rows, k);
    let (x_on, z_on, bias_on) = (upload(x.clone(), [1, rows, k], device), upload(z.clone(), [rows, n], device), upload(bias.clone(), [n], device));
    poisoned(device).await?;

    let sum = |terms: &mut dyn Iterator<Item = (f32, f32)>, start: f32| {
        let (mut is, mut all, mut count) = (f64::from(start), f64::from(start.abs()), 2);
        for (a, b) in terms {
            let product = f64::from(a) * f64::from(b);
            (is, all, count) = (is + product, all + product.abs(), count + 1);
        }
        Near { is, off: sum_error(count) * all }
    };
    let forward = (0..rows * n).map(|at| {
        let (row, c) = (at / n, at % n);
        sum(&mut (0..k).map(|i| (x[row * k + i], w[i * n + c])), bias[c])
    });
    let backward = (0..rows * k).map(|at| {
        let (row, c) = (at / k, at % k);
        sum(&mut (0..n).map(|i| (z[row * n + i], w[c * n + i])), 0.0)
    });
    let gathered = ids.iter().flat_map(|&id| &w[id as usize * n..][..n]).map(|&x| Near::exactly(x));
    let HostTensor { data, shape } = HostTensor::new(matrix.read_rows(0, k).await?, vec![k, n])?;
    Held::default()
        .against("x w + bias", matrix.linear(x_on, &bias_on), forward)
        .await?
        .against("x wᵀ", matrix.times_transposed(z_on), backward)
        .await?
        .against("rows", matrix.gather(&ids), gathered)
        .await?
        .against("read", upload(data, [shape[0], shape[1]], device), w.iter().map(|&x| Near::exactly(x)))
        .await
}
