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
use super::learn::{Other, Tally};
use crate::kernels::select::{Per, largest};
use crate::kernels::{Expr, Form, Numbers, Out, Source, compute, compute_one};

/// The gradients of a term of the loss that only dead latents feel.
pub struct Revived {
    /// With respect to the pre-activations.
    pub d_pre: Tensor<2>,
    /// With respect to the decoder: what was multiplied by it, and the gradient of that product.
    pub decoded: (Tensor<2>, Tensor<2>),
    /// The term of the loss, where it is not added up yet.
    pub term: Option<Other>,
}

/// SAELens's names of the terms.
pub const AUXILIARY: &str = "auxiliary_reconstruction_loss";
pub const GHOST: &str = "ghost_grad_loss";

/// What the batch asks for, if anything. `rank` is what the auxiliary top-k compares instead of `pre`;
/// `residual` is `e`; `r` is the reconstruction's factor in the loss.
pub fn revive(
    affine: &Affine,
    batch: &Batch,
    pre: &Tensor<2>,
    rank: Option<&Tensor<2>>,
    residual: &Tensor<2>,
    r: f64,
    tally: &mut Tally,
) -> Option<Revived> {
    let dead = batch.dead.as_ref()?;
    if batch.aux_k != 0.0 {
        Some(auxiliary_top_k(&affine.w_dec, batch, dead, pre, rank.unwrap_or(pre), residual, r))
    } else if batch.ghost {
        Some(ghost(&affine.w_dec, batch, dead, pre, residual, tally))
    } else {
        None
    }
}

/// The auxiliary top-k of some latents: all, or those of one level.
///
/// # Shapes
/// w_dec `[latents, d_out]`, dead `[1, latents]`, pre and rank `[rows, latents]`, residual `[rows, d_out]`
#[allow(clippy::too_many_arguments, reason = "each is a tensor of its own")]
pub fn auxiliary_top_k(
    w_dec: &Tensor<2>,
    batch: &Batch,
    dead: &Tensor<2>,
    pre: &Tensor<2>,
    rank: &Tensor<2>,
    residual: &Tensor<2>,
    r: f64,
) -> Revived {
    let ([rows, d_out], [_, latents]) = (residual.dims(), pre.dims());
    let k_aux = (batch.x.dims()[1] / 2).max(1);
    let mask = largest(rank, k_aux, Per::Row, Some(dead));
    let acts = compute_one(Source::Each, [rows, latents], Expr::from(pre) * &mask);
    let numbers = Numbers::new(vec![batch.aux_k * r, k_aux as f64]);
    let scale = (Expr::sum(0) / Expr::number(&numbers, 1)).min(1.0) * Expr::number(&numbers, 0);
    let scale = Expr::from(compute_one(Source::Rows { cols: latents, of: vec![Expr::from(dead)] }, [1, 1], scale));
    let error = batch.d_output_of(Expr::sum(0)) + residual;
    let d_recons = batch.d_output_of(&error * &scale * 2.0);
    let outs = vec![Out::New(error), Out::New(d_recons)];
    let Ok([error, d_recons]) = <[_; 2]>::try_from(compute(Source::product(Form::Plain, &acts, w_dec), [rows, d_out], outs)) else {
        unreachable!("two outputs")
    };
    let d_pre = Source::product_where(Form::Transposed, &d_recons, w_dec, &mask);
    let d_pre = compute_one(d_pre, [rows, latents], Expr::sum(0) * &mask);
    Revived { d_pre, decoded: (acts, d_recons), term: Some(Other { name: AUXILIARY, residual: error, factor: scale, d_y: None }) }
}

fn ghost(w_dec: &Tensor<2>, batch: &Batch, dead: &Tensor<2>, pre: &Tensor<2>, residual: &Tensor<2>, tally: &mut Tally) -> Revived {
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
    tally.add(GHOST, (squared * weight).sum_dim(0) * any);
    Revived { d_pre: d_out.clone().matmul(w_dec.clone().transpose()) * acts.clone(), decoded: (acts, d_out), term: None }
}
