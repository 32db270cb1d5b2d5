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
use crate::kernels::select::{self, largest};
use crate::kernels::{Expr, Form, Numbers, Out, Source, compute, compute_one};

/// Which latents count as dead.
#[derive(Clone)]
pub enum Dead {
    /// Those with 1, not 0, in a row `[1, d_sae]`.
    These(Tensor<2>),
    /// Those that were last active before the step of this number, as [`Tally::last`] tells.
    LastBefore(usize),
}

impl Dead {
    /// 1 for each, else 0, of elements `[1, d_sae]`; `last` is [`Tally::last`].
    pub fn expr(&self, last: &Tensor<2>) -> Expr {
        match self {
            Self::These(dead) => Expr::from(dead),
            Self::LastBefore(step) => Expr::number(&Numbers::new(vec![*step as f64]), 0).greater(last),
        }
    }

    /// The same as a row `[1, d_sae]`.
    pub fn row(&self, last: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::These(dead) => dead.clone(),
            Self::LastBefore(_) => compute_one(Source::Each, last.dims(), self.expr(last)),
        }
    }
}

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
        Some(auxiliary_top_k(&affine.w_dec, batch, &dead.expr(&tally.last), pre, rank.unwrap_or(pre), residual, r))
    } else if batch.ghost {
        Some(ghost(&affine.w_dec, batch, &dead.expr(&tally.last), pre, residual, tally))
    } else {
        None
    }
}

/// The auxiliary top-k of some latents: all, or those of one level.
///
/// # Shapes
/// w_dec `[latents, d_out]`, dead of elements `[1, latents]`, pre and rank `[rows, latents]`, residual `[rows, d_out]`
#[allow(clippy::too_many_arguments, reason = "each is a tensor of its own")]
pub fn auxiliary_top_k(w_dec: &Tensor<2>, batch: &Batch, dead: &Expr, pre: &Tensor<2>, rank: &Tensor<2>, residual: &Tensor<2>, r: f64) -> Revived {
    let ([rows, d_out], [_, latents]) = (residual.dims(), pre.dims());
    let k_aux = (batch.x.dims()[1] / 2).max(1);
    let numbers = Numbers::new(vec![batch.aux_k * r, k_aux as f64]);
    let scale = |n_dead: Expr| (n_dead / Expr::number(&numbers, 1)).min(1.0) * Expr::number(&numbers, 0);
    let select::Largest { mask, values: acts, of_candidates: scale } = largest(rank, pre, k_aux, dead, scale);
    let scale = Expr::from(scale);
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

fn ghost(w_dec: &Tensor<2>, batch: &Batch, dead: &Expr, pre: &Tensor<2>, residual: &Tensor<2>, tally: &mut Tally) -> Revived {
    let ([rows, d_out], [_, latents]) = (residual.dims(), pre.dims());
    let mean = Numbers::new(vec![1.0 / (rows * d_out) as f64]);
    let any = Source::Rows { cols: latents, of: vec![dead.clone()] };
    let any = Expr::from(compute_one(any, [1, 1], Expr::sum(0).min(1.0) * Expr::number(&mean, 0)));
    // The others' pre-activations are left out before the exponential, where they could overflow.
    let acts = compute_one(Source::Each, [rows, latents], (Expr::from(pre) * dead).exp() * dead);
    let out = compute_one(Source::product(Form::Plain, &acts, w_dec), [rows, d_out], batch.d_output_of(Expr::sum(0)));
    let lengths = Source::Rows { cols: d_out, of: vec![Expr::from(residual).square(), Expr::from(&out).square()] };
    let shrink = Expr::from(compute_one(lengths, [rows, 1], Expr::sum(0).sqrt() / (Expr::sum(1).sqrt() * 2.0 + 1e-6)));
    let error = Expr::from(out) * &shrink + residual;
    let squared = error.square();
    let weight = Expr::from(residual).square() / (&squared + 1e-6);
    let d_out = compute_one(Source::Each, [rows, d_out], batch.d_output_of(error * &weight * (&any * 2.0) * shrink));
    tally.add_sums(GHOST, squared * weight, d_out.dims(), any);
    let d_pre = compute_one(Source::product(Form::Transposed, &d_out, w_dec), [rows, latents], Expr::sum(0) * &acts);
    Revived { d_pre, decoded: (acts, d_out), term: None }
}
