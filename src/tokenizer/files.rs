//! The tokenizer's files, which nobody vouches for: what is taken from them, and what it must be.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;

use super::END_OF_TEXT;
use crate::error::{LabError, Result};
use crate::files::{excerpt, typed, unique_keys, utf8};

/// Bytes of a file at most. GPT-2's tokenizer.json has 1,355,256, or 3.6 million with each merge on four lines.
const LARGEST: usize = 16 << 20;
/// Added tokens at most; every text is searched for all of them.
const MOST_ADDED: usize = 1024;

/// What makes a tokenizer GPT-2's or another.
pub struct Pieces {
    /// Byte-level pieces and added tokens, with their ids.
    pub vocab: HashMap<String, u32>,
    /// First come, first merged.
    pub merges: Vec<(String, String)>,
    /// Found in a text as they are, before it is cut into pieces.
    pub added: Vec<AddedToken>,
}

impl Pieces {
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let TokenizerJson { model, added_tokens, pre_tokenizer, normalizer } = typed("tokenizer.json", bytes, LARGEST)?;
        let refuse = |what: &str, value: &Value| {
            let at = excerpt(&value.to_string(), 160);
            Err(LabError::file(format!("tokenizer.json is not GPT-2's byte-level BPE: its {what} is {at}.")))
        };
        let is = |value: &Value, key: &str, allowed: &[Value]| value.get(key).is_none_or(|v| v.is_null() || allowed.contains(v));
        if pre_tokenizer.get("type") != Some(&"ByteLevel".into())
            || !is(&pre_tokenizer, "add_prefix_space", &[false.into()])
            || !is(&pre_tokenizer, "use_regex", &[true.into()])
        {
            return refuse("pre_tokenizer", &pre_tokenizer);
        }
        if !normalizer.is_null() {
            return refuse("normalizer", &normalizer);
        }
        for (name, value, allowed) in [
            ("model.type", &model.kind, Value::from("BPE")),
            ("model.dropout", &model.dropout, 0.0.into()),
            ("model.continuing_subword_prefix", &model.continuing_subword_prefix, "".into()),
            ("model.end_of_word_suffix", &model.end_of_word_suffix, "".into()),
            ("model.byte_fallback", &model.byte_fallback, false.into()),
            ("model.ignore_merges", &model.ignore_merges, false.into()),
        ] {
            if !value.is_null() && *value != allowed {
                return refuse(name, value);
            }
        }
        let merges = model.merges.into_iter().map(Merge::pair).collect::<Result<_>>()?;
        let mut pieces = Self { vocab: model.vocab, merges, added: Vec::new() };
        if added_tokens.len() > MOST_ADDED {
            return Err(LabError::file(format!("tokenizer.json has {} added tokens; at most {MOST_ADDED} are read.", added_tokens.len())));
        }
        for token in added_tokens {
            pieces.add(token)?;
        }
        Ok(pieces)
    }

    pub fn from_vocab_merges(vocab: &[u8], merges: &[u8]) -> Result<Self> {
        let Vocab(vocab) = typed("vocab.json", vocab, LARGEST)?;
        let lines = utf8("merges.txt", merges, LARGEST)?.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
        Ok(Self { vocab, merges: lines.map(split).collect::<Result<_>>()?, added: Vec::new() })
    }

    fn add(&mut self, token: AddedTokenJson) -> Result<()> {
        let AddedTokenJson { id, content, single_word, lstrip, rstrip, special } = token;
        let shown = excerpt(&content, 60);
        if content.is_empty() {
            return Err(LabError::file(format!("tokenizer.json: the added token {id} is empty.")));
        }
        if let Some(other) = self.vocab.insert(content.clone(), id).filter(|other| *other != id) {
            return Err(LabError::file(format!("tokenizer.json gives {shown:?} two ids, {other} and {id}.")));
        }
        if self.added.iter().any(|other| other.content == content) {
            return Err(LabError::file(format!("tokenizer.json adds {shown:?} twice.")));
        }
        self.added.push(AddedToken::from(content, special).single_word(single_word).lstrip(lstrip).rstrip(rstrip));
        Ok(())
    }

    /// Whether this can be a byte-level BPE: ids from 0 without a gap or a repetition, pieces of nothing
    /// but the characters that stand for bytes, merges of pieces there are into one there is. Gives the id
    /// of [`END_OF_TEXT`].
    pub fn check(&self, byte_of: &HashMap<char, u8>) -> Result<u32> {
        let refuse = |what: String| Err(LabError::file(what));
        let count = self.vocab.len();
        let mut owner: Vec<Option<&str>> = vec![None; count];
        for (piece, &id) in &self.vocab {
            match owner.get_mut(id as usize) {
                None => {
                    return refuse(format!("The tokenizer has {count} tokens, but one of them has the id {id}: ids must run from 0 without a gap."));
                }
                Some(Some(other)) => {
                    return refuse(format!("The tokenizer gives {:?} and {:?} the same id, {id}.", excerpt(other, 60), excerpt(piece, 60)));
                }
                Some(free) => *free = Some(piece),
            }
        }
        let Some(&end_of_text) = self.vocab.get(END_OF_TEXT) else {
            return refuse(format!("The tokenizer has no {END_OF_TEXT} token."));
        };
        let added: HashSet<&str> = self.added.iter().map(|token| token.content.as_str()).collect();
        let strange = |piece: &&String| piece.is_empty() || (!piece.chars().all(|c| byte_of.contains_key(&c)) && !added.contains(piece.as_str()));
        if let Some(piece) = self.vocab.keys().find(strange) {
            return refuse(format!("The tokenizer's token {:?} is no byte-level text, which GPT-2's tokens are.", excerpt(piece, 60)));
        }
        let mut seen = HashSet::with_capacity(self.merges.len());
        for (a, b) in &self.merges {
            let shown = || format!("The merge of {:?} and {:?}", excerpt(a, 60), excerpt(b, 60));
            if a.is_empty() || b.is_empty() {
                return refuse(format!("{} joins nothing.", shown()));
            }
            if let Some(piece) = [a, b].into_iter().find(|piece| !self.vocab.contains_key(*piece)) {
                return refuse(format!("{} needs {:?}, which the vocabulary lacks.", shown(), excerpt(piece, 60)));
            }
            if !self.vocab.contains_key(&format!("{a}{b}")) {
                return refuse(format!("{} makes a piece that the vocabulary lacks.", shown()));
            }
            if !seen.insert((a, b)) {
                return refuse(format!("{} stands in the tokenizer twice.", shown()));
            }
        }
        Ok(end_of_text)
    }
}

