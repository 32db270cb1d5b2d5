//! From the points of a line to what can be drawn of it: gaps, clipping, thinning.

use crate::plot::scales::Axis;
use crate::plot::sheet::Rect;

/// A point by its place on both axes, each 0..=1.
pub type Place = (f64, f64);

/// The drawable pieces of a line: interrupted where a value has no place (NaN, infinite, not positive on a
/// logarithmic axis) and cut at the edges of the plot. A piece of one point is a point without neighbours.
pub fn pieces(x: &[f64], y: &[f64], x_axis: &Axis, y_axis: &Axis) -> Vec<Vec<Place>> {
    let mut pieces: Vec<Vec<Place>> = Vec::new();
    let mut before: Option<Place> = None;
    for (&x, &y) in x.iter().zip(y) {
        let here = x_axis.fraction(x).zip(y_axis.fraction(y));
        if let Some(to) = here {
            match before {
                None if inside(to) => pieces.push(vec![to]),
                None => {}
                Some(from) => {
                    if let Some((start, end)) = clip(from, to) {
                        match pieces.last_mut() {
                            Some(piece) if piece.last() == Some(&start) => piece.push(end),
                            _ => pieces.push(vec![start, end]),
                        }
                    }
                }
            }
        }
        before = here;
    }
    pieces
}

fn inside((x, y): Place) -> bool {
    (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y)
}

/// The part of a segment within the unit square (Liang and Barsky 1984).
fn clip(from: Place, to: Place) -> Option<(Place, Place)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (d, room) in [(-dx, from.0), (dx, 1.0 - from.0), (-dy, from.1), (dy, 1.0 - from.1)] {
        if d == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if d < 0.0 {
            enter = enter.max(room / d);
        } else {
            leave = leave.min(room / d);
        }
    }
    let at = |t: f64| match t {
        0.0 => from,
        1.0 => to,
        t => (from.0 + dx * t, from.1 + dy * t),
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

/// Whether a line runs through a rectangle.
pub fn crosses(line: &[(i32, i32)], area: Rect) -> bool {
    let place =
        |&(x, y): &(i32, i32)| (f64::from(x - area.left) / f64::from(area.width.max(1)), f64::from(y - area.top) / f64::from(area.height.max(1)));
    match line {
        [lone] => inside(place(lone)),
        line => line.windows(2).any(|ends| ends.first().zip(ends.last()).is_some_and(|(a, b)| clip(place(a), place(b)).is_some())),
    }
}

/// The same picture from fewer points: of each run of points within one column of `width` units, the first,
/// the lowest, the highest and the last, in their order.
pub fn thin(points: Vec<(i32, i32)>, width: i32) -> Vec<(i32, i32)> {
    let column = |p: &(i32, i32)| p.0.div_euclid(width.max(1));
    let mut kept = Vec::new();
    for run in points.chunk_by(|a, b| column(a) == column(b)) {
        if run.len() <= 4 {
            kept.extend_from_slice(run);
            continue;
        }
        let ends = [0, run.len() - 1];
        let lowest = run.iter().enumerate().min_by_key(|(_, p)| p.1).map(|(i, _)| i);
        let highest = run.iter().enumerate().max_by_key(|(_, p)| p.1).map(|(i, _)| i);
        let mut chosen: Vec<usize> = ends.into_iter().chain(lowest).chain(highest).collect();
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().filter_map(|i| run.get(i)).copied());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Axis = Axis { min: 0.0, max: 1.0, log: false, whole: false };

    fn of(points: &[(f64, f64)]) -> Vec<Vec<Place>> {
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        pieces(&x, &y, &UNIT, &UNIT)
    }

    #[test]
    fn a_value_without_a_place_is_a_gap() {
        let n = f64::NAN;
        assert_eq!(
            of(&[(0.0, 0.1), (0.1, 0.2), (0.2, n), (0.3, 0.3), (0.4, f64::INFINITY), (0.5, 0.5), (0.6, 0.6)]),
            [vec![(0.0, 0.1), (0.1, 0.2)], vec![(0.3, 0.3)], vec![(0.5, 0.5), (0.6, 0.6)]]
        );
        assert!(of(&[(0.0, n)]).is_empty());
        assert!(of(&[]).is_empty());
        let log = Axis { min: 0.1, max: 1.0, log: true, whole: false };
        assert_eq!(pieces(&[0.0, 0.5, 1.0], &[0.1, 0.0, 1.0], &UNIT, &log), [vec![(0.0, 0.0)], vec![(1.0, 1.0)]]);
    }

    #[test]
    fn what_leaves_the_plot_is_cut_at_its_edge() {
        assert_eq!(of(&[(0.0, 0.5), (0.5, 1.5), (1.0, 0.5)]), [vec![(0.0, 0.5), (0.25, 1.0)], vec![(0.75, 1.0), (1.0, 0.5)]]);
        assert_eq!(of(&[(-1.0, 0.5), (2.0, 0.5)]), [vec![(0.0, 0.5), (1.0, 0.5)]]);
        assert!(of(&[(0.0, 2.0), (1.0, 3.0)]).is_empty());
        assert!(of(&[(0.5, 1e299)]).is_empty());
    }

    #[test]
    fn thinning_keeps_the_extremes_of_each_column() {
        let points: Vec<(i32, i32)> = (0..1000).map(|i| (i / 100, if i == 555 { 9000 } else { i % 7 })).collect();
        let few = thin(points.clone(), 1);
        assert!(few.len() <= 40);
        assert!(few.contains(&(5, 9000)));
        assert_eq!((few.first(), few.last()), (points.first(), points.last()));
        assert_eq!(thin(vec![(0, 1), (5, 2)], 8), [(0, 1), (5, 2)]);
    }
}
