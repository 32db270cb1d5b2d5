//! What a training has reached beside the weights, and its history.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::Tally;
use super::super::adam::Adam;
use super::dead_latents::Firing;
use super::rows::RowsPosition;
use super::settings::Recipe;
use super::stream::StreamPosition;
use crate::rng::Rng;

/// Everything that a later run needs to go on exactly where the last one stopped. It is replaced
/// between steps only, together with the weights.
#[derive(Clone)]
pub struct Optimizer {
    /// Of the last run.
    pub recipe: Recipe,
    pub adam: Adam,
    /// Steps taken since training was last started anew.
    pub steps: usize,
    /// Rows trained on, each as often as it was seen.
    pub rows: u64,
    /// Chooses rows for resampling.
    pub rng: Rng,
    /// After so many steps dead latents were last resampled.
    pub resampled_at: usize,
    pub firing: Firing,
    /// Of the entry under way.
    pub sums: Sums,
    /// Where in the data; `None` before the first step.
    pub position: Option<Position>,
}

/// Number of the stream of randomness that resampling draws from, beside the shuffling's 0.
const RESAMPLING: u64 = 1;

impl Optimizer {
    pub fn new(seed: u64, recipe: Recipe, d_sae: usize, device: &Device) -> Self {
        Self {
            recipe,
            adam: Adam::default(),
            steps: 0,
            rows: 0,
            rng: Rng::substream(seed, RESAMPLING),
            resampled_at: 0,
            firing: Firing::new(d_sae, device),
            sums: Sums::default(),
            position: None,
        }
    }

    /// The entry under way is over, after so many rows: what fired is counted, and the next begins.
    pub fn count(&mut self, rows: usize) {
        let sums = std::mem::take(&mut self.sums);
        self.firing.count(&sums.fired, rows, sums.steps);
    }
}

/// Where in its data a training stands.
#[derive(Clone)]
pub enum Position {
    Rows(RowsPosition),
    Stream(StreamPosition),
}

/// Sums over the steps of an entry, on the device. What nothing was added to yet is `None`. A term of the loss is kept as a row, whose
/// sum it is: of the reconstruction by output dimension, of the penalty by latent.
#[derive(Clone, Default)]
pub struct Sums {
    pub steps: usize,
    /// Of the last step.
    pub coefficient: f64,
    pub lr: f64,
    /// As in [`Tally::recon`].
    pub recon: Option<Tensor<2>>,
    /// `[1, d_sae]`
    pub sparsity: Option<Tensor<2>>,
    /// Further terms, each a row.
    pub extra: Vec<(String, Tensor<2>)>,
    /// What `coefficient · sparsity` is too large by, because the coefficient was another before:
    /// `Σ cᵢsᵢ = c_last · Σ sᵢ − Σ (cⱼ − cⱼ₋₁) · Σ_{i<j} sᵢ`, so that a constant one costs nothing. `[1, d_sae]`
    pub excess: Option<Tensor<2>>,
    /// In how many rows each latent was active, `[1, d_sae]`, by the batches' number of rows (an
    /// epoch's last batch has fewer).
    pub fired: Vec<(usize, Tensor<2>)>,
}

impl Sums {
    /// What a step over so many rows adds to: these sums, and `last` of [`Firing`], in whose place `any` stands. They come back with [`Sums::put`].
    pub fn take(&mut self, rows: usize, coefficient: f64, widths: [usize; 2], last: &mut Tensor<2>, any: &Tensor<2>) -> Tally {
        let device = last.device();
        if let Some(sparsity) = self.sparsity.as_ref().filter(|_| coefficient != self.coefficient && self.steps > 0) {
            let more = sparsity.clone() * (coefficient - self.coefficient);
            self.excess = Some(self.excess.take().map_or(more.clone(), |sum| sum + more));
        }
        let zeros = |n: usize| Tensor::zeros([1, n], &device);
        let [outputs, d_sae] = widths;
        let fired = match self.fired.iter().position(|(of, _)| *of == rows) {
            Some(at) => self.fired.swap_remove(at).1,
            None => zeros(d_sae),
        };
        let recon = self.recon.take().unwrap_or_else(|| zeros(outputs));
        let sparsity = self.sparsity.take().unwrap_or_else(|| zeros(d_sae));
        let last = std::mem::replace(last, any.clone());
        Tally { recon, sparsity, extra: std::mem::take(&mut self.extra), fired, last }
    }

    pub fn put(&mut self, tally: Tally, rows: usize, coefficient: f64, lr: f64, last: &mut Tensor<2>) {
        (self.recon, self.sparsity, self.extra, *last) = (Some(tally.recon), Some(tally.sparsity), tally.extra, tally.last);
        self.fired.push((rows, tally.fired));
        (self.steps, self.coefficient, self.lr) = (self.steps + 1, coefficient, lr);
    }

    /// The sums of the loss's terms, of an SAE with so many outputs: the reconstruction's, the penalty's, those of all others, and the excess.
    pub fn terms(&self, d_out: usize) -> [Option<Tensor<1>>; 4] {
        let sum = |term: &Option<Tensor<2>>| term.clone().map(Tensor::sum);
        let inner = self.recon.as_ref().map_or(0, |recon| recon.dims()[1] - d_out);
        let part = |start: usize, n: usize| self.recon.clone().filter(|_| n > 0).map(|recon| recon.narrow(1, start, n).sum());
        let extra = self.extra.iter().map(|(_, term)| term.clone().sum());
        let others = part(0, inner).into_iter().chain(extra).reduce(|sum, more| sum + more);
        [part(inner, d_out), sum(&self.sparsity), others, sum(&self.excess)]
    }
}

/// One entry of the history: an epoch, or so many steps of a stream. The loss terms are means over
/// its batches, each taken before its step and counted once (lab-c4's history).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// From 1, over all runs that went on.
    pub epoch: usize,
    /// `recon + coefficient × l1 + aux`
    pub total: f64,
    pub recon: f64,
    /// The sparsity term without its coefficient.
    pub l1: f64,
    /// Further terms, their coefficients included: auxiliary, ghost, inner reconstructions.
    pub aux: f64,
    /// Fraction of feature values above zero.
    pub frac_active: f64,
    /// Mean number of features above zero, per row.
    pub n_active: f64,
    /// Latents that have not fired for more than `deadWindow` steps.
    pub dead: usize,
    /// Optimiser steps taken so far.
    pub steps: usize,
    /// Rows trained on so far.
    pub rows: u64,
    /// At the entry's last step.
    pub lr: f64,
    pub coefficient: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub held_out: Option<HeldOutEntry>,
}

/// What the SAE makes of rows that it is not trained on, at the end of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldOutEntry {
    pub rows: usize,
    /// In the unit of the loss.
    pub recon: f64,
    /// `1 − Σ‖x̂ − x‖² / Σ‖x − mean x‖²`; `None` where all rows are the same.
    pub explained_variance: Option<f64>,
    /// Mean number of features above zero, per row.
    pub l0: f64,
}