/// The part of `tokenizer.json` that is read.
#[derive(Deserialize)]
struct TokenizerJson {
    model: BpeJson,
    #[serde(default)]
    added_tokens: Vec<AddedTokenJson>,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    normalizer: Value,
}

#[derive(Deserialize)]
struct BpeJson {
    #[serde(rename = "type", default)]
    kind: Value,
    #[serde(deserialize_with = "unique_keys")]
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    #[serde(default)]
    dropout: Value,
    #[serde(default)]
    continuing_subword_prefix: Value,
    #[serde(default)]
    end_of_word_suffix: Value,
    #[serde(default)]
    byte_fallback: Value,
    #[serde(default)]
    ignore_merges: Value,
}

#[derive(Deserialize)]
struct AddedTokenJson {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    special: bool,
}

/// `vocab.json`.
#[derive(Deserialize)]
struct Vocab(#[serde(deserialize_with = "unique_keys")] HashMap<String, u32>);

/// `"a b"`, or `["a", "b"]` in newer files.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

impl Merge {
    fn pair(self) -> Result<(String, String)> {
        match self {
            Self::Pair(a, b) => Ok((a, b)),
            Self::Line(line) => split(&line),
        }
    }
}

fn split(line: &str) -> Result<(String, String)> {
    match line.split_once(' ') {
        Some((a, b)) => Ok((a.to_owned(), b.to_owned())),
        None => Err(LabError::file(format!("A merge is no pair: {:?}.", excerpt(line, 60)))),
    }
}
