//! SAE Lab: GPT-2 and sparse autoencoders in a static web page, on the visitor's own GPU.
//!
//! The way of the data:
//!
//! ```text
//! text ─ tokenizer ─► ids ─ gpt2 (with hooks) ─► activations ─ sae::train ─► Sae ─► analysis
//!                              ▲                                              │
//!                              └──────────── steering directions ◄────────────┘
//! ```
//!
//! Everything below `web` is plain Rust over [`burn`] tensors and runs on any of its devices;
//! only `web` knows JavaScript. Shapes stand in comments as `[batch, pos, d_model]`; names are
//! TransformerLens's and the SAE papers'.

pub mod activations;
pub mod analysis;
pub mod device;
pub mod error;
pub mod files;
pub mod gpt2;
#[doc(hidden)] // public for tests
pub mod kernels;
pub mod plot;
pub mod progress;
pub mod rehearsal;
pub mod rng;
pub mod sae;
pub mod tensors;
pub mod tokenizer;
pub mod toy;

#[cfg(target_arch = "wasm32")]
mod web;

pub use error::{LabError, Result};
