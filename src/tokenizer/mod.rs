//! GPT-2's byte-level BPE over the `tokenizers` crate.

mod files;

use std::collections::{HashMap, HashSet};

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::ByteLevel as NoNormalizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerImpl};

use crate::error::{LabError, Result, code};
use files::Pieces;

pub const END_OF_TEXT: &str = "<|endoftext|>";

/// The crate's tokenizer with the parts of GPT-2's only (its own type for any file holds every
/// model and normaliser there is). No normaliser is ever set.
type HfTokenizer = TokenizerImpl<BPE, NoNormalizer, ByteLevel, ByteLevel, ByteLevel>;

/// Text to token ids and back.
pub struct Tokenizer {
    inner: HfTokenizer,
    /// The character that stands for each byte in a raw piece (`Ġ` for a space), reversed.
    byte_of: HashMap<char, u8>,
    /// Added tokens: their pieces are plain text.
    literal: HashSet<u32>,
    /// Bytes that no token stands for: none in GPT-2's own vocabulary.
    missing: Vec<u8>,
    /// BOS and EOS are the same token in GPT-2.
    pub end_of_text: u32,
}

impl Tokenizer {
    /// From Hugging Face's `tokenizer.json`. Its vocabulary, merges and added tokens are taken;
    /// everything else that changes ids must be what GPT-2 has.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        Self::new(Pieces::from_json(bytes)?)
    }

    /// From GPT-2's original pair `vocab.json` + `merges.txt`.
    pub fn from_vocab_merges(vocab: &[u8], merges: &[u8]) -> Result<Self> {
        Self::new(Pieces::from_vocab_merges(vocab, merges)?)
    }

    fn new(pieces: Pieces) -> Result<Self> {
        let byte_of = byte_of_char();
        let end_of_text = pieces.check(&byte_of)?;
        let Pieces { vocab, merges, mut added } = pieces;
        let mut missing: Vec<u8> = byte_of.iter().filter(|(c, _)| !vocab.contains_key(&c.to_string())).map(|(_, &byte)| byte).collect();
        missing.sort_unstable();
        if added.iter().all(|token| token.content != END_OF_TEXT) {
            added.push(AddedToken::from(END_OF_TEXT, true));
        }
        let literal = added.iter().filter_map(|token| vocab.get(&token.content).copied()).collect();
        // The crate's cache of words (0.23.2) is the thread's, and keeps those of a tokenizer that is gone: some kB, up to
        // 10,000 words, for each model ever loaded. A text takes 1.25 times as long without it, 1.4 µs a token.
        let bpe = BPE::builder()
            .cache_capacity(0)
            .vocab_and_merges(vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
            .build()
            .map_err(|e| LabError::file(format!("The tokenizer's vocabulary and merges disagree: {e}")))?;
        let mut inner = HfTokenizer::new(bpe);
        inner.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
        inner.add_tokens(added).map_err(|e| LabError::file(format!("The tokenizer's added tokens can't be used: {e}")))?;
        Ok(Self { inner, byte_of, literal, missing, end_of_text })
    }

    /// The number of tokens, the special one included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Token ids of `text`, after the BOS token when `prepend_bos`. A literal `<|endoftext|>` in the
    /// text becomes that token too, as in TransformerLens. A byte without a token is an error: Hugging
    /// Face would leave it out.
    pub fn encode(&self, text: &str, prepend_bos: bool) -> Result<Vec<u32>> {
        let refuse = |why: String| LabError::new(code::BAD_SETTING, format!("The text can't be tokenised: {why}"), "Try another text.");
        let encoding = self.inner.encode_fast(text, false).map_err(|e| refuse(e.to_string()))?;
        if text.bytes().any(|byte| self.missing.contains(&byte)) {
            let kept = self.bytes_of(encoding.get_ids());
            let count = |bytes: &[u8], byte: u8| bytes.iter().filter(|&&b| b == byte).count();
            if let Some(byte) = self.missing.iter().find(|&&byte| count(text.as_bytes(), byte) != count(&kept, byte)) {
                return Err(refuse(format!("this model's tokenizer has no token for its byte 0x{byte:02X}.")));
            }
        }
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
        String::from_utf8_lossy(&self.bytes_of(ids)).into_owned()
    }

    fn bytes_of(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.bytes(id)).collect()
    }

    fn bytes(&self, id: u32) -> Vec<u8> {
        let piece = self.raw(id);
        if self.literal.contains(&id) {
            return piece.into_bytes();
        }
        let bytes: Option<Vec<u8>> = piece.chars().map(|c| self.byte_of.get(&c).copied()).collect();
        bytes.unwrap_or_else(|| piece.into_bytes())
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
