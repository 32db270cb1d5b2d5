//! The plots on the page: `plotCurves`, `plotScatter`, `plotArrows`, `plotBars` and `plotHeatmap`, drawn on an
//! `HtmlCanvasElement`.
//!
//! plotters-canvas counts in whole pixels and plotters measures a text by putting a styled element into the page,
//! which a strict content security policy forbids and which costs a layout of the page each time. So [`FineCanvas`]
//! stands between: it counts in eighths of a pixel and measures with the canvas's own `measureText`.

use js_sys::{Array, Float32Array, Reflect};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use plotters_canvas::CanvasBackend;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::convert::{from_js, to_js};
use crate::error::{LabError, Result, code};
use crate::plot::{Drawn, HeatMap, Pixels, arrows, bars, curves, heatmap, scatter};

/// Units of [`FineCanvas`] in a device pixel.
const GRAIN: i32 = 8;

type JsResult = std::result::Result<JsValue, JsValue>;
type Area = DrawingArea<FineCanvas, Shift>;

/// Draws [`Curves`](curves::Curves), given with camelCase names. Returns `{plot: {left, top, width, height},
/// x: [min, max], y: [min, max]}`, the plot in device pixels, as all plots with two axes do.
#[wasm_bindgen(js_name = plotCurves)]
pub fn plot_curves(canvas: JsValue, spec: JsValue) -> JsResult {
    on_axes(canvas, spec, curves::draw)
}

/// Draws a [`Scatter`](scatter::Scatter).
#[wasm_bindgen(js_name = plotScatter)]
pub fn plot_scatter(canvas: JsValue, spec: JsValue) -> JsResult {
    on_axes(canvas, spec, scatter::draw)
}

/// Draws [`Arrows`](arrows::Arrows).
#[wasm_bindgen(js_name = plotArrows)]
pub fn plot_arrows(canvas: JsValue, spec: JsValue) -> JsResult {
    on_axes(canvas, spec, arrows::draw)
}

/// Draws [`Bars`](bars::Bars).
#[wasm_bindgen(js_name = plotBars)]
pub fn plot_bars(canvas: JsValue, spec: JsValue) -> JsResult {
    on_axes(canvas, spec, bars::draw)
}

fn on_axes<S: DeserializeOwned>(canvas: JsValue, spec: JsValue, draw: impl Fn(&Area, i32, &S) -> Result<Drawn>) -> JsResult {
    let spec: S = from_js(spec)?;
    let canvas = Prepared::new(canvas)?;
    let drawn = draw(&canvas.backend()?.into_drawing_area(), GRAIN, &spec)?;
    Ok(to_js(&drawn)?)
}

/// Draws a [`HeatMap`], given with camelCase names, of `data` (a `Float32Array`, row after row). Returns
/// `{plot: {left, top, width, height}, max}`, the plot in device pixels.
#[wasm_bindgen(js_name = plotHeatmap)]
pub fn plot_heatmap(canvas: JsValue, data: JsValue, spec: JsValue) -> JsResult {
    let spec: HeatMap = from_js(spec)?;
    let data: Float32Array = data.dyn_into().map_err(|_| wrong("The heat map's data is no Float32Array."))?;
    // An array whose buffer was transferred has no length left and must not be read.
    let data = if data.length() > 0 { data.to_vec() } else { Vec::new() };
    let canvas = Prepared::new(canvas)?;
    let mut paint = |pixels: Pixels| canvas.paint(pixels);
    let drawn = heatmap::draw(&canvas.backend()?.into_drawing_area(), GRAIN, &spec, &data, &mut paint)?;
    Ok(to_js(&drawn)?)
}

fn wrong(message: impl Into<String>) -> LabError {
    LabError::new(code::BAD_SETTING, message, "Call the plot with a canvas element, and settings as its description says.")
}

/// A canvas whose context is as plots need it; on drop the context is as it was before.
struct Prepared {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
}

impl Prepared {
    fn new(canvas: JsValue) -> Result<Self> {
        let canvas: HtmlCanvasElement = canvas.dyn_into().map_err(|_| wrong("The plot's canvas is no canvas element."))?;
        let context = canvas.get_context("2d").ok().flatten().and_then(|context| context.dyn_into().ok());
        let context: CanvasRenderingContext2d = context.ok_or_else(|| wrong("The plot's canvas has no 2d context: something else draws on it."))?;
        context.save();
        let prepared = Self { canvas, context };
        let context = &prepared.context;
        let fine = 1.0 / f64::from(GRAIN);
        let cannot = |_| wrong("The plot's canvas cannot be drawn on.");
        context.set_transform(fine, 0.0, 0.0, fine, 0.0, 0.0).map_err(cannot)?;
        context.set_line_dash(&Array::new()).map_err(cannot)?;
        context.set_global_composite_operation("source-over").map_err(cannot)?;
        context.set_global_alpha(1.0);
        context.set_shadow_blur(0.0);
        context.set_line_join("round");
        context.set_line_cap("butt");
        // On a page that reads right to left, "start" would mean right.
        let _ = Reflect::set(context, &"direction".into(), &"ltr".into());
        Ok(prepared)
    }

    fn backend(&self) -> Result<FineCanvas> {
        let inner = CanvasBackend::with_canvas_object(self.canvas.clone());
        let inner = inner.ok_or_else(|| wrong("The plot's canvas cannot be drawn on."))?;
        Ok(FineCanvas { inner, context: self.context.clone() })
    }

    /// Puts pixels on the canvas as they are.
    fn paint(&self, pixels: Pixels) -> Result<()> {
        let Pixels { place, rgba } = pixels;
        if place.is_empty() {
            return Ok(());
        }
        let (width, height) = (place.width as u32, place.height as u32);
        ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), width, height)
            .and_then(|image| self.context.put_image_data(&image, f64::from(place.left), f64::from(place.top)))
            .map_err(|_| wrong("The plot's canvas does not take the heat map's cells."))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.context.restore();
    }
}

/// plotters-canvas on a canvas that is scaled down by [`GRAIN`].
struct FineCanvas {
    inner: CanvasBackend,
    context: CanvasRenderingContext2d,
}

type Done = std::result::Result<(), DrawingErrorKind<<CanvasBackend as DrawingBackend>::ErrorType>>;

impl DrawingBackend for FineCanvas {
    type ErrorType = <CanvasBackend as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        let (width, height) = self.inner.get_size();
        (width.saturating_mul(GRAIN as u32), height.saturating_mul(GRAIN as u32))
    }

    fn ensure_prepared(&mut self) -> Done {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> Done {
        self.inner.present()
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Done {
        self.inner.draw_pixel(at, color)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Done {
        self.inner.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Done {
        self.inner.draw_rect(a, b, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Done {
        self.inner.draw_path(path, style)
    }

    fn draw_circle<S: BackendStyle>(&mut self, centre: BackendCoord, radius: u32, style: &S, fill: bool) -> Done {
        self.inner.draw_circle(centre, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Done {
        self.inner.fill_polygon(path, style)
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Done {
        self.inner.draw_text(text, style, at)
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, style: &S) -> std::result::Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let (size, family) = (style.size(), style.family());
        self.context.set_font(&format!("{} {size}px {}", style.style().as_str(), family.as_str()));
        let width = self.context.measure_text(text).map_or(0.0, |metrics| metrics.width());
        // The casts saturate.
        Ok((width.ceil() as u32, size.ceil() as u32))
    }
}
