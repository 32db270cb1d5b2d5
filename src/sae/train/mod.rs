//! The training loop: Adam over shuffled mini-batches, one reading from the device per epoch.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::Tensor;
use serde::Serialize;

use super::adam::{Adam, AdamSettings};
use super::{Architecture, Batch, Sae, check_width};
use crate::error::{LabError, Result, check_setting, code};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::tensors::{read, upload_indices};

#[derive(Debug, Clone)]
pub struct TrainSettings {
    pub epochs: usize,
    pub batch_size: usize,
    /// The L1 coefficient, in the architecture's own unit.
    pub l1: f64,
    pub adam: AdamSettings,
    /// Fixes the shuffling.
    pub seed: u64,
    /// Rows in the order to take them, `epochs × rows` of them, instead of shuffling.
    pub order: Option<Vec<u32>>,
    /// Go on with the optimiser's moments, epoch count and shuffling of the last run.
    pub go_on: bool,
}

impl TrainSettings {
    fn check(&self, rows: usize) -> Result<()> {
        let AdamSettings { lr, beta1, beta2, eps } = self.adam;
        check_setting((1..=1_000_000).contains(&self.epochs), "epochs", self.epochs, "from 1 to 1000000")?;
        check_setting((1..=1 << 20).contains(&self.batch_size), "batchSize", self.batch_size, "from 1 to 1048576")?;
        check_setting(lr > 0.0 && lr <= 10.0, "lr", lr, "above 0 and at most 10")?;
        check_setting((0.0..=1e6).contains(&self.l1), "l1", self.l1, "from 0 to 1000000")?;
        check_setting((0.0..1.0).contains(&beta1), "beta1", beta1, "from 0 to below 1")?;
        check_setting((0.0..1.0).contains(&beta2), "beta2", beta2, "from 0 to below 1")?;
        check_setting(eps > 0.0 && eps <= 1.0, "eps", eps, "above 0 and at most 1")?;
        if let Some(order) = &self.order {
            let wanted = self.epochs.saturating_mul(rows);
            check_setting(order.len() == wanted, "order", format!("{} long", order.len()), &format!("epochs × rows = {wanted} row numbers"))?;
            if let Some(row) = order.iter().find(|&&row| row as usize >= rows) {
                return Err(LabError::setting("order", format!("asking for row {row}"), &format!("below the {rows} rows")));
            }
        }
        Ok(())
    }
}

/// Means over an epoch's batches, each taken before its step and counted once (lab-c4's history).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochStats {
    /// From 1, over all runs that went on.
    pub epoch: usize,
    /// `recon + coefficient × l1`
    pub total: f64,
    pub recon: f64,
    /// Mean feature activation, without the coefficient.
    pub l1: f64,
    /// Fraction of feature values above zero.
    pub frac_active: f64,
    /// Mean number of features above zero, per row.
    pub n_active: f64,
    /// Optimiser steps taken so far.
    pub steps: usize,
}

/// Adam's moments, the stream of the shuffling, and the steps taken.
#[derive(Clone)]
pub struct Optimizer {
    pub adam: Adam,
    pub rng: Rng,
    pub steps: usize,
}

/// Clears the mark of a running training however the run ends, a dropped future included.
struct Running<'a>(&'a RefCell<Sae>);

impl<'a> Running<'a> {
    fn start(sae: &'a RefCell<Sae>) -> Result<Self> {
        if std::mem::replace(&mut sae.borrow_mut().training, true) {
            return Err(LabError::new(code::BUSY, "This SAE is being trained already.", "Stop that run first, or wait for its end."));
        }
        Ok(Self(sae))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().training = false;
    }
}

/// Trains on `data` `[rows, d_in]`; returns this run's history. Cancelled, the SAE keeps the last
/// step's weights; when the loss or a weight is no number any more, those from before that epoch. A
/// later run can go on from there. The SAE is borrowed between steps only: it can be used meanwhile.
pub async fn train(sae: &RefCell<Sae>, data: &Tensor<2>, settings: &TrainSettings, pause: &impl Checkpoint) -> Result<Vec<EpochStats>> {
    let [rows, width] = data.dims();
    settings.check(rows)?;
    check_width(width, sae.borrow().config.d_in)?;
    let _running = Running::start(sae)?;
    let optimizer = sae.borrow().optimizer.clone().filter(|_| settings.go_on);
    let mut optimizer = optimizer.unwrap_or_else(|| Optimizer { adam: Adam::default(), rng: Rng::new(settings.seed), steps: 0 });
    if !settings.go_on {
        sae.borrow_mut().history.clear();
    }
    let first = sae.borrow().history.len();
    let result = epochs(sae, data, settings, &mut optimizer, pause).await;
    sae.borrow_mut().optimizer = Some(optimizer);
    result.map(|()| sae.borrow().history[first..].to_vec())
}

