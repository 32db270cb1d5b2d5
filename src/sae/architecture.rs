//! What every architecture can do: features of an input, the output from features, and one
//! hand-derived training step.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::affine::Affine;
use super::config::Kind;
use super::dead::Dead;
use super::learn::{self, Learnt, Tally};
use crate::kernels::Expr;

/// A tensor under SAELens's name for it. Biases and thresholds are rows `[1, n]`.
#[derive(Clone)]
pub struct Parameter {
    pub name: &'static str,
    pub value: Tensor<2>,
}

/// What SAELens keeps of a trained SAE: the architecture it is saved as, and its tensors.
pub struct Saved {
    pub architecture: Kind,
    pub apply_b_dec_to_input: bool,
    pub rescale_acts_by_decoder_norm: bool,
    pub tensors: Vec<Parameter>,
}

/// One file per architecture implements this. Shapes: x `[batch, d_in]`, features `[batch, d_sae]`,
/// output `[batch, d_out]`.
pub trait Architecture {
    fn kind(&self) -> Kind;

    /// The encoder's and decoder's matrices and biases, which all architectures have.
    fn affine(&self) -> &Affine;

    /// Feature activations of `x`, as an SAE in use gives them (a batch top-k by its threshold).
    fn encode(&self, x: Tensor<2>) -> Tensor<2>;

    /// Feature activations as a training batch has them: batch top-k takes the largest of the batch itself.
    fn encode_batch(&self, x: Tensor<2>) -> Tensor<2> {
        self.encode(x)
    }

    /// The output from features; what a skip transcoder adds from `x` is not part of it.
    fn decode(&self, features: Tensor<2>) -> Tensor<2> {
        self.affine().decode(features)
    }

    /// What is trained, in a fixed order.
    fn parameters(&self) -> Vec<Parameter>;

    /// The same architecture with other parameters, in the order of [`Architecture::parameters`],
    /// brought back into their range (a threshold is not negative).
    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture>;

