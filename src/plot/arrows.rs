//! Arrows: vectors of two dimensions from the origin, one unit as long on either axis.
//!
//! ```text
//! title
//! y axis's name
//!   1 ┤       │ ↗ 3
//!     │  4 ↖  │╱
//!   0 ┤───────┼──────→ 1
//!     │       │╲
//!  −1 ┤       │ ↘ 2
//!     ┴───────┴───────
//!    −1       0       1
//!       x axis's name
//! ```

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;
use serde::Deserialize;

use crate::Result;
use crate::error::check_setting;

use super::color::{Palette, Theme, mix};
use super::frame::{Content, Frame, KeyPlace, Names};
use super::labels::{Labels, leader};
use super::plane::{Drawn, Plane};
use super::scales::{Axis, BLANK};
use super::sheet::{Dash, Font, Rect, Sheet, Units};

/// What to draw. Lengths are CSS pixels everywhere, `scale` device pixels to one of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrows {
    pub scale: f64,
    pub theme: Theme,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub x_label: String,
    #[serde(default)]
    pub y_label: String,
    /// Both axes run from `-max` to `max`; without it, a little beyond the longest arrow.
    #[serde(default)]
    pub max: Option<f64>,
    /// The radius of a circle to compare lengths with.
    #[serde(default)]
    pub circle: Option<f64>,
    #[serde(default)]
    pub arrows: Vec<Arrow>,
}

/// A vector. One with a coordinate that is not finite (in JavaScript `null` as well) is left out.
#[derive(Debug, Clone, Deserialize)]
pub struct Arrow {
    /// At its tip.
    #[serde(default)]
    pub label: String,
    pub x: Option<f64>,
    pub y: Option<f64>,
    /// Instead of the theme's.
    #[serde(default)]
    pub color: Option<String>,
}

const WIDTH: f64 = 2.0;
/// Length and half the width of a head, in CSS pixels.
const HEAD: (f64, f64) = (10.0, 4.5);
/// An arrow shorter than this is a dot.
const SHORTEST: f64 = 3.0;
const MOST_NAMES: usize = 100;

/// Draws the arrows; a canvas too small for them stays blank and the returned plot empty.
///
/// # Errors
///
/// LAB-BAD-SETTING: a `max` that is no positive number, an unreadable colour, a scale out of range.
pub fn draw<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, grain: i32, spec: &Arrows) -> Result<Drawn> {
    let sheet = Sheet::new(area, Units::new(spec.scale, grain)?, Palette::new(&spec.theme)?)?;
    let colors = colors(spec, &sheet.palette)?;
    let count = (f64::from(sheet.all.height.min(sheet.all.width)) / f64::from(sheet.px(60.0))).clamp(2.0, 8.0) as usize;
    let axis = axis(spec, count)?;
    sheet.fill(sheet.all, sheet.palette.paper, 1.0)?;

    let names = Names { title: spec.title.as_deref().unwrap_or_default(), x: &spec.x_label, y: &spec.y_label };
    let y_ticks = axis.map(|axis| axis.ticks(count)).unwrap_or_default();
    let frame = Frame::new(&sheet, Content { names, keys: &[], place: KeyPlace::Above, y_ticks, below: None, square: true })?;
    let both = axis.unwrap_or(Axis { min: -1.0, ..BLANK });
    let plane = Plane::new(&sheet, &frame, both, both);
    if !plane.plot.is_empty() {
        plane.y_grid()?;
        plane.x_grid(axis.as_ref(), &[], true)?;
        plane.names(names)?;
        // The axes themselves, through the origin.
        let cross = mix(sheet.palette.line, sheet.palette.quiet, 0.6);
        sheet.horizontal(plane.plot.left, plane.plot.right(), plane.height_of(0.0), cross)?;
        sheet.vertical(plane.across(0.0), plane.plot.top, plane.plot.bottom(), cross)?;
        circle(&plane, spec.circle)?;
        arrows(&plane, spec, &colors)?;
        plane.nothing(spec.arrows.is_empty())?;
    }
    Ok(plane.drawn())
}

