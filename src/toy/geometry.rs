//! How features share the hidden dimensions.

use super::linear::dot;
use super::weights::Weights;

/// ‖W_i‖ of every feature's row of the decoder.
pub fn norms(weights: &Weights) -> Vec<f64> {
    weights.decoder().chunks_exact(weights.n_hidden).map(|w| dot(w, w).sqrt()).collect()
}

/// The paper's feature dimensionality D_i = ‖W_i‖² / Σ_j (Ŵ_i · W_j)², the part of a dimension that a feature has for itself:
/// 1 alone, 1/2 in an antipodal pair, 2/5 in a pentagon, 0 where it is not represented.
pub fn dimensionality(weights: &Weights) -> Vec<f64> {
    let rows: Vec<&[f64]> = weights.decoder().chunks_exact(weights.n_hidden).collect();
    let of = |w: &[f64]| {
        let square = dot(w, w);
        let shared: f64 = rows.iter().map(|other| dot(w, other).powi(2)).sum();
        if shared > 0.0 { square * square / shared } else { 0.0 }
    };
    rows.iter().map(|w| of(w)).collect()
}
