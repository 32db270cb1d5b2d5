//! Bars: a histogram over an axis, or bars with names, in groups where there are several series.
//!
//! ```text
//! title
//! y axis's name          ■ one series  ■ another
//!  40 ┤───────────── 38 ────────────
//!     │               █
//!  20 ┤──── 17 ───────█──────────────
//!     │      █   4    █     9
//!   0 ┴──────█───█────█─────█────────
//!         relu topk gated jumprelu
//!            x axis's name
//! ```

mod columns;

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::prelude::DrawingBackend;
use serde::Deserialize;

use crate::Result;
use crate::error::{LabError, code};

use self::columns::Columns;
use super::bands::{BandNames, spans};
use super::color::{Palette, Theme};
use super::frame::{Content, Frame, Key, KeyPlace, Names, Swatch, y_tick_count};
use super::plane::{Drawn, Plane};
use super::rules::Rule;
use super::scales::{Axis, BLANK, BLANK_LOG, fixed_ends};
use super::sheet::{Sheet, Units};
use super::with_gaps;

/// What to draw. Lengths are CSS pixels everywhere, `scale` device pixels to one of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bars {
    pub scale: f64,
    pub theme: Theme,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub x_label: String,
    #[serde(default)]
    pub y_label: String,
    /// A histogram: the bars' edges, rising, one more than there are bars.
    #[serde(default)]
    pub edges: Option<Vec<f64>>,
    /// Otherwise: the names of the bars.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Logarithmic axes. The x axis of a histogram only; bars that are not positive have no height on a logarithmic y axis.
    #[serde(default)]
    pub x_log: bool,
    #[serde(default)]
    pub y_log: bool,
    /// Fixed ends of the y axis; a free end follows the data, from zero on.
    #[serde(default)]
    pub y_min: Option<f64>,
    #[serde(default)]
    pub y_max: Option<f64>,
    #[serde(default)]
    pub series: Vec<BarSeries>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One bar for each name or each pair of edges. What is not finite (in JavaScript `null` as well) is no bar.
#[derive(Debug, Clone, Deserialize)]
pub struct BarSeries {
    /// In the legend.
    #[serde(default)]
    pub label: String,
    #[serde(deserialize_with = "with_gaps")]
    pub values: Vec<f64>,
    /// Instead of the theme's.
    #[serde(default)]
    pub color: Option<String>,
}

impl Bars {
    fn count(&self) -> usize {
        self.edges.as_ref().map_or(self.labels.len(), |edges| edges.len().saturating_sub(1))
    }
}

/// Draws the bars; a canvas too small for them stays blank and the returned plot empty. Bars with names share the
/// plot evenly, and `x` of what is returned is their number from 0.
///
/// # Errors
///
/// LAB-BAD-SETTING: as many values as neither names nor edges ask for, edges that do not rise, an impossible range,
/// an unreadable colour, a scale out of range.
pub fn draw<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, grain: i32, spec: &Bars) -> Result<Drawn> {
    let sheet = Sheet::new(area, Units::new(spec.scale, grain)?, Palette::new(&spec.theme)?)?;
    check(spec)?;
    let keys = keys(spec, &sheet.palette)?;
    let ticks = y_tick_count(&sheet);
    let valued = Columns::are_valued(&sheet, spec)?;
    // Values above the bars need room there.
    let headroom = if valued { f64::from(sheet.px(24.0)) / f64::from(sheet.all.height.max(1)) } else { 0.0 };
    let y_axis = y_axis(spec, ticks, 1.0 + (2.0 * headroom).min(0.3))?;
    sheet.fill(sheet.all, sheet.palette.paper, 1.0)?;

    let names = Names { title: spec.title.as_deref().unwrap_or_default(), x: &spec.x_label, y: &spec.y_label };
    let y_ticks = y_axis.map(|axis| axis.ticks(ticks)).unwrap_or_default();
    let legend = if spec.series.len() > 1 { &keys[..] } else { &[] };
    let room = (sheet.all.right() - sheet.px(12.0) - Frame::left(&sheet, &y_ticks)?) / sheet.units.grain;
    let band_names = match spec.edges {
        None => Some(BandNames::new(&sheet, &spec.labels, &spans(spec.count(), room), true)?),
        Some(_) => None,
    };
    let below = band_names.as_ref().map(|names| names.height);
    let frame = Frame::new(&sheet, Content { names, keys: legend, place: KeyPlace::Above, y_ticks, below, square: false })?;

    let y = y_axis.unwrap_or(if spec.y_log { BLANK_LOG } else { BLANK });
    let plane = Plane::new(&sheet, &frame, x_axis(spec), y);
    if !plane.plot.is_empty() {
        plane.y_grid()?;
        let columns = Columns::new(&plane, spec, &keys);
        match &band_names {
            Some(names) => names.draw(&sheet, &spec.labels, &columns.bands, plane.plot)?,
            None => plane.x_grid((spec.count() > 0).then_some(&plane.x), &[], false)?,
        }
        plane.names(names)?;
        plane.legend(legend)?;
        columns.draw(valued)?;
        plane.nothing(spec.count() == 0 && spec.rules.is_empty())?;
    }
    Ok(plane.drawn())
}

