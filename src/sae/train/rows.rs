//! Where the batches come from: the interface, and the source that shuffles rows in memory.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use super::super::{Batch, Metadata, Sae};
use super::held_out;
use super::settings::TrainSettings;
use super::state::Position;
use crate::error::{LabError, Result, check_setting};
use crate::kernels::Source::Each;
use crate::kernels::{Expr, Numbers, Out, compute, compute_one};
use crate::progress::Checkpoint;
use crate::rng::Rng;
use crate::tensors::upload_indices;

/// Some rows, `[rows, d_in]`, and of a transcoder their targets, `[rows, d_out]`, in the
/// activations' own units.
#[derive(Clone)]
pub struct Rows {
    pub x: Tensor<2>,
    pub target: Option<Tensor<2>>,
}

impl Rows {
    pub fn count(&self) -> usize {
        self.x.dims()[0]
    }

    pub fn narrow(&self, start: usize, n: usize) -> Self {
        self.map(|t| t.narrow(0, start, n))
    }

    pub fn select(&self, indices: &Tensor<1, Int>) -> Self {
        self.map(|t| t.select(0, indices.clone()))
    }

    fn map(&self, f: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { x: f(self.x.clone()), target: self.target.clone().map(f) }
    }
}

/// A batch's rows: some of a longer matrix, in its order or in another.
pub struct Picked {
    pub of: Rows,
    pub order: Option<Tensor<1, Int>>,
    pub start: usize,
    pub count: usize,
}

impl Picked {
    fn rows(&self) -> Rows {
        let Self { of, order, start, count } = self;
        match order {
            Some(order) => of.select(&order.clone().narrow(0, *start, *count)),
            None => of.narrow(*start, *count),
        }
    }
}

/// The rows as `sae`'s architecture is trained on them: scaled, normalised, without a penalty.
pub(super) fn batch(sae: &Sae, rows: &Rows) -> Batch {
    sae.batch(rows.x.clone(), rows.target.clone(), 0.0)
}

/// The same of rows that are to be picked: where nothing has to be known of a row first, in one go with what is multiplied by `W_enc`.
pub(super) fn picked_batch(sae: &Sae, picked: &Picked) -> Batch {
    if sae.config.normalize_activations.looks_at_rows() {
        return batch(sae, &picked.rows());
    }
    let Picked { of, order, start, count } = picked;
    let affine = sae.architecture.affine();
    let scale = Numbers::new(vec![sae.input_scale]);
    let scaled = |of: &Tensor<2>| {
        let rows = Expr::rows(of, order.as_ref(), *start);
        if sae.input_scale == 1.0 { rows } else { rows * Expr::number(&scale, 0) }
    };
    let x = scaled(&of.x);
    let mut outs = vec![Out::New(x.clone())];
    outs.extend(affine.subtract_b_dec.then(|| Out::New(x - &affine.b_dec)));
    let mut made = compute(Each, [*count, sae.config.d_in], outs).into_iter();
    let mut batch = Batch::new(made.next().expect("as many results as outputs"), 0.0);
    batch.centred = made.next();
    if let Some(target) = &of.target {
        batch.target = compute_one(Each, [*count, sae.config.d_out], scaled(target));
    }
    batch
}

/// Where a run's batches come from.
#[allow(async_fn_in_trait)] // one thread: futures need not be Send
pub(super) trait Source {
    /// Whether it goes on in the middle of an entry of the history.
    fn resumes(&self) -> bool;

    /// Steps that this run has still to take.
    fn steps_left(&self) -> usize;

    /// The next batch. `Err` leaves the source as it was.
    async fn next(&mut self, pause: &impl Checkpoint) -> Result<Picked>;

    /// Whether an entry of the history ends with the batch just given, its `steps`-th.
    fn entry_ends(&self, steps: usize) -> bool;

    /// Where it stands.
    fn position(&self) -> Position;

    /// Some of the rows, at most so many.
    fn pool(&self, most: usize, rng: &mut Rng) -> Rows;

    /// A batch as it will be, of whichever rows; nothing moves on.
    fn sample(&self) -> Picked;

    /// Rows that are never given.
    fn held_out(&self) -> Option<&Rows>;
}

/// A data set in memory.
#[derive(Clone)]
pub struct Data {
    pub rows: Rows,
    /// Which sequence each row belongs to; without it each row counts as one.
    pub sequences: Option<Vec<u32>>,
    /// What the rows are of, where that is known.
    pub origin: Option<Metadata>,
}

impl From<&Tensor<2>> for Data {
    fn from(x: &Tensor<2>) -> Self {
        Self { rows: Rows { x: x.clone(), target: None }, sequences: None, origin: None }
    }
}

/// Where in its epochs a training over rows in memory stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RowsPosition {
    /// The epoch's rows, those given of them, and what its shuffling began and ended with.
    pub rows: usize,
    pub taken: usize,
    pub start: Rng,
    pub next: Rng,
}

