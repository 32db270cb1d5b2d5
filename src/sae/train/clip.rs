//! Gradients clipped by their global norm, on the device.

use burn::tensor::Tensor;

use super::super::Gradient;
use crate::kernels::{Expr, Source, compute_one};

/// torch's `clip_grad_norm_`: all gradients times `min(1, most / (‖all‖₂ + 1e-6))`.
pub fn clip(gradients: Vec<Tensor<2>>, most: f64) -> Vec<Gradient> {
    let mut sum = Expr::constant(0.0);
    for g in &gradients {
        let [rows, cols] = g.dims();
        let mut squares = Expr::from(g).square();
        let mut n = cols;
        if rows > 1 {
            let of_rows = compute_one(Source::Rows { cols, of: vec![squares] }, [rows, 1], Expr::sum(0));
            (squares, n) = (Expr::from(of_rows.reshape([1, rows])), rows);
        }
        sum = Expr::from(compute_one(Source::Rows { cols: n, of: vec![squares] }, [1, 1], Expr::sum(0) + sum));
    }
    let factor = (Expr::constant(most) / (sum.sqrt() + 1e-6)).min(1.0);
    let clipped = |g: Tensor<2>| {
        let factor = factor.clone();
        Gradient::new(Source::Each, g.dims(), move |_| Expr::from(g) * factor)
    };
    gradients.into_iter().map(clipped).collect()
}