fn check(spec: &Bars) -> Result<()> {
    let count = spec.count();
    for series in &spec.series {
        if series.values.len() != count {
            return Err(LabError::new(
                code::BAD_SETTING,
                format!("The bars \"{}\" have {} values, but there are {count} of them.", series.label, series.values.len()),
                "Give each series one value per name, or one less than there are edges; use NaN for a missing one.",
            ));
        }
    }
    let edges = spec.edges.as_deref().unwrap_or_default();
    let usable = |v: f64| v.abs() < 1e299 && (!spec.x_log || v > 1e-299);
    if !edges.iter().all(|&v| usable(v)) || !edges.windows(2).all(|w| w[0] < w[1]) {
        let positive = if spec.x_log { ", above zero on a logarithmic axis" } else { "" };
        return Err(LabError::setting("edges", format!("{} numbers", edges.len()), &format!("finite and rising{positive}")));
    }
    Ok(())
}

fn keys(spec: &Bars, palette: &Palette) -> Result<Vec<Key>> {
    let key = |(i, series): (usize, &BarSeries)| {
        let color = palette.own_or_series("a series' color", series.color.as_deref(), i)?;
        Ok(Key { caption: series.label.chars().take(100).collect(), color, swatch: Swatch::Block })
    };
    spec.series.iter().enumerate().map(key).collect()
}

/// From the first edge to the last; names are numbered.
fn x_axis(spec: &Bars) -> Axis {
    match spec.edges.as_deref() {
        Some(&[first, .., last]) => Axis { min: first, max: last, log: spec.x_log, whole: false },
        Some(_) => BLANK,
        None => Axis { max: spec.labels.len().max(1) as f64, whole: true, ..BLANK },
    }
}

/// With zero; on a logarithmic axis with room below the smallest bar, so that it has a height.
fn y_axis(spec: &Bars, ticks: usize, headroom: f64) -> Result<Option<Axis>> {
    let (min, max) = fixed_ends("y", (spec.y_min, spec.y_max), spec.y_log)?;
    let values = || spec.series.iter().flat_map(|series| &series.values).copied().chain(spec.rules.iter().filter_map(|rule| rule.y));
    let counts = values().any(|v| v.is_finite() && (!spec.y_log || v > 0.0));
    if !counts {
        return Ok(Axis::over(std::iter::empty(), (min, max), spec.y_log, Some(ticks)));
    }
    let more = |v: f64| if spec.y_log { v } else { headroom * v };
    let below = spec.y_log.then(|| values().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min) * 0.6);
    let zero = (!spec.y_log).then_some(0.0);
    Ok(Axis::over(values().map(more).chain(below).chain(zero), (min, max), spec.y_log, Some(ticks)))
}

#[cfg(test)]
mod tests {
    use plotters::drawing::IntoDrawingArea;

    use super::*;
    use crate::plot::paper::{Paper, Record, theme};
    use crate::plot::sheet::Rect;

    fn spec(labels: &[&str], values: &[f64]) -> Bars {
        Bars {
            scale: 1.0,
            theme: theme(),
            title: None,
            x_label: "architecture".into(),
            y_label: "active features".into(),
            edges: None,
            labels: labels.iter().map(|l| l.to_string()).collect(),
            x_log: false,
            y_log: false,
            y_min: None,
            y_max: None,
            series: vec![series("", values)],
            rules: Vec::new(),
        }
    }

