//! Axes: from a value to its place, and the round numbers to write beside it.

use crate::Result;
use crate::error::{LabError, check_setting};

use super::numbers::{exponent, log_labels, tick_labels};

/// Values beyond this count as not finite, so that no span overflows.
const LARGEST: f64 = 1e300;

/// A value range along one side of a plot; `min < max`, both finite, both positive when `log`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub min: f64,
    pub max: f64,
    pub log: bool,
    /// Only whole numbers make sense (epochs, steps, positions): no tick between two of them.
    pub whole: bool,
}

/// A round number on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// Axes of a plot without any value: drawn without numbers.
pub const BLANK: Axis = Axis { min: 0.0, max: 1.0, log: false, whole: false };
pub const BLANK_LOG: Axis = Axis { min: 0.1, max: 1.0, log: true, whole: false };

impl Axis {
    /// The axis over `values`, or over what the caller fixed (`min`, `max`). With `nice`, a number of ticks, free
    /// ends move out to the next tick, and to zero when that is near. `None` when nothing says where to begin.
    pub fn over(values: impl Iterator<Item = f64>, (min, max): (Option<f64>, Option<f64>), log: bool, nice: Option<usize>) -> Option<Self> {
        let usable = |v: &f64| v.abs() <= LARGEST && (!log || *v >= 1.0 / LARGEST);
        let (mut lo, mut hi, mut whole) = (f64::INFINITY, f64::NEG_INFINITY, true);
        for v in values.filter(usable) {
            (lo, hi) = (lo.min(v), hi.max(v));
            whole &= v.fract() == 0.0;
        }
        if lo > hi {
            (lo, hi) = (min.or(max)?, max.or(min)?);
        }
        let (free_min, free_max) = (min.is_none(), max.is_none());
        let (mut lo, mut hi) = (min.unwrap_or(lo), max.unwrap_or(hi));
        if !log && nice.is_some() && free_min && lo > 0.0 && lo <= 0.4 * hi {
            lo = 0.0;
        }
        let size = lo.abs().max(hi.abs());
        if log && hi <= lo * (1.0 + 1e-9) {
            match (free_min, free_max) {
                (true, true) => (lo, hi) = (lo / 2.0, hi * 2.0),
                (true, false) => lo = hi / 10.0,
                (false, _) => hi = lo * 10.0,
            }
        } else if !log && hi - lo <= size * 1e-9 {
            let room = if whole && size < 1e9 || size == 0.0 { 1.0 } else { size * 0.2 };
            match (free_min, free_max) {
                (true, true) => (lo, hi) = (lo - room, hi + room),
                (true, false) => lo = hi - room,
                (false, _) => hi = lo + room,
            }
        }
        if let Some(count) = nice {
            let (data_lo, data_hi) = (lo, hi);
            // Moving out may ask for a longer step, and that for moving out further.
            for _ in 0..3 {
                let step = step(hi - lo, count as f64, false);
                let outwards = |v: f64, towards: fn(f64) -> f64| match log {
                    true => round_125(v, towards),
                    false => tidy(towards(v / step + if towards(0.5) > 0.0 { -1e-9 } else { 1e-9 }) * step),
                };
                if free_min {
                    lo = outwards(data_lo, f64::floor);
                }
                if free_max {
                    hi = outwards(data_hi, f64::ceil);
                }
            }
        }
        let axis = Self { min: lo, max: hi, log, whole: whole && !log };
        (axis.max > axis.min && (axis.max - axis.min).is_finite()).then_some(axis)
    }

    /// Where a value lies, 0 at `min`, 1 at `max`, beyond for values beyond; `None` where it has no place.
    pub fn fraction(&self, v: f64) -> Option<f64> {
        let place = if self.log { (v.ln() - self.min.ln()) / (self.max.ln() - self.min.ln()) } else { (v - self.min) / (self.max - self.min) };
        (v.abs() <= LARGEST && place.is_finite()).then_some(place)
    }

