//! The step that the ReLU architectures share. With `h` and `y` of [`Affine`], `f = relu(h)`, `x̂` the
//! output in the target's units, `n_i = ‖W_dec[i]‖` (1 where the penalty is not weighted):
//!
//! loss `r Σ(x̂ − target)² + c·s Σ f_i n_i`, where `r` and `s` are the unit's factors;
//! `∂x̂ = 2r (x̂ − target)`, `∂f = ∂y W_decᵀ + c·s n`, `∂h = ∂f · 1[f > 0]`,
//! and through the weights of the penalty `∂W_dec[i] += c·s (Σ_b f_i) W_dec[i] / n_i`.

use burn::tensor::Tensor;

use super::affine::{Affine, AffineGradients, Backward};
use super::architecture::{Batch, Saved};
use super::config::{Kind, Unit};
use super::dead;
use super::learn::{Tally, Terms};
use crate::kernels::{Expr, Source, compute_one};

/// The L1 term's conventions.
#[derive(Debug, Clone, Copy)]
pub struct L1 {
    pub unit: Unit,
    /// Each latent weighs as much as its decoder row is long.
    pub weighted: bool,
}

/// What a tied SAE, which has one matrix, needs beside the gradients: the pairs whose products `∂W_dec` is, and what the penalty
/// multiplies each row of it by, `[1, d_sae]`.
pub struct Decoder {
    pub pairs: Vec<(Tensor<2>, Tensor<2>)>,
    pub pull: Option<Tensor<2>>,
}

/// The gradients; that of the decoder twice, once as what it is made of. The caller puts them into its parameters' order.
pub fn relu_step(affine: &Affine, batch: &Batch, l1: L1, tally: &mut Tally) -> (AffineGradients, Decoder) {
    let (rows, [d_sae, d_out]) = (batch.rows(), affine.w_dec.dims());
    let terms = Terms::new(batch, l1.unit, d_out, d_sae);
    let x = batch.centred(affine);
    let mut encoded = affine.encoded(&x, |h| if batch.revives() { vec![h.relu(), h] } else { vec![h.relu()] });
    let pre = if batch.revives() { encoded.pop() } else { None };
    let features = encoded.swap_remove(0);
    let [residual, d_y] = affine.errors(&features, batch, &terms);
    let r = l1.unit.factor(rows, d_out);
    let mut revived = pre.and_then(|pre| dead::revive(affine, batch, &pre, None, &residual, r, tally));

    let norms = l1.weighted.then(|| affine.decoder_norms());
    let active = Expr::from(&features).greater(0.0);
    let d_pre = affine.back(&d_y, Some(&features), |d_features| {
        let d_features = match &norms {
            Some(norms) => d_features + terms.c_s() * norms,
            None => d_features + terms.c_s(),
        };
        let d_pre = d_features * &active;
        vec![match &revived {
            Some(revived) => d_pre + &revived.d_pre,
            None => d_pre,
        }]
    });
    let d_pre = d_pre.into_iter().next().expect("one output");
    let other = revived.as_mut().and_then(|revived| revived.term.take());
    let d_b_dec = Expr::from(tally.errors(&residual, &d_y, &terms, other));
    let (f, summed) = (Expr::from(&features), affine.subtract_b_dec);
    let (pull, d_b_enc) = match &norms {
        Some(norms) => {
            let pull = tally.latents(active, [rows, d_sae], &terms, vec![f], |sums| {
                let pull = &sums[0] / Expr::from(norms).max(1e-12) * terms.c_s();
                (Some(&sums[0] * norms * terms.s()), vec![pull])
            });
            let of = || Source::Columns { rows, of: vec![Expr::from(&d_pre)] };
            (pull.into_iter().next(), summed.then(|| compute_one(of(), [1, d_sae], Expr::sum(0))))
        }
        None => {
            let more = if summed { vec![f, Expr::from(&d_pre)] } else { vec![f] };
            let d_b_enc = tally.latents(active, [rows, d_sae], &terms, more, |sums| (Some(&sums[0] * terms.s()), sums.into_iter().skip(1).collect()));
            (None, d_b_enc.into_iter().next())
        }
    };
    let decoded: Vec<_> = [(features, d_y.clone())].into_iter().chain(revived.map(|revived| revived.decoded)).collect();
    let decoder = Decoder { pairs: decoded.clone(), pull: pull.clone() };
    let mut gradients = affine.backward(Backward { x: &batch.x, centred: &x, decoded, d_pre: &d_pre, d_b_enc, d_y: &d_y, d_b_dec });
    if let Some(pull) = pull {
        gradients.w_dec = gradients.w_dec.and(move |g, w_dec| g + w_dec * pull.reshape([d_sae, 1]));
    }
    (gradients, decoder)
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
