//! The engine on the CPU against the reference numbers (`tests/reference/README.md`).

mod allocated;
mod analysis;
mod architectures;
mod by_hand;
mod edits;
mod errors;
mod files;
mod generate;
mod gpt2;
mod gradients;
mod hostile_models;
mod kernels;
mod loader;
mod quality;
mod sae;
mod support;
mod tokenizer;
mod toy;
mod toy_sae;
mod training;
