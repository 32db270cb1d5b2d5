//! A linear probe: logistic regression on activations, at scikit-learn's optimum.
//!
//! Minimises `Σ log(1 + exp(−y z)) + l2/2 ‖w‖²` with `z = ⟨w, x⟩ + b`, y = ±1 and the bias free: `LogisticRegression(C=1/l2)`. Newton's
//! steps by conjugate gradients, in f64 on the processor's own memory: a few thousand rows are no work for a GPU, and f32 would stop
//! where the probe's last digits begin.

mod solve;

use super::ROWS_PER_PASS;
use super::contrast::two_sides;
use super::passes::{select, texts_of};
use crate::activations::Activations;
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::read;
use solve::{Rows, solve};

/// Values of all rows: 64 MB.
const MOST_VALUES: usize = 1 << 24;

#[derive(Debug, Clone)]
pub struct ProbeSettings {
    /// Weight of the penalty, above 0: 1/C.
    pub l2: f64,
    /// Fit on dimensions of mean 0 and standard deviation 1, as after scikit-learn's `StandardScaler`.
    pub standardize: bool,
    /// Parts that are left out in turn; 0 for none.
    pub folds: usize,
    pub skip_position_0: bool,
}

/// A probe for activations as they are: the standardisation is part of its weights.
pub struct Probe {
    /// A row is positive where `⟨vector, x⟩ + bias > 0`.
    pub vector: Vec<f32>,
    pub bias: f64,
    pub norm: f64,
    /// Fraction of the rows it was fitted to that it gets right.
    pub accuracy: f64,
    /// Fraction of the rows that are right where their text was left out; `None` without folds.
    pub held_out: Option<f64>,
    /// The same for each fold.
    pub folds: Vec<f64>,
    pub positives: usize,
    pub negatives: usize,
}

/// Fits a probe to all rows, and one to all but each fold. Rows of one text are in one fold: next to each other they are nearly the
/// same. The n-th text of either side is in fold `n % folds`; there are no more folds than the smaller side has texts.
pub async fn probe(positive: &Activations, negative: &Activations, settings: &ProbeSettings, pause: &impl Checkpoint) -> Result<Probe> {
    check_setting(settings.l2 > 0.0 && settings.l2.is_finite(), "l2", settings.l2, "above 0")?;
    check_setting(settings.folds != 1 && settings.folds <= 100, "folds", settings.folds, "0, or from 2 to 100")?;
    let chosen = two_sides(positive, negative, settings.skip_position_0)?;
    let (n, width) = (chosen[0].len() + chosen[1].len(), positive.width());
    let most = MOST_VALUES / width;
    check_setting(n <= most, "rows", n, &format!("at most {most} for {width} dimensions"))?;

    let mut x = Vec::with_capacity(n * width);
    let mut texts = Vec::with_capacity(n);
    let mut n_texts = Vec::with_capacity(2);
    for (acts, rows) in [positive, negative].iter().zip(&chosen) {
        for part in rows.chunks(ROWS_PER_PASS) {
            x.extend(read(select(&acts.data, part)).await?.data);
            pause.reached(Progress::Analyse { done: 0, total: 1 + settings.folds }).await?;
        }
        let of = texts_of(acts, rows);
        n_texts.push(of.last().map_or(0, |last| *last as usize + 1));
        texts.extend(of);
    }
    let n_folds = Some(settings.folds.min(n_texts[0]).min(n_texts[1])).filter(|&n| n >= 2).unwrap_or(0);
    let total = 1 + n_folds;
    let data = Rows { x, width, positives: chosen[0].len() };

    let everyone: Vec<usize> = (0..n).collect();
    let fitted = solve(&data, &everyone, settings, Progress::Analyse { done: 0, total }, pause).await?;
    let mut folds = Vec::with_capacity(n_folds);
    let mut right_when_left_out = 0;
    for fold in 0..n_folds {
        let (out, kept): (Vec<usize>, Vec<usize>) = everyone.iter().copied().partition(|&i| texts[i] as usize % n_folds == fold);
        let fitted = solve(&data, &kept, settings, Progress::Analyse { done: 1 + fold, total }, pause).await?;
        let right = fitted.right(&data, &out);
        right_when_left_out += right;
        folds.push(right as f64 / out.len() as f64);
    }
    pause.reached(Progress::Analyse { done: total, total }).await?;
    Ok(Probe {
        norm: fitted.weights.iter().map(|w| w * w).sum::<f64>().sqrt(),
        vector: fitted.weights.iter().map(|&w| w as f32).collect(),
        bias: fitted.bias,
        accuracy: fitted.right(&data, &everyone) as f64 / n as f64,
        held_out: (n_folds > 0).then(|| right_when_left_out as f64 / n as f64),
        folds,
        positives: data.positives,
        negatives: n - data.positives,
    })
}
