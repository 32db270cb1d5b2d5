//! The engine on the CPU against the reference numbers (`tests/reference/README.md`).

mod edits;
mod errors;
mod generate;
mod gpt2;
mod sae;
mod support;
mod tokenizer;
mod training;
