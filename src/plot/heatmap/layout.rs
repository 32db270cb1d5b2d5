//! Where the parts of a heat map go.

use plotters::prelude::DrawingBackend;

use crate::Result;
use crate::plot::bands::{BandNames, NAME_GAP, Span, short, spans, step};
use crate::plot::sheet::{Font, Rect, Sheet};

use super::HeatMap;

pub const MARGIN: f64 = 8.0;
/// The largest cell.
const WIDEST_CELL: f64 = 72.0;
const HIGHEST_CELL: f64 = 32.0;
const WIDEST_SQUARE: f64 = 44.0;
/// Cells of equal size may leave this part of the width or height empty.
const LOST: f64 = 0.1;
/// The colour bar.
const BAR: (f64, f64) = (160.0, 9.0);
const SHORTEST_BAR: f64 = 64.0;
/// Beside the sample of the hatching.
pub const NOT_FINITE: &str = "not a number";

/// Lengths and places in the backend's units.
pub struct Layout {
    /// The cells.
    pub plot: Rect,
    pub across: Vec<Span>,
    pub down: Vec<Span>,
    /// Every so manieth row is named, in so much room.
    pub row_step: usize,
    pub row_names: i32,
    /// The names below; without them, numbers.
    pub column_names: Option<BandNames>,
    pub bar: Option<Rect>,
    /// What the colour stands for, as written left of the bar.
    pub unit: String,
    /// A sample of the hatching, with its meaning to the right.
    pub sample: Option<Rect>,
    /// Vertical centres of the title, of the names of the y axis, above the plot, and of the x axis, below.
    pub title_y: i32,
    pub y_name: i32,
    pub x_name: i32,
}

impl Layout {
    pub fn new<DB: DrawingBackend>(sheet: &Sheet<DB>, spec: &HeatMap, hatched: bool) -> Result<Self> {
        let px = |css: f64| sheet.px(css);
        let (all, margin, row) = (sheet.all, px(MARGIN), px(Font::Label.line()));
        let right = all.right() - margin;

        // Left: the names of the rows.
        let names = if spec.row_labels { longest(sheet, &spec.rows)? } else { longest_number(sheet, spec.rows.len())? };
        let row_names = names.min((f64::from(all.width) * 0.3) as i32);
        let left = sheet.units.snap(f64::from(margin + row_names + px(6.0)));
        let across_all = |width: i32| spans(spec.columns.len(), width / sheet.units.grain);
        let width = share(sheet, right - left, spec.columns.len(), WIDEST_CELL);

        let title = spec.title.as_ref().is_some_and(|title| !title.is_empty());
        let title_y = px(4.0) + px(Font::Title.line()) / 2;
        let above = if title { px(Font::Title.line() + 4.0) } else { 0 };

        // Above: the colour bar and the name of the rows, one above the other where there is no room side by side.
        let unit = sheet.fit(spec.unit.as_deref().unwrap_or_default(), Font::Label, all.width / 2)?;
        let unit_width = if unit.is_empty() { 0 } else { sheet.width(&unit, Font::Label)? + px(8.0) };
        let beside = margin + sheet.width(&spec.y_label, Font::Label)? + px(20.0);
        let stacked = right - beside - unit_width < px(SHORTEST_BAR);
        let start = if stacked { margin } else { beside };
        let unit_shown = right - start - unit_width >= px(SHORTEST_BAR);
        let (unit, unit_width) = if unit_shown { (unit, unit_width) } else { (String::new(), 0) };
        let bar_width = px(BAR.0).min(right - start - unit_width);
        // Right after the name of the rows: there it is seen also where the map is wider than its box.
        let bar = Rect { left: start + unit_width, top: above + px(6.0), width: bar_width, height: px(BAR.1) };
        let below_bar = bar.bottom() + px(3.0) + row;
        let y_name = if stacked { below_bar + row / 2 + px(2.0) } else { below_bar - row / 2 };
        let top = sheet.units.snap(f64::from(y_name + row / 2 + px(4.0)));
        let sample = Rect { left: bar.right() + px(28.0), top: bar.top, width: px(16.0), height: bar.height };
        let sample_fits = sample.right() + px(6.0) + sheet.width(NOT_FINITE, Font::Label)? <= right;

        // Below: the names of the columns, those that are written, and of their axis.
        let names = |across: &[Span]| spec.column_labels.then(|| BandNames::new(sheet, &spec.columns, across, false)).transpose();
        let height_of = |names: &Option<BandNames>| names.as_ref().map_or(row, |names| names.height);
        let x_room = if spec.x_label.is_empty() { 0 } else { row + px(2.0) };
        let room_over = |names: i32| all.bottom() - px(4.0) - x_room - names - px(NAME_GAP) - top;
        let mut across = across_all(width);
        let mut column_names = names(&across)?;
        let mut size = (width, share(sheet, room_over(height_of(&column_names)), spec.rows.len(), HIGHEST_CELL));
        if spec.square {
            // Narrower cells may turn the names upwards, which takes from the height, which makes cells narrower.
            for _ in 0..2 {
                size = square(sheet, (right - left, room_over(height_of(&column_names))), (spec.columns.len(), spec.rows.len()));
                across = across_all(size.0);
                column_names = names(&across)?;
            }
        }
        let (width, height) = size;
        let height = height.min(room_over(height_of(&column_names)));
        let down = spans(spec.rows.len(), height / sheet.units.grain);
        let column_height = height_of(&column_names);

        let mut plot = Rect::between(left, top, left + width, top + height);
        if plot.width.min(plot.height) < px(1.0) || left >= right {
            plot = Rect { left: left.min(all.width), top: top.min(all.height), width: 0, height: 0 };
        }
        Ok(Self {
            plot,
            // Numbers need no more than the columns have.
            row_step: step(sheet, &down, px(if spec.row_labels { Font::Label.size() + 3.0 } else { 1.6 * Font::Label.line() })),
            across,
            down,
            row_names,
            column_names,
            bar: (bar_width >= px(SHORTEST_BAR) / 2).then_some(bar),
            unit,
            sample: (hatched && sample_fits).then_some(sample),
            title_y,
            y_name,
            x_name: plot.bottom() + px(NAME_GAP) + column_height + px(2.0) + row / 2,
        })
    }
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

/// The width of the largest of the numbers from 0 that stand for names.
fn longest_number<DB: DrawingBackend>(sheet: &Sheet<DB>, count: usize) -> Result<i32> {
    sheet.width(&count.saturating_sub(1).to_string(), Font::Label)
}

/// Width and height of so many square cells within a room: of whole pixels, where that does not leave much empty.
fn square<DB: DrawingBackend>(sheet: &Sheet<DB>, room: (i32, i32), (columns, rows): (usize, usize)) -> (i32, i32) {
    if columns == 0 || rows == 0 {
        return (0, 0);
    }
    let pixel = f64::from(sheet.units.grain);
    let pixels = |v: i32| (f64::from(v) / pixel).max(0.0);
    let cell = (pixels(room.0) / columns as f64).min(pixels(room.1) / rows as f64).min(pixels(sheet.px(WIDEST_SQUARE)));
    let cell = if cell.floor() >= (1.0 - LOST) * cell { cell.floor() } else { cell };
    let length = |count: usize| sheet.units.snap(cell * count as f64 * pixel);
    (length(columns).min(room.0.max(0)), length(rows).min(room.1.max(0)))
}
