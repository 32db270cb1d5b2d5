//! Where the parts of a heat map go.

use plotters::prelude::DrawingBackend;

use crate::Result;
use crate::plot::sheet::{Font, Rect, Sheet};

use super::HeatMap;
use super::cells::{Span, spans};

pub const MARGIN: f64 = 8.0;
/// The largest cell.
const WIDEST_CELL: f64 = 72.0;
const HIGHEST_CELL: f64 = 32.0;
/// Cells of equal size may leave this part of the width or height empty.
const LOST: f64 = 0.1;
/// The colour bar.
const BAR: (f64, f64) = (160.0, 9.0);
const SHORTEST_BAR: f64 = 64.0;
/// The names of the columns, when they read upwards, take at most this, and this part of the height.
const LONGEST_NAME: (f64, f64) = (96.0, 0.35);
/// Beside the sample of the hatching.
pub const NOT_FINITE: &str = "not a number";

/// Lengths and places in the backend's units.
pub struct Layout {
    /// The cells.
    pub plot: Rect,
    pub across: Vec<Span>,
    pub down: Vec<Span>,
    /// Every so manieth row and column is named, in so much room.
    pub row_step: usize,
    pub row_names: i32,
    pub column_step: usize,
    pub column_names: i32,
    /// Column names read upwards.
    pub upright: bool,
    pub bar: Option<Rect>,
    /// What the colour stands for, as written left of the bar.
    pub unit: String,
    /// A sample of the hatching, with its meaning to the right.
    pub sample: Option<Rect>,
    /// Vertical centres of the names of the y axis, above the plot, and of the x axis, below.
    pub y_name: i32,
    pub x_name: i32,
}

impl Layout {
    pub fn new<DB: DrawingBackend>(sheet: &Sheet<DB>, spec: &HeatMap, hatched: bool) -> Result<Self> {
        let px = |css: f64| sheet.px(css);
        let (all, margin, row) = (sheet.all, px(MARGIN), px(Font::Label.line()));
        let right = all.right() - margin;

        // Left: the names of the rows.
        let row_names = longest(sheet, &spec.rows)?.min((f64::from(all.width) * 0.3) as i32);
        let left = sheet.units.snap(f64::from(margin + row_names + px(6.0)));
        let width = share(sheet, right - left, spec.columns.len(), WIDEST_CELL);
        let across = spans(spec.columns.len(), width / sheet.units.grain);

        // Above: the colour bar and the name of the rows, one above the other where there is no room side by side.
        let unit = sheet.fit(spec.unit.as_deref().unwrap_or_default(), Font::Label, all.width / 2)?;
        let unit_width = if unit.is_empty() { 0 } else { sheet.width(&unit, Font::Label)? + px(8.0) };
        let beside = margin + sheet.width(&spec.y_label, Font::Label)? + px(20.0);
        let stacked = right - beside - unit_width < px(SHORTEST_BAR);
        let start = if stacked { margin } else { beside };
        let unit_shown = right - start - unit_width >= px(SHORTEST_BAR);
        let (unit, unit_width) = if unit_shown { (unit, unit_width) } else { (String::new(), 0) };
        let bar_width = px(BAR.0).min(right - start - unit_width);
        // Ends where the cells end, unless they end too early.
        let bar_right = (left + width).max(start + unit_width + bar_width).min(right);
        let bar = Rect { left: bar_right - bar_width, top: px(6.0), width: bar_width, height: px(BAR.1) };
        let below_bar = bar.bottom() + px(3.0) + row;
        let y_name = if stacked { below_bar + row / 2 + px(2.0) } else { below_bar - row / 2 };
        let top = sheet.units.snap(f64::from(y_name + row / 2 + px(4.0)));
        let sample = Rect { left: margin + px(1.0), top: bar.top, width: px(16.0), height: bar.height };
        let sample_end = sample.right() + px(6.0) + sheet.width(NOT_FINITE, Font::Label)?;
        let sample_fits = !stacked && sample_end + px(12.0) <= bar.left - unit_width;

        // Below: the names of the columns, those that are written, and of their axis.
        let (column_step, upright, widest) = column_names(sheet, spec, &across)?;
        let most = px(LONGEST_NAME.0).min((f64::from(all.height) * LONGEST_NAME.1) as i32);
        let column_names = if upright { widest.min(most) } else { row };
        let x_room = if spec.x_label.is_empty() { 0 } else { row + px(2.0) };
        let bottom = all.bottom() - px(4.0) - x_room - column_names - px(5.0);
        let height = share(sheet, bottom - top, spec.rows.len(), HIGHEST_CELL);
        let down = spans(spec.rows.len(), height / sheet.units.grain);

        let mut plot = Rect::between(left, top, left + width, top + height);
        if plot.width.min(plot.height) < px(1.0) || left >= right {
            plot = Rect { left: left.min(all.width), top: top.min(all.height), width: 0, height: 0 };
        }
        Ok(Self {
            plot,
            row_step: step(sheet, &down, px(Font::Label.size() + 3.0)),
            across,
            down,
            row_names,
            column_step,
            column_names,
            upright,
            bar: (bar_width >= px(SHORTEST_BAR) / 2).then_some(bar),
            unit,
            sample: (hatched && sample_fits).then_some(sample),
            y_name,
            x_name: plot.bottom() + px(5.0) + column_names + px(2.0) + row / 2,
        })
    }
}

