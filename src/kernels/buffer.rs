//! A buffer on the GPU that is written from its start to its end, in pieces.

use burn::tensor::{DType, Device, Int, Shape, Tensor};
use burn_wgpu::{CubeTensor, Wgpu};
use cubecl::bytes::Bytes;
use cubecl::server::Handle;

/// Lives as long as the tensor that is made of it; its size is exactly what was asked for.
pub struct DeviceBuffer {
    /// Any tensor of the device: what it belongs to.
    like: CubeTensor,
    handle: Handle,
    size: u64,
    written: u64,
}

impl DeviceBuffer {
    /// `None` where the device is no GPU. `size` in bytes, a multiple of 4.
    pub fn new(device: &Device, size: usize) -> Option<Self> {
        let like = Tensor::<1>::empty([1], device).try_into_primitive::<Wgpu>().ok()?;
        let handle = like.client.memory_persistent_allocation((), |()| like.client.empty(size.max(4)));
        Some(Self { handle, like, size: size.max(4) as u64, written: 0 })
    }

    /// One with room for nothing, to be taken for tensors of any size in a rehearsal ([`super::rehearse`]), where nobody reads them.
    pub fn hollow(device: &Device) -> Option<Self> {
        Self::new(device, 4)
    }

    /// The next bytes: a multiple of 4, and no more than there is room for.
    pub fn append(&mut self, bytes: Vec<u8>) {
        let n = bytes.len() as u64;
        if n == 0 {
            return;
        }
        let place = self.handle.clone().offset_start(self.written).offset_end(self.size - self.written - n);
        self.like.client.write(&place, Bytes::from_bytes_vec(bytes));
        self.written += n;
    }

    pub fn into_floats<const D: usize>(self, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_primitive::<Wgpu>(self.into_primitive(shape.into(), DType::F32))
    }

    pub fn into_ints<const D: usize>(self, shape: [usize; D]) -> Tensor<D, Int> {
        Tensor::from_primitive::<Wgpu>(self.into_primitive(shape.into(), DType::I32))
    }

    fn into_primitive(self, shape: Shape, dtype: DType) -> CubeTensor {
        CubeTensor::new_contiguous(self.like.client.clone(), self.like.device.clone(), shape, self.handle, dtype)
    }
}
