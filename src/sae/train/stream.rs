//! Batches from text that streams through the model: the memory is the buffer's, however many
//! tokens are trained on.
//!
//! Texts are taken in a random order, and in a new one each time they run out. Each is tokenised
//! and cut into parts of the context's length with a BOS each, as `collect` does; SAELens joins short
//! texts to full contexts instead. The rows go through SAELens 6.54's mixing buffer
//! (`training/mixing_buffer.py`): it is filled, shuffled, half of it is given out in batches, the
//! other half stays to be mixed with what comes next.

use burn::tensor::Tensor;

use super::super::Metadata;
use super::held_out;
use super::rows::{Picked, Rows, Source};
use super::settings::LARGEST_BATCH;
use super::state::Position;
use super::walk::{Pass, Walk, WalkPosition};
use crate::activations::run_pass;
use crate::error::{Result, check_setting};
use crate::gpt2::{Gpt2, HookPoint, View};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::tensors::{check_rows, upload_indices};
use crate::tokenizer::Tokenizer;

#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Where the SAEs read.
    pub point: HookPoint,
    /// Of transcoders: where their target is, read in the same pass.
    pub target: Option<HookPoint>,
    pub view: View,
    pub prepend_bos: bool,
    /// Tokens of a part, BOS included; `None` for the model's context.
    pub context_size: Option<usize>,
    /// Leaves out the first position of each part, whose activations are like no other's.
    pub skip_position_0: bool,
    /// Rows to train on in all: with `go_on`, those that this stream gave before are counted.
    pub tokens: usize,
    /// Rows held at once, and those of one pass besides; two and a half times as many while they are shuffled.
    /// They stay with the SAE, and in its checkpoints, so that the stream can go on; held-out rows come on top.
    pub buffer_rows: usize,
    pub batch_size: usize,
    /// Steps of an entry in the history.
    pub entry_every: usize,
    /// Fixes the order of texts and rows, and the held-out texts.
    pub seed: u64,
    /// Fraction of the texts that is kept out of training and measured, on at most a buffer of rows.
    pub held_out: f64,
    pub go_on: bool,
}

impl StreamSettings {
    fn check(&self, model: &Gpt2, widths: &[usize]) -> Result<()> {
        check_setting((1..=1 << 31).contains(&self.tokens), "tokens", self.tokens, "from 1 to 2147483648")?;
        check_setting((1..=LARGEST_BATCH).contains(&self.batch_size), "batchSize", self.batch_size, "from 1 to 1048576")?;
        let least = 2 * self.batch_size;
        check_setting(self.buffer_rows >= least, "bufferRows", self.buffer_rows, &format!("at least two batches, {least} rows"))?;
        check_rows("bufferRows", self.buffer_rows, widths.iter().sum(), &model.device())?;
        check_setting(self.entry_every >= 1, "entryEvery", self.entry_every, "1 or more")?;
        check_setting((0.0..=0.9).contains(&self.held_out), "heldOut", self.held_out, "from 0 to 0.9")?;
        let n_ctx = model.config.n_ctx;
        let least = 1 + usize::from(self.prepend_bos).max(usize::from(self.skip_position_0));
        let size = self.context_size.unwrap_or(n_ctx);
        check_setting((least..=n_ctx).contains(&size), "contextSize", size, &format!("from {least} to the model's context of {n_ctx}"))
    }

    /// What the SAEs are made for, as far as the stream says.
    pub(super) fn describe(&self, model: &Gpt2, metadata: &mut Metadata) {
        metadata.hook_name = Some(self.point.to_string());
        metadata.hook_name_out = self.target.map(|target| target.to_string());
        metadata.prepend_bos = Some(self.prepend_bos);
        metadata.context_size = Some(self.length(model));
        metadata.center = Some(self.view == View::TransformerLens);
    }

    pub(super) fn length(&self, model: &Gpt2) -> usize {
        self.context_size.unwrap_or(model.config.n_ctx)
    }
}

