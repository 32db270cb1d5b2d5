//! Scatter: points in groups, some of them named.
//!
//! ```text
//! title
//! y axis's name                      ● one group  ◆ another
//!  0.9 ┤────────────────────── ● width 8
//!      │           ◆  ●
//!  0.5 ┤──── ◆ width 2 ───────
//!      ┴──┬──────┬──────┬──────
//!        10     100    1000
//!            x axis's name
//! ```

use std::collections::HashSet;
use std::f64::consts::FRAC_PI_4;

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;
use serde::Deserialize;

use crate::Result;
use crate::error::{LabError, code};

use super::color::{Palette, Theme};
use super::frame::{Content, Frame, Key, KeyPlace, Names, Swatch, y_tick_count};
use super::labels::{Labels, leader};
use super::plane::{Drawn, Plane};
use super::rules::Rule;
use super::scales::{Axis, BLANK, BLANK_LOG, fixed_ends};
use super::sheet::{Dash, Font, Rect, Shape, Sheet, Units};
use super::with_gaps;

/// What to draw. Lengths are CSS pixels everywhere, `scale` device pixels to one of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scatter {
    pub scale: f64,
    pub theme: Theme,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub x_label: String,
    #[serde(default)]
    pub y_label: String,
    /// Logarithmic axes: points that are not positive are left out.
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
    pub groups: Vec<Group>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Points of one colour and shape. Values that are not finite (in JavaScript `null` as well) are left out.
#[derive(Debug, Clone, Deserialize)]
pub struct Group {
    /// In the legend.
    #[serde(default)]
    pub label: String,
    #[serde(deserialize_with = "with_gaps")]
    pub x: Vec<f64>,
    #[serde(deserialize_with = "with_gaps")]
    pub y: Vec<f64>,
    /// A name for each point, or none; an empty one is not written.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Instead of the theme's.
    #[serde(default)]
    pub color: Option<String>,
}

/// From so many points on they are small and let each other through.
const MANY: usize = 150;
/// Of so many points, those in one device pixel are drawn once.
const VERY_MANY: usize = 3000;
/// More names are never written.
const MOST_NAMES: usize = 60;

/// Draws the points; a canvas too small for them stays blank and the returned plot empty.
///
/// # Errors
///
/// LAB-BAD-SETTING: x and y of different lengths, an impossible range, an unreadable colour, a scale out of range.
pub fn draw<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, grain: i32, spec: &Scatter) -> Result<Drawn> {
    let sheet = Sheet::new(area, Units::new(spec.scale, grain)?, Palette::new(&spec.theme)?)?;
    let count = y_tick_count(&sheet);
    let keys = keys(spec, &sheet.palette)?;
    let (x_axis, y_axis) = axes(spec, count)?;
    sheet.fill(sheet.all, sheet.palette.paper, 1.0)?;

    let names = Names { title: spec.title.as_deref().unwrap_or_default(), x: &spec.x_label, y: &spec.y_label };
    let y_ticks = y_axis.map(|axis| axis.ticks(count)).unwrap_or_default();
    let legend = if spec.groups.len() > 1 { &keys[..] } else { &[] };
    let frame = Frame::new(&sheet, Content { names, keys: legend, place: KeyPlace::Above, y_ticks, below: None, square: false })?;
    let blank = |log: bool| if log { BLANK_LOG } else { BLANK };
    let plane = Plane::new(&sheet, &frame, x_axis.unwrap_or(blank(spec.x_log)), y_axis.unwrap_or(blank(spec.y_log)));
    if !plane.plot.is_empty() {
        plane.y_grid()?;
        plane.x_grid(x_axis.as_ref(), &[], true)?;
        plane.ground(plane.plot.bottom())?;
        plane.names(names)?;
        plane.legend(legend)?;
        points(&plane, spec, &keys)?;
        plane.nothing(x_axis.is_none() || y_axis.is_none())?;
    }
    Ok(plane.drawn())
}

fn keys(spec: &Scatter, palette: &Palette) -> Result<Vec<Key>> {
    let key = |(i, group): (usize, &Group)| {
        if group.x.len() != group.y.len() {
            return Err(LabError::new(
                code::BAD_SETTING,
                format!("The group \"{}\" has {} x values and {} y values.", group.label, group.x.len(), group.y.len()),
                "Give each group as many x as y values; use NaN for a missing one.",
            ));
        }
        let color = palette.own_or_series("a group's color", group.color.as_deref(), i)?;
        Ok(Key { caption: group.label.chars().take(100).collect(), color, swatch: Swatch::Mark(Shape::of(i)) })
    };
    spec.groups.iter().enumerate().map(key).collect()
}

