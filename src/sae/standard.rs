//! A ReLU encoder and a decoder of its own, under two names.
//!
//! `untied`, lab-c4 and week 7: `f = relu(x W_enc + b_enc)`, `x̂ = f W_dec + b_dec`,
//! loss `mean((x̂ − x)²) + l1 · mean(|f|)`, both means over batch and last dimension.
//!
//! `standard`, SAELens (Anthropic's April 2024 recipe): `f = relu((x − b_dec) W_enc + b_enc)`, the same
//! `x̂`, loss `mean_b Σ (x̂ − x)² + l1 · mean_b Σ f_i ‖W_dec[i]‖`. Without `b_dec` on the input and with
//! a target at another hook it is a transcoder.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::affine::Affine;
use super::architecture::{Architecture, Batch, Parameter, Saved};
use super::config::{Config, Kind};
use super::learn::{Learnt, Tally};
use super::named::Named;
use super::relu::{L1, relu_step, saved_as_standard};
use crate::error::Result;

pub struct Standard {
    kind: Kind,
    affine: Affine,
    l1: L1,
}

impl Standard {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let l1 = L1 { unit: config.loss_unit, weighted: config.l1_weighted };
        Ok(Self::of(config.architecture, Affine::new(config, weights, "b_enc")?, l1))
    }

    pub(super) fn of(kind: Kind, affine: Affine, l1: L1) -> Self {
        Self { kind, affine, l1 }
    }
}

impl Architecture for Standard {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn affine(&self) -> &Affine {
        &self.affine
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        activation::relu(self.affine.pre_activations(x))
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.affine.parameters("b_enc")
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        Rc::new(Self::of(self.kind, self.affine.with_parameters(&mut parameters.into_iter()), self.l1))
    }

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let (gradients, _) = relu_step(&self.affine, batch, self.l1, tally);
        Learnt { gradients: gradients.into_vec(), buffers: Vec::new() }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        self.affine.take(any)
    }

    fn saved(&self) -> Saved {
        saved_as_standard(&self.affine)
    }
}
