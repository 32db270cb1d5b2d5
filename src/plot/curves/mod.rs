//! Curves: several lines over one x axis, redrawn as they grow.
//!
//! ```text
//! title
//! y axis's name                      (legend, where the labels do not fit at the lines' ends)
//!  1.0 ┤────────────────────────────
//!      │╲                                      the value at the end of
//!  0.5 ┤─╲──────────────────────────    ╱ total 0.312 ◄ each line, beside
//!      │  ╲____________________________●                 its name
//!  0.0 ┴──┬──────┬──────┬──────┬────
//!         20     40     60     80
//!               x axis's name
//! ```

mod chart;
mod polyline;

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use serde::Deserialize;

use crate::Result;
use crate::error::{LabError, code};

use self::chart::Chart;
use super::color::{Palette, Theme};
use super::frame::{Content, Frame, Key, KeyPlace, Names, Swatch, y_tick_count};
use super::numbers::value_label;
use super::plane::{Drawn, Plane};
use super::scales::{Axis, BLANK, BLANK_LOG, fixed_ends};
use super::sheet::{Dash, Sheet, Units};
use super::with_gaps;

pub use super::rules::Rule;

/// What to draw. Lengths are CSS pixels everywhere, `scale` device pixels to one of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Curves {
    pub scale: f64,
    pub theme: Theme,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub x_label: String,
    #[serde(default)]
    pub y_label: String,
    /// Logarithmic axes: values that are not positive become gaps.
    #[serde(default)]
    pub x_log: bool,
    #[serde(default)]
    pub y_log: bool,
    /// Fixed ends of the axes; a free end follows the data.
    #[serde(default)]
    pub x_min: Option<f64>,
    #[serde(default)]
    pub x_max: Option<f64>,
    #[serde(default)]
    pub y_min: Option<f64>,
    #[serde(default)]
    pub y_max: Option<f64>,
    #[serde(default)]
    pub lines: Vec<Line>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One line. Values that are not finite (in JavaScript `null` as well) are gaps.
#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    #[serde(default)]
    pub label: String,
    #[serde(deserialize_with = "with_gaps")]
    pub x: Vec<f64>,
    #[serde(deserialize_with = "with_gaps")]
    pub y: Vec<f64>,
    /// Broken, in a pattern of its own among the first few lines.
    #[serde(default)]
    pub dash: bool,
    /// Whether each point has a dot; unless told, where there are few.
    #[serde(default)]
    pub markers: Option<bool>,
    /// Instead of the theme's.
    #[serde(default)]
    pub color: Option<String>,
}

/// Draws the curves; a canvas too small for them stays blank and the returned plot empty.
///
/// # Errors
///
/// LAB-BAD-SETTING: x and y of different lengths, an impossible range, an unreadable colour, a scale out of range.
pub fn draw<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, grain: i32, spec: &Curves) -> Result<Drawn> {
    let sheet = Sheet::new(area, Units::new(spec.scale, grain)?, Palette::new(&spec.theme)?)?;
    let lines = spec.lines.iter().enumerate();
    let lines = lines.map(|(i, line)| Series::new(i, line, &sheet.palette)).collect::<Result<Vec<_>>>()?;
    let count = y_tick_count(&sheet);
    let (x_axis, y_axis) = axes(spec, count)?;
    sheet.fill(sheet.all, sheet.palette.paper, 1.0)?;

    let names = Names { title: spec.title.as_deref().unwrap_or_default(), x: &spec.x_label, y: &spec.y_label };
    let keys: Vec<Key> = lines.iter().map(Series::key).collect();
    let y_ticks = y_axis.map(|axis| axis.ticks(count)).unwrap_or_default();
    let frame = Frame::new(&sheet, Content { names, keys: &keys, place: KeyPlace::Ends, y_ticks, below: None, square: false })?;
    let blank = |log: bool| if log { BLANK_LOG } else { BLANK };
    let plane = Plane::new(&sheet, &frame, x_axis.unwrap_or(blank(spec.x_log)), y_axis.unwrap_or(blank(spec.y_log)));
    if !plane.plot.is_empty() {
        plane.y_grid()?;
        plane.x_grid(x_axis.as_ref(), &own_ticks(spec), true)?;
        plane.ground(plane.plot.bottom())?;
        plane.names(names)?;
        Chart { plane: &plane }.lines(spec, &lines, &keys)?;
        plane.nothing(x_axis.is_none() || y_axis.is_none())?;
    }
    Ok(plane.drawn())
}

