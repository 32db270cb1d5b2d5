//! The drawing of curves within their layout: axes, lines, rules, labels.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

use crate::Result;

use super::layout::{END_GAP, Layout, SWATCH};
use super::polyline::{crosses, pieces, thin};
use super::spread::spread;
use super::{Curves, Rule, Series};
use crate::plot::scales::Axis;
use crate::plot::sheet::{Font, Rect, Sheet};

const LINE_WIDTH: f64 = 1.75;
const DOT: f64 = 3.0;
/// A line with so few points shows each of them.
const FEW: usize = 12;

/// A sheet with axes on it.
pub struct Chart<'c, 'a, DB: DrawingBackend> {
    pub sheet: &'c Sheet<'a, DB>,
    pub plot: Rect,
    pub x: Axis,
    pub y: Axis,
}

/// What of a line can be seen, in the backend's units.
struct Track {
    pieces: Vec<Vec<(i32, i32)>>,
    /// Its last point with a place between the left and the right edge, moved to the lower or upper edge
    /// when it lies beyond.
    end: Option<(i32, i32)>,
    /// Whether the end was not moved.
    ends_inside: bool,
}

/// A label at a line's end.
struct EndLabel {
    line: usize,
    from: (i32, i32),
    area: Rect,
}

impl<DB: DrawingBackend> Chart<'_, '_, DB> {
    /// Grid, numbers and names.
    pub fn frame(&self, spec: &Curves, layout: &Layout) -> Result<()> {
        let (sheet, plot) = (self.sheet, self.plot);
        let palette = &sheet.palette;
        let number_end = plot.left - sheet.px(6.0);
        for tick in &layout.y_ticks {
            let y = self.height_of(tick.value);
            sheet.horizontal(plot.left, plot.right(), y, palette.line)?;
            sheet.text(&tick.label, Font::Label, palette.quiet, (number_end, y), HPos::Right)?;
        }
        for (tick, centre) in &layout.x_ticks {
            let x = self.across(self.x.fraction(tick.value).unwrap_or(0.0));
            sheet.vertical(x, plot.top, plot.bottom(), palette.line)?;
            sheet.vertical(x, plot.bottom(), plot.bottom() + sheet.px(4.0), palette.quiet)?;
            sheet.text(&tick.label, Font::Label, palette.quiet, (*centre, layout.numbers_y), HPos::Center)?;
        }
        sheet.horizontal(plot.left, plot.right() + sheet.px(1.0), plot.bottom(), palette.quiet)?;

        let margin = sheet.px(8.0);
        let room = sheet.all.width - 2 * margin;
        let title = sheet.fit(spec.title.as_deref().unwrap_or_default(), Font::Title, room)?;
        sheet.text(&title, Font::Title, palette.ink, (margin, layout.title_y), HPos::Left)?;
        let name = sheet.fit(&spec.y_label, Font::Label, room)?;
        sheet.text(&name, Font::Label, palette.quiet, (margin, layout.name_y), HPos::Left)?;
        let name = sheet.fit(&spec.x_label, Font::Label, room)?;
        let half = sheet.width(&name, Font::Label)? / 2;
        let middle = (plot.left + plot.width / 2).min(sheet.all.right() - margin - half).max(margin + half);
        sheet.text(&name, Font::Label, palette.quiet, (middle, layout.below_y), HPos::Center)
    }

    /// The lines, the rules between them, and what names them.
    pub fn lines(&self, spec: &Curves, lines: &[Series], layout: &Layout) -> Result<()> {
        let tracks: Vec<Track> = lines.iter().map(|line| self.track(line)).collect();
        let labels = if layout.legend.is_none() { self.end_labels(lines, &tracks)? } else { Vec::new() };
        self.rules(&spec.rules, &tracks, &labels)?;
        // The first line is the one that matters most: it comes on top.
        for (series, track) in lines.iter().zip(&tracks).rev() {
            self.line(series, track)?;
        }
        for label in &labels {
            if let Some(series) = lines.get(label.line) {
                self.end_label(series, label)?;
            }
        }
        for entry in layout.legend.iter().flatten() {
            let mut left = entry.left;
            if let Some(series) = entry.line.and_then(|line| lines.get(line)) {
                let end = left + self.sheet.px(SWATCH);
                let stroke = vec![(left, entry.middle), (end, entry.middle)];
                self.sheet.path(stroke, series.color, 1.0, 1.5 * LINE_WIDTH, series.line.dash)?;
                left = end + self.sheet.px(6.0);
            }
            self.sheet.text(&entry.caption, Font::Label, self.sheet.palette.ink, (left, entry.middle), HPos::Left)?;
        }
        Ok(())
    }

    /// From a fraction of the width to the backend's units, not rounded to pixels.
    fn x_at(&self, fraction: f64) -> i32 {
        self.plot.left + (fraction * f64::from(self.plot.width)).round() as i32
    }

    fn y_at(&self, fraction: f64) -> i32 {
        self.plot.bottom() - (fraction * f64::from(self.plot.height)).round() as i32
    }

    /// The same on whole pixels, for the grid.
    fn across(&self, fraction: f64) -> i32 {
        self.sheet.units.snap(f64::from(self.x_at(fraction)))
    }

    fn height_of(&self, value: f64) -> i32 {
        self.sheet.units.snap(f64::from(self.y_at(self.y.fraction(value).unwrap_or(0.0))))
    }