/// Where a stream stands.
#[derive(Clone)]
pub struct StreamPosition {
    pub walk: WalkPosition,
    /// Shuffled rows, `[n, width]` of each hook: those before `given` are used up, those before
    /// `serving` are given next, the others stay to be mixed with what comes.
    pub mixed: Vec<Tensor<2>>,
    pub given: usize,
    pub serving: usize,
    /// Rows given in all.
    pub rows: usize,
}

impl StreamPosition {
    pub fn same(&self, other: &Self) -> bool {
        self.walk == other.walk && (self.given, self.serving, self.rows) == (other.given, other.serving, other.rows)
    }
}

pub(super) struct Stream<'a> {
    model: &'a Gpt2,
    walk: Walk<'a>,
    settings: &'a StreamSettings,
    points: Vec<HookPoint>,
    position: StreamPosition,
    held_out: Option<Rows>,
    resumed: bool,
    /// Steps given in this run, and to be given.
    done: usize,
    steps: usize,
}

impl<'a> Stream<'a> {
    /// Goes on at `position` if that is one in these texts, read in this way.
    pub async fn open(
        model: &'a Gpt2,
        tokenizer: &'a Tokenizer,
        texts: &'a [String],
        settings: &'a StreamSettings,
        position: Option<&Position>,
        pause: &impl Checkpoint,
    ) -> Result<Self> {
        let points: Vec<HookPoint> = [settings.point].into_iter().chain(settings.target).collect();
        let widths = points.iter().map(|p| p.vector_width(&model.config)).collect::<Result<Vec<_>>>()?;
        settings.check(model, &widths)?;
        let split = held_out::split(texts.len(), None, settings.held_out, settings.seed)?;
        let (trained, held) = split.unwrap_or_else(|| ((0..texts.len() as u32).collect(), Vec::new()));
        let walk = Walk::new(model, tokenizer, texts, settings, trained);
        let position = match position {
            Some(Position::Stream(p)) if p.walk.texts == walk.fingerprint() => Some(p.clone()),
            _ => None,
        };
        let resumed = position.is_some();
        let fresh = || StreamPosition { walk: walk.begin(settings.seed), mixed: Vec::new(), given: 0, serving: 0, rows: 0 };
        let position = position.unwrap_or_else(fresh);
        let steps = settings.tokens.saturating_sub(position.rows).div_ceil(settings.batch_size);
        let mut stream = Self { model, walk, settings, points, position, held_out: None, resumed, done: 0, steps };
        if !held.is_empty() {
            stream.held_out = Some(stream.run_held_out(tokenizer, texts, held, pause).await?);
        }
        if stream.position.mixed.is_empty() {
            stream.fill(pause).await?;
        }
        Ok(stream)
    }

    /// The rows of the held-out texts, once through, at most a buffer of them.
    async fn run_held_out(&self, tokenizer: &Tokenizer, texts: &[String], held: Vec<u32>, pause: &impl Checkpoint) -> Result<Rows> {
        let walk = Walk::new(self.model, tokenizer, texts, self.settings, held);
        let mut at = walk.begin(self.settings.seed);
        let mut tokens = walk.open(&at)?;
        let mut parts: Vec<Vec<Tensor<2>>> = self.points.iter().map(|_| Vec::new()).collect();
        let mut have = 0;
        while have < self.settings.buffer_rows && at.round == 0 {
            let pass = walk.group(&mut at, &mut tokens)?;
            have += self.run(&pass, &mut parts)?;
            pause.reached(Progress::Fill { done: have.min(self.settings.buffer_rows), total: self.settings.buffer_rows }).await?;
        }
        walk.check_rows(have)?;
        Ok(self.rows(parts.into_iter().map(|p| Tensor::cat(p, 0)).collect()))
    }

