//! What an SAE's features respond to, and how good it is: one question per file.

mod auroc;
mod coactivation;
mod concepts;
mod contrast;
mod decompose;
mod density;
mod examples;
mod feature_acts;
mod heatmap;
mod matching;
mod passes;
mod per_token;
mod probe;
mod quality;
mod splice;
mod strongest;
mod top_features;

pub use coactivation::{Coactivation, CoactivationSettings, Pair, coactivation};
pub use concepts::{ConceptFeature, Concepts, ConceptsSettings, Per, concepts};
pub use contrast::{Contrast, contrast};
pub use decompose::{Decomposition, FeatureCosine, FeatureValue, decompose};
pub use density::{DENSE_ABOVE, Histogram, Latents};
pub use examples::{Example, ExampleOrder, Examples, ExamplesSettings, examples};
pub use feature_acts::{FeatureActs, feature_acts};
pub use heatmap::{Heatmap, HeatmapSettings, heatmap};
pub use matching::{Cosines, Matching, matching};
pub use per_token::{Activation, PerToken, per_token};
pub use probe::{Probe, ProbeSettings, probe};
pub use quality::{Figures, Quality, QualitySettings, quality};
pub use splice::{Spliced, SplicedSettings, spliced, token_sequences};
pub use strongest::Strongest;
pub use top_features::{Feature, Order, TopFeatures, top_features};

/// Rows encoded at once: bounds the features held on the device.
const ROWS_PER_PASS: usize = 1024;