fn colors(spec: &Arrows, palette: &Palette) -> Result<Vec<RGBColor>> {
    let color = |(i, arrow): (usize, &Arrow)| palette.own_or_series("an arrow's color", arrow.color.as_deref(), i);
    spec.arrows.iter().enumerate().map(color).collect()
}

/// Both axes: around zero, out to a tick beyond the longest arrow, with room for a name there.
fn axis(spec: &Arrows, ticks: usize) -> Result<Option<Axis>> {
    if let Some(max) = spec.max {
        check_setting(max > 1e-299 && max < 1e299, "max", max, "a finite number above zero")?;
        return Ok(Some(Axis { min: -max, max, log: false, whole: false }));
    }
    let ends = spec.arrows.iter().flat_map(|arrow| [arrow.x, arrow.y]).chain([spec.circle]).flatten();
    let longest = ends.filter(|v| v.abs() < 1e298).fold(0.0_f64, |longest, v| longest.max(v.abs()));
    let axis = Axis::over([-1.12 * longest, 1.12 * longest].into_iter(), (None, None), false, Some(2 * ticks));
    Ok(axis.filter(|_| longest > 0.0 || !spec.arrows.is_empty()).map(|axis| {
        let max = axis.max.max(-axis.min);
        Axis { min: -max, max, whole: false, ..axis }
    }))
}

fn circle<DB: DrawingBackend>(plane: &Plane<DB>, radius: Option<f64>) -> Result<()> {
    let Some(radius) = radius.filter(|r| *r > 0.0) else { return Ok(()) };
    let turn = |i: i32| std::f64::consts::TAU * f64::from(i) / 120.0;
    let mut piece = Vec::new();
    for i in 0..=120 {
        match plane.at(radius * turn(i).cos(), radius * turn(i).sin()) {
            Some(at) => piece.push(at),
            None => outline(plane, std::mem::take(&mut piece))?,
        }
    }
    outline(plane, piece)
}

fn outline<DB: DrawingBackend>(plane: &Plane<DB>, piece: Vec<(i32, i32)>) -> Result<()> {
    if piece.len() < 2 { Ok(()) } else { plane.sheet.path(piece, plane.sheet.palette.quiet, 0.8, 1.0, Dash::Of(3.0, 4.0)) }
}

/// An arrow with its place.
struct Placed<'s> {
    tip: (i32, i32),
    color: RGBColor,
    name: &'s str,
    /// Towards its tip: counter-clockwise from the right.
    angle: f64,
    cut: bool,
}

