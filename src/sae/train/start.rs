//! What is done once, before the first step: the input scale, `b_dec`, the decoder's rows.

use std::cell::RefCell;

use burn::tensor::Tensor;

use super::super::{Batch, Normalization, Sae};
use super::norm;
use super::rows::{Rows, Source, batch};
use super::settings::{BDecInit, DecoderNorm, Recipe};
use crate::error::{LabError, Result, code};
use crate::kernels::{Form, product};
use crate::rng::Rng;
use crate::tensors::read;

/// Rows at most from which the input scale and a mean are taken.
const ROWS: usize = 1 << 16;
/// Rows at most from which a geometric median is taken, which looks at each a hundred times.
const MEDIAN_ROWS: usize = 1 << 14;

/// The stream of randomness that chooses these rows.
const CHOICE: u64 = 2;

pub(super) async fn prepare(sae: &RefCell<Sae>, recipe: &Recipe, source: &impl Source, seed: u64) -> Result<()> {
    let mut rng = Rng::substream(seed, CHOICE);
    // A scale that is there is kept: the weights were trained with it (as SAELens does on resuming).
    let unscaled = sae.borrow().config.normalize_activations == Normalization::ExpectedAverageOnlyIn && sae.borrow().input_scale == 1.0;
    if unscaled {
        let scale = input_scale(&source.pool(ROWS, &mut rng).x).await?;
        sae.borrow_mut().input_scale = scale;
    }
    let most = match recipe.b_dec_init {
        BDecInit::Keep => 0,
        BDecInit::Mean => ROWS,
        BDecInit::GeometricMedian => MEDIAN_ROWS,
    };
    let mut sae = sae.borrow_mut();
    if most > 0 {
        let rows: Rows = source.pool(most, &mut rng);
        let rows = decoder_rows(&batch(&sae, &rows));
        let b_dec = if recipe.b_dec_init == BDecInit::Mean { rows.mean_dim(0) } else { geometric_median(rows, 100) };
        let values = sae.architecture.parameters().into_iter().map(|p| if p.name == "b_dec" { b_dec.clone() } else { p.value });
        let values = values.collect();
        sae.architecture = sae.architecture.with_parameters(values);
    }
    if recipe.decoder_norm == DecoderNorm::Unit {
        sae.architecture = norm::with_unit_decoder(&sae.architecture);
    }
    Ok(())
}

/// SAELens's `expected_average_only_in`: `√d_in / mean ‖x‖`.
pub async fn input_scale(x: &Tensor<2>) -> Result<f64> {
    let [_, d_in] = x.dims();
    let norm = read(x.clone().square().sum_dim(1).sqrt().mean()).await?.data.first().copied().map_or(f64::NAN, f64::from);
    if norm > 0.0 && norm.is_finite() {
        return Ok((d_in as f64).sqrt() / norm);
    }
    Err(LabError::new(
        code::NOT_FINITE,
        format!("The activations have a mean norm of {norm}, so that they can't be scaled to √{d_in}."),
        "Look at the activations, or choose another normalizeActivations.",
    ))
}

/// The targets in the decoder's own units.
pub(super) fn decoder_rows(batch: &Batch) -> Tensor<2> {
    match &batch.denormalize {
        Some((scale, shift)) => (batch.target.clone() - shift.clone()) / scale.clone().clamp_min(1e-12),
        None => batch.target.clone(),
    }
}

/// The point `[1, width]` whose distances to the rows have the least sum, by Weiszfeld's iteration
/// from the mean, as in early SAELens: `m = Σ xᵢ/dᵢ / Σ 1/dᵢ` with `dᵢ = max(‖xᵢ − m‖, 1e-6)`. Always
/// so many iterations: when it has come to a stand, more of them change nothing.
pub fn geometric_median(rows: Tensor<2>, iterations: usize) -> Tensor<2> {
    let mut median = rows.clone().mean_dim(0);
    for _ in 0..iterations {
        let distances = (rows.clone() - median).square().sum_dim(1).sqrt().clamp_min(1e-6);
        let weights = distances.recip().transpose(); // [1, rows]
        median = product(Form::Plain, &weights, &rows) / weights.sum_dim(1);
    }
    median
}
