//! Batch top-k (Bussmann et al. 2024), as SAELens 6.54 trains it: as [`super::topk`], but of the whole
//! batch's `relu(h)` the `⌊k · rows⌋` largest are kept, so that rows may have different numbers of latents.
//!
//! What a row gets would depend on its neighbours, so training follows the smallest value kept with a
//! running mean, `t ← (1 − lr) t + lr · min{f > 0}` (nothing kept, nothing changed; SAELens holds `t` in f64,
//! here it is f32), and an SAE in use is a JumpReLU with that threshold: `f = relu(h) · 1[h > t]`. Where
//! latents are rescaled, `t` is in units of `h_i ‖W_dec[i]‖`. SAELens's training class goes on selecting
//! per batch in `encode`; its saved SAE, which is a JumpReLU, has the threshold, as `encode` has here.
//! [`Architecture::encode_batch`] is the former.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::affine::Affine;
use super::architecture::{Architecture, Batch, Parameter, Saved};
use super::config::{Config, Kind};
use super::learn::{Learnt, Tally};
use super::named::Named;
use super::topk::{Largest, Ranked};
use crate::error::Result;
use crate::kernels::Expr;
use crate::kernels::select::{Counts, Per, TINY, largest_positive};

/// How many latents a batch keeps, and the running threshold that replaces the batch.
#[derive(Clone)]
pub struct BatchSelection {
    pub k: f64,
    pub lr: f64,
    /// `[1, 1]`
    pub threshold: Tensor<2>,
    counts: Counts,
}

impl BatchSelection {
    /// `topk_threshold` is there in a file of SAELens's training; without it the threshold is 0.
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let threshold = if weights.has("topk_threshold") {
            let tensor = weights.take("topk_threshold")?;
            let value = tensor.data.first().copied().filter(|_| tensor.data.len() == 1);
            value.map_or_else(|| tensor.expect_shape("topk_threshold", &[1]).map(|()| 0.0), Ok)?
        } else {
            0.0
        };
        let threshold = Tensor::full([1, 1], threshold, weights.device());
        Ok(Self { k: config.extras.k, lr: config.extras.topk_threshold_lr, threshold, counts: Counts::default() })
    }

    /// 1 for the batch's own largest candidates, else 0.
    pub fn of_batch(&self, candidates: &Tensor<2>) -> Tensor<2> {
        largest_positive(candidates, self.k_of(candidates.dims()[0]), Per::Matrix)
    }

    /// Candidates above the threshold, 0 elsewhere.
    pub fn above_threshold(&self, candidates: Tensor<2>) -> Tensor<2> {
        let above = candidates.clone().greater(self.threshold.clone());
        candidates * above.float()
    }

    /// The largest of a batch of so many rows, and the threshold after it: moved towards the smallest value kept, unless that is zero.
    pub fn largest(&self, rows: usize) -> Largest<'_> {
        let then = |smallest: Expr| {
            let threshold = Expr::from(&self.threshold);
            let towards = (&smallest - &threshold) * self.lr;
            threshold + towards * smallest.greater(TINY)
        };
        Largest { k: self.k_of(rows), per: Per::Matrix, then: Box::new(then), counts: self.counts.clone() }
    }

    fn k_of(&self, rows: usize) -> usize {
        (self.k * rows as f64) as usize
    }

    pub fn with(&self, threshold: Tensor<2>) -> Self {
        Self { threshold, ..self.clone() }
    }

    /// A JumpReLU, as SAELens saves it: norms folded, every latent with the same threshold.
    pub fn saved(&self, ranked: &Ranked) -> Saved {
        let mut tensors = ranked.saved();
        let value = self.threshold.clone() * ranked.affine.b_enc.ones_like();
        tensors.push(Parameter { name: "threshold", value });
        Saved { architecture: Kind::JumpRelu, apply_b_dec_to_input: ranked.affine.subtract_b_dec, rescale_acts_by_decoder_norm: false, tensors }
    }

    /// The threshold for inputs that are not multiplied by `scale` any more, whose decoder is divided by it.
    pub fn unscaled(&self, ranked: &Ranked, scale: f64) -> Self {
        self.with(if ranked.rescale { self.threshold.clone() / scale } else { self.threshold.clone() })
    }
}

/// `W_enc · scale`, `W_dec / scale`, `b_dec / scale`.
pub fn fold_scale(ranked: &Ranked, scale: f64) -> Ranked {
    let mut ranked = ranked.clone();
    ranked.affine.w_enc = ranked.affine.w_enc * scale;
    ranked.affine.w_dec = ranked.affine.w_dec / scale;
    ranked.affine.b_dec = ranked.affine.b_dec / scale;
    ranked
}

pub struct BatchTopK {
    ranked: Ranked,
    selection: BatchSelection,
}

impl BatchTopK {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        Ok(Self { ranked: Ranked::new(config, weights)?, selection: BatchSelection::new(config, weights)? })
    }
}

impl Architecture for BatchTopK {
    fn kind(&self) -> Kind {
        Kind::BatchTopK
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
        Rc::new(Self { ranked: self.ranked.with_parameters(parameters), selection: self.selection.clone() })
    }

    fn buffers(&self) -> Vec<Parameter> {
        vec![Parameter { name: "topk_threshold", value: self.selection.threshold.clone() }]
    }

    fn with_buffers(&self, buffers: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let Ok([threshold]) = <[_; 1]>::try_from(buffers) else { unreachable!("buffers come from BatchTopK::buffers") };
        Rc::new(Self { ranked: self.ranked.clone(), selection: self.selection.with(threshold) })
    }

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let (gradients, threshold) = self.ranked.learn(batch, &self.selection.largest(batch.rows()), tally);
        Learnt { gradients: gradients.into_vec(), buffers: vec![threshold] }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        self.ranked.affine.take(any)
    }

    fn with_scale_folded(&self, scale: f64) -> Rc<dyn Architecture> {
        Rc::new(Self { ranked: fold_scale(&self.ranked, scale), selection: self.selection.unscaled(&self.ranked, scale) })
    }

    fn saved(&self) -> Saved {
        self.selection.saved(&self.ranked)
    }
}
