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

use super::affine::Affine;
use super::architecture::{Architecture, Batch, Parameter, Saved, Step};
use super::config::{Config, Kind, Unit};
use super::dead;
use super::named::Named;
use crate::error::Result;
use crate::kernels::select::{Per, largest_positive};

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

    /// The step with the latents that `select` marks among the candidates; also those candidates'
    /// activations, 0 elsewhere.
    pub fn step(&self, batch: &Batch, select: impl FnOnce(&Tensor<2>) -> Tensor<2>) -> (Step, Tensor<2>) {
        let affine = &self.affine;
        let pre = affine.pre_activations(batch.x.clone());
        let rank = self.rank(pre.clone());
        let candidates = activation::relu(rank.clone());
        let mask = select(&candidates);
        let kept = candidates * mask.clone();
        let features = activation::relu(pre.clone()) * mask.clone();

        let residual = batch.residual(affine.output(features.clone(), &batch.x));
        let [rows, d_out] = residual.dims();
        let r = self.unit.factor(rows, d_out);
        let d_y = batch.d_output(residual.clone() * (2.0 * r));
        let mut d_pre = d_y.clone().matmul(affine.w_dec.clone().transpose()) * mask.clone();
        let revived = dead::revive(affine, batch, &pre, Some(&rank), &residual, r);
        if let Some(revived) = &revived {
            d_pre = d_pre + revived.d_pre.clone();
        }
        let mut gradients = affine.backward(&batch.x, features, d_pre, d_y);
        let mut extra = Vec::new();
        if let Some(revived) = revived {
            gradients.w_dec = gradients.w_dec + revived.d_w_dec;
            extra.push((revived.name.to_string(), revived.loss));
        }
        let recon = residual.square().sum() * r;
        let (sparsity, gradients) = (recon.zeros_like(), gradients.into_vec());
        (Step { recon, sparsity, extra, fired: mask.sum_dim(0), gradients, buffers: Vec::new() }, kept)
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

    fn step(&self, batch: &Batch) -> Step {
        self.ranked.step(batch, |candidates| largest_positive(candidates, self.k, Per::Row)).0
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