async fn epochs(sae: &RefCell<Sae>, data: &Tensor<2>, settings: &TrainSettings, optimizer: &mut Optimizer, pause: &impl Checkpoint) -> Result<()> {
    let [rows, _] = data.dims();
    let batches = rows.div_ceil(settings.batch_size);
    let total = settings.epochs.saturating_mul(batches);
    let mut done = 0;
    for epoch in 0..settings.epochs {
        let before = (sae.borrow().architecture.clone(), optimizer.clone());
        let number = sae.borrow().history.len() + 1;
        let order = match &settings.order {
            Some(order) => order[epoch * rows..(epoch + 1) * rows].to_vec(),
            None => optimizer.rng.permutation(rows),
        };
        let order = upload_indices(&order, [rows], &data.device());
        let mut sums = Tensor::zeros([3], &data.device());
        let mut stopped = Ok(());
        for batch in 0..batches {
            let start = batch * settings.batch_size;
            let indices = order.clone().narrow(0, start, settings.batch_size.min(rows - start));
            sums = sums + one_step(sae, data.clone().select(0, indices), settings, &mut optimizer.adam);
            optimizer.steps += 1;
            done += 1;
            if batch + 1 < batches {
                stopped = pause.reached(Progress::Train { done, total, epoch: number, entry: None }).await;
                if stopped.is_err() {
                    break;
                }
            }
        }
        // The one reading of an epoch. The weights' sum is finite unless one of them is not.
        let weights = sae.borrow().architecture.parameters().into_iter().map(|p| p.value.sum());
        let sums = read(Tensor::cat([sums].into_iter().chain(weights).collect(), 0)).await?.data;
        if sums.iter().any(|x| !x.is_finite()) {
            let steps = optimizer.steps;
            sae.borrow_mut().architecture = before.0;
            *optimizer = before.1;
            return Err(LabError::new(
                code::NOT_FINITE,
                format!("Within {steps} steps the loss or a weight was no number any more; the SAE keeps its weights from before that epoch."),
                "Lower the learning rate or the L1 coefficient.",
            ));
        }
        stopped?;
        let entry = summary(&sums, batches, settings, sae.borrow().config.d_sae, number, optimizer.steps);
        sae.borrow_mut().history.push(entry.clone());
        sae.borrow_mut().optimizer = Some(optimizer.clone());
        pause.reached(Progress::Train { done, total, epoch: number, entry: Some(entry) }).await?;
    }
    Ok(())
}

/// One optimiser step; the batch's `[recon, l1, n_active]` stay on the device.
fn one_step(sae: &RefCell<Sae>, x: Tensor<2>, settings: &TrainSettings, adam: &mut Adam) -> Tensor<1> {
    let architecture: Rc<dyn Architecture> = sae.borrow().architecture.clone();
    let rows = x.dims()[0] as f64;
    let step = architecture.step(&Batch::new(x, settings.l1));
    let parameters = architecture.parameters().into_iter().map(|p| p.value).collect();
    let moved = adam.step(parameters, step.gradients, &settings.adam);
    sae.borrow_mut().architecture = architecture.with_parameters(moved);
    Tensor::cat(vec![step.recon, step.sparsity, step.fired.sum() / rows], 0)
}

fn summary(sums: &[f32], batches: usize, settings: &TrainSettings, d_sae: usize, epoch: usize, steps: usize) -> EpochStats {
    let mean = |i: usize| f64::from(sums[i]) / batches as f64;
    let (recon, l1, n_active) = (mean(0), mean(1), mean(2));
    EpochStats { epoch, total: recon + settings.l1 * l1, recon, l1, frac_active: n_active / d_sae as f64, n_active, steps }
}
