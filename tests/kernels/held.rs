//! What a kernel gave beside the truth.

use std::any::Any;

use burn::tensor::Tensor;
use sae_lab::Result;
use sae_lab::tensors::read;
use serde::Serialize;

/// Half the distance of 1 to the next f32: how far one rounded operation is off, relatively.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// How far a sum of `n` rounded products may be off, in whatever order they are added, relative to the sum of what they are without their signs
/// (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
pub fn sum_error(n: usize) -> f64 {
    let nu = (n as f64 + 1.0) * U;
    nu / (1.0 - nu)
}

/// How far WGSL lets `exp(x)` be off, relatively: 3 + 2 |x| units in the last place (WGSL, 15.7.4).
pub fn exp_error(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * 2.0 * U
}

/// WGSL's `inverseSqrt`: 2 units in the last place; its division: 2.5.
pub const ROOT_ERROR: f64 = 4.0 * U;
pub const DIVISION_ERROR: f64 = 5.0 * U;

/// A number that is right within `off`.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    pub is: f64,
    pub off: f64,
}

impl Near {
    pub fn exactly(is: impl Into<f64>) -> Self {
        Self { is: is.into(), off: 0.0 }
    }

    /// An element that must not be written: it was no number and stays none.
    pub const UNTOUCHED: Self = Self { is: f64::NAN, off: 0.0 };
}

/// The largest differences over all elements.
#[derive(Default, Serialize)]
pub struct Held {
    elements: usize,
    /// Of the error, in what is allowed: above 1 is wrong. An error where none is allowed counts as infinite.
    worst: f64,
    /// The largest error itself, and the largest true number.
    error: f64,
    magnitude: f64,
    /// Elements that are no number and should be one.
    unwritten: usize,
    /// Elements that were not to be written and are.
    overwritten: usize,
    /// The first wrong one.
    first: Option<String>,
    /// The outputs: as long as they are held, their buffers are given to nothing else, and what stands behind them can be looked at.
    #[serde(skip)]
    outputs: Vec<Box<dyn Any>>,
}

impl Held {
    /// `what` names the output.
    pub async fn against<const D: usize>(mut self, what: &str, got: Tensor<D>, truth: impl IntoIterator<Item = Near>) -> Result<Self> {
        self.outputs.push(Box::new(got.clone()));
        let got = read(got).await?.data;
        let mut truth = truth.into_iter();
        for (at, got) in got.iter().map(|&got| f64::from(got)).enumerate() {
            let Some(Near { is, off }) = truth.next() else {
                self.wrong(format!("{what} has {at} elements and should have fewer"));
                break;
            };
            self.elements += 1;
            let error = (got - is).abs();
            if is.is_nan() {
                self.overwritten += usize::from(!got.is_nan());
            } else if got.is_nan() {
                self.unwritten += 1;
            } else {
                self.error = self.error.max(error);
                self.magnitude = self.magnitude.max(is.abs());
                self.worst = self.worst.max(if error == 0.0 { 0.0 } else { error / off });
            }
            if is.is_nan() != got.is_nan() || error > off {
                self.wrong(format!("{what}[{at}] is {got:?} instead of {is:?} ± {off:e}"));
            }
        }
        if truth.next().is_some() {
            self.wrong(format!("{what} has {} elements and should have more", got.len()));
        }
        Ok(self)
    }

    fn wrong(&mut self, what: String) {
        self.first.get_or_insert(what);
    }
}
