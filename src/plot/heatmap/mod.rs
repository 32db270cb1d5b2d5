//! Heat map: features by tokens, or any matrix; more is further from the paper.
//!
//! ```text
//! y axis's name        activation ░░▒▒▓▓██
//!                                 0   2  4.31
//!  F12 │        ▓▓          ░░
//! F340 │  ▒▒                      ██
//!  F77 │              ▓▓
//!       to  ke  ns  ,  re  ad  ing  up
//!              x axis's name
//! ```

mod cells;
mod layout;
mod map;

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::{LabError, check_setting, code};

use self::cells::CellStyle;
pub use self::cells::Pixels;
use self::layout::Layout;
use self::map::Map;
use super::bands::Span;
use super::color::{ColorScale, Palette, Theme, is_dark};
use super::sheet::{Font, Rect, Sheet, Units};

/// What to draw.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeatMap {
    pub scale: f64,
    pub theme: Theme,
    /// Names of the rows, top to bottom, and of the columns.
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    #[serde(default)]
    pub x_label: String,
    #[serde(default)]
    pub y_label: String,
    /// The value of the strongest colour; without it, the largest of the data (if `diverging`, by its size).
    #[serde(default)]
    pub max: Option<f64>,
    /// Whether more is brighter; without it, the paper decides.
    #[serde(default)]
    pub dark: Option<bool>,
    /// Whether columns and rows have their names; otherwise they are numbered from 0.
    #[serde(default = "yes")]
    pub column_labels: bool,
    #[serde(default = "yes")]
    pub row_labels: bool,
    /// Both signs count: blue below zero, orange above, the range as wide on either side.
    #[serde(default)]
    pub diverging: bool,
    /// Cells are as wide as high.
    #[serde(default)]
    pub square: bool,
    #[serde(default)]
    pub title: Option<String>,
    /// What the colour stands for.
    #[serde(default)]
    pub unit: Option<String>,
}

fn yes() -> bool {
    true
}

/// Where the cells were drawn, in device pixels: all rows and columns share it evenly. `max` is the value of the
/// strongest colour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HeatMapPlot {
    pub plot: Rect,
    pub max: f64,
}

/// Below this, in CSS pixels, cells touch.
const GAP_FROM: f64 = 7.0;

