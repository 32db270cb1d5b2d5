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

use burn::tensor::{Tensor, activation};
use serde::Serialize;

use crate::error::{LabError, Result, check_setting, code};
use crate::gpt2::{Edit, EditKind, Gpt2, HookPoint, Hooks, LogitsWanted, Positions, Reading, Site, View};
use crate::progress::{Checkpoint, Progress};
use crate::sae::{Inference, check_feature};
use crate::tensors::{read, upload, upload_indices};
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
/// the ablation; `None` where the ablation costs nothing. On the residual stream zero ablation
/// leaves so little of the model that nearly every SAE scores above 0.95: look at `delta_ce`.
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

/// Padded tokens a pass, as in `collect`.
const TOKENS_PER_PASS: usize = 512;
/// Logits held at once per way of running the model: 16 MB.
const LOGITS_AT_ONCE: usize = 1 << 22;
/// Clean, with the SAE, zero- and mean-ablated.
const WAYS: usize = 4;
/// Cross-entropies of the four ways, KL of the last three.
const PER_POSITION: usize = 2 * WAYS - 1;

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

/// Sequences that run together.
struct Batch<'a> {
    /// Padded to one length.
    ids: Vec<Vec<u32>>,
    length: usize,
    /// Rows of `[batch · length]` that count, and the token after each, if there is one.
    kept: Vec<u32>,
    next: Vec<Option<u32>>,
    model: &'a Gpt2,
}

/// All sequences of which some position counts.
fn batches<'a>(model: &'a Gpt2, sequences: &[Vec<u32>], settings: &SplicedSettings) -> Result<Vec<Batch<'a>>> {
    let counts = |p: usize, token: &u32| !(settings.special.contains(token) || (settings.skip_position_0 && p == 0));
    for sequence in sequences {
        model.check_ids(sequence, 0)?;
    }
    let sequences: Vec<_> = sequences.iter().filter(|ids| ids.iter().enumerate().any(|(p, id)| counts(p, id))).collect();
    let mut batches: Vec<Batch<'_>> = Vec::new();
    let mut start = 0;
    while start < sequences.len() {
        let (mut end, mut length) = (start, 0);
        while let Some(sequence) = sequences.get(end) {
            let longest = length.max(sequence.len());
            if end > start && longest * (end + 1 - start) > TOKENS_PER_PASS {
                break;
            }
            (end, length) = (end + 1, longest);
        }
        let mut batch = Batch { ids: Vec::new(), length, kept: Vec::new(), next: Vec::new(), model };
        for (i, sequence) in sequences[start..end].iter().enumerate() {
            for (p, _) in sequence.iter().enumerate().filter(|(p, token)| counts(*p, token)) {
                batch.kept.push((i * length + p) as u32);
                batch.next.push(sequence.get(p + 1).copied());
            }
            let mut padded = sequence.to_vec();
            padded.resize(length, model.config.eos);
            batch.ids.push(padded);
        }
        batches.push(batch);
        start = end;
    }
    Ok(batches)
}

impl Batch<'_> {
    /// The counted rows of `[batch · length, n]`.
    fn of_kept(&self, x: Tensor<2>) -> Tensor<2> {
        let indices = upload_indices(&self.kept, [self.kept.len()], &x.device());
        x.select(0, indices)
    }

    /// 1 for every row that counts, else 0, `[batch · length, 1]`; `None` when all do.
    fn mask(&self) -> Option<Tensor<2>> {
        let rows = self.ids.len() * self.length;
        let mut mask = vec![0.0; rows];
        for &row in &self.kept {
            mask[row as usize] = 1.0;
        }
        (self.kept.len() < rows).then(|| upload(mask, [rows, 1], &self.model.device()))
    }
}

/// A model with the place in it where something else is put in.
struct Splice<'a> {
    model: &'a Gpt2,
    sae: &'a Inference,
    settings: &'a SplicedSettings,
    /// First column and number of columns that are read and replaced.
    columns: (usize, usize),
    /// 0 for features that are left out, else 1, `[1, d_sae]`.
    features: Option<Tensor<2>>,
}

impl<'a> Splice<'a> {
    fn new(model: &'a Gpt2, sae: &'a Inference, settings: &'a SplicedSettings) -> Result<Self> {
        let (point, out) = (settings.point, settings.out);
        let width = point.vector_width(&model.config)?;
        let width_out = out.vector_width(&model.config)?;
        check_setting(point <= out, "outHook", out, &format!("{point} or a hook that is computed later"))?;
        let (columns, read) = match settings.head {
            None => ((0, width_out), width),
            Some(head) => {
                let heads = model.config.n_heads;
                let is_z = point.site == Site::Z && out.site == Site::Z;
                check_setting(is_z, "hook", point, "attn.hook_z for an SAE of a single head")?;
                check_setting(head < heads, "head", head, &format!("below this model's {heads}"))?;
                ((head * model.config.d_head, model.config.d_head), model.config.d_head)
            }
        };
        sae.check_width(read)?;
        if sae.d_out() != columns.1 {
            return Err(LabError::new(
                code::WIDTH_MISMATCH,
                format!("This SAE's output has {} dimensions, but {out} has {}.", sae.d_out(), columns.1),
                "Put a transcoder's output in at the hook that it was trained for.",
            ));
        }
        for &feature in &settings.without_features {
            check_feature(feature, sae.d_sae())?;
        }
        let features = (!settings.without_features.is_empty()).then(|| {
            let kept = |i: usize| f32::from(u8::from(!settings.without_features.contains(&i)));
            upload((0..sae.d_sae()).map(kept).collect(), [1, sae.d_sae()], &model.device())
        });
        Ok(Self { model, sae, settings, columns, features })
    }