fn arrows<DB: DrawingBackend>(plane: &Plane<DB>, spec: &Arrows, colors: &[RGBColor]) -> Result<()> {
    let sheet = plane.sheet;
    let origin = (plane.x_at(0.5), plane.y_at(0.5));
    let placed: Vec<Placed> = spec
        .arrows
        .iter()
        .zip(colors)
        .filter_map(|(arrow, &color)| {
            let (x, y) = arrow.x.zip(arrow.y).filter(|(x, y)| x.is_finite() && y.is_finite())?;
            // What leaves the plot is cut at its edge, in its own direction.
            let beyond = (x.abs().max(y.abs()) / plane.x.max).max(1.0);
            let tip = plane.at(x / beyond, y / beyond)?;
            Some(Placed { tip, color, name: &arrow.label, angle: y.atan2(x), cut: beyond > 1.0 })
        })
        .collect();
    // The first arrow is the one that matters most: it comes on top.
    for arrow in placed.iter().rev() {
        shaft(sheet, origin, arrow)?;
    }

    // Names stand at the tips, over no shaft where that can be.
    let room =
        Rect { left: plane.plot.left, top: plane.plot.top, width: sheet.all.right() - sheet.px(2.0) - plane.plot.left, height: plane.plot.height };
    let steps = |tip: (i32, i32)| (0..=16).map(move |i| (origin.0 + (tip.0 - origin.0) * i / 16, origin.1 + (tip.1 - origin.1) * i / 16));
    let mut labels = Labels::new(room, Vec::new());
    for arrow in placed.iter().filter(|arrow| !arrow.name.is_empty()).take(MOST_NAMES) {
        let text = sheet.fit(arrow.name, Font::Label, plane.plot.width / 2)?;
        let size = (sheet.width(&text, Font::Label)?, sheet.px(Font::Label.size() + 2.0));
        let covered = |area: &Rect| {
            let on = |(x, y): (i32, i32)| area.overlaps(&Rect { left: x - 1, top: y - 1, width: 2, height: 2 });
            placed.iter().filter(|other| steps(other.tip).any(on)).count()
        };
        let Some(area) = labels.beside(arrow.tip, size, sheet.px(4.0), arrow.angle, covered) else { continue };
        if let Some(line) = leader(arrow.tip, area, sheet.px(9.0)) {
            sheet.path(line.to_vec(), sheet.palette.quiet, 0.7, 1.0, Dash::None)?;
        }
        sheet.fill(area, sheet.palette.paper, 0.6)?;
        sheet.text(&text, Font::Label, sheet.palette.ink, (area.left, area.top + area.height / 2), HPos::Left)?;
    }
    Ok(())
}

/// The line and the head of one arrow.
fn shaft<DB: DrawingBackend>(sheet: &Sheet<DB>, origin: (i32, i32), arrow: &Placed) -> Result<()> {
    let (dx, dy) = (f64::from(arrow.tip.0 - origin.0), f64::from(arrow.tip.1 - origin.1));
    let length = dx.hypot(dy);
    if length < f64::from(sheet.px(SHORTEST)) {
        return sheet.dot(origin, SHORTEST, arrow.color);
    }
    let unit = (dx / length, dy / length);
    let head = f64::from(sheet.px(HEAD.0)).min(length);
    let half = f64::from(sheet.px(HEAD.1)) * head / f64::from(sheet.px(HEAD.0)).max(1.0);
    let back = (f64::from(arrow.tip.0) - unit.0 * head, f64::from(arrow.tip.1) - unit.1 * head);
    let corner = |side: f64| ((back.0 - unit.1 * half * side).round() as i32, (back.1 + unit.0 * half * side).round() as i32);
    // The line ends within the head, so that no gap shows between them.
    let neck = ((back.0 + unit.0 * head * 0.2).round() as i32, (back.1 + unit.1 * head * 0.2).round() as i32);
    sheet.path(vec![origin, neck], arrow.color, 1.0, WIDTH, if arrow.cut { Dash::RULE } else { Dash::None })?;
    sheet.polygon(vec![arrow.tip, corner(1.0), corner(-1.0)], arrow.color, 1.0)
}

#[cfg(test)]
mod tests {
    use plotters::drawing::IntoDrawingArea;

    use super::*;
    use crate::plot::paper::{Paper, Record, theme};

    fn spec(arrows: Vec<Arrow>) -> Arrows {
        Arrows {
            scale: 1.0,
            theme: theme(),
            title: None,
            x_label: "hidden dimension 1".into(),
            y_label: "hidden dimension 2".into(),
            max: None,
            circle: None,
            arrows,
        }
    }

    fn star(n: usize, radius: f64) -> Vec<Arrow> {
        let at = |i: usize| std::f64::consts::TAU * i as f64 / n as f64;
        (0..n).map(|i| Arrow { label: format!("feature {i}"), x: Some(radius * at(i).cos()), y: Some(radius * at(i).sin()), color: None }).collect()
    }

    fn drawn(spec: &Arrows, width: u32, height: u32) -> (Drawn, Record) {
        let paper = Paper::new(width, height);
        let plot = draw(&paper.clone().into_drawing_area(), 1, spec).unwrap();
        (plot, paper.record.take())
    }

