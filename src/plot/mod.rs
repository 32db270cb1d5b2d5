//! Plots: curves, scatter, arrows, bars and heat maps, drawn with plotters on any of its backends.
//!
//! ```text
//! Curves, Scatter, Arrows, Bars, HeatMap    what to draw: plain data, lengths in CSS pixels, colours as #rrggbb
//!     │
//!  frame, plane       where the parts go; axes, legend and rules around the data (the heat map has its own)
//!  bands, labels      names below bands and beside points; scales (axes, ticks), numbers (their texts), color
//!     │
//!   Sheet              texts, lines and marks on whole device pixels
//!     │      ╲
//!  plotters   Pixels   the heat map's cells, for ImageData
//! ```
//!
//! Drawing never computes: what arrives here are the numbers that are shown. Nothing here panics on any
//! input, since a panic would end the page's instance of the module.

pub mod arrows;
mod bands;
pub mod bars;
mod color;
pub mod curves;
mod frame;
pub mod heatmap;
mod labels;
mod numbers;
mod plane;
mod rules;
mod scales;
pub mod scatter;
mod sheet;
mod spread;

#[cfg(test)]
mod paper;

use serde::{Deserialize, Deserializer};

pub use arrows::Arrows;
pub use bars::Bars;
pub use color::Theme;
pub use curves::Curves;
pub use heatmap::{HeatMap, Pixels};
pub use plane::Drawn;
pub use rules::Rule;
pub use scatter::Scatter;
pub use sheet::Rect;

/// Numbers in which JavaScript's `null` stands for a missing one.
fn with_gaps<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(from)?;
    Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}
