//! Latents that no longer fire: keeping count, and starting them anew.
//!
//! Resampling follows Towards Monosemanticity (Bricken et al. 2023, "Neuron resampling"): every so
//! many steps each dead latent is given a row drawn with a probability proportional to its squared
//! loss. Its decoder row becomes that row's direction, its encoder column the same direction with
//! 0.2 times the mean length of the alive ones, its bias 0, and Adam's moments of all these 0. As in
//! early SAELens, `b_dec` is subtracted first where the encoder subtracts it; rows are drawn without
//! putting back (dictionary_learning), so that no two latents start alike.

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};

use super::super::adam::Adam;
use super::super::dead::Dead;
use super::super::{Architecture, Batch, Sae, rows_per_pass};
use super::norm;
use super::rows::{Rows, batch};
use super::settings::{DecoderNorm, Recipe};
use crate::error::Result;
use crate::rng::Rng;
use crate::tensors::{read, upload, upload_indices};

/// Rows among which resampling chooses.
pub const RESAMPLING_ROWS: usize = 8192;

/// Steps after which firing is counted anew, at the end of an entry of the history: SAELens's
/// `feature_sampling_window`.
const WINDOW: usize = 2000;

/// When each latent last fired, and how often in the present window.
#[derive(Clone)]
pub struct Firing {
    /// The number of steps taken when it last fired, 0 for never, `[1, d_sae]`. Exact to 2^24 steps.
    pub last: Tensor<2>,
    /// In how many rows it fired, `[1, d_sae]`, over whole entries of the history.
    pub counts: Tensor<2>,
    /// Rows and steps that were counted.
    pub rows: usize,
    pub steps: usize,
}

impl Firing {
    pub fn new(d_sae: usize, device: &Device) -> Self {
        Self { last: Tensor::zeros([1, d_sae], device), counts: Tensor::zeros([1, d_sae], device), rows: 0, steps: 0 }
    }

    /// An entry's counts, from so many rows and steps.
    pub fn count(&mut self, fired: &[(usize, Tensor<2>)], rows: usize, steps: usize) {
        let mut entry = fired.iter().map(|(_, fired)| fired.clone());
        if self.steps >= WINDOW {
            (self.rows, self.steps) = (0, 0);
            self.counts = entry.next().unwrap_or_else(|| self.counts.zeros_like());
        }
        entry.for_each(|fired| self.counts.inplace(|counts| counts + fired));
        (self.rows, self.steps) = (self.rows + rows, self.steps + steps);
    }

    /// The latents that have not fired for more than `window` of the `steps` steps taken; `None` while none can be.
    pub fn dead(steps: usize, window: usize) -> Option<Dead> {
        (steps > window).then(|| Dead::LastBefore(steps - window))
    }

    /// The same as [`Dead::row`] gives it.
    pub fn dead_row(&self, steps: usize, window: usize) -> Option<Tensor<2>> {
        Self::dead(steps, window).map(|dead| dead.row(&self.last))
    }

    /// `log10(frequency + 1e-10)`, what SAELens's `sparsity.safetensors` holds; `None` before the first entry.
    pub fn log_sparsity(&self) -> Option<Tensor<2>> {
        (self.rows > 0).then(|| (self.counts.clone() / self.rows as f64 + 1e-10).log() / std::f64::consts::LN_10)
    }
}

/// Resamples the dead latents of `sae` from some of its rows; reads from the device once. All that
/// changes does so after the reading, so that the SAE is never seen in between.
pub(super) async fn resample(sae: &RefCell<Sae>, recipe: &Recipe, rows: &Rows, mut rng: Rng) -> Result<()> {
    let (input, numbers) = {
        let sae = sae.borrow();
        let Some(optimizer) = &sae.optimizer else { return Ok(()) };
        let Some(dead) = optimizer.firing.dead_row(optimizer.steps, recipe.dead_window) else { return Ok(()) };
        let input = batch(&sae, rows);
        let (count, most) = (rows.count(), rows_per_pass(sae.config.d_sae));
        let parts = (0..count).step_by(most).map(|start| losses(&*sae.architecture, &batch(&sae, &rows.narrow(start, most.min(count - start)))));
        let numbers = Tensor::cat(vec![Tensor::cat(parts.collect(), 0).transpose(), dead], 1);
        (input, numbers)
    };
    let numbers = read(numbers).await?.data;
    let (losses, dead) = numbers.split_at(input.rows());
    let dead: Vec<u32> = dead.iter().enumerate().filter(|(_, d)| **d > 0.5).map(|(at, _)| at as u32).collect();

    let mut sae = sae.borrow_mut();
    let (threshold, transcoder) = (sae.config.extras.jumprelu_init_threshold, sae.config.transcoder);
    let architecture = sae.architecture.clone();
    let Some(optimizer) = &mut sae.optimizer else { return Ok(()) };
    let chosen = choose(losses, dead.len(), &mut rng);
    (optimizer.rng, optimizer.resampled_at) = (rng, optimizer.steps);
    if chosen.is_empty() {
        return Ok(());
    }
    let (encoder, decoder) = directions(&*architecture, &input, &chosen, transcoder);
    let anew = Anew { dead: &dead, encoder, decoder, scale: recipe.resample_scale, threshold };
    let mut replaced = anew.replace(&architecture, &mut optimizer.adam);
    if recipe.decoder_norm == DecoderNorm::Unit {
        replaced = norm::with_unit_decoder(&replaced);
    }
    // They have not fired yet, but are given the whole window to do so.
    let (mask, steps) = (mask(&dead[..chosen.len()], architecture.affine()), optimizer.steps);
    optimizer.firing.last.inplace(|last| last.mask_fill(mask.greater_elem(0.5), steps as f32));
    sae.architecture = replaced;
    Ok(())
}