    fn series(label: &str, values: &[f64]) -> BarSeries {
        BarSeries { label: label.into(), values: values.to_vec(), color: None }
    }

    fn histogram(n: usize) -> Bars {
        let values: Vec<f64> = (0..n).map(|i| ((i * i) % 97) as f64).collect();
        Bars { edges: Some((0..=n).map(|i| -8.0 + 8.0 * i as f64 / n.max(1) as f64).collect()), ..spec(&[], &values) }
    }

    fn drawn(spec: &Bars, width: u32, height: u32) -> (Drawn, Record) {
        let paper = Paper::new(width, height);
        let plot = draw(&paper.clone().into_drawing_area(), 1, spec).unwrap();
        (plot, paper.record.take())
    }

    /// The bars of one colour.
    fn bars(record: &Record, color: (u8, u8, u8)) -> Vec<Rect> {
        record.fills.iter().filter(|f| f.1 == color).map(|f| f.0).collect()
    }

    const BLUE: (u8, u8, u8) = (0, 0x72, 0xb2);

    #[test]
    fn bars_stand_on_zero_with_their_names_and_values() {
        let (plot, record) = drawn(&spec(&["relu", "topk", "gated"], &[30.0, 15.0, -15.0]), 500, 300);
        let bars = bars(&record, BLUE);
        assert_eq!(bars.len(), 3);
        assert_eq!((bars[0].bottom(), bars[1].bottom()), (bars[2].top, bars[2].top));
        assert!((bars[0].height - 2 * bars[1].height).abs() <= 1 && (bars[1].height - bars[2].height).abs() <= 1);
        assert!(bars.windows(2).all(|w| w[0].right() < w[1].left && (w[0].width - w[1].width).abs() <= 1));
        assert_eq!(plot.x, [0.0, 3.0]);
        for word in ["relu", "topk", "gated", "30.0", "15.0", "−15.0", "architecture", "active features"] {
            assert!(record.words().contains(&word), "{word} in {:?}", record.words());
        }
    }

    #[test]
    fn a_histogram_lies_on_its_axis() {
        let hist = Bars { edges: Some(vec![0.0, 1.0, 2.0, 4.0]), ..spec(&[], &[1.0, 2.0, 4.0]) };
        let (plot, record) = drawn(&hist, 500, 300);
        let bars = bars(&record, BLUE);
        assert_eq!(plot.x, [0.0, 4.0]);
        // The last is twice as wide and neighbours share an edge but for a hair.
        assert!((bars[2].width - 2 * bars[1].width).abs() <= 2, "{bars:?}");
        assert!(bars.windows(2).all(|w| (0..=1).contains(&(w[1].left - w[0].right()))), "{bars:?}");
        assert!(!record.words().contains(&"2.00"), "no values above a histogram");
        let log = Bars { edges: Some(vec![1.0, 10.0, 100.0, 1000.0]), x_log: true, ..spec(&[], &[1.0, 2.0, 4.0]) };
        let widths: Vec<i32> = self::bars(&drawn(&log, 500, 300).1, BLUE).iter().map(|b| b.width).collect();
        assert!(widths.windows(2).all(|w| (w[0] - w[1]).abs() <= 1), "{widths:?}");
    }

    #[test]
    fn a_logarithmic_height_shows_ones_and_hides_zeros() {
        let (plot, record) = drawn(&Bars { y_log: true, ..spec(&["a", "b", "c", "d"], &[1.0, 1000.0, 0.0, f64::NAN]) }, 500, 300);
        let bars = bars(&record, BLUE);
        assert_eq!(bars.len(), 2);
        assert!(bars[0].height >= 5 && plot.y[0] < 1.0, "{bars:?} {plot:?}");
    }

