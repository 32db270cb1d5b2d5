//! Going over many rows without holding many features.

use burn::tensor::Tensor;

use crate::activations::Activations;
use crate::error::{LabError, Result, code};
use crate::sae::{Inference, rows_per_pass};
use crate::tensors::upload_indices;

/// The features of `rows` in passes, `[rows of the pass, d_sae]`, each with how many rows are done after it.
pub fn encoded<'a>(sae: &'a Inference, acts: &'a Activations, rows: &'a [u32]) -> impl Iterator<Item = (Tensor<2>, usize)> {
    let encode = move |done: &mut usize, part: &[u32]| {
        *done += part.len();
        Some((sae.encode(select(&acts.data, part)), *done))
    };
    rows.chunks(rows_per_pass(sae.d_sae())).scan(0, encode)
}

/// A copy of some rows.
pub fn select(data: &Tensor<2>, rows: &[u32]) -> Tensor<2> {
    data.clone().select(0, upload_indices(rows, [rows.len()], &data.device()))
}

/// A copy of some columns; a slice would keep all features of the pass alive.
pub fn columns(data: Tensor<2>, columns: &[u32]) -> Tensor<2> {
    let indices = upload_indices(columns, [columns.len()], &data.device());
    data.select(1, indices)
}

/// Which text each of `rows` is of, counted from 0. The rows of a text lie together.
pub fn texts_of(acts: &Activations, rows: &[u32]) -> Vec<u32> {
    let text = |row: u32| acts.sequences[acts.origins[row as usize].sequence].text;
    let mut texts = Vec::with_capacity(rows.len());
    for (i, &row) in rows.iter().enumerate() {
        let new = i > 0 && text(row) != text(rows[i - 1]);
        texts.push(texts.last().map_or(0, |last| last + u32::from(new)));
    }
    texts
}

/// The rows of one of two sides, "positive" or "negative"; `Err` when there are none.
pub fn rows_of_side(acts: &Activations, side: &str, skip_position_0: bool) -> Result<Vec<u32>> {
    let rows = acts.row_indices(skip_position_0);
    if rows.is_empty() {
        let message = format!("There are no {side} rows: every one is a first position.");
        return Err(LabError::new(code::EMPTY_INPUT, message, "Include position 0, or collect longer texts."));
    }
    Ok(rows)
}

/// The rows to look at; `Err` when there are none.
pub fn chosen_rows(acts: &Activations, skip_position_0: bool) -> Result<Vec<u32>> {
    let rows = acts.row_indices(skip_position_0);
    if rows.is_empty() {
        return Err(LabError::new(code::EMPTY_INPUT, "Every row is a first position.", "Include position 0, or collect longer texts."));
    }
    Ok(rows)
}

/// `Err` unless all values are numbers.
pub fn check_finite(values: &[f32]) -> Result<()> {
    if values.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    Err(LabError::new(code::NOT_FINITE, "The SAE's features are not numbers.", "Use an SAE whose training did not diverge."))
}

/// What is said of activations that are not numbers.
pub fn no_numbers() -> LabError {
    LabError::new(code::NOT_FINITE, "The activations are not numbers.", "Collect them from a model whose weights are numbers.")
}
