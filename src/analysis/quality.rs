//! How well an SAE stands for activations: sparsity, error, and four explained variances that the
//! field calls by one name.
//!
//! Precision: every sum over dimensions is taken on the device, one row at a time and of values from
//! which the mean was subtracted first; the sums over rows are taken on the host in f64. So nothing
//! is the small difference of two large numbers (the textbook `E‖x‖² − ‖E x‖²` loses all digits in f32
//! where position 0's norm is a hundred times that of the others). Read back are nine numbers a
//! row, a few passes at a time, and at the end six numbers a latent and six a dimension.

mod figures;

use std::collections::HashSet;

use burn::tensor::{Device, Tensor};
use serde::Serialize;

pub use self::figures::Figures;
use self::figures::{PER_ROW, Spread, figures};
use super::density::{Histogram, Latents};
use super::passes::select;
use crate::activations::{Activations, Origin};
use crate::error::{LabError, Result, code};
use crate::progress::{Checkpoint, Progress};
use crate::sae::{Inference, rows_per_pass};
use crate::tensors::read;

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
                    length(&sum.add(f, active, residual)),
                ],
                1,
            ));
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

    let errors = sums.iter().flat_map(|s| [s.centre.clone(), s.off_centre.clone()]);
    let dims = read(Tensor::cat([mean_all, mean_later].into_iter().chain(errors).collect(), 0)).await?.data; // [6, width]
    let latents = read(Tensor::cat(sums.into_iter().flat_map(|s| [s.fired, s.sum, s.max]).collect(), 0)).await?.data; // [6, d_sae]
    let dims: Vec<&[f32]> = dims.chunks_exact(target.width()).collect();
    let of_latents: Vec<&[f32]> = latents.chunks_exact(3 * sae.d_sae()).collect();
    let (rows, _) = rows.as_chunks::<PER_ROW>();

    let later_latents = Latents::new(n_later, of_latents[0]);
    let all_latents = later_latents.with(&Latents::new(total - n_later, of_latents[1]));
    let (later_rows, first_rows) = rows.split_at(n_later);
    let later_errors = Spread::new(later_rows, dims[2], dims[3]);
    let all_errors = later_errors.with(&Spread::new(first_rows, dims[4], dims[5]));
    let all = figures(rows, 6, dims[0], all_errors.around_mean, &all_latents, distinct(acts, &kept));
    let without_position_0 =
        (n_later > 0).then(|| figures(later_rows, 7, dims[1], later_errors.around_mean, &later_latents, distinct(acts, &groups[0])));
    let (chosen, latents) = match &without_position_0 {
        Some(later) if settings.skip_position_0 => (later.clone(), later_latents),
        _ => (all.clone(), all_latents),
    };
    Ok(Quality { chosen, all, without_position_0, histogram: latents.histogram(), latents })
}

/// What is added up on the device: f32 sums of at most a few thousand values, then of passes.
struct Sums {
    /// The mean of x̂ − x over the first pass, and how far all of them are off it, `[1, width]`.
    centre: Tensor<2>,
    off_centre: Tensor<2>,
    started: bool,
    /// `[1, d_sae]` each
    fired: Tensor<2>,
    sum: Tensor<2>,
    max: Tensor<2>,
}

impl Sums {
    fn new(width: usize, d_sae: usize, device: &Device) -> Self {
        let zeros = |n| Tensor::zeros([1, n], device);
        Self { centre: zeros(width), off_centre: zeros(width), started: false, fired: zeros(d_sae), sum: zeros(d_sae), max: zeros(d_sae) }
    }

    /// Gives back the residuals minus the centre.
    fn add(&mut self, f: Tensor<2>, active: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        if !self.started {
            (self.centre, self.started) = (residual.clone().mean_dim(0), true);
        }
        let residual = residual - self.centre.clone();
        self.off_centre = self.off_centre.clone() + residual.clone().sum_dim(0);
        self.fired = self.fired.clone() + active.sum_dim(0);
        self.sum = self.sum.clone() + f.clone().sum_dim(0);
        self.max = self.max.clone().max_pair(f.max_dim(0));
        residual
    }
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
