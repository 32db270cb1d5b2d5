//! SAEs in SAELens's files: `cfg.json`, `sae_weights.safetensors` and, where there is one,
//! `sparsity.safetensors`. What is read is untrusted: it is checked against what `cfg.json` promises
//! before anything large is allocated or uploaded, and nothing is left behind when it is refused.

mod config;
mod mismatch;
mod read;
mod write;

pub use config::read_config;
pub use mismatch::{Here, Mismatch, mismatches};
pub use read::{Loader, Part, Release, read, read_sparsity};
pub use write::{Files, WriteSettings, write};

use crate::error::{LabError, code};

pub const CFG: &str = "cfg.json";
pub const WEIGHTS: &str = "sae_weights.safetensors";
pub const SPARSITY: &str = "sparsity.safetensors";

/// A file that is not what SAELens writes.
fn bad(message: impl Into<String>) -> LabError {
    LabError::new(code::BAD_FILE, message, "Use the unchanged cfg.json and sae_weights.safetensors of one SAE, as SAELens saves them.")
}
