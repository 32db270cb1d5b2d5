//! The loop over batches, and one step of one SAE.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::Tensor;

use super::super::adam::AdamSettings;
use super::super::{Architecture, Kind, Learnt, Sae, learn, rows_per_pass};
use super::clip::clip;
use super::dead_latents::{Firing, RESAMPLING_ROWS, resample};
use super::rows::{Picked, Rows, Source, picked_batch};
use super::schedule::Schedule;
use super::settings::{DecoderNorm, Recipe, Remedy};
use super::state::{Entry, Optimizer, Position, Sums};
use super::{held_out, norm, start};
use crate::error::{LabError, Result, code};
use crate::kernels::rehearse;
use crate::progress::{Checkpoint, Progress, Reported};
use crate::tensors::read;

/// One of the SAEs that a run trains.
pub(super) struct Trainee<'a> {
    sae: &'a RefCell<Sae>,
    recipe: &'a Recipe,
}

impl<'a> Trainee<'a> {
    pub fn new(sae: &'a RefCell<Sae>, recipe: &'a Recipe) -> Self {
        Self { sae, recipe }
    }
}

/// What an SAE goes back to when it is stopped before its first step.
struct Had {
    architecture: Rc<dyn Architecture>,
    optimizer: Option<Optimizer>,
    history: Vec<Entry>,
    input_scale: f64,
}

impl Had {
    fn of(sae: &Sae) -> Self {
        let Sae { architecture, optimizer, history, input_scale, .. } = sae;
        Self { architecture: architecture.clone(), optimizer: optimizer.clone(), history: history.clone(), input_scale: *input_scale }
    }

    fn give_back(self, sae: &mut Sae) {
        let Self { architecture, optimizer, history, input_scale } = self;
        (sae.architecture, sae.optimizer, sae.history, sae.input_scale) = (architecture, optimizer, history, input_scale);
    }
}

/// What an SAE goes back to when it has diverged.
struct Before {
    architecture: Rc<dyn Architecture>,
    optimizer: Option<Optimizer>,
}

impl Before {
    /// A stream's place is not part of it: the stream does not turn back, nor is its buffer held twice.
    fn of(sae: &Sae) -> Self {
        let mut optimizer = sae.optimizer.clone();
        if let Some(o) = &mut optimizer
            && matches!(o.position, Some(Position::Stream(_)))
        {
            o.position = None;
        }
        Self { architecture: sae.architecture.clone(), optimizer }
    }

    fn restore(&self, sae: &mut Sae) {
        let position = sae.optimizer.take().and_then(|o| o.position);
        sae.architecture = self.architecture.clone();
        sae.optimizer = self.optimizer.clone();
        if let (Some(o), Some(Position::Stream(_))) = (&mut sae.optimizer, &position) {
            o.position = position;
        }
    }
}

