//! Host values in and out of device tensors, in the only forms that also work in a browser.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::device::largest_tensor;
use crate::error::{LabError, Result};

/// Row-major values on the host with their shape.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    pub data: Vec<f32>,
    pub shape: Vec<usize>,
}

impl HostTensor {
    /// `Err` when the number of values is not the product of the shape.
    pub fn new(data: Vec<f32>, shape: Vec<usize>) -> Result<Self> {
        let expected = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if expected != Some(data.len()) {
            return Err(LabError::setting("shape", format!("{shape:?} for {} values", data.len()), "as large as its data"));
        }
        Ok(Self { data, shape })
    }

    /// `Err` unless the shape is exactly `shape`; `name` says which tensor it is.
    pub fn expect_shape(&self, name: &str, shape: &[usize]) -> Result<()> {
        if self.shape == shape {
            return Ok(());
        }
        Err(LabError::new(
            crate::error::code::WIDTH_MISMATCH,
            format!("{name} has shape {:?}, but {shape:?} is needed here.", self.shape),
            "Use values that belong to this model, hook and SAE.",
        ))
    }
}

/// `Err` when a matrix of so many rows is more than the lab holds, 512 MB as f32, or than the device does.
pub fn check_rows(name: &str, rows: usize, width: usize, device: &Device) -> Result<()> {
    let most = (largest_tensor(device) / 4).min(1 << 27) as usize / width.max(1);
    crate::error::check_setting(rows <= most, name, rows, &format!("at most {most} for {width} values each"))
}

/// Uploads `data` as a tensor of `shape`.
pub fn upload<const D: usize>(data: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), (device, DType::F32))
}

/// Uploads indices as 32-bit integers, the only integers a browser's GPU has.
pub fn upload_indices<const D: usize>(ids: &[u32], shape: [usize; D], device: &Device) -> Tensor<D, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    Tensor::from_data(TensorData::new(ids, shape), (device, DType::I32))
}

/// Reads a tensor back without blocking (a blocking read panics in a browser).
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<HostTensor> {
    let shape = tensor.dims().to_vec();
    let data = tensor.into_data_async().await.map_err(|e| LabError::device(format!("{e:?}")))?;
    let data = data.convert::<f32>().try_into_vec::<f32>().map_err(|e| LabError::device(format!("{e:?}")))?;
    Ok(HostTensor { data, shape })
}
