//! Colours: the page's theme, and the scales of the heat map.

use plotters::style::RGBColor;
use serde::Deserialize;

use crate::Result;
use crate::error::LabError;

/// Okabe and Ito's colours (2008), told apart under all common colour blindness, in an order whose
/// first five stand out from white and from near-black paper.
const OKABE_ITO: [&str; 6] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];

/// The page's colours, as `#rrggbb`.
#[derive(Debug, Clone, Deserialize)]
pub struct Theme {
    /// Behind everything.
    pub paper: String,
    /// Text that must be read.
    pub ink: String,
    /// Ticks, axis names, rules.
    pub quiet: String,
    /// The grid.
    pub line: String,
    /// One colour per line of a plot, used in turn; Okabe-Ito when empty.
    #[serde(default)]
    pub series: Vec<String>,
}

/// A [`Theme`] that was read.
#[derive(Debug, Clone)]
pub struct Palette {
    pub paper: RGBColor,
    pub ink: RGBColor,
    pub quiet: RGBColor,
    pub line: RGBColor,
    series: Vec<RGBColor>,
}

impl Palette {
    pub fn new(theme: &Theme) -> Result<Self> {
        let default = OKABE_ITO.map(String::from);
        let series = if theme.series.is_empty() { &default[..] } else { &theme.series };
        Ok(Self {
            paper: parse("theme.paper", &theme.paper)?,
            ink: parse("theme.ink", &theme.ink)?,
            quiet: parse("theme.quiet", &theme.quiet)?,
            line: parse("theme.line", &theme.line)?,
            series: series.iter().map(|c| parse("theme.series", c)).collect::<Result<_>>()?,
        })
    }

    /// A colour of its own, which `name` says the setting of, or that of the `index`th series.
    pub fn own_or_series(&self, name: &str, own: Option<&str>, index: usize) -> Result<RGBColor> {
        own.map_or_else(|| Ok(self.series(index)), |color| parse(name, color))
    }

    /// The colour of the `index`th line.
    pub fn series(&self, index: usize) -> RGBColor {
        let turn = index % self.series.len().max(1);
        self.series.get(turn).copied().unwrap_or(self.ink)
    }
}

/// Reads `#rrggbb` (or `#rgb`); `name` is the setting it came from.
pub fn parse(name: &str, text: &str) -> Result<RGBColor> {
    let digits: Option<Vec<u8>> = text.strip_prefix('#').and_then(|hex| hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect());
    match digits.as_deref() {
        Some(&[r, s, g, h, b, c]) => Ok(RGBColor(16 * r + s, 16 * g + h, 16 * b + c)),
        Some(&[r, g, b]) => Ok(RGBColor(17 * r, 17 * g, 17 * b)),
        _ => Err(LabError::setting(name, format!("\"{text}\""), "a colour written as #rrggbb")),
    }
}

/// `a` at 0, `b` at 1, straight through sRGB.
pub fn mix(a: RGBColor, b: RGBColor, t: f64) -> RGBColor {
    let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * t).round() as u8;
    RGBColor(channel(a.0, b.0), channel(a.1, b.1), channel(a.2, b.2))
}

/// Whether text on this paper has to be light.
pub fn is_dark(paper: RGBColor) -> bool {
    Oklab::from(paper).l < 0.5
}

/// The colours of a heat map, by the fraction of the largest value.
pub struct ColorScale {
    above: [RGBColor; 256],
    /// For values below zero, which otherwise count as zero.
    below: Option<[RGBColor; 256]>,
}

impl ColorScale {
    /// For values from zero up. Zero is the paper itself, so an empty cell vanishes into the page; from there the
    /// lightness runs straight to the far end of cividis (dark blue on light paper, yellow on dark paper: more is
    /// always further from the paper) and the hue is the one cividis has at that lightness, fading in over the first
    /// quarter so that small values do not shout.
    pub fn sequential(paper: RGBColor, dark: bool) -> Self {
        let cividis = CIVIDIS.map(|[r, g, b]| Oklab::from(RGBColor(r, g, b)));
        let zero = Oklab::from(paper);
        let [first, .., last] = cividis;
        let end = if dark { last } else { first };
        let above = from_paper(paper, |t| {
            let l = zero.l + (end.l - zero.l) * t;
            let hue = at_lightness(&cividis, l);
            let fade = (t / 0.25).min(1.0);
            let fade = fade * fade * (3.0 - 2.0 * fade);
            Oklab { l, a: zero.a + (hue.a - zero.a) * fade, b: zero.b + (hue.b - zero.b) * fade }
        });
        Self { above, below: None }
    }