/// The few whole numbers that were tried (widths, mostly powers of two) say more on a logarithmic axis than round ones.
fn own_ticks(spec: &Curves) -> Vec<f64> {
    if !spec.x_log {
        return Vec::new();
    }
    let mut own: Vec<f64> = spec.lines.iter().flat_map(|line| line.x.iter().copied().take(FEW_TICKS + 1)).filter(|x| *x > 0.0).collect();
    own.sort_by(f64::total_cmp);
    own.dedup();
    let few = own.len() <= FEW_TICKS && spec.lines.iter().all(|line| line.x.len() <= FEW_TICKS);
    if few && own.iter().all(|x| x.fract() == 0.0 && *x < 1e6) { own } else { Vec::new() }
}

const FEW_TICKS: usize = 9;

/// Both axes; `None` where neither the data nor the caller says where they run.
fn axes(spec: &Curves, y_ticks: usize) -> Result<(Option<Axis>, Option<Axis>)> {
    let x = fixed_ends("x", (spec.x_min, spec.x_max), spec.x_log)?;
    let y = fixed_ends("y", (spec.y_min, spec.y_max), spec.y_log)?;
    // A point counts for an axis only where it has a place on the other: x of a gap is no value.
    let points = || spec.lines.iter().flat_map(|line| line.x.iter().copied().zip(line.y.iter().copied()));
    let drawable = |v: f64, log: bool| v.is_finite() && (!log || v > 0.0);
    let xs = points().filter(|p| drawable(p.1, spec.y_log)).map(|p| p.0);
    let ys = points().filter(|p| drawable(p.0, spec.x_log)).map(|p| p.1);
    let xs = xs.chain(spec.rules.iter().filter_map(|rule| rule.x));
    let ys = ys.chain(spec.rules.iter().filter_map(|rule| rule.y));
    Ok((Axis::over(xs, x, spec.x_log, None), Axis::over(ys, y, spec.y_log, Some(y_ticks))))
}

/// A line with its colour and the text at its end.
struct Series<'s> {
    pub line: &'s Line,
    pub color: RGBColor,
    pub dash: Dash,
    /// Name and present value.
    pub caption: String,
}

impl<'s> Series<'s> {
    fn new(index: usize, line: &'s Line, palette: &Palette) -> Result<Self> {
        if line.x.len() != line.y.len() {
            return Err(LabError::new(
                code::BAD_SETTING,
                format!("The line \"{}\" has {} x values and {} y values.", line.label, line.x.len(), line.y.len()),
                "Give each line as many x as y values; use NaN for a missing one.",
            ));
        }
        let color = palette.own_or_series("a line's color", line.color.as_deref(), index)?;
        let name: String = line.label.chars().take(100).collect();
        let value = line.y.last().map(|&v| value_label(v)).unwrap_or_default();
        let parts = [name.trim(), &value].into_iter().filter(|part| !part.is_empty());
        let dash = if line.dash { Dash::of(index) } else { Dash::None };
        Ok(Self { line, color, dash, caption: parts.collect::<Vec<_>>().join("  ") })
    }

    fn key(&self) -> Key {
        Key { caption: self.caption.clone(), color: self.color, swatch: Swatch::Line(self.dash) }
    }
}

#[cfg(test)]
mod tests {
    use plotters::drawing::IntoDrawingArea;

    use super::*;
    use crate::plot::paper::{Paper, Record, theme};
    use crate::plot::sheet::Rect;

    fn spec(lines: Vec<Line>) -> Curves {
        Curves {
            scale: 1.0,
            theme: theme(),
            title: None,
            x_label: "epoch".into(),
            y_label: "loss".into(),
            x_log: false,
            y_log: false,
            x_min: None,
            x_max: None,
            y_min: None,
            y_max: None,
            lines,
            rules: Vec::new(),
        }
    }

    fn line(label: &str, y: impl IntoIterator<Item = f64>) -> Line {
        let y: Vec<f64> = y.into_iter().collect();
        let x = (1..=y.len()).map(|e| e as f64).collect();
        Line { label: label.into(), x, y, dash: false, markers: None, color: None }
    }

