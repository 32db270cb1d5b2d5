//! What features lose when several are active at once.

use serde::Serialize;

use super::model::Row;
use super::pace::Pace;
use super::weights::Weights;
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};

/// Most multiplications over all subsets of one size: some seconds in a browser.
const MOST_WORK: f64 = 4e9;

/// Sets of features of one size, each at the value 1.
///
/// `error` is Σ_i (x_i − x̂_i)², unweighted. Three features lose more than one even where none disturbs another, so beside each error stands
/// what its features lose alone, `additive`: what goes beyond is interference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interference {
    pub size: usize,
    /// The first `size` features.
    pub example: Example,
    /// Over all sets of this size.
    pub subsets: usize,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    pub additive: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    pub features: Vec<usize>,
    pub input: Vec<f32>,
    pub output: Vec<f32>,
    pub error: f64,
    pub additive: f64,
}

/// Tests every set of the given sizes.
pub async fn interference(weights: &Weights, sizes: &[usize], pause: &impl Checkpoint) -> Result<Vec<Interference>> {
    let n = weights.n_features;
    check_setting((1..=16).contains(&sizes.len()), "sizes", format!("{} long", sizes.len()), "1 to 16 sizes")?;
    let mut counts = Vec::with_capacity(sizes.len());
    for &size in sizes {
        check_setting((1..=n).contains(&size), "sizes", size, &format!("from 1 to the model's {n} features"))?;
        let subsets = binomial(n, size);
        let most = (MOST_WORK / (n * (weights.n_hidden + 2)) as f64).floor();
        check_setting(
            subsets <= most,
            "sizes",
            format!("{size}, which is {subsets} sets of {n} features"),
            &format!("sizes of at most {most} sets"),
        )?;
        counts.push(subsets as usize);
    }
    let total = counts.iter().sum();
    let (mut row, mut x) = (weights.row(), vec![0.0; n]);
    let work = n * (weights.n_hidden + 2);
    let (mut pace, mut done) = (Pace::default(), 0);
    let mut alone = Vec::with_capacity(n);
    for i in 0..n {
        alone.push(error_of(weights, &[i], &mut x, &mut row));
        pace.pay(work, || Progress::Analyse { done, total }, pause).await?;
    }
    let mut found = Vec::with_capacity(sizes.len());
    for (&size, subsets) in sizes.iter().zip(counts) {
        let mut set: Vec<usize> = (0..size).collect();
        let error = error_of(weights, &set, &mut x, &mut row);
        let example = Example {
            additive: set.iter().map(|&i| alone[i]).sum(),
            features: set.clone(),
            input: x.clone(),
            output: row.out.iter().map(|&o| o as f32).collect(),
            error,
        };
        let (mut sum, mut min, mut max) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        loop {
            let error = error_of(weights, &set, &mut x, &mut row);
            (sum, min, max) = (sum + error, min.min(error), max.max(error));
            done += 1;
            pace.pay(work, || Progress::Analyse { done, total }, pause).await?;
            if !next(&mut set, n) {
                break;
            }
        }
        // Every feature is in as many sets as any other.
        let additive = size as f64 * alone.iter().sum::<f64>() / n as f64;
        found.push(Interference { size, example, subsets, mean: sum / subsets as f64, min, max, additive });
    }
    Ok(found)
}

/// Σ_i (x_i − x̂_i)² with the features of `set` at 1; leaves x and x̂ behind.
fn error_of(weights: &Weights, set: &[usize], x: &mut [f32], row: &mut Row) -> f64 {
    x.fill(0.0);
    set.iter().for_each(|&i| x[i] = 1.0);
    weights.forward(x, row);
    x.iter().zip(&row.out).map(|(&x, out)| (f64::from(x) - out).powi(2)).sum()
}

/// The set after `set` in the order of numbers; false after the last.
fn next(set: &mut [usize], n: usize) -> bool {
    let size = set.len();
    let Some(at) = (0..size).rev().find(|&k| set[k] < n - size + k) else {
        return false;
    };
    set[at] += 1;
    for k in at + 1..size {
        set[k] = set[k - 1] + 1;
    }
    true
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k.min(n - k)).fold(1.0, |b, i| (b * (n - i) as f64 / (i + 1) as f64).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_comes_once() {
        for (n, size) in [(5, 1), (5, 3), (6, 6), (7, 2)] {
            let mut set: Vec<usize> = (0..size).collect();
            let mut all = vec![set.clone()];
            while next(&mut set, n) {
                all.push(set.clone());
            }
            assert_eq!(all.len() as f64, binomial(n, size));
            assert!(all.windows(2).all(|w| w[0] < w[1]) && all.iter().all(|s| s.windows(2).all(|w| w[0] < w[1])));
        }
    }
}
