//! The area under the ROC curve: how often a positive is above a negative, ties counting half, as scikit-learn's `roc_auc_score`.

/// Of `all_positives` and `all_negatives` values, of which those that are not listed are 0 and none is below. The lists may also be
/// complete, and then hold any values. 0.5 where a class is empty.
pub fn auroc(positives: &mut [f32], negatives: &mut [f32], all_positives: usize, all_negatives: usize) -> f64 {
    if all_positives == 0 || all_negatives == 0 {
        return 0.5;
    }
    positives.sort_unstable_by(f32::total_cmp);
    negatives.sort_unstable_by(f32::total_cmp);
    let zeros = |all: usize, above: &[f32]| all.saturating_sub(above.len()) as f64;
    let (zero_positives, zero_negatives) = (zeros(all_positives, positives), zeros(all_negatives, negatives));
    let (mut below, mut not_above, mut wins) = (0, 0, 0.0);
    for &p in positives.iter() {
        while negatives.get(below).is_some_and(|&n| n < p) {
            below += 1;
        }
        not_above = not_above.max(below);
        while negatives.get(not_above).is_some_and(|&n| n <= p) {
            not_above += 1;
        }
        wins += zero_negatives + (below + not_above) as f64 / 2.0;
    }
    (wins + zero_positives * zero_negatives / 2.0) / (all_positives as f64 * all_negatives as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By looking at every pair.
    fn pairs(positives: &[f32], negatives: &[f32]) -> f64 {
        let win = |p: &f32, n: &f32| if p > n { 1.0 } else { f64::from(u8::from(p == n)) / 2.0 };
        let wins: f64 = positives.iter().flat_map(|p| negatives.iter().map(move |n| win(p, n))).sum();
        wins / (positives.len() * negatives.len()) as f64
    }

    #[test]
    fn it_is_how_often_a_positive_wins() {
        let mut rng = crate::rng::Rng::new(4);
        for (n_positive, n_negative) in [(1, 1), (5, 3), (40, 60)] {
            let mut draw = |n: usize| (0..n).map(|_| rng.below(6).saturating_sub(2) as f32).collect::<Vec<_>>(); // many ties, many zeros
            let (positives, negatives) = (draw(n_positive), draw(n_negative));
            let above = |values: &[f32]| values.iter().copied().filter(|v| *v > 0.0).collect::<Vec<_>>();
            let ours = auroc(&mut above(&positives), &mut above(&negatives), n_positive, n_negative);
            assert!((ours - pairs(&positives, &negatives)).abs() < 1e-12);
        }
        assert_eq!(auroc(&mut [2.0, 3.0], &mut [1.0], 2, 4), 1.0);
        assert_eq!(auroc(&mut [], &mut [1.0], 2, 1), 0.0);
        assert_eq!(auroc(&mut [], &mut [], 2, 0), 0.5);
    }
}
