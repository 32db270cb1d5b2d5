//! lab-c4's tied SAE: the decoder is the encoder transposed.
//!
//! `f = relu(x W + b_enc)`, `x̂ = f Wᵀ + b_dec`,
//! loss `mean((x̂ − x)²) + l1 · mean(|f|)`, both means over batch and last dimension.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::{Architecture, Step};

pub struct Tied {
    pub w_enc: Tensor<2>,
    pub b_enc: Tensor<2>,
    pub b_dec: Tensor<2>,
}

impl Architecture for Tied {
    fn name(&self) -> &'static str {
        "tied"
    }

    fn w_enc(&self) -> Tensor<2> {
        self.w_enc.clone()
    }

    fn b_enc(&self) -> Tensor<2> {
        self.b_enc.clone()
    }

    fn w_dec(&self) -> Tensor<2> {
        self.w_enc.clone().transpose()
    }

    fn b_dec(&self) -> Tensor<2> {
        self.b_dec.clone()
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        activation::relu(x.matmul(self.w_enc.clone()) + self.b_enc.clone())
    }

    fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.w_dec()) + self.b_dec.clone()
    }

    fn parameters(&self) -> Vec<Tensor<2>> {
        vec![self.w_enc.clone(), self.b_enc.clone(), self.b_dec.clone()]
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let Ok([w_enc, b_enc, b_dec]) = <[_; 3]>::try_from(parameters) else { unreachable!("parameters come from Tied::parameters") };
        Rc::new(Self { w_enc, b_enc, b_dec })
    }

    fn gradients(&self, x: Tensor<2>, l1: f64) -> Step {
        let batch = ReluBatch::new(self, x, l1);
        // W is used twice: in the encoder and, transposed, in the decoder.
        let w = batch.d_w_enc() + batch.d_x_hat.clone().transpose().matmul(batch.features.clone());
        batch.into_step(vec![w])
    }
}

/// The part of the backward pass that the ReLU architectures share.
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
