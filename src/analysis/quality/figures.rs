//! From the numbers of each row to the figures of all, in f64.

use serde::Serialize;

use crate::analysis::density::Latents;

/// Numbers read back for each row: L0, L1, ‖x̂ − x‖², ‖x‖², ‖x̂‖², ⟨x, x̂⟩, ‖x − x̄‖² for the mean of all
/// rows and for that of the rows after position 0, ‖x̂ − x − c‖² for a typical error c of its group.
pub const PER_ROW: usize = 9;
pub type Row = [f32; PER_ROW];

/// Figures over some rows, where x is a row (a transcoder's target), x̂ what the SAE makes of it, f its
/// features. In brackets SAELens's name, where it has one; SAELens averages `evLegacy` and
/// `relativeReconstructionBias` over its batches, here each is one figure over all rows.
///
/// What needs how many **distinct** rows: means over rows are as good as their number; with fewer rows
/// than dimensions every explained variance flatters an SAE that was trained on them; dead latents and
/// densities, see [`Latents`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub rows: usize,
    /// Rows that differ: the same prefix of tokens always gives the same row.
    pub distinct_rows: usize,
    /// Mean number of active features [`l0`], and as a fraction of all.
    pub l0: f64,
    pub frac_active: f64,
    /// Mean of Σ f [`l1`].
    pub l1: f64,
    /// Mean of ‖x̂ − x‖² [`mse`, since SAELens's PR 711].
    pub mse: f64,
    /// The notebooks' MSE: also a mean over dimensions.
    pub mean_mse: f64,
    /// Mean of cos(x, x̂) [`cossim`]; 0 where either has no length.
    pub cosine: f64,
    /// Mean of ‖x̂‖/‖x‖ [`l2_ratio`]: below 1 the SAE shrinks.
    pub norm_ratio: f64,
    /// Means of ‖x‖ and ‖x̂‖ [`l2_norm_in`, `l2_norm_out`].
    pub norm_in: f64,
    pub norm_out: f64,
    /// E‖x̂‖² / E⟨x, x̂⟩ [`relative_reconstruction_bias`]; 1 without shrinkage.
    pub relative_reconstruction_bias: Option<f64>,
    /// 1 − Σ‖x̂ − x‖² / Σ‖x − x̄‖² with a mean x̄ per dimension [`explained_variance`]. The right one:
    /// 0 is what the mean row alone explains, 1 is perfect. `None`, as the others, where rows do not vary.
    pub ev_per_dimension: Option<f64>,
    /// Mean over rows of 1 − ‖x̂ − x‖²/‖x − x̄‖² [`explained_variance_legacy`; SAEBench's paper]. A mean of
    /// ratios: rows near the mean, with little to explain, count as much as all others, and mostly lower it.
    pub ev_legacy: Option<f64>,
    /// 1 − Σ_d var(x − x̂)_d / Σ_d var(x)_d (dictionary_learning). A constant error is forgiven, because the
    /// variance of the error does not see its mean: never below `ev_per_dimension`.
    pub ev_dictionary_learning: Option<f64>,
    /// 1 − mean((x − x̂)²) / var(all elements), unbiased (chapter 9, week 7). One mean for all dimensions:
    /// the spread between the dimensions' means counts as variance explained. Higher, by position 0 above all.
    pub ev_global: Option<f64>,
    /// Latents never active on these rows.
    pub dead_latents: usize,
    /// Latents active on more than a tenth of them ([`super::DENSE_ABOVE`]).
    pub dense_latents: usize,
}

/// `mean` is that of these rows, from which `centred` is the column of squared distances; `error_spread` is that of x̂ − x.
pub fn figures(rows: &[Row], centred: usize, mean: &[f32], error_spread: f64, latents: &Latents, distinct_rows: usize) -> Figures {
    let (n, d, d_sae) = (rows.len() as f64, mean.len() as f64, latents.fired.len() as f64);
    let sum = |value: &dyn Fn(&Row) -> f64| rows.iter().map(value).sum::<f64>();
    let column = |i: usize| sum(&|row| f64::from(row[i]));
    let norm = |row: &Row, i: usize| f64::from(row[i]).max(0.0).sqrt();
    let (error, variation) = (column(2), column(centred));
    // Σ over all elements of their squared distance from the one mean over all of them.
    let mean_of_means = mean.iter().map(|&m| f64::from(m)).sum::<f64>() / d;
    let between: f64 = mean.iter().map(|&m| (f64::from(m) - mean_of_means).powi(2)).sum();
    let global = (variation + n * between) / (n * d - 1.0);
    let explained = |unexplained: f64, whole: f64| (whole > 0.0).then(|| 1.0 - unexplained / whole);

    let varying: Vec<&Row> = rows.iter().filter(|row| row[centred] > 0.0).collect();
    let legacy: f64 = varying.iter().map(|row| 1.0 - f64::from(row[2]) / f64::from(row[centred])).sum();
    let (out, along) = (column(4), column(5));
    Figures {
        rows: rows.len(),
        distinct_rows,
        l0: column(0) / n,
        frac_active: column(0) / (n * d_sae),
        l1: column(1) / n,
        mse: error / n,
        mean_mse: error / (n * d),
        cosine: sum(&|row| f64::from(row[5]) / (norm(row, 3).max(1e-8) * norm(row, 4).max(1e-8))) / n,
        // SAELens divides by 1 where x has no length.
        norm_ratio: sum(&|row| norm(row, 4) / Some(norm(row, 3)).filter(|&x| x >= 1e-4).unwrap_or(1.0)) / n,
        norm_in: sum(&|row| norm(row, 3)) / n,
        norm_out: sum(&|row| norm(row, 4)) / n,
        relative_reconstruction_bias: (along != 0.0).then(|| out / along),
        ev_per_dimension: explained(error, variation),
        ev_legacy: (!varying.is_empty()).then(|| legacy / varying.len() as f64),
        ev_dictionary_learning: explained(error_spread, variation),
        ev_global: explained(error / (n * d), global),
        dead_latents: latents.dead(),
        dense_latents: latents.dense(),
    }
}

/// How errors spread: Σ‖r − r̄‖², from distances to a point near r̄, so that little has to be taken off.
pub struct Spread {
    rows: f64,
    mean: Vec<f64>,
    pub around_mean: f64,
}

impl Spread {
    pub fn new(rows: &[Row], centre: &[f32], off_centre: &[f32]) -> Self {
        let n = rows.len() as f64;
        let off: Vec<f64> = off_centre.iter().map(|&s| f64::from(s) / n.max(1.0)).collect();
        let distances: f64 = rows.iter().map(|row| f64::from(row[8])).sum();
        Self {
            rows: n,
            mean: centre.iter().zip(&off).map(|(&c, off)| f64::from(c) + off).collect(),
            around_mean: (distances - n * off.iter().map(|x| x * x).sum::<f64>()).max(0.0),
        }
    }

    /// Of both together (Chan, Golub, LeVeque 1979).
    pub fn with(&self, other: &Self) -> Self {
        let rows = self.rows + other.rows;
        let apart: f64 = self.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        let mean = self.mean.iter().zip(&other.mean).map(|(a, b)| (a * self.rows + b * other.rows) / rows);
        let around_mean = self.around_mean + other.around_mean + apart * self.rows * other.rows / rows;
        Self { rows, mean: mean.collect(), around_mean }
    }
}
