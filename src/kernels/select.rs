//! The k largest values, found on the device: no sorting, no reading back. On a GPU and on the CPU kernels of our own do it
//! ([`super::gpu::select`], [`super::cpu::select`]); the plain version is here, in burn's operations.
//!
//! The k-th largest value is found bit by bit, by counting how many values reach a candidate. Floats
//! of one sign are ordered as their bits are, so 8 candidates `m · 2^j` settle the exponent and 23
//! candidates `m + 2^(e−j)` the mantissa: after 31 counts the k-th value is known exactly, whatever
//! the range of the values. Halving the distance of minimum and maximum would need as many counts
//! and not be exact where a row's values differ by more than 2^31 in size.
//!
//! A count is 3 dispatches over all values (compare, to float, sum; one more for a whole matrix) and
//! 3–4 over one value per row: 208 dispatches for [`largest_positive`] (239 for a matrix), about 250
//! for [`plain_largest`]. On one core of a 2.1 GHz Xeon the 32 largest of each row of 256 × 1536 take 6.5 ms; a
//! product of 256 × 96 and 96 × 1536 takes 2.5. Counts are f32, exact for a `k` of up to 2^24. burn's own
//! `topk` inserts one value after another, and its `sort` runs on the host.

use std::cell::OnceCell;
use std::rc::Rc;

use burn::tensor::Tensor;

use super::compute::{Source, compute_one};
use super::expr::Expr;

/// What the `k` are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Every row has its own `k` largest.
    Row,
    /// The whole matrix has.
    Matrix,
}

/// 2^−102, 2·10⁻³¹: what is smaller in size counts as zero. Its last mantissa bit is worth 2^−125; a GPU may
/// take numbers below 2^−126 for zeros.
pub const TINY: f64 = 1.0 / (1u128 << 102) as f64;
/// Powers of two whose sums are all the steps from the smallest exponent, −102, to the largest, 127.
const EXPONENTS: [i32; 8] = [115, 57, 29, 14, 7, 4, 2, 1];
const MANTISSA_BITS: i32 = 23;

/// The smallest value that is one of the `k` largest **and above zero**: what others have to reach to be so too. Values tied with
/// the k-th are, values below [`TINY`] count as zeros; where nothing is above zero it is [`TINY`].
///
/// # Shapes
/// values `[rows, n]` → `[rows, 1]` or `[1, 1]`
pub fn kth_largest(values: &Tensor<2>, k: usize, per: Per) -> Tensor<2> {
    #[cfg(target_arch = "wasm32")]
    if let Some(kth) = super::gpu::select::kth_largest(values, k, per) {
        return kth;
    }
    super::cpu::select::kth_largest(values, k, per).unwrap_or_else(|| plain_kth_largest(values, k, per))
}

pub fn plain_kth_largest(values: &Tensor<2>, k: usize, per: Per) -> Tensor<2> {
    let [rows, _] = values.dims();
    let k = Tensor::full([if per == Per::Row { rows } else { 1 }, 1], k as f64, &values.device());
    let positive = total(values.clone().greater_equal_elem(TINY).float(), per);
    kth(values, &k.min_pair(positive).clamp_min(1.0), per)
}

/// Memory in which a GPU counts, for one selection after another on one device.
#[derive(Clone, Default)]
pub struct Counts(
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only a browser's GPU counts in it"))] pub(super) Rc<OnceCell<Tensor<2>>>,
);

/// What is kept of latents: `relu` of `pre` where `rank` is one of the `k` largest and above zero, else 0; and what `then` makes of
/// [`kth_largest`] of the ranks, which is its sum 0.
///
/// # Shapes
/// rank and pre `[rows, n]` → `[rows, n]`, and `[rows, 1]` or `[1, 1]`
pub fn kept(rank: &Tensor<2>, pre: &Tensor<2>, k: usize, per: Per, then: impl Fn(Expr) -> Expr, counts: &Counts) -> (Tensor<2>, Tensor<2>) {
    #[cfg(target_arch = "wasm32")]
    if let Some(kept) = super::gpu::select::kept(rank, pre, k, per, &then(Expr::sum(0)), counts) {
        return kept;
    }
    let _ = counts;
    let kth = kth_largest(rank, k, per);
    let reaches = Expr::from(rank).greater_equal(&kth);
    let features = compute_one(Source::Each, rank.dims(), Expr::from(pre).relu() * reaches);
    (features, compute_one(Source::Each, kth.dims(), then(Expr::from(&kth))))
}

/// 1 where a value is one of the `k` largest **and above zero**, else 0.
///
/// # Shapes
/// values `[rows, n]` → `[rows, n]`
pub fn largest_positive(values: &Tensor<2>, k: usize, per: Per) -> Tensor<2> {
    values.clone().greater_equal(kth_largest(values, k, per)).float()
}

