//! What some features are on every row: columns of the encoded data set.

use burn::tensor::Tensor;

use super::passes::{chosen_rows, columns, encoded};
use crate::activations::Activations;
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};
use crate::sae::{Inference, check_feature};
use crate::tensors::read;

/// Values handed out at once: 64 MB.
const MOST_VALUES: usize = 1 << 24;

#[derive(Debug, Clone)]
pub struct FeatureActs {
    /// `[rows, features]`
    pub data: Vec<f32>,
    /// The number of each row in the data set.
    pub rows: Vec<u32>,
}

/// The activations of `features` in the order given.
pub async fn feature_acts(
    sae: &Inference,
    acts: &Activations,
    features: &[u32],
    skip_position_0: bool,
    pause: &impl Checkpoint,
) -> Result<FeatureActs> {
    sae.check_width(acts.width())?;
    check_setting(!features.is_empty(), "features", "empty", "a list of at least one feature")?;
    for &feature in features {
        check_feature(feature as usize, sae.d_sae())?;
    }
    let rows = chosen_rows(acts, skip_position_0)?;
    let most = MOST_VALUES / rows.len();
    let n = features.len();
    check_setting(n <= most, "features", format!("{n} long"), &format!("at most {most} long for {} rows", rows.len()))?;
    let mut parts = Vec::new();
    for (f, done) in encoded(sae, acts, &rows) {
        parts.push(columns(f, features));
        pause.reached(Progress::Analyse { done, total: rows.len() }).await?;
    }
    Ok(FeatureActs { data: read(Tensor::cat(parts, 0)).await?.data, rows })
}
