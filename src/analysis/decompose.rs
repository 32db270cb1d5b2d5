//! What an SAE makes of a direction: which features it is read as, and which decoder rows point its way.
//!
//! The two differ. Encoding takes the vector for an activation, with all that the biases expect of one (week 7); a cosine asks for
//! the direction alone, whatever its length.

use serde::Serialize;

use super::matching::unit_rows;
use super::passes::check_finite;
use crate::error::{Result, check_setting};
use crate::sae::{Inference, check_width};
use crate::tensors::{read, upload};

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FeatureValue {
    pub feature: usize,
    pub value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FeatureCosine {
    pub feature: usize,
    pub cosine: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Decomposition {
    /// How many features are above the threshold.
    pub active: usize,
    /// The largest of those, largest first.
    pub features: Vec<FeatureValue>,
    /// ‖SAE(v) − v‖²
    pub error: f64,
    /// ‖v‖
    pub norm: f64,
    /// The decoder rows that point most in the vector's direction.
    pub cosines: Vec<FeatureCosine>,
}

/// Encodes `vector` itself and compares it with the decoder's rows.
pub async fn decompose(sae: &Inference, vector: &[f32], k: usize, threshold: f64) -> Result<Decomposition> {
    sae.check_width(vector.len())?;
    check_width(vector.len(), sae.d_out())?;
    check_setting(k >= 1, "k", k, "at least 1")?;
    check_setting(threshold >= 0.0, "threshold", threshold, "at least 0")?;
    let x = upload(vector.to_vec(), [1, vector.len()], &sae.w_dec().device());
    let (f, y) = sae.reconstruct(x.clone());
    let cosines = unit_rows(sae.w_dec()).matmul(unit_rows(x).transpose()); // [d_sae, 1]
    let (f, y, cosines) = (read(f).await?.data, read(y).await?.data, read(cosines).await?.data);
    check_finite(&f)?;
    let mut active: Vec<usize> = (0..f.len()).filter(|&i| f64::from(f[i]) > threshold).collect();
    active.sort_by(|&a, &b| f[b].total_cmp(&f[a]).then(a.cmp(&b)));
    let mut aligned: Vec<usize> = (0..cosines.len()).collect();
    aligned.sort_by(|&a, &b| cosines[b].total_cmp(&cosines[a]).then(a.cmp(&b)));
    Ok(Decomposition {
        active: active.len(),
        features: active.into_iter().take(k).map(|feature| FeatureValue { feature, value: f[feature].into() }).collect(),
        error: y.iter().zip(vector).map(|(&y, &x)| (f64::from(y) - f64::from(x)).powi(2)).sum(),
        norm: vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt(),
        cosines: aligned.into_iter().take(k).map(|feature| FeatureCosine { feature, cosine: f64::from(cosines[feature].clamp(-1.0, 1.0)) }).collect(),
    })
}
