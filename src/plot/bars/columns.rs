//! The bars themselves, on whole pixels, with the values above them.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

use crate::Result;
use crate::plot::bands::{Span, spans};
use crate::plot::frame::Key;
use crate::plot::numbers::value_label;
use crate::plot::plane::Plane;
use crate::plot::sheet::{Font, Rect, Sheet};

use super::Bars;

/// A band is filled to this part.
const FILLED: f64 = 0.72;
/// The widest bar, in CSS pixels: three bars are no three walls.
const WIDEST: f64 = 72.0;
/// Bars wider than this, in CSS pixels, keep a hair's breadth apart.
const GAP_FROM: f64 = 3.0;
/// More bars than these have no values written above.
const FEW: usize = 16;

pub struct Columns<'c, 'p, 'a, DB: DrawingBackend> {
    plane: &'c Plane<'p, 'a, DB>,
    spec: &'c Bars,
    pub bands: Vec<Span>,
    bars: Vec<Bar>,
    /// Where bars stand.
    zero: i32,
}

struct Bar {
    area: Rect,
    color: RGBColor,
    value: f64,
}

impl<'c, 'p, 'a, DB: DrawingBackend> Columns<'c, 'p, 'a, DB> {
    /// Whether values are written above the bars: a few named ones of one series, all with room side by side.
    pub fn are_valued(sheet: &Sheet<DB>, spec: &Bars) -> Result<bool> {
        let [series] = &spec.series[..] else { return Ok(false) };
        if spec.edges.is_some() || series.values.len() > FEW {
            return Ok(false);
        }
        let labels: Vec<String> = series.values.iter().map(|&v| value_label(v)).collect();
        let widest = sheet.widest(labels.iter().map(String::as_str), Font::Label)?;
        let band = (sheet.all.width - sheet.px(90.0)) / series.values.len().max(1) as i32;
        Ok(widest + sheet.px(8.0) <= band)
    }

    pub fn new(plane: &'c Plane<'p, 'a, DB>, spec: &'c Bars, keys: &[Key]) -> Self {
        let grain = plane.sheet.units.grain;
        let bands = if spec.edges.is_none() { spans(spec.count(), plane.plot.width / grain) } else { Vec::new() };
        let zero = plane.height_of(if plane.y.log { plane.y.min } else { 0.0_f64.clamp(plane.y.min, plane.y.max) });
        let mut columns = Self { plane, spec, bands, bars: Vec::new(), zero };
        for (i, (series, key)) in spec.series.iter().zip(keys).enumerate() {
            for (k, &value) in series.values.iter().enumerate() {
                if let Some((left, right)) = columns.sides(k, i)
                    && let Some(area) = columns.area(left, right, value)
                {
                    columns.bars.push(Bar { area, color: key.color, value });
                }
            }
        }
        columns
    }

    /// The left and right side of a bar, in units.
    fn sides(&self, index: usize, series: usize) -> Option<(i32, i32)> {
        let (sheet, plot) = (self.plane.sheet, self.plane.plot);
        if let Some(edges) = &self.spec.edges {
            let (from, to) = (self.plane.across(*edges.get(index)?), self.plane.across(*edges.get(index + 1)?));
            let gap = if to - from >= sheet.px(GAP_FROM) { sheet.px(1.0) } else { 0 };
            // Of several series in one histogram, each has its part of the bin.
            let (count, at) = (self.spec.series.len().max(1) as i32, series as i32);
            let width = to - from - gap;
            let cut = |part: i32| from + sheet.units.snap(f64::from(width) * f64::from(part) / f64::from(count));
            return Some((cut(at), cut(at + 1).max(cut(at) + sheet.units.grain)));
        }
        let band = self.bands.iter().find(|band| band.items.contains(&index))?;
        let grain = sheet.units.grain;
        let (from, to) = (plot.left + band.pixels.start * grain, plot.left + band.pixels.end * grain);
        let count = self.spec.series.len().max(1);
        let filled = (f64::from(to - from) * FILLED).min(f64::from(sheet.px(WIDEST)) * count as f64);
        // One width for all bars of the plot: bands differ by a pixel.
        let least = self.bands.iter().map(|band| band.pixels.len()).min().unwrap_or(1) as f64 * f64::from(grain);
        let each = sheet.units.snap((least * FILLED / count as f64).min(filled / count as f64)).max(grain);
        let first = from + sheet.units.snap(f64::from(to - from - each * count as i32) / 2.0);
        let left = first + each * series as i32;
        let gap = if count > 1 && each >= sheet.px(GAP_FROM) { sheet.px(1.0) } else { 0 };
        Some((left, left + each - gap))
    }

    fn area(&self, left: i32, right: i32, value: f64) -> Option<Rect> {
        if !value.is_finite() || self.plane.y.log && value <= 0.0 {
            return None;
        }
        let fraction = self.plane.y.fraction(value.clamp(-1e300, 1e300))?;
        let end = self.plane.sheet.units.snap(f64::from(self.plane.y_at(fraction.clamp(0.0, 1.0))));
        let (top, bottom) = (end.min(self.zero), end.max(self.zero));
        // What is not zero can be seen.
        let hair = if value != 0.0 && top == bottom { self.plane.sheet.px(1.0) } else { 0 };
        Some(Rect::between(left, top - hair, right, bottom))
    }

    /// Bars, rules, the ground they stand on, values.
    pub fn draw(&self, valued: bool) -> Result<()> {
        let (plane, sheet) = (self.plane, self.plane.sheet);
        for bar in self.bars.iter().filter(|bar| !bar.area.is_empty()) {
            sheet.fill(bar.area, bar.color, 1.0)?;
        }
        plane.ground(self.zero)?;
        let mut taken = Vec::new();
        if valued {
            for bar in &self.bars {
                taken.extend(self.value(bar)?);
            }
        }
        plane.rules(&self.spec.rules, &mut taken, |area| self.bars.iter().filter(|bar| bar.area.overlaps(area)).count())
    }

    /// The value of a bar beyond its end; where it was written.
    fn value(&self, bar: &Bar) -> Result<Option<Rect>> {
        let (sheet, plot) = (self.plane.sheet, self.plane.plot);
        let text = value_label(bar.value);
        let (width, height) = (sheet.width(&text, Font::Label)?, sheet.px(Font::Label.line()));
        let middle = bar.area.left + bar.area.width / 2;
        let top = if bar.value < 0.0 { bar.area.bottom() + sheet.px(2.0) } else { bar.area.top - sheet.px(2.0) - height };
        let area = Rect { left: middle - width / 2, top, width, height };
        if area.top < plot.top - sheet.px(6.0) || area.bottom() > plot.bottom() {
            return Ok(None);
        }
        sheet.fill(area, sheet.palette.paper, 0.8)?;
        sheet.text(&text, Font::Label, sheet.palette.ink, (middle, top + height / 2), HPos::Center)?;
        Ok(Some(area))
    }
}
