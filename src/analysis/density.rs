//! How often each latent is active, and how large its activations are.

use serde::Serialize;

/// A latent counts as dense when it is active on more than this fraction of the rows.
pub const DENSE_ABOVE: f64 = 0.1;

/// Bars of the histogram per power of ten.
const BINS_PER_DECADE: usize = 4;

/// Figures of every latent over some rows.
///
/// `1 / rows` is the smallest density that can be seen: "dead" means nothing until the rows are
/// several times the reciprocal of the density that one cares about (SAEDashboard draws its line at 10⁻⁶),
/// and repeated rows do not count.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    pub rows: usize,
    /// On how many rows each latent is active (above zero).
    pub fired: Vec<u32>,
    /// The sum of its activations.
    sum: Vec<f64>,
    /// Its largest activation; 0 where it never fires.
    pub max: Vec<f32>,
}

impl Latents {
    /// From a table `[3, d_sae]`: how often active, sum, largest. Counts in f32 are exact below 2²⁴.
    pub(super) fn new(rows: usize, table: &[f32]) -> Self {
        let (fired, rest) = table.split_at(table.len() / 3);
        let (sum, max) = rest.split_at(rest.len() / 2);
        Self { rows, fired: fired.iter().map(|&n| n.round() as u32).collect(), sum: sum.iter().map(|&s| f64::from(s)).collect(), max: max.to_vec() }
    }

    /// Over the rows of both.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            fired: self.fired.iter().zip(&other.fired).map(|(a, b)| a + b).collect(),
            sum: self.sum.iter().zip(&other.sum).map(|(a, b)| a + b).collect(),
            max: self.max.iter().zip(&other.max).map(|(a, b)| a.max(*b)).collect(),
        }
    }

    /// Fraction of rows on which each is active: SAELens's `feature_density`.
    pub fn density(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.fired.iter().map(|&n| f64::from(n) / rows).collect()
    }

    /// Mean over the rows on which it is active; 0 where it never fires.
    pub fn mean_active(&self) -> Vec<f64> {
        self.sum.iter().zip(&self.fired).map(|(s, &n)| s / f64::from(n.max(1))).collect()
    }

    /// Latents that never fire.
    pub fn dead(&self) -> usize {
        self.fired.iter().filter(|&&n| n == 0).count()
    }

    /// Latents active on more than [`DENSE_ABOVE`] of the rows.
    pub fn dense(&self) -> usize {
        let limit = DENSE_ABOVE * self.rows as f64;
        self.fired.iter().filter(|&&n| f64::from(n) > limit).count()
    }

    /// Counts of log₁₀ density from the power of ten at or below the smallest that these rows can show, `1 / rows`, to 0.
    pub fn histogram(&self) -> Histogram {
        let decades = (self.rows.max(2) as f64).log10().ceil() as usize;
        let bins = decades * BINS_PER_DECADE;
        let mut counts = vec![0; bins];
        for density in self.density().into_iter().filter(|&d| d > 0.0) {
            let bin = ((density.log10() + decades as f64) * BINS_PER_DECADE as f64).floor().max(0.0) as usize;
            counts[bin.min(bins - 1)] += 1;
        }
        let edge = |i: usize| i as f64 / BINS_PER_DECADE as f64 - decades as f64;
        Histogram { edges: (0..=bins).map(edge).collect(), counts, zeros: self.dead() }
    }
}

/// A histogram of log₁₀ density. Latents that never fire have no logarithm: they are `zeros`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// One more than there are counts; bin `i` is `edges[i] ≤ log₁₀ density < edges[i + 1]`, the last one closed.
    pub edges: Vec<f64>,
    pub counts: Vec<usize>,
    pub zeros: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latents_of_two_halves_are_those_of_the_whole() {
        let a = Latents::new(10, &[10.0, 0.0, 1.0, 5.0, 0.0, 2.0, 0.75, 0.0, 2.0]);
        let b = Latents::new(10, &[10.0, 0.0, 1.0, 15.0, 0.0, 4.0, 1.5, 0.0, 4.0]);
        let both = a.with(&b);
        assert_eq!(both.density(), [1.0, 0.0, 0.1]);
        assert_eq!(both.mean_active(), [1.0, 0.0, 3.0]);
        assert_eq!(both.max, [1.5, 0.0, 4.0]);
        assert_eq!((both.dead(), both.dense()), (1, 1)); // exactly 10 % is not dense
    }

    #[test]
    fn every_latent_stands_in_one_bar_or_among_the_zeros() {
        let fired = [1000.0, 100.0, 99.0, 1.0, 0.0, 0.0];
        let table: Vec<f32> = fired.into_iter().chain([0.0; 12]).collect();
        let histogram = Latents::new(1000, &table).histogram();
        assert_eq!((histogram.edges.len(), histogram.counts.len(), histogram.zeros), (13, 12, 2));
        assert_eq!((histogram.edges[0], histogram.edges[12]), (-3.0, 0.0));
        let at = |bin: usize| histogram.counts[bin];
        assert_eq!((at(0), at(7), at(8), at(11)), (1, 1, 1, 1)); // 1/1000, 0.099, 0.1, 1
        assert_eq!(histogram.counts.iter().sum::<usize>(), 4);
    }
}
