//! Top-k (Gao et al. 2024), as SAELens 6.54 trains it: of `h = (x − b_dec) W_enc + b_enc` the `k` largest of
//! each row are kept and rectified, `x̂ = f W_dec + b_dec`, loss `r Σ(x̂ − target)²` and, where latents are
//! dead, the auxiliary top-k of [`super::dead`].
//!
//! With `rescale_acts_by_decoder_norm` latents are compared, and their activations given, as `h_i n_i` with
//! `n_i = ‖W_dec[i]‖`, and the decoder divides by `n_i` again. Selection apart, that cancels: with the mask
//! `m`, the output is `(relu(h) ⊙ m) W_dec + b_dec` either way, and so are its gradients; SAELens's
//! gradient through the norm in the pre-activations is minus the one through the norm in decoding.
//! With `g = relu(h) ⊙ m`, `∂y = 2r (x̂ − target)`: `∂h = (∂y W_decᵀ) ⊙ m`, `∂W_dec = gᵀ ∂y`.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::affine::{Affine, AffineGradients, Backward};
use super::architecture::{Architecture, Batch, Parameter, Saved};
use super::config::{Config, Kind, Unit};
use super::dead;
use super::learn::{Learnt, Tally, Terms};
use super::named::Named;
use crate::error::Result;
use crate::kernels::Expr;
use crate::kernels::select::{Counts, Per, kept, largest_positive};

/// What the top-k family shares.
#[derive(Clone)]
pub struct Ranked {
    pub affine: Affine,
    pub unit: Unit,
    /// Latents are compared by `h_i ‖W_dec[i]‖` instead of `h_i`.
    pub rescale: bool,
}

impl Ranked {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let affine = Affine::new(config, weights, "b_enc")?;
        Ok(Self { affine, unit: config.loss_unit, rescale: config.extras.rescale_acts_by_decoder_norm })
    }

    pub fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Self {
        Self { affine: self.affine.with_parameters(&mut parameters.into_iter()), ..self.clone() }
    }

    /// Pre-activations as they are compared, `[rows, d_sae]`.
    pub fn rank(&self, pre: Tensor<2>) -> Tensor<2> {
        if self.rescale { pre * self.affine.decoder_norms() } else { pre }
    }

    /// What is left of the latents to select from: `relu` of their rank for the input `x`.
    pub fn candidates(&self, x: Tensor<2>) -> Tensor<2> {
        activation::relu(self.rank(self.affine.pre_activations(x)))
    }

    /// The output from features in the units of [`Ranked::rank`].
    pub fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        let features = if self.rescale { features / self.affine.decoder_norms().clamp_min(1e-12) } else { features };
        self.affine.decode(features)
    }

    /// The gradients with the latents that `largest` names; also what it makes of their bound.
    pub fn learn(&self, batch: &Batch, largest: &Largest, tally: &mut Tally) -> (AffineGradients, Tensor<2>) {
        let affine = &self.affine;
        let (rows, [d_sae, d_out]) = (batch.rows(), affine.w_dec.dims());
        let terms = Terms::new(batch, self.unit, d_out, d_sae);
        let x = batch.centred(affine);
        let Selected { pre, rank, features, bound } = self.selected(&x, largest);
        let [residual, d_y] = affine.errors(&features, batch, &terms);
        let mut revived = dead::revive(affine, batch, &pre, Some(&rank), &residual, self.unit.factor(rows, d_out), tally);
        let active = Expr::from(&features).greater(0.0);
        let d_pre = affine.back(&d_y, Some(&features), |d_features| {
            let d_pre = d_features * &active;
            vec![match &revived {
                Some(revived) => d_pre + &revived.d_pre,
                None => d_pre,
            }]
        });
        let d_pre = d_pre.into_iter().next().expect("one output");
        let other = revived.as_mut().and_then(|revived| revived.term.take());
        let d_b_dec = Expr::from(tally.errors(&residual, &d_y, &terms, other));
        let d_b_enc = tally.latents(active, [rows, d_sae], &terms, vec![Expr::from(&d_pre)], |sums| (None, sums)).into_iter().next();
        let decoded = [(features, d_y.clone())].into_iter().chain(revived.map(|revived| revived.decoded)).collect();
        let gradients = affine.backward(Backward { x: &batch.x, centred: &x, decoded, d_pre: &d_pre, d_b_enc, d_y: &d_y, d_b_dec });
        (gradients, bound)
    }

    /// What is selected from a batch of centred rows.
    pub fn selected(&self, centred: &Tensor<2>, largest: &Largest) -> Selected {
        let norms = self.rescale.then(|| self.affine.decoder_norms());
        let mut encoded = self.affine.encoded(centred, |pre| match &norms {
            Some(norms) => vec![&pre * norms, pre],
            None => vec![pre],
        });
        let rank = encoded.swap_remove(0);
        let pre = encoded.pop().unwrap_or_else(|| rank.clone());
        let (features, bound) = kept(&rank, &pre, largest.k, largest.per, &largest.then, &largest.counts);
        Selected { pre, rank, features, bound }
    }

    /// The tensors as SAELens saves them: with `rescale` the norms moved from the decoder into the encoder.
    pub fn saved(&self) -> Vec<Parameter> {
        let mut affine = self.affine.clone();
        if self.rescale {
            let norms = affine.decoder_norms().clamp_min(1e-8);
            affine.w_enc = affine.w_enc * norms.clone();
            affine.b_enc = affine.b_enc * norms.clone();
            affine.w_dec = affine.w_dec / norms.transpose();
        }
        affine.parameters("b_enc")
    }
}

/// A batch's latents, `[rows, d_sae]` each.
pub struct Selected {
    pub pre: Tensor<2>,
    /// What they are compared by.
    pub rank: Tensor<2>,
    /// What is decoded.
    pub features: Tensor<2>,
    /// What [`Largest::then`] makes of it, `[rows or 1, 1]`.
    pub bound: Tensor<2>,
}

/// Which latents of a batch are selected, and what is made of the least rank among them.
pub struct Largest<'a> {
    pub k: usize,
    pub per: Per,
    pub then: Box<dyn Fn(Expr) -> Expr + 'a>,
    pub counts: Counts,
}

pub struct TopK {
    ranked: Ranked,
    k: usize,
}

impl TopK {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        Ok(Self { ranked: Ranked::new(config, weights)?, k: config.extras.k as usize })
    }
}

impl Architecture for TopK {
    fn kind(&self) -> Kind {
        Kind::TopK
    }

    fn affine(&self) -> &Affine {
        &self.ranked.affine
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        let candidates = self.ranked.candidates(x);
        let mask = largest_positive(&candidates, self.k, Per::Row);
        candidates * mask
    }

    fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        self.ranked.decode(features)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.ranked.affine.parameters("b_enc")
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        Rc::new(Self { ranked: self.ranked.with_parameters(parameters), k: self.k })
    }

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let largest = Largest { k: self.k, per: Per::Row, then: Box::new(|least| least), counts: Counts::default() };
        let (gradients, _) = self.ranked.learn(batch, &largest, tally);
        Learnt { gradients: gradients.into_vec(), buffers: Vec::new() }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        self.ranked.affine.take(any)
    }

    /// SAELens leaves the switch on: rows of norm 1 change nothing.
    fn saved(&self) -> Saved {
        Saved {
            architecture: Kind::TopK,
            apply_b_dec_to_input: self.ranked.affine.subtract_b_dec,
            rescale_acts_by_decoder_norm: self.ranked.rescale,
            tensors: self.ranked.saved(),
        }
    }
}
