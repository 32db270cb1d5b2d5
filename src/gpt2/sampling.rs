//! Choosing the next token, in TransformerLens's order of operations (`sample_logits`).

use sae_lab_loops::sum::exponentials;

use crate::error::{Result, check_setting};
use crate::rng::Rng;

/// Tokens that top-p puts in order at a time.
const IN_ORDER: usize = 1024;

/// How the next token is drawn. Temperature 0 is greedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    pub temperature: f64,
    /// Keep the k largest logits (ties with the k-th survive). Takes precedence over `top_p`.
    pub top_k: Option<usize>,
    /// Keep the most likely tokens until their mass exceeds p, at least one.
    pub top_p: Option<f64>,
    /// Subtracted, after the temperature, once for each time a token has occurred, prompt and BOS included.
    pub frequency_penalty: f64,
}

impl Sampling {
    pub fn check(&self) -> Result<()> {
        let Self { temperature, top_k, top_p, frequency_penalty } = *self;
        check_setting((0.0..=100.0).contains(&temperature), "temperature", temperature, "from 0 to 100")?;
        check_setting(top_k != Some(0), "topK", 0, "at least 1")?;
        if let Some(p) = top_p {
            check_setting(p > 0.0 && p <= 1.0, "topP", p, "above 0 and at most 1")?;
        }
        check_setting((0.0..=100.0).contains(&frequency_penalty), "frequencyPenalty", frequency_penalty, "from 0 to 100")
    }
}

/// The next token. `tokens` are all so far.
pub fn sample(logits: &[f32], tokens: &[u32], how: &Sampling, rng: &mut Rng) -> u32 {
    if how.temperature == 0.0 {
        return argmax(logits);
    }
    let probabilities = filtered_probabilities(logits, tokens, how);
    let mut left = rng.uniform();
    for (id, p) in probabilities.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return id as u32;
        }
    }
    // Rounding: the masses add up to a hair below the draw.
    probabilities.iter().rposition(|&p| p > 0.0).unwrap_or(0) as u32
}

/// Probabilities after temperature (> 0), frequency penalty, and top-k or else top-p.
pub fn filtered_probabilities(logits: &[f32], tokens: &[u32], how: &Sampling) -> Vec<f64> {
    // Relative to the largest: the same probabilities, and no infinity at tiny temperatures.
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut l: Vec<f64> = logits.iter().map(|&x| (f64::from(x) - f64::from(max)) / how.temperature).collect();
    if how.frequency_penalty > 0.0 {
        for &token in tokens {
            if let Some(x) = l.get_mut(token as usize) {
                *x -= how.frequency_penalty;
            }
        }
    }
    if let Some(k) = how.top_k {
        let mut copy = l.clone();
        let at = k.min(copy.len()) - 1;
        let kth = *copy.select_nth_unstable_by(at, |a, b| b.total_cmp(a)).1;
        l.iter_mut().filter(|x| **x < kth).for_each(|x| *x = f64::NEG_INFINITY);
    } else if let Some(p) = how.top_p.filter(|&p| p < 1.0) {
        keep_nucleus(&mut l, p);
    }
    softmax(&l)
}

/// Leaves the most likely until their mass exceeds `p`, of equals the first; at least one.
fn keep_nucleus(l: &mut [f64], p: f64) {
    let mass = softmax(l);
    let mut order: Vec<usize> = (0..l.len()).collect();
    let mut before = 0.0;
    let mut from = 0;
    // As a rule few hold the mass: only so many are put in order at a time.
    while from < order.len() && (from == 0 || before <= p) {
        let rest = &mut order[from..];
        let few = IN_ORDER.min(rest.len());
        let falling = |a: &usize, b: &usize| l[*b].total_cmp(&l[*a]).then(a.cmp(b));
        rest.select_nth_unstable_by(few - 1, falling);
        rest[..few].sort_unstable_by(falling);
        for (rank, &id) in (from..).zip(&rest[..few]) {
            if rank > 0 && before > p {
                l[id] = f64::NEG_INFINITY;
            }
            before += mass[id];
        }
        from += few;
    }
    for &id in &order[from..] {
        l[id] = f64::NEG_INFINITY;
    }
}

/// Index of the largest logit, the first of equals.
pub fn argmax(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &x) in logits.iter().enumerate() {
        if x > best.1 {
            best = (i, x);
        }
    }
    best.0 as u32
}

fn softmax(l: &[f64]) -> Vec<f64> {
    let max = l.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exp: Vec<f64> = l.iter().map(|x| (x - max).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.into_iter().map(|e| e / sum).collect()
}

/// Natural-log probabilities of one row of logits.
pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let shift = log_sum(logits);
    logits.iter().map(|&x| f64::from(x) - shift).collect()
}

/// One of [`log_softmax`]'s.
pub fn log_probability(logits: &[f32], id: u32) -> f64 {
    f64::from(logits[id as usize]) - log_sum(logits)
}

/// `log Σ e^x`, nearer than what an f32 logit is rounded by: with e^x in f64 it would be a fiftieth of a token's time.
fn log_sum(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + exponentials(logits, max).ln()
}

/// Mean next-token loss in nats over all positions but the last, from logits `[pos, d_vocab]`.
pub fn mean_loss(logits: &[f32], ids: &[u32], d_vocab: usize) -> f64 {
    let rows = logits.chunks_exact(d_vocab).zip(&ids[1..]);
    rows.map(|(row, &next)| -log_probability(row, next)).sum::<f64>() / (ids.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As one would write it down.
    fn nucleus(l: &[f64], p: f64) -> Vec<f64> {
        let (mass, mut left) = (softmax(l), l.to_vec());
        let mut order: Vec<usize> = (0..l.len()).collect();
        order.sort_by(|&a, &b| l[b].total_cmp(&l[a]));
        let mut before = 0.0;
        for (rank, &id) in order.iter().enumerate() {
            if rank > 0 && before > p {
                left[id] = f64::NEG_INFINITY;
            }
            before += mass[id];
        }
        left
    }

    #[test]
    fn the_nucleus_is_that_of_a_full_sort() {
        let mut rng = Rng::new(5);
        for n in [1, 2, 63, IN_ORDER, IN_ORDER + 1, 3 * IN_ORDER + 7] {
            // Peaked, flat, and with many equals.
            for (scale, step) in [(30.0, 1e-9), (0.01, 1e-9), (0.01, 0.005), (0.0, 1.0)] {
                let l: Vec<f64> = (0..n).map(|_| (rng.uniform() * scale / step).round() * step).collect();
                for p in [1e-9, 0.3, 0.9, 0.999_999, 0.999_999_999_999] {
                    let mut kept = l.clone();
                    keep_nucleus(&mut kept, p);
                    assert_eq!(kept, nucleus(&l, p), "{n} tokens, scale {scale}, p {p}");
                }
            }
        }
    }

    #[test]
    fn one_log_probability_is_one_of_all() {
        let mut rng = Rng::new(6);
        let logits: Vec<f32> = (0..5000).map(|_| (rng.uniform() * 20.0 - 10.0) as f32).collect();
        let all = log_softmax(&logits);
        assert!((0..5000).all(|id| log_probability(&logits, id) == all[id as usize]));
        let exact: f64 = all.iter().map(|x| x.exp()).sum();
        assert!((exact - 1.0).abs() < 1e-7, "probabilities add up to {exact}");
    }
}
