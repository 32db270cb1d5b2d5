//! Where the parts of a plot with two axes go.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use crate::Result;

use super::scales::{Axis, Tick};
use super::sheet::{Dash, Font, Rect, Shape, Sheet};

const MARGIN: f64 = 8.0;
/// Below this the axes are not worth drawing.
const SMALLEST_PLOT: f64 = 16.0;
/// The labels at the lines' ends take at most this part of the width; beyond, a legend stands above the plot.
const ENDS_PART: f64 = 0.32;
/// Between a line's end and its label.
pub const END_GAP: f64 = 14.0;
/// The stroke before a name in the legend.
const SWATCH: f64 = 18.0;

/// What is written around a plot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'n> {
    pub title: &'n str,
    pub x: &'n str,
    pub y: &'n str,
}

/// An entry of the legend, or a label at a line's end.
#[derive(Debug, Clone)]
pub struct Key {
    pub caption: String,
    pub color: RGBColor,
    pub swatch: Swatch,
}

/// What stands before a name in the legend.
#[derive(Debug, Clone, Copy)]
pub enum Swatch {
    Line(Dash),
    Mark(Shape),
    Block,
}

impl Swatch {
    pub fn width(self) -> f64 {
        match self {
            Self::Line(_) => SWATCH,
            Self::Mark(_) => 9.0,
            Self::Block => 10.0,
        }
    }
}

/// Where the keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// Right of the plot, at the lines' ends, where there is room; else above.
    Ends,
    Above,
}

/// What a frame is made for.
pub struct Content<'c> {
    pub names: Names<'c>,
    pub keys: &'c [Key],
    pub place: KeyPlace,
    pub y_ticks: Vec<Tick>,
    /// The height of what stands below the plot: `None` is a row of numbers.
    pub below: Option<i32>,
    /// As wide as high.
    pub square: bool,
}

/// Lengths and places in the backend's units.
pub struct Frame {
    pub plot: Rect,
    pub y_ticks: Vec<Tick>,
    /// The legend above the plot, when the keys do not stand at the lines' ends.
    pub legend: Option<Vec<Entry>>,
    /// Vertical centres of the title, of the y axis's name, of the x axis's numbers and of its name.
    pub title_y: i32,
    pub name_y: i32,
    pub numbers_y: i32,
    pub below_y: i32,
}

/// A place in the legend.
pub struct Entry {
    /// Which key; `None`: the entry that counts those without a place.
    pub key: Option<usize>,
    pub left: i32,
    pub middle: i32,
    pub caption: String,
}

impl Frame {
    pub fn new<DB: DrawingBackend>(sheet: &Sheet<DB>, content: Content) -> Result<Self> {
        let px = |css: f64| sheet.px(css);
        let Content { names, keys, place, y_ticks, below, square } = content;
        let (all, margin, row) = (sheet.all, px(MARGIN), px(Font::Label.line()));

        let mut top = px(4.0);
        let title_y = top + px(Font::Title.line()) / 2;
        if !names.title.is_empty() {
            top += px(Font::Title.line() + 4.0);
        }
        let name_y = top + row / 2;
        top += if names.y.is_empty() { 0 } else { row + px(2.0) };

        let below = below.unwrap_or(row);
        let x_name = if names.x.is_empty() { 0 } else { row };
        let bottom = all.bottom() - px(4.0) - x_name - below - px(5.0);

        let widest = sheet.widest(keys.iter().map(|key| key.caption.as_str()), Font::Label)?;
        // In steps of eight, so that one digit more does not move the plot while it grows.
        let column = if widest > 0 { (widest + px(END_GAP)).unsigned_abs().next_multiple_of(px(8.0).unsigned_abs()) } else { 0 };
        let fits = f64::from(column) <= ENDS_PART * f64::from(all.width) && keys.len() as f64 * f64::from(row) <= f64::from(bottom - top);
        let beside = place == KeyPlace::Ends && fits;
        let legend = if beside || keys.iter().all(|key| key.caption.is_empty()) {
            None
        } else {
            let rows = ((bottom - top) / (3 * row)).clamp(1, 4);
            let entries = legend(sheet, keys, top, row, rows)?;
            top = entries.last().map_or(top, |entry| entry.middle + row / 2);
            Some(entries)
        };

        top += px(8.0);
        let left = Self::left(sheet, &y_ticks)?;
        let right = all.right() - margin - if beside { column as i32 } else { px(4.0) };
        let (mut right, mut bottom) = (right, bottom);
        if square {
            let side = (right - left).min(bottom - top);
            (right, bottom) = (left + side, top + side);
        }
        let mut plot = Rect::between(left, top, right, bottom).snapped(&sheet.units);
        if plot.width.min(plot.height) < px(SMALLEST_PLOT) {
            plot = Rect { left: plot.left.min(all.width), top: plot.top.min(all.height), width: 0, height: 0 };
        }
        let numbers_y = bottom + px(5.0) + row / 2;
        let below_y = bottom + px(5.0) + below + row / 2;
        Ok(Self { plot, y_ticks, legend, title_y, name_y, numbers_y, below_y })
    }

