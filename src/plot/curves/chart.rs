//! The drawing of curves on their axes: lines and the labels at their ends.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

use crate::Result;

use super::polyline::{crosses, pieces, thin};
use super::{Curves, Series};
use crate::plot::frame::{END_GAP, Key};
use crate::plot::plane::Plane;
use crate::plot::sheet::{Dash, Font, Rect};
use crate::plot::spread::spread;

const LINE_WIDTH: f64 = 1.75;
const DOT: f64 = 3.0;
/// A line with so few points shows each of them.
const FEW: usize = 12;

/// The lines of a plot on its axes.
pub struct Chart<'c, 'p, 'a, DB: DrawingBackend> {
    pub plane: &'c Plane<'p, 'a, DB>,
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

impl<DB: DrawingBackend> Chart<'_, '_, '_, DB> {
    /// The lines, the rules between them, and what names them.
    pub fn lines(&self, spec: &Curves, lines: &[Series], keys: &[Key]) -> Result<()> {
        let tracks: Vec<Track> = lines.iter().map(|line| self.track(line)).collect();
        let labels = if self.plane.frame.legend.is_none() { self.end_labels(keys, &tracks)? } else { Vec::new() };
        let mut taken = labels.iter().map(|label| label.area).collect();
        self.plane.rules(&spec.rules, &mut taken, |area| tracks.iter().flat_map(|t| &t.pieces).filter(|piece| crosses(piece, *area)).count())?;
        // The first line is the one that matters most: it comes on top.
        for (series, track) in lines.iter().zip(&tracks).rev() {
            self.line(series, track)?;
        }
        for label in &labels {
            if let Some(key) = keys.get(label.line) {
                self.end_label(key, label)?;
            }
        }
        self.plane.legend(keys)
    }

    fn track(&self, series: &Series) -> Track {
        let (x, y) = (&series.line.x, &series.line.y);
        let to_units = |piece: Vec<(f64, f64)>| {
            let points = piece.into_iter().map(|(x, y)| (self.plane.x_at(x), self.plane.y_at(y))).collect();
            thin(points, self.plane.sheet.units.grain)
        };
        let end = x.iter().zip(y).rev().find_map(|(&x, &y)| {
            let place = self.plane.x.fraction(x).zip(self.plane.y.fraction(y))?;
            (0.0..=1.0).contains(&place.0).then_some(place)
        });
        Track {
            pieces: pieces(x, y, &self.plane.x, &self.plane.y).into_iter().map(to_units).collect(),
            end: end.map(|(x, y)| (self.plane.x_at(x), self.plane.y_at(y.clamp(0.0, 1.0)))),
            ends_inside: end.is_some_and(|(_, y)| (0.0..=1.0).contains(&y)),
        }
    }

    fn line(&self, series: &Series, track: &Track) -> Result<()> {
        let sheet = self.plane.sheet;
        let marked = series.line.markers.unwrap_or(series.line.x.len() <= FEW);
        for piece in &track.pieces {
            if let [lone] = piece[..] {
                sheet.dot(lone, DOT, series.color)?;
                continue;
            }
            sheet.path(piece.clone(), series.color, 1.0, LINE_WIDTH, series.dash)?;
            // A point that was cut off at an edge is none of the line's own.
            if marked && (piece.len() <= FEW || series.line.markers.is_some()) {
                for &point in piece {
                    sheet.dot(point, DOT - 0.5, series.color)?;
                }
            }
        }
        match track.end {
            Some(end) if track.ends_inside => sheet.dot(end, DOT, series.color),
            _ => Ok(()),
        }
    }

    /// Labels in one column right of the furthest end, each as near to its own line's end as the others allow.
    fn end_labels(&self, keys: &[Key], tracks: &[Track]) -> Result<Vec<EndLabel>> {
        let Plane { sheet, plot, .. } = self.plane;
        let named = keys.iter().zip(tracks).enumerate().filter(|(_, (key, _))| !key.caption.is_empty());
        let ends: Vec<(usize, (i32, i32))> = named.filter_map(|(i, (_, track))| Some((i, track.end?))).collect();
        let Some(furthest) = ends.iter().map(|(_, end)| end.0).max() else { return Ok(Vec::new()) };

        let row = sheet.px(Font::Label.line());
        let wishes: Vec<f64> = ends.iter().map(|(_, end)| f64::from(end.1)).collect();
        let (low, high) = (plot.top - row / 2, plot.bottom() + row / 2);
        let Some(middles) = spread(&wishes, f64::from(row), f64::from(low), f64::from(high)) else {
            return Ok(Vec::new());
        };
        let left = furthest + sheet.px(END_GAP);
        ends.into_iter()
            .zip(middles)
            .map(|((line, from), middle)| {
                let width = sheet.width(keys.get(line).map_or("", |key| &key.caption), Font::Label)?;
                Ok(EndLabel { line, from, area: Rect { left, top: middle as i32 - row / 2, width, height: row } })
            })
            .collect()
    }

    fn end_label(&self, key: &Key, label: &EndLabel) -> Result<()> {
        let (sheet, area) = (self.plane.sheet, label.area);
        let middle = area.top + area.height / 2;
        // Where the label stands within the plot, the grid must not run through it.
        let behind = Rect { left: area.left - sheet.px(2.0), width: area.width + sheet.px(4.0), ..area };
        sheet.fill(behind, sheet.palette.paper, 0.8)?;
        let end = (area.left - sheet.px(4.0), middle);
        if area.left - label.from.0 < sheet.px(2.0 * END_GAP) {
            sheet.path(vec![label.from, end], key.color, 0.7, 1.0, Dash::None)?;
        } else {
            // The line ended long before: a leader would look like more of it, so the label gets a piece of its own.
            let piece = vec![(area.left - sheet.px(END_GAP), middle), end];
            sheet.path(piece, key.color, 1.0, LINE_WIDTH, Dash::None)?;
        }
        sheet.text(&key.caption, Font::Label, sheet.palette.ink, (area.left, middle), HPos::Left)
    }
}
