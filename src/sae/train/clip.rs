//! Gradients clipped by their global norm, on the device.

use burn::tensor::Tensor;

/// torch's `clip_grad_norm_`: all gradients times `min(1, most / (‖all‖₂ + 1e-6))`.
pub fn clip(gradients: Vec<Tensor<2>>, most: f64) -> Vec<Tensor<2>> {
    let squares = gradients.iter().map(|g| g.clone().square().sum());
    let Some(sum) = squares.reduce(|a, b| a + b) else { return gradients };
    let factor = ((sum.sqrt() + 1e-6).recip() * most).clamp_max(1.0).reshape([1, 1]);
    gradients.into_iter().map(|g| g * factor.clone()).collect()
}
