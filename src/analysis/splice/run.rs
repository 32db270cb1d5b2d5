//! A batch of sequences through the model, with something else put in at one hook.

use burn::tensor::{Tensor, activation};

use super::SplicedSettings;
use crate::error::{LabError, Result, check_setting, code};
use crate::gpt2::{Edit, EditKind, Gpt2, HookPoint, Hooks, LogitsWanted, Positions, Reading, Site};
use crate::sae::{Inference, check_feature};
use crate::tensors::{upload, upload_indices};

/// Padded tokens a pass, as in `collect`.
const TOKENS_PER_PASS: usize = 512;
/// Logits held at once per way of running the model: 16 MB.
const LOGITS_AT_ONCE: usize = 1 << 22;
/// Clean, with the SAE, zero- and mean-ablated.
pub const WAYS: usize = 4;
/// Cross-entropies of the four ways, KL of the last three.
pub const PER_POSITION: usize = 2 * WAYS - 1;

/// Sequences that run together.
pub struct Batch<'a> {
    /// Padded to one length.
    pub ids: Vec<Vec<u32>>,
    length: usize,
    /// Rows of `[batch · length]` that count, and the token after each, if there is one.
    pub kept: Vec<u32>,
    pub next: Vec<Option<u32>>,
    model: &'a Gpt2,
}

/// All sequences of which some position counts.
pub fn batches<'a>(model: &'a Gpt2, sequences: &[Vec<u32>], settings: &SplicedSettings) -> Result<Vec<Batch<'a>>> {
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
    pub fn of_kept(&self, x: Tensor<2>) -> Tensor<2> {
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
pub struct Splice<'a> {
    model: &'a Gpt2,
    sae: &'a Inference,
    settings: &'a SplicedSettings,
    /// First column and number of columns that are read and replaced.
    columns: (usize, usize),
    /// 0 for features that are left out, else 1, `[1, d_sae]`.
    features: Option<Tensor<2>>,
}

impl<'a> Splice<'a> {
    pub fn new(model: &'a Gpt2, sae: &'a Inference, settings: &'a SplicedSettings) -> Result<Self> {
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
    pub fn forward(&self, batch: &Batch<'_>, hooks: &mut Hooks) -> Result<()> {
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
    pub fn compare(&self, batch: &Batch<'_>, mean: &Tensor<2>) -> Result<Tensor<2>> {
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
pub fn rows_at(hooks: &Hooks, point: HookPoint) -> Result<Tensor<2>> {
    match hooks.readings.get(&point) {
        Some(Reading::Vectors(x)) => {
            let [batch, pos, width] = x.dims();
            Ok(x.clone().reshape([batch * pos, width]))
        }
        _ => Err(LabError::new(code::UNKNOWN_HOOK, format!("{point} gave nothing."), "Choose another hook.")),
    }
}
