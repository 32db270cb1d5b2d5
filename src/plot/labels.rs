//! Names of points, each where it covers least; one that would cover another stays away.

use super::sheet::Rect;

/// Finds places for names, one after the other.
pub struct Labels {
    /// Where names may stand.
    room: Rect,
    taken: Vec<Rect>,
}

/// Directions to try, in steps of an eighth of a turn from the wished one, and how far out.
const TURNS: [i32; 8] = [0, 1, -1, 2, -2, 3, -3, 4];
const DISTANCES: [i32; 3] = [1, 3, 6];

impl Labels {
    pub fn new(room: Rect, taken: Vec<Rect>) -> Self {
        Self { room, taken }
    }

    /// The rectangle of `size` nearest to the direction `angle` (radians, counter-clockwise from the right) of `at`,
    /// at least `gap` away, that lies within the room, over no other name, and over as little of the data as
    /// possible, of which `covered` says how much lies in a rectangle. `None` when every place is taken.
    pub fn beside(&mut self, at: (i32, i32), size: (i32, i32), gap: i32, angle: f64, covered: impl Fn(&Rect) -> usize) -> Option<Rect> {
        let mut best: Option<(usize, Rect)> = None;
        for (far, distance) in DISTANCES.into_iter().enumerate() {
            for (turned, turn) in TURNS.into_iter().enumerate() {
                let area = around(at, size, gap.saturating_mul(distance), angle + f64::from(turn) * std::f64::consts::FRAC_PI_4);
                if !self.room.contains(&area) || self.taken.iter().any(|other| area.overlaps(other)) {
                    continue;
                }
                let cost = 6 * covered(&area) + 5 * far + turned;
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, area));
                }
            }
        }
        let (_, area) = best?;
        self.taken.push(area);
        Some(area)
    }
}

/// The line from a point to its name, where that stands further away than `near`.
pub fn leader(at: (i32, i32), area: Rect, near: i32) -> Option<[(i32, i32); 2]> {
    let nearest = (at.0.clamp(area.left, area.right()), at.1.clamp(area.top, area.bottom()));
    let (dx, dy) = (f64::from(nearest.0 - at.0), f64::from(nearest.1 - at.1));
    (dx.hypot(dy) > f64::from(near)).then_some([at, nearest])
}

/// The rectangle that touches a circle of radius `gap` around `at` from outside, in the direction `angle`.
fn around(at: (i32, i32), (width, height): (i32, i32), gap: i32, angle: f64) -> Rect {
    let (dx, dy) = (angle.cos(), -angle.sin());
    // An ellipse in place of the rectangle's corners: names slide around a point instead of jumping.
    let (reach_x, reach_y) = (f64::from(gap) + f64::from(width) / 2.0, f64::from(gap) + f64::from(height) / 2.0);
    let (x, y) = (f64::from(at.0) + dx * reach_x, f64::from(at.1) + dy * reach_y);
    Rect { left: x as i32 - width / 2, top: y as i32 - height / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Rect = Rect { left: 0, top: 0, width: 200, height: 200 };

    #[test]
    fn a_name_stands_where_it_is_wished() {
        let mut labels = Labels::new(ROOM, Vec::new());
        let right = labels.beside((100, 100), (20, 10), 4, 0.0, |_| 0).unwrap();
        assert_eq!((right.left, right.top), (104, 95));
        let up = Labels::new(ROOM, Vec::new()).beside((100, 100), (20, 10), 4, std::f64::consts::FRAC_PI_2, |_| 0).unwrap();
        assert!(up.bottom() <= 96 && (up.left - 90).abs() <= 1, "{up:?}");
    }

    #[test]
    fn names_keep_apart_inside_and_off_the_data_or_stay_away() {
        let mut labels = Labels::new(ROOM, Vec::new());
        let mut placed: Vec<Rect> = (0..60).filter_map(|_| labels.beside((198, 100), (30, 12), 4, 0.0, |_| 0)).collect();
        assert!(!placed.is_empty() && placed.len() < 60);
        assert!(placed.iter().all(|area| ROOM.contains(area)));
        while let Some(area) = placed.pop() {
            assert!(placed.iter().all(|other| !area.overlaps(other)));
        }
        let below = Labels::new(ROOM, Vec::new()).beside((100, 100), (20, 10), 4, 0.0, |area| usize::from(area.top < 100)).unwrap();
        assert!(below.top >= 100, "{below:?}");
    }
}
