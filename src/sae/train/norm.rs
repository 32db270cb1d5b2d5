//! Decoder rows held at length 1, as in Towards Monosemanticity (Bricken et al. 2023): the part of
//! the gradient along a row, which would only change its length, is taken out before the step, and
//! the row is brought back to length 1 after it.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::super::{Architecture, Gradient, Parameter};
use crate::kernels::{Expr, Out, Source, compute, compute_one};

/// Where the decoder is among the parameters, and along which dimension its rows lie: `W_dec`
/// `[d_sae, d_out]`, or of a tied SAE `W_enc` `[d_in, d_sae]`.
pub fn decoder(parameters: &[Parameter]) -> Option<(usize, usize)> {
    let find = |name: &str| parameters.iter().position(|p| p.name == name);
    find("W_dec").map(|at| (at, 1)).or_else(|| find("W_enc").map(|at| (at, 0)))
}

/// What `then` makes of the sum of `of` over each row (along `dim`) of a matrix of this shape.
fn along(shape: [usize; 2], dim: usize, of: Expr, then: impl FnOnce(Expr) -> Expr) -> Expr {
    let [rows, cols] = shape;
    let (source, shape) = match dim {
        0 => (Source::Columns { rows, of: vec![of] }, [1, cols]),
        _ => (Source::Rows { cols, of: vec![of] }, [rows, 1]),
    };
    Expr::from(compute_one(source, shape, then(Expr::sum(0))))
}

/// Each row (along `dim`) divided by its length.
pub fn unit(w: Tensor<2>, dim: usize) -> Tensor<2> {
    let shape = w.dims();
    let lengths = along(shape, dim, Expr::from(&w).square(), |squares| squares.sqrt().max(1e-12));
    compute(Source::Each, shape, vec![Out::Over(w, Expr::old(0) / lengths)]).swap_remove(0)
}

/// `g − (g·w) w` for rows w of length 1.
pub fn without_parallel(g: Gradient, w: &Tensor<2>, dim: usize) -> Gradient {
    let g = Expr::from(g.tensors(std::slice::from_ref(w)).swap_remove(0));
    let along = along(w.dims(), dim, &g * w, |product| product);
    Gradient::new(Source::Each, w.dims(), move |w| g - w * along)
}

/// The architecture with all its decoder rows at length 1.
pub fn with_unit_decoder(architecture: &Rc<dyn Architecture>) -> Rc<dyn Architecture> {
    let parameters = architecture.parameters();
    let Some((at, dim)) = decoder(&parameters) else { return architecture.clone() };
    let mut values: Vec<Tensor<2>> = parameters.into_iter().map(|p| p.value).collect();
    values[at] = unit(values[at].clone(), dim);
    architecture.with_parameters(values)
}
