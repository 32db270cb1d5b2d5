//! Weights by name, on their way into an architecture.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};

use crate::error::{LabError, Result, code};
use crate::tensors::{HostTensor, upload};

/// Tensors under SAELens's names, from the host or on the device already. Each is taken once, with
/// the shape it must have.
pub struct Named {
    tensors: BTreeMap<String, HostTensor>,
    uploaded: BTreeMap<String, Tensor<2>>,
    device: Device,
}

impl Named {
    pub fn new(tensors: BTreeMap<String, HostTensor>, device: &Device) -> Self {
        Self { tensors, uploaded: BTreeMap::new(), device: device.clone() }
    }

    /// With tensors that are on the device and were checked for values that are no numbers; vectors as
    /// rows `[1, n]`.
    pub fn with_uploaded(self, uploaded: BTreeMap<String, Tensor<2>>) -> Self {
        Self { uploaded, ..self }
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.uploaded.contains_key(name)
    }

    pub fn peek(&self, name: &str) -> Option<&HostTensor> {
        self.tensors.get(name)
    }

    /// A matrix of exactly `[rows, columns]`.
    pub fn matrix(&mut self, name: &str, [rows, columns]: [usize; 2]) -> Result<Tensor<2>> {
        if let Some(tensor) = self.uploaded.remove(name) {
            return expect_dims(name, tensor, [rows, columns]);
        }
        let tensor = self.take(name)?;
        tensor.expect_shape(name, &[rows, columns])?;
        Ok(upload(tensor.data, [rows, columns], &self.device))
    }

    /// A vector of `n`, as a row `[1, n]`.
    pub fn row(&mut self, name: &str, n: usize) -> Result<Tensor<2>> {
        if let Some(tensor) = self.uploaded.remove(name) {
            return expect_dims(name, tensor, [1, n]);
        }
        let tensor = self.take(name)?;
        tensor.expect_shape(name, &[n])?;
        Ok(upload(tensor.data, [1, n], &self.device))
    }

    pub fn take(&mut self, name: &str) -> Result<HostTensor> {
        let tensor = self.tensors.remove(name).ok_or_else(|| {
            LabError::new(code::BAD_FILE, format!("The weights lack {name}."), "Use complete weights of this architecture, under SAELens's names.")
        })?;
        if tensor.data.iter().any(|x| !x.is_finite()) {
            return Err(LabError::new(
                code::NOT_FINITE,
                format!("{name} holds values that are no numbers."),
                "Use the weights of a run that did not diverge.",
            ));
        }
        Ok(tensor)
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Names that nobody took.
    pub fn left(&self) -> Vec<String> {
        self.tensors.keys().chain(self.uploaded.keys()).cloned().collect()
    }
}

fn expect_dims(name: &str, tensor: Tensor<2>, dims: [usize; 2]) -> Result<Tensor<2>> {
    HostTensor { data: Vec::new(), shape: tensor.dims().to_vec() }.expect_shape(name, &dims)?;
    Ok(tensor)
}
