//! GPT-2: configuration, checkpoint, forward pass with hooks, KV cache, generation.

mod cache;
mod checkpoint;
mod config;
mod gelu;
mod generate;
mod hook_point;
mod hooks;
mod model;
mod sampling;

pub use cache::KvCache;
pub use config::Config;
pub use generate::{GenerateSettings, Generated, generate};
pub use hook_point::{HookPoint, Site};
pub use hooks::{Edit, EditKind, Hooks, Positions, Reading, View};
pub use model::{Gpt2, LogitsWanted};
pub use sampling::{Sampling, filtered_probabilities, log_softmax, mean_loss, sample};
