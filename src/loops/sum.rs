//! Sums of many numbers, in f32 over some hundreds and in f64 over those.

use crate::lanes::Lanes;

/// Rows that are added in f32 before they go into the f64 sums.
pub const ROWS: usize = 32;

pub fn total(x: &[f32]) -> f64 {
    let mut sums = [0.0f32; 16];
    let (whole, rest) = x.as_chunks::<16>();
    for x in whole {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += x;
        }
    }
    sums.iter().chain(rest).map(|x| f64::from(*x)).sum()
}

/// `Σ e^(x − shift)`
pub fn exponentials(x: &[f32], shift: f32) -> f64 {
    let (fours, rest) = x.as_chunks::<4>();
    let of = |x: &[f32; 4]| Lanes::load(x).add(Lanes::splat(-shift)).exp();
    let sums = fours.chunks(16).map(|some| f64::from(some.iter().fold(Lanes::splat(0.0), |sum, x| sum.add(of(x))).total()));
    sums.sum::<f64>() + rest.iter().map(|x| f64::from((x - shift).exp())).sum::<f64>()
}

/// `sums[i] += x[i]`
pub fn add(sums: &mut [f32], x: &[f32]) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum += x;
    }
}

/// `totals[i] += sums[i]`, and the sums are 0 again.
pub fn empty_into(totals: &mut [f64], sums: &mut [f32]) {
    for (total, sum) in totals.iter_mut().zip(sums) {
        *total += f64::from(*sum);
        *sum = 0.0;
    }
}
