//! Matryoshka batch top-k (Bussmann et al. 2025), as SAELens 6.54 trains it: a batch top-k SAE of which every
//! prefix `f[:w] W_dec[:w] + b_dec` of a given width `w` reconstructs the target too,
//! loss `r Σ_levels Σ(x̂_level − target)²` (a plain sum; the widest level is the SAE itself).
//!
//! A latent feels the errors of its own level and of all wider ones: with `∂y_l = 2r (x̂_l − target)` and
//! `D_l = Σ_{m ≥ l} ∂y_m`, the latents that level `l` adds have `∂h = (D_l W_decᵀ) ⊙ m`,
//! `∂W_dec = gᵀ D_l`; `∂b_dec` gets `Σ_b D_0`.
//!
//! Dead latents reconstruct the error of the whole SAE, or, with `matryoshka_aux_loss`, those that a level
//! adds that of this level, each with its own `k_aux` and scale; those losses are added up. SAELens cannot
//! train this one with a row-wise normalisation; here each level's output is brought back as the widest one's.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::affine::Affine;
use super::architecture::{Architecture, Batch, Parameter, Saved, Step};
use super::batchtopk::{BatchSelection, fold_scale};
use super::config::{Config, Kind};
use super::dead::{self, Revived};
use super::named::Named;
use super::topk::Ranked;
use crate::error::Result;

pub struct Matryoshka {
    ranked: Ranked,
    selection: BatchSelection,
    /// Increasing; the last is `d_sae`.
    widths: Vec<usize>,
    aux_per_level: bool,
}

/// What is known of one level after the forward pass.
struct Level {
    /// The first latent that this level adds, and how many it adds.
    start: usize,
    count: usize,
    /// `x̂_l − target`, `[rows, d_out]`
    residual: Tensor<2>,
}

impl Matryoshka {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let (ranked, selection) = (Ranked::new(config, weights)?, BatchSelection::new(config, weights)?);
        Ok(Self { ranked, selection, widths: config.extras.matryoshka_widths.clone(), aux_per_level: config.extras.matryoshka_aux_loss })
    }

    fn with(&self, ranked: Ranked, selection: BatchSelection) -> Rc<dyn Architecture> {
        Rc::new(Self { ranked, selection, widths: self.widths.clone(), aux_per_level: self.aux_per_level })
    }

    fn levels(&self, batch: &Batch, features: &Tensor<2>) -> Vec<Level> {
        let affine = &self.ranked.affine;
        let mut decoded = affine.b_dec.clone();
        let mut start = 0;
        let mut levels = Vec::with_capacity(self.widths.len());
        for &width in &self.widths {
            let count = width - start;
            decoded = features.clone().narrow(1, start, count).matmul(affine.w_dec.clone().narrow(0, start, count)) + decoded;
            levels.push(Level { start, count, residual: batch.residual(decoded.clone()) });
            start = width;
        }
        levels
    }

    /// The loss that only dead latents feel.
    fn revive(&self, batch: &Batch, pre: &Tensor<2>, rank: &Tensor<2>, levels: &[Level], r: f64) -> Option<Revived> {
        let affine = &self.ranked.affine;
        let dead = batch.dead.as_ref()?;
        if !self.aux_per_level || batch.aux_k == 0.0 {
            return dead::revive(affine, batch, pre, Some(rank), &levels.last()?.residual, r);
        }
        let revived = levels.iter().map(|Level { start, count, residual }| {
            let columns = |t: &Tensor<2>| t.clone().narrow(1, *start, *count);
            let w_dec = affine.w_dec.clone().narrow(0, *start, *count);
            dead::auxiliary_top_k(&w_dec, batch, &columns(dead), &columns(pre), &columns(rank), residual, r)
        });
        let (mut losses, mut d_pre, mut d_w_dec) = (Vec::new(), Vec::new(), Vec::new());
        for level in revived {
            losses.push(level.loss);
            d_pre.push(level.d_pre);
            d_w_dec.push(level.d_w_dec);
        }
        Some(Revived {
            name: "auxiliary_reconstruction_loss",
            loss: Tensor::cat(losses, 0).sum(),
            d_pre: Tensor::cat(d_pre, 1),
            d_w_dec: Tensor::cat(d_w_dec, 0),
        })
    }
}

