//! GPT-2's weights from a safetensors file with Hugging Face's names. The file is untrusted.

use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::{LabError, Result};
use crate::tensors::upload;

/// A parsed safetensors file, read tensor by tensor as f32.
pub struct Checkpoint<'a> {
    file: SafeTensors<'a>,
    device: &'a Device,
    /// `transformer.` where the file's names carry it (a whole GPT2LMHeadModel), else nothing.
    prefix: &'static str,
}

impl<'a> Checkpoint<'a> {
    /// Checks the header: offsets, shapes and types agree with the file's length.
    pub fn open(bytes: &'a [u8], device: &'a Device) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| LabError::file(format!("The weights are no valid safetensors file: {e}.")))?;
        let prefix = if file.tensor("transformer.wte.weight").is_ok() { "transformer." } else { "" };
        Ok(Self { file, device, prefix })
    }

    /// The tensor `name` in f32, which must have exactly `shape`.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let name = format!("{}{name}", self.prefix);
        let view = self.file.tensor(&name).map_err(|_| LabError::file(format!("The weights have no tensor {name}.")))?;
        if view.shape() != shape {
            return Err(LabError::file(format!("{name} has shape {:?} in the file, but config.json asks for {shape:?}.", view.shape())));
        }
        Ok(upload(to_f32(&view, &name)?, shape, self.device))
    }
}

fn to_f32(view: &TensorView<'_>, name: &str) -> Result<Vec<f32>> {
    let bytes = view.data();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match view.dtype() {
        Dtype::F32 => Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Ok(pairs().map(|b| half::f16::from_le_bytes(b).to_f32()).collect()),
        Dtype::BF16 => Ok(pairs().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect()),
        other => Err(LabError::file(format!("{name} is stored as {other:?}; f32, f16 and bf16 can be read."))),
    }
}
