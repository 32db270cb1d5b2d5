//! Compute kernels of our own: what burn has no operation for, or needs ten for. On a GPU they are WGSL on burn's device, in its
//! queue; on the CPU loops over burn's memory. Each is tested against the plain version of it.

#[cfg(target_arch = "wasm32")]
pub mod attention;
#[cfg(target_arch = "wasm32")]
mod buffer;
pub mod compute;
pub mod cpu;
pub mod expr;
#[cfg(target_arch = "wasm32")]
mod gpu;
#[cfg(target_arch = "wasm32")]
mod launch;
pub mod levels;
pub mod plain;
#[cfg(target_arch = "wasm32")]
pub mod products;
mod rehearsal;
pub mod select;

#[cfg(target_arch = "wasm32")]
pub use buffer::DeviceBuffer;
pub use compute::{Form, Out, Source, compute, compute_one, product};
pub use expr::{Expr, Numbers};
#[cfg(target_arch = "wasm32")]
pub use gpu::limit_operations;
pub use rehearsal::rehearse;
