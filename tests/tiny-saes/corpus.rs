//! The tiny model's training text, in documents; some are held out.

use std::path::Path;

pub struct Corpus {
    pub trained: Vec<String>,
    /// Every fortieth document: no SAE sees it before it is judged.
    pub held_out: Vec<String>,
}

impl Corpus {
    /// Documents are separated by lines of `<|endoftext|>`, as make_corpus.py writes them.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let documents = text.split("<|endoftext|>").map(str::trim).filter(|d| !d.is_empty());
        let mut corpus = Self { trained: Vec::new(), held_out: Vec::new() };
        for (n, document) in documents.enumerate() {
            if n % 40 == 7 { &mut corpus.held_out } else { &mut corpus.trained }.push(document.to_string());
        }
        Ok(corpus)
    }
}
