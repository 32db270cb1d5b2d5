//! lab-c4's untied SAE: a decoder of its own.
//!
//! `f = relu(x W_enc + b_enc)`, `x̂ = f W_dec + b_dec`,
//! loss `mean((x̂ − x)²) + l1 · mean(|f|)`, both means over batch and last dimension.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::relu::ReluBatch;
use super::{Architecture, Step};

pub struct Untied {
    pub w_enc: Tensor<2>,
    pub b_enc: Tensor<2>,
    pub w_dec: Tensor<2>,
    pub b_dec: Tensor<2>,
}

impl Architecture for Untied {
    fn name(&self) -> &'static str {
        "untied"
    }

    fn w_enc(&self) -> Tensor<2> {
        self.w_enc.clone()
    }

    fn b_enc(&self) -> Tensor<2> {
        self.b_enc.clone()
    }

    fn w_dec(&self) -> Tensor<2> {
        self.w_dec.clone()
    }

    fn b_dec(&self) -> Tensor<2> {
        self.b_dec.clone()
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        activation::relu(x.matmul(self.w_enc.clone()) + self.b_enc.clone())
    }

    fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.w_dec.clone()) + self.b_dec.clone()
    }

    fn parameters(&self) -> Vec<Tensor<2>> {
        vec![self.w_enc.clone(), self.w_dec.clone(), self.b_enc.clone(), self.b_dec.clone()]
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let Ok([w_enc, w_dec, b_enc, b_dec]) = <[_; 4]>::try_from(parameters) else { unreachable!("parameters come from Untied::parameters") };
        Rc::new(Self { w_enc, b_enc, w_dec, b_dec })
    }

    fn gradients(&self, x: Tensor<2>, l1: f64) -> Step {
        let batch = ReluBatch::new(self, x, l1);
        let w_enc = batch.d_w_enc();
        let w_dec = batch.features.clone().transpose().matmul(batch.d_x_hat.clone());
        batch.into_step(vec![w_enc, w_dec])
    }
}
