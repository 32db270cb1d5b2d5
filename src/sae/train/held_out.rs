//! Rows kept out of training, by whole sequences: rows of one text are alike, and a split by rows
//! would test on what was trained. (Position 0 after BOS is the same row in every sequence.)

use burn::tensor::Tensor;

use super::super::{Sae, rows_per_pass};
use super::rows::{Rows, batch};
use super::state::HeldOutEntry;
use crate::error::{Result, check_setting};
use crate::rng::Rng;

/// The stream of randomness that chooses the sequences.
const SPLIT: u64 = 3;

/// Row numbers to train on, and those held out: whole sequences, chosen by the seed, until
/// `fraction` of the rows is reached. `None` when nothing is held out.
pub fn split(rows: usize, sequences: Option<&[u32]>, fraction: f64, seed: u64) -> Result<Option<(Vec<u32>, Vec<u32>)>> {
    if fraction == 0.0 {
        return Ok(None);
    }
    let sequence = |row: usize| sequences.map_or(row, |s| s[row] as usize);
    let n = (0..rows).map(sequence).max().map_or(0, |last| last + 1);
    let mut sizes = vec![0; n];
    (0..rows).for_each(|row| sizes[sequence(row)] += 1);
    let present = sizes.iter().filter(|&&size| size > 0).count();
    check_setting(present >= 2, "heldOut", fraction, &format!("0 for {present} sequence, which can't be divided"))?;
    let wanted = fraction * rows as f64;
    let (mut held, mut sequences_held, mut chosen) = (0, 0, vec![false; n]);
    for s in Rng::substream(seed, SPLIT).permutation(n).into_iter().map(|s| s as usize).filter(|&s| sizes[s] > 0) {
        if held as f64 >= wanted || sequences_held + 1 == present {
            break;
        }
        chosen[s] = true;
        held += sizes[s];
        sequences_held += 1;
    }
    let (held, trained) = (0..rows as u32).partition(|&row| chosen[sequence(row as usize)]);
    Ok(Some((trained, held)))
}

/// `Σ‖x̂ − x‖²`, the number of active features, and `Σ‖x − mean x‖²`, on the device.
pub(super) fn measure(sae: &Sae, rows: &Rows) -> Vec<Tensor<1>> {
    let architecture = &sae.architecture;
    let target = rows.target.as_ref().unwrap_or(&rows.x).clone() * sae.input_scale;
    let variance = (target.clone() - target.mean_dim(0)).square().sum();
    let mut sums: Option<(Tensor<1>, Tensor<1>)> = None;
    let mut start = 0;
    let most = rows_per_pass(sae.config.d_sae);
    while start < rows.count() {
        let chunk = batch(sae, &rows.narrow(start, most.min(rows.count() - start)));
        let features = architecture.encode(chunk.x.clone());
        let active = features.clone().abs().sign().sum();
        let y = architecture.affine().with_skip(architecture.decode(features), &chunk.x);
        let error = chunk.residual(y).square().sum();
        sums = Some(match sums {
            Some((e, a)) => (e + error, a + active),
            None => (error, active),
        });
        start += most;
    }
    let (error, active) = sums.unwrap_or_else(|| (variance.zeros_like(), variance.zeros_like()));
    vec![error, active, variance]
}

/// The entry of what [`measure`] gave.
pub(super) fn entry(sae: &Sae, rows: usize, [error, active, variance]: [f64; 3]) -> HeldOutEntry {
    HeldOutEntry {
        rows,
        recon: error * sae.config.loss_unit.factor(rows, sae.config.d_out),
        explained_variance: (variance > 0.0).then(|| 1.0 - error / variance),
        l0: active / rows as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sequences_are_held_out() {
        let sequences: Vec<u32> = (0..100).map(|row| row / 7).collect();
        let (trained, held) = split(100, Some(&sequences), 0.2, 5).unwrap().unwrap();
        assert_eq!(trained.len() + held.len(), 100);
        assert!((20..27).contains(&held.len()), "{}", held.len());
        assert!(held.iter().all(|&h| trained.iter().all(|&t| sequences[t as usize] != sequences[h as usize])));
        assert_eq!(split(100, Some(&sequences), 0.2, 5).unwrap().unwrap().1, held);
        assert_ne!(split(100, Some(&sequences), 0.2, 6).unwrap().unwrap().1, held);
        assert_eq!(split(2, None, 0.9, 0).unwrap().unwrap().0.len(), 1);
        assert_eq!(split(9, Some(&[4; 9]), 0.1, 0).unwrap_err().code, "LAB-BAD-SETTING");
        assert!(split(9, None, 0.0, 0).unwrap().is_none());
    }
}
