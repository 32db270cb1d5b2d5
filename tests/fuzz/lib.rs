//! The modules of sae-lab that read files, and what every target asks of an error.

#[path = "../../src/error.rs"]
pub mod error;
#[path = "../../src/files/mod.rs"]
pub mod files;
#[path = "../../src/gpt2/config.rs"]
pub mod config;
#[path = "../../src/tokenizer/mod.rs"]
pub mod tokenizer;

/// A refusal is of a bad file, says why in a few words, and says what to do.
pub fn check_refusal(error: &error::LabError) {
    assert_eq!(error.code, error::code::BAD_FILE, "{error}");
    assert!(!error.message.is_empty() && error.message.len() < 1200 && !error.hint.is_empty(), "{error}");
}

/// Whatever vocabulary it has: ids lie within it, each can be shown, and a text whose bytes all have tokens is what its tokens spell.
pub fn check_tokenizer(tokenizer: &tokenizer::Tokenizer) {
    let size = tokenizer.vocab_size();
    assert!((tokenizer.end_of_text as usize) < size);
    for id in 0..size.min(64) as u32 {
        tokenizer.decode_token(id);
    }
    let text = "ab abba<|endoftext|> é\n";
    match tokenizer.encode(text, false) {
        Ok(ids) => assert!(ids.iter().all(|&id| (id as usize) < size)),
        Err(error) => assert_eq!(error.code, error::code::BAD_SETTING),
    }
}
