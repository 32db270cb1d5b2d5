//! GPT-2's byte-level BPE over the `tokenizers` crate.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::ByteLevel as NoNormalizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerImpl};

use crate::error::{LabError, Result};

pub const END_OF_TEXT: &str = "<|endoftext|>";

/// The crate's tokenizer with the parts of GPT-2's only (its own type for any file holds every
/// model and normaliser there is). No normaliser is ever set.
type HfTokenizer = TokenizerImpl<BPE, NoNormalizer, ByteLevel, ByteLevel, ByteLevel>;

/// Text to token ids and back.
pub struct Tokenizer {
    inner: HfTokenizer,
    /// The character that stands for each byte in a raw piece (`Ġ` for a space), reversed.
    byte_of: HashMap<char, u8>,
    /// BOS and EOS are the same token in GPT-2.
    pub end_of_text: u32,
}

impl Tokenizer {
    /// From Hugging Face's `tokenizer.json`. Only its vocabulary, merges and special token are taken;
    /// everything else must be what GPT-2 has.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let file: TokenizerJson = serde_json::from_slice(bytes).map_err(|e| LabError::file(format!("tokenizer.json can't be read: {e}")))?;
        let byte_level = file.pre_tokenizer.as_ref().is_some_and(|p| p["type"] == "ByteLevel" && p["add_prefix_space"] != true);
        if !byte_level || !file.normalizer.is_null() || !file.model.dropout.is_null() {
            return Err(LabError::file("tokenizer.json is not GPT-2's byte-level BPE."));
        }
        let mut vocab = file.model.vocab;
        vocab.extend(file.added_tokens.into_iter().map(|token| (token.content, token.id)));
        Self::new(vocab, file.model.merges.into_iter().map(Merge::pair).collect::<Result<_>>()?)
    }

    /// From GPT-2's original pair `vocab.json` + `merges.txt`.
    pub fn from_vocab_merges(vocab: &[u8], merges: &[u8]) -> Result<Self> {
        let vocab = serde_json::from_slice(vocab).map_err(|e| LabError::file(format!("vocab.json can't be read: {e}")))?;
        let merges = std::str::from_utf8(merges).map_err(|e| LabError::file(format!("merges.txt is not UTF-8: {e}")))?;
        let lines = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
        Self::new(vocab, lines.map(|line| Merge::Line(line.into()).pair()).collect::<Result<_>>()?)
    }

    fn new(vocab: HashMap<String, u32>, merges: Vec<(String, String)>) -> Result<Self> {
        let Some(&end_of_text) = vocab.get(END_OF_TEXT) else {
            return Err(LabError::file(format!("The tokenizer has no {END_OF_TEXT} token.")));
        };
        // The crate takes this for granted and would panic.
        if let Some((a, b)) = merges.iter().find(|(a, b)| !vocab.contains_key(&format!("{a}{b}"))) {
            return Err(LabError::file(format!("The merge of {a:?} and {b:?} makes a piece that the vocabulary lacks.")));
        }
        let bpe = BPE::builder()
            .vocab_and_merges(vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
            .build()
            .map_err(|e| LabError::file(format!("The tokenizer's vocabulary and merges disagree: {e}")))?;
        let mut inner = HfTokenizer::new(bpe);
        inner.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
        inner
            .add_special_tokens([AddedToken::from(END_OF_TEXT, true)])
            .map_err(|e| LabError::file(format!("The tokenizer can't take {END_OF_TEXT}: {e}")))?;
        Ok(Self { inner, byte_of: byte_of_char(), end_of_text })
    }

    /// The number of tokens, the special one included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Token ids of `text`, after the BOS token when `prepend_bos`. A literal `<|endoftext|>` in the
    /// text becomes that token too, as in TransformerLens.
    pub fn encode(&self, text: &str, prepend_bos: bool) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|e| LabError::new(crate::error::code::BAD_SETTING, format!("The text can't be tokenised: {e}"), "Try another text."))?;
        let bos = prepend_bos.then_some(self.end_of_text);
        Ok(bos.into_iter().chain(encoding.get_ids().iter().copied()).collect())
    }

    /// The raw byte-level piece of a token, such as `ĠParis`.
    pub fn raw(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_else(|| format!("<unknown {id}>"))
    }

    /// One token on its own as text; bytes that are no whole character as `<0xE2>` each.
    pub fn decode_token(&self, id: u32) -> String {
        let mut text = String::new();
        for chunk in self.bytes(id).utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                text.push_str(&format!("<0x{byte:02X}>"));
            }
        }
        text
    }

    /// A sequence as text; bytes that are no whole character as U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.bytes(id)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn bytes(&self, id: u32) -> Vec<u8> {
        let piece = self.raw(id);
        if id == self.end_of_text {
            return piece.into_bytes();
        }
        let bytes: Option<Vec<u8>> = piece.chars().map(|c| self.byte_of.get(&c).copied()).collect();
        bytes.unwrap_or_else(|| piece.into_bytes())
    }
}

/// The part of `tokenizer.json` that is read.
#[derive(Deserialize)]
struct TokenizerJson {
    model: BpeJson,
    #[serde(default)]
    added_tokens: Vec<AddedTokenJson>,
    pre_tokenizer: Option<Value>,
    #[serde(default)]
    normalizer: Value,
}

#[derive(Deserialize)]
struct BpeJson {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    #[serde(default)]
    dropout: Value,
}

#[derive(Deserialize)]
struct AddedTokenJson {
    id: u32,
    content: String,
}

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
            Self::Line(line) => match line.split_once(' ') {
                Some((a, b)) => Ok((a.to_owned(), b.to_owned())),
                None => Err(LabError::file(format!("A merge is no pair: {line:?}"))),
            },
        }
    }
}

/// GPT-2's reversible map between bytes and visible characters: printable Latin-1 stands for
/// itself, the other 68 bytes are shifted to U+0100 and up.
fn byte_of_char() -> HashMap<char, u8> {
    let visible = |b: &u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let shown = (0..=255u8).filter(visible).map(|b| (char::from(b), b));
    let shifted = (0..=255u8).filter(|b| !visible(b)).zip(0x100u32..).map(|(b, c)| (char::from_u32(c).unwrap_or('?'), b));
    shown.chain(shifted).collect()
}
