//! Sums that grow level by level: a product of which every prefix of the terms counts.

use std::ops::Range;

use burn::tensor::Tensor;

use super::compute::{Form, Out, Source, compute};
use super::expr::Expr;

/// The levels that end there: each begins where the one before ends.
pub fn spans(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(ends).map(|(start, &end)| start..end)
}

/// Two matrices of each level, made by `of` from the sum of `a · b` over the terms before the level's end. The levels lie side by side; in the second
/// matrix those of the levels after it are added to each.
///
/// # Shapes
/// a `[rows, k]`, b `[k, n]`, ends of `levels` levels, the last of which is k → `[rows, levels · n]` each
pub fn prefixes(a: &Tensor<2>, b: &Tensor<2>, ends: &[usize], of: impl Fn(Expr) -> [Expr; 2]) -> [Tensor<2>; 2] {
    #[cfg(target_arch = "wasm32")]
    if let Some(both) = super::gpu::prefixes(a, b, ends, of(Expr::sum(0))) {
        return both;
    }
    plain_prefixes(a, b, ends, of)
}

pub fn plain_prefixes(a: &Tensor<2>, b: &Tensor<2>, ends: &[usize], of: impl Fn(Expr) -> [Expr; 2]) -> [Tensor<2>; 2] {
    let shape = [a.dims()[0], b.dims()[1]];
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    let mut sum = None;
    for part in spans(ends) {
        let (a, b) = (a.clone().narrow(1, part.start, part.len()), b.clone().narrow(0, part.start, part.len()));
        let source = Source::product(Form::Plain, &a, &b);
        let so_far = match &sum {
            Some(sum) => Expr::sum(0) + sum,
            None => Expr::sum(0),
        };
        let [first, second] = of(so_far.clone()).map(Out::New);
        let Ok([first, second, so_far]) = <[_; 3]>::try_from(compute(source, shape, vec![first, second, Out::New(so_far)])) else {
            unreachable!("three outputs")
        };
        firsts.push(first);
        seconds.push(second);
        sum = Some(so_far);
    }
    for level in (1..seconds.len()).rev() {
        seconds[level - 1] = seconds[level - 1].clone() + seconds[level].clone();
    }
    [Tensor::cat(firsts, 1), Tensor::cat(seconds, 1)]
}
