//! Which features are strongest on each token, and how many are active there.

use burn::tensor::Tensor;
use serde::Serialize;

use super::passes::{chosen_rows, encoded};
use super::strongest::{Strongest, check_k, strongest};
use crate::activations::Activations;
use crate::error::Result;
use crate::progress::{Checkpoint, Progress};
use crate::sae::Inference;
use crate::tensors::read;

/// One activation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Activation {
    pub row: usize,
    pub feature: u32,
    pub value: f32,
}

pub struct PerToken {
    /// Features and their values `[rows, k]`, the strongest first. A value of 0 is a feature that is not active.
    pub strongest: Strongest,
    /// How many features are above zero on each row.
    pub active: Vec<u32>,
    /// The largest activation of all; `None` where nothing is active.
    pub max: Option<Activation>,
    /// Mean of `active`.
    pub mean_active: f64,
}

/// The `k` strongest features of every row.
pub async fn per_token(sae: &Inference, acts: &Activations, k: usize, pause: &impl Checkpoint) -> Result<PerToken> {
    sae.check_width(acts.width())?;
    check_k(k, sae.d_sae())?;
    let rows = chosen_rows(acts, false)?;
    let (mut found, mut counts) = (Strongest::default(), Vec::new());
    for (f, done) in encoded(sae, acts, &rows) {
        counts.push(f.clone().sign().sum_dim(1));
        found.read(strongest(f, k)).await?;
        pause.reached(Progress::Analyse { done, total: rows.len() }).await?;
    }
    let active: Vec<u32> = read(Tensor::cat(counts, 0)).await?.data.into_iter().map(|n| n.round() as u32).collect();
    let mut max: Option<Activation> = None;
    for (row, first) in (0..rows.len()).map(|row| (row, row * k)) {
        let (feature, value) = (found.places[first], found.values[first]);
        if value > max.map_or(0.0, |m| m.value) {
            max = Some(Activation { row, feature, value });
        }
    }
    let mean_active = active.iter().map(|&n| f64::from(n)).sum::<f64>() / rows.len() as f64;
    Ok(PerToken { strongest: found, active, max, mean_active })
}
