//! Bands side by side, of heat maps and of bars: shared out in whole pixels, with their names below.

use std::ops::Range;

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;

use crate::Result;

use super::sheet::{Font, Rect, Sheet};

/// The names, when they read upwards, take at most this, and this part of the height.
const LONGEST_NAME: (f64, f64) = (96.0, 0.35);
/// Between the bands and their names.
pub const NAME_GAP: f64 = 5.0;
/// More names than these are not broken into lines.
const FEW: usize = 24;
const MOST_LINES: usize = 3;

/// A stretch of pixels showing one item, or one pixel showing several.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub pixels: Range<i32>,
    pub items: Range<usize>,
}

impl Span {
    /// The middle, in units.
    pub fn middle<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> i32 {
        (self.pixels.start + self.pixels.end) * sheet.units.grain / 2
    }
}

/// Shares `pixels` among `count` items: every pixel and every item is in exactly one span.
pub fn spans(count: usize, pixels: i32) -> Vec<Span> {
    let pixels = pixels.max(0) as usize;
    let parts = count.min(pixels);
    let cut = |whole: usize, part: usize| (whole as u128 * part as u128 / parts.max(1) as u128) as usize;
    (0..parts).map(|i| Span { pixels: cut(pixels, i) as i32..cut(pixels, i + 1) as i32, items: cut(count, i)..cut(count, i + 1) }).collect()
}

/// From how many spans to the next label, so that labels `size` units large do not touch.
pub fn step<DB: DrawingBackend>(sheet: &Sheet<DB>, spans: &[Span], size: i32) -> usize {
    let whole = spans.last().map_or(0, |span| span.pixels.end).saturating_mul(sheet.units.grain).max(1);
    (f64::from(size) * spans.len() as f64 / f64::from(whole)).ceil().max(1.0) as usize
}

/// What of a name could be shown at all.
pub fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

/// How the names below the bands are written.
pub struct BandNames {
    /// Every so manieth band is named.
    step: usize,
    way: Way,
    /// The room they take, in units.
    pub height: i32,
}

enum Way {
    Flat,
    /// Reading upwards.
    Upright,
    /// Broken into lines, name by name.
    Broken(Vec<Vec<String>>),
    /// Both.
    BrokenUpright(Vec<Vec<String>>),
}

impl BandNames {
    /// Side by side where all of them fit so, else (with `broken`) in a few lines each, else reading upwards.
    pub fn new<DB: DrawingBackend>(sheet: &Sheet<DB>, names: &[String], across: &[Span], broken: bool) -> Result<Self> {
        let row = sheet.px(Font::Label.line());
        let step = step(sheet, across, sheet.px(Font::Label.size() + 2.0));
        let named = || across.iter().step_by(step).filter_map(|span| names.get(span.items.start));
        let widest = named().map(|name| sheet.width(&short(name), Font::Label)).try_fold(0, |m, w| w.map(|w| m.max(w)))?;
        let band = across.first().map_or(0, |span| span.pixels.end * sheet.units.grain);
        if step == 1 && widest + sheet.px(4.0) <= band {
            return Ok(Self { step, way: Way::Flat, height: row });
        }
        let most = sheet.px(LONGEST_NAME.0).min((f64::from(sheet.all.height) * LONGEST_NAME.1) as i32);
        if broken && step == 1 && names.len() <= FEW {
            let within = |room: i32| names.iter().map(|name| break_lines(sheet, name, room)).collect::<Result<Option<Vec<_>>>>();
            let height = |lines: &[Vec<String>]| lines.iter().map(Vec::len).max().unwrap_or(1).max(1) as i32 * row;
            if let Some(lines) = within(band - sheet.px(8.0))? {
                return Ok(Self { step, height: height(&lines), way: Way::Broken(lines) });
            }
            if widest > most
                && let Some(lines) = within(most)?
                && height(&lines) <= band
            {
                let height = sheet.widest(lines.iter().flatten().map(String::as_str), Font::Label)?;
                return Ok(Self { step, height, way: Way::BrokenUpright(lines) });
            }
        }
        Ok(Self { step, way: Way::Upright, height: widest.min(most) })
    }

    pub fn draw<DB: DrawingBackend>(&self, sheet: &Sheet<DB>, names: &[String], across: &[Span], plot: Rect) -> Result<()> {
        let top = plot.bottom() + sheet.px(NAME_GAP);
        let row = sheet.px(Font::Label.line());
        for span in across.iter().step_by(self.step) {
            let Some(name) = names.get(span.items.start) else { continue };
            let x = plot.left + span.middle(sheet);
            if self.step > 1 {
                mark(sheet, x, plot.bottom())?;
            }
            match &self.way {
                Way::Flat => sheet.text(name, Font::Label, sheet.palette.ink, (x, top + row / 2), HPos::Center)?,
                Way::Upright => sheet.text_up(&sheet.fit(name, Font::Label, self.height)?, sheet.palette.ink, (x, top))?,
                Way::BrokenUpright(lines) => {
                    let lines = lines.get(span.items.start).map(Vec::as_slice).unwrap_or_default();
                    for (i, line) in lines.iter().enumerate() {
                        let beside = (2 * i as i32 - lines.len() as i32 + 1) * row / 2;
                        sheet.text_up(line, sheet.palette.ink, (x + beside, top))?;
                    }
                }
                Way::Broken(lines) => {
                    for (i, line) in lines.get(span.items.start).into_iter().flatten().enumerate() {
                        sheet.text(line, Font::Label, sheet.palette.ink, (x, top + row / 2 + i as i32 * row), HPos::Center)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A tick below the bands.
pub fn mark<DB: DrawingBackend>(sheet: &Sheet<DB>, x: i32, bottom: i32) -> Result<()> {
    let left = sheet.units.snap(f64::from(x - sheet.px(1.0) / 2));
    sheet.vertical(left, bottom, bottom + sheet.px(4.0), sheet.palette.quiet)
}

/// A name in lines no wider than `room`, broken between words; `None` when it takes too many.
fn break_lines<DB: DrawingBackend>(sheet: &Sheet<DB>, name: &str, room: i32) -> Result<Option<Vec<String>>> {
    let mut lines: Vec<String> = Vec::new();
    for word in short(name).split_whitespace() {
        if sheet.width(word, Font::Label)? > room {
            return Ok(None);
        }
        match lines.last_mut() {
            Some(line) if sheet.width(&format!("{line} {word}"), Font::Label)? <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    let whole = short(name) == name;
    Ok((whole && lines.len() <= MOST_LINES).then_some(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_share_out_every_pixel_and_every_item() {
        for (count, pixels) in [(1, 1), (3, 10), (10, 3), (7, 7), (10_000, 700), (60, 551), (0, 5), (5, 0), (2, -3)] {
            let spans = spans(count, pixels);
            assert_eq!(spans.len(), count.min(pixels.max(0) as usize));
            assert!(spans.windows(2).all(|w| w[0].pixels.end == w[1].pixels.start && w[0].items.end == w[1].items.start));
            assert!(spans.iter().all(|s| !s.pixels.is_empty() && !s.items.is_empty()));
            if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
                assert_eq!((first.pixels.start, first.items.start, last.pixels.end, last.items.end), (0, 0, pixels, count));
            }
        }
    }
}
