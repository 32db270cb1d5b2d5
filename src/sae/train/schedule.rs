//! The learning rate and the sparsity coefficient at each step, as SAELens 6.54 has them
//! (`training/optim.py`, which chains torch's `LinearLR`, `CosineAnnealingLR` and `LinearLR`).

use std::f64::consts::PI;

use super::settings::{LrSchedule, Recipe};
use crate::error::{Result, check_setting};

/// A recipe's schedules over the steps of a whole training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    kind: LrSchedule,
    lr: f64,
    lr_end: f64,
    warm_up: usize,
    decay: usize,
    /// Steps in all, those of earlier runs included.
    steps: usize,
    l1_warm_up: usize,
}

impl Schedule {
    /// `Err` when warm-up and decay are longer together than the training of `steps` steps.
    pub fn new(recipe: &Recipe, steps: usize) -> Result<Self> {
        let (warm_up, decay) = (recipe.lr_warm_up_steps, recipe.lr_decay_steps);
        let fits = warm_up.checked_add(decay).is_some_and(|n| n <= steps);
        check_setting(
            fits,
            if decay > warm_up { "lrDecaySteps" } else { "lrWarmUpSteps" },
            warm_up.max(decay),
            &format!("short enough that warm-up ({warm_up}) and decay ({decay}) fit into the training's {steps} steps"),
        )?;
        let lr = recipe.adam.lr;
        // A constant rate decays from itself, whatever lr_end is.
        let lr_end = match recipe.lr_schedule {
            LrSchedule::Constant => lr,
            LrSchedule::Cosine => recipe.lr_end.unwrap_or(lr / 10.0),
        };
        Ok(Self { kind: recipe.lr_schedule, lr, lr_end, warm_up, decay, steps, l1_warm_up: recipe.l1_warm_up_steps })
    }

    /// The rate in use at step `n`, from 0:
    ///
    /// - warm-up of w steps: `lr · (n + 1) / w`
    /// - cosine over `T = steps − w − d`: `end + (lr − end) · (1 + cos(π (n − w) / T)) / 2`
    /// - decay of d steps: `end · (1 − (n − (steps − d)) / d)`, whose last is `end / d`, not 0
    pub fn lr(&self, n: usize) -> f64 {
        let Self { kind, lr, lr_end, warm_up, decay, steps, .. } = *self;
        let decay_starts = steps.saturating_sub(decay);
        if n < warm_up {
            lr * (n + 1) as f64 / warm_up as f64
        } else if decay > 0 && n >= decay_starts {
            lr_end * (1.0 - (n - decay_starts).min(decay) as f64 / decay as f64)
        } else if kind == LrSchedule::Cosine {
            let length = decay_starts.saturating_sub(warm_up).max(1);
            let turned = (n - warm_up).min(length) as f64 / length as f64;
            lr_end + (lr - lr_end) * (1.0 + (PI * turned).cos()) / 2.0
        } else {
            lr
        }
    }

    /// The coefficient at step `n`, from 0: it rises linearly from 0 to `full`.
    pub fn coefficient(&self, full: f64, n: usize) -> f64 {
        if n < self.l1_warm_up { full * (n as f64 / self.l1_warm_up as f64) } else { full }
    }
}
