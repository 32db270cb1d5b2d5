//! A data set of activations that stays on the device.

use std::borrow::Cow;
use std::collections::HashSet;

use burn::tensor::Tensor;
use serde::Serialize;

use crate::error::{LabError, Result, check_setting, code};
use crate::gpt2::{Gpt2, HookPoint, Hooks, LogitsWanted, Reading, View};
use crate::kernels::{self, Expr, Out, compute};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::tensors::{check_rows, read, upload_indices};
use crate::tokenizer::Tokenizer;

/// Which positions of a text to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    Last,
    /// One position a text, uniformly.
    Random,
}

/// Sequences of uniformly random token ids, without BOS; all their positions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomSequences {
    pub count: usize,
    pub length: usize,
    /// First and last id that may occur.
    pub ids: (u32, u32),
}

/// What to run: a text, or token ids as they are, without BOS.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    Text(&'a str),
    Ids(&'a [u32]),
}

impl<'a> From<&'a String> for Source<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

#[derive(Debug, Clone)]
pub struct CollectSettings {
    pub point: HookPoint,
    pub view: View,
    pub keep: Keep,
    pub prepend_bos: bool,
    /// At most this many tokens of the texts, BOS not counted; `None` for all.
    pub max_tokens: Option<usize>,
    pub random: Option<RandomSequences>,
    pub seed: u64,
}

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Index into [`Activations::sequences`].
    pub sequence: usize,
    pub position: usize,
}

/// A sequence that was run.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Index of the text it is (a part of), or −1−k for the k-th random sequence.
    pub text: i32,
    pub ids: Vec<u32>,
}

/// Activations `[rows, width]` on the device, with the origin of every row.
pub struct Activations {
    pub data: Tensor<2>,
    pub origins: Vec<Origin>,
    pub sequences: Vec<Sequence>,
    pub point: HookPoint,
    pub view: View,
}

/// Figures over some of the rows.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Norms {
    pub rows: usize,
    /// Over all values of these rows.
    pub mean: f64,
    /// Unbiased, over all values of these rows (as `torch.std`).
    pub std: f64,
    /// Of the rows' Euclidean norms.
    pub mean_norm: f64,
    pub median_norm: f64,
    pub max_norm: f64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub rows: usize,
    pub width: usize,
    /// Rows that differ: the same prefix of tokens always gives the same row.
    pub distinct_rows: usize,
    /// Tokens run, BOS included.
    pub tokens: usize,
    pub mean: f64,
    pub std: f64,
    pub all: Norms,
    pub without_position_0: Norms,
}

/// Sequences are run together, padded on the right (causal attention never looks there), up to
/// this many tokens a pass.
pub(crate) const TOKENS_PER_PASS: usize = 512;

/// Runs the texts, then the random sequences, and keeps the activations at one hook. Texts longer
/// than the context are cut into parts of its length, each with its own BOS.
pub async fn collect<'a, T>(
    model: &Gpt2,
    tokenizer: &Tokenizer,
    texts: &'a [T],
    settings: &CollectSettings,
    pause: &impl Checkpoint,
) -> Result<Activations>
where
    &'a T: Into<Source<'a>>,
{
    let width = settings.point.vector_width(&model.config)?;
    let mut rng = Rng::new(settings.seed);
    let mut sequences = text_sequences(tokenizer, texts.iter().map(Into::into), settings, model.config.n_ctx)?;
    if let Some(random) = settings.random {
        sequences.extend(random_sequences(random, model, &mut rng)?);
    }
    if sequences.is_empty() {
        return Err(LabError::new(
            code::EMPTY_INPUT,
            "There is no text to collect activations from.",
            "Give at least one text that is not empty, or random sequences.",
        ));
    }

    let kept = |s: &Sequence| if s.text < 0 || settings.keep == Keep::All { s.ids.len() } else { 1 };
    check_rows("rows", sequences.iter().map(kept).sum(), width, &model.device())?;

    let total = sequences.len();
    let mut parts = Vec::new();
    let mut origins = Vec::new();
    let mut start = 0;
    while start < total {
        let end = pass_end(&sequences, start);
        let mut kept = Vec::new();
        for (i, sequence) in sequences[start..end].iter().enumerate() {
            for position in kept_positions(sequence, settings.keep, &mut rng) {
                kept.push((i, position));
                origins.push(Origin { sequence: start + i, position });
            }
        }
        let run: Vec<&[u32]> = sequences[start..end].iter().map(|s| s.ids.as_slice()).collect();
        parts.extend(run_pass(model, &run, &[settings.point], settings.view, &kept)?);
        start = end;
        pause.reached(Progress::Collect { done: end, total }).await?;
    }
    Ok(Activations { data: Tensor::cat(parts, 0), origins, sequences, point: settings.point, view: settings.view })
}

