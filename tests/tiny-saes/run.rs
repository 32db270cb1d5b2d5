//! Several SAEs trained on one stream of the corpus, their coefficients steered to an L0 if wanted.

use std::cell::RefCell;
use std::time::Instant;

use pollster::block_on;
use sae_lab::Result;
use sae_lab::gpt2::View;
use sae_lab::progress::{Checkpoint, Progress};
use sae_lab::sae::Sae;
use sae_lab::sae::train::{Recipe, StreamSettings, train_stream};

use crate::Bench;

/// One SAE of a run.
pub struct Contestant {
    pub name: String,
    pub sae: RefCell<Sae>,
    pub recipe: Recipe,
    /// Mean number of active latents.
    pub wanted: f64,
    /// The same, where the coefficient is steered to it.
    pub target_l0: Option<f64>,
}

/// Steps between two entries of the histories, and between two corrections of the coefficients.
pub const ENTRY_EVERY: usize = 20;
pub const BATCH: usize = 512;
/// The coefficients are left alone in this last part of the run.
const SETTLED: f64 = 0.1;

struct Steering<'a> {
    contestants: &'a [Contestant],
    started: Instant,
}

impl Checkpoint for Steering<'_> {
    /// At each entry, `c ← c · (L0 / target)^½`, but at most a factor of 1.5.
    async fn reached(&self, progress: Progress) -> Result<()> {
        let Progress::Train { done, total, entry: Some(reported), .. } = progress else { return Ok(()) };
        let index = reported.sae.unwrap_or(0);
        let Contestant { name, sae, target_l0, .. } = &self.contestants[index];
        let entry = &reported.entry;
        if let Some(target) = target_l0.filter(|_| (done as f64) < total as f64 * (1.0 - SETTLED)) {
            let factor = (entry.n_active / target).max(1e-3).sqrt().clamp(1.0 / 1.5, 1.5);
            sae.borrow().coefficient.set(Some(entry.coefficient * factor));
        }
        if (done / ENTRY_EVERY).is_multiple_of(10) {
            let seconds = self.started.elapsed().as_secs();
            println!(
                "  {name:<22} step {done:>5} of {total}, {seconds:>4} s: recon {:.4}, L0 {:.1}, c {:.3}",
                entry.recon, entry.n_active, entry.coefficient
            );
        }
        Ok(())
    }
}

/// Trains all contestants on the same `rows` rows; their histories stay in the SAEs.
pub fn train(bench: &Bench, contestants: &[Contestant], rows: usize, seed: u64) -> Result<()> {
    let settings = StreamSettings {
        point: bench.point,
        target: None,
        view: View::TransformerLens,
        prepend_bos: true,
        context_size: None,
        skip_position_0: true,
        tokens: rows,
        buffer_rows: 1 << 15,
        batch_size: BATCH,
        entry_every: ENTRY_EVERY,
        seed,
        held_out: 0.0,
        go_on: false,
    };
    let saes: Vec<_> = contestants.iter().map(|c| (&c.sae, c.recipe.clone())).collect();
    let pause = Steering { contestants, started: Instant::now() };
    block_on(train_stream(&bench.model, &bench.tokenizer, &bench.corpus.trained, &saes, &settings, &pause))?;
    Ok(())
}
