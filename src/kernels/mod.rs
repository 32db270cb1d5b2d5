//! Compute kernels of our own, in WGSL, and buffers that are written piece by piece: what burn has no
//! operation for. They run on burn's device, in its queue; each has a plain version that it is tested against.

mod buffer;
mod half;
mod launch;

pub use buffer::DeviceBuffer;
pub use half::{half_gather, half_linear, half_transposed};