    /// Runs up to the last hook wanted.
    fn forward(&self, batch: &Batch<'_>, hooks: &mut Hooks) -> Result<()> {
        let rows: Vec<&[u32]> = batch.ids.iter().map(Vec::as_slice).collect();
        self.model.forward(&rows, None, hooks, LogitsWanted::None).map(drop)
    }

    /// A pass to the end of the model; with `value` `[batch · length, width]`, that in place of what is at `out`.
    /// Every pass reads the same hooks, so that what is not changed is the same to the last bit.
    fn run(&self, batch: &Batch<'_>, value: Option<Tensor<2>>) -> Result<Hooks> {
        let Self { settings, model, .. } = self;
        let last = HookPoint::new(model.config.n_layers, Site::Normalized);
        let mut hooks = Hooks::reading(&[settings.point, settings.out, last], settings.view);
        if let Some(value) = value {
            let kind = EditKind::Map(std::rc::Rc::new(move |_| value.clone()));
            hooks.edits.push(Edit { point: settings.out, kind, positions: Positions::All });
        }
        self.forward(batch, &mut hooks)?;
        Ok(hooks)
    }

    /// What the SAE puts in place of `at_out`, both as the clean pass read them.
    fn reconstruction(&self, at_point: Tensor<2>, at_out: Tensor<2>) -> Tensor<2> {
        let (start, width) = self.columns;
        let x = if self.settings.head.is_some() { at_point.narrow(1, start, width) } else { at_point };
        let (f, y) = self.sae.reconstruct(x.clone());
        let changed = match &self.features {
            Some(kept) => self.sae.output(f * kept.clone(), x),
            None => y.clone(),
        };
        if self.settings.keep_error { at_out.narrow(1, start, width) + (changed - y) } else { changed }
    }

    /// `value` in the columns that are replaced, at the rows of `mask` (all for `None`), else what `at_out` holds.
    fn put(&self, value: Tensor<2>, at_out: &Tensor<2>, mask: Option<&Tensor<2>>) -> Tensor<2> {
        let (start, width) = self.columns;
        let [rows, whole] = at_out.dims();
        let value = value.expand([rows, width]);
        let value = if width == whole {
            value
        } else {
            let before = (start > 0).then(|| at_out.clone().narrow(1, 0, start));
            let after = (start + width < whole).then(|| at_out.clone().narrow(1, start + width, whole - start - width));
            Tensor::cat(before.into_iter().chain([value]).chain(after).collect(), 1)
        };
        match mask {
            Some(mask) => at_out.clone() * (1.0 - mask.clone()) + value * mask.clone(),
            None => value,
        }
    }

    /// `[counted rows, PER_POSITION]`. Where a row has no next token its cross-entropies mean nothing.
    fn compare(&self, batch: &Batch<'_>, mean: &Tensor<2>) -> Result<Tensor<2>> {
        let settings = self.settings;
        let last = HookPoint::new(self.model.config.n_layers, Site::Normalized);
        let clean = self.run(batch, None)?;
        let (at_point, at_out) = (rows_at(&clean, settings.point)?, rows_at(&clean, settings.out)?);
        let mask = batch.mask();
        let ablated = mask.as_ref().filter(|_| !settings.ablate_skipped);
        let mean = mean.clone().narrow(1, self.columns.0, self.columns.1);
        let values = [
            self.put(self.reconstruction(at_point, at_out.clone()), &at_out, mask.as_ref()),
            self.put(mean.zeros_like(), &at_out, ablated),
            self.put(mean, &at_out, ablated),
        ];
        let mut finals = vec![batch.of_kept(rows_at(&clean, last)?)];
        for value in values {
            finals.push(batch.of_kept(rows_at(&self.run(batch, Some(value))?, last)?));
        }
        let at_once = (LOGITS_AT_ONCE / self.model.config.d_vocab).max(1);
        let next: Vec<u32> = batch.next.iter().map(|next| next.unwrap_or(0)).collect();
        let tables = next.chunks(at_once).enumerate().map(|(i, next)| {
            let rows = finals.iter().map(|x| x.clone().narrow(0, i * at_once, next.len()));
            self.compare_rows(rows.collect(), next)
        });
        Ok(Tensor::cat(tables.collect(), 0))
    }

    /// Of rows of the four ways, as the final layer norm gives them.
    fn compare_rows(&self, ways: Vec<Tensor<2>>, next: &[u32]) -> Tensor<2> {
        let log_probs: Vec<_> = ways.into_iter().map(|x| activation::log_softmax(self.model.unembed_rows(x, self.settings.view), 1)).collect();
        let next = upload_indices(next, [next.len(), 1], &self.model.device());
        let cross_entropies = log_probs.iter().map(|l| l.clone().gather(1, next.clone()).neg());
        let clean = &log_probs[0];
        let probs = clean.clone().exp();
        let divergences = log_probs[1..].iter().map(|l| (probs.clone() * (clean.clone() - l.clone())).sum_dim(1));
        Tensor::cat(cross_entropies.chain(divergences).collect(), 1)
    }
}

/// What a pass read at a hook, `[batch · length, width]`.
fn rows_at(hooks: &Hooks, point: HookPoint) -> Result<Tensor<2>> {
    match hooks.readings.get(&point) {
        Some(Reading::Vectors(x)) => {
            let [batch, pos, width] = x.dims();
            Ok(x.clone().reshape([batch * pos, width]))
        }
        _ => Err(LabError::new(code::UNKNOWN_HOOK, format!("{point} gave nothing."), "Choose another hook.")),
    }
}
