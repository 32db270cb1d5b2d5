//! Week 7's model: hidden = relu(x W_encᵀ + b_enc), x̂ = hidden W_decᵀ + b_dec.
//!
//! Its output is linear in what is hidden, so that it can do no better than a principal component analysis
//! ([`pca_loss`](super::pca_loss)): of superposition it shows nothing.

use super::linear::{read, read_backward, relu, write, write_backward};
use super::weights::Weights;

pub fn forward(w: &Weights, x: &[f32], hidden: &mut [f64], out: &mut [f64]) {
    hidden.copy_from_slice(&w.b_enc);
    write(&w.enc, x, hidden);
    relu(hidden);
    read(&w.dec, &w.b_dec, hidden, out);
}

/// Adds to `gradient` what one row contributes, from the gradient of the loss by its output. `d_hidden` is scratch.
pub fn backward(w: &Weights, x: &[f32], hidden: &[f64], d_out: &[f64], d_hidden: &mut [f64], gradient: &mut Weights) {
    d_hidden.fill(0.0);
    read_backward(&w.dec, hidden, d_out, &mut gradient.dec, &mut gradient.b_dec, d_hidden);
    for ((d, &h), b) in d_hidden.iter_mut().zip(hidden).zip(&mut gradient.b_enc) {
        *d = if h > 0.0 { *d } else { 0.0 };
        *b += *d;
    }
    write_backward(x, d_hidden, &mut gradient.enc);
}
