//! Where the parts of a plot of curves go.

use plotters::prelude::DrawingBackend;

use crate::Result;

use super::{Curves, Series};
use crate::plot::scales::{Axis, Tick};
use crate::plot::sheet::{Font, Rect, Sheet};

const MARGIN: f64 = 8.0;
/// Below this the axes are not worth drawing.
const SMALLEST_PLOT: f64 = 16.0;
/// The labels at the lines' ends take at most this part of the width; beyond, a legend stands above the plot.
const ENDS_PART: f64 = 0.32;
/// Between a line's end and its label.
pub const END_GAP: f64 = 14.0;
/// The stroke before a name in the legend.
pub const SWATCH: f64 = 18.0;

/// Lengths and places in the backend's units.
pub struct Layout {
    pub plot: Rect,
    /// Ticks of the x axis with the centres of their numbers.
    pub x_ticks: Vec<(Tick, i32)>,
    pub y_ticks: Vec<Tick>,
    /// The legend above the plot, when the labels do not fit at the lines' ends.
    pub legend: Option<Vec<Entry>>,
    /// Vertical centres of the title, of the y axis's name, of the numbers and of the name below.
    pub title_y: i32,
    pub name_y: i32,
    pub numbers_y: i32,
    pub below_y: i32,
}

/// A place in the legend.
pub struct Entry {
    /// `None`: the entry that counts the lines without one.
    pub line: Option<usize>,
    pub left: i32,
    pub middle: i32,
    pub caption: String,
}

impl Layout {
    pub fn new<DB: DrawingBackend>(sheet: &Sheet<DB>, spec: &Curves, lines: &[Series], x_axis: Option<&Axis>, y_ticks: Vec<Tick>) -> Result<Self> {
        let px = |css: f64| sheet.px(css);
        let (all, margin, row) = (sheet.all, px(MARGIN), px(Font::Label.line()));

        let mut top = px(4.0);
        let title_y = top + px(Font::Title.line()) / 2;
        if spec.title.as_ref().is_some_and(|title| !title.is_empty()) {
            top += px(Font::Title.line() + 4.0);
        }
        let name_y = top + row / 2;
        top += if spec.y_label.is_empty() { 0 } else { row + px(2.0) };

        let below_y = all.bottom() - px(4.0) - row / 2;
        let numbers_y = if spec.x_label.is_empty() { below_y } else { below_y - row };
        let bottom = numbers_y - row / 2 - px(5.0);

        let widest = sheet.widest(lines.iter().map(|line| line.caption.as_str()), Font::Label)?;
        // In steps of eight, so that one digit more does not move the plot while it grows.
        let column = if widest > 0 { (widest + px(END_GAP)).unsigned_abs().next_multiple_of(px(8.0).unsigned_abs()) } else { 0 };
        let beside = f64::from(column) <= ENDS_PART * f64::from(all.width) && lines.len() as f64 * f64::from(row) <= f64::from(bottom - top);
        let legend = if beside {
            None
        } else {
            let rows = ((bottom - top) / (3 * row)).clamp(1, 4);
            let entries = legend(sheet, lines, top, row, rows)?;
            top = entries.last().map_or(top, |entry| entry.middle + row / 2);
            Some(entries)
        };

        top += px(8.0);
        let numbers = sheet.widest(y_ticks.iter().map(|tick| tick.label.as_str()), Font::Label)?;
        let left = margin + if numbers > 0 { numbers + px(6.0) } else { 0 };
        let right = all.right() - margin - if beside { column as i32 } else { px(4.0) };
        let mut plot = Rect::between(left, top, right, bottom).snapped(&sheet.units);
        if plot.width.min(plot.height) < px(SMALLEST_PLOT) {
            plot = Rect { left: plot.left.min(all.width), top: plot.top.min(all.height), width: 0, height: 0 };
        }
        let x_ticks = match x_axis {
            Some(axis) if !plot.is_empty() => x_ticks(sheet, axis, plot)?,
            _ => Vec::new(),
        };
        Ok(Self { plot, x_ticks, y_ticks, legend, title_y, name_y, numbers_y, below_y })
    }
}

/// As many ticks as have room for their numbers; a number at the edge moves inwards.
fn x_ticks<DB: DrawingBackend>(sheet: &Sheet<DB>, axis: &Axis, plot: Rect) -> Result<Vec<(Tick, i32)>> {
    let most = (plot.width / sheet.px(48.0)).clamp(2, 12);
    for count in (1..=most as usize).rev() {
        let mut placed = Vec::new();
        let (mut free, mut fits) = (0, true);
        for tick in axis.ticks(count) {
            let width = sheet.width(&tick.label, Font::Label)?;
            let at = plot.left + (axis.fraction(tick.value).unwrap_or(0.0) * f64::from(plot.width)) as i32;
            let centre = at.min(sheet.all.right() - sheet.px(2.0) - width / 2).max(width / 2);
            fits &= centre - width / 2 >= free;
            free = centre + width / 2 + sheet.px(12.0);
            placed.push((tick, centre));
        }
        if fits {
            return Ok(placed);
        }
    }
    Ok(Vec::new())
}

/// The entries that have room in `rows` rows; the last says how many have not.
fn legend<DB: DrawingBackend>(sheet: &Sheet<DB>, lines: &[Series], top: i32, row: i32, rows: i32) -> Result<Vec<Entry>> {
    let (left, right) = (sheet.px(MARGIN), sheet.all.right() - sheet.px(MARGIN));
    let swatch = sheet.px(SWATCH + 6.0);
    let mut entries: Vec<Entry> = Vec::new();
    let (mut x, mut at_row) = (left, 0);
    for (line, series) in lines.iter().enumerate() {
        let caption = sheet.fit(&series.caption, Font::Label, right - left - swatch)?;
        let width = swatch + sheet.width(&caption, Font::Label)?;
        if x > left && x + width > right {
            if at_row + 1 == rows {
                if let Some(last) = entries.last_mut() {
                    let more = format!("and {} more", lines.len() + 1 - line);
                    *last = Entry { line: None, caption: sheet.fit(&more, Font::Label, right - last.left)?, ..*last };
                }
                break;
            }
            (x, at_row) = (left, at_row + 1);
        }
        entries.push(Entry { line: Some(line), left: x, middle: top + at_row * row + row / 2, caption });
        x += width + sheet.px(16.0);
    }
    Ok(entries)
}
