//! The drawing of what stands around the cells: frame, names, colour bar.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

use crate::Result;
use crate::plot::color::mix;
use crate::plot::numbers::value_label;
use crate::plot::scales::Axis;
use crate::plot::sheet::{Font, Rect, Sheet};

use super::HeatMap;
use super::cells::Span;
use super::layout::{Layout, MARGIN, NOT_FINITE};

pub struct Map<'m, 'a, DB: DrawingBackend> {
    pub sheet: &'m Sheet<'a, DB>,
    pub spec: &'m HeatMap,
    pub layout: &'m Layout,
}

impl<DB: DrawingBackend> Map<'_, '_, DB> {
    /// Frame, names of rows and columns, names of the axes.
    pub fn axes(&self) -> Result<()> {
        // Where everything is zero, a thin frame is all there is to see.
        self.frame(self.layout.plot, false)?;
        self.row_names()?;
        if self.spec.column_labels {
            self.column_names()?
        } else {
            self.column_numbers()?
        }

        let (sheet, quiet, plot) = (self.sheet, self.sheet.palette.quiet, self.layout.plot);
        let margin = sheet.px(MARGIN);
        let room = sheet.all.width - 2 * margin;
        let name = sheet.fit(&self.spec.y_label, Font::Label, room)?;
        sheet.text(&name, Font::Label, quiet, (margin, self.layout.y_name), HPos::Left)?;
        let name = sheet.fit(&self.spec.x_label, Font::Label, room)?;
        let half = sheet.width(&name, Font::Label)? / 2;
        let middle = (plot.left + plot.width / 2).min(sheet.all.right() - margin - half).max(margin + half);
        sheet.text(&name, Font::Label, quiet, (middle, self.layout.x_name), HPos::Center)
    }

    /// A thin frame around what `paint` fills.
    fn frame(&self, inner: Rect, strong: bool) -> Result<()> {
        let palette = &self.sheet.palette;
        let color = if strong { mix(palette.line, palette.quiet, 0.3) } else { palette.line };
        let one = self.sheet.px(1.0);
        self.sheet.horizontal(inner.left - one, inner.right() + one, inner.top - one, color)?;
        self.sheet.horizontal(inner.left - one, inner.right() + one, inner.bottom(), color)?;
        self.sheet.vertical(inner.left - one, inner.top, inner.bottom(), color)?;
        self.sheet.vertical(inner.right(), inner.top, inner.bottom(), color)
    }

    /// The middle of a span of device pixels, in units.
    fn middle(&self, span: &Span) -> i32 {
        (span.pixels.start + span.pixels.end) * self.sheet.units.grain / 2
    }

    fn row_names(&self) -> Result<()> {
        let (sheet, layout) = (self.sheet, self.layout);
        let right = layout.plot.left - sheet.px(6.0);
        for span in layout.down.iter().step_by(layout.row_step) {
            let Some(name) = self.spec.rows.get(span.items.start) else { continue };
            let name = sheet.fit(name, Font::Label, layout.row_names)?;
            let at = (right, layout.plot.top + self.middle(span));
            sheet.text(&name, Font::Label, sheet.palette.ink, at, HPos::Right)?;
        }
        Ok(())
    }

    fn column_names(&self) -> Result<()> {
        let (sheet, layout) = (self.sheet, self.layout);
        let top = layout.plot.bottom() + sheet.px(5.0);
        for span in layout.across.iter().step_by(layout.column_step) {
            let Some(name) = self.spec.columns.get(span.items.start) else { continue };
            let x = layout.plot.left + self.middle(span);
            if layout.column_step > 1 {
                self.mark(x)?;
            }
            if layout.upright {
                sheet.text_up(&sheet.fit(name, Font::Label, layout.column_names)?, sheet.palette.ink, (x, top))?;
            } else {
                let at = (x, top + sheet.px(Font::Label.line()) / 2);
                sheet.text(name, Font::Label, sheet.palette.ink, at, HPos::Center)?;
            }
        }
        Ok(())
    }

    /// Positions instead of names: 0, 10, 20 …
    fn column_numbers(&self) -> Result<()> {
        let (sheet, layout) = (self.sheet, self.layout);
        let Some(last) = self.spec.columns.len().checked_sub(1) else { return Ok(()) };
        let axis = Axis { min: 0.0, max: last.max(1) as f64, log: false, whole: true };
        let most = (layout.plot.width / sheet.px(48.0)).max(1) as usize;
        let y = layout.plot.bottom() + sheet.px(5.0 + Font::Label.line() / 2.0);
        for tick in axis.ticks(most) {
            let span = layout.across.iter().find(|span| span.items.contains(&(tick.value as usize)));
            let Some(span) = span else { continue };
            let x = layout.plot.left + self.middle(span);
            self.mark(x)?;
            sheet.text(&tick.label, Font::Label, sheet.palette.quiet, (x, y), HPos::Center)?;
        }
        Ok(())
    }

    /// A tick below the cells.
    fn mark(&self, x: i32) -> Result<()> {
        let (sheet, bottom) = (self.sheet, self.layout.plot.bottom());
        let left = sheet.units.snap(f64::from(x - sheet.px(1.0) / 2));
        sheet.vertical(left, bottom, bottom + sheet.px(4.0), sheet.palette.quiet)
    }

    /// What stands around the colour bar: its unit, zero, the maximum, the round numbers that have room between.
    pub fn bar(&self, bar: Rect, max: f64) -> Result<()> {
        let (sheet, quiet) = (self.sheet, self.sheet.palette.quiet);
        self.frame(bar, true)?;
        let beside = (bar.left - sheet.px(8.0), bar.top + bar.height / 2);
        sheet.text(&self.layout.unit, Font::Label, quiet, beside, HPos::Right)?;
        let y = bar.bottom() + sheet.px(3.0 + Font::Label.line() / 2.0);
        sheet.text("0", Font::Label, quiet, (bar.left, y), HPos::Left)?;
        if max <= 0.0 {
            return Ok(());
        }
        let last = value_label(max);
        sheet.text(&last, Font::Label, quiet, (bar.right(), y), HPos::Right)?;
        let gap = sheet.px(8.0);
        let mut free = bar.left + sheet.width("0", Font::Label)? + gap;
        let end = bar.right() - sheet.width(&last, Font::Label)? - gap;
        let axis = Axis { min: 0.0, max, log: false, whole: false };
        for tick in axis.ticks(4).iter().filter(|tick| tick.value > 0.0) {
            let x = bar.left + (f64::from(bar.width) * tick.value / max) as i32;
            let half = sheet.width(&tick.label, Font::Label)? / 2;
            if x - half < free || x + half > end {
                continue;
            }
            free = x + half + gap;
            let left = sheet.units.snap(f64::from(x));
            sheet.vertical(left, bar.bottom() + sheet.px(1.0), bar.bottom() + sheet.px(4.0), quiet)?;
            sheet.text(&tick.label, Font::Label, quiet, (x, y), HPos::Center)?;
        }
        Ok(())
    }

    /// What stands around the sample of the hatching.
    pub fn sample(&self, sample: Rect) -> Result<()> {
        self.frame(sample, true)?;
        let at = (sample.right() + self.sheet.px(6.0), sample.top + sample.height / 2);
        self.sheet.text(NOT_FINITE, Font::Label, self.sheet.palette.quiet, at, HPos::Left)
    }
}
