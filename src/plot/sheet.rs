//! The sheet of paper all plots draw on: sizes in CSS pixels, texts, lines on whole device pixels, marks.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle};
use serde::Serialize;

use crate::Result;
use crate::error::{LabError, check_setting, code};

use super::color::Palette;

const FAMILY: &str = "system-ui, sans-serif";
/// The largest canvas side that browsers draw.
const LARGEST_SIDE: u32 = 16_384;

/// The units of a backend: plotters counts in whole ones. `grain` of them make a device pixel (1 for an
/// ordinary backend, more for one that can place a line between two pixels), `scale` device pixels a CSS pixel.
#[derive(Debug, Clone, Copy)]
pub struct Units {
    pub scale: f64,
    pub grain: i32,
}

impl Units {
    /// `scale` is the caller's devicePixelRatio.
    pub fn new(scale: f64, grain: i32) -> Result<Self> {
        check_setting((0.1..=16.0).contains(&scale), "scale", scale, "the page's devicePixelRatio, from 0.1 to 16")?;
        Ok(Self { scale, grain: grain.max(1) })
    }

    /// A length in CSS pixels, on whole device pixels, never vanishing.
    pub fn px(&self, css: f64) -> i32 {
        let pixels = (css * self.scale).round() as i32;
        if css > 0.0 { pixels.max(1).saturating_mul(self.grain) } else { 0 }
    }

    /// A stroke or a radius in CSS pixels: as fine as the backend has it.
    fn fine(&self, css: f64) -> u32 {
        (css * self.scale * f64::from(self.grain)).round().max(1.0) as u32
    }

    /// The nearest whole device pixel.
    pub fn snap(&self, units: f64) -> i32 {
        ((units / f64::from(self.grain)).round() as i32).saturating_mul(self.grain)
    }
}

/// A rectangle in the backend's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Rect {
    pub left: i32,
    pub top: i32,
    pub width: i32,
    pub height: i32,
}

impl Rect {
    /// From its edges; never of negative size.
    pub fn between(left: i32, top: i32, right: i32, bottom: i32) -> Self {
        Self { left, top, width: (right - left).max(0), height: (bottom - top).max(0) }
    }

    pub fn right(&self) -> i32 {
        self.left + self.width
    }

    pub fn bottom(&self) -> i32 {
        self.top + self.height
    }

    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right() && other.left < self.right() && self.top < other.bottom() && other.top < self.bottom()
    }

    pub fn contains(&self, inner: &Self) -> bool {
        self.left <= inner.left && self.top <= inner.top && inner.right() <= self.right() && inner.bottom() <= self.bottom()
    }

    /// With its edges on whole device pixels.
    pub fn snapped(&self, units: &Units) -> Self {
        let snap = |v: i32| units.snap(f64::from(v));
        Self::between(snap(self.left), snap(self.top), snap(self.right()), snap(self.bottom()))
    }

    /// The same in device pixels.
    pub fn in_pixels(&self, units: &Units) -> Self {
        let g = units.grain;
        Self { left: self.left / g, top: self.top / g, width: self.width / g, height: self.height / g }
    }
}

/// The two kinds of text on a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Font {
    Label,
    Title,
}

impl Font {
    /// In CSS pixels.
    pub fn size(self) -> f64 {
        match self {
            Font::Label => 12.0,
            Font::Title => 14.0,
        }
    }

    /// Room for one line, in CSS pixels.
    pub fn line(self) -> f64 {
        self.size() * 1.35
    }
}

/// How a line is broken: a second channel beside its colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dash {
    None,
    /// Stroke and gap in CSS pixels.
    Of(f64, f64),
}

impl Dash {
    /// For what is no data: rules, guides.
    pub const RULE: Self = Self::Of(6.0, 4.0);

    /// The pattern of the `index`th line of a plot, told apart from its neighbours'.
    pub fn of(index: usize) -> Self {
        [Self::Of(10.0, 3.0), Self::RULE, Self::Of(2.0, 3.0), Self::Of(12.0, 5.0), Self::Of(4.0, 6.0)][index % 5]
    }
}

/// The mark of a point: a second channel beside its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Disc,
    Diamond,
    Triangle,
    Square,
}

impl Shape {
    /// The mark of the `index`th group of a plot.
    pub fn of(index: usize) -> Self {
        [Self::Disc, Self::Diamond, Self::Triangle, Self::Square][index % 4]
    }
}

/// A canvas with its units and colours.
pub struct Sheet<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    pub units: Units,
    pub palette: Palette,
    /// All of the canvas.
    pub all: Rect,
}

impl<'a, DB: DrawingBackend> Sheet<'a, DB> {
    pub fn new(area: &'a DrawingArea<DB, Shift>, units: Units, palette: Palette) -> Result<Self> {
        let (width, height) = area.dim_in_pixel();
        let side = width.max(height) / units.grain.unsigned_abs();
        check_setting(side <= LARGEST_SIDE, "the canvas's longer side", side, "at most 16384 pixels")?;
        let all = Rect { left: 0, top: 0, width: width as i32, height: height as i32 };
        Ok(Self { area, units, palette, all })
    }

    pub fn px(&self, css: f64) -> i32 {
        self.units.px(css)
    }

    /// The width of a text as it will be drawn.
    pub fn width(&self, text: &str, font: Font) -> Result<i32> {
        if text.is_empty() {
            return Ok(0);
        }
        let style = self.style(font, self.palette.ink);
        let width = self.area.estimate_text_size(text, &style)?.0.min(i32::MAX as u32 / 8);
        // On whole pixels, so that what is laid out beside it lies on one too.
        Ok(width.next_multiple_of(self.units.grain.unsigned_abs()) as i32)
    }

