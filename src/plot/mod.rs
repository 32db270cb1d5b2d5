//! Plots: curves and a heat map, drawn with plotters on any of its backends.
//!
//! ```text
//! Curves, HeatMap      what to draw: plain data, lengths in CSS pixels, colours as #rrggbb
//!     │
//!  curves, heatmap     layout, then drawing; scales (axes, ticks), numbers (their texts), color
//!     │
//!   Sheet              texts and lines on whole device pixels
//!     │      ╲
//!  plotters   Pixels   the heat map's cells, for ImageData
//! ```
//!
//! Drawing never computes: what arrives here are the numbers that are shown. Nothing here panics on any
//! input, since a panic would end the page's instance of the module.

mod color;
pub mod curves;
pub mod heatmap;
mod numbers;
mod scales;
mod sheet;

#[cfg(test)]
mod paper;

pub use color::Theme;
pub use curves::Curves;
pub use heatmap::{HeatMap, Pixels};
pub use sheet::Rect;