/// The `k` largest of each row's candidates: all where there are no more than `k`. Values tied with the k-th are all taken.
pub struct Largest {
    /// 1 for each, else 0, `[rows, n]`.
    pub mask: Tensor<2>,
    /// The other values where these are, else 0, `[rows, n]`.
    pub values: Tensor<2>,
    /// What is made of the number of candidates, `[1, 1]`.
    pub of_candidates: Tensor<2>,
}

/// Selects by `rank` from `pre` the `k` largest of each row; candidates are the columns for which `among` is 1, not 0. `then` is what becomes of
/// their number.
///
/// # Shapes
/// rank and pre `[rows, n]`; among is of elements `[1, n]`
pub fn largest(rank: &Tensor<2>, pre: &Tensor<2>, k: usize, among: &Expr, then: impl Fn(Expr) -> Expr) -> Largest {
    let then = then(Expr::sum(0));
    #[cfg(target_arch = "wasm32")]
    if let Some([mask, values, of_candidates]) = super::gpu::select::largest(rank, pre, k, among, &then) {
        return Largest { mask, values, of_candidates };
    }
    let [_, n] = rank.dims();
    let columns = compute_one(Source::Each, [1, n], among.clone());
    let mask = super::cpu::select::largest(rank, k, &columns).unwrap_or_else(|| plain_largest(rank, k, &columns));
    let values = compute_one(Source::Each, rank.dims(), Expr::from(pre) * &mask);
    let of_candidates = compute_one(Source::Rows { cols: n, of: vec![Expr::from(&columns)] }, [1, 1], then);
    Largest { mask, values, of_candidates }
}

/// 1 for the `k` largest of each row's candidates, else 0; `among` has 1 for every column that is one, else 0.
///
/// # Shapes
/// values `[rows, n]`, among `[1, n]` → `[rows, n]`
pub fn plain_largest(values: &Tensor<2>, k: usize, among: &Tensor<2>) -> Tensor<2> {
    let candidates = among.clone().sum_dim(1); // [1, 1]
    let k = candidates.clone().clamp_max(k as f64);
    let reach = |bound: f64| total(values.clone().greater_equal_elem(bound).float() * among.clone(), Per::Row).greater_equal(k.clone());
    // The k-th largest is positive, (nearly) zero or negative. A negative one is minus the
    // (candidates − k + 1)-th largest of the values' negatives.
    let (positive, not_negative) = (reach(TINY), reach(-TINY));
    let sign = positive.clone().float() * 2.0 - 1.0; // [rows, 1]
    let rank = (candidates - k.clone() + 1.0).mask_where(positive.clone(), k);
    // Of the other sign, so never reached, are those that are no candidates.
    let signed = values.clone() * sign.clone() * among.clone() + (among.clone() - 1.0);
    let zero = not_negative.bool_and(positive.bool_not());
    let threshold = (kth(&signed, &rank, Per::Row) * sign).mask_fill(zero, -TINY);
    values.clone().greater_equal(threshold).float() * among.clone()
}

/// The `k`-th largest value where it is at least [`TINY`], else [`TINY`].
///
/// # Shapes
/// values `[rows, n]`, k `[rows or 1, 1]` → `[rows, 1]` or `[1, 1]`
fn kth(values: &Tensor<2>, k: &Tensor<2>, per: Per) -> Tensor<2> {
    let reached = |candidate: &Tensor<2>| total(values.clone().greater_equal(candidate.clone()).float(), per).greater_equal(k.clone());
    let mut m = k.full_like(TINY);
    for j in EXPONENTS {
        let candidate = m.clone() * 2f64.powi(j);
        m = m.mask_where(reached(&candidate), candidate);
    }
    let power = m.clone();
    for j in 1..=MANTISSA_BITS {
        let candidate = m.clone() + power.clone() * 2f64.powi(-j);
        m = m.mask_where(reached(&candidate), candidate);
    }
    m
}

