//! How well an SAE stands for activations: sparsity, error, and four explained variances that the
//! field calls by one name.
//!
//! Precision: every sum over dimensions is taken on the device, one row at a time and of values from
//! which the mean was subtracted first; the sums over rows are taken on the host in f64. So nothing
//! is the small difference of two large numbers (the textbook `E‖x‖² − ‖E x‖²` loses all digits in f32
//! where position 0's norm is a hundred times that of the others). Read back are eight numbers a
//! row, a few passes at a time, and at the end six numbers a latent and four a dimension.

use std::collections::HashSet;

use burn::tensor::{Device, Tensor};
use serde::Serialize;

use super::density::{Histogram, Latents};
use super::rows_per_pass;
use crate::activations::{Activations, Origin};
use crate::error::{LabError, Result, code};
use crate::progress::{Checkpoint, Progress};
use crate::sae::Inference;
use crate::tensors::{read, upload_indices};

#[derive(Default)]
pub struct QualitySettings<'a> {
    /// Which rows the figures at the top, the latents and the histogram are of; the figures of
    /// both choices are in the answer.
    pub skip_position_0: bool,
    /// Rows whose token is one of these are left out of everything (SAELens's `ignore_tokens`).
    pub special: Vec<u32>,
    /// What a transcoder's output is compared with: the same tokens at its output's hook.
    pub target: Option<&'a Activations>,
}

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

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// Of the rows that the settings choose.
    #[serde(flatten)]
    pub chosen: Figures,
    pub all: Figures,
    /// `None` where every row is a first position.
    pub without_position_0: Option<Figures>,
    /// Of the chosen rows.
    pub histogram: Histogram,
    /// Of the chosen rows.
    #[serde(skip)]
    pub latents: Latents,
}

/// Numbers read back for each row: L0, L1, ‖x̂ − x‖², ‖x‖², ‖x̂‖², ⟨x, x̂⟩, ‖x − x̄‖² for the mean of all
/// rows and for that of the rows after position 0.
const PER_ROW: usize = 8;
type Row = [f32; PER_ROW];

/// Passes whose row figures are read back together.
const PASSES_PER_READ: usize = 8;

/// Encodes and decodes the rows once and computes all figures.
pub async fn quality(sae: &Inference, acts: &Activations, settings: &QualitySettings<'_>, pause: &impl Checkpoint) -> Result<Quality> {
    sae.check_width(acts.width())?;
    let target = settings.target.unwrap_or(acts);
    check_target(sae, acts, target)?;
    let kept: Vec<u32> = acts.row_indices(false).into_iter().filter(|&row| !settings.special.contains(&acts.token(row as usize))).collect();
    let is_later = |row: &u32| acts.origins[*row as usize].position > 0;
    let (later, first): (Vec<u32>, Vec<u32>) = kept.iter().partition(|row| is_later(row));
    if later.is_empty() && (first.is_empty() || settings.skip_position_0) {
        let hint = "Include position 0 and special tokens, or collect longer texts.";
        return Err(LabError::new(code::EMPTY_INPUT, "No row is left to judge the SAE on.", hint));
    }
    let groups = [later, first];
    let (n_later, total) = (groups[0].len(), kept.len());
    let (pass, device) = (rows_per_pass(sae.d_sae()), acts.data.device());

    let [sum_later, sum_first] = groups.each_ref().map(|rows| sum_of_rows(&target.data, rows, pass));
    let mean_later = sum_later.clone() / n_later.max(1) as f64;
    let mean_all = (sum_later + sum_first) / total as f64;

    let (mut rows, mut sums): (Vec<f32>, Vec<Sums>) = (Vec::with_capacity(total * PER_ROW), Vec::new());
    for group in &groups {
        let mut sum = Sums::new(target.width(), sae.d_sae(), &device);
        let mut unread = Vec::new();
        for part in group.chunks(pass) {
            let x = select(&acts.data, part);
            let t = if settings.target.is_some() { select(&target.data, part) } else { x.clone() };
            let (f, y) = sae.reconstruct(x);
            let residual = y.clone() - t.clone();
            let length = |v: &Tensor<2>| v.clone().square().sum_dim(1);
            let active = f.clone().sign();
            unread.push(Tensor::cat(
                vec![
                    active.clone().sum_dim(1),
                    f.clone().sum_dim(1),
                    length(&residual),
                    length(&t),
                    length(&y),
                    (t.clone() * y).sum_dim(1),
                    length(&(t.clone() - mean_all.clone())),
                    length(&(t - mean_later.clone())),
                ],
                1,
            ));
            sum.add(f, active, residual);
            if unread.len() == PASSES_PER_READ {
                rows.extend(read(Tensor::cat(std::mem::take(&mut unread), 0)).await?.data);
            }
            let read_rows = rows.len() / PER_ROW + unread.iter().map(|t| t.dims()[0]).sum::<usize>();
            pause.reached(Progress::Analyse { done: read_rows, total }).await?;
        }
        if !unread.is_empty() {
            rows.extend(read(Tensor::cat(unread, 0)).await?.data);
        }
        sums.push(sum);
    }
    if rows.iter().any(|x| !x.is_finite()) {
        return Err(LabError::new(code::NOT_FINITE, "The SAE's output is not a number.", "Use an SAE whose training did not diverge."));
    }

    let residuals = sums.iter().map(|s| s.residual.clone());
    let dims = read(Tensor::cat([mean_all, mean_later].into_iter().chain(residuals).collect(), 0)).await?.data; // [4, width]
    let latents = read(Tensor::cat(sums.into_iter().flat_map(|s| [s.fired, s.sum, s.max]).collect(), 0)).await?.data; // [6, d_sae]
    let dims: Vec<&[f32]> = dims.chunks_exact(target.width()).collect();
    let of_latents: Vec<&[f32]> = latents.chunks_exact(3 * sae.d_sae()).collect();
    let (rows, _) = rows.as_chunks::<PER_ROW>();

    let later_latents = Latents::new(n_later, of_latents[0]);
    let all_latents = later_latents.with(&Latents::new(total - n_later, of_latents[1]));
    let both: Vec<f64> = dims[2].iter().zip(dims[3]).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
    let only_later: Vec<f64> = dims[2].iter().map(|&r| f64::from(r)).collect();
    let all = figures(rows, 6, dims[0], &both, &all_latents, distinct(acts, &kept));
    let without_position_0 = (n_later > 0).then(|| figures(&rows[..n_later], 7, dims[1], &only_later, &later_latents, distinct(acts, &groups[0])));
    let (chosen, latents) = match &without_position_0 {
        Some(later) if settings.skip_position_0 => (later.clone(), later_latents),
        _ => (all.clone(), all_latents),
    };
    Ok(Quality { chosen, all, without_position_0, histogram: latents.histogram(), latents })
}