    /// Adds a pass's rows to `parts`, one list a hook; how many they are.
    fn run(&self, pass: &Pass, parts: &mut [Vec<Tensor<2>>]) -> Result<usize> {
        if !pass.kept.is_empty() {
            let sequences: Vec<&[u32]> = pass.sequences.iter().map(Vec::as_slice).collect();
            let read = run_pass(self.model, &sequences, &self.points, self.settings.view, &pass.kept)?;
            parts.iter_mut().zip(read).for_each(|(part, rows)| part.push(rows));
        }
        Ok(pass.kept.len())
    }

    /// Fills the buffer and shuffles it. Cancelled, nothing has changed.
    async fn fill(&mut self, pause: &impl Checkpoint) -> Result<()> {
        let StreamSettings { buffer_rows, batch_size, .. } = *self.settings;
        let left = self.position.mixed.first().map_or(0, |m| m.dims()[0]);
        let mut parts: Vec<Vec<Tensor<2>>> = match left {
            0 => self.points.iter().map(|_| Vec::new()).collect(),
            _ => self.position.mixed.iter().map(|m| vec![m.clone()]).collect(),
        };
        let mut at = self.position.walk.clone();
        let mut tokens = self.walk.open(&at)?;
        let (mut have, mut round) = (left, (at.round, left));
        while have < buffer_rows {
            let pass = self.walk.group(&mut at, &mut tokens)?;
            have += self.run(&pass, &mut parts)?;
            if at.round > round.0 + 1 {
                self.walk.check_rows(have - round.1)?; // a whole round through the texts
                round = (at.round, have);
            }
            pause.reached(Progress::Fill { done: have.min(buffer_rows), total: buffer_rows }).await?;
        }
        let order = at.rng.permutation(have);
        let order = upload_indices(&order, [have], &self.model.device());
        let mixed = parts.into_iter().map(|p| Tensor::cat(p, 0).select(0, order.clone())).collect();
        let serving = ((have - buffer_rows / 2) / batch_size).max(1) * batch_size;
        self.position = StreamPosition { walk: at, mixed, given: 0, serving, rows: self.position.rows };
        Ok(())
    }

    fn rows(&self, mut parts: Vec<Tensor<2>>) -> Rows {
        let target = self.settings.target.and_then(|_| parts.pop());
        Rows { x: parts.swap_remove(0), target }
    }
}

impl Source for Stream<'_> {
    fn resumes(&self) -> bool {
        self.resumed
    }

    fn steps_left(&self) -> usize {
        self.steps - self.done
    }

    async fn next(&mut self, pause: &impl Checkpoint) -> Result<Picked> {
        if self.position.given == self.position.serving {
            self.fill(pause).await?;
        }
        let n = self.settings.batch_size.min(self.position.serving - self.position.given);
        let at = self.position.given;
        let batch = Picked { of: self.rows(self.position.mixed.clone()), order: None, start: at, count: n };
        self.position.given += n;
        self.position.rows += n;
        self.done += 1;
        if self.position.given == self.position.serving {
            // What stays is copied, so that what was given is not held any longer.
            let stay: Vec<u32> = (at + n..self.position.mixed[0].dims()[0]).map(|row| row as u32).collect();
            let stay = upload_indices(&stay, [stay.len()], &self.model.device());
            self.position.mixed.iter_mut().for_each(|m| m.inplace(|m| m.select(0, stay.clone())));
            (self.position.given, self.position.serving) = (0, 0);
        }
        Ok(batch)
    }

    fn entry_ends(&self, steps: usize) -> bool {
        steps >= self.settings.entry_every
    }

    fn position(&self) -> Position {
        Position::Stream(self.position.clone())
    }

    /// They are shuffled already.
    fn pool(&self, most: usize, _: &mut Rng) -> Rows {
        self.rows(self.position.mixed.iter().map(|m| m.clone().narrow(0, 0, most.min(m.dims()[0]))).collect())
    }

    fn sample(&self) -> Picked {
        let of = self.rows(self.position.mixed.clone());
        Picked { count: self.settings.batch_size.min(of.count()), of, order: None, start: 0 }
    }

    fn held_out(&self) -> Option<&Rows> {
        self.held_out.as_ref()
    }
}
