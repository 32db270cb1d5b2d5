//! Labels beside the ends of lines, moved apart as little as possible.

/// Centres for labels of height `line` whose wished centres are `wishes`, so that no two overlap, all lie within
/// `low..=high`, and the sum of squared moves is least. Labels keep the order of their wishes. `None` when they
/// cannot all fit.
pub fn spread(wishes: &[f64], line: f64, low: f64, high: f64) -> Option<Vec<f64>> {
    let room = high - low - line * wishes.len() as f64;
    if !(room >= 0.0 && line > 0.0) {
        return None;
    }
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by(|&a, &b| wishes[a].total_cmp(&wishes[b]));

    // Without the heights of the labels above, "do not overlap" is "do not decrease": isotonic regression,
    // solved by pooling neighbours that decrease. A pool is (sum, count).
    let mut pools: Vec<(f64, f64)> = Vec::new();
    for (rank, &i) in order.iter().enumerate() {
        let mut pool = (wishes[i] - line * (rank as f64 + 0.5), 1.0);
        while let Some(&(sum, count)) = pools.last() {
            if sum / count < pool.0 / pool.1 {
                break;
            }
            pool = (pool.0 + sum, pool.1 + count);
            pools.pop();
        }
        pools.push(pool);
    }
    let packed = pools.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count, count as usize));
    let mut centres = vec![0.0; wishes.len()];
    for (rank, (&i, place)) in order.iter().zip(packed).enumerate() {
        centres[i] = place.clamp(low, low + room) + line * (rank as f64 + 0.5);
    }
    Some(centres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[50.0, 10.0, 90.0], 12.0, 0.0, 100.0).unwrap(), [50.0, 10.0, 90.0]);
        assert!(spread(&[], 12.0, 0.0, 100.0).unwrap().is_empty());
    }

    #[test]
    fn crowded_labels_share_the_move() {
        assert_eq!(spread(&[50.0, 50.0], 12.0, 0.0, 100.0).unwrap(), [44.0, 56.0]);
        assert_eq!(spread(&[52.0, 48.0, 50.0], 10.0, 0.0, 100.0).unwrap(), [60.0, 40.0, 50.0]);
    }

    #[test]
    fn labels_at_an_edge_stay_inside() {
        let centres = spread(&[100.0, 99.0, 100.0, -7.0], 12.0, 0.0, 100.0).unwrap();
        assert_eq!(centres, [82.0, 70.0, 94.0, 6.0]);
        assert_eq!(spread(&[1.0; 9], 12.0, 0.0, 100.0), None);
        assert_eq!(spread(&[1.0], 12.0, 0.0, -4.0), None);
    }

    #[test]
    fn never_an_overlap() {
        let mut seed = 1_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as f64 / (1_u64 << 31) as f64
        };
        for _ in 0..500 {
            let wishes: Vec<f64> = (0..8).map(|_| random() * 140.0 - 20.0).collect();
            let mut centres = spread(&wishes, 12.0, 0.0, 100.0).unwrap();
            centres.sort_by(f64::total_cmp);
            assert!(centres.windows(2).all(|w| w[1] - w[0] >= 12.0 - 1e-9), "{wishes:?} {centres:?}");
            assert!(centres[0] >= 6.0 - 1e-9 && centres[7] <= 94.0 + 1e-9);
        }
    }
}