    /// Where a plot begins whose y axis has these numbers.
    pub fn left<DB: DrawingBackend>(sheet: &Sheet<DB>, y_ticks: &[Tick]) -> Result<i32> {
        let numbers = sheet.widest(y_ticks.iter().map(|tick| tick.label.as_str()), Font::Label)?;
        Ok(sheet.px(MARGIN) + if numbers > 0 { numbers + sheet.px(6.0) } else { 0 })
    }

    /// As many ticks as have room for their numbers below the plot, with the numbers' centres; a number at the
    /// edge moves inwards.
    pub fn x_ticks<DB: DrawingBackend>(&self, sheet: &Sheet<DB>, axis: &Axis) -> Result<Vec<(Tick, i32)>> {
        let plot = self.plot;
        let most = (plot.width / sheet.px(48.0)).clamp(2, 12);
        for count in (1..=most as usize).rev() {
            if let Some(placed) = self.place_ticks(sheet, axis, axis.ticks(count))? {
                return Ok(placed);
            }
        }
        Ok(Vec::new())
    }

    /// Ticks with the centres of their numbers; `None` where these have no room.
    pub fn place_ticks<DB: DrawingBackend>(&self, sheet: &Sheet<DB>, axis: &Axis, ticks: Vec<Tick>) -> Result<Option<Vec<(Tick, i32)>>> {
        let plot = self.plot;
        let mut placed = Vec::new();
        let (mut free, mut fits) = (0, true);
        for tick in ticks {
            let width = sheet.width(&tick.label, Font::Label)?;
            let at = plot.left + (axis.fraction(tick.value).unwrap_or(0.0) * f64::from(plot.width)) as i32;
            let centre = at.min(sheet.all.right() - sheet.px(2.0) - width / 2).max(width / 2);
            fits &= centre - width / 2 >= free;
            free = centre + width / 2 + sheet.px(12.0);
            placed.push((tick, centre));
        }
        Ok(fits.then_some(placed))
    }
}

/// About how many ticks have room above one another on a sheet.
pub fn y_tick_count<DB: DrawingBackend>(sheet: &Sheet<DB>) -> usize {
    (f64::from(sheet.all.height) / f64::from(sheet.px(36.0)) - 2.0).clamp(2.0, 8.0) as usize
}

/// The entries that have room in `rows` rows; the last says how many have not.
fn legend<DB: DrawingBackend>(sheet: &Sheet<DB>, keys: &[Key], top: i32, row: i32, rows: i32) -> Result<Vec<Entry>> {
    let (left, right) = (sheet.px(MARGIN), sheet.all.right() - sheet.px(MARGIN));
    let mut entries: Vec<Entry> = Vec::new();
    let (mut x, mut at_row) = (left, 0);
    for (i, key) in keys.iter().enumerate() {
        let swatch = sheet.px(key.swatch.width() + 6.0);
        let caption = sheet.fit(&key.caption, Font::Label, right - left - swatch)?;
        let width = swatch + sheet.width(&caption, Font::Label)?;
        if x > left && x + width > right {
            if at_row + 1 == rows {
                if let Some(last) = entries.last_mut() {
                    let more = format!("and {} more", keys.len() + 1 - i);
                    *last = Entry { key: None, caption: sheet.fit(&more, Font::Label, right - last.left)?, ..*last };
                }
                break;
            }
            (x, at_row) = (left, at_row + 1);
        }
        entries.push(Entry { key: Some(i), left: x, middle: top + at_row * row + row / 2, caption });
        x += width + sheet.px(16.0);
    }
    Ok(entries)
}
