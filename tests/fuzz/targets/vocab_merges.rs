//! `vocab.json` and `merges.txt`, parted by a byte that neither can hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sae_lab_fuzz::tokenizer::Tokenizer;
use sae_lab_fuzz::{check_refusal, check_tokenizer};

fuzz_target!(|both: &[u8]| {
    let mut files = both.splitn(2, |&byte| byte == 0);
    let (vocab, merges) = (files.next().unwrap_or_default(), files.next().unwrap_or_default());
    match Tokenizer::from_vocab_merges(vocab, merges) {
        Ok(tokenizer) => check_tokenizer(&tokenizer),
        Err(error) => check_refusal(&error),
    }
});
