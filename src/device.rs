//! Which processor computes: WebGPU, or the CPU when the browser has none.

use burn::tensor::Device;

use crate::error::Result;

/// Where tensors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    WebGpu,
    Cpu,
}

/// Bytes that a tensor may have there, at most.
pub fn largest_tensor(device: &Device) -> u64 {
    #[cfg(target_arch = "wasm32")]
    if let Ok(x) = burn::tensor::Tensor::<1>::empty([1], device).try_into_primitive::<burn_wgpu::Wgpu>() {
        return x.client.properties().memory.max_page_size;
    }
    let _ = device;
    isize::MAX as u64
}

/// Opens the processor. The caller has asked the browser for an adapter with `timestamp-query`
/// before choosing WebGPU: without that feature burn 0.22 panics at start.
pub async fn open(processor: Processor) -> Result<Device> {
    match processor {
        Processor::Cpu => Ok(Device::flex()),
        Processor::WebGpu => open_webgpu().await,
    }
}

#[cfg(target_arch = "wasm32")]
async fn open_webgpu() -> Result<Device> {
    // A token of GPT-2 small is 63 dispatches: they go to the GPU together. (Far fewer than the 512 launches whose numbers cubecl keeps: those of one that
    // waits are not written over.)
    Device::wgpu_options().tasks_max(128).init_async().await.map_err(crate::LabError::device)
}

#[cfg(not(target_arch = "wasm32"))]
async fn open_webgpu() -> Result<Device> {
    Err(crate::LabError::device("this build has no WebGPU; it exists for native tests"))
}