pub(super) struct Epochs<'a> {
    data: Rows,
    /// Row numbers to train on, where some are held out.
    trained: Option<Vec<u32>>,
    held_out: Option<Rows>,
    settings: &'a TrainSettings,
    position: RowsPosition,
    /// The present epoch's, with its number in this run.
    order: Option<(usize, Tensor<1, Int>)>,
}

impl<'a> Epochs<'a> {
    /// Goes on at `position` if that is an epoch over as many rows.
    pub fn open(data: &Data, settings: &'a TrainSettings, position: Option<&Position>) -> Result<Self> {
        let n = data.rows.count();
        check_setting(n > 0, "the data", "empty", "one row or more")?;
        settings.check(n)?;
        if let Some(target) = &data.rows.target {
            let targets = target.dims()[0];
            check_setting(targets == n, "target", format!("{targets} rows long"), &format!("as long as the input's {n} rows"))?;
        }
        let split = held_out::split(n, data.sequences.as_deref(), settings.held_out, settings.seed)?;
        let (trained, held) = split.map_or((None, None), |(trained, held)| (Some(trained), Some(held)));
        let device = data.rows.x.device();
        let held_out = held.map(|held| data.rows.select(&upload_indices(&held, [held.len()], &device)));
        let rows = trained.as_ref().map_or(n, Vec::len);
        let position = match position {
            Some(Position::Rows(p)) if p.rows == rows => p.clone(),
            Some(Position::Rows(p)) => RowsPosition { rows, taken: rows, start: p.next.clone(), next: p.next.clone() },
            _ => RowsPosition { rows, taken: rows, start: Rng::new(settings.seed), next: Rng::new(settings.seed) },
        };
        let mut source = Self { data: data.rows.clone(), trained, held_out, settings, position, order: None };
        if source.resumes() {
            let mut rng = source.position.start.clone();
            source.order = Some((0, source.order_of(0, &mut rng)));
        }
        Ok(source)
    }

    fn order_of(&self, epoch: usize, rng: &mut Rng) -> Tensor<1, Int> {
        let rows = self.position.rows;
        let order = match (&self.settings.order, &self.trained) {
            (Some(order), _) => order[epoch * rows..(epoch + 1) * rows].to_vec(),
            (None, Some(trained)) => rng.permutation(rows).into_iter().map(|at| trained[at as usize]).collect(),
            (None, None) => rng.permutation(rows),
        };
        upload_indices(&order, [rows], &self.data.x.device())
    }
}

impl Source for Epochs<'_> {
    fn resumes(&self) -> bool {
        self.position.taken < self.position.rows
    }

    fn steps_left(&self) -> usize {
        let RowsPosition { rows, taken, .. } = self.position;
        let size = self.settings.batch_size;
        let begun = self.order.as_ref().map_or(0, |(epoch, _)| epoch + 1);
        (rows - taken).div_ceil(size) + (self.settings.epochs - begun).saturating_mul(rows.div_ceil(size))
    }

    async fn next(&mut self, _: &impl Checkpoint) -> Result<Picked> {
        if !self.resumes() || self.order.is_none() {
            let epoch = self.order.as_ref().map_or(0, |(epoch, _)| epoch + 1);
            let start = self.position.next.clone();
            let mut next = start.clone();
            self.order = Some((epoch, self.order_of(epoch, &mut next)));
            self.position = RowsPosition { rows: self.position.rows, taken: 0, start, next };
        }
        let Some((_, order)) = &self.order else { return Err(LabError::cancelled()) };
        let RowsPosition { rows, taken, .. } = self.position;
        let n = self.settings.batch_size.min(rows - taken);
        let batch = Picked { of: self.data.clone(), order: Some(order.clone()), start: taken, count: n };
        self.position.taken += n;
        Ok(batch)
    }

    fn entry_ends(&self, _: usize) -> bool {
        !self.resumes()
    }

    fn position(&self) -> Position {
        Position::Rows(self.position.clone())
    }

    fn pool(&self, most: usize, rng: &mut Rng) -> Rows {
        let rows = self.position.rows;
        if rows <= most && self.trained.is_none() {
            return self.data.clone();
        }
        let mut chosen = rng.permutation(rows);
        chosen.truncate(most);
        if let Some(trained) = &self.trained {
            chosen.iter_mut().for_each(|at| *at = trained[*at as usize]);
        }
        self.data.select(&upload_indices(&chosen, [chosen.len()], &self.data.x.device()))
    }

    fn sample(&self) -> Picked {
        let count = self.settings.batch_size.min(self.position.rows);
        let order = upload_indices(&vec![0; count], [count], &self.data.x.device());
        Picked { of: self.data.clone(), order: Some(order), start: 0, count }
    }

    fn held_out(&self) -> Option<&Rows> {
        self.held_out.as_ref()
    }
}