    /// About `count` round numbers (1, 2 or 5 times a power of ten) within the axis, at most twice as many.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        let count = count.clamp(1, 50);
        let (values, labels) = match self.log.then(|| self.log_values(count)) {
            Some(values) if values.len() > 1 => (values.clone(), log_labels(&values)),
            _ => {
                let step = step(self.max - self.min, count as f64, self.whole);
                let values = multiples(self.min, self.max, step);
                (values.clone(), tick_labels(&values, step))
            }
        };
        values.into_iter().zip(labels).map(|(value, label)| Tick { value, label }).collect()
    }

    /// The densest of "1, 2, 5 of each decade", "each decade", "every second, third … decade" with at most `count`.
    fn log_values(&self, count: usize) -> Vec<f64> {
        let (first, last) = (exponent(self.min), exponent(self.max));
        let within = |v: &f64| (self.min * (1.0 - 1e-9)..=self.max * (1.0 + 1e-9)).contains(v);
        let choices = [(&[1.0, 2.0, 5.0][..], 1), (&[1.0, 3.0], 1), (&[1.0], 1), (&[1.0], 2), (&[1.0], 3)];
        let coarse = [5, 10, 20, 50, 100, 200].map(|every| (&[1.0][..], every));
        for (digits, every) in choices.into_iter().chain(coarse) {
            let decades = (first..=last).filter(|d| d.rem_euclid(every) == 0);
            let values: Vec<f64> =
                decades.flat_map(|d| digits.iter().map(move |digit| digit * 10_f64.powi(d))).filter(within).take(count + 1).collect();
            if values.len() <= count {
                return values;
            }
        }
        Vec::new()
    }
}

/// Ticks at certain whole numbers.
pub fn ticks_at(values: &[f64]) -> Vec<Tick> {
    values.iter().zip(tick_labels(values, 1.0)).map(|(&value, label)| Tick { value, label }).collect()
}

/// The ends of the axis `name` ("x", "y") that the caller fixed, checked.
///
/// # Errors
///
/// LAB-BAD-SETTING: an end that is not finite, not positive on a logarithmic axis, or beyond the other end.
pub fn fixed_ends(name: &str, (min, max): (Option<f64>, Option<f64>), log: bool) -> Result<(Option<f64>, Option<f64>)> {
    for (end, v) in [("Min", min), ("Max", max)] {
        match v {
            Some(v) if v.abs() > 1e299 || v.is_nan() => return Err(LabError::setting(&format!("{name}{end}"), v, "a finite number")),
            Some(v) if log && v < 1e-299 => return Err(LabError::setting(&format!("{name}{end}"), v, "above zero on a logarithmic axis")),
            _ => {}
        }
    }
    if let (Some(min), Some(max)) = (min, max) {
        check_setting(min <= max, &format!("{name}Min"), min, &format!("at most {name}Max, which is {max}"))?;
    }
    Ok((min, max))
}

/// The smallest 1, 2 or 5 times a power of ten that cuts `span` into at most `count` parts.
pub fn step(span: f64, count: f64, whole: bool) -> f64 {
    let least = span / count.max(1.0);
    if !(least > 0.0 && least.is_finite()) {
        return 1.0;
    }
    let step = round_125(least, f64::ceil);
    if whole { step.max(1.0) } else { step }
}

/// The next 1, 2 or 5 times a power of ten below (`f64::floor`) or above (`f64::ceil`) a positive number.
fn round_125(v: f64, direction: fn(f64) -> f64) -> f64 {
    let power = 10_f64.powi(exponent(v));
    let digit = v / power;
    let up = direction(0.5) > 0.0;
    let round = [1.0, 2.0, 5.0, 10.0];
    let chosen = if up { round.into_iter().find(|r| *r >= digit - 1e-9) } else { round.into_iter().rev().find(|r| *r <= digit + 1e-9) };
    tidy(chosen.unwrap_or(1.0) * power)
}

/// The multiples of `step` from `min` to `max`, each computed afresh: errors do not add up.
fn multiples(min: f64, max: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((min / step - 1e-6).ceil(), (max / step + 1e-6).floor());
    let count = (last - first).clamp(0.0, 200.0) as usize;
    (0..=count).map(|i| tidy((first + i as f64) * step)).filter(|v| *v <= max + step * 1e-6).collect()
}