    /// What training keeps beside the parameters (a running threshold).
    fn buffers(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The same architecture with other buffers, in the order of [`Architecture::buffers`].
    /// Called only where there are any.
    fn with_buffers(&self, _buffers: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        unreachable!("an architecture without buffers is given none")
    }

    /// What the terms of reconstructions beside the SAE's own are called, see [`Tally::recon`].
    fn inner(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many numbers the reconstructions have in all, the SAE's own included.
    fn outputs(&self) -> usize {
        self.affine().b_dec.dims()[1] * (self.inner().len() + 1)
    }

    /// The gradient of the loss on a batch with respect to each parameter, its terms added to `tally`.
    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt;

    /// Gives the parameters up, in the order of [`Architecture::parameters`], so that they can be written over: what is left
    /// waits for [`Architecture::with_parameters`]. `any` stands in their place.
    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>>;

    /// Loss terms on a batch, and the gradients, each on its own.
    fn step(&self, batch: &Batch) -> Step {
        let Affine { w_dec, b_dec, .. } = self.affine();
        let (d_out, inner) = (b_dec.dims()[1], self.inner());
        let mut tally = Tally::new(self.outputs(), w_dec.dims()[0], &b_dec.device());
        let Learnt { gradients, buffers } = self.learn(batch, &mut tally);
        let parameters: Vec<_> = self.parameters().into_iter().map(|p| p.value).collect();
        let gradients = learn::tensors(gradients, &parameters);
        let recon = |at: usize| tally.recon.clone().narrow(1, at * d_out, d_out).sum();
        let (at, mut extra) = (inner.len(), Vec::new());
        extra.extend(inner.into_iter().enumerate().map(|(at, name)| (name, recon(at))));
        extra.extend(tally.extra.iter().map(|(name, term)| (name.clone(), term.clone().sum())));
        Step { recon: recon(at), sparsity: tally.sparsity.sum(), extra, fired: tally.fired, gradients, buffers }
    }

    /// The SAE for inputs that are not multiplied by `scale` any more:
    /// `encode(x)` of the result is `encode(scale · x)` of this one, its output is divided by `scale`.
    /// (Where activations are in units of the decoder's norms, they are divided by `scale` too.)
    fn with_scale_folded(&self, scale: f64) -> Rc<dyn Architecture> {
        let folded = self.parameters().into_iter().map(|Parameter { name, value }| match name {
            "W_enc" => value * scale,
            "W_dec" | "b_dec" => value / scale,
            _ => value,
        });
        self.with_parameters(folded.collect())
    }

    /// What a SAELens file of this SAE holds.
    fn saved(&self) -> Saved {
        Saved {
            architecture: self.kind(),
            apply_b_dec_to_input: self.affine().subtract_b_dec,
            rescale_acts_by_decoder_norm: false,
            tensors: self.parameters(),
        }
    }
}

/// One batch as the architecture sees it, with what the loss needs to know.
pub struct Batch {
    /// What the encoder reads, normalised `[batch, d_in]`.
    pub x: Tensor<2>,
    /// The same as [`Affine::centred`] gives it, where it has been made along with it.
    pub centred: Option<Tensor<2>>,
    /// What the output should be `[batch, d_out]`: `x` itself for an SAE without normalisation.
    pub target: Tensor<2>,
    /// Turns the decoder's output into the target's units: `y · scale + shift`, `[batch, 1]` each.
    pub denormalize: Option<(Tensor<2>, Tensor<2>)>,
    /// The coefficient of the sparsity term, at this step.
    pub coefficient: f64,
    /// `None` when no latent can be.
    pub dead: Option<Dead>,
    /// Coefficient of the auxiliary top-k loss; 0 for none. Needs `dead`.
    pub aux_k: f64,
    /// Ghost gradients for dead latents. Needs `dead`.
    pub ghost: bool,
    /// The number of the step, from 1.
    pub step: usize,
}

impl Batch {
    /// A plain batch: reconstruct `x`.
    pub fn new(x: Tensor<2>, coefficient: f64) -> Self {
        Self { target: x.clone(), x, centred: None, denormalize: None, coefficient, dead: None, aux_k: 0.0, ghost: false, step: 1 }
    }

    pub fn rows(&self) -> usize {
        self.x.dims()[0]
    }

    /// What is multiplied by `W_enc`.
    pub fn centred(&self, affine: &Affine) -> Tensor<2> {
        self.centred.clone().unwrap_or_else(|| affine.centred(self.x.clone()))
    }

    /// Whether dead latents are given a loss of their own.
    pub fn revives(&self) -> bool {
        self.dead.is_some() && (self.aux_k != 0.0 || self.ghost)
    }

    /// `x̂ − target` for the decoder's output `y`, element by element.
    pub fn residual_of(&self, y: Expr) -> Expr {
        match &self.denormalize {
            Some((scale, shift)) => y * scale + shift - &self.target,
            None => y - &self.target,
        }
    }

    /// The gradient with respect to `y` from the one with respect to `x̂`, element by element.
    pub fn d_output_of(&self, d_x_hat: Expr) -> Expr {
        match &self.denormalize {
            Some((scale, _)) => d_x_hat * scale,
            None => d_x_hat,
        }
    }

    /// `x̂ − target` for the decoder's output `y`.
    pub fn residual(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.denormalize {
            Some((scale, shift)) => y * scale.clone() + shift.clone() - self.target.clone(),
            None => y - self.target.clone(),
        }
    }

    /// The gradient with respect to `y` from the one with respect to `x̂`.
    pub fn d_output(&self, d_x_hat: Tensor<2>) -> Tensor<2> {
        match &self.denormalize {
            Some((scale, _)) => d_x_hat * scale.clone(),
            None => d_x_hat,
        }
    }
}

/// The terms of one batch's loss, each a tensor `[1]` on the device, and the gradients. The total
/// is `recon + coefficient · sparsity + Σ extra`.
pub struct Step {
    /// The squared error, in the config's unit.
    pub recon: Tensor<1>,
    /// The sparsity term without its coefficient; 0 for the top-k family.
    pub sparsity: Tensor<1>,
    /// Further terms under SAELens's names, their coefficients included.
    pub extra: Vec<(String, Tensor<1>)>,
    /// In how many rows each latent is active, `[1, d_sae]`.
    pub fired: Tensor<2>,
    /// In the order of [`Architecture::parameters`].
    pub gradients: Vec<Tensor<2>>,
    /// In the order of [`Architecture::buffers`].
    pub buffers: Vec<Tensor<2>>,
}
