//! The cells of a heat map as pixels: exact edges, no blur, nothing lost when cells are smaller than pixels.

use std::ops::Range;

use plotters::style::RGBColor;

use crate::plot::bands::Span;
use crate::plot::color::ColorScale;
use crate::plot::sheet::Rect;

/// A picture for `ImageData`: its place on the canvas in device pixels, four bytes (red, green, blue, opacity) a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    pub place: Rect,
    pub rgba: Vec<u8>,
}

impl Pixels {
    /// One colour per place, `color(x, y)` from the canvas's own coordinates.
    pub fn new(place: Rect, mut color: impl FnMut(i32, i32) -> RGBColor) -> Self {
        let mut rgba = Vec::with_capacity(4 * place.width as usize * place.height as usize);
        for y in place.top..place.bottom() {
            for x in place.left..place.right() {
                let RGBColor(r, g, b) = color(x, y);
                rgba.extend([r, g, b, 255]);
            }
        }
        Self { place, rgba }
    }
}

/// How cells look.
pub struct CellStyle {
    pub scale: ColorScale,
    pub max: f64,
    pub paper: RGBColor,
    /// The hatching of a cell that is not a finite number.
    pub hatch: RGBColor,
    /// Width of the hatching, in pixels.
    pub stroke: i32,
    /// Paper between two cells, in pixels.
    pub gap: i32,
}

impl CellStyle {
    /// The colour of a value at a pixel; `None` is hatched.
    fn color(&self, value: Option<f64>, x: i32, y: i32) -> RGBColor {
        match value {
            Some(value) => self.scale.color(value / self.max),
            None if (x + y).div_euclid(self.stroke.max(1)).rem_euclid(4) == 0 => self.hatch,
            None => self.paper,
        }
    }

    /// The pixels of one row of cells, at `plot`'s place on the canvas. `data` is row-major, `columns.len()` of
    /// the heat map wide; a pixel that shows several cells shows the one furthest from zero, so that no peak is lost.
    pub fn strip(&self, data: &[f32], width: usize, row: &Span, columns: &[Span], plot: Rect) -> Pixels {
        let values: Vec<Option<f64>> = columns.iter().map(|column| self.strongest(data, width, row.items.clone(), column.items.clone())).collect();
        let place = Rect { left: plot.left, top: plot.top + row.pixels.start, width: plot.width, height: row.pixels.end - row.pixels.start };
        // What each pixel across shows: a value, or the gap between two cells.
        let hatched = values.contains(&None);
        let mut across = Vec::with_capacity(plot.width as usize);
        for (value, column) in values.into_iter().zip(columns) {
            across.extend(column.pixels.clone().map(|x| (x < column.pixels.end - self.gap).then_some(value)));
        }
        let color = |x: i32, y: i32| match across.get((x - place.left) as usize) {
            Some(Some(value)) => self.color(*value, x, y),
            _ => self.paper,
        };
        let cells = Rect { height: (place.height - self.gap).max(1), ..place };
        let mut pixels = if hatched {
            Pixels::new(cells, color)
        } else {
            // Every line of pixels is the same.
            let line = Pixels::new(Rect { height: 1, ..cells }, color);
            Pixels { place, rgba: line.rgba.repeat(cells.height as usize) }
        };
        let gap = Pixels::new(Rect { height: place.height - cells.height, ..place }, |_, _| self.paper);
        pixels.rgba.extend(gap.rgba);
        Pixels { place, ..pixels }
    }

    /// A sample of the hatching.
    pub fn hatching(&self, place: Rect) -> Pixels {
        Pixels::new(place, |x, y| self.color(None, x, y))
    }

    /// The colours up to the maximum, left to right, from zero or from as far below it; with no maximum, paper.
    pub fn bar(&self, place: Rect) -> Pixels {
        let last = f64::from((place.width - 1).max(1));
        let share = |x: i32| f64::from(x - place.left) / last;
        let color = |t: f64| self.scale.color(if self.scale.is_diverging() { 2.0 * t - 1.0 } else { t });
        Pixels::new(place, |x, _| if self.max > 0.0 { color(share(x)) } else { self.paper })
    }

