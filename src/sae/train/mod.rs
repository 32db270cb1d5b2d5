//! Training, as SAELens 6.54 does it (`training/sae_trainer.py`): one loop for rows in memory and for
//! text that streams through the model, for one SAE and for several on the same batches.
//!
//! A step: the batch scaled and normalised, the architecture's loss and gradients with the
//! coefficient of that step, clipping, the decoder's parallel gradient taken out, Adam with the rate
//! of that step, the decoder's rows brought to length 1. What is switched off costs nothing. The
//! numbers are read from the device once per entry of the history.

mod checkpoint;
pub mod clip;
pub mod dead_latents;
mod held_out;
pub mod norm;
mod rows;
mod run;
pub mod schedule;
mod settings;
pub mod start;
mod state;
mod stream;
mod walk;

use std::cell::RefCell;

use super::{Kind, Sae, check_width};
use crate::error::{LabError, Result, check_setting, code};
use crate::gpt2::Gpt2;
use crate::progress::Checkpoint;
use crate::tokenizer::Tokenizer;

pub use checkpoint::{Sink, checkpoint, restore};
pub use rows::{Data, Rows, RowsPosition};
pub use settings::{BDecInit, DecoderNorm, LrSchedule, Recipe, Remedy, TrainSettings};
pub use state::{Entry, HeldOutEntry, Optimizer, Position, Sums};
pub use stream::{StreamPosition, StreamSettings};
pub use walk::WalkPosition;

use rows::Epochs;
use run::{Trainee, run};
use stream::Stream;

/// Clears the marks of a running training however the run ends, a dropped future included.
struct Running<'a>(Vec<&'a RefCell<Sae>>);

impl<'a> Running<'a> {
    fn start(saes: impl Iterator<Item = &'a RefCell<Sae>>) -> Result<Self> {
        let mut running = Self(Vec::new());
        for sae in saes {
            if std::mem::replace(&mut sae.borrow_mut().training, true) {
                return Err(LabError::new(code::BUSY, "This SAE is being trained already.", "Stop that run first, or wait for its end."));
            }
            running.0.push(sae);
        }
        Ok(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|sae| sae.borrow_mut().training = false);
    }
}

/// Trains on rows in memory; returns this run's history, one entry an epoch. Cancelled, the SAE keeps
/// the last step's weights, and a later run with `go_on` continues with the next batch; when the loss
/// or a weight is no number any more, it keeps those from before that epoch. The SAE is borrowed
/// between steps only: it can be used meanwhile.
pub async fn train(sae: &RefCell<Sae>, data: impl Into<Data>, settings: &TrainSettings, pause: &impl Checkpoint) -> Result<Vec<Entry>> {
    let data = data.into();
    let position = settings.go_on.then(|| position(sae)).flatten();
    let source = Epochs::open(&data, settings, position.as_ref())?;
    let target = data.rows.target.as_ref().map(|t| t.dims()[1]);
    let [rows, width] = data.rows.x.dims();
    check(sae, &settings.recipe, width, target)?;
    sae.borrow().check_batch(settings.batch_size.min(rows))?;
    let _running = Running::start([sae].into_iter())?;
    if let Some(origin) = &data.origin {
        sae.borrow_mut().config.metadata.describe(origin, settings.go_on);
    }
    let trainees = [Trainee::new(sae, &settings.recipe)];
    let mut histories = run(&trainees, source, settings.go_on, settings.seed, pause).await?;
    Ok(histories.pop().unwrap_or_default())
}

/// Trains SAEs on the same batches of a stream of text; returns this run's history of each, one entry
/// per `entry_every` steps and one for those left at the end. Each is trained exactly as it would be
/// alone. Cancelled or diverged as with [`train`]; the SAEs of a stream go on together.
pub async fn train_stream(
    model: &Gpt2,
    tokenizer: &Tokenizer,
    texts: &[String],
    saes: &[(&RefCell<Sae>, Recipe)],
    settings: &StreamSettings,
    pause: &impl Checkpoint,
) -> Result<Vec<Vec<Entry>>> {
    check_setting(!saes.is_empty(), "saes", "empty", "one SAE or more")?;
    let widths = (settings.point.vector_width(&model.config)?, settings.target.map(|t| t.vector_width(&model.config)).transpose()?);
    for (sae, recipe) in saes {
        check(sae, recipe, widths.0, widths.1)?;
        sae.borrow().check_batch(settings.batch_size)?;
    }
    let _running = Running::start(saes.iter().map(|(sae, _)| *sae))?;
    let position = if settings.go_on { common_position(saes)? } else { None };
    let source = Stream::open(model, tokenizer, texts, settings, position.as_ref(), pause).await?;
    for (sae, _) in saes.iter().filter(|_| !settings.go_on) {
        settings.describe(model, &mut sae.borrow_mut().config.metadata);
    }
    let trainees: Vec<Trainee<'_>> = saes.iter().map(|(sae, recipe)| Trainee::new(sae, recipe)).collect();
    run(&trainees, source, settings.go_on, settings.seed, pause).await
}

fn position(sae: &RefCell<Sae>) -> Option<Position> {
    sae.borrow().optimizer.as_ref().and_then(|o| o.position.clone())
}

/// Where all the SAEs stand in the stream; `Err` when they stand apart.
fn common_position(saes: &[(&RefCell<Sae>, Recipe)]) -> Result<Option<Position>> {
    let stream = |sae: &RefCell<Sae>| match position(sae) {
        Some(Position::Stream(p)) => Some(p),
        _ => None,
    };
    let mut positions = saes.iter().map(|(sae, _)| stream(sae));
    let first = positions.next().flatten();
    let together = positions.all(|p| match (&p, &first) {
        (Some(p), Some(first)) => p.same(first),
        (None, None) => true,
        _ => false,
    });
    if together {
        return Ok(first.map(Position::Stream));
    }
    Err(LabError::setting("continue", "asked for SAEs that stopped at different places of the stream", "asked for each of them alone, or false"))
}

/// `Err` unless the SAE can be trained on rows of `width` (and a transcoder's `target`) in this way.
fn check(sae: &RefCell<Sae>, recipe: &Recipe, width: usize, target: Option<usize>) -> Result<()> {
    let sae = sae.borrow();
    recipe.check()?;
    let remedy = recipe.remedy(&sae.config);
    if sae.config.architecture == Kind::Gated && matches!(remedy, Remedy::AuxK | Remedy::Ghost) {
        let name = if remedy == Remedy::Ghost { "\"ghost\"" } else { "\"aux-k\"" };
        return Err(LabError::setting("remedy", name, "\"none\" or \"resample\" for a gated SAE, whose gate has a reconstruction loss of its own"));
    }
    check_width(width, sae.config.d_in)?;
    match (sae.config.transcoder, target) {
        (true, Some(target)) if target == sae.config.d_out => Ok(()),
        (true, Some(target)) => Err(LabError::new(
            code::WIDTH_MISMATCH,
            format!("This transcoder's output has {} dimensions, but the target has {target}.", sae.config.d_out),
            "Use activations of the hook that the transcoder writes to, or create one of this width.",
        )),
        (true, None) => Err(LabError::setting("target", "missing", "given for a transcoder, which learns to produce it")),
        (false, Some(_)) => Err(LabError::setting("target", "given", "left out for an SAE, which reconstructs its input")),
        (false, None) => Ok(()),
    }
}