impl Architecture for Matryoshka {
    fn kind(&self) -> Kind {
        Kind::Matryoshka
    }

    fn affine(&self) -> &Affine {
        &self.ranked.affine
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        self.selection.above_threshold(self.ranked.candidates(x))
    }

    fn encode_batch(&self, x: Tensor<2>) -> Tensor<2> {
        let candidates = self.ranked.candidates(x);
        let mask = self.selection.of_batch(&candidates);
        candidates * mask
    }

    fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        self.ranked.decode(features)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.ranked.affine.parameters("b_enc")
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        self.with(self.ranked.with_parameters(parameters), self.selection.clone())
    }

    fn buffers(&self) -> Vec<Parameter> {
        vec![Parameter { name: "topk_threshold", value: self.selection.threshold.clone() }]
    }

    fn with_buffers(&self, buffers: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let Ok([threshold]) = <[_; 1]>::try_from(buffers) else { unreachable!("buffers come from Matryoshka::buffers") };
        self.with(self.ranked.clone(), self.selection.with(threshold))
    }

    fn step(&self, batch: &Batch) -> Step {
        let affine = &self.ranked.affine;
        let pre = affine.pre_activations(batch.x.clone());
        let rank = self.ranked.rank(pre.clone());
        let candidates = activation::relu(rank.clone());
        let mask = self.selection.of_batch(&candidates);
        let features = activation::relu(pre.clone()) * mask.clone();
        let levels = self.levels(batch, &features);
        let (rows, d_out) = (batch.rows(), affine.b_dec.dims()[1]);
        let r = self.ranked.unit.factor(rows, d_out);

        // From the widest level inwards, the gradients of what each level adds.
        let mut d_y = Tensor::zeros([rows, d_out], &pre.device());
        let (mut d_features, mut d_w_dec) = (Vec::new(), Vec::new());
        for Level { start, count, residual } in levels.iter().rev() {
            d_y = d_y + batch.d_output(residual.clone() * (2.0 * r));
            let w_dec = affine.w_dec.clone().narrow(0, *start, *count);
            d_features.insert(0, d_y.clone().matmul(w_dec.transpose()));
            d_w_dec.insert(0, features.clone().narrow(1, *start, *count).transpose().matmul(d_y.clone()));
        }
        let mut d_pre = Tensor::cat(d_features, 1) * mask.clone();
        let mut w_dec = Tensor::cat(d_w_dec, 0);
        let mut extra = Vec::new();
        for (level, width) in levels.iter().zip(&self.widths).take(levels.len() - 1) {
            extra.push((format!("inner_mse_loss_{width}"), level.residual.clone().square().sum() * r));
        }
        if let Some(revived) = self.revive(batch, &pre, &rank, &levels, r) {
            d_pre = d_pre + revived.d_pre;
            w_dec = w_dec + revived.d_w_dec;
            extra.push((revived.name.to_string(), revived.loss));
        }
        // The last d_y is the sum over all levels, each of which has b_dec.
        let gradients = affine.backward_with(&batch.x, w_dec, d_pre, d_y).into_vec();
        let outermost = levels.last().map_or_else(|| batch.residual(affine.b_dec.clone()), |level| level.residual.clone());
        let recon = outermost.square().sum() * r;
        let buffers = vec![self.selection.moved(candidates * mask.clone())];
        Step { sparsity: recon.zeros_like(), recon, extra, fired: mask.sum_dim(0), gradients, buffers }
    }

    fn with_scale_folded(&self, scale: f64) -> Rc<dyn Architecture> {
        self.with(fold_scale(&self.ranked, scale), self.selection.unscaled(&self.ranked, scale))
    }

    fn saved(&self) -> Saved {
        self.selection.saved(&self.ranked)
    }
}
