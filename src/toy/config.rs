//! What is trained: which of the two models, how large, on which data, how long.

use super::data::Values;
use crate::error::{LabError, Result, check_setting};

/// The two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Week 7's: ReLU on the hidden layer, a decoder of its own, a linear output.
    ReluHidden,
    /// "Toy Models of Superposition" (Elhage et al. 2022): tied weights, ReLU on the output.
    ReluOutput,
}

impl Kind {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "relu-hidden" => Ok(Self::ReluHidden),
            "relu-output" => Ok(Self::ReluOutput),
            other => Err(LabError::setting("model", format!("{other:?}"), "\"relu-hidden\" or \"relu-output\"")),
        }
    }
}

/// One instance is trained for each probability; all have the same shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub kind: Kind,
    pub n_features: usize,
    pub n_hidden: usize,
    /// How often a feature is not 0, in each instance.
    pub probabilities: Vec<f64>,
    /// Feature i counts `importance_decay`^i in the loss.
    pub importance_decay: f64,
    pub values: Values,
    pub batch_size: usize,
    pub steps: usize,
    pub lr: f64,
    pub seed: u64,
    /// Rows of the fresh sample that the final loss is measured on.
    pub eval_rows: usize,
}

impl Config {
    pub fn check(&self) -> Result<()> {
        check_size(self.n_features, self.n_hidden)?;
        let instances = self.probabilities.len();
        check_setting((1..=64).contains(&instances), "probabilities", format!("{instances} long"), "1 to 64 probabilities")?;
        for &p in &self.probabilities {
            check_probability("probabilities", p)?;
        }
        check_setting(
            self.importance_decay > 0.0 && self.importance_decay <= 1.0,
            "importanceDecay",
            self.importance_decay,
            "above 0 and at most 1",
        )?;
        check_setting(self.lr > 0.0 && self.lr.is_finite(), "lr", self.lr, "above 0")?;
        check_setting((1..=1_000_000).contains(&self.steps), "steps", self.steps, "from 1 to 1000000")?;
        check_rows("batchSize", self.batch_size, self.n_features)?;
        check_setting((1..=10_000_000).contains(&self.eval_rows), "evalRows", self.eval_rows, "from 1 to 10000000")
    }

    /// I_i of every feature.
    pub fn importance(&self) -> Vec<f64> {
        (0..self.n_features).map(|i| self.importance_decay.powi(i as i32)).collect()
    }
}

pub(super) fn check_size(n_features: usize, n_hidden: usize) -> Result<()> {
    check_setting((1..=4096).contains(&n_features), "nFeatures", n_features, "from 1 to 4096")?;
    check_setting((1..=4096).contains(&n_hidden), "nHidden", n_hidden, "from 1 to 4096")?;
    check_setting(n_features * n_hidden <= 1 << 18, "nFeatures · nHidden", n_features * n_hidden, "at most 262144")
}

pub(super) fn check_probability(name: &str, p: f64) -> Result<()> {
    check_setting(p > 0.0 && p <= 1.0, name, p, "above 0 and at most 1")
}

/// At most 64 MB of f32 in one matrix.
pub(super) fn check_rows(name: &str, rows: usize, width: usize) -> Result<()> {
    let most = (1 << 24) / width.max(1);
    check_setting((1..=most).contains(&rows), name, rows, &format!("from 1 to {most} for {width} numbers each"))
}
