//! Inner loops of the CPU path, over slices of f32: products of matrices, dense and sparse, sums, expressions block by block, and the
//! k-th largest. One thread, and four lanes at a time where WebAssembly has them. The same numbers give the same bits.

pub mod attention;
pub mod dense;
pub mod dots;
mod lanes;
mod matrix;
pub mod program;
pub mod select;
pub mod sparse;
pub mod stream;
pub mod sum;

pub use matrix::Matrix;
