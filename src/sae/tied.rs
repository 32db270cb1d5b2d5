//! lab-c4's tied SAE: the decoder is the encoder transposed.
//!
//! `f = relu(x W + b_enc)`, `x̂ = f Wᵀ + b_dec`,
//! loss `mean((x̂ − x)²) + l1 · mean(|f|)`, both means over batch and last dimension.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::affine::{Affine, AffineGradients};
use super::architecture::{Architecture, Batch, Parameter, Saved};
use super::config::{Config, Kind};
use super::learn::{Learnt, Tally};
use super::named::Named;
use super::relu::{Decoder, L1, relu_step};
use crate::error::{Result, check_setting};

pub struct Tied {
    affine: Affine,
    l1: L1,
}

impl Tied {
    /// From `W_enc`, `b_enc`, `b_dec`; a `W_dec` must be `W_enc` transposed.
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let Config { d_in, d_sae, .. } = *config;
        if weights.has("W_dec") {
            let w_dec = weights.take("W_dec")?;
            let w_enc = weights.peek("W_enc");
            w_dec.expect_shape("W_dec", &[d_sae, d_in])?;
            let same = |(at, w): (usize, &f32)| w_enc.is_some_and(|e| e.data.get(at % d_in * d_sae + at / d_in) == Some(w));
            let transposed = w_dec.data.iter().enumerate().all(same);
            check_setting(transposed, "architecture", "\"tied\"", "\"untied\" for weights whose W_dec is not W_enc transposed")?;
        }
        let w_enc = weights.matrix("W_enc", [d_in, d_sae])?;
        let (b_enc, b_dec) = (weights.row("b_enc", d_sae)?, weights.row("b_dec", d_in)?);
        Ok(Self::of(w_enc, b_enc, b_dec, config.apply_b_dec_to_input, L1 { unit: config.loss_unit, weighted: config.l1_weighted }))
    }

    fn of(w_enc: Tensor<2>, b_enc: Tensor<2>, b_dec: Tensor<2>, subtract_b_dec: bool, l1: L1) -> Self {
        let w_dec = w_enc.clone().transpose();
        Self { affine: Affine { w_enc, b_enc, w_dec, b_dec, w_skip: None, subtract_b_dec }, l1 }
    }
}

impl Architecture for Tied {
    fn kind(&self) -> Kind {
        Kind::Tied
    }

    fn affine(&self) -> &Affine {
        &self.affine
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        activation::relu(self.affine.pre_activations(x))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let Affine { w_enc, b_enc, b_dec, .. } = self.affine.clone();
        vec![Parameter { name: "W_enc", value: w_enc }, Parameter { name: "b_enc", value: b_enc }, Parameter { name: "b_dec", value: b_dec }]
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let Ok([w_enc, b_enc, b_dec]) = <[_; 3]>::try_from(parameters) else { unreachable!("parameters come from Tied::parameters") };
        Rc::new(Self::of(w_enc, b_enc, b_dec, self.affine.subtract_b_dec, self.l1))
    }

    /// W is used twice: in the encoder and, transposed, in the decoder.
    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let (AffineGradients { w_enc, b_enc, b_dec, .. }, Decoder { pairs, pull }) = relu_step(&self.affine, batch, self.l1, tally);
        let turned = pairs.into_iter().map(|(a, b)| (b, a));
        let w = w_enc.with_pairs(turned);
        let w = match pull {
            Some(pull) => w.and(move |g, w| g + w * pull),
            None => w,
        };
        Learnt { gradients: vec![w, b_enc, b_dec], buffers: Vec::new() }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        let mut taken = self.affine.take(any);
        taken.remove(1); // W_dec, which is W_enc
        taken
    }

    /// A scale cannot be folded into one matrix that both multiplies and divides by it.
    fn with_scale_folded(&self, scale: f64) -> Rc<dyn Architecture> {
        let Affine { w_enc, b_enc, w_dec, b_dec, w_skip, subtract_b_dec } = self.affine.clone();
        let affine = Affine { w_enc: w_enc * scale, b_enc, w_dec: w_dec / scale, b_dec: b_dec / scale, w_skip, subtract_b_dec };
        Rc::new(super::standard::Standard::of(Kind::Untied, affine, self.l1))
    }

    fn saved(&self) -> Saved {
        super::relu::saved_as_standard(&self.affine)
    }
}
