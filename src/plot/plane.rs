//! Two axes on a sheet: where a value lies, and the drawing of what stands around the data.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;
use serde::Serialize;

use crate::Result;

use super::frame::{Frame, Key, Names, Swatch};
use super::scales::{Axis, ticks_at};
use super::sheet::{Font, Rect, Sheet};

/// Where a plot was drawn, in device pixels, and the values at its edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drawn {
    pub plot: Rect,
    pub x: [f64; 2],
    pub y: [f64; 2],
}

/// A sheet with axes on it.
pub struct Plane<'p, 'a, DB: DrawingBackend> {
    pub sheet: &'p Sheet<'a, DB>,
    pub frame: &'p Frame,
    pub plot: Rect,
    pub x: Axis,
    pub y: Axis,
}

impl<'p, 'a, DB: DrawingBackend> Plane<'p, 'a, DB> {
    pub fn new(sheet: &'p Sheet<'a, DB>, frame: &'p Frame, x: Axis, y: Axis) -> Self {
        Self { sheet, frame, plot: frame.plot, x, y }
    }

    pub fn drawn(&self) -> Drawn {
        Drawn { plot: self.plot.in_pixels(&self.sheet.units), x: [self.x.min, self.x.max], y: [self.y.min, self.y.max] }
    }

    /// From a fraction of the width to the backend's units, not rounded to pixels.
    pub fn x_at(&self, fraction: f64) -> i32 {
        self.plot.left + (fraction * f64::from(self.plot.width)).round() as i32
    }

    pub fn y_at(&self, fraction: f64) -> i32 {
        self.plot.bottom() - (fraction * f64::from(self.plot.height)).round() as i32
    }

    /// The same for values, on whole pixels: for the grid.
    pub fn across(&self, value: f64) -> i32 {
        self.sheet.units.snap(f64::from(self.x_at(self.x.fraction(value).unwrap_or(0.0))))
    }

    pub fn height_of(&self, value: f64) -> i32 {
        self.sheet.units.snap(f64::from(self.y_at(self.y.fraction(value).unwrap_or(0.0))))
    }

    /// The place of a point; `None` when it has none within the plot.
    pub fn at(&self, x: f64, y: f64) -> Option<(i32, i32)> {
        let (x, y) = self.x.fraction(x).zip(self.y.fraction(y))?;
        let within = |place: f64| (-1e-9..=1.0 + 1e-9).contains(&place);
        (within(x) && within(y)).then(|| (self.x_at(x), self.y_at(y)))
    }

    /// Title and names of the axes.
    pub fn names(&self, names: Names) -> Result<()> {
        let (sheet, plot, frame) = (self.sheet, self.plot, self.frame);
        let palette = &sheet.palette;
        let margin = sheet.px(8.0);
        let room = sheet.all.width - 2 * margin;
        let title = sheet.fit(names.title, Font::Title, room)?;
        sheet.text(&title, Font::Title, palette.ink, (margin, frame.title_y), HPos::Left)?;
        let name = sheet.fit(names.y, Font::Label, room)?;
        sheet.text(&name, Font::Label, palette.quiet, (margin, frame.name_y), HPos::Left)?;
        let name = sheet.fit(names.x, Font::Label, room)?;
        let half = sheet.width(&name, Font::Label)? / 2;
        let middle = (plot.left + plot.width / 2).min(sheet.all.right() - margin - half).max(margin + half);
        sheet.text(&name, Font::Label, palette.quiet, (middle, frame.below_y), HPos::Center)
    }

    /// The horizontal lines of the grid with their numbers.
    pub fn y_grid(&self) -> Result<()> {
        let (sheet, plot) = (self.sheet, self.plot);
        let number_end = plot.left - sheet.px(6.0);
        let mut free = i32::MAX;
        for tick in &self.frame.y_ticks {
            let y = self.height_of(tick.value);
            // In a plot that is lower than its sheet promised, some are left out.
            if y > free {
                continue;
            }
            free = y - sheet.px(Font::Label.size() + 1.0);
            sheet.horizontal(plot.left, plot.right(), y, sheet.palette.line)?;
            sheet.text(&tick.label, Font::Label, sheet.palette.quiet, (number_end, y), HPos::Right)?;
        }
        Ok(())
    }

    /// The vertical ones, drawn `through` the plot or as ticks below it only. `own` are values to stand there instead
    /// of round ones, if their numbers have room.
    pub fn x_grid(&self, axis: Option<&Axis>, own: &[f64], through: bool) -> Result<()> {
        let (sheet, plot) = (self.sheet, self.plot);
        let Some(axis) = axis else { return Ok(()) };
        let ticks = match self.frame.place_ticks(sheet, axis, ticks_at(own))? {
            Some(ticks) if !own.is_empty() => ticks,
            _ => self.frame.x_ticks(sheet, axis)?,
        };
        for (tick, centre) in ticks {
            let x = self.across(tick.value);
            if through {
                sheet.vertical(x, plot.top, plot.bottom(), sheet.palette.line)?;
            }
            sheet.vertical(x, plot.bottom(), plot.bottom() + sheet.px(4.0), sheet.palette.quiet)?;
            sheet.text(&tick.label, Font::Label, sheet.palette.quiet, (centre, self.frame.numbers_y), HPos::Center)?;
        }
        Ok(())
    }

    /// The line that the plot stands on.
    pub fn ground(&self, y: i32) -> Result<()> {
        self.sheet.horizontal(self.plot.left, self.plot.right() + self.sheet.px(1.0), y, self.sheet.palette.quiet)
    }

    /// Says that there is nothing to see, where that is so.
    pub fn nothing(&self, nothing: bool) -> Result<()> {
        let (sheet, plot) = (self.sheet, self.plot);
        if !nothing || plot.height < sheet.px(2.0 * Font::Label.line()) {
            return Ok(());
        }
        let text = sheet.fit("no values", Font::Label, plot.width)?;
        let middle = (plot.left + plot.width / 2, plot.top + plot.height / 2);
        sheet.text(&text, Font::Label, sheet.palette.quiet, middle, HPos::Center)
    }

    /// The keys above the plot.
    pub fn legend(&self, keys: &[Key]) -> Result<()> {
        let sheet = self.sheet;
        for entry in self.frame.legend.iter().flatten() {
            let mut left = entry.left;
            if let Some(key) = entry.key.and_then(|i| keys.get(i)) {
                let width = sheet.px(key.swatch.width());
                let end = left + width;
                match key.swatch {
                    Swatch::Line(dash) => sheet.path(vec![(left, entry.middle), (end, entry.middle)], key.color, 1.0, 2.6, dash)?,
                    Swatch::Mark(shape) => sheet.mark((left + width / 2, entry.middle), shape, 4.0, key.color, 1.0)?,
                    Swatch::Block => sheet.fill(Rect { left, top: entry.middle - width / 2, width, height: width }, key.color, 1.0)?,
                }
                left = end + sheet.px(6.0);
            }
            sheet.text(&entry.caption, Font::Label, sheet.palette.ink, (left, entry.middle), HPos::Left)?;
        }
        Ok(())
    }
}
