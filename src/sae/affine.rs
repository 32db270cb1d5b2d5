//! The two affine maps that every architecture has, forward and backward:
//! `h = (x − b_dec) W_enc + b_enc` and `y = f W_dec + b_dec (+ x W_skipᵀ)`.

use burn::tensor::Tensor;

use super::architecture::{Batch, Parameter};
use super::config::Config;
use super::learn::{Gradient, Terms};
use super::named::Named;
use crate::error::Result;
use crate::kernels::{Expr, Form, Out, Source, compute, compute_one, product};

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
    pub w_enc: Gradient,
    pub b_enc: Gradient,
    pub w_dec: Gradient,
    pub b_dec: Gradient,
    pub w_skip: Option<Gradient>,
}

impl AffineGradients {
    /// In the order of [`Affine::parameters`].
    pub fn into_vec(self) -> Vec<Gradient> {
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

    /// As many tensors as [`Affine::parameters`] gives, given up; `any` stands in their place.
    pub fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        let Self { w_enc, b_enc, w_dec, b_dec, w_skip, .. } = self;
        let slots = [w_enc, w_dec, b_enc, b_dec].into_iter().chain(w_skip);
        slots.map(|slot| std::mem::replace(slot, any.clone())).collect()
    }

    /// What is multiplied by `W_enc`.
    pub fn centred(&self, x: Tensor<2>) -> Tensor<2> {
        if self.subtract_b_dec { x - self.b_dec.clone() } else { x }
    }

    /// `h`, `[batch, d_sae]`.
    pub fn pre_activations(&self, x: Tensor<2>) -> Tensor<2> {
        self.encoded(&self.centred(x), |h| vec![h]).swap_remove(0)
    }

    /// `f W_dec + b_dec`
    pub fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        let shape = [features.dims()[0], self.b_dec.dims()[1]];
        compute_one(Source::product(Form::Plain, &features, &self.w_dec), shape, Expr::sum(0) + &self.b_dec)
    }

    /// `y`: [`Affine::decode`], and what a skip transcoder adds.
    pub fn output(&self, features: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        self.with_skip(self.decode(features), x)
    }

    /// `y` and what a skip transcoder adds to it.
    pub fn with_skip(&self, y: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        match &self.w_skip {
            Some(w_skip) => y + product(Form::Transposed, x, w_skip),
            None => y,
        }
    }

    /// `‖W_dec[i]‖₂` as a row `[1, d_sae]`.
    pub fn decoder_norms(&self) -> Tensor<2> {
        let [d_sae, d_out] = self.w_dec.dims();
        let squares = Source::Rows { cols: d_out, of: vec![Expr::from(&self.w_dec).square()] };
        compute_one(squares, [d_sae, 1], Expr::sum(0).sqrt()).reshape([1, d_sae])
    }

    /// What becomes of `h`, for rows that are [`Affine::centred`]: `[batch, d_sae]` each.
    pub fn encoded(&self, centred: &Tensor<2>, of: impl FnOnce(Expr) -> Vec<Expr>) -> Vec<Tensor<2>> {
        let ([rows, _], [_, d_sae]) = (centred.dims(), self.w_enc.dims());
        let outs = of(Expr::sum(0) + &self.b_enc).into_iter().map(Out::New).collect();
        compute(Source::product(Form::Plain, centred, &self.w_enc), [rows, d_sae], outs)
    }

    /// `x̂ − target` and the gradient `∂y` of its squares times `r`, `[batch, d_out]` each.
    pub fn errors(&self, features: &Tensor<2>, batch: &Batch, terms: &Terms) -> [Tensor<2>; 2] {
        let shape = [batch.rows(), self.b_dec.dims()[1]];
        let mut y = Expr::sum(0) + &self.b_dec;
        if let Some(w_skip) = &self.w_skip {
            y = y + product(Form::Transposed, &batch.x, w_skip);
        }
        errors(Source::product(Form::Plain, features, &self.w_dec), shape, y, batch, terms)
    }

    /// What becomes of `∂y W_decᵀ`, `[batch, d_sae]` each. Where `only` is 0 all of it has to be 0 times the product.
    pub fn back(&self, d_y: &Tensor<2>, only: Option<&Tensor<2>>, of: impl FnOnce(Expr) -> Vec<Expr>) -> Vec<Tensor<2>> {
        let ([rows, _], [d_sae, _]) = (d_y.dims(), self.w_dec.dims());
        let outs = of(Expr::sum(0)).into_iter().map(Out::New).collect();
        let pairs = vec![(d_y.clone(), self.w_dec.clone())];
        compute(Source::Product { form: Form::Transposed, pairs, only: only.cloned() }, [rows, d_sae], outs)
    }

    /// Gradients from those of `h` and `y`.
    pub fn backward(&self, from: Backward<'_>) -> AffineGradients {
        let Backward { x, centred, decoded, d_pre, d_b_enc, d_y, d_b_dec } = from;
        let ([d_in, d_sae], [_, d_out]) = (self.w_enc.dims(), self.b_dec.dims());
        let outer = |pairs| Source::Product { form: Form::Outer, pairs, only: None };
        let b_dec = match (&d_b_enc, self.subtract_b_dec) {
            (Some(d_b_enc), true) => {
                let through = Source::product(Form::Transposed, d_b_enc, &self.w_enc);
                Gradient::new(through, [1, d_out], move |_| d_b_dec - Expr::sum(0))
            }
            _ => Gradient::new(Source::Each, [1, d_out], move |_| d_b_dec),
        };
        let b_enc = d_b_enc.map_or_else(|| columns(d_pre), Gradient::from);
        AffineGradients {
            w_enc: Gradient::sum(outer(vec![(centred.clone(), d_pre.clone())]), [d_in, d_sae]),
            w_dec: Gradient::sum(outer(decoded), [d_sae, d_out]),
            b_enc,
            b_dec,
            w_skip: self.w_skip.as_ref().map(|_| Gradient::sum(outer(vec![(d_y.clone(), x.clone())]), [d_out, d_in])),
        }
    }
}

/// What [`Affine::backward`] goes by.
pub struct Backward<'a> {
    /// The input, and what was multiplied by `W_enc`.
    pub x: &'a Tensor<2>,
    pub centred: &'a Tensor<2>,
    /// What was multiplied by `W_dec`, and the gradient of that product, one after the other.
    pub decoded: Vec<(Tensor<2>, Tensor<2>)>,
    pub d_pre: &'a Tensor<2>,
    /// Its sum over the batch, where it is known; it has to be where `b_dec` is subtracted.
    pub d_b_enc: Option<Tensor<2>>,
    pub d_y: &'a Tensor<2>,
    /// Its sum over the batch.
    pub d_b_dec: Expr,
}

/// `x̂ − target` and `∂y`, for an output `y` in terms of the source's sum.
pub fn errors(source: Source, shape: [usize; 2], y: Expr, batch: &Batch, terms: &Terms) -> [Tensor<2>; 2] {
    let residual = batch.residual_of(y);
    let d_y = batch.d_output_of(&residual * terms.two_r());
    let Ok(both) = <[_; 2]>::try_from(compute(source, shape, vec![Out::New(residual), Out::New(d_y)])) else { unreachable!("two outputs") };
    both
}

/// The sum over the batch of the gradient of what a row was added to.
pub fn columns(d: &Tensor<2>) -> Gradient {
    let [rows, cols] = d.dims();
    Gradient::sum(Source::Columns { rows, of: vec![Expr::from(d)] }, [1, cols])
}