    /// The widest of several texts.
    pub fn widest<'t>(&self, texts: impl IntoIterator<Item = &'t str>, font: Font) -> Result<i32> {
        texts.into_iter().try_fold(0, |widest, text| Ok(widest.max(self.width(text, font)?)))
    }

    /// The text, or its beginning and "…" when it is wider than `room`.
    pub fn fit(&self, text: &str, font: Font, room: i32) -> Result<String> {
        // No label worth drawing is longer, and measuring has its price.
        let mut chars: Vec<char> = text.chars().take(200).collect();
        let whole = chars.len() == text.chars().count();
        if whole && self.width(text, font)? <= room {
            return Ok(text.into());
        }
        while !chars.is_empty() {
            let short = chars.iter().collect::<String>().trim_end().to_string() + "…";
            let width = self.width(&short, font)?;
            if width <= room {
                return Ok(short);
            }
            // Straight to the length that should fit, at least one character less.
            let fitting = (chars.len() as f64 * f64::from(room.max(0)) / f64::from(width)).ceil() as usize;
            chars.truncate(fitting.min(chars.len() - 1));
        }
        Ok(String::new())
    }

    /// Text at a point, which the anchor says is its left, middle or right, always its vertical middle.
    pub fn text(&self, text: &str, font: Font, color: RGBColor, at: (i32, i32), anchor: HPos) -> Result<()> {
        let style = self.style(font, color).pos(Pos::new(anchor, VPos::Center));
        Ok(self.area.draw(&Text::new(text, at, style))?)
    }

    /// Text reading upwards, its end at a point.
    pub fn text_up(&self, text: &str, color: RGBColor, at: (i32, i32)) -> Result<()> {
        let style = self.style(Font::Label, color).pos(Pos::new(HPos::Right, VPos::Center));
        Ok(self.area.draw(&Text::new(text, at, style.transform(FontTransform::Rotate270)))?)
    }

    fn style(&self, font: Font, color: RGBColor) -> TextStyle<'static> {
        let weight = if font == Font::Title { FontStyle::Bold } else { FontStyle::Normal };
        let size = font.size() * self.units.scale * f64::from(self.units.grain);
        TextStyle { color: color.to_backend_color(), ..TextStyle::from((FAMILY, size, weight)) }
    }

    pub fn fill(&self, rect: Rect, color: RGBColor, opacity: f64) -> Result<()> {
        let corners = [(rect.left, rect.top), (rect.right(), rect.bottom())];
        Ok(self.area.draw(&Rectangle::new(corners, color.mix(opacity).filled()))?)
    }

    /// A horizontal line as sharp as the screen allows, its top edge at `y`.
    pub fn horizontal(&self, left: i32, right: i32, y: i32, color: RGBColor) -> Result<()> {
        self.fill(Rect { left, top: y, width: right - left, height: self.px(1.0) }, color, 1.0)
    }

    /// A vertical one, its left edge at `x`.
    pub fn vertical(&self, x: i32, top: i32, bottom: i32, color: RGBColor) -> Result<()> {
        self.fill(Rect { left: x, top, width: self.px(1.0), height: bottom - top }, color, 1.0)
    }

    /// A line through points, `width` in CSS pixels.
    pub fn path(&self, points: Vec<(i32, i32)>, color: RGBColor, opacity: f64, width: f64, dash: Dash) -> Result<()> {
        let style = ShapeStyle { color: color.mix(opacity), filled: false, stroke_width: self.units.fine(width) };
        match dash {
            Dash::Of(stroke, gap) => Ok(self.area.draw(&DashedPathElement::new(points, self.px(stroke), self.px(gap), style))?),
            Dash::None => Ok(self.area.draw(&PathElement::new(points, style))?),
        }
    }

    /// A filled dot, `radius` in CSS pixels.
    pub fn dot(&self, at: (i32, i32), radius: f64, color: RGBColor) -> Result<()> {
        Ok(self.area.draw(&Circle::new(at, self.units.fine(radius), color.filled()))?)
    }

    /// A filled polygon.
    pub fn polygon(&self, corners: Vec<(i32, i32)>, color: RGBColor, opacity: f64) -> Result<()> {
        Ok(self.area.draw(&Polygon::new(corners, color.mix(opacity).filled()))?)
    }

    /// A filled mark of about the area of a dot with this radius.
    pub fn mark(&self, (x, y): (i32, i32), shape: Shape, radius: f64, color: RGBColor, opacity: f64) -> Result<()> {
        let r = |part: f64| self.units.fine(part * radius) as i32;
        match shape {
            Shape::Disc => Ok(self.area.draw(&Circle::new((x, y), self.units.fine(radius), color.mix(opacity).filled()))?),
            Shape::Square => self.fill(Rect::between(x - r(0.9), y - r(0.9), x + r(0.9), y + r(0.9)), color, opacity),
            Shape::Diamond => self.polygon(vec![(x, y - r(1.3)), (x + r(1.3), y), (x, y + r(1.3)), (x - r(1.3), y)], color, opacity),
            Shape::Triangle => self.polygon(vec![(x, y - r(1.3)), (x + r(1.25), y + r(0.9)), (x - r(1.25), y + r(0.9))], color, opacity),
        }
    }
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for LabError {
    fn from(cause: DrawingAreaErrorKind<E>) -> Self {
        LabError::new(
            code::BAD_SETTING,
            format!("The plot could not be drawn: {cause}."),
            "Give the plot a canvas that nothing else draws on, or reload the page.",
        )
    }
}
