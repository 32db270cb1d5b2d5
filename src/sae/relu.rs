//! The step that the ReLU architectures share. With `h` and `y` of [`Affine`], `f = relu(h)`, `x̂` the
//! output in the target's units, `n_i = ‖W_dec[i]‖` (1 where the penalty is not weighted):
//!
//! loss `r Σ(x̂ − target)² + c·s Σ f_i n_i`, where `r` and `s` are the unit's factors;
//! `∂x̂ = 2r (x̂ − target)`, `∂f = ∂y W_decᵀ + c·s n`, `∂h = ∂f · 1[f > 0]`,
//! and through the weights of the penalty `∂W_dec[i] += c·s (Σ_b f_i) W_dec[i] / n_i`.

use burn::tensor::activation;

use super::affine::{Affine, AffineGradients};
use super::architecture::{Batch, Saved, Step};
use super::config::{Kind, Unit};
use super::dead;

/// The L1 term's conventions.
#[derive(Debug, Clone, Copy)]
pub struct L1 {
    pub unit: Unit,
    /// Each latent weighs as much as its decoder row is long.
    pub weighted: bool,
}

/// Loss terms and gradients; the caller puts the gradients into its parameters' order.
pub fn relu_step(affine: &Affine, batch: &Batch, l1: L1) -> (Step, AffineGradients) {
    let rows = batch.rows();
    let pre = affine.pre_activations(batch.x.clone());
    let [_, d_sae] = pre.dims();
    let features = activation::relu(pre.clone());
    let active = features.clone().sign();
    let residual = batch.residual(affine.output(features.clone(), &batch.x));
    let [_, d_out] = residual.dims();
    let (r, s) = (l1.unit.factor(rows, d_out), l1.unit.factor(rows, d_sae));

    let d_y = batch.d_output(residual.clone() * (2.0 * r));
    let mut d_features = d_y.clone().matmul(affine.w_dec.clone().transpose());
    let (sparsity, d_w_dec) = if l1.weighted {
        let norms = affine.decoder_norms();
        d_features = d_features + norms.clone() * (batch.coefficient * s);
        let sums = features.clone().sum_dim(0); // [1, d_sae]
        let pull = (sums.clone() / norms.clone().clamp_min(1e-12)).transpose() * (batch.coefficient * s);
        ((sums * norms).sum() * s, Some(affine.w_dec.clone() * pull))
    } else {
        d_features = d_features + batch.coefficient * s;
        (features.clone().sum() * s, None)
    };
    let mut d_pre = d_features * active.clone();
    let revived = dead::revive(affine, batch, &pre, None, &residual, r);
    if let Some(revived) = &revived {
        d_pre = d_pre + revived.d_pre.clone();
    }
    let mut gradients = affine.backward(&batch.x, features, d_pre, d_y);
    if let Some(more) = d_w_dec {
        gradients.w_dec = gradients.w_dec + more;
    }
    let mut extra = Vec::new();
    if let Some(revived) = revived {
        gradients.w_dec = gradients.w_dec + revived.d_w_dec;
        extra.push((revived.name.to_string(), revived.loss));
    }
    let recon = residual.square().sum() * r;
    (Step { recon, sparsity, extra, fired: active.sum_dim(0), gradients: Vec::new(), buffers: Vec::new() }, gradients)
}

/// SAELens knows the notebooks' SAEs as standard ones.
pub fn saved_as_standard(affine: &Affine) -> Saved {
    Saved {
        architecture: Kind::Standard,
        apply_b_dec_to_input: affine.subtract_b_dec,
        rescale_acts_by_decoder_norm: false,
        tensors: affine.parameters("b_enc"),
    }
}
