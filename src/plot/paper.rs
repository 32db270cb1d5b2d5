//! For tests: a backend that remembers what was drawn on it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use plotters_backend::text_anchor::HPos;
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform};

use super::color::Theme;
use super::sheet::Rect;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

type Path = (Vec<(i32, i32)>, (u8, u8, u8), u32);
type Polygon = (Vec<(i32, i32)>, (u8, u8, u8));

/// What was drawn, in order of kinds.
#[derive(Debug, Default)]
pub struct Record {
    /// Texts with the rectangles they cover.
    pub texts: Vec<(String, Rect)>,
    /// Paths with colour and width.
    pub paths: Vec<Path>,
    pub dots: Vec<(i32, i32)>,
    pub fills: Vec<(Rect, (u8, u8, u8))>,
    /// Filled polygons by their corners.
    pub polygons: Vec<Polygon>,
}

impl Record {
    pub fn words(&self) -> Vec<&str> {
        self.texts.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// Two texts that overlap, or one that leaves the canvas.
    pub fn clash(&self, width: i32, height: i32) -> Option<String> {
        for (i, (text, a)) in self.texts.iter().enumerate() {
            if a.left < 0 || a.top < 0 || a.right() > width || a.bottom() > height {
                return Some(format!("{text:?} {a:?} leaves {width}×{height}"));
            }
            for (other, b) in &self.texts[..i] {
                if a.overlaps(b) {
                    return Some(format!("{text:?} {a:?} over {other:?} {b:?}"));
                }
            }
        }
        None
    }
}

/// A canvas of any size; letters are 0.6 of the font's size wide.
#[derive(Clone)]
pub struct Paper {
    size: (u32, u32),
    pub record: Rc<RefCell<Record>>,
}

impl Paper {
    pub fn new(width: u32, height: u32) -> Self {
        Self { size: (width, height), record: Rc::default() }
    }
}

/// The light theme.
pub fn theme() -> Theme {
    let color = |c: &str| c.to_string();
    Theme { paper: color("#fff"), ink: color("#111111"), quiet: color("#555555"), line: color("#dddddd"), series: vec![] }
}

fn width(text: &str, size: f64) -> i32 {
    (text.chars().count() as f64 * size * 0.6).ceil() as i32
}

impl DrawingBackend for Paper {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, _: BackendCoord, _: BackendColor) -> Drawn {
        panic!("a pixel at a time is too slow for a canvas")
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Drawn {
        assert!(fill);
        let rect = Rect { left: a.0, top: a.1, width: b.0 - a.0, height: b.1 - a.1 };
        self.record.borrow_mut().fills.push((rect, style.color().rgb));
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let path = (path.into_iter().collect(), style.color().rgb, style.stroke_width());
        self.record.borrow_mut().paths.push(path);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, centre: BackendCoord, _: u32, _: &S, _: bool) -> Drawn {
        self.record.borrow_mut().dots.push(centre);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        let polygon = (corners.into_iter().collect(), style.color().rgb);
        self.record.borrow_mut().polygons.push(polygon);
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        if text.is_empty() {
            return Ok(());
        }
        let (w, h) = (width(text, style.size()), style.size() as i32);
        let from = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -w / 2,
            HPos::Right => -w,
        };
        let rect = match style.transform() {
            FontTransform::Rotate270 => Rect { left: at.0 - h / 2, top: at.1 - from - w, width: h, height: w },
            _ => Rect { left: at.0 + from, top: at.1 - h / 2, width: w, height: h },
        };
        self.record.borrow_mut().texts.push((text.into(), rect));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, style: &S) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((width(text, style.size()) as u32, style.size() as u32))
    }
}