    /// For values on both sides of zero: blue below, orange above, the paper at zero. Both ends are as far from the
    /// paper and as light as each other, so that neither sign looks larger.
    pub fn diverging(paper: RGBColor, dark: bool) -> Self {
        let zero = Oklab::from(paper);
        let (l, chroma) = if dark { (0.78, 0.13) } else { (0.55, 0.14) };
        let towards = |degrees: f64| {
            let end = Oklab { l, a: chroma * degrees.to_radians().cos(), b: chroma * degrees.to_radians().sin() };
            from_paper(paper, |t| {
                // The hue comes a little before the darkness: pale blue and pale orange are told apart sooner than two greys.
                let hue = t.powf(0.8);
                Oklab { l: zero.l + (end.l - zero.l) * t, a: zero.a + (end.a - zero.a) * hue, b: zero.b + (end.b - zero.b) * hue }
            })
        };
        Self { above: towards(if dark { 65.0 } else { 53.0 }), below: Some(towards(250.0)) }
    }

    pub fn is_diverging(&self) -> bool {
        self.below.is_some()
    }

    /// The colour of `fraction` of the maximum; beyond one counts as one.
    pub fn color(&self, fraction: f64) -> RGBColor {
        let table = if fraction < 0.0 { self.below.as_ref() } else { Some(&self.above) };
        let Some(table) = table else { return self.above[0] };
        // The cast saturates and takes NaN to 0. Any value off zero gets a colour of its own.
        let size = fraction.abs();
        let index = if size > 0.0 { (size * 255.0).round().clamp(1.0, 255.0) as usize } else { 0 };
        table.get(index).copied().unwrap_or(table[255])
    }
}

/// A table whose first colour is the paper, exactly.
fn from_paper(paper: RGBColor, color: impl Fn(f64) -> Oklab) -> [RGBColor; 256] {
    std::array::from_fn(|i| if i == 0 { paper } else { color(i as f64 / 255.0).into() })
}

/// The point of a table of rising lightness where the lightness is `l`.
fn at_lightness(table: &[Oklab], l: f64) -> Oklab {
    let after = table.partition_point(|c| c.l < l).clamp(1, table.len() - 1);
    let (p, q) = (table[after - 1], table[after]);
    let t = ((l - p.l) / (q.l - p.l).max(1e-9)).clamp(0.0, 1.0);
    Oklab { l, a: p.a + (q.a - p.a) * t, b: p.b + (q.b - p.b) * t }
}

/// Ottosson's Oklab (2020): a colour space in which equal distances look equal. `l` is 0 for black, 1 for white.
#[derive(Debug, Clone, Copy)]
struct Oklab {
    l: f64,
    a: f64,
    b: f64,
}

impl From<RGBColor> for Oklab {
    fn from(color: RGBColor) -> Self {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let (r, g, b) = (linear(color.0), linear(color.1), linear(color.2));
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        Self {
            l: 0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            a: 1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            b: 0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        }
    }
}

