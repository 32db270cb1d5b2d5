//! `tokenizer.json`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sae_lab_fuzz::tokenizer::Tokenizer;
use sae_lab_fuzz::{check_refusal, check_tokenizer};

fuzz_target!(|file: &[u8]| match Tokenizer::from_json(file) {
    Ok(tokenizer) => check_tokenizer(&tokenizer),
    Err(error) => check_refusal(&error),
});
