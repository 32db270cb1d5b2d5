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
use crate::kernels::levels::{prefixes, spans};
use crate::kernels::{Expr, Form, Source, compute_one};

pub struct Matryoshka {
    ranked: Ranked,
    selection: BatchSelection,
    /// Increasing; the last is `d_sae`.
    widths: Vec<usize>,
    aux_per_level: bool,
}

impl Matryoshka {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let (ranked, selection) = (Ranked::new(config, weights)?, BatchSelection::new(config, weights)?);
        Ok(Self { ranked, selection, widths: config.extras.matryoshka_widths.clone(), aux_per_level: config.extras.matryoshka_aux_loss })
    }

    fn with(&self, ranked: Ranked, selection: BatchSelection) -> Rc<dyn Architecture> {
        Rc::new(Self { ranked, selection, widths: self.widths.clone(), aux_per_level: self.aux_per_level })
    }

    /// The loss that only dead latents feel: its gradients with respect to the pre-activations and the decoder.
    fn revive(&self, batch: &Batch, selected: &Selected, residuals: &Tensor<2>, r: f64, tally: &mut Tally) -> Option<(Tensor<2>, Tensor<2>)> {
        let affine = &self.ranked.affine;
        let dead = batch.dead.as_ref()?;
        let Selected { pre, rank, .. } = selected;
        let [_, d_out] = affine.w_dec.dims();
        let residual = |level: usize| residuals.clone().narrow(1, level * d_out, d_out);
        if !self.aux_per_level || batch.aux_k == 0.0 {
            let Revived { d_pre, decoded, term } = dead::revive(affine, batch, pre, Some(rank), &residual(self.widths.len() - 1), r, tally)?;
            tally.add_squares(term);
            let d_w_dec = Source::product(Form::Outer, &decoded.0, &decoded.1);
            return Some((d_pre, compute_one(d_w_dec, affine.w_dec.dims(), Expr::sum(0))));
        }
        let (mut d_pre, mut d_w_dec) = (Vec::new(), Vec::new());
        let dead = dead.row(&tally.last);
        for (level, part) in spans(&self.widths).enumerate() {
            let columns = |t: &Tensor<2>| t.clone().narrow(1, part.start, part.len());
            let w_dec = affine.w_dec.clone().narrow(0, part.start, part.len());
            let revived = dead::auxiliary_top_k(&w_dec, batch, &Expr::from(columns(&dead)), &columns(pre), &columns(rank), &residual(level), r);
            tally.add_squares(revived.term);
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

    fn inner(&self) -> Vec<String> {
        self.widths[..self.widths.len() - 1].iter().map(|width| format!("inner_mse_loss_{width}")).collect()
    }

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let affine = &self.ranked.affine;
        let (rows, [d_sae, d_out]) = (batch.rows(), affine.w_dec.dims());
        let terms = Terms::new(batch, self.ranked.unit, d_out, d_sae);
        let x = batch.centred(affine);
        let selected = self.ranked.selected(&x, &self.selection.largest(rows));
        let Selected { features, bound, .. } = &selected;
        // `x̂_l − target`, and the sum of `∂y` over the level and all wider ones.
        let [residuals, d_y] = prefixes(features, &affine.w_dec, &self.widths, |sum| {
            let residual = batch.residual_of(sum + &affine.b_dec);
            let d_y = batch.d_output_of(&residual * terms.two_r());
            [residual, d_y]
        });
        let revived = self.revive(batch, &selected, &residuals, self.ranked.unit.factor(rows, d_out), tally);
        let ends: Rc<[usize]> = self.widths.clone().into();
        let active = Expr::from(features).greater(0.0);
        let back =
            Source::Leveled { form: Form::Transposed, a: d_y.clone(), b: affine.w_dec.clone(), ends: ends.clone(), only: Some(features.clone()) };
        let mut d_pre = Expr::sum(0) * &active;
        if let Some((more, _)) = &revived {
            d_pre = d_pre + more;
        }
        let d_pre = compute_one(back, [rows, d_sae], d_pre);
        // The first level's is the sum over all levels, each of which has b_dec.
        let sums = tally.errors(&residuals, &d_y, &terms, None).reshape([self.widths.len(), d_out]);
        let d_b_dec = Expr::rows(&sums, None, 0);
        let d_b_enc = tally.latents(active, [rows, d_sae], &terms, vec![Expr::from(&d_pre)], |sums| (None, sums)).into_iter().next();
        let mut gradients = affine.backward(Backward { x: &batch.x, centred: &x, decoded: Vec::new(), d_pre: &d_pre, d_b_enc, d_y: &d_y, d_b_dec });
        let d_w_dec = Source::Leveled { form: Form::Outer, a: features.clone(), b: d_y.clone(), ends, only: None };
        gradients.w_dec = Gradient::new(d_w_dec, [d_sae, d_out], move |_| match revived {
            Some((_, more)) => Expr::sum(0) + more,
            None => Expr::sum(0),
        });
        Learnt { gradients: gradients.into_vec(), buffers: vec![bound.clone()] }
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
