//! The k largest values on a GPU.

use burn::tensor::Tensor;

use crate::kernels::select::Per;

/// [`crate::kernels::select::kth_largest`]; `None` where the tensor is not a GPU's.
pub fn kth_largest(_values: &Tensor<2>, _k: usize, _per: Per) -> Option<Tensor<2>> {
    None
}

/// [`crate::kernels::select::largest`]; `None` where the tensor is not a GPU's.
pub fn largest(_values: &Tensor<2>, _k: usize, _per: Per, _among: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    None
}