    #[test]
    fn a_unit_is_as_long_on_either_axis() {
        for (width, height) in [(700, 300), (300, 700), (320, 320)] {
            let (plot, record) = drawn(&spec(star(5, 1.0)), width, height);
            assert_eq!((plot.plot.width, plot.x), (plot.plot.height, plot.y));
            assert_eq!(plot.x, [-plot.x[1], plot.x[1]]);
            assert!(plot.x[1] > 1.1 && plot.x[1] <= 1.6, "{plot:?}");
            assert_eq!(record.polygons.len(), 5);
            let tip = record.polygons.last().unwrap().0[0];
            let right = plot.plot.left + (f64::from(plot.plot.width) * (0.5 + 0.5 / plot.x[1])).round() as i32;
            assert!((tip.0 - right).abs() <= 1 && (tip.1 - plot.plot.top - plot.plot.height / 2).abs() <= 1, "{tip:?} {plot:?}");
        }
    }

    #[test]
    fn names_stand_at_the_tips_apart_and_inside() {
        for side in [200, 300, 480] {
            for n in [0, 1, 2, 5, 20, 80] {
                for radius in [1e-9, 0.3, 1.0, 4000.0] {
                    for scale in [1.0, 2.0] {
                        let mut arrows = star(n, radius);
                        arrows.extend(star(n, radius * 0.999));
                        let spec = Arrows { scale, title: Some("Learned".into()), circle: Some(radius), ..spec(arrows) };
                        let pixels = (f64::from(side) * scale) as u32;
                        let (_, record) = drawn(&spec, pixels, pixels);
                        assert_eq!(record.clash(pixels as i32, pixels as i32), None, "{n} arrows of {radius} on {side} at {scale}");
                        let named = record.words().iter().filter(|w| w.starts_with("feature")).count();
                        assert!(n > 5 || side < 300 || named == 2 * n, "{n} arrows of {radius} on {side} at {scale}: {named} names");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_is_a_dot_and_what_is_too_long_is_cut() {
        let arrow = |x: f64, y: f64| Arrow { label: "a".into(), x: Some(x), y: Some(y), color: None };
        let (_, record) = drawn(&Arrows { max: Some(1.0), ..spec(vec![arrow(0.0, 0.0), arrow(40.0, 10.0), arrow(f64::NAN, 1.0)]) }, 300, 300);
        assert_eq!((record.dots.len(), record.polygons.len()), (1, 1));
        let (plot, record) = drawn(&spec(vec![Arrow { x: None, ..arrow(0.0, 1.0) }]), 300, 300);
        assert!(record.polygons.is_empty() && !plot.plot.is_empty());
    }

    #[test]
    fn wrong_settings_are_refused() {
        let refused = |spec: Arrows| draw(&Paper::new(300, 300).into_drawing_area(), 1, &spec).unwrap_err();
        for max in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(Arrows { max: Some(max), ..spec(vec![]) }).code, "LAB-BAD-SETTING");
        }
        refused(spec(vec![Arrow { label: String::new(), x: None, y: None, color: Some("blue".into()) }]));
    }

    #[test]
    fn nothing_panics() {
        let odd = [0.0, -1.0, 1e-320, 1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY];
        for (width, height) in [(0, 0), (1, 1), (30, 30), (700, 3), (3, 700), (300, 300)] {
            for a in odd {
                for b in odd {
                    let arrow = |x: f64, y: f64| Arrow { label: "é漢\u{202e}".repeat(60), x: Some(x), y: Some(y), color: None };
                    let spec = Arrows { circle: Some(a), title: Some("t".repeat(400)), ..spec(vec![arrow(a, b), arrow(b, a), arrow(1.0, 2.0)]) };
                    let (plot, _) = drawn(&spec, width, height);
                    assert!(plot.plot.right() <= width as i32 && plot.plot.bottom() <= height as i32);
                }
            }
        }
    }
}
