//! Losses that give dead latents a gradient: the auxiliary top-k, and ghost gradients. `e = x̂ − target`
//! is held constant in both, and neither needs to know on the host how many latents are dead.
//!
//! Auxiliary top-k (Gao et al. 2024, appendix A.2; here as SAELens 6.54 computes it): of the dead latents
//! those with the `k_aux = ⌊d_in/2⌋` largest pre-activations in each row, not rectified, reconstruct the
//! error: `ê = (h ⊙ mask) W_dec`, without `b_dec`,
//! loss `c · min(n_dead/k_aux, 1) · r Σ (ê + e)²`, with `r` as in the reconstruction's own loss.
//! Where an architecture multiplies `h` by the decoder's norms it divides by them again in decoding, so
//! the norms change who is selected, not `ê` or its gradient. OpenAI's own version divides by the error's
//! variance and has c = 1/32. SAELens refuses it together with a row-wise normalisation; here `ê` is brought
//! into the target's units as the output is (without the shift, which belongs to the output).
//!
//! Ghost gradients (Anthropic 2024, as SAELens 3.23 computed them): `g = exp(h)` of the dead latents,
//! `o = g W_dec`, brought to half the error's length by `c = ‖e‖ / (10⁻⁶ + 2‖o‖)`, and each
//! element's squared error brought to the reconstruction's: `w = e² / ((c·o + e)² + 10⁻⁶)`,
//! loss `mean(w (c·o + e)²)` with `c` and `w` constant: a mean over rows and dimensions, whatever the unit.
//! Where an element's errors nearly cancel, `w` magnifies rounding: two devices' gradients differ by up to 10⁻³.
//! With nothing dead SAELens reports `mean(e²)`, without a gradient; here it is 0.

use burn::tensor::Tensor;

use super::affine::Affine;
use super::architecture::Batch;
use crate::kernels::select::{Per, largest};

/// A term of the loss that only dead latents feel.
pub struct Revived {
    /// SAELens's name of the term.
    pub name: &'static str,
    pub loss: Tensor<1>,
    /// Its gradient with respect to the pre-activations and the decoder.
    pub d_pre: Tensor<2>,
    pub d_w_dec: Tensor<2>,
}

/// What the batch asks for, if anything. `rank` is what the auxiliary top-k compares instead of `pre`;
/// `residual` is `e`; `r` is the reconstruction's factor in the loss.
pub fn revive(affine: &Affine, batch: &Batch, pre: &Tensor<2>, rank: Option<&Tensor<2>>, residual: &Tensor<2>, r: f64) -> Option<Revived> {
    let dead = batch.dead.as_ref()?;
    if batch.aux_k != 0.0 {
        Some(auxiliary_top_k(&affine.w_dec, batch, dead, pre, rank.unwrap_or(pre), residual, r))
    } else if batch.ghost {
        Some(ghost(&affine.w_dec, batch, dead, pre, residual))
    } else {
        None
    }
}

/// The auxiliary top-k of some latents: all, or those of one level.
///
/// # Shapes
/// w_dec `[latents, d_out]`, dead `[1, latents]`, pre and rank `[rows, latents]`, residual `[rows, d_out]`
pub fn auxiliary_top_k(
    w_dec: &Tensor<2>,
    batch: &Batch,
    dead: &Tensor<2>,
    pre: &Tensor<2>,
    rank: &Tensor<2>,
    residual: &Tensor<2>,
    r: f64,
) -> Revived {
    let k_aux = (batch.x.dims()[1] / 2).max(1);
    let mask = largest(rank, k_aux, Per::Row, Some(dead));
    let acts = pre.clone() * mask.clone();
    let scale = (dead.clone().sum_dim(1) / k_aux as f64).clamp_max(1.0) * (batch.aux_k * r); // [1, 1]
    let recons = batch.d_output(acts.clone().matmul(w_dec.clone()));
    let error = recons + residual.clone();
    let d_recons = batch.d_output(error.clone() * (scale.clone() * 2.0));
    Revived {
        name: "auxiliary_reconstruction_loss",
        loss: error.square().sum() * scale.reshape([1]),
        d_pre: d_recons.clone().matmul(w_dec.clone().transpose()) * mask,
        d_w_dec: acts.transpose().matmul(d_recons),
    }
}

fn ghost(w_dec: &Tensor<2>, batch: &Batch, dead: &Tensor<2>, pre: &Tensor<2>, residual: &Tensor<2>) -> Revived {
    let [rows, d_out] = residual.dims();
    let any = dead.clone().sum_dim(1).clamp_max(1.0) / (rows * d_out) as f64; // [1, 1]
    let length = |t: Tensor<2>| t.square().sum_dim(1).sqrt();
    // The others' pre-activations are left out before the exponential, where they could overflow.
    let acts = (pre.clone() * dead.clone()).exp() * dead.clone();
    let out = batch.d_output(acts.clone().matmul(w_dec.clone()));
    let shrink = length(residual.clone()) / (length(out.clone()) * 2.0 + 1e-6); // [rows, 1]
    let error = out * shrink.clone() + residual.clone();
    let squared = error.clone().square();
    let weight = residual.clone().square() / (squared.clone() + 1e-6);
    let d_out = batch.d_output(error * weight.clone() * (any.clone() * 2.0) * shrink);
    Revived {
        name: "ghost_grad_loss",
        loss: (squared * weight).sum() * any.reshape([1]),
        d_pre: d_out.clone().matmul(w_dec.clone().transpose()) * acts.clone(),
        d_w_dec: acts.transpose().matmul(d_out),
    }
}