    fn falling(n: usize, from: f64) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| from * (-0.05 * i as f64).exp())
    }

    fn drawn(spec: &Curves, width: u32, height: u32) -> (Drawn, Record) {
        let paper = Paper::new(width, height);
        let plot = draw(&paper.clone().into_drawing_area(), 1, spec).unwrap();
        (plot, paper.record.take())
    }

    #[test]
    fn axes_names_and_the_present_value_are_written() {
        let (plot, record) = drawn(&spec(vec![line("recon", falling(100, 1.0))]), 700, 300);
        assert_eq!((plot.x, plot.y), ([1.0, 100.0], [0.0, 1.0]));
        let words = record.words();
        for word in ["epoch", "loss", "20", "100", "0.2", "1.0", "recon  0.00708"] {
            assert!(words.contains(&word), "{word} in {words:?}");
        }
        // One path for the line, one for the leader of its label, a dot at its end.
        assert_eq!((record.paths.len(), record.dots.len()), (2, 1));
        assert_eq!(record.paths[0].0.len(), 100);
        assert_eq!(record.paths[0].1, (0, 0x72, 0xb2));
    }

    #[test]
    fn without_data_the_axes_have_only_the_numbers_the_caller_knows() {
        let (plot, record) = drawn(&spec(vec![]), 700, 300);
        assert!(!plot.plot.is_empty());
        assert_eq!(record.words(), ["loss", "epoch", "no values"]);
        let fixed = Curves { x_min: Some(1.0), x_max: Some(100.0), ..spec(vec![line("total", [])]) };
        let (plot, record) = drawn(&fixed, 700, 300);
        assert_eq!(plot.x, [1.0, 100.0]);
        assert!(record.words().contains(&"100"));
        assert!(record.paths.is_empty() && record.dots.is_empty());
    }

    #[test]
    fn single_points_are_dots_and_gaps_are_gaps() {
        let (_, record) = drawn(&spec(vec![line("a", [0.5])]), 700, 300);
        assert!(!record.dots.is_empty());
        let n = f64::NAN;
        let (_, record) = drawn(&spec(vec![line("a", [0.5, n, 0.4, 0.3, n])]), 700, 300);
        let strokes: Vec<_> = record.paths.iter().filter(|p| p.2 > 1).collect();
        assert_eq!(strokes.len(), 1);
        assert_eq!(strokes[0].0.len(), 2);
        assert!(record.words().contains(&"a  NaN"));
    }

    #[test]
    fn labels_go_above_the_plot_where_the_lines_ends_have_no_room() {
        let lines = || vec![line("reconstruction error", falling(50, 1.0)), line("sparsity", falling(50, 0.4))];
        let (wide, _) = drawn(&spec(lines()), 1100, 300);
        let (narrow, record) = drawn(&spec(lines()), 320, 240);
        assert!(wide.plot.width < 1100 - 150 && narrow.plot.width > 320 - 60);
        assert!(record.words().contains(&"reconstruction error  0.0863"));
        // Too many for the height: the last entry counts the rest.
        let many = (0..40).map(|i| line(&format!("run {i}"), falling(5, i as f64))).collect();
        let (_, record) = drawn(&spec(many), 320, 200);
        assert!(record.words().iter().any(|w| w.starts_with("and ") && w.ends_with(" more")), "{:?}", record.words());
    }

    #[test]
    fn texts_keep_apart_and_inside_at_every_size() {
        let five = |n: usize| {
            let names = ["total", "recon", "l1", "fraction active", "held out"];
            names.iter().enumerate().map(|(i, name)| line(name, falling(n, 1.0 + i as f64 / 5.0))).collect::<Vec<_>>()
        };
        for (width, height) in [(320, 240), (320, 180), (700, 300), (1100, 420), (240, 160)] {
            for scale in [1.0, 1.5, 2.0, 3.0] {
                for n in [0, 1, 3, 37, 100] {
                    for y_log in [false, true] {
                        let title = (n == 3).then(|| "A title".to_string());
                        let rules = vec![Rule::at_y(0.5, "without the SAE")];
                        let spec = Curves { scale, y_log, title, rules, x_max: Some(100.0), ..spec(five(n)) };
                        let (w, h) = ((f64::from(width) * scale) as u32, (f64::from(height) * scale) as u32);
                        let (plot, record) = drawn(&spec, w, h);
                        assert_eq!(record.clash(w as i32, h as i32), None, "{width}×{height} at {scale}, {n} points, log {y_log}");
                        assert!(f64::from(plot.plot.width) > 0.5 * f64::from(w), "{width}×{height}: {plot:?}");
                        assert!(f64::from(plot.plot.height) > 0.24 * f64::from(h), "{width}×{height}: {plot:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_finer_grain_changes_nothing_but_the_precision() {
        let spec = spec(vec![line("a", falling(60, 1.0)), line("b", falling(60, 0.8))]);
        let coarse = drawn(&spec, 640, 300).0;
        let paper = Paper::new(640 * 8, 300 * 8);
        let fine = draw(&paper.into_drawing_area(), 8, &spec).unwrap();
        assert!((coarse.plot.left - fine.plot.left).abs() <= 2, "{coarse:?} {fine:?}");
        assert!((coarse.plot.width - fine.plot.width).abs() <= 8, "{coarse:?} {fine:?}");
        assert_eq!((coarse.x, coarse.y, coarse.plot.top, coarse.plot.height), (fine.x, fine.y, fine.plot.top, fine.plot.height));
    }

    #[test]
    fn both_axes_may_be_logarithmic_and_rules_run_both_ways() {
        let widths = Line { x: vec![1.0, 10.0, 1000.0, -1.0], ..line("error", [0.1, 0.01, 0.001, 5.0]) };
        let rules = vec![Rule::at_y(0.05, "zero"), Rule::at_x(100.0, "as wide as the model")];
        let (plot, record) = drawn(&Curves { x_log: true, y_log: true, rules, ..spec(vec![widths]) }, 700, 300);
        assert_eq!(plot.x, [1.0, 1000.0]);
        for word in ["1", "10", "1000", "zero", "as wide as the model"] {
            assert!(record.words().contains(&word), "{word} in {:?}", record.words());
        }
        // A point without a place on the x axis does not stretch the y axis.
        assert!(plot.y[1] < 1.0, "{plot:?}");
    }

    #[test]
    fn markers_are_drawn_or_left_out_as_told() {
        let dots = |n: usize, markers| drawn(&spec(vec![Line { markers, ..line("a", falling(n, 1.0)) }]), 700, 300).1.dots.len();
        assert_eq!((dots(8, None), dots(40, None)), (9, 1));
        assert_eq!((dots(8, Some(false)), dots(40, Some(true))), (1, 41));
    }

    #[test]
    fn very_long_lines_become_short_paths() {
        let (_, record) = drawn(&spec(vec![line("a", (0..200_000).map(|i| (i as f64).sin()))]), 700, 300);
        assert!(record.paths[0].0.len() < 4 * 700);
    }

    #[test]
    fn wrong_settings_are_refused_with_both_numbers() {
        let refused = |spec: Curves| {
            let error = draw(&Paper::new(700, 300).into_drawing_area(), 1, &spec).unwrap_err();
            assert_eq!(error.code, "LAB-BAD-SETTING");
            error.message
        };
        let mut uneven = line("recon", [1.0, 2.0]);
        uneven.x.push(3.0);
        let message = refused(spec(vec![uneven]));
        assert!(message.contains("recon") && message.contains('3') && message.contains('2'), "{message}");
        refused(Curves { y_min: Some(2.0), y_max: Some(1.0), ..spec(vec![]) });
        refused(Curves { y_log: true, y_min: Some(0.0), ..spec(vec![]) });
        refused(Curves { x_max: Some(f64::INFINITY), ..spec(vec![]) });
        for scale in [0.0, -1.0, f64::NAN, 1e9] {
            refused(Curves { scale, ..spec(vec![]) });
        }
        let mut odd = line("a", [1.0]);
        odd.color = Some("blue".into());
        refused(spec(vec![odd]));
        refused(Curves { theme: Theme { ink: "".into(), ..theme() }, ..spec(vec![]) });
    }

    #[test]
    fn nothing_panics() {
        let odd = [0.0, -1.0, 1e-320, 1e300, -1e300, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e16, 1e16 + 2.0];
        for (width, height) in [(0, 0), (1, 1), (0, 300), (30, 30), (700, 3), (3, 700), (64, 64), (700, 300)] {
            for a in odd {
                for b in odd {
                    for y_log in [false, true] {
                        let rules = vec![Rule::at_y(b, "a rule".repeat(40)), Rule::at_x(a, "b".repeat(40))];
                        let xy =
                            Line { label: "é漢\u{202e}".repeat(60), x: vec![b, a, 1.0], y: vec![a, b, a], dash: true, markers: None, color: None };
                        let (plot, _) = drawn(&Curves { y_log, rules, ..spec(vec![xy, line("", [a, b])]) }, width, height);
                        let Rect { left, top, .. } = plot.plot;
                        assert!(left >= 0 && top >= 0 && plot.plot.right() <= width as i32 && plot.plot.bottom() <= height as i32);
                        assert!(plot.x[0] < plot.x[1] && plot.y[0] < plot.y[1], "{a} {b} {plot:?}");
                    }
                }
            }
        }
    }
}
