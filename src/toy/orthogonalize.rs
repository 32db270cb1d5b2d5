//! Directions pushed apart, as far as there is room.

use super::adam::Factors;
use super::linear::{add, dot};
use super::pace::Pace;
use crate::error::Result;
use crate::progress::{Checkpoint, Progress};

const LR: f64 = 0.01;

/// SAELens's `orthogonalize_embeddings`: `steps` steps of Adam on Σ_{i≠j} (w_i · w_j)² + n Σ_i (‖w_i‖² − 1)², then rows of length 1.
/// `rows` are `[n, width]`, of length 1 too.
pub async fn orthogonalize(mut rows: Vec<f64>, width: usize, steps: usize, pause: &impl Checkpoint) -> Result<Vec<f64>> {
    let n = rows.len() / width;
    let zeros = vec![0.0; rows.len()];
    let (mut m, mut v, mut gradient) = (zeros.clone(), zeros.clone(), zeros);
    let mut pace = Pace::default();
    for step in 0..steps {
        for (i, gradient) in gradient.chunks_exact_mut(width).enumerate() {
            let row = &rows[i * width..(i + 1) * width];
            gradient.fill(0.0);
            for (j, other) in rows.chunks_exact(width).enumerate() {
                let product = dot(row, other);
                add(gradient, 4.0 * if i == j { n as f64 * (product - 1.0) } else { product }, other);
            }
            pace.pay(2 * n * width, || Progress::Analyse { done: step, total: steps }, pause).await?;
        }
        Factors::new(LR, step as i32 + 1).update(&mut rows, &gradient, &mut m, &mut v);
    }
    rows.chunks_exact_mut(width).for_each(normalize);
    Ok(rows)
}

/// Makes a row 1 long; one of zeros stays.
pub fn normalize(row: &mut [f64]) {
    let norm = dot(row, row).sqrt().max(1e-8);
    row.iter_mut().for_each(|v| *v /= norm);
}