    #[test]
    fn several_series_stand_side_by_side_under_a_legend() {
        let two = Bars { series: vec![series("positive", &[1.0, 2.0]), series("negative", &[2.0, 1.0])], ..spec(&["a", "b"], &[]) };
        let (_, record) = drawn(&two, 500, 300);
        assert!(record.words().contains(&"positive") && record.words().contains(&"negative"));
        let blue: Vec<Rect> = bars(&record, BLUE).into_iter().filter(|r| r.height > 12).collect();
        let orange: Vec<Rect> = bars(&record, (0xd5, 0x5e, 0)).into_iter().filter(|r| r.height > 12).collect();
        assert_eq!((blue.len(), orange.len()), (2, 2));
        assert!(blue[0].right() <= orange[0].left && orange[0].right() < blue[1].left);
    }

    #[test]
    fn texts_keep_apart_and_inside_at_every_size() {
        let names = ["standard", "a name of several words, as a learner writes them", "topk", "jump"];
        for (width, height) in [(320, 240), (700, 300), (1100, 420), (240, 180)] {
            for n in [0, 1, 3, 12, 60, 400] {
                for scale in [1.0, 1.5, 2.0] {
                    for kind in 0..4 {
                        let labels: Vec<&str> = (0..n).map(|i| names[i % names.len()]).collect();
                        let values: Vec<f64> = (0..n).map(|i| ((i * 31) % 17) as f64 - if kind == 1 { 8.0 } else { 0.0 }).collect();
                        let base = if kind == 2 { histogram(n) } else { spec(&labels, &values) };
                        let more = if kind == 3 { vec![series("one", &values), series("another", &values)] } else { base.series.clone() };
                        let rules = vec![Rule::at_y(5.0, "all features"), Rule::at_x(1.0, "threshold")];
                        let spec = Bars { scale, y_log: kind == 3, series: more, rules, title: Some("A title".into()), ..base };
                        let (w, h) = ((f64::from(width) * scale) as u32, (f64::from(height) * scale) as u32);
                        let (plot, record) = drawn(&spec, w, h);
                        let what = format!("{n} bars of kind {kind} on {width}×{height} at {scale}");
                        assert_eq!(record.clash(w as i32, h as i32), None, "{what}");
                        assert!(f64::from(plot.plot.height) > 0.12 * f64::from(h), "{what}: {plot:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_both_numbers() {
        let refused = |spec: Bars| {
            let error = draw(&Paper::new(500, 300).into_drawing_area(), 1, &spec).unwrap_err();
            assert_eq!(error.code, "LAB-BAD-SETTING");
            error.message
        };
        let message = refused(spec(&["a", "b"], &[1.0]));
        assert!(message.contains('1') && message.contains('2'), "{message}");
        for edges in [vec![0.0, 0.0], vec![1.0, 0.0], vec![0.0, f64::NAN], vec![0.0, f64::INFINITY]] {
            refused(Bars { edges: Some(edges), ..spec(&[], &[1.0]) });
        }
        refused(Bars { edges: Some(vec![0.0, 1.0]), x_log: true, ..spec(&[], &[1.0]) });
        refused(Bars { y_log: true, y_min: Some(0.0), ..spec(&["a"], &[1.0]) });
    }

    #[test]
    fn nothing_panics() {
        let odd = [0.0, -1.0, 1e-320, 1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY];
        for (width, height) in [(0, 0), (1, 1), (30, 30), (700, 3), (3, 700), (500, 300)] {
            for a in odd {
                for b in odd {
                    for y_log in [false, true] {
                        let name = "é漢\u{202e} ".repeat(60);
                        let rules = vec![Rule::at_y(b, "y"), Rule::at_x(a, "x")];
                        let named = Bars { y_log, rules: rules.clone(), ..spec(&[&name, "", "b"], &[a, b, 1.0]) };
                        let hist = Bars { y_log, rules, edges: Some(vec![-1e298, 0.0, 1e-300, 1e298]), ..named.clone() };
                        for spec in [named, hist] {
                            let (plot, _) = drawn(&spec, width, height);
                            assert!(plot.plot.right() <= width as i32 && plot.plot.bottom() <= height as i32);
                        }
                    }
                }
            }
        }
        drawn(&Bars { edges: Some(vec![]), ..spec(&[], &[]) }, 300, 200);
        drawn(&Bars { edges: Some(vec![1.0]), ..spec(&[], &[]) }, 300, 200);
    }
}
