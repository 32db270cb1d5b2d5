//! The paper's model: hidden = x Wᵀ, x̂ = relu(hidden W + b).
//!
//! The ReLU behind the bias is what makes superposition pay: small interference between sparse features is cut off.

use super::linear::{read, read_backward, relu, write, write_backward};
use super::weights::Weights;

pub fn forward(w: &Weights, x: &[f32], hidden: &mut [f64], out: &mut [f64]) {
    hidden.fill(0.0);
    write(&w.enc, x, hidden);
    read(&w.enc, &w.b_dec, hidden, out);
    relu(out);
}

/// Adds to `gradient` what one row contributes, from the gradient of the loss by its output: 0 where the output is. `d_hidden` is scratch.
pub fn backward(w: &Weights, x: &[f32], hidden: &[f64], d_out: &[f64], d_hidden: &mut [f64], gradient: &mut Weights) {
    d_hidden.fill(0.0);
    read_backward(&w.enc, hidden, d_out, &mut gradient.enc, &mut gradient.b_dec, d_hidden);
    write_backward(x, d_hidden, &mut gradient.enc);
}
