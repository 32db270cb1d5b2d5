//! What an SAE's features respond to, and how good it is: one question per file.

mod density;
mod examples;
mod heatmap;
mod quality;
mod splice;
mod top_features;

pub use density::{DENSE_ABOVE, Histogram, Latents};
pub use examples::{Example, Examples, ExamplesSettings, examples};
pub use heatmap::{Heatmap, HeatmapSettings, heatmap};
pub use quality::{Figures, Quality, QualitySettings, quality};
pub use splice::{Spliced, SplicedSettings, spliced, token_sequences};
pub use top_features::{Feature, Order, TopFeatures, top_features};

/// Rows encoded at once: bounds the features held on the device.
const ROWS_PER_PASS: usize = 1024;

/// Fewer where an SAE is wide: at most 32 MB of features at once, but at least 64 rows.
fn rows_per_pass(d_sae: usize) -> usize {
    ((1 << 23) / d_sae.max(1)).clamp(64, ROWS_PER_PASS)
}