/// Draws axes, labels and the colour bar's text on `area`, and hands the cells to `paint` strip by strip.
/// A canvas too small for cells stays blank and the returned plot empty.
///
/// # Shapes
///
/// - `data`: `[rows, columns]`, row-major. Negative values count as zero unless `diverging`; what is not finite is hatched.
///
/// # Errors
///
/// LAB-BAD-SETTING: data that is not rows × columns, a maximum that is no positive number, an unreadable colour,
/// a scale out of range.
pub fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    grain: i32,
    spec: &HeatMap,
    data: &[f32],
    paint: &mut dyn FnMut(Pixels) -> Result<()>,
) -> Result<HeatMapPlot> {
    let sheet = Sheet::new(area, Units::new(spec.scale, grain)?, Palette::new(&spec.theme)?)?;
    let (rows, columns) = (spec.rows.len(), spec.columns.len());
    if rows.checked_mul(columns) != Some(data.len()) {
        return Err(LabError::new(
            code::BAD_SETTING,
            format!("The heat map has {rows} rows and {columns} columns, but {} values.", data.len()),
            "Give one value per row and column, row after row.",
        ));
    }
    if let Some(max) = spec.max {
        check_setting(max > 0.0 && max.is_finite(), "max", max, "a finite number above zero")?;
    }
    let size = |v: f32| if spec.diverging { v.abs() } else { v };
    let largest = data.iter().filter(|v| v.is_finite()).fold(0.0_f32, |m, &v| m.max(size(v)));
    let max = spec.max.unwrap_or(f64::from(largest));
    let paper = sheet.palette.paper;
    sheet.fill(sheet.all, paper, 1.0)?;

    let hatched = data.iter().any(|v| !v.is_finite());
    let layout = Layout::new(&sheet, spec, hatched)?;
    let drawn = HeatMapPlot { plot: layout.plot.in_pixels(&sheet.units), max };
    if data.is_empty() && sheet.all.height >= sheet.px(60.0) {
        let text = sheet.fit("no values", Font::Label, sheet.all.width)?;
        sheet.text(&text, Font::Label, sheet.palette.quiet, (sheet.all.width / 2, sheet.all.height / 2), HPos::Center)?;
    }
    if layout.plot.is_empty() {
        return Ok(drawn);
    }
    let small = |spans: &[Span]| spans.first().is_none_or(|s| f64::from(s.pixels.end) < GAP_FROM * spec.scale);
    let dark = spec.dark.unwrap_or(is_dark(paper));
    let style = CellStyle {
        scale: if spec.diverging { ColorScale::diverging(paper, dark) } else { ColorScale::sequential(paper, dark) },
        max,
        paper,
        hatch: sheet.palette.quiet,
        stroke: (spec.scale.round() as i32).max(1),
        gap: if small(&layout.across) || small(&layout.down) { 0 } else { sheet.px(1.0) / sheet.units.grain },
    };
    let map = Map { sheet: &sheet, spec, layout: &layout };
    map.axes()?;
    if data.is_empty() {
        return Ok(drawn);
    }
    for row in &layout.down {
        paint(style.strip(data, columns, row, &layout.across, drawn.plot))?;
    }
    if let Some(bar) = layout.bar {
        map.bar(bar, max)?;
        paint(style.bar(bar.in_pixels(&sheet.units)))?;
    }
    if let Some(sample) = layout.sample {
        map.sample(sample)?;
        paint(style.hatching(sample.in_pixels(&sheet.units)))?;
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use plotters::drawing::IntoDrawingArea;

    use super::*;
    use crate::plot::paper::{Paper, Record, theme};

    fn spec(rows: usize, columns: usize) -> HeatMap {
        let tokens = ["to", " be", ",", " or", " not", " extraordinarily", "\u{2423}", "ing"];
        HeatMap {
            scale: 1.0,
            theme: theme(),
            rows: (0..rows).map(|r| format!("F{}", r * 37)).collect(),
            columns: (0..columns).map(|c| tokens[c % tokens.len()].to_string()).collect(),
            x_label: "token".into(),
            y_label: "feature".into(),
            max: None,
            dark: None,
            column_labels: true,
            row_labels: true,
            diverging: false,
            square: false,
            title: None,
            unit: Some("activation".into()),
        }
    }

    fn sparse(n: usize) -> Vec<f32> {
        (0..n).map(|i| if i % 5 == 2 { (i % 13) as f32 / 3.0 } else { 0.0 }).collect()
    }

    /// What was drawn, with all strips put together.
    fn drawn(spec: &HeatMap, data: &[f32], width: u32, height: u32) -> (HeatMapPlot, Record, Vec<Pixels>) {
        let paper = Paper::new(width, height);
        let mut strips = Vec::new();
        let mut keep = |pixels: Pixels| {
            assert_eq!(pixels.rgba.len(), 4 * (pixels.place.width * pixels.place.height) as usize);
            strips.push(pixels);
            Ok(())
        };
        let plot = draw(&paper.clone().into_drawing_area(), 1, spec, data, &mut keep).unwrap();
        (plot, paper.record.take(), strips)
    }

    #[test]
    fn cells_are_equal_and_fill_the_returned_rectangle() {
        let (map, record, strips) = drawn(&spec(10, 8), &sparse(80), 700, 480);
        assert_eq!(map.plot.width % 8, 0);
        assert_eq!(map.plot.height % 10, 0);
        assert_eq!(strips.len(), 11, "ten rows and the colour bar");
        let mut y = map.plot.top;
        for strip in &strips[..10] {
            assert_eq!((strip.place.left, strip.place.top, strip.place.width), (map.plot.left, y, map.plot.width));
            y += strip.place.height;
        }
        assert_eq!(y, map.plot.bottom());
        assert_eq!(map.max, 4.0);
        for word in ["F0", "F333", "feature", "token", "activation", "0", "4.00", "to"] {
            assert!(record.words().contains(&word), "{word} in {:?}", record.words());
        }
    }

    #[test]
    fn the_largest_value_has_the_strongest_colour() {
        let (map, _, strips) = drawn(&spec(1, 2), &[1.0, 4.0], 300, 160);
        let row = &strips[0];
        let at = |x: i32| &row.rgba[4 * x as usize..4 * x as usize + 3];
        let scale = ColorScale::sequential(plotters::style::RGBColor(255, 255, 255), false);
        let rgb = |f: f64| [scale.color(f).0, scale.color(f).1, scale.color(f).2];
        assert_eq!(at(0), rgb(0.25));
        assert_eq!(at(map.plot.width / 2), rgb(1.0));
        let (fixed, _, strips) = drawn(&HeatMap { max: Some(8.0), ..spec(1, 2) }, &[1.0, 4.0], 300, 160);
        assert_eq!(fixed.max, 8.0);
        assert_eq!(&strips[0].rgba[..3], rgb(0.125));
    }

    #[test]
    fn texts_keep_apart_and_inside_at_every_size() {
        for (width, height) in [(320, 300), (700, 400), (1100, 460), (320, 200)] {
            for (rows, columns) in [(1, 1), (10, 8), (10, 60), (40, 200), (3, 10_000), (2000, 5)] {
                for scale in [1.0, 1.5, 2.0, 3.0] {
                    for column_labels in [true, false] {
                        let spec = HeatMap { scale, column_labels, ..spec(rows, columns) };
                        let (w, h) = ((f64::from(width) * scale) as u32, (f64::from(height) * scale) as u32);
                        let (map, record, _) = drawn(&spec, &sparse(rows * columns), w, h);
                        let what = format!("{rows}×{columns} on {width}×{height} at {scale}, labels {column_labels}");
                        assert_eq!(record.clash(w as i32, h as i32), None, "{what}");
                        assert!(!map.plot.is_empty(), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_square_matrix_has_square_cells_and_room_at_every_size() {
        for (width, height) in [(320, 380), (700, 700), (1100, 500), (240, 200)] {
            for n in [1, 3, 20, 100, 400] {
                for scale in [1.0, 1.5, 2.0] {
                    for row_labels in [true, false] {
                        let title = Some("Correlation of the features".to_string());
                        let base = HeatMap { column_labels: row_labels, scale, ..spec(n, n) };
                        let spec = HeatMap { diverging: true, square: true, row_labels, title, ..base };
                        let (w, h) = ((f64::from(width) * scale) as u32, (f64::from(height) * scale) as u32);
                        let data: Vec<f32> = sparse(n * n).iter().enumerate().map(|(i, v)| if i % 2 == 0 { -v } else { *v }).collect();
                        let (map, record, _) = drawn(&spec, &data, w, h);
                        let what = format!("{n}×{n} on {width}×{height} at {scale}, labels {row_labels}");
                        assert_eq!(record.clash(w as i32, h as i32), None, "{what}");
                        assert!((map.plot.width - map.plot.height).abs() <= 1, "{what}: {map:?}");
                        assert!(f64::from(map.plot.height) > 0.2 * f64::from(h.min(w)) || n < 20, "{what}: {map:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_diverging_range_is_as_wide_on_either_side() {
        let (map, record, strips) = drawn(&HeatMap { diverging: true, ..spec(1, 2) }, &[1.0, -4.0], 300, 160);
        assert_eq!(map.max, 4.0);
        for word in ["−4.00", "0", "4.00"] {
            assert!(record.words().contains(&word), "{word} in {:?}", record.words());
        }
        let scale = ColorScale::diverging(plotters::style::RGBColor(255, 255, 255), false);
        let at = |x: i32| &strips[0].rgba[4 * x as usize..4 * x as usize + 3];
        let rgb = |f: f64| [scale.color(f).0, scale.color(f).1, scale.color(f).2];
        assert_eq!((at(0), at(map.plot.width / 2)), (&rgb(0.25)[..], &rgb(-1.0)[..]));
    }

    #[test]
    fn nothing_to_show_is_an_empty_frame() {
        for (rows, columns) in [(0, 0), (0, 8), (10, 0)] {
            let (map, _, strips) = drawn(&spec(rows, columns), &[], 700, 300);
            assert_eq!(map.max, 0.0);
            assert!(strips.is_empty());
        }
        let (map, record, strips) = drawn(&spec(2, 2), &[0.0, -1.0, f32::NAN, 0.0], 700, 300);
        assert_eq!(map.max, 0.0);
        assert_eq!(record.words().iter().filter(|w| **w == "0").count(), 1);
        assert_eq!(&strips[0].rgba[..3], [255, 255, 255]);
    }

    #[test]
    fn wrong_settings_are_refused_with_both_numbers() {
        let refused = |spec: HeatMap, n: usize| {
            let area = Paper::new(700, 300).into_drawing_area();
            let error = draw(&area, 1, &spec, &vec![0.0; n], &mut |_| Ok(())).unwrap_err();
            assert_eq!(error.code, "LAB-BAD-SETTING");
            error.message
        };
        let message = refused(spec(10, 8), 81);
        assert!(message.contains("10 rows") && message.contains("8 columns") && message.contains("81"), "{message}");
        for max in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(HeatMap { max: Some(max), ..spec(1, 1) }, 1);
        }
        refused(HeatMap { scale: 0.0, ..spec(1, 1) }, 1);
    }

    #[test]
    fn nothing_panics() {
        for (width, height) in [(0, 0), (1, 1), (0, 300), (300, 0), (20, 20), (60, 90), (700, 30), (30, 700)] {
            for (rows, columns) in [(0, 0), (1, 1), (7, 3), (3, 10_000)] {
                for column_labels in [true, false] {
                    let mut spec = HeatMap { column_labels, diverging: column_labels, square: rows > 4, ..spec(rows, columns) };
                    spec.unit = Some("u".repeat(1000));
                    spec.y_label = "y".repeat(1000);
                    spec.rows.iter_mut().for_each(|r| *r = "\u{202e}漢字é".repeat(100));
                    let mut data = sparse(rows * columns);
                    data.iter_mut().step_by(3).for_each(|v| *v = f32::INFINITY);
                    let (map, _, _) = drawn(&spec, &data, width, height);
                    assert!(map.plot.right() <= width as i32 && map.plot.bottom() <= height as i32, "{map:?} {width} {height}");
                }
            }
        }
    }
}
