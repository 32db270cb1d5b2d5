//! GPT-2: configuration, checkpoints, forward pass with hooks, KV cache, generation.

mod cache;
mod check;
mod config;
mod fused;
mod gelu;
mod generate;
mod heads;
mod hook_point;
mod hooks;
mod loader;
mod matrix;
mod memory;
mod model;
mod sampling;

pub use cache::KvCache;
pub use check::{Check, check};
pub use config::Config;
pub use generate::{GenerateSettings, Generated, generate};
pub use hook_point::{HookPoint, Site};
pub use hooks::{Edit, EditKind, Hooks, Positions, Reading, View};
pub use loader::{Loader, STEP, load};
pub use matrix::Matrix;
#[doc(hidden)] // public for tests/kernels
pub use matrix::{Builder as MatrixBuilder, Layout};
pub use memory::{Estimate, Precision};
pub use model::{Gpt2, LogitsWanted};
pub use sampling::{Sampling, filtered_probabilities, log_softmax, mean_loss, sample};