/// The sum of each row `[rows, 1]`, or of all of them `[1, 1]`.
fn total(counted: Tensor<2>, per: Per) -> Tensor<2> {
    let sums = counted.sum_dim(1);
    match per {
        Per::Row => sums,
        Per::Matrix => sums.sum_dim(0),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use pollster::block_on;

    use super::*;
    use crate::rng::Rng;
    use crate::tensors::{read, upload};

    fn matrix(data: &[f32], rows: usize) -> Tensor<2> {
        upload(data.to_vec(), [rows, data.len() / rows], &Device::flex())
    }

    /// By sorting: whatever is at least the k-th largest of the candidates.
    fn sorted(data: &[f32], k: usize, among: impl Fn(usize) -> bool) -> Vec<f32> {
        let mut order: Vec<f32> = data.iter().enumerate().filter(|(at, _)| among(*at)).map(|(_, v)| *v).collect();
        order.sort_by(|a, b| b.total_cmp(a));
        let least = order.get(k.min(order.len()).wrapping_sub(1)).copied().unwrap_or(f32::INFINITY);
        data.iter().enumerate().map(|(at, v)| if among(at) && *v >= least { 1.0 } else { 0.0 }).collect()
    }

    fn check(name: &str, data: &[f32], rows: usize, k: usize, among: Option<&[f32]>) {
        let n = data.len() / rows;
        let values = matrix(data, rows);
        let chosen = |at: usize| among.is_none_or(|a| a[at % n] == 1.0);
        let columns = Expr::from(matrix(among.unwrap_or(&vec![1.0; n]), 1));
        let rows_of = data.chunks(n).enumerate();
        let by_row: Vec<f32> = rows_of.flat_map(|(row, values)| sorted(values, k, |at| chosen(row * n + at))).collect();
        let got = |mask: Tensor<2>| block_on(read(mask)).unwrap().data;
        let found = largest(&values, &(values.clone() + 1.0), k, &columns, |n| n * 3.0);
        assert_eq!(got(found.mask), by_row, "{name}, per row, k {k}");
        let those: Vec<f32> = by_row.iter().zip(data).map(|(m, v)| m * (v + 1.0)).collect();
        assert_eq!(got(found.values), those, "{name}, those, k {k}");
        assert_eq!(got(found.of_candidates), [3.0 * (0..n).filter(|at| chosen(*at)).count() as f32], "{name}, candidates");
        if among.is_none() {
            let whole = sorted(data, k, chosen);
            let positive = |mask: Vec<f32>| -> Vec<f32> { mask.iter().zip(data).map(|(m, v)| if *v > 0.0 { *m } else { 0.0 }).collect() };
            assert_eq!(got(largest_positive(&values, k, Per::Row)), positive(by_row), "{name}, positive per row, k {k}");
            assert_eq!(got(largest_positive(&values, k, Per::Matrix)), positive(whole), "{name}, positive, k {k}");
        }
    }

    #[test]
    fn the_same_as_sorting() {
        let mut rng = Rng::new(5);
        let (rows, n) = (7, 53);
        let normal: Vec<f32> = (0..rows * n).map(|_| rng.normal() as f32).collect();
        let with = |f: &dyn Fn(usize, f32) -> f32| -> Vec<f32> { normal.iter().enumerate().map(|(at, v)| f(at, *v)).collect() };
        let mut cases = vec![
            ("random", normal.clone()),
            ("rectified", with(&|_, v| v.max(0.0))),
            ("all negative", with(&|_, v| -v.abs() - 1e-3)),
            ("tied", with(&|_, v| (v * 2.0).round())),
            ("constant", with(&|_, _| 0.25)),
            ("constant, negative", with(&|_, _| -3.0)),
            ("zeros", with(&|_, _| 0.0)),
            ("rows of other scales", with(&|at, v| v * 10f32.powi(10 * (at / n) as i32 - 26))),
            ("scales in one row", with(&|at, v| v * 10f32.powi((at % n) as i32 - 26))),
            ("near each other", with(&|_, v| 1.0 + v * 2e-7)),
            ("near each other, negative", with(&|_, v| -1.0 - v * 2e-7)),
        ];
        let mut extremes = normal.clone();
        (extremes[0], extremes[1], extremes[60], extremes[61]) = (f32::MAX, f32::MIN, TINY as f32, -TINY as f32);
        cases.push(("extremes", extremes));
        for (name, data) in &cases {
            for k in [1, 2, 5, 26, 52, 53, 54, 371, 1000] {
                check(name, data, rows, k, None);
            }
            let among: Vec<f32> = (0..n).map(|at| if at % 3 == 1 { 1.0 } else { 0.0 }).collect();
            for k in [1, 7, 18, 19, 100] {
                check(name, data, rows, k, Some(&among));
            }
            check(name, data, rows, 3, Some(&vec![0.0; n]));
            let alone: Vec<f32> = (0..n).map(|at| if at == 20 { 1.0 } else { 0.0 }).collect();
            check(name, data, rows, 3, Some(&alone));
        }
    }

    #[test]
    fn every_exponent_is_found() {
        let data: Vec<f32> = (-102..128).flat_map(|e| [2f32.powi(e), 2f32.powi(e) * 1.999_999_9]).collect();
        for k in (1..=data.len()).step_by(3) {
            check("exponents", &data, 1, k, None);
        }
    }

    #[test]
    fn numbers_below_the_smallest_one_tie_with_zero() {
        let data = [1e-40, 0.0, -1e-32, -1.0, 2.0];
        let all = Expr::from(matrix(&[1.0; 5], 1));
        let mask = |k| block_on(read(largest(&matrix(&data, 1), &matrix(&data, 1), k, &all, |n| n).mask)).unwrap().data;
        assert_eq!(mask(1), [0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(mask(2), [1.0, 1.0, 1.0, 0.0, 1.0]);
        assert_eq!(mask(5), [1.0; 5]);
        let positive = block_on(read(largest_positive(&matrix(&data, 1), 3, Per::Row))).unwrap().data;
        assert_eq!(positive, [0.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
