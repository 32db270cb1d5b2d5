//! What a loss is to be compared with, exactly: features are independent, so nothing has to be sampled.

use super::data::Values;

/// The loss of predicting 0: the mean over features of I_i E[x_i²].
pub fn zero_loss(probability: f64, values: Values, importance: &[f64]) -> f64 {
    let (_, square) = values.moments();
    mean(importance) * probability * square
}

/// The least loss of any affine map through `n_hidden` dimensions, a principal component analysis.
///
/// Independent features have a diagonal covariance, so the best is to keep those with the largest I_i · var(x_i) and to predict
/// the mean of the others.
pub fn pca_loss(probability: f64, values: Values, importance: &[f64], n_hidden: usize) -> f64 {
    let (mean_active, square) = values.moments();
    let variance = probability * square - (probability * mean_active).powi(2);
    let mut sorted = importance.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let lost: f64 = sorted.iter().skip(n_hidden).sum();
    lost * variance / importance.len().max(1) as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
