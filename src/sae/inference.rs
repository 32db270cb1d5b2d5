//! An SAE as it is used on activations: the input normalised, encoded, decoded, the output
//! normalised back. What analysis, steering and quality work with.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::architecture::Architecture;
use super::check_width;
use super::config::Normalization;
use crate::error::Result;
use crate::tensors::upload;

#[derive(Clone)]
pub struct Inference {
    pub architecture: Rc<dyn Architecture>,
    normalization: Normalization,
}

/// A row-wise normalisation's inverse: `y · scale + shift`, `[rows, 1]` each.
pub type Denormalize = Option<(Tensor<2>, Tensor<2>)>;

impl Inference {
    pub fn new(architecture: Rc<dyn Architecture>, normalization: Normalization) -> Self {
        Self { architecture, normalization }
    }

    pub fn d_in(&self) -> usize {
        self.w_enc().dims()[0]
    }

    pub fn d_sae(&self) -> usize {
        self.w_enc().dims()[1]
    }

    pub fn d_out(&self) -> usize {
        self.w_dec().dims()[1]
    }

    /// `[d_in, d_sae]`
    pub fn w_enc(&self) -> Tensor<2> {
        self.architecture.affine().w_enc.clone()
    }

    /// `[d_sae, d_out]`
    pub fn w_dec(&self) -> Tensor<2> {
        self.architecture.affine().w_dec.clone()
    }

    /// `[1, d_out]`
    pub fn b_dec(&self) -> Tensor<2> {
        self.architecture.affine().b_dec.clone()
    }

    /// `Err` unless `width` is what this SAE encodes.
    pub fn check_width(&self, width: usize) -> Result<()> {
        check_width(width, self.d_in())
    }

    /// Features `[rows, d_sae]` of activations `[rows, d_in]`.
    pub fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        self.architecture.encode(normalize(self.normalization, x).0)
    }

    /// The decoder's output from features alone. With a row-wise normalisation it stays in
    /// normalised units, as there is no row to take the units from: use [`Inference::reconstruct`].
    pub fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        self.architecture.decode(features)
    }

    /// Features, and the output in the activations' own units.
    pub fn reconstruct(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let features = self.encode(x.clone());
        let out = self.output(features.clone(), x);
        (features, out)
    }

    /// `x` with feature `feature` multiplied by `factor`, the SAE's error kept:
    /// `x + output(changed features) − output(features)`.
    pub fn scale_feature(&self, x: Tensor<2>, feature: usize, factor: f32) -> Tensor<2> {
        let features = self.encode(x.clone());
        let changed = self.scaled(features.clone(), feature, factor);
        x.clone() + self.output(changed, x.clone()) - self.output(features, x)
    }

    /// What the SAE makes of `x` with feature `feature` multiplied by `factor`, its error left out:
    /// `output(changed features)`. With a factor of 1 that is not `x` but its reconstruction.
    pub fn decode_scaled(&self, x: Tensor<2>, feature: usize, factor: f32) -> Tensor<2> {
        let changed = self.scaled(self.encode(x.clone()), feature, factor);
        self.output(changed, x)
    }

    /// The features with one of them multiplied by `factor`.
    fn scaled(&self, features: Tensor<2>, feature: usize, factor: f32) -> Tensor<2> {
        let mut factors = vec![1.0; self.d_sae()];
        factors[feature] = factor;
        let factors = upload(factors, [1, self.d_sae()], &features.device());
        features * factors
    }

    /// The output in the activations' own units from features of the rows `x`, which may have been
    /// changed since they were encoded.
    pub fn output(&self, features: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let y = self.architecture.decode(features);
        let y = match normalize(self.normalization, x.clone()).1 {
            Some((scale, shift)) => y * scale + shift,
            None => y,
        };
        self.architecture.affine().with_skip(y, &x)
    }
}

/// Rows encoded at once: fewer where an SAE is wide, at most 32 MB of features, but at least 64 rows.
pub fn rows_per_pass(d_sae: usize) -> usize {
    ((1 << 23) / d_sae.max(1)).clamp(64, 1024)
}

/// The rows as the encoder reads them, and how the output is brought back.
pub fn normalize(normalization: Normalization, x: Tensor<2>) -> (Tensor<2>, Denormalize) {
    let [_, d_in] = x.dims();
    match normalization {
        Normalization::None | Normalization::ExpectedAverageOnlyIn => (x, None),
        Normalization::ConstantNormRescale => {
            let scale = x.clone().square().sum_dim(1).sqrt() / (d_in as f64).sqrt();
            let zeros = scale.zeros_like();
            (x / scale.clone().clamp_min(1e-12), Some((scale, zeros)))
        }
        Normalization::LayerNorm => {
            let mean = x.clone().mean_dim(1);
            let x = x - mean.clone();
            let std = (x.clone().square().sum_dim(1) / (d_in as f64 - 1.0).max(1.0)).sqrt();
            (x / (std.clone() + 1e-5), Some((std, mean)))
        }
    }
}
