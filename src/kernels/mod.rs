//! Compute kernels of our own, in WGSL, and buffers that are written piece by piece: what burn has no
//! operation for, or needs ten for. They run on burn's device, in its queue; each is tested against the
//! plain version that runs on the CPU.

pub mod attention;
mod buffer;
mod launch;
pub mod products;

pub use buffer::DeviceBuffer;
