//! Lines across a plot at values worth comparing with.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::HPos;
use serde::Deserialize;

use crate::Result;

use super::plane::Plane;
use super::sheet::{Dash, Font, Rect};

/// A line across the plot: horizontal at `y`, vertical at `x`; with neither, none.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    #[serde(default)]
    pub y: Option<f64>,
    #[serde(default)]
    pub x: Option<f64>,
    #[serde(default)]
    pub label: String,
    #[serde(default = "yes")]
    pub dash: bool,
}

fn yes() -> bool {
    true
}

impl Rule {
    pub fn at_y(y: f64, label: impl Into<String>) -> Self {
        Self { y: Some(y), x: None, label: label.into(), dash: true }
    }

    pub fn at_x(x: f64, label: impl Into<String>) -> Self {
        Self { y: None, x: Some(x), label: label.into(), dash: true }
    }
}

impl<DB: DrawingBackend> Plane<'_, '_, DB> {
    /// The rules, each label where it covers least: of what is in `taken`, to which it is added, and of the data, of
    /// which `covered` says how much lies in a rectangle.
    pub fn rules(&self, rules: &[Rule], taken: &mut Vec<Rect>, covered: impl Fn(&Rect) -> usize) -> Result<()> {
        for rule in rules {
            if let Some(y) = rule.y.and_then(|y| self.y.fraction(y)).filter(within) {
                let y = self.y_at(y);
                self.stroke(vec![(self.plot.left, y), (self.plot.right(), y)], rule)?;
                self.label(&rule.label, taken, &covered, |width, height| self.beside_horizontal(y, width, height))?;
            }
            if let Some(x) = rule.x.and_then(|x| self.x.fraction(x)).filter(within) {
                let x = self.x_at(x);
                self.stroke(vec![(x, self.plot.top), (x, self.plot.bottom())], rule)?;
                self.label(&rule.label, taken, &covered, |width, height| self.beside_vertical(x, width, height))?;
            }
        }
        Ok(())
    }

    fn stroke(&self, ends: Vec<(i32, i32)>, rule: &Rule) -> Result<()> {
        let dash = if rule.dash { Dash::RULE } else { Dash::None };
        self.sheet.path(ends, self.sheet.palette.quiet, 1.0, 1.0, dash)
    }

    fn beside_horizontal(&self, y: i32, width: i32, height: i32) -> Vec<Rect> {
        let (near, far) = (self.plot.left + self.sheet.px(6.0), self.plot.right() - self.sheet.px(6.0) - width);
        let tops = [y - height - self.sheet.px(1.0), y + self.sheet.px(2.0)];
        let lefts = [near, far, near + (far - near) / 2];
        lefts.into_iter().flat_map(|left| tops.map(|top| Rect { left, top, width, height })).collect()
    }

    fn beside_vertical(&self, x: i32, width: i32, height: i32) -> Vec<Rect> {
        let gap = self.sheet.px(5.0);
        let (top, bottom) = (self.plot.top, self.plot.bottom() - height - gap);
        let tops = [top, top + height, top + 2 * height, top + (bottom - top) / 2, bottom];
        // Beside the line, else over it.
        let lefts = [x + gap, x - gap - width, self.plot.left + gap, self.plot.right() - gap - width];
        let places = tops.into_iter().flat_map(|top| lefts.map(|left| Rect { left, top, width, height }));
        places.filter(|area| self.plot.contains(area)).collect()
    }

    fn label(&self, text: &str, taken: &mut Vec<Rect>, covered: impl Fn(&Rect) -> usize, places: impl Fn(i32, i32) -> Vec<Rect>) -> Result<()> {
        let sheet = self.sheet;
        let text = sheet.fit(text, Font::Label, self.plot.width - sheet.px(12.0))?;
        if text.is_empty() {
            return Ok(());
        }
        let (width, height) = (sheet.width(&text, Font::Label)?, sheet.px(Font::Label.line()));
        let cost = |area: &Rect| {
            let over = taken.iter().filter(|other| area.overlaps(other)).count();
            10 * over + 5 * usize::from(!self.plot.contains(area)) + covered(area).min(4)
        };
        let Some(area) = places(width, height).into_iter().min_by_key(cost) else { return Ok(()) };
        sheet.fill(area, sheet.palette.paper, 0.8)?;
        let at = (area.left, area.top + area.height / 2);
        sheet.text(&text, Font::Label, sheet.palette.quiet, at, HPos::Left)?;
        taken.push(area);
        Ok(())
    }
}

fn within(place: &f64) -> bool {
    (0.0..=1.0).contains(place)
}