/// Runs sequences together, once, and reads each of `points` at the `kept` (sequence, position)
/// pairs: `[kept, width]` each.
pub(crate) fn run_pass(model: &Gpt2, sequences: &[&[u32]], points: &[HookPoint], view: View, kept: &[(usize, usize)]) -> Result<Vec<Tensor<2>>> {
    let longest = sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
    let padded: Vec<Vec<u32>> = sequences.iter().map(|ids| pad(ids, longest, model.config.eos)).collect();
    let rows: Vec<&[u32]> = padded.iter().map(Vec::as_slice).collect();
    let mut hooks = Hooks::reading(points, view);
    model.forward(&rows, None, &mut hooks, LogitsWanted::None)?;
    let indices: Vec<u32> = kept.iter().map(|&(sequence, position)| (sequence * longest + position) as u32).collect();
    let indices = upload_indices(&indices, [indices.len()], &model.device());
    let read = |point: &HookPoint| {
        let Some(Reading::Vectors(x)) = hooks.readings.get(point) else {
            return Err(LabError::new(code::UNKNOWN_HOOK, format!("{point} gave nothing."), "Choose another hook."));
        };
        let [batch, pos, width] = x.dims();
        Ok(x.clone().reshape([batch * pos, width]).select(0, indices.clone()))
    };
    points.iter().map(read).collect()
}

/// A text's tokens in parts of at most `length` tokens, each with its own `bos` in front.
pub(crate) fn parts(ids: &[u32], bos: Option<u32>, length: usize) -> impl Iterator<Item = Vec<u32>> {
    ids.chunks((length - usize::from(bos.is_some())).max(1)).map(move |part| bos.into_iter().chain(part.iter().copied()).collect())
}

fn text_sequences<'a>(
    tokenizer: &Tokenizer,
    texts: impl Iterator<Item = Source<'a>>,
    settings: &CollectSettings,
    n_ctx: usize,
) -> Result<Vec<Sequence>> {
    let mut left = settings.max_tokens.unwrap_or(usize::MAX);
    let mut sequences = Vec::new();
    for (text, source) in texts.enumerate() {
        let (ids, bos) = match source {
            Source::Text(content) => (Cow::from(tokenizer.encode(content, false)?), settings.prepend_bos.then_some(tokenizer.end_of_text)),
            Source::Ids(ids) => (Cow::from(ids), None),
        };
        let ids = &ids[..ids.len().min(left)];
        left -= ids.len();
        sequences.extend(parts(ids, bos, n_ctx).map(|ids| Sequence { text: text as i32, ids }));
    }
    Ok(sequences)
}

fn random_sequences(random: RandomSequences, model: &Gpt2, rng: &mut Rng) -> Result<Vec<Sequence>> {
    let RandomSequences { count, length, ids: (first, last) } = random;
    let config = &model.config;
    let in_context = format!("from 1 to the context of {}", config.n_ctx);
    check_setting(length >= 1 && length <= config.n_ctx, "randomSequences.length", length, &in_context)?;
    check_setting(count <= 100_000, "randomSequences.count", count, "at most 100000")?;
    check_rows("randomSequences.count × length", count * length, config.d_model, &model.device())?;
    check_setting(first <= last, "randomSequences.minId", first, "at most maxId")?;
    check_setting((last as usize) < config.d_vocab, "randomSequences.maxId", last, &format!("below the vocabulary's {}", config.d_vocab))?;
    let draw = |rng: &mut Rng| first + rng.below((last - first + 1) as usize) as u32;
    Ok((0..count).map(|k| Sequence { text: -1 - k as i32, ids: (0..length).map(|_| draw(rng)).collect() }).collect())
}

