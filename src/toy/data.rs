//! Sparse features: each is 0, or with some probability a random value.

use crate::error::{LabError, Result};
use crate::rng::Rng;

/// The law of a feature that is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// N(0, 1): week 7's.
    Normal,
    /// U(0, 1): the Toy Models paper's.
    Uniform,
}

impl Values {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "normal" => Ok(Self::Normal),
            "uniform" => Ok(Self::Uniform),
            other => Err(LabError::setting("values", format!("{other:?}"), "\"normal\" or \"uniform\"")),
        }
    }

    /// Mean and second moment of an active feature.
    pub fn moments(self) -> (f64, f64) {
        match self {
            Self::Normal => (0.0, 1.0),
            Self::Uniform => (0.5, 1.0 / 3.0),
        }
    }

    fn draw(self, rng: &mut Rng) -> f64 {
        match self {
            Self::Normal => rng.normal(),
            Self::Uniform => rng.uniform(),
        }
    }
}

/// Fills `x` with independent features.
pub fn features(rng: &mut Rng, probability: f64, values: Values, x: &mut [f32]) {
    for x in x {
        *x = if rng.uniform() < probability { values.draw(rng) as f32 } else { 0.0 };
    }
}
