//! Tensors as the memory they lie in.

use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};
use sae_lab_loops::Matrix;

/// `None` unless it is an f32 tensor in burn-flex's memory. Holds that memory, as the tensor does.
pub fn of(x: &Tensor<2>) -> Option<FlexTensor> {
    x.clone().try_into_primitive::<Flex>().ok().filter(|x| x.dtype() == DType::F32)
}

/// The same without another holder, of a tensor that [`of`] knows.
pub fn taken(x: Tensor<2>) -> FlexTensor {
    x.try_into_primitive::<Flex>().expect("a tensor of the CPU")
}

pub fn tensor(data: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    back(FlexTensor::from_data(TensorData::new(data, shape)))
}

pub fn back(x: FlexTensor) -> Tensor<2> {
    Tensor::from_primitive::<Flex>(x)
}

/// Row after row.
pub fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// What [`contiguous`] gives, as a slice.
pub fn floats(x: &FlexTensor) -> &[f32] {
    x.as_slice().expect("f32, row after row")
}

/// It may be a view: transposed, narrowed, expanded.
pub fn forward(x: FlexTensor) -> FlexTensor {
    if x.layout().strides().iter().all(|stride| *stride >= 0) { x } else { x.to_contiguous() }
}

/// What [`forward`] gives, as a matrix.
pub fn matrix(x: &FlexTensor) -> Matrix<'_> {
    let layout = x.layout();
    let shape = [layout.shape()[0], layout.shape()[1]];
    let strides = [layout.strides()[0], layout.strides()[1]].map(isize::unsigned_abs);
    let storage: &[f32] = x.storage();
    Matrix::strided(storage.get(layout.start_offset()..).unwrap_or(&[]), shape, strides)
}

/// A result on its way.
pub enum Buffer {
    New(Vec<f32>, [usize; 2]),
    /// Over a tensor that nobody else holds.
    Over(FlexTensor),
}

impl Buffer {
    pub fn new(shape: [usize; 2]) -> Self {
        Self::New(vec![0.0; shape[0] * shape[1]], shape)
    }

    /// With what the tensor holds: in its place, or in a copy where others hold it or it is part of something else.
    pub fn over(x: FlexTensor, shape: [usize; 2]) -> Self {
        let whole = x.is_contiguous() && x.layout().num_elements() == x.bytes().len() / size_of::<f32>();
        if whole && x.is_unique() { Self::Over(x) } else { Self::New(floats(&contiguous(x)).to_vec(), shape) }
    }

    pub fn floats(&mut self) -> &mut [f32] {
        match self {
            Self::New(data, _) => data,
            Self::Over(x) => x.storage_mut(),
        }
    }

    pub fn tensor(self) -> Tensor<2> {
        match self {
            Self::New(data, shape) => tensor(data, shape),
            Self::Over(x) => back(x),
        }
    }
}
