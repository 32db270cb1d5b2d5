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

use burn::tensor::Tensor;

use super::affine::{Affine, Backward};
use super::architecture::{Architecture, Batch, Parameter, Saved};
use super::batchtopk::{BatchSelection, fold_scale};
use super::config::{Config, Kind};
use super::dead::{self, Revived};
use super::learn::{Gradient, Learnt, Tally, Terms};
use super::named::Named;
use super::topk::{Ranked, Selected};
use crate::error::Result;
use crate::kernels::{Expr, Form, Out, Source, compute, compute_one};

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
    /// Their activations, `[rows, count]`
    features: Tensor<2>,
    /// `x̂_l − target`, `[rows, d_out]`
    residual: Tensor<2>,
    /// `∂y_l`
    d_y: Tensor<2>,
}

impl Matryoshka {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let (ranked, selection) = (Ranked::new(config, weights)?, BatchSelection::new(config, weights)?);
        Ok(Self { ranked, selection, widths: config.extras.matryoshka_widths.clone(), aux_per_level: config.extras.matryoshka_aux_loss })
    }

    fn with(&self, ranked: Ranked, selection: BatchSelection) -> Rc<dyn Architecture> {
        Rc::new(Self { ranked, selection, widths: self.widths.clone(), aux_per_level: self.aux_per_level })
    }

    fn levels(&self, batch: &Batch, features: &Tensor<2>, terms: &Terms) -> Vec<Level> {
        let affine = &self.ranked.affine;
        let shape = [batch.rows(), affine.b_dec.dims()[1]];
        let mut decoded = affine.b_dec.clone();
        let mut start = 0;
        let mut levels = Vec::with_capacity(self.widths.len());
        for &width in &self.widths {
            let count = width - start;
            let features = features.clone().narrow(1, start, count);
            let source = Source::product(Form::Plain, &features, &affine.w_dec.clone().narrow(0, start, count));
            let y = Expr::sum(0) + &decoded;
            let residual = batch.residual_of(y.clone());
            let d_y = batch.d_output_of(&residual * terms.two_r());
            let outs = vec![Out::New(y), Out::New(residual), Out::New(d_y)];
            let Ok([y, residual, d_y]) = <[_; 3]>::try_from(compute(source, shape, outs)) else { unreachable!("three outputs") };
            levels.push(Level { start, count, features, residual, d_y });
            (decoded, start) = (y, width);
        }
        levels
    }

    /// The loss that only dead latents feel: its gradients with respect to the pre-activations and the decoder.
    fn revive(&self, batch: &Batch, selected: &Selected, levels: &[Level], r: f64, tally: &mut Tally) -> Option<(Tensor<2>, Tensor<2>)> {
        let affine = &self.ranked.affine;
        let dead = batch.dead.as_ref()?;
        let Selected { pre, rank, .. } = selected;
        if !self.aux_per_level || batch.aux_k == 0.0 {
            let Revived { d_pre, decoded } = dead::revive(affine, batch, pre, Some(rank), &levels.last()?.residual, r, tally)?;
            let d_w_dec = Source::product(Form::Outer, &decoded.0, &decoded.1);
            return Some((d_pre, compute_one(d_w_dec, affine.w_dec.dims(), Expr::sum(0))));
        }
        let (mut d_pre, mut d_w_dec) = (Vec::new(), Vec::new());
        for Level { start, count, residual, .. } in levels {
            let columns = |t: &Tensor<2>| t.clone().narrow(1, *start, *count);
            let w_dec = affine.w_dec.clone().narrow(0, *start, *count);
            let revived = dead::auxiliary_top_k(&w_dec, batch, &columns(dead), &columns(pre), &columns(rank), residual, r, tally);
            let (acts, d_recons) = revived.decoded;
            d_w_dec.push(compute_one(Source::product(Form::Outer, &acts, &d_recons), w_dec.dims(), Expr::sum(0)));
            d_pre.push(revived.d_pre);
        }
        Some((Tensor::cat(d_pre, 1), Tensor::cat(d_w_dec, 0)))
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

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let affine = &self.ranked.affine;
        let (rows, [d_sae, d_out]) = (batch.rows(), affine.w_dec.dims());
        let terms = Terms::new(batch, self.ranked.unit, d_out, d_sae);
        let x = affine.centred(batch.x.clone());
        let selected = self.ranked.selected(&x, |rank| self.selection.bound(rank));
        let levels = self.levels(batch, &selected.features, &terms);

        // From the widest level inwards, the gradients of what each level adds.
        let mut d_y = Tensor::zeros([rows, d_out], &x.device());
        let (mut d_features, mut d_w_dec) = (Vec::new(), Vec::new());
        for level in levels.iter().rev() {
            d_y = d_y + level.d_y.clone();
            let w_dec = affine.w_dec.clone().narrow(0, level.start, level.count);
            let back = Source::product_where(Form::Transposed, &d_y, &w_dec, &level.features);
            let active = Expr::from(&level.features).greater(0.0);
            d_features.push(compute_one(back, [rows, level.count], Expr::sum(0) * active));
            d_w_dec.push(compute_one(Source::product(Form::Outer, &level.features, &d_y), [level.count, d_out], Expr::sum(0)));
        }
        d_features.reverse();
        d_w_dec.reverse();
        let (mut d_pre, mut d_w_dec) = (Tensor::cat(d_features, 1), Tensor::cat(d_w_dec, 0));
        let r = self.ranked.unit.factor(rows, d_out);
        for (level, width) in levels.iter().zip(&self.widths).take(levels.len() - 1) {
            let squares = Source::Columns { rows, of: vec![Expr::from(&level.residual).square()] };
            tally.add(&format!("inner_mse_loss_{width}"), compute_one(squares, [1, d_out], Expr::sum(0) * terms.r()));
        }
        if let Some((more, decoder)) = self.revive(batch, &selected, &levels, r, tally) {
            (d_pre, d_w_dec) = (d_pre + more, d_w_dec + decoder);
        }
        // The last d_y is the sum over all levels, each of which has b_dec.
        let Selected { features, bound, .. } = &selected;
        let residual = levels.last().map_or_else(|| batch.residual(affine.b_dec.clone()), |level| level.residual.clone());
        let d_b_dec = tally.errors(&residual, &d_y, &terms);
        let active = Expr::from(features).greater(0.0);
        let d_b_enc = tally.latents(active, [rows, d_sae], &terms, vec![Expr::from(&d_pre)], |sums| (None, sums)).into_iter().next();
        let mut gradients = affine.backward(Backward { x: &batch.x, centred: &x, decoded: Vec::new(), d_pre: &d_pre, d_b_enc, d_y: &d_y, d_b_dec });
        gradients.w_dec = Gradient::from(d_w_dec);
        Learnt { gradients: gradients.into_vec(), buffers: vec![self.selection.moved(bound)] }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        self.ranked.affine.take(any)
    }

    fn with_scale_folded(&self, scale: f64) -> Rc<dyn Architecture> {
        self.with(fold_scale(&self.ranked, scale), self.selection.unscaled(&self.ranked, scale))
    }

    fn saved(&self) -> Saved {
        self.selection.saved(&self.ranked)
    }
}