/// What is added up on the device: f32 sums of at most a few thousand values, then of passes.
struct Sums {
    /// x̂ − x, `[1, width]`
    residual: Tensor<2>,
    /// `[1, d_sae]` each
    fired: Tensor<2>,
    sum: Tensor<2>,
    max: Tensor<2>,
}

impl Sums {
    fn new(width: usize, d_sae: usize, device: &Device) -> Self {
        let zeros = |n| Tensor::zeros([1, n], device);
        Self { residual: zeros(width), fired: zeros(d_sae), sum: zeros(d_sae), max: zeros(d_sae) }
    }

    fn add(&mut self, f: Tensor<2>, active: Tensor<2>, residual: Tensor<2>) {
        self.residual = self.residual.clone() + residual.sum_dim(0);
        self.fired = self.fired.clone() + active.sum_dim(0);
        self.sum = self.sum.clone() + f.clone().sum_dim(0);
        self.max = self.max.clone().max_pair(f.max_dim(0));
    }
}

/// `mean` is that of these rows, of which `centred` is the column of squared distances; `residual` is Σ (x̂ − x).
fn figures(rows: &[Row], centred: usize, mean: &[f32], residual: &[f64], latents: &Latents, distinct_rows: usize) -> Figures {
    let (n, d, d_sae) = (rows.len() as f64, mean.len() as f64, latents.fired.len() as f64);
    let sum = |value: &dyn Fn(&Row) -> f64| rows.iter().map(value).sum::<f64>();
    let column = |i: usize| sum(&|row| f64::from(row[i]));
    let norm = |row: &Row, i: usize| f64::from(row[i]).max(0.0).sqrt();
    let (error, variation) = (column(2), column(centred));
    // Σ over all elements of their squared distance from the one mean over all of them.
    let mean_of_means = mean.iter().map(|&m| f64::from(m)).sum::<f64>() / d;
    let between: f64 = mean.iter().map(|&m| (f64::from(m) - mean_of_means).powi(2)).sum();
    let global = (variation + n * between) / (n * d - 1.0);
    let residual_mean: f64 = residual.iter().map(|r| (r / n).powi(2)).sum();
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
        ev_dictionary_learning: explained(error - n * residual_mean, variation),
        ev_global: explained(error / (n * d), global),
        dead_latents: latents.dead(),
        dense_latents: latents.dense(),
    }
}

fn select(data: &Tensor<2>, rows: &[u32]) -> Tensor<2> {
    data.clone().select(0, upload_indices(rows, [rows.len()], &data.device()))
}

/// `[1, width]`; sums of passes, then their sum: f32's error grows with the length of each alone.
fn sum_of_rows(data: &Tensor<2>, rows: &[u32], pass: usize) -> Tensor<2> {
    let parts: Vec<_> = rows.chunks(pass).map(|part| select(data, part).sum_dim(0)).collect();
    if parts.is_empty() { Tensor::zeros([1, data.dims()[1]], &data.device()) } else { Tensor::cat(parts, 0).sum_dim(0) }
}

fn distinct(acts: &Activations, rows: &[u32]) -> usize {
    let prefix = |row: &u32| {
        let Origin { sequence, position } = acts.origins[*row as usize];
        &acts.sequences[sequence].ids[..=position]
    };
    rows.iter().map(prefix).collect::<HashSet<_>>().len()
}

/// `Err` unless the target's rows are those of `acts` and as wide as the SAE's output.
fn check_target(sae: &Inference, acts: &Activations, target: &Activations) -> Result<()> {
    if target.width() != sae.d_out() {
        return Err(LabError::new(
            code::WIDTH_MISMATCH,
            format!("This SAE's output has {} dimensions, but what it is compared with has {}.", sae.d_out(), target.width()),
            "Give, as the target, activations of the hook that the transcoder writes to.",
        ));
    }
    let ids = |a: &Activations| a.sequences.iter().map(|s| s.ids.clone()).collect::<Vec<_>>();
    let same = std::ptr::eq(acts, target) || (acts.origins == target.origins && ids(acts) == ids(target));
    if same {
        return Ok(());
    }
    Err(LabError::new(
        code::BAD_SETTING,
        format!("The target's {} rows are not of the same tokens as the {} rows of input.", target.rows(), acts.rows()),
        "Collect both from the same texts, with the same settings but for the hook.",
    ))
}
