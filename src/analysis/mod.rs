//! What an SAE's features respond to: one question per file.

mod examples;
mod heatmap;
mod top_features;

pub use examples::{Example, Examples, ExamplesSettings, examples};
pub use heatmap::{Heatmap, HeatmapSettings, heatmap};
pub use top_features::{Feature, Order, TopFeatures, top_features};

/// Rows encoded at once: bounds the features held on the device.
const ROWS_PER_PASS: usize = 1024;
