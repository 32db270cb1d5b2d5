//! A text is what its tokens spell.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sae_lab_fuzz::tokenizer::Tokenizer;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let file = include_bytes!("../../reference/models/random/tokenizer.json");
    Tokenizer::from_json(file).unwrap_or_else(|error| panic!("{error}"))
});

fuzz_target!(|text: &str| {
    let tokenizer = &*TOKENIZER;
    let ids = tokenizer.encode(text, true).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ids[0], tokenizer.end_of_text);
    assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    assert_eq!(tokenizer.decode(&ids[1..]), text);
    for &id in &ids {
        assert!(!tokenizer.decode_token(id).is_empty() && !tokenizer.raw(id).is_empty());
    }
});
