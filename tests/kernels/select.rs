//! [`sae_lab::kernels::select`], held against sorting.

use burn::tensor::Device;
use sae_lab::kernels::select::{self, Counts, Per, kth_largest, largest};
use sae_lab::kernels::{Expr, Numbers};
use sae_lab::rng::Rng;
use sae_lab::tensors::upload;
use serde::Deserialize;

use crate::Answer;
use crate::held::{Held, Near};
use crate::inputs::poisoned;

/// The `k` largest of `[rows, n]`: of each row or of all the threshold, or of each row's candidates which they are. `values`: "normal", "rectified", "negative", "tied", "constant", "zeros", "scales" or "near".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    seed: u64,
    rows: usize,
    n: usize,
    k: usize,
    matrix: bool,
    values: String,
    /// The threshold, not which they are.
    kth: bool,
    /// What is kept of the values themselves, or of others, and the threshold, in which `kth` has to be.
    #[serde(default)]
    kept: Option<Kept>,
    /// How many of seven columns are candidates.
    among: usize,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kept {
    Own,
    Others,
}

/// What is smaller counts as zero.
const TINY: f32 = 1.0 / (1u128 << 102) as f32;

pub async fn select(device: &Device, sizes: Select) -> Answer {
    let Select { seed, rows, n, k, matrix, ref values, kth, kept, among } = sizes;
    let mut rng = Rng::new(seed);
    let values: Vec<f32> = (0..rows * n)
        .map(|at| {
            let x = rng.normal() as f32;
            match values.as_str() {
                "rectified" => x.max(0.0),
                "negative" => -x.abs() - 1e-3,
                "tied" => (x * 2.0).round(),
                "constant" => -3.0,
                "zeros" => [0.0, -0.0, 1e-33, -1e-33][at % 4],
                "scales" => x * 10f32.powi((at % 53) as i32 - 26),
                "near" => 1.0 + x * 2e-7,
                _ => x,
            }
        })
        .collect();
    let chosen: Vec<f32> = (0..n).map(|_| f32::from(u8::from(rng.below(7) < among))).collect();
    let on = upload(values.clone(), [rows, n], device);
    // As latents are that have not been active for long.
    let last = upload(chosen.iter().map(|one| 8.0 - 3.0 * one).collect(), [1, n], device);
    let among = Expr::number(&Numbers::new(vec![6.0]), 0).greater(&last);
    let per = if matrix { Per::Matrix } else { Per::Row };
    let others: Vec<f32> = (0..rows * n).map(|_| rng.normal() as f32).collect();
    let pre = if kept != Some(Kept::Own) { upload(others.clone(), [rows, n], device) } else { on.clone() };
    let before = upload(vec![3.0], [1, 1], device);
    // Memory in which something has been counted before.
    let counts = Counts::default();
    select::kept(&pre, &pre, k, per, |kth| kth, &counts);
    poisoned(device).await?;
    let mut more = Vec::new();
    let got = if kept.is_some() {
        let (y, then) = select::kept(&on, &pre, k, per, |kth| kth.max(2.0) * Expr::number(&Numbers::new(vec![4.0]), 0) + &before, &counts);
        more.push(("kept", y));
        then
    } else if kth {
        kth_largest(&on, k, per)
    } else {
        let found = largest(&on, &pre, k, &among, |n| n * 0.5 + &before);
        more.extend([("those", found.values), ("candidates", found.of_candidates)]);
        found.mask
    };

    let all: Vec<usize> = (0..rows * n).collect();
    let groups: Vec<&[usize]> = if matrix { vec![&all] } else { all.chunks(n).collect() };
    let (mut truth, mut kept_truth) = (Vec::new(), Vec::new());
    let half = chosen.iter().sum::<f32>() * 0.5 + 3.0;
    for group in groups {
        // Values that count as zero tie with it.
        let compared = |at: usize| if values[at].abs() <= TINY && values[at] < TINY { 0.0 } else { values[at] };
        let candidates = group.iter().copied().filter(|at| kth || chosen[at % n] == 1.0);
        let mut order: Vec<f32> = candidates.map(compared).collect();
        order.sort_by(|a, b| b.total_cmp(a));
        if kth {
            let positive = order.iter().filter(|x| **x >= TINY).count();
            let least = order[k.min(positive).max(1) - 1].max(TINY);
            // Rounded once, by both: 4 is a power of two.
            truth.push(if kept.is_some() { least.max(2.0) * 4.0 + 3.0 } else { least });
            let of = if kept == Some(Kept::Others) { &others } else { &values };
            kept_truth.extend(group.iter().map(|&at| if values[at] >= least { of[at].max(0.0) } else { 0.0 }));
            continue;
        }
        let least = order.get(k.min(order.len()).wrapping_sub(1)).copied().unwrap_or(f32::INFINITY);
        let is_one = |at: usize| chosen[at % n] == 1.0 && compared(at) >= least;
        truth.extend(group.iter().map(|at| f32::from(u8::from(is_one(*at)))));
        kept_truth.extend(group.iter().map(|&at| if is_one(at) { others[at] } else { 0.0 }));
    }
    let mut held = Held::default().against("y", got, truth.into_iter().map(Near::exactly)).await?;
    let mut truths = [kept_truth, vec![half]].into_iter();
    for (name, tensor) in more {
        held = held.against(name, tensor, truths.next().unwrap_or_default().into_iter().map(Near::exactly)).await?;
    }
    Ok(held)
}
