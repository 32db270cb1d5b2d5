//! The two affine maps that every architecture has, forward and backward:
//! `h = (x − b_dec) W_enc + b_enc` and `y = f W_dec + b_dec (+ x W_skipᵀ)`.

use burn::tensor::Tensor;

use super::architecture::Parameter;
use super::config::Config;
use super::named::Named;
use crate::error::Result;

#[derive(Clone)]
pub struct Affine {
    /// `[d_in, d_sae]`
    pub w_enc: Tensor<2>,
    /// `[1, d_sae]`
    pub b_enc: Tensor<2>,
    /// `[d_sae, d_out]`
    pub w_dec: Tensor<2>,
    /// `[1, d_out]`
    pub b_dec: Tensor<2>,
    /// `[d_out, d_in]`, of a skip transcoder.
    pub w_skip: Option<Tensor<2>>,
    /// SAELens's `apply_b_dec_to_input`: the encoder reads `x − b_dec`.
    pub subtract_b_dec: bool,
}

/// Gradients of the tensors of an [`Affine`].
pub struct AffineGradients {
    pub w_enc: Tensor<2>,
    pub b_enc: Tensor<2>,
    pub w_dec: Tensor<2>,
    pub b_dec: Tensor<2>,
    pub w_skip: Option<Tensor<2>>,
}

impl AffineGradients {
    /// In the order of [`Affine::parameters`].
    pub fn into_vec(self) -> Vec<Tensor<2>> {
        [self.w_enc, self.w_dec, self.b_enc, self.b_dec].into_iter().chain(self.w_skip).collect()
    }
}

impl Affine {
    /// Takes its tensors out of `weights`; `bias` is what the encoder's bias is called.
    pub fn new(config: &Config, weights: &mut Named, bias: &str) -> Result<Self> {
        let Config { d_in, d_out, d_sae, .. } = *config;
        Ok(Self {
            w_enc: weights.matrix("W_enc", [d_in, d_sae])?,
            b_enc: weights.row(bias, d_sae)?,
            w_dec: weights.matrix("W_dec", [d_sae, d_out])?,
            b_dec: weights.row("b_dec", d_out)?,
            w_skip: if config.skip { Some(weights.matrix("W_skip", [d_out, d_in])?) } else { None },
            subtract_b_dec: config.apply_b_dec_to_input,
        })
    }

    /// `W_enc`, `W_dec`, the encoder's bias under the name `bias`, `b_dec`, and `W_skip` if there is one.
    pub fn parameters(&self, bias: &'static str) -> Vec<Parameter> {
        let Self { w_enc, b_enc, w_dec, b_dec, w_skip, .. } = self.clone();
        let named = [("W_enc", w_enc), ("W_dec", w_dec), (bias, b_enc), ("b_dec", b_dec)];
        let skip = w_skip.map(|value| ("W_skip", value));
        named.into_iter().chain(skip).map(|(name, value)| Parameter { name, value }).collect()
    }

    /// Takes as many tensors as [`Affine::parameters`] gives, in that order.
    pub fn with_parameters(&self, parameters: &mut impl Iterator<Item = Tensor<2>>) -> Self {
        let mut next = || parameters.next().expect("as many as Affine::parameters gives");
        let (w_enc, w_dec, b_enc, b_dec) = (next(), next(), next(), next());
        let w_skip = self.w_skip.as_ref().map(|_| next());
        Self { w_enc, b_enc, w_dec, b_dec, w_skip, subtract_b_dec: self.subtract_b_dec }
    }

    /// What is multiplied by `W_enc`.
    pub fn centred(&self, x: Tensor<2>) -> Tensor<2> {
        if self.subtract_b_dec { x - self.b_dec.clone() } else { x }
    }

    /// `h`, `[batch, d_sae]`.
    pub fn pre_activations(&self, x: Tensor<2>) -> Tensor<2> {
        self.centred(x).matmul(self.w_enc.clone()) + self.b_enc.clone()
    }

    /// `f W_dec + b_dec`
    pub fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.w_dec.clone()) + self.b_dec.clone()
    }

    /// `y`: [`Affine::decode`], and what a skip transcoder adds.
    pub fn output(&self, features: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        let y = self.decode(features);
        match &self.w_skip {
            Some(w_skip) => y + x.clone().matmul(w_skip.clone().transpose()),
            None => y,
        }
    }

    /// `‖W_dec[i]‖₂` as a row `[1, d_sae]`.
    pub fn decoder_norms(&self) -> Tensor<2> {
        self.w_dec.clone().square().sum_dim(1).sqrt().transpose()
    }

    /// Gradients from those of `h` and `y`, for the input `x` and the features that were decoded.
    pub fn backward(&self, x: &Tensor<2>, features: Tensor<2>, d_pre: Tensor<2>, d_y: Tensor<2>) -> AffineGradients {
        let w_dec = features.transpose().matmul(d_y.clone());
        self.backward_with(x, w_dec, d_pre, d_y)
    }

    /// [`Affine::backward`] where the gradient of `W_dec` is known already.
    pub fn backward_with(&self, x: &Tensor<2>, w_dec: Tensor<2>, d_pre: Tensor<2>, d_y: Tensor<2>) -> AffineGradients {
        let w_enc = self.centred(x.clone()).transpose().matmul(d_pre.clone());
        let b_enc = d_pre.sum_dim(0);
        let w_skip = self.w_skip.as_ref().map(|_| d_y.clone().transpose().matmul(x.clone()));
        let mut b_dec = d_y.sum_dim(0);
        if self.subtract_b_dec {
            b_dec = b_dec - b_enc.clone().matmul(self.w_enc.clone().transpose());
        }
        AffineGradients { w_enc, b_enc, w_dec, b_dec, w_skip }
    }
}