/// Which columns are named, whether upwards, and the width of the widest of those names.
fn column_names<DB: DrawingBackend>(sheet: &Sheet<DB>, spec: &HeatMap, across: &[Span]) -> Result<(usize, bool, i32)> {
    if !spec.column_labels {
        return Ok((1, false, 0));
    }
    let step = step(sheet, across, sheet.px(Font::Label.size() + 2.0));
    let named = across.iter().step_by(step).filter_map(|span| spec.columns.get(span.items.start));
    let widest = named.map(|name| sheet.width(&short(name), Font::Label)).try_fold(0, |m, w| w.map(|w| m.max(w)))?;
    let cell = across.first().map_or(0, |span| span.pixels.end * sheet.units.grain);
    Ok((step, step > 1 || widest + sheet.px(4.0) > cell, widest))
}

/// From how many spans to the next label, so that labels `size` units large do not touch.
fn step<DB: DrawingBackend>(sheet: &Sheet<DB>, spans: &[Span], size: i32) -> usize {
    let whole = spans.last().map_or(0, |span| span.pixels.end).saturating_mul(sheet.units.grain).max(1);
    (f64::from(size) * spans.len() as f64 / f64::from(whole)).ceil().max(1.0) as usize
}

/// How much of `room` so many cells take: as many whole pixels each, where that does not leave much empty.
fn share<DB: DrawingBackend>(sheet: &Sheet<DB>, room: i32, count: usize, largest: f64) -> i32 {
    let pixel = sheet.units.grain;
    let room = i64::from((room / pixel).max(0));
    let largest = i64::from(sheet.px(largest) / pixel);
    let count = count as i64;
    let each = if count == 0 { 0 } else { (room / count).min(largest) };
    let even = each == largest || (each * count) as f64 >= (1.0 - LOST) * room as f64;
    let taken = if even { each * count } else { room };
    (taken as i32).saturating_mul(pixel)
}

/// The width of the widest name; of very many, of the one with most characters.
fn longest<DB: DrawingBackend>(sheet: &Sheet<DB>, names: &[String]) -> Result<i32> {
    if names.len() > 200 {
        let most = names.iter().max_by_key(|name| name.chars().take(40).count());
        return sheet.width(&short(most.map_or("", |name| name)), Font::Label);
    }
    names.iter().try_fold(0, |widest, name| Ok(widest.max(sheet.width(&short(name), Font::Label)?)))
}

/// What of a name could be shown at all.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}
