//! What an SAE's features respond to, and how good it is: one question per file.

mod coactivation;
mod density;
mod examples;
mod feature_acts;
mod heatmap;
mod passes;
mod per_token;
mod quality;
mod splice;
mod strongest;
mod top_features;

pub use coactivation::{Coactivation, CoactivationSettings, MOST_FEATURES, Pair, coactivation};
pub use density::{DENSE_ABOVE, Histogram, Latents};
pub use examples::{Example, ExampleOrder, Examples, ExamplesSettings, examples};
pub use feature_acts::{FeatureActs, feature_acts};
pub use heatmap::{Heatmap, HeatmapSettings, heatmap};
pub use per_token::{Activation, PerToken, per_token};
pub use quality::{Figures, Quality, QualitySettings, quality};
pub use splice::{Spliced, SplicedSettings, spliced, token_sequences};
pub use strongest::Strongest;
pub use top_features::{Feature, Order, TopFeatures, top_features};

/// Rows encoded at once: bounds the features held on the device.
const ROWS_PER_PASS: usize = 1024;
