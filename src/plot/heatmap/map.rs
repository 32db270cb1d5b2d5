//! The drawing of what stands around the cells: frame, names, colour bar.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use crate::Result;
use crate::plot::bands::{NAME_GAP, Span, mark};
use crate::plot::color::mix;
use crate::plot::numbers::value_label;
use crate::plot::scales::Axis;
use crate::plot::sheet::{Font, Rect, Sheet};

use super::HeatMap;
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
        match &self.layout.column_names {
            Some(names) => names.draw(self.sheet, &self.spec.columns, &self.layout.across, self.layout.plot)?,
            None => self.column_numbers()?,
        }

        let (sheet, quiet, plot) = (self.sheet, self.sheet.palette.quiet, self.layout.plot);
        let margin = sheet.px(MARGIN);
        let room = sheet.all.width - 2 * margin;
        let title = sheet.fit(self.spec.title.as_deref().unwrap_or_default(), Font::Title, room)?;
        sheet.text(&title, Font::Title, sheet.palette.ink, (margin, self.layout.title_y), HPos::Left)?;
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

    fn row_names(&self) -> Result<()> {
        let layout = self.layout;
        if self.spec.row_labels {
            for span in layout.down.iter().step_by(layout.row_step) {
                let name = self.spec.rows.get(span.items.start).map_or("", |name| name);
                self.row_name(span, &self.sheet.fit(name, Font::Label, layout.row_names)?, self.sheet.palette.ink)?;
            }
            return Ok(());
        }
        // Positions instead of names: as many round numbers as have room.
        let each = self.spec.rows.len().div_ceil(layout.down.len().max(1));
        let step = round_step(layout.row_step.saturating_mul(each));
        for number in (0..self.spec.rows.len()).step_by(step) {
            let span = layout.down.iter().find(|span| span.items.contains(&number));
            let Some(span) = span else { continue };
            self.row_name(span, &number.to_string(), self.sheet.palette.quiet)?;
        }
        Ok(())
    }

    fn row_name(&self, span: &Span, name: &str, color: RGBColor) -> Result<()> {
        let right = self.layout.plot.left - self.sheet.px(6.0);
        self.sheet.text(name, Font::Label, color, (right, self.layout.plot.top + span.middle(self.sheet)), HPos::Right)
    }

    /// Positions instead of names: 0, 10, 20 …
    fn column_numbers(&self) -> Result<()> {
        let (sheet, layout) = (self.sheet, self.layout);
        let Some(last) = self.spec.columns.len().checked_sub(1) else { return Ok(()) };
        let axis = Axis { min: 0.0, max: last.max(1) as f64, log: false, whole: true };
        let widest = sheet.width(&last.to_string(), Font::Label)?.max(sheet.px(14.0));
        let most = (layout.plot.width / (widest + sheet.px(14.0))).max(1) as usize;
        let y = layout.plot.bottom() + sheet.px(NAME_GAP + Font::Label.line() / 2.0);
        for tick in axis.ticks(most) {
            let span = layout.across.iter().find(|span| span.items.contains(&(tick.value as usize)));
            let Some(span) = span else { continue };
            let x = layout.plot.left + span.middle(sheet);
            mark(sheet, x, layout.plot.bottom())?;
            sheet.text(&tick.label, Font::Label, sheet.palette.quiet, (x, y), HPos::Center)?;
        }
        Ok(())
    }

    /// What stands around the colour bar: its unit, its ends, the round numbers that have room between.
    pub fn bar(&self, bar: Rect, max: f64) -> Result<()> {
        let (sheet, quiet) = (self.sheet, self.sheet.palette.quiet);
        self.frame(bar, true)?;
        let beside = (bar.left - sheet.px(8.0), bar.top + bar.height / 2);
        sheet.text(&self.layout.unit, Font::Label, quiet, beside, HPos::Right)?;
        let y = bar.bottom() + sheet.px(3.0 + Font::Label.line() / 2.0);
        let min = if self.spec.diverging { -max } else { 0.0 };
        let first = value_label(min);
        sheet.text(&first, Font::Label, quiet, (bar.left, y), HPos::Left)?;
        if max <= 0.0 {
            return Ok(());
        }
        let last = value_label(max);
        sheet.text(&last, Font::Label, quiet, (bar.right(), y), HPos::Right)?;
        let gap = sheet.px(8.0);
        let mut free = bar.left + sheet.width(&first, Font::Label)? + gap;
        let end = bar.right() - sheet.width(&last, Font::Label)? - gap;
        let axis = Axis { min, max, log: false, whole: false };
        // Between two signs only zero: the colours are the same on either side.
        let ticks = axis.ticks(4).into_iter().filter(|tick| if self.spec.diverging { tick.value == 0.0 } else { tick.value > 0.0 });
        for tick in ticks {
            let x = bar.left + (f64::from(bar.width) * axis.fraction(tick.value).unwrap_or(0.0)) as i32;
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

/// The next of 1, 2, 5, 10, 20 …
fn round_step(step: usize) -> usize {
    (0..9).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power))).find(|round| *round >= step).unwrap_or(step.max(1))
}