/// Each row's squared error summed over its dimensions, `[rows, 1]`.
pub fn losses(architecture: &dyn Architecture, batch: &Batch) -> Tensor<2> {
    let features = architecture.encode(batch.x.clone());
    let y = architecture.affine().with_skip(architecture.decode(features), &batch.x);
    batch.residual(y).square().sum_dim(1)
}

/// At most `n` different rows, each drawn with a probability proportional to its squared loss: those
/// with the smallest of exponential variates of these rates (Efraimidis and Spirakis 2006).
fn choose(losses: &[f32], n: usize, rng: &mut Rng) -> Vec<u32> {
    let key = |(row, &loss): (usize, &f32)| {
        let weight = f64::from(loss).powi(2);
        let arrival = -(1.0 - rng.uniform()).ln() / weight;
        (arrival, row as u32)
    };
    let mut keys: Vec<(f64, u32)> = losses.iter().enumerate().map(key).filter(|(arrival, _)| arrival.is_finite()).collect();
    keys.sort_by(|a, b| a.0.total_cmp(&b.0));
    keys.into_iter().take(n).map(|(_, row)| row).collect()
}

/// What the encoder and the decoder of a latent for each of these rows should point at, in the
/// units that they work in: the same, but for a transcoder, whose decoder points at `target − b_dec`.
pub fn directions(architecture: &dyn Architecture, batch: &Batch, rows: &[u32], transcoder: bool) -> (Tensor<2>, Tensor<2>) {
    let affine = architecture.affine();
    let indices = upload_indices(rows, [rows.len()], &batch.x.device());
    let encoder = affine.centred(batch.x.clone().select(0, indices.clone()));
    if !transcoder {
        return (encoder.clone(), encoder);
    }
    (encoder, super::start::decoder_rows(batch).select(0, indices) - affine.b_dec.clone())
}

/// Latents that start anew.
pub struct Anew<'a> {
    /// All dead latents; as many of the first as there are rows are replaced.
    pub dead: &'a [u32],
    /// One direction a latent, of any length, `[n, d_in]` and `[n, d_out]`.
    pub encoder: Tensor<2>,
    pub decoder: Tensor<2>,
    /// Length of an encoder column over the mean of the alive ones'.
    pub scale: f64,
    /// Where a threshold starts.
    pub threshold: f64,
}

impl Anew<'_> {
    /// The architecture with them replaced; `adam` forgets its moments of their weights.
    pub fn replace(self, architecture: &Rc<dyn Architecture>, adam: &mut Adam) -> Rc<dyn Architecture> {
        let affine = architecture.affine();
        let [_, d_sae] = affine.w_enc.dims();
        let device = affine.w_enc.device();
        let latents = &self.dead[..self.dead.len().min(self.encoder.dims()[0])];
        let mut row_of = vec![0; d_sae];
        latents.iter().zip(0..).for_each(|(&latent, row)| row_of[latent as usize] = row);
        let row_of = upload_indices(&row_of, [d_sae], &device);
        let spread = |rows: Tensor<2>| norm::unit(rows, 1).select(0, row_of.clone()); // [d_sae, width]
        let anew = mask(latents, affine);
        let keep: Tensor<2> = 1.0 - anew.clone();

        let alive = match d_sae - self.dead.len() {
            0 => Tensor::ones([1, d_sae], &device),
            _ => 1.0 - mask(self.dead, affine),
        };
        let lengths = affine.w_enc.clone().square().sum_dim(0).sqrt(); // [1, d_sae]
        let length = (lengths * alive.clone()).sum_dim(1) / alive.sum_dim(1) * self.scale; // [1, 1]

        let (mut parameters, mut masks) = (Vec::new(), Vec::new());
        for p in architecture.parameters() {
            let (value, mask) = match p.name {
                "b_dec" | "W_skip" => (p.value, None),
                "W_dec" => {
                    let (keep, anew) = (keep.clone().transpose(), anew.clone().transpose());
                    (p.value * keep.clone() + spread(self.decoder.clone()) * anew, Some(keep))
                }
                "W_enc" => {
                    let columns = spread(self.encoder.clone()).transpose() * length.clone();
                    (p.value * keep.clone() + columns * anew.clone(), Some(keep.clone()))
                }
                "threshold" => (p.value * keep.clone() + anew.clone() * self.threshold, Some(keep.clone())),
                _ => (p.value * keep.clone(), Some(keep.clone())),
            };
            parameters.push(value);
            masks.push(mask);
        }
        adam.forget(&masks);
        architecture.with_parameters(parameters)
    }
}

/// 1 for these latents, else 0, `[1, d_sae]`.
fn mask(latents: &[u32], affine: &super::super::Affine) -> Tensor<2> {
    let [_, d_sae] = affine.w_enc.dims();
    let mut mask = vec![0.0; d_sae];
    latents.iter().for_each(|&latent| mask[latent as usize] = 1.0);
    upload(mask, [1, d_sae], &affine.w_enc.device())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_by_their_squared_loss_and_never_twice() {
        let mut rng = Rng::new(4);
        let losses = [0.0, 1.0, 2.0, f32::NAN, 3.0];
        let mut first = [0usize; 5];
        for _ in 0..14_000 {
            first[choose(&losses, 1, &mut rng)[0] as usize] += 1;
        }
        assert_eq!((first[0], first[3]), (0, 0));
        for (row, expected) in [(1, 1000.0), (2, 4000.0), (4, 9000.0)] {
            assert!((first[row] as f64 - expected).abs() < 200.0, "{first:?}");
        }
        let mut all = choose(&losses, 9, &mut rng);
        all.sort();
        assert_eq!(all, [1, 2, 4]);
    }
}
