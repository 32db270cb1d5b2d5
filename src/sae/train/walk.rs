//! A walk through texts for as long as it is asked: in a random order, in a new one each round.

use super::stream::StreamSettings;
use crate::activations::{fits_pass, parts};
use crate::error::{LabError, Result, code};
use crate::gpt2::Gpt2;
use crate::rng::Rng;
use crate::tokenizer::Tokenizer;

use serde::{Deserialize, Serialize};

/// Where a walk stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkPosition {
    /// Of the texts and of how they are read: a position means nothing in others.
    pub texts: u64,
    /// How often the texts have been gone through.
    pub round: usize,
    /// Gives this round's order.
    pub order: Rng,
    /// Goes on after it; shuffles the buffer too.
    pub rng: Rng,
    /// Place in the order, and part of the text there, that come next.
    pub text: usize,
    pub part: usize,
}

pub(super) struct Walk<'a> {
    tokenizer: &'a Tokenizer,
    texts: &'a [String],
    /// Those of the texts that are walked through.
    which: Vec<u32>,
    bos: Option<u32>,
    length: usize,
    skip_position_0: bool,
    fingerprint: u64,
}

/// A round's order, and the parts of the text that the walk is in.
pub(super) struct Open {
    order: Vec<u32>,
    text: Option<usize>,
    parts: Vec<Vec<u32>>,
}

/// Sequences to run together, and the (sequence, position) pairs to keep.
pub(super) struct Pass {
    pub sequences: Vec<Vec<u32>>,
    pub kept: Vec<(usize, usize)>,
}

impl<'a> Walk<'a> {
    pub fn new(model: &Gpt2, tokenizer: &'a Tokenizer, texts: &'a [String], settings: &StreamSettings, which: Vec<u32>) -> Self {
        let bos = settings.prepend_bos.then_some(tokenizer.end_of_text);
        let length = settings.length(model);
        let StreamSettings { point, target, view, skip_position_0, .. } = *settings;
        // Hooks and view too: rows read elsewhere must not be mixed with those in the buffer.
        let how = format!("{point} {target:?} {view:?} {bos:?} {length} {skip_position_0} {} {which:?}", model.config.d_vocab);
        let fingerprint = texts.iter().fold(fnv(FNV, how.as_bytes()), |hash, text| fnv(fnv(hash, text.as_bytes()), &[0xff]));
        Self { tokenizer, texts, which, bos, length, skip_position_0, fingerprint }
    }

    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub fn begin(&self, seed: u64) -> WalkPosition {
        let order = Rng::new(seed);
        let mut rng = order.clone();
        rng.permutation(self.which.len());
        WalkPosition { texts: self.fingerprint, round: 0, order, rng, text: 0, part: 0 }
    }

    /// The round that `at` is in.
    pub fn open(&self, at: &WalkPosition) -> Result<Open> {
        if self.which.is_empty() {
            return Err(nothing());
        }
        Ok(Open { order: at.order.clone().permutation(self.which.len()), text: None, parts: Vec::new() })
    }

    /// The sequences of one pass, `at` moved on behind them. May be empty: where texts are, and at the end of a round, which no pass goes beyond.
    pub fn group(&self, at: &mut WalkPosition, open: &mut Open) -> Result<Pass> {
        let (mut sequences, mut kept) = (Vec::new(), Vec::new());
        let mut longest = 0;
        let first = usize::from(self.skip_position_0);
        let round = at.round;
        while at.round == round {
            if open.text != Some(at.text) {
                let text = open.order.get(at.text).and_then(|&n| self.which.get(n as usize)).and_then(|&n| self.texts.get(n as usize));
                let ids = self.tokenizer.encode(text.map_or("", String::as_str), false)?;
                (open.parts, open.text) = (parts(&ids, self.bos, self.length).collect(), Some(at.text));
            }
            let Some(part) = open.parts.get(at.part) else {
                (at.text, at.part) = (at.text + 1, 0);
                if at.text >= self.which.len() {
                    self.turn(at, open);
                }
                continue;
            };
            longest = longest.max(part.len());
            if !sequences.is_empty() && !fits_pass(longest, sequences.len() + 1) {
                break;
            }
            kept.extend((first..part.len()).map(|position| (sequences.len(), position)));
            sequences.push(part.clone());
            at.part += 1;
        }
        Ok(Pass { sequences, kept })
    }

    /// The next round.
    fn turn(&self, at: &mut WalkPosition, open: &mut Open) {
        (at.round, at.text) = (at.round + 1, 0);
        at.order = at.rng.clone();
        let order = at.rng.permutation(self.which.len());
        *open = Open { order, text: None, parts: Vec::new() };
    }

    /// `Err` when a whole round gave no row.
    pub fn check_rows(&self, rows: usize) -> Result<()> {
        if rows > 0 { Ok(()) } else { Err(nothing()) }
    }
}

fn nothing() -> LabError {
    LabError::new(code::EMPTY_INPUT, "The texts give no row to train on.", "Give texts that are not empty, or keep position 0.")
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
