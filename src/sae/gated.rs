//! Gated SAEs (Rajamanoharan et al. 2024), as SAELens 6.54 trains them: which latents are active and how
//! strongly is decided by two paths with one weight matrix. With `a = (x − b_dec) W_enc`,
//! `π = a + b_gate`, `μ = a e^{r_mag} + b_mag`: `f = 1[π > 0] relu(μ)`, `x̂ = f W_dec + b_dec`,
//! loss `r Σ(x̂ − target)² + c·s Σ relu(π_i) ‖W_dec[i]‖ + r Σ(v − target)²`, where the gate alone
//! reconstructs `v = relu(π) W_dec + b_dec`: the jump has no gradient, so this is what trains the gate.
//!
//! The paper, and other implementations, hold the decoder constant in the last term; SAELens does not, and
//! nor does this: `∂W_dec = fᵀ∂y + relu(π)ᵀ∂v + c·s (Σ_b relu(π_i)) W_dec[i]/n_i`.
//! `∂μ = (∂y W_decᵀ) ⊙ 1[π > 0] 1[μ > 0]`, `∂π = (∂v W_decᵀ + c·s n) ⊙ 1[π > 0]`,
//! `∂a = ∂μ e^{r_mag} + ∂π`, `∂r_mag = Σ_b ∂μ a e^{r_mag}`.
//!
//! With a row-wise normalisation SAELens lets the gate read and reconstruct rows that are not normalised;
//! here it reads what the SAE reads, and `v` is brought into the target's units as the output is.
//! Neither the auxiliary top-k nor ghost gradients are defined for it (SAELens refused the latter): a batch
//! that asks for them gets neither.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::affine::Affine;
use super::architecture::{Architecture, Batch, Parameter, Step};
use super::config::{Config, Kind};
use super::named::Named;
use super::relu::L1;
use crate::error::Result;

pub struct Gated {
    /// Its encoder's bias is `b_gate`.
    affine: Affine,
    /// `[1, d_sae]` each.
    b_mag: Tensor<2>,
    r_mag: Tensor<2>,
    l1: L1,
}

/// Both paths of one batch, `[rows, d_sae]` each.
struct Paths {
    /// `a`, `π`
    pre: Tensor<2>,
    gate: Tensor<2>,
    /// `e^{r_mag}`, `[1, d_sae]`
    scale: Tensor<2>,
    /// `relu(μ)`
    magnitude: Tensor<2>,
    /// `1[π > 0]`
    open: Tensor<2>,
}

impl Gated {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let affine = Affine::new(config, weights, "b_gate")?;
        let (b_mag, r_mag) = (weights.row("b_mag", config.d_sae)?, weights.row("r_mag", config.d_sae)?);
        Ok(Self { affine, b_mag, r_mag, l1: L1 { unit: config.loss_unit, weighted: config.l1_weighted } })
    }

    fn paths(&self, x: Tensor<2>) -> Paths {
        let pre = self.affine.centred(x).matmul(self.affine.w_enc.clone());
        let gate = pre.clone() + self.affine.b_enc.clone();
        let scale = self.r_mag.clone().exp();
        let magnitude = activation::relu(pre.clone() * scale.clone() + self.b_mag.clone());
        let open = gate.clone().greater_elem(0.0).float();
        Paths { pre, gate, scale, magnitude, open }
    }
}

impl Architecture for Gated {
    fn kind(&self) -> Kind {
        Kind::Gated
    }

    fn affine(&self) -> &Affine {
        &self.affine
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        let Paths { magnitude, open, .. } = self.paths(x);
        magnitude * open
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.affine.parameters("b_gate");
        parameters.push(Parameter { name: "b_mag", value: self.b_mag.clone() });
        parameters.push(Parameter { name: "r_mag", value: self.r_mag.clone() });
        parameters
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let mut parameters = parameters.into_iter();
        let affine = self.affine.with_parameters(&mut parameters);
        let mut next = || parameters.next().expect("as many as Gated::parameters gives");
        Rc::new(Self { affine, b_mag: next(), r_mag: next(), l1: self.l1 })
    }

    fn step(&self, batch: &Batch) -> Step {
        let affine = &self.affine;
        let Paths { pre, gate, scale, magnitude, open } = self.paths(batch.x.clone());
        let features = magnitude.clone() * open.clone();
        let via_gate = gate * open.clone(); // relu(π)
        let residual = batch.residual(affine.output(features.clone(), &batch.x));
        let gate_residual = batch.residual(affine.output(via_gate.clone(), &batch.x));
        let ([rows, d_out], [_, d_sae]) = (residual.dims(), pre.dims());
        let (r, s) = (self.l1.unit.factor(rows, d_out), self.l1.unit.factor(rows, d_sae));
        let c = batch.coefficient * s;

        let back = affine.w_dec.clone().transpose();
        let (d_y, d_v) = (batch.d_output(residual.clone() * (2.0 * r)), batch.d_output(gate_residual.clone() * (2.0 * r)));
        let fired = features.clone().sign();
        let d_magnitude = d_y.clone().matmul(back.clone()) * fired.clone();
        let mut d_via_gate = d_v.clone().matmul(back);
        let mut d_w_dec = features.transpose().matmul(d_y.clone()) + via_gate.clone().transpose().matmul(d_v.clone());
        let sums = via_gate.sum_dim(0); // [1, d_sae]
        let sparsity = if self.l1.weighted {
            let norms = affine.decoder_norms();
            d_via_gate = d_via_gate + norms.clone() * c;
            let pull = (sums.clone() / norms.clone().clamp_min(1e-12)).transpose() * c;
            d_w_dec = d_w_dec + affine.w_dec.clone() * pull;
            (sums * norms).sum() * s
        } else {
            d_via_gate = d_via_gate + c;
            sums.sum() * s
        };
        let d_gate = d_via_gate * open;
        let d_scaled = d_magnitude.clone() * scale;
        let d_r_mag = (d_scaled.clone() * pre).sum_dim(0);
        let mut gradients = affine.backward_with(&batch.x, d_w_dec, d_scaled + d_gate.clone(), d_y + d_v);
        gradients.b_enc = d_gate.sum_dim(0);
        let mut gradients = gradients.into_vec();
        gradients.push(d_magnitude.sum_dim(0));
        gradients.push(d_r_mag);
        let aux = gate_residual.square().sum() * r;
        let extra = vec![("auxiliary_reconstruction_loss".to_string(), aux)];
        let recon = residual.square().sum() * r;
        Step { recon, sparsity, extra, fired: fired.sum_dim(0), gradients, buffers: Vec::new() }
    }
}
