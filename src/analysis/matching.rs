//! Which features of one SAE resemble which of another, by the direction they are decoded to.
//!
//! Feature numbers of different SAEs have nothing to do with each other, of the same recipe with another seed neither:
//! what can be compared is where they point. When one feature of a small SAE is the nearest of several of a larger one, it has split.

use burn::tensor::Tensor;
use serde::Serialize;

use super::strongest::{Strongest, check_k, strongest};
use crate::error::{LabError, Result, code};
use crate::kernels::{Form, product};
use crate::progress::{Checkpoint, Progress};
use crate::sae::{Inference, rows_per_pass};

/// Bars of the histogram from −1 to 1.
const BINS: usize = 40;

pub struct Matching {
    /// For each feature of `b` the features of `a` nearest to it and their cosines, `[d_sae of b, k]`, the nearest first.
    pub nearest: Strongest,
    pub histogram: Cosines,
}

impl Matching {
    /// The cosine of the nearest, for each feature of `b`.
    pub fn best(&self, k: usize) -> Vec<f32> {
        self.nearest.values.iter().copied().step_by(k.max(1)).collect()
    }
}

/// How many features of `b` have their nearest at which cosine: bin `i` is `edges[i] ≤ cosine < edges[i + 1]`, the last one closed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cosines {
    pub edges: Vec<f64>,
    pub counts: Vec<usize>,
}

impl Cosines {
    fn new(cosines: &[f32]) -> Self {
        let mut counts = vec![0; BINS];
        for &cosine in cosines {
            let bin = ((f64::from(cosine) + 1.0) / 2.0 * BINS as f64).floor().max(0.0) as usize;
            counts[bin.min(BINS - 1)] += 1;
        }
        Self { edges: (0..=BINS).map(|i| 2.0 * i as f64 / BINS as f64 - 1.0).collect(), counts }
    }
}

/// The `k` rows of `a`'s decoder nearest to each row of `b`'s.
pub async fn matching(a: &Inference, b: &Inference, k: usize, pause: &impl Checkpoint) -> Result<Matching> {
    if a.d_out() != b.d_out() {
        return Err(LabError::new(
            code::WIDTH_MISMATCH,
            format!("The first SAE writes {} dimensions and the second {}.", a.d_out(), b.d_out()),
            "Compare SAEs of the same model and hook.",
        ));
    }
    check_k(k, a.d_sae())?;
    let (theirs, ours) = (unit_rows(a.w_dec()), unit_rows(b.w_dec()));
    let (pass, total) = (rows_per_pass(a.d_sae()), b.d_sae());
    let mut nearest = Strongest::default();
    for start in (0..total).step_by(pass) {
        let rows = pass.min(total - start);
        let cosines = product(Form::Transposed, &ours.clone().narrow(0, start, rows), &theirs).clamp(-1.0, 1.0);
        nearest.read(strongest(cosines, k)).await?;
        pause.reached(Progress::Analyse { done: start + rows, total }).await?;
    }
    let mut found = Matching { nearest, histogram: Cosines::new(&[]) };
    found.histogram = Cosines::new(&found.best(k));
    Ok(found)
}

/// Rows of length 1; one without a length stays 0 and has the cosine 0 with everything.
pub fn unit_rows(rows: Tensor<2>) -> Tensor<2> {
    rows.clone() / rows.square().sum_dim(1).sqrt().clamp_min(1e-12)
}
