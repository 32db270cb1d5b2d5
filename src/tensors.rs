//! Host values in and out of device tensors, in the only forms that also work in a browser.

use burn::tensor::{DType, Device, Int, Tensor, TensorData, Transaction};

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

/// `Err` when a matrix of so many rows is more than the lab holds: 512 MB as f32.
pub fn check_rows(name: &str, rows: usize, width: usize) -> Result<()> {
    let most = (1 << 27) / width.max(1);
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

/// Bytes that [`read_all`] asks for at once: what is read lies on the device a second time meanwhile.
const AT_ONCE: usize = 8 << 20;

/// Reads several tensors back, small ones together: a GPU answers after milliseconds, whatever it is asked for.
pub async fn read_all<const D: usize>(tensors: impl IntoIterator<Item = Tensor<D>>) -> Result<Vec<HostTensor>> {
    let mut tensors = tensors.into_iter().peekable();
    let mut read = Vec::new();
    while tensors.peek().is_some() {
        let (mut together, mut shapes, mut bytes) = (Transaction::default(), Vec::new(), 0);
        while let Some(tensor) = tensors.next_if(|t| bytes == 0 || bytes + 4 * t.dims().iter().product::<usize>() <= AT_ONCE) {
            bytes += 4 * tensor.dims().iter().product::<usize>();
            shapes.push(tensor.dims().to_vec());
            together = together.register(tensor);
        }
        let data = together.execute_async().await.map_err(|e| LabError::device(format!("{e:?}")))?;
        for (data, shape) in data.into_iter().zip(shapes) {
            let data = data.convert::<f32>().try_into_vec::<f32>().map_err(|e| LabError::device(format!("{e:?}")))?;
            read.push(HostTensor { data, shape });
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::*;

    #[test]
    fn tensors_read_together_are_those_read_one_by_one() {
        // Together they are more than goes at once, and one is so by itself.
        let sizes = [3, AT_ONCE / 8, 1, AT_ONCE / 4 + 5, AT_ONCE / 8, AT_ONCE / 16, 2];
        let tensor = |(i, &n): (usize, &usize)| upload((0..n).map(|at| (at % 1000 + i) as f32).collect(), [n, 1], &Device::flex());
        let tensors: Vec<Tensor<2>> = sizes.iter().enumerate().map(tensor).collect();
        let together = block_on(read_all(tensors.clone())).unwrap();
        let single: Vec<HostTensor> = tensors.into_iter().map(|tensor| block_on(read(tensor)).unwrap()).collect();
        assert_eq!(together, single);
        assert_eq!(block_on(read_all(Vec::<Tensor<1>>::new())).unwrap(), []);
    }
}
