//! The direction from one set of activations to another: the difference of their means.

use burn::tensor::Tensor;

use super::ROWS_PER_PASS;
use super::auroc::auroc;
use super::passes::{no_numbers, rows_of_side, select};
use crate::activations::Activations;
use crate::error::{LabError, Result, code};
use crate::kernels::{Form, product};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::{read, upload};

pub struct Contrast {
    /// Mean of the positive rows minus mean of the negative ones.
    pub vector: Vec<f32>,
    pub norm: f64,
    /// Fraction of all rows on their own side of the middle between the two means, along the vector.
    pub accuracy_along: f64,
    /// The area under the ROC curve along the vector: the same for every threshold at once.
    pub auroc_along: f64,
    pub positives: usize,
    pub negatives: usize,
}

/// The chosen rows of the positive and of the negative side; `Err` when one has none, or they differ in width.
pub fn two_sides(positive: &Activations, negative: &Activations, skip_position_0: bool) -> Result<[Vec<u32>; 2]> {
    if positive.width() != negative.width() {
        return Err(LabError::new(
            code::WIDTH_MISMATCH,
            format!("The positive activations have {} dimensions and the negative ones {}.", positive.width(), negative.width()),
            "Collect both from the same model and hook.",
        ));
    }
    Ok([rows_of_side(positive, "positive", skip_position_0)?, rows_of_side(negative, "negative", skip_position_0)?])
}

/// The difference of means, and how well it tells the rows apart.
pub async fn contrast(positive: &Activations, negative: &Activations, skip_position_0: bool, pause: &impl Checkpoint) -> Result<Contrast> {
    let rows = two_sides(positive, negative, skip_position_0)?;
    let sides = [positive, negative];
    let (total, mut done) = (2 * (rows[0].len() + rows[1].len()), 0);
    let mut means = Vec::with_capacity(2);
    for (acts, rows) in sides.iter().zip(&rows) {
        let mut sums = Vec::new();
        for part in rows.chunks(ROWS_PER_PASS) {
            sums.push(select(&acts.data, part).sum_dim(0));
            done += part.len();
            pause.reached(Progress::Analyse { done, total }).await?;
        }
        let table = read(Tensor::cat(sums, 0)).await?.data; // [passes, width]
        let mut mean = vec![0.0; acts.width()];
        for sum in table.chunks_exact(acts.width()) {
            mean.iter_mut().zip(sum).for_each(|(m, &s)| *m += f64::from(s) / rows.len() as f64);
        }
        if !mean.iter().all(|v| v.is_finite()) {
            return Err(no_numbers());
        }
        means.push(mean);
    }
    let difference: Vec<f64> = means[0].iter().zip(&means[1]).map(|(p, n)| p - n).collect();
    let vector: Vec<f32> = difference.iter().map(|&v| v as f32).collect();
    let middle: f64 = means[0].iter().zip(&means[1]).zip(&difference).map(|((p, n), d)| d * (p + n) / 2.0).sum();

    let device = positive.data.device();
    let (along, middle) = (upload(vector.clone(), [1, vector.len()], &device), middle as f32);
    let mut projections = Vec::with_capacity(2);
    for (acts, rows) in sides.iter().zip(&rows) {
        let mut parts = Vec::new();
        for part in rows.chunks(ROWS_PER_PASS) {
            parts.push(product(Form::Transposed, &select(&acts.data, part), &along) - middle);
            done += part.len();
            pause.reached(Progress::Analyse { done, total }).await?;
        }
        projections.push(read(Tensor::cat(parts, 0)).await?.data);
    }
    let [positives, negatives] = [0, 1].map(|side| rows[side].len());
    let right = projections[0].iter().filter(|v| **v > 0.0).count() + projections[1].iter().filter(|v| **v <= 0.0).count();
    let (first, second) = projections.split_at_mut(1);
    Ok(Contrast {
        norm: difference.iter().map(|d| d * d).sum::<f64>().sqrt(),
        vector,
        accuracy_along: right as f64 / (positives + negatives) as f64,
        auroc_along: auroc(&mut first[0], &mut second[0], positives, negatives),
        positives,
        negatives,
    })
}
