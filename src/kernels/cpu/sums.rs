//! Sums of expressions over rows and columns.

use sae_lab_loops::sum;

use super::blocks::{Evaluator, Result, Sums, blocks};
use super::compile::Compiled;

/// Of each column.
pub fn of_columns(compiled: &Compiled, [rows, cols]: [usize; 2]) -> Vec<Vec<f32>> {
    let n = compiled.outs.len();
    let mut totals = vec![vec![0.0f64; cols]; n];
    let mut evaluator = Evaluator::new(compiled, cols);
    let mut parts = vec![vec![0.0f32; cols]; n];
    for top in (0..rows).step_by(sum::ROWS) {
        for block in blocks(top..(top + sum::ROWS).min(rows), 0..cols, cols) {
            evaluator.evaluate(block, &Sums::Each(&[]), &[]);
            for (k, part) in parts.iter_mut().enumerate() {
                let wide = block.n.min(cols);
                let part = &mut part[block.col..][..wide];
                match evaluator.result(k) {
                    Result::One(x) => part.iter_mut().for_each(|sum| *sum += x * (block.n / wide) as f32),
                    Result::Each(x) => x.chunks_exact(wide).for_each(|x| sum::add(part, x)),
                }
            }
        }
        for (total, part) in totals.iter_mut().zip(&mut parts) {
            sum::empty_into(total, part);
        }
    }
    totals.into_iter().map(rounded).collect()
}

/// Of each row.
pub fn of_rows(compiled: &Compiled, [rows, cols]: [usize; 2]) -> Vec<Vec<f32>> {
    let mut totals = vec![vec![0.0f64; rows]; compiled.outs.len()];
    let mut evaluator = Evaluator::new(compiled, cols);
    for block in blocks(0..rows, 0..cols, cols) {
        evaluator.evaluate(block, &Sums::Each(&[]), &[]);
        let wide = block.n.min(cols);
        for (k, total) in totals.iter_mut().enumerate() {
            let total = &mut total[block.row..][..block.n / wide];
            match evaluator.result(k) {
                Result::One(x) => total.iter_mut().for_each(|sum| *sum += f64::from(x) * wide as f64),
                Result::Each(x) => total.iter_mut().zip(x.chunks_exact(wide)).for_each(|(sum, x)| *sum += sum::total(x)),
            }
        }
    }
    totals.into_iter().map(rounded).collect()
}

fn rounded(totals: Vec<f64>) -> Vec<f32> {
    totals.into_iter().map(|x| x as f32).collect()
}
