//! On which tokens a feature is most active.

use burn::tensor::Tensor;
use serde::Serialize;

use super::passes::{columns, encoded};
use crate::activations::{Activations, Origin};
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::sae::{Inference, check_feature};
use crate::tensors::read;
use crate::tokenizer::Tokenizer;

/// How the examples are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExampleOrder {
    /// The largest activation first.
    #[default]
    Activation,
    /// As the rows come in the data set.
    Corpus,
}

#[derive(Debug, Clone, Default)]
pub struct ExamplesSettings {
    pub feature: usize,
    pub k: usize,
    pub skip_position_0: bool,
    /// Tokens shown on either side.
    pub context: usize,
    /// Only activations above this, at least 0.
    pub threshold: f32,
    pub order: ExampleOrder,
    /// Choose among so many rows drawn from those above the threshold, by this seed, instead of among all of them.
    pub sample: Option<(usize, u64)>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Example {
    pub activation: f32,
    pub row: u32,
    /// The text's index, or −1−k for the k-th random sequence.
    pub text: i32,
    pub position: usize,
    pub token: String,
    pub before: Vec<String>,
    pub after: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Examples {
    pub feature: usize,
    /// Rows where the feature is above the threshold.
    pub active: usize,
    pub rows: usize,
    pub examples: Vec<Example>,
}

/// The `k` rows with the largest activation above the threshold, or of a sample of those.
pub async fn examples(
    sae: &Inference,
    acts: &Activations,
    tokenizer: &Tokenizer,
    settings: &ExamplesSettings,
    pause: &impl Checkpoint,
) -> Result<Examples> {
    check_feature(settings.feature, sae.d_sae())?;
    check_setting(settings.k >= 1, "k", settings.k, "at least 1")?;
    check_setting(settings.threshold >= 0.0, "threshold", settings.threshold, "at least 0")?;
    sae.check_width(acts.width())?;
    let rows = acts.row_indices(settings.skip_position_0);
    let mut found = Vec::new();
    for (f, done) in encoded(sae, acts, &rows) {
        found.push(columns(f, &[settings.feature as u32]));
        pause.reached(Progress::Analyse { done, total: rows.len() }).await?;
    }
    let values = if found.is_empty() { Vec::new() } else { read(Tensor::cat(found, 0)).await?.data };
    let mut found: Vec<(f32, u32)> = values.into_iter().zip(rows.iter().copied()).filter(|(v, _)| *v > settings.threshold).collect();
    let active = found.len();
    if let Some((count, seed)) = settings.sample {
        let drawn = Rng::new(seed).permutation(active);
        found = drawn.iter().take(count).map(|&i| found[i as usize]).collect();
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(settings.k);
    if settings.order == ExampleOrder::Corpus {
        found.sort_by_key(|&(_, row)| row);
    }
    let examples = found.into_iter().map(|(activation, row)| example(acts, tokenizer, activation, row, settings.context)).collect();
    Ok(Examples { feature: settings.feature, active, rows: rows.len(), examples })
}

fn example(acts: &Activations, tokenizer: &Tokenizer, activation: f32, row: u32, context: usize) -> Example {
    let Origin { sequence, position } = acts.origins[row as usize];
    let sequence = &acts.sequences[sequence];
    let show = |ids: &[u32]| ids.iter().map(|&id| tokenizer.decode_token(id)).collect();
    let end = sequence.ids.len().min(position.saturating_add(context).saturating_add(1));
    Example {
        activation,
        row,
        text: sequence.text,
        position,
        token: tokenizer.decode_token(sequence.ids[position]),
        before: show(&sequence.ids[position.saturating_sub(context)..position]),
        after: show(&sequence.ids[position + 1..end]),
    }
}