/// Without the last digits' noise (1.2000000000000002) and without -0.
fn tidy(v: f64) -> f64 {
    format!("{v:.14e}").parse().unwrap_or(v) + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(values: &[f64]) -> Axis {
        Axis::over(values.iter().copied(), (None, None), false, Some(6)).unwrap()
    }

    fn labels(axis: &Axis, count: usize) -> String {
        axis.ticks(count).iter().map(|t| t.label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn linear_axes_end_on_round_numbers() {
        let axis = over(&[0.13, 0.97]);
        assert_eq!((axis.min, axis.max), (0.0, 1.0));
        assert_eq!(labels(&axis, 6), "0 0.2 0.4 0.6 0.8 1.0");
        let axis = over(&[3.31, 5.33]);
        assert_eq!((axis.min, axis.max), (3.0, 5.5));
        assert_eq!(labels(&axis, 6), "3.0 3.5 4.0 4.5 5.0 5.5");
        let axis = over(&[-0.01, 1.19]);
        assert_eq!((axis.min, axis.max), (-0.5, 1.5));
        assert_eq!(labels(&over(&[-3.0, 7.0]), 6), "−4 −2 0 2 4 6 8");
        assert_eq!(labels(&over(&[0.1, 0.2, 0.1 + 0.2]), 4), "0 0.1 0.2 0.3");
    }

    #[test]
    fn whole_axes_have_no_ticks_between_whole_numbers() {
        let epochs = |n: usize| Axis::over((1..=n).map(|e| e as f64), (None, None), false, None).unwrap();
        assert_eq!(labels(&epochs(3), 8), "1 2 3");
        assert_eq!(labels(&epochs(100), 6), "20 40 60 80 100");
        assert_eq!(labels(&epochs(1), 6), "0 1 2");
    }

    #[test]
    fn one_value_gets_room_on_both_sides() {
        for v in [0.0, 1.0, -2.5, 1e-20, 1e20, 5.331] {
            for nice in [Some(6), None] {
                let axis = Axis::over([v].into_iter(), (None, None), false, nice).unwrap();
                assert!(axis.min < v && v < axis.max, "{v} {axis:?}");
                assert!(axis.ticks(5).len() >= 2, "{v} {axis:?}");
            }
        }
    }

    #[test]
    fn fixed_ends_stay_where_they_are() {
        let axis = |fixed| Axis::over([2.0, 3.0].into_iter(), fixed, false, Some(6)).unwrap();
        assert_eq!((axis((Some(0.0), None)).min, axis((None, Some(3.3))).max), (0.0, 3.3));
        // A fixed end beyond the data still gives an axis.
        assert!(axis((Some(7.0), None)).max > 7.0);
        assert!(axis((None, Some(-1.0))).min < -1.0);
        let empty = Axis::over(std::iter::empty(), (Some(1.0), Some(100.0)), false, None).unwrap();
        assert_eq!((empty.min, empty.max), (1.0, 100.0));
        assert_eq!(Axis::over(std::iter::empty(), (None, None), false, Some(6)), None);
    }

    #[test]
    fn logarithmic_axes() {
        let axis = |values: &[f64]| Axis::over(values.iter().copied(), (None, None), true, Some(6)).unwrap();
        let wide = axis(&[0.003, 40.0]);
        assert_eq!((wide.min, wide.max), (0.002, 50.0));
        assert_eq!(labels(&wide, 5), "0.01 0.1 1 10");
        assert_eq!(labels(&axis(&[0.3, 4.0]), 5), "0.2 0.5 1 2 5");
        assert_eq!(labels(&axis(&[1e-9, 1.0]), 5), "10⁻⁸ 10⁻⁶ 10⁻⁴ 10⁻² 1");
        // Less than a decade and no round number inside: ticks of the linear kind.
        let narrow = Axis { min: 2.2, max: 4.4, log: true, whole: false };
        assert!(narrow.ticks(5).len() >= 3, "{:?}", narrow.ticks(5));
        // Zero and below have no place.
        assert_eq!(wide.fraction(0.0), None);
        assert_eq!(wide.fraction(-1.0), None);
        assert_eq!(Axis::over([0.0, -1.0].into_iter(), (None, None), true, Some(6)), None);
        assert!((wide.fraction((0.002 * 50.0_f64).sqrt()).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn hostile_numbers_give_an_axis_or_none_and_few_ticks() {
        let odd = [0.0, -0.0, 1.0, -1.0, 1e-320, 1e-308, 1e300, -1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, 1e16, 1e16 + 2.0];
        for a in odd {
            for b in odd {
                for log in [true, false] {
                    for fixed in [(None, None), (Some(a), None), (None, Some(b))] {
                        let fixed = (
                            fixed.0.filter(|v| v.abs() < 1e299 && (!log || *v > 1e-299)),
                            fixed.1.filter(|v| v.abs() < 1e299 && (!log || *v > 1e-299)),
                        );
                        let Some(axis) = Axis::over([a, b].into_iter(), fixed, log, Some(6)) else { continue };
                        assert!(axis.min < axis.max, "{a} {b} {axis:?}");
                        assert!(axis.ticks(7).len() <= 16, "{a} {b} {axis:?}");
                    }
                }
            }
        }
    }
}