    fn track(&self, series: &Series) -> Track {
        let (x, y) = (&series.line.x, &series.line.y);
        let to_units = |piece: Vec<(f64, f64)>| {
            let points = piece.into_iter().map(|(x, y)| (self.x_at(x), self.y_at(y))).collect();
            thin(points, self.sheet.units.grain)
        };
        let end = x.iter().zip(y).rev().find_map(|(&x, &y)| {
            let place = self.x.fraction(x).zip(self.y.fraction(y))?;
            (0.0..=1.0).contains(&place.0).then_some(place)
        });
        Track {
            pieces: pieces(x, y, &self.x, &self.y).into_iter().map(to_units).collect(),
            end: end.map(|(x, y)| (self.x_at(x), self.y_at(y.clamp(0.0, 1.0)))),
            ends_inside: end.is_some_and(|(_, y)| (0.0..=1.0).contains(&y)),
        }
    }

    fn line(&self, series: &Series, track: &Track) -> Result<()> {
        for piece in &track.pieces {
            if let [lone] = piece[..] {
                self.sheet.dot(lone, DOT, series.color)?;
                continue;
            }
            self.sheet.path(piece.clone(), series.color, 1.0, LINE_WIDTH, series.line.dash)?;
            if piece.len() <= FEW && series.line.x.len() <= FEW {
                for &point in piece {
                    self.sheet.dot(point, DOT - 0.5, series.color)?;
                }
            }
        }
        match track.end {
            Some(end) if track.ends_inside => self.sheet.dot(end, DOT, series.color),
            _ => Ok(()),
        }
    }

    /// Labels in one column right of the furthest end, each as near to its own line's end as the others allow.
    fn end_labels(&self, lines: &[Series], tracks: &[Track]) -> Result<Vec<EndLabel>> {
        let named = lines.iter().zip(tracks).enumerate().filter(|(_, (series, _))| !series.caption.is_empty());
        let ends: Vec<(usize, (i32, i32))> = named.filter_map(|(i, (_, track))| Some((i, track.end?))).collect();
        let Some(furthest) = ends.iter().map(|(_, end)| end.0).max() else { return Ok(Vec::new()) };

        let row = self.sheet.px(Font::Label.line());
        let wishes: Vec<f64> = ends.iter().map(|(_, end)| f64::from(end.1)).collect();
        let (low, high) = (self.plot.top - row / 2, self.plot.bottom() + row / 2);
        let Some(middles) = spread(&wishes, f64::from(row), f64::from(low), f64::from(high)) else {
            return Ok(Vec::new());
        };
        let left = furthest + self.sheet.px(END_GAP);
        ends.into_iter()
            .zip(middles)
            .map(|((line, from), middle)| {
                let width = self.sheet.width(lines.get(line).map_or("", |s| &s.caption), Font::Label)?;
                Ok(EndLabel { line, from, area: Rect { left, top: middle as i32 - row / 2, width, height: row } })
            })
            .collect()
    }

    fn end_label(&self, series: &Series, label: &EndLabel) -> Result<()> {
        let (sheet, area) = (self.sheet, label.area);
        let middle = area.top + area.height / 2;
        // Where the label stands within the plot, the grid must not run through it.
        let behind = Rect { left: area.left - sheet.px(2.0), width: area.width + sheet.px(4.0), ..area };
        sheet.fill(behind, sheet.palette.paper, 0.8)?;
        let end = (area.left - sheet.px(4.0), middle);
        if area.left - label.from.0 < sheet.px(2.0 * END_GAP) {
            sheet.path(vec![label.from, end], series.color, 0.7, 1.0, false)?;
        } else {
            // The line ended long before: a leader would look like more of it, so the label gets a piece of its own.
            let piece = vec![(area.left - sheet.px(END_GAP), middle), end];
            sheet.path(piece, series.color, 1.0, LINE_WIDTH, false)?;
        }
        sheet.text(&series.caption, Font::Label, sheet.palette.ink, (area.left, middle), HPos::Left)
    }

    /// Horizontal rules, each label where it covers least of the lines and of other labels.
    fn rules(&self, rules: &[Rule], tracks: &[Track], labels: &[EndLabel]) -> Result<()> {
        let (sheet, plot) = (self.sheet, self.plot);
        let mut taken: Vec<Rect> = labels.iter().map(|label| label.area).collect();
        for rule in rules {
            let Some(place) = self.y.fraction(rule.y).filter(|place| (0.0..=1.0).contains(place)) else { continue };
            let y = self.y_at(place);
            sheet.path(vec![(plot.left, y), (plot.right(), y)], sheet.palette.quiet, 1.0, 1.0, true)?;

            let text = sheet.fit(&rule.label, Font::Label, plot.width - sheet.px(12.0))?;
            if text.is_empty() {
                continue;
            }
            let (width, height) = (sheet.width(&text, Font::Label)?, sheet.px(Font::Label.line()));
            let (near, far) = (plot.left + sheet.px(6.0), plot.right() - sheet.px(6.0) - width);
            let (above, below) = (y - height - sheet.px(1.0), y + sheet.px(2.0));
            let places = [near, far, near + (far - near) / 2].map(|left| [above, below].map(|top| Rect { left, top, width, height }));
            let cost = |area: &Rect| {
                let outside = area.top < plot.top || area.bottom() > plot.bottom();
                let over = taken.iter().filter(|other| overlap(area, other)).count();
                let under = tracks.iter().flat_map(|t| &t.pieces).filter(|piece| crosses(piece, *area)).count();
                10 * over + 5 * usize::from(outside) + under
            };
            let Some(area) = places.into_iter().flatten().min_by_key(cost) else { continue };
            sheet.fill(area, sheet.palette.paper, 0.8)?;
            let at = (area.left, area.top + area.height / 2);
            sheet.text(&text, Font::Label, sheet.palette.quiet, at, HPos::Left)?;
            taken.push(area);
        }
        Ok(())
    }
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.left < b.right() && b.left < a.right() && a.top < b.bottom() && b.top < a.bottom()
}
