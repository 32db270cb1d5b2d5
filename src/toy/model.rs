//! Both models on many rows: outputs, loss and gradient.

use super::config::Kind;
use super::pace::Pace;
use super::weights::Weights;
use super::{relu_hidden, relu_output};
use crate::error::{LabError, Result, code};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::HostTensor;

/// Space for one row on its way.
pub struct Row {
    pub hidden: Vec<f64>,
    pub out: Vec<f64>,
    d_hidden: Vec<f64>,
}

impl Weights {
    pub(super) fn row(&self) -> Row {
        Row { hidden: vec![0.0; self.n_hidden], out: vec![0.0; self.n_features], d_hidden: vec![0.0; self.n_hidden] }
    }

    /// About how many multiplications one row takes, drawing it and the gradient included.
    pub(super) fn work_per_row(&self) -> usize {
        8 * self.n_features + 4 * self.n_features * self.n_hidden
    }

    pub(super) fn forward(&self, x: &[f32], row: &mut Row) {
        match self.kind {
            Kind::ReluHidden => relu_hidden::forward(self, x, &mut row.hidden, &mut row.out),
            Kind::ReluOutput => relu_output::forward(self, x, &mut row.hidden, &mut row.out),
        }
    }

    /// Σ over rows and features of I_i (x_i − x̂_i)².
    pub(super) fn squared_error(&self, rows: &[f32], importance: &[f64], row: &mut Row) -> f64 {
        let mut sum = 0.0;
        for x in rows.chunks_exact(self.n_features) {
            self.forward(x, row);
            sum += row.out.iter().zip(x).zip(importance).map(|((out, &x), i)| i * (out - f64::from(x)).powi(2)).sum::<f64>();
        }
        sum
    }

    /// The same; adds to `gradient` that of `scale` times this sum.
    pub(super) fn backward(&self, rows: &[f32], importance: &[f64], scale: f64, gradient: &mut Weights, row: &mut Row) -> f64 {
        let mut sum = 0.0;
        for x in rows.chunks_exact(self.n_features) {
            self.forward(x, row);
            let Row { hidden, out, d_hidden } = &mut *row;
            for ((out, &x), i) in out.iter_mut().zip(x).zip(importance) {
                let error = *out - f64::from(x);
                sum += i * error * error;
                let passed = self.kind == Kind::ReluHidden || *out > 0.0;
                *out = if passed { 2.0 * scale * i * error } else { 0.0 };
            }
            match self.kind {
                Kind::ReluHidden => relu_hidden::backward(self, x, hidden, out, d_hidden, gradient),
                Kind::ReluOutput => relu_output::backward(self, x, hidden, out, d_hidden, gradient),
            }
        }
        sum
    }
}

/// The loss on `rows`, the mean over them and the features of I_i (x_i − x̂_i)², and its gradient.
pub fn loss_and_gradient(weights: &Weights, rows: &[f32], importance: &[f64]) -> (f64, Weights) {
    let mut gradient = Weights::zeros(weights.kind, weights.n_features, weights.n_hidden);
    let scale = 1.0 / rows.len().max(1) as f64;
    let sum = weights.backward(rows, importance, scale, &mut gradient, &mut weights.row());
    (scale * sum, gradient)
}

/// What a model makes of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstruction {
    /// `[rows, n_hidden]`
    pub hidden: HostTensor,
    /// `[rows, n_features]`
    pub outputs: HostTensor,
}

/// Runs `rows [rows, n_features]`, of any values.
pub async fn reconstruct(weights: &Weights, rows: &HostTensor, pause: &impl Checkpoint) -> Result<Reconstruction> {
    let (n_features, n_hidden) = (weights.n_features, weights.n_hidden);
    let [total, width] = rows.shape[..] else {
        return Err(LabError::setting("rows", format!("of shape {:?}", rows.shape), "a matrix, rows by features"));
    };
    if width != n_features {
        return Err(LabError::new(
            code::WIDTH_MISMATCH,
            format!("The rows have {width} features, but this model has {n_features}."),
            format!("Give rows of {n_features} numbers."),
        ));
    }
    let (mut row, mut pace) = (weights.row(), Pace::default());
    let (mut hidden, mut outputs) = (Vec::with_capacity(total * n_hidden), Vec::with_capacity(total * n_features));
    for (done, x) in rows.data.chunks_exact(n_features.max(1)).enumerate() {
        weights.forward(x, &mut row);
        hidden.extend(row.hidden.iter().map(|&v| v as f32));
        outputs.extend(row.out.iter().map(|&v| v as f32));
        pace.pay(weights.work_per_row(), || Progress::Analyse { done: done + 1, total }, pause).await?;
    }
    Ok(Reconstruction {
        hidden: HostTensor { data: hidden, shape: vec![total, n_hidden] },
        outputs: HostTensor { data: outputs, shape: vec![total, n_features] },
    })
}