/// Whether so many sequences, padded to the longest, may be run together.
pub(crate) fn fits_pass(longest: usize, sequences: usize) -> bool {
    sequences == 1 || longest * sequences <= TOKENS_PER_PASS
}

/// The end of the pass that begins at `start`: as many sequences as fit, at least one.
fn pass_end(sequences: &[Sequence], start: usize) -> usize {
    let mut longest = 0;
    for (i, sequence) in sequences[start..].iter().enumerate() {
        longest = longest.max(sequence.ids.len());
        if !fits_pass(longest, i + 1) {
            return start + i;
        }
    }
    sequences.len()
}

fn pad(ids: &[u32], length: usize, with: u32) -> Vec<u32> {
    let mut ids = ids.to_vec();
    ids.resize(length, with);
    ids
}

fn kept_positions(sequence: &Sequence, keep: Keep, rng: &mut Rng) -> Vec<usize> {
    let n = sequence.ids.len();
    match keep {
        _ if sequence.text < 0 => (0..n).collect(),
        Keep::All => (0..n).collect(),
        Keep::Last => vec![n - 1],
        Keep::Random => vec![rng.below(n)],
    }
}

impl Activations {
    pub fn rows(&self) -> usize {
        self.origins.len()
    }

    pub fn width(&self) -> usize {
        self.data.dims()[1]
    }

    /// The token at a row.
    pub fn token(&self, row: usize) -> u32 {
        let Origin { sequence, position } = self.origins[row];
        self.sequences[sequence].ids[position]
    }

    /// Rows to look at: all, or those that are not the first of their sequence.
    pub fn row_indices(&self, skip_position_0: bool) -> Vec<u32> {
        let wanted = |row: &u32| !skip_position_0 || self.origins[*row as usize].position > 0;
        (0..self.rows() as u32).filter(wanted).collect()
    }

    /// Mean, standard deviation and norms. Reads two numbers a row from the device.
    pub async fn stats(&self) -> Result<Stats> {
        let [sums, squares] = moments(&self.data);
        let moments = [read(sums).await?.data, read(squares).await?.data];
        let width = self.width();
        let norms = |rows: Vec<u32>| norms(&moments, &rows, width);
        let all = norms(self.row_indices(false));
        let distinct: HashSet<&[u32]> = self.origins.iter().map(|o| &self.sequences[o.sequence].ids[..=o.position]).collect();
        Ok(Stats {
            rows: self.rows(),
            width,
            distinct_rows: distinct.len(),
            tokens: self.sequences.iter().map(|s| s.ids.len()).sum(),
            mean: all.mean,
            std: all.std,
            without_position_0: norms(self.row_indices(true)),
            all,
        })
    }
}

/// The sum and the sum of squares of each row, `[rows, 1]` each.
pub(crate) fn moments(rows: &Tensor<2>) -> [Tensor<2>; 2] {
    let [n, cols] = rows.dims();
    let x = Expr::from(rows);
    let source = kernels::Source::Rows { cols, of: vec![x.clone(), x.square()] };
    let mut both = compute(source, [n, 1], vec![Out::New(Expr::sum(0)), Out::New(Expr::sum(1))]).into_iter();
    std::array::from_fn(|_| both.next().unwrap_or_else(|| rows.zeros_like()))
}

fn norms(moments: &[Vec<f32>; 2], rows: &[u32], width: usize) -> Norms {
    if rows.is_empty() {
        return Norms::default();
    }
    let of = |row: u32, k: usize| f64::from(moments[k][row as usize]);
    let values = (rows.len() * width) as f64;
    let sum: f64 = rows.iter().map(|&r| of(r, 0)).sum();
    let squares: f64 = rows.iter().map(|&r| of(r, 1)).sum();
    let mut lengths: Vec<f64> = rows.iter().map(|&r| of(r, 1).max(0.0).sqrt()).collect();
    lengths.sort_by(f64::total_cmp);
    let n = lengths.len();
    let mean = sum / values;
    Norms {
        rows: n,
        mean,
        std: ((squares - values * mean * mean).max(0.0) / (values - 1.0).max(1.0)).sqrt(),
        mean_norm: lengths.iter().sum::<f64>() / n as f64,
        median_norm: (lengths[(n - 1) / 2] + lengths[n / 2]) / 2.0,
        max_norm: lengths[n - 1],
    }
}
