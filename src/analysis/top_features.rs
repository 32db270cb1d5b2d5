//! Which features are most active on a data set.

use burn::tensor::Tensor;
use serde::Serialize;

use super::passes::{chosen_rows, encoded};
use crate::activations::Activations;
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};
use crate::sae::Inference;
use crate::tensors::read;

/// What to rank by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Mean when active × frequency: lab-c4's score, equal to the mean over all rows.
    Score,
    Frequency,
    Mean,
    Max,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    pub feature: usize,
    /// Mean over the rows where it is above zero.
    pub mean_active: f64,
    /// Fraction of rows where it is above zero.
    pub frequency: f64,
    /// Mean over all rows.
    pub mean: f64,
    pub max: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct TopFeatures {
    /// Rows looked at.
    pub rows: usize,
    /// Features above zero on at least one of them.
    pub alive: usize,
    pub features: Vec<Feature>,
}

/// The `k` most active features. Reads three numbers a feature from the device.
pub async fn top_features(
    sae: &Inference,
    acts: &Activations,
    k: usize,
    order: Order,
    skip_position_0: bool,
    pause: &impl Checkpoint,
) -> Result<TopFeatures> {
    let d_sae = sae.d_sae();
    check_setting(k >= 1, "k", k, "at least 1")?;
    sae.check_width(acts.width())?;
    let rows = chosen_rows(acts, skip_position_0)?;
    let mut sums: Option<(Tensor<2>, Tensor<2>, Tensor<2>)> = None;
    for (f, done) in encoded(sae, acts, &rows) {
        let (sum, active, max) = (f.clone().sum_dim(0), f.clone().sign().sum_dim(0), f.max_dim(0));
        sums = Some(match sums {
            Some((s, a, m)) => (s + sum, a + active, m.max_pair(max)),
            None => (sum, active, max),
        });
        pause.reached(Progress::Analyse { done, total: rows.len() }).await?;
    }
    let Some((sum, active, max)) = sums else { unreachable!("rows is not empty") };
    let table = read(Tensor::cat(vec![sum, active, max], 0)).await?.data; // [3, d_sae]
    let n = rows.len() as f64;
    let mut features: Vec<Feature> = (0..d_sae)
        .map(|feature| {
            let of = |row: usize| f64::from(table[row * d_sae + feature]);
            let (sum, active, max) = (of(0), of(1), of(2));
            Feature { feature, mean_active: sum / active.max(1.0), frequency: active / n, mean: sum / n, max }
        })
        .collect();
    let alive = features.iter().filter(|f| f.frequency > 0.0).count();
    let key = |f: &Feature| match order {
        Order::Score => f.mean_active * f.frequency,
        Order::Frequency => f.frequency,
        Order::Mean => f.mean,
        Order::Max => f.max,
    };
    features.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.feature.cmp(&b.feature)));
    features.truncate(k);
    Ok(TopFeatures { rows: rows.len(), alive, features })
}
