//! The forward and backward pass that the ReLU architectures share, derived by hand. With
//! `h = x W_enc + b_enc`, `f = relu(h)`, `x̂ = f W_dec + b_dec` and the loss of lab-c4, batch B:
//!
//! `∂x̂ = 2 (x̂ − x) / (B d_in)`, `∂h = (∂x̂ W_decᵀ + l1 / (B d_sae)) · 1[f > 0]`,
//! `∂W_enc = xᵀ ∂h`, `∂W_dec = fᵀ ∂x̂`, `∂b_enc = Σ ∂h`, `∂b_dec = Σ ∂x̂`.

use burn::tensor::Tensor;

use super::{Architecture, Step};

/// One batch forward, and back as far as both go the same way.
pub(super) struct ReluBatch {
    x: Tensor<2>,
    pub features: Tensor<2>,
    /// 1 where a feature is above zero, else 0.
    active: Tensor<2>,
    residual: Tensor<2>,
    /// Gradient of the loss with respect to x̂, `[batch, d_in]`.
    pub d_x_hat: Tensor<2>,
    /// … and with respect to the encoder's pre-activations, `[batch, d_sae]`.
    d_pre: Tensor<2>,
}

impl ReluBatch {
    pub fn new(sae: &dyn Architecture, x: Tensor<2>, l1: f64) -> Self {
        let [rows, d_in] = x.dims();
        let features = sae.encode(x.clone());
        let d_sae = features.dims()[1];
        let active = features.clone().sign();
        let residual = sae.decode(features.clone()) - x.clone();
        let d_x_hat = residual.clone() * (2.0 / (rows * d_in) as f64);
        let d_features = d_x_hat.clone().matmul(sae.w_dec().transpose()) + l1 / (rows * d_sae) as f64;
        let d_pre = d_features * active.clone();
        Self { x, features, active, residual, d_x_hat, d_pre }
    }

    pub fn d_w_enc(&self) -> Tensor<2> {
        self.x.clone().transpose().matmul(self.d_pre.clone())
    }

    /// The step whose gradients are `weights`, then those of `b_enc` and `b_dec`.
    pub fn into_step(self, weights: Vec<Tensor<2>>) -> Step {
        let rows = self.x.dims()[0] as f64;
        let mut gradients = weights;
        gradients.push(self.d_pre.sum_dim(0));
        gradients.push(self.d_x_hat.sum_dim(0));
        Step { recon: self.residual.square().mean(), l1: self.features.mean(), n_active: self.active.sum() / rows, gradients }
    }
}
