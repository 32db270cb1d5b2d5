//! What the model loses when an SAE's output stands in for its activations: cross-entropy and
//! KL divergence against the clean model, between zero and mean ablation of the same hook.
//!
//! As SAELens's `get_recons_loss` and `get_downstream_reconstruction_metrics` count (6.54): at every position `p`
//! the next token's cross-entropy in nats, the last of a sequence left out, and KL(clean ‖ changed), the last
//! included; means over positions of all sequences together. Skipped positions keep the model's own
//! activation under the SAE and are left out of the means (what is predicted *at* them is). SAELens's zero
//! ablation nevertheless zeroes every position, skipped ones too, and so does this unless told otherwise.
//!
//! Sequences of different lengths run together, padded on the right, where causal attention never
//! looks; which positions are replaced and counted is a matter of each sequence. Probabilities never leave the
//! device: the final layer norm's rows are unembedded a few megabytes at a time, and seven numbers a
//! position are read back, once a pass.

mod run;

use burn::tensor::Tensor;
use serde::Serialize;

use self::run::{PER_POSITION, Splice, WAYS, batches, rows_at};
use crate::error::{LabError, Result, code};
use crate::gpt2::{Gpt2, HookPoint, Hooks, View};
use crate::progress::{Checkpoint, Progress};
use crate::sae::Inference;
use crate::tensors::read;
use crate::tokenizer::Tokenizer;

#[derive(Debug, Clone)]
pub struct SplicedSettings {
    /// Where the SAE reads.
    pub point: HookPoint,
    /// Where its output is put in: another hook for a transcoder, the same else.
    pub out: HookPoint,
    /// Of `attn.hook_z`, the one head that the SAE was made for (SAELens's `hook_head_index`).
    pub head: Option<usize>,
    pub view: View,
    /// Tokens whose positions are skipped (SAELens's default: BOS, EOS and padding).
    pub special: Vec<u32>,
    pub skip_position_0: bool,
    /// Add the SAE's error back: `x + SAE(x) − SAE(x)`, which is the clean model unless features are left out.
    pub keep_error: bool,
    /// These features are set to 0 before decoding.
    pub without_features: Vec<usize>,
    /// The ablations change skipped positions too, as SAELens's does.
    pub ablate_skipped: bool,
}

/// Means over positions, in nats. Each score is 1 where the SAE costs nothing and 0 where it is no better than
/// the ablation; `None` where the ablation costs nothing. On the residual stream the
/// score against zero ablation flatters (OpenAI's SAEs reach 0.985–0.999 at 0.01–0.09 nats): look at `delta_ce`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spliced {
    pub sequences: usize,
    /// Positions counted for KL, and those of them with a next token, counted for the cross-entropy.
    pub positions: usize,
    pub predictions: usize,
    pub ce_clean: f64,
    pub ce_sae: f64,
    pub ce_zero: f64,
    /// The hook's mean over the counted positions in place of its value.
    pub ce_mean: f64,
    /// `ce_sae − ce_clean`
    pub delta_ce: f64,
    /// `(ce_zero − ce_sae) / (ce_zero − ce_clean)`: SAELens's `ce_loss_score`.
    pub loss_recovered: Option<f64>,
    /// The same against mean ablation.
    pub loss_recovered_mean: Option<f64>,
    /// KL(clean ‖ changed)
    pub kl_sae: f64,
    pub kl_zero: f64,
    pub kl_mean: f64,
    /// `(kl_zero − kl_sae) / kl_zero`: SAELens's `kl_div_score`.
    pub kl_score: Option<f64>,
    pub kl_score_mean: Option<f64>,
}

/// Token ids of the texts, cut into parts of at most `length` ids, each with its own BOS.
pub fn token_sequences(tokenizer: &Tokenizer, texts: &[String], prepend_bos: bool, length: usize) -> Result<Vec<Vec<u32>>> {
    let bos = prepend_bos.then_some(tokenizer.end_of_text);
    let mut sequences = Vec::new();
    for text in texts {
        let ids = tokenizer.encode(text, false)?;
        let parts = ids.chunks(length.saturating_sub(usize::from(prepend_bos)).max(1));
        sequences.extend(parts.map(|part| bos.into_iter().chain(part.iter().copied()).collect()));
    }
    Ok(sequences)
}

/// Runs every sequence clean, with the SAE, zero- and mean-ablated (and once up to the hook, for its mean).
pub async fn spliced(model: &Gpt2, sae: &Inference, sequences: &[Vec<u32>], settings: &SplicedSettings, pause: &impl Checkpoint) -> Result<Spliced> {
    let splice = Splice::new(model, sae, settings)?;
    let batches = batches(model, sequences, settings)?;
    let positions: usize = batches.iter().map(|b| b.kept.len()).sum();
    let predictions = batches.iter().flat_map(|b| &b.next).flatten().count();
    if predictions == 0 {
        return Err(LabError::new(
            code::EMPTY_INPUT,
            format!("Not one position of {} sequences predicts a next token.", sequences.len()),
            "Give texts of two tokens or more, or count special tokens and position 0 too.",
        ));
    }
    let (mut done, total) = (0, 2 * batches.iter().map(|b| b.ids.len()).sum::<usize>());

    let mut sums = Vec::with_capacity(batches.len());
    for batch in &batches {
        let mut hooks = Hooks::reading(&[settings.out], settings.view);
        splice.forward(batch, &mut hooks)?;
        sums.push(batch.of_kept(rows_at(&hooks, settings.out)?).sum_dim(0));
        done += batch.ids.len();
        pause.reached(Progress::Analyse { done, total }).await?;
    }
    let mean = Tensor::cat(sums, 0).sum_dim(0) / positions as f64;

    let mut totals = [0.0; PER_POSITION];
    for batch in &batches {
        let table = splice.compare(batch, &mean)?;
        let table = read(table).await?.data;
        let (rows, _) = table.as_chunks::<PER_POSITION>();
        for (row, next) in rows.iter().zip(&batch.next) {
            for (i, value) in row.iter().enumerate().filter(|(i, _)| *i >= WAYS || next.is_some()) {
                totals[i] += f64::from(*value);
            }
        }
        done += batch.ids.len();
        pause.reached(Progress::Analyse { done, total }).await?;
    }
    let ce = |way: usize| totals[way] / predictions as f64;
    let kl = |way: usize| totals[WAYS - 1 + way] / positions as f64;
    if totals.iter().any(|x| !x.is_finite()) {
        return Err(LabError::new(
            code::NOT_FINITE,
            "With this SAE the model's output is not a number.",
            "Use an SAE whose training did not diverge.",
        ));
    }
    let score = |sae: f64, ablated: f64, clean: f64| (ablated != clean).then(|| (ablated - sae) / (ablated - clean));
    Ok(Spliced {
        sequences: sequences.len(),
        positions,
        predictions,
        ce_clean: ce(0),
        ce_sae: ce(1),
        ce_zero: ce(2),
        ce_mean: ce(3),
        delta_ce: ce(1) - ce(0),
        loss_recovered: score(ce(1), ce(2), ce(0)),
        loss_recovered_mean: score(ce(1), ce(3), ce(0)),
        kl_sae: kl(1),
        kl_zero: kl(2),
        kl_mean: kl(3),
        kl_score: score(kl(1), kl(2), 0.0),
        kl_score_mean: score(kl(1), kl(3), 0.0),
    })
}
