//! Rows of a toy model's world and of its hidden layer, with the truth about them.

use super::config::{check_probability, check_rows};
use super::data::{Values, features};
use super::model::reconstruct;
use super::weights::Weights;
use crate::error::Result;
use crate::progress::Checkpoint;
use crate::rng::Rng;
use crate::tensors::HostTensor;

/// What an SAE of the hidden layer is trained on, and what it should find.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Features, `[rows, n_features]`.
    pub x: HostTensor,
    /// `[rows, n_hidden]`
    pub hidden: HostTensor,
    /// The direction in which each feature is written into the hidden layer, `[n_features, n_hidden]`.
    pub directions: HostTensor,
}

/// Draws fresh rows.
pub async fn sample(weights: &Weights, probability: f64, values: Values, rows: usize, seed: u64, pause: &impl Checkpoint) -> Result<Sample> {
    let (n_features, n_hidden) = (weights.n_features, weights.n_hidden);
    check_probability("probability", probability)?;
    check_rows("rows", rows, n_features.max(n_hidden))?;
    let mut x = vec![0.0; rows * n_features];
    features(&mut Rng::new(seed), probability, values, &mut x);
    let x = HostTensor { data: x, shape: vec![rows, n_features] };
    let hidden = reconstruct(weights, &x, pause).await?.hidden;
    let directions = HostTensor { data: weights.enc.iter().map(|&v| v as f32).collect(), shape: vec![n_features, n_hidden] };
    Ok(Sample { x, hidden, directions })
}