    /// The largest of a block of cells, on a diverging scale by its distance from zero; `None` when one of them is
    /// not a finite number.
    fn strongest(&self, data: &[f32], width: usize, rows: Range<usize>, columns: Range<usize>) -> Option<f64> {
        let size = |v: f32| if self.scale.is_diverging() { v.abs() } else { v };
        let mut strongest: Option<f32> = None;
        for row in rows {
            for &value in data.get(row * width + columns.start..row * width + columns.end)? {
                if !value.is_finite() {
                    return None;
                }
                if strongest.is_none_or(|before| size(value) > size(before)) {
                    strongest = Some(value);
                }
            }
        }
        strongest.map(f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::bands::spans;

    const PAPER: RGBColor = RGBColor(255, 255, 255);

    fn style(max: f64, gap: i32) -> CellStyle {
        let scale = ColorScale::sequential(PAPER, false);
        CellStyle { scale, max, paper: PAPER, hatch: RGBColor(9, 9, 9), stroke: 1, gap }
    }

    fn pixel(pixels: &Pixels, x: i32, y: i32) -> RGBColor {
        let at = 4 * (y * pixels.place.width + x) as usize;
        assert_eq!(pixels.rgba[at + 3], 255);
        RGBColor(pixels.rgba[at], pixels.rgba[at + 1], pixels.rgba[at + 2])
    }

    #[test]
    fn a_strip_has_exact_cell_edges() {
        let plot = Rect { left: 30, top: 20, width: 12, height: 8 };
        let (rows, columns) = (spans(2, 8), spans(3, 12));
        let data = [0.0, 1.0, 2.0, 2.0, -5.0, f32::NAN];
        let style = style(2.0, 0);
        let strip = style.strip(&data, 3, &rows[0], &columns, plot);
        assert_eq!((strip.place.top, strip.place.height), (20, 4));
        for y in 0..4 {
            for x in 0..12 {
                assert_eq!(pixel(&strip, x, y), style.scale.color([0.0, 0.5, 1.0][x as usize / 4]), "{x} {y}");
            }
        }
        let strip = style.strip(&data, 3, &rows[1], &columns, plot);
        assert_eq!(strip.place.top, 24);
        assert_eq!(pixel(&strip, 3, 0), style.scale.color(1.0));
        assert_eq!(pixel(&strip, 4, 0), PAPER);
        let hatched = (8..12).flat_map(|x| (0..4).map(move |y| (x, y))).filter(|&(x, y)| pixel(&strip, x, y) == style.hatch);
        assert_eq!(hatched.count(), 4);
    }

    #[test]
    fn gaps_are_paper() {
        let plot = Rect { left: 0, top: 0, width: 10, height: 5 };
        let strip = style(1.0, 1).strip(&[1.0, 1.0], 2, &spans(1, 5)[0], &spans(2, 10), plot);
        assert!((0..10).all(|x| (pixel(&strip, x, 0) == PAPER) == (x == 4 || x == 9)));
        assert!((0..10).all(|x| pixel(&strip, x, 4) == PAPER));
    }

    #[test]
    fn a_pixel_of_many_cells_shows_their_largest_and_hides_no_nan() {
        let mut data = vec![0.0; 1000];
        data[437] = 3.0;
        data[999] = f32::INFINITY;
        let plot = Rect { left: 0, top: 0, width: 10, height: 4 };
        let strip = style(3.0, 0).strip(&data, 1000, &spans(1, 4)[0], &spans(1000, 10), plot);
        let colors: Vec<RGBColor> = (0..10).map(|x| pixel(&strip, x, 0)).collect();
        assert_eq!(colors.iter().filter(|c| **c == PAPER).count(), 9);
        assert_eq!(colors[4], style(3.0, 0).scale.color(1.0));
        assert!((0..4).any(|y| pixel(&strip, 9, y) == RGBColor(9, 9, 9)));
    }

    #[test]
    fn a_diverging_scale_keeps_the_sign_of_what_is_strongest() {
        let scale = ColorScale::diverging(PAPER, false);
        let style = CellStyle { scale, ..style(2.0, 0) };
        let plot = Rect { left: 0, top: 0, width: 2, height: 1 };
        let strip = style.strip(&[0.5, -2.0, 1.0, 0.0], 4, &spans(1, 1)[0], &spans(4, 2), plot);
        assert_eq!((pixel(&strip, 0, 0), pixel(&strip, 1, 0)), (style.scale.color(-1.0), style.scale.color(0.5)));
        let bar = style.bar(Rect { left: 5, top: 0, width: 101, height: 2 });
        assert_eq!([0, 50, 100].map(|x| pixel(&bar, x, 1)), [-1.0, 0.0, 1.0].map(|t| style.scale.color(t)));
    }
}
