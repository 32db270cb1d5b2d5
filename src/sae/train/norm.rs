//! Decoder rows held at length 1, as in Towards Monosemanticity (Bricken et al. 2023): the part of
//! the gradient along a row, which would only change its length, is taken out before the step, and
//! the row is brought back to length 1 after it.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::super::{Architecture, Parameter};

/// Where the decoder is among the parameters, and along which dimension its rows lie: `W_dec`
/// `[d_sae, d_out]`, or of a tied SAE `W_enc` `[d_in, d_sae]`.
pub fn decoder(parameters: &[Parameter]) -> Option<(usize, usize)> {
    let find = |name: &str| parameters.iter().position(|p| p.name == name);
    find("W_dec").map(|at| (at, 1)).or_else(|| find("W_enc").map(|at| (at, 0)))
}

/// Each row (along `dim`) divided by its length.
pub fn unit(w: Tensor<2>, dim: usize) -> Tensor<2> {
    let lengths = w.clone().square().sum_dim(dim).sqrt().clamp_min(1e-12);
    w / lengths
}

/// `g − (g·w) w` for rows w of length 1.
pub fn without_parallel(g: Tensor<2>, w: &Tensor<2>, dim: usize) -> Tensor<2> {
    let along = (g.clone() * w.clone()).sum_dim(dim);
    g - w.clone() * along
}

/// The architecture with all its decoder rows at length 1.
pub fn with_unit_decoder(architecture: &Rc<dyn Architecture>) -> Rc<dyn Architecture> {
    let parameters = architecture.parameters();
    let Some((at, dim)) = decoder(&parameters) else { return architecture.clone() };
    let mut values: Vec<Tensor<2>> = parameters.into_iter().map(|p| p.value).collect();
    values[at] = unit(values[at].clone(), dim);
    architecture.with_parameters(values)
}