/// Trains all of them on the batches of `source`; their histories of this run.
pub(super) async fn run(
    trainees: &[Trainee<'_>],
    mut source: impl Source,
    go_on: bool,
    seed: u64,
    pause: &impl Checkpoint,
) -> Result<Vec<Vec<Entry>>> {
    let mut schedules = Vec::with_capacity(trainees.len());
    for t in trainees {
        let taken = t.sae.borrow().optimizer.as_ref().filter(|_| go_on).map_or(0, |o| o.steps);
        schedules.push(Schedule::new(t.recipe, taken.saturating_add(source.steps_left()))?);
    }
    // All before any of them loses what it had.
    let had: Vec<Had> = trainees.iter().map(|t| Had::of(&t.sae.borrow())).collect();
    for t in trainees.iter().filter(|t| !t.goes_on(go_on)) {
        start::prepare(t.sae, t.recipe, &source, seed).await?;
    }
    let mut first = Vec::with_capacity(trainees.len());
    for t in trainees {
        t.begin(&source, go_on, seed);
        first.push(t.sae.borrow().history.len());
    }
    if let Err(stopped) = rehearse_steps(trainees, &schedules, &source, pause).await {
        trainees.iter().zip(had).for_each(|(t, had)| had.give_back(&mut t.sae.borrow_mut()));
        return Err(stopped);
    }
    drop(had);
    let mut before: Vec<Before> = trainees.iter().map(|t| Before::of(&t.sae.borrow())).collect();
    let (mut done, total) = (0, source.steps_left());
    while source.steps_left() > 0 {
        for t in trainees {
            t.resample_if_due(&source).await?;
        }
        let rows = match source.next(pause).await {
            Ok(rows) => rows,
            Err(error) => {
                read_entries(trainees, &before, None).await?;
                return Err(error);
            }
        };
        for (t, schedule) in trainees.iter().zip(&schedules) {
            t.step(&rows, schedule, source.position());
            t.sae.borrow().submit_large_step(rows.count);
        }
        done += 1;
        let steps = trainees.first().map_or(0, |t| t.sae.borrow().optimizer.as_ref().map_or(0, |o| o.sums.steps));
        let epoch = trainees.first().map_or(0, |t| t.sae.borrow().history.len() + 1);
        let progress = |entry| Progress::Train { done, total, epoch, entry };
        if !source.entry_ends(steps) && source.steps_left() > 0 {
            if let Err(error) = pause.reached(progress(None)).await {
                read_entries(trainees, &before, None).await?;
                return Err(error);
            }
            continue;
        }
        let entries = read_entries(trainees, &before, source.held_out()).await?;
        for (t, entry) in trainees.iter().zip(&entries) {
            t.push(entry.clone());
        }
        before = trainees.iter().map(|t| Before::of(&t.sae.borrow())).collect();
        for (sae, entry) in entries.into_iter().enumerate() {
            let sae = (trainees.len() > 1).then_some(sae);
            pause.reached(progress(Some(Reported { sae, entry }))).await?;
        }
    }
    Ok(trainees.iter().zip(first).map(|(t, first)| t.sae.borrow().history[first..].to_vec()).collect())
}

/// Steps of copies, rehearsed, so that the GPU's shaders are there when the first is taken: two, since the second adds to what the first left,
/// one with dead latents where these change it, and what is read for an entry. Not those that have been rehearsed before.
async fn rehearse_steps(trainees: &[Trainee<'_>], schedules: &[Schedule], source: &impl Source, pause: &impl Checkpoint) -> Result<()> {
    let rows = source.sample();
    let held_out = source.held_out();
    let mut are_new = false;
    for (t, schedule) in trainees.iter().zip(schedules) {
        let now = Some((t.recipe.clone(), rows.count));
        if t.sae.borrow().rehearsed == now {
            continue;
        }
        let device = t.sae.borrow().device();
        let most = rows_per_pass(t.sae.borrow().config.d_sae);
        let held_out = held_out.map(|rows| rows.narrow(0, rows.count().min(most)));
        are_new |= rehearse(&device, || {
            let copy = t.sae.borrow().to_rehearse();
            let taken = copy.optimizer.as_ref().map_or(0, |o| o.steps);
            let copy = RefCell::new(copy);
            let copied = Trainee { sae: &copy, recipe: t.recipe };
            let with_dead = t.recipe.dead_window + 1;
            let comes = (taken + 2..taken.saturating_add(source.steps_left())).contains(&with_dead);
            let mut numbers = Vec::new();
            for step in [taken, taken + 1].into_iter().chain(comes.then_some(with_dead)) {
                if let Some(optimizer) = &mut copy.borrow_mut().optimizer {
                    optimizer.steps = step;
                }
                copied.step(&rows, schedule, source.position());
                if step > taken {
                    numbers.extend(copied.numbers(held_out.as_ref()));
                }
            }
            if let Some(optimizer) = &mut copy.borrow_mut().optimizer {
                let sums = optimizer.sums.clone();
                optimizer.count(rows.count);
                optimizer.sums = sums;
                optimizer.count(rows.count);
            }
            Tensor::cat(numbers, 0);
            Ok(())
        });
        t.sae.borrow_mut().rehearsed = now;
    }
    if are_new { pause.reached(Progress::Shaders).await } else { Ok(()) }
}

/// Reads what the entries need of all SAEs at once, makes sure that everything is a number, and
/// makes the entries.
async fn read_entries(trainees: &[Trainee<'_>], before: &[Before], held_out: Option<&Rows>) -> Result<Vec<Entry>> {
    let numbers: Vec<Vec<Tensor<1>>> = trainees.iter().map(|t| t.numbers(held_out)).collect();
    let sizes: Vec<usize> = numbers.iter().map(Vec::len).collect();
    let read = read(Tensor::cat(numbers.into_iter().flatten().collect(), 0)).await?.data;
    let (mut entries, mut diverged, mut at) = (Vec::new(), None, 0);
    for (index, (t, n)) in trainees.iter().zip(sizes).enumerate() {
        let numbers: Vec<f64> = read[at..at + n].iter().copied().map(f64::from).collect();
        at += n;
        // What is held out may be beyond all bounds without the SAE being so.
        let measured = if held_out.is_some() { 3 } else { 0 };
        if numbers.iter().skip(measured).all(|x| x.is_finite()) {
            entries.extend(t.entry(&numbers, held_out));
        } else {
            let steps = t.sae.borrow().optimizer.as_ref().map_or(0, |o| o.steps);
            before[index].restore(&mut t.sae.borrow_mut());
            diverged = diverged.or(Some((index, steps)));
        }
    }
    let Some((index, steps)) = diverged else { return Ok(entries) };
    let which = if trainees.len() > 1 { format!("SAE {} of {}", index + 1, trainees.len()) } else { "the SAE".into() };
    Err(LabError::new(
        code::NOT_FINITE,
        format!("Within {steps} steps the loss or a weight was no number any more; {which} keeps its weights from before that epoch."),
        "Lower the learning rate or the L1 coefficient.",
    ))
}

impl Trainee<'_> {
    fn goes_on(&self, go_on: bool) -> bool {
        go_on && self.sae.borrow().optimizer.is_some()
    }

    /// Starts anew, or takes up what the last run left.
    fn begin(&self, source: &impl Source, go_on: bool, seed: u64) {
        self.sae.borrow().coefficient.set(None);
        if self.goes_on(go_on) {
            let mut sae = self.sae.borrow_mut();
            if let Some(optimizer) = &mut sae.optimizer {
                optimizer.recipe = self.recipe.clone();
                if !source.resumes() {
                    optimizer.sums = Sums::default();
                }
            }
            return;
        }
        let mut sae = self.sae.borrow_mut();
        sae.history.clear();
        sae.optimizer = Some(Optimizer::new(seed, self.recipe.clone(), sae.config.d_sae, &sae.device()));
    }

    async fn resample_if_due(&self, source: &impl Source) -> Result<()> {
        let (rows, rng) = {
            let sae = self.sae.borrow();
            let resamples = self.recipe.remedy(&sae.config) == Remedy::Resample;
            let Some(optimizer) = sae.optimizer.as_ref().filter(|_| resamples) else { return Ok(()) };
            let due = optimizer.steps.is_multiple_of(self.recipe.resample_every) && optimizer.resampled_at < optimizer.steps;
            if !due || optimizer.steps <= self.recipe.dead_window {
                return Ok(());
            }
            let mut rng = optimizer.rng.clone();
            (source.pool(RESAMPLING_ROWS, &mut rng), rng)
        };
        resample(self.sae, self.recipe, &rows, rng).await
    }

    /// One optimiser step, after which the SAE stands at `position`.
    fn step(&self, rows: &Picked, schedule: &Schedule, position: Position) {
        let mut sae = self.sae.borrow_mut();
        let Some(mut optimizer) = sae.optimizer.take() else { return };
        let recipe = self.recipe;
        let n = optimizer.steps;
        let (lr, full) = (schedule.lr(n), sae.coefficient.get().unwrap_or(recipe.l1));
        let mut batch = picked_batch(&sae, rows);
        batch.coefficient = schedule.coefficient(full, n);
        let remedy = recipe.remedy(&sae.config);
        let pre_act = sae.config.architecture == Kind::JumpRelu && sae.config.extras.pre_act_loss_coefficient > 0.0;
        if pre_act || matches!(remedy, Remedy::AuxK | Remedy::Ghost) {
            batch.dead = Firing::dead(n, recipe.dead_window);
        }
        if batch.dead.is_some() {
            batch.aux_k = if remedy == Remedy::AuxK { recipe.aux_k_coefficient } else { 0.0 };
            batch.ghost = remedy == Remedy::Ghost;
        }

        batch.step = n + 1;
        let widths = [sae.architecture.outputs(), sae.config.d_sae];
        let last = &mut optimizer.firing.last;
        let mut tally = optimizer.sums.take(rows.count, batch.coefficient, widths, last, &batch.x);
        let Learnt { mut gradients, buffers } = sae.architecture.learn(&batch, &mut tally);
        optimizer.sums.put(tally, rows.count, batch.coefficient, lr, last);

        let decoder = if recipe.decoder_norm == DecoderNorm::Unit { norm::decoder(&sae.architecture.parameters()) } else { None };
        if let Some(most) = recipe.gradient_clip {
            let parameters: Vec<_> = sae.architecture.parameters().into_iter().map(|p| p.value).collect();
            gradients = clip(learn::tensors(gradients, &parameters), most);
        }
        if let Some((at, dim)) = decoder {
            // No gradient before the decoder's is of several parameters.
            let gradient = gradients.remove(at);
            gradients.insert(at, norm::without_parallel(gradient, &sae.architecture.parameters()[at].value, dim));
        }
        // Weights that nobody else holds are written over.
        let values = match Rc::get_mut(&mut sae.architecture) {
            Some(architecture) => architecture.take(&batch.x),
            None => sae.architecture.parameters().into_iter().map(|p| p.value).collect(),
        };
        let mut moved = optimizer.adam.step(values, gradients, &AdamSettings { lr, ..recipe.adam });
        if let Some((at, dim)) = decoder {
            let decoder = moved.remove(at);
            moved.insert(at, norm::unit(decoder, dim));
        }
        sae.architecture = sae.architecture.with_parameters(moved);
        if !buffers.is_empty() {
            sae.architecture = sae.architecture.with_buffers(buffers);
        }
        optimizer.steps += 1;
        optimizer.rows += rows.count as u64;
        optimizer.position = Some(position);
        sae.optimizer = Some(optimizer);
    }

    /// What an entry is made of, in the order in which [`Trainee::entry`] takes it: what the held-out
    /// rows give, the sums of the loss's terms, how often latents fired, how many are dead; and the sum of
    /// each parameter, which is finite unless one of its values is not.
    fn numbers(&self, held_out: Option<&Rows>) -> Vec<Tensor<1>> {
        let sae = self.sae.borrow();
        let Some(optimizer) = &sae.optimizer else { return Vec::new() };
        let mut numbers = held_out.map_or_else(Vec::new, |rows| held_out::measure(&sae, rows));
        numbers.extend(optimizer.sums.terms(sae.config.d_out).into_iter().flatten());
        numbers.extend(optimizer.sums.fired.iter().map(|(_, fired)| fired.clone().sum()));
        numbers.extend(optimizer.firing.dead_row(optimizer.steps, self.recipe.dead_window).map(Tensor::sum));
        numbers.extend(sae.architecture.parameters().into_iter().map(|p| p.value.sum()));
        numbers
    }

    fn entry(&self, numbers: &[f64], held_out: Option<&Rows>) -> Option<Entry> {
        let sae = self.sae.borrow();
        let Optimizer { sums, steps, rows, .. } = sae.optimizer.as_ref()?;
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next().unwrap_or(f64::NAN);
        let held_out = held_out.map(|rows| held_out::entry(&sae, rows.count(), [next(), next(), next()]));
        let batches = sums.steps.max(1) as f64;
        let [recon, l1, aux, excess] = sums.terms(sae.config.d_out).map(|term| if term.is_some() { next() / batches } else { 0.0 });
        let n_active = sums.fired.iter().map(|(rows, _)| next() / *rows as f64).sum::<f64>() / batches;
        let dead = if *steps > self.recipe.dead_window { next() as usize } else { 0 };
        Some(Entry {
            epoch: sae.history.len() + 1,
            total: recon + (sums.coefficient * l1 - excess) + aux,
            recon,
            l1,
            aux,
            frac_active: n_active / sae.config.d_sae as f64,
            n_active,
            dead,
            steps: *steps,
            rows: *rows,
            lr: sums.lr,
            coefficient: sums.coefficient,
            held_out,
        })
    }

    fn push(&self, entry: Entry) {
        let mut sae = self.sae.borrow_mut();
        let before = sae.history.last().map_or(0, |last| last.rows);
        let rows = entry.rows.saturating_sub(before) as usize;
        sae.history.push(entry);
        if let Some(optimizer) = &mut sae.optimizer {
            optimizer.count(rows);
        }
    }
}
