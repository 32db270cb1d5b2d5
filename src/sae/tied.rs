//! lab-c4's tied SAE: the decoder is the encoder transposed.
//!
//! `f = relu(x W + b_enc)`, `x̂ = f Wᵀ + b_dec`,
//! loss `mean((x̂ − x)²) + l1 · mean(|f|)`, both means over batch and last dimension.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::relu::ReluBatch;
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