impl From<Oklab> for RGBColor {
    fn from(c: Oklab) -> Self {
        let l = (c.l + 0.396_337_777_4 * c.a + 0.215_803_757_3 * c.b).powi(3);
        let m = (c.l - 0.105_561_345_8 * c.a - 0.063_854_172_8 * c.b).powi(3);
        let s = (c.l - 0.089_484_177_5 * c.a - 1.291_485_548_0 * c.b).powi(3);
        let gamma = |c: f64| {
            let c = c.clamp(0.0, 1.0);
            let c = if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
            (255.0 * c).round() as u8
        };
        RGBColor(
            gamma(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
            gamma(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
            gamma(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s),
        )
    }
}

/// Every eighth colour of cividis (Nuñez, Anderton and Renslow 2018), dark to light.
#[rustfmt::skip]
const CIVIDIS: [[u8; 3]; 33] = [
    [0, 34, 78], [0, 40, 91], [0, 46, 106], [5, 51, 113], [26, 56, 111], [39, 62, 110],
    [50, 67, 109], [59, 73, 108], [67, 78, 108], [75, 84, 108], [83, 90, 109], [90, 95, 110],
    [97, 101, 111], [104, 106, 113], [111, 112, 115], [118, 118, 118], [125, 124, 120], [131, 129, 121],
    [139, 135, 120], [146, 141, 120], [154, 147, 118], [162, 153, 117], [170, 160, 115], [179, 166, 112],
    [187, 173, 109], [195, 179, 105], [204, 186, 100], [212, 193, 95], [221, 200, 88], [230, 208, 81],
    [239, 215, 72], [248, 223, 60], [254, 232, 56],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn papers() -> [(RGBColor, bool); 2] {
        [(RGBColor(255, 255, 255), false), (RGBColor(20, 23, 27), true)]
    }

    #[test]
    fn colours_are_read_or_refused_by_name() {
        assert_eq!(parse("x", "#0072B2").unwrap(), RGBColor(0, 0x72, 0xb2));
        assert_eq!(parse("x", "#fa0").unwrap(), RGBColor(255, 170, 0));
        for bad in ["", "#", "red", "#12345", "#1234567", "0072B2", "#00é2b2", "#+1+1+1"] {
            let error = parse("theme.ink", bad).unwrap_err();
            assert_eq!(error.code, "LAB-BAD-SETTING");
            assert!(error.message.contains("theme.ink"), "{error}");
        }
    }

    #[test]
    fn oklab_goes_there_and_back() {
        for c in [RGBColor(0, 0, 0), RGBColor(255, 255, 255), RGBColor(12, 200, 99), RGBColor(0xfe, 0xe8, 0x38)] {
            assert_eq!(RGBColor::from(Oklab::from(c)), c);
        }
        assert!((Oklab::from(RGBColor(255, 255, 255)).l - 1.0).abs() < 1e-6);
    }

    #[test]
    fn zero_is_the_paper_and_more_is_always_further_from_it() {
        for (paper, dark) in papers() {
            let scale = ColorScale::sequential(paper, dark);
            for nothing in [0.0, -0.0, -3.0, f64::NAN] {
                assert_eq!(scale.color(nothing), paper);
            }
            let l: Vec<f64> = (0..=255).map(|i| Oklab::from(scale.color(i as f64 / 255.0)).l).collect();
            assert!(l.windows(2).all(|w| if dark { w[1] > w[0] - 0.002 } else { w[1] < w[0] + 0.002 }));
            // Equal steps of the value are equal steps of lightness.
            for i in [64, 128, 192] {
                let straight = l[0] + (l[255] - l[0]) * i as f64 / 255.0;
                assert!((l[i] - straight).abs() < 0.01, "{i}: {} {straight}", l[i]);
            }
        }
    }

    #[test]
    fn the_far_end_is_the_end_of_cividis() {
        let near = |a: RGBColor, b: RGBColor| a.0.abs_diff(b.0) < 3 && a.1.abs_diff(b.1) < 3 && a.2.abs_diff(b.2) < 3;
        assert!(near(ColorScale::sequential(RGBColor(255, 255, 255), false).color(9.0), RGBColor(0x00, 0x22, 0x4e)));
        assert!(near(ColorScale::sequential(RGBColor(20, 23, 27), true).color(1.0), RGBColor(0xfe, 0xe8, 0x38)));
    }

    #[test]
    fn both_signs_are_as_far_from_the_paper() {
        for (paper, dark) in papers() {
            let scale = ColorScale::diverging(paper, dark);
            assert_eq!([0.0, -0.0, f64::NAN].map(|zero| scale.color(zero)), [paper; 3]);
            for t in [0.1, 0.3, 0.6, 1.0, 7.0] {
                let (below, above) = (Oklab::from(scale.color(-t)), Oklab::from(scale.color(t)));
                assert!((below.l - above.l).abs() < 0.015, "{t}: {below:?} {above:?}");
                assert!(below.b < above.b && below.a < above.a, "blue below, orange above");
            }
            let l: Vec<f64> = (0..=255).map(|i| Oklab::from(scale.color(i as f64 / -255.0)).l).collect();
            assert!(l.windows(2).all(|w| if dark { w[1] > w[0] - 0.003 } else { w[1] < w[0] + 0.003 }));
        }
    }
}