fn axes(spec: &Scatter, y_ticks: usize) -> Result<(Option<Axis>, Option<Axis>)> {
    let x = fixed_ends("x", (spec.x_min, spec.x_max), spec.x_log)?;
    let y = fixed_ends("y", (spec.y_min, spec.y_max), spec.y_log)?;
    let drawable = |v: f64, log: bool| v.is_finite() && (!log || v > 0.0);
    let points = || {
        let points = spec.groups.iter().flat_map(|group| group.x.iter().copied().zip(group.y.iter().copied()));
        points.filter(|&(x, y)| drawable(x, spec.x_log) && drawable(y, spec.y_log))
    };
    let xs = points().map(|p| p.0).chain(spec.rules.iter().filter_map(|rule| rule.x));
    let ys = points().map(|p| p.1).chain(spec.rules.iter().filter_map(|rule| rule.y));
    Ok((Axis::over(xs, x, spec.x_log, Some(6)), Axis::over(ys, y, spec.y_log, Some(y_ticks))))
}

/// A point that has a place.
struct Point<'s> {
    at: (i32, i32),
    color: RGBColor,
    shape: Shape,
    name: &'s str,
}

/// The rules, the points over them, and the names of points where they have room.
fn points<DB: DrawingBackend>(plane: &Plane<DB>, spec: &Scatter, keys: &[Key]) -> Result<()> {
    let sheet = plane.sheet;
    let groups = spec.groups.iter().zip(keys).enumerate();
    let mut points: Vec<Point> = groups
        .flat_map(|(i, (group, key))| {
            let places = group.x.iter().zip(&group.y).enumerate();
            places.filter_map(move |(k, (&x, &y))| {
                let name = group.labels.get(k).map_or("", |name| name);
                Some(Point { at: plane.at(x, y)?, color: key.color, shape: Shape::of(i), name })
            })
        })
        .collect();
    if points.len() > VERY_MANY {
        let grain = sheet.units.grain;
        let mut seen = HashSet::new();
        points.retain(|point| {
            !point.name.is_empty() || seen.insert((point.at.0 / grain, point.at.1 / grain, point.color.0, point.color.1, point.color.2))
        });
    }
    let many = points.len() > MANY;
    let (radius, opacity) = if many { (2.25, 0.55) } else { (4.0, 0.9) };
    let half = sheet.px(radius + 1.0);
    let around = |at: (i32, i32), half: i32| Rect { left: at.0 - half, top: at.1 - half, width: 2 * half, height: 2 * half };
    let covered = |area: &Rect| points.iter().filter(|point| area.overlaps(&around(point.at, half))).count();

    let mut rules = Vec::new();
    plane.rules(&spec.rules, &mut rules, covered)?;
    // The first group is the one that matters most: it comes on top.
    for point in points.iter().rev() {
        if !many {
            sheet.mark(point.at, point.shape, radius + 1.25, sheet.palette.paper, 1.0)?;
        }
        sheet.mark(point.at, point.shape, radius, point.color, opacity)?;
    }

    let mut labels = Labels::new(plane.plot, rules);
    for point in points.iter().filter(|point| !point.name.is_empty()).take(MOST_NAMES) {
        let text = sheet.fit(point.name, Font::Label, plane.plot.width / 2)?;
        let size = (sheet.width(&text, Font::Label)?, sheet.px(Font::Label.line()));
        // A name close to another point would be read as that one's.
        let other = |area: &Rect| points.iter().filter(|p| p.at != point.at && area.overlaps(&around(p.at, half + sheet.px(4.0)))).count();
        // Right of the point, a little above: there it is read with the point.
        let Some(area) = labels.beside(point.at, size, sheet.px(radius + 3.5), FRAC_PI_4 / 4.0, other) else { continue };
        if let Some(line) = leader(point.at, area, sheet.px(3.0 * radius)) {
            sheet.path(line.to_vec(), sheet.palette.quiet, 0.7, 1.0, Dash::None)?;
        }
        let behind = Rect { left: area.left - sheet.px(1.0), width: area.width + sheet.px(2.0), ..area };
        sheet.fill(behind, sheet.palette.paper, 0.7)?;
        sheet.text(&text, Font::Label, sheet.palette.ink, (area.left, area.top + area.height / 2), HPos::Left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plotters::drawing::IntoDrawingArea;

    use super::*;
    use crate::plot::paper::{Paper, Record, theme};

    fn spec(groups: Vec<Group>) -> Scatter {
        Scatter {
            scale: 1.0,
            theme: theme(),
            title: None,
            x_label: "active features".into(),
            y_label: "explained variance".into(),
            x_log: false,
            y_log: false,
            x_min: None,
            x_max: None,
            y_min: None,
            y_max: None,
            groups,
            rules: Vec::new(),
        }
    }

    fn group(label: &str, n: usize) -> Group {
        let x: Vec<f64> = (0..n).map(|i| 1.0 + (i * 37 % 101) as f64).collect();
        let y = x.iter().enumerate().map(|(i, x)| x.sqrt() + (i % 7) as f64).collect();
        Group { label: label.into(), x, y, labels: Vec::new(), color: None }
    }

    fn drawn(spec: &Scatter, width: u32, height: u32) -> (Drawn, Record) {
        let paper = Paper::new(width, height);
        let plot = draw(&paper.clone().into_drawing_area(), 1, spec).unwrap();
        (plot, paper.record.take())
    }

    #[test]
    fn every_point_with_a_place_is_drawn() {
        let n = f64::NAN;
        let one = Group { x: vec![1.0, 2.0, n, 4.0, 5.0], y: vec![1.0, n, 3.0, f64::INFINITY, 2.0], ..group("a", 0) };
        let (plot, record) = drawn(&spec(vec![one]), 500, 300);
        // Each with a rim of paper.
        assert_eq!(record.dots.len(), 2 * 2);
        assert_eq!((plot.x, plot.y), ([0.0, 5.0], [1.0, 2.0]));
        let log = Scatter { x_log: true, ..spec(vec![Group { x: vec![0.0, 10.0, 1000.0], y: vec![9.0, 1.0, 2.0], ..group("a", 0) }]) };
        let (plot, record) = drawn(&log, 500, 300);
        assert_eq!((plot.x, record.dots.len()), ([10.0, 1000.0], 4));
    }

    #[test]
    fn groups_differ_in_colour_and_shape_and_stand_in_a_legend() {
        let (_, alone) = drawn(&spec(vec![group("ReLU", 9)]), 500, 300);
        assert!(!alone.words().contains(&"ReLU"));
        let (_, record) = drawn(&spec(vec![group("ReLU", 9), group("TopK", 9), group("Gated", 9), group("JumpReLU", 9)]), 500, 300);
        for word in ["ReLU", "TopK", "Gated", "JumpReLU"] {
            assert!(record.words().contains(&word), "{word}");
        }
        assert!(record.polygons.iter().any(|p| p.0.len() == 3) && record.polygons.iter().any(|p| p.0.len() == 4));
    }

    #[test]
    fn names_of_points_keep_apart_and_inside() {
        for (width, height) in [(320, 240), (700, 300), (1100, 500), (240, 160)] {
            for n in [0, 1, 5, 30, 400] {
                for scale in [1.0, 2.0] {
                    let mut named = group("ReLU", n);
                    named.labels = (0..n).map(|i| format!("width {}", 1 << (i % 12))).collect();
                    let rules = vec![Rule::at_y(5.0, "the best of them"), Rule::at_x(30.0, "as wide as the model")];
                    let spec = Scatter { scale, rules, title: Some("A title".into()), ..spec(vec![named, group("TopK", n)]) };
                    let (w, h) = ((f64::from(width) * scale) as u32, (f64::from(height) * scale) as u32);
                    let (_, record) = drawn(&spec, w, h);
                    assert_eq!(record.clash(w as i32, h as i32), None, "{n} on {width}×{height} at {scale}");
                    assert!(n != 1 || width < 300 || record.words().contains(&"width 1"), "{width}×{height} at {scale}: {:?}", record.words());
                }
            }
        }
    }

    #[test]
    fn very_many_points_are_drawn_once_a_pixel() {
        let (_, record) = drawn(&spec(vec![group("a", 100_000)]), 500, 300);
        assert!(record.dots.len() <= 101 * 7);
    }

    #[test]
    fn wrong_settings_are_refused() {
        let refused = |spec: Scatter| draw(&Paper::new(500, 300).into_drawing_area(), 1, &spec).unwrap_err().message;
        let message = refused(spec(vec![Group { y: vec![1.0], ..group("a", 3) }]));
        assert!(message.contains('3') && message.contains('1'), "{message}");
        refused(spec(vec![Group { color: Some("red".into()), ..group("a", 1) }]));
        refused(Scatter { y_log: true, y_min: Some(-1.0), ..spec(vec![]) });
    }

    #[test]
    fn nothing_panics() {
        let odd = [0.0, -1.0, 1e-320, 1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY];
        for (width, height) in [(0, 0), (1, 1), (30, 30), (700, 3), (500, 300)] {
            for a in odd {
                for b in odd {
                    for log in [false, true] {
                        let labels = vec!["é漢\u{202e}".repeat(60); 2];
                        let odd = Group { x: vec![a, b, 1.0], y: vec![b, a, 2.0], labels, ..group("漢".repeat(300).as_str(), 0) };
                        let spec = Scatter { x_log: log, y_log: !log, ..spec(vec![odd, group("b", 3)]) };
                        let (plot, _) = drawn(&spec, width, height);
                        assert!(plot.plot.right() <= width as i32 && plot.plot.bottom() <= height as i32);
                    }
                }
            }
        }
    }
}
