//! What a training run is asked to do. The defaults are the notebooks': no clipping, no warm-up,
//! free decoder rows, no remedy for dead latents (but the top-k family's own).

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result, check_setting};
use crate::sae::Config;
use crate::sae::adam::AdamSettings;

/// How one SAE is trained, whatever its rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// The coefficient of the sparsity term, in the architecture's own unit.
    pub l1: f64,
    /// Steps in which the coefficient rises linearly from 0.
    pub l1_warm_up_steps: usize,
    #[serde(flatten)]
    pub adam: AdamSettings,
    pub lr_schedule: LrSchedule,
    /// Steps in which the rate rises linearly to `adam.lr`.
    pub lr_warm_up_steps: usize,
    /// Steps at the end in which the rate falls linearly to 0.
    pub lr_decay_steps: usize,
    /// Where the cosine ends; `None` for a tenth of `adam.lr`.
    pub lr_end: Option<f64>,
    /// All gradients together are made no longer than this.
    pub gradient_clip: Option<f64>,
    pub decoder_norm: DecoderNorm,
    pub b_dec_init: BDecInit,
    /// A latent that has not fired for more steps than this counts as dead.
    pub dead_window: usize,
    /// `None` for the architecture's own: `AuxK` for the top-k family, else `None`.
    pub remedy: Option<Remedy>,
    pub aux_k_coefficient: f64,
    /// Dead latents are resampled every so many steps.
    pub resample_every: usize,
    /// Length of a resampled encoder column over the mean of the alive ones'.
    pub resample_scale: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            l1: 5e-4,
            l1_warm_up_steps: 0,
            adam: AdamSettings { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
            lr_schedule: LrSchedule::Constant,
            lr_warm_up_steps: 0,
            lr_decay_steps: 0,
            lr_end: None,
            gradient_clip: None,
            decoder_norm: DecoderNorm::Free,
            b_dec_init: BDecInit::Keep,
            dead_window: 1000,
            remedy: None,
            aux_k_coefficient: 1.0,
            resample_every: 2500,
            resample_scale: 0.2,
        }
    }
}

/// What the rate does between warm-up and decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LrSchedule {
    Constant,
    /// Half a cosine from `adam.lr` down to `lr_end`.
    Cosine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderNorm {
    Free,
    /// Every decoder row is kept at length 1, and the part of its gradient along it is taken out
    /// (Towards Monosemanticity). Of a tied SAE these are the encoder's columns.
    Unit,
}

/// Where `b_dec` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BDecInit {
    Keep,
    Mean,
    GeometricMedian,
}

/// What is done about latents that no longer fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    None,
    /// They reconstruct the error (Gao et al. 2024).
    AuxK,
    /// They start anew from badly reconstructed rows (Bricken et al. 2023).
    Resample,
    /// Ghost gradients (Jermyn and Templeton 2024).
    Ghost,
}

impl Recipe {
    pub fn remedy(&self, config: &Config) -> Remedy {
        self.remedy.unwrap_or(if config.architecture.is_top_k() { Remedy::AuxK } else { Remedy::None })
    }

    /// `Err` where a setting is out of its range.
    pub fn check(&self) -> Result<()> {
        let AdamSettings { lr, beta1, beta2, eps } = self.adam;
        check_setting(lr > 0.0 && lr <= 10.0, "lr", lr, "above 0 and at most 10")?;
        check_setting((0.0..=1e6).contains(&self.l1), "l1", self.l1, "from 0 to 1000000")?;
        check_setting((0.0..1.0).contains(&beta1), "beta1", beta1, "from 0 to below 1")?;
        check_setting((0.0..1.0).contains(&beta2), "beta2", beta2, "from 0 to below 1")?;
        check_setting(eps > 0.0 && eps <= 1.0, "eps", eps, "above 0 and at most 1")?;
        if let Some(end) = self.lr_end {
            check_setting(end >= 0.0 && end <= lr, "lrEnd", end, &format!("from 0 to lr, {lr}"))?;
            let wasted = end == 0.0 && self.lr_decay_steps > 0 && self.lr_schedule == LrSchedule::Cosine;
            check_setting(!wasted, "lrDecaySteps", self.lr_decay_steps, "0 where the cosine already ends at lrEnd = 0")?;
        }
        if let Some(norm) = self.gradient_clip {
            check_setting(norm > 0.0 && norm.is_finite(), "gradientClip", norm, "above 0, or null for none")?;
        }
        check_setting(self.dead_window >= 1, "deadWindow", self.dead_window, "1 or more")?;
        check_setting((0.0..=1e6).contains(&self.aux_k_coefficient), "auxKCoefficient", self.aux_k_coefficient, "from 0 to 1000000")?;
        check_setting(self.resample_every >= 1, "resampleEvery", self.resample_every, "1 or more")?;
        check_setting(self.resample_scale > 0.0 && self.resample_scale <= 1e3, "resampleScale", self.resample_scale, "above 0 and at most 1000")
    }
}

/// A run over a data set in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSettings {
    /// Epochs of this run; one that an earlier run left unfinished is the first of them.
    pub epochs: usize,
    pub batch_size: usize,
    /// Fixes the shuffling, the held-out rows and the choice of rows for resampling.
    pub seed: u64,
    /// Rows in the order to take them, `epochs × rows` of them, instead of shuffling.
    pub order: Option<Vec<u32>>,
    /// Go on where the last run ended, in the middle of an epoch if need be: with the optimiser's
    /// moments, its counters and its randomness. Rows, seed and held-out fraction must be that run's: only
    /// the number of rows is compared.
    pub go_on: bool,
    /// Fraction of the rows, taken by whole sequences, that is kept out of training and measured.
    pub held_out: f64,
    pub recipe: Recipe,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self { epochs: 100, batch_size: 256, seed: 0, order: None, go_on: false, held_out: 0.0, recipe: Recipe::default() }
    }
}

pub const LARGEST_BATCH: usize = 1 << 20;

impl TrainSettings {
    pub(super) fn check(&self, rows: usize) -> Result<()> {
        check_setting((1..=1_000_000).contains(&self.epochs), "epochs", self.epochs, "from 1 to 1000000")?;
        check_setting((1..=LARGEST_BATCH).contains(&self.batch_size), "batchSize", self.batch_size, "from 1 to 1048576")?;
        check_setting((0.0..=0.9).contains(&self.held_out), "heldOut", self.held_out, "from 0 to 0.9")?;
        self.recipe.check()?;
        if let Some(order) = &self.order {
            check_setting(self.held_out == 0.0, "heldOut", self.held_out, "0 where the order of the rows is given")?;
            let wanted = self.epochs.saturating_mul(rows);
            check_setting(order.len() == wanted, "order", format!("{} long", order.len()), &format!("epochs × rows = {wanted} row numbers"))?;
            if let Some(row) = order.iter().find(|&&row| row as usize >= rows) {
                return Err(LabError::setting("order", format!("asking for row {row}"), &format!("below the {rows} rows")));
            }
        }
        Ok(())
    }
}
