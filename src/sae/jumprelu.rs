//! JumpReLU (Rajamanoharan et al. 2024), as SAELens 6.54 trains it: `f = h · 1[h > θ]` with
//! `h = (x − b_dec) W_enc + b_enc` and a threshold θ ≥ 0 per latent, `x̂ = f W_dec + b_dec`,
//! loss `r Σ(x̂ − target)² + c·s Σ_b P_b`, with the penalty of a row, `n_i = ‖W_dec[i]‖`:
//! * step, DeepMind's L0: `P = Σ_i 1[h_i > θ_i]`
//! * quadratic, Gemma Scope 2: `P = (2/T) (Σ_i 1[h_i > θ_i] − T)²`, `T` the L0 that is wanted
//! * tanh, Anthropic's of January 2025: `P = Σ_i tanh(κ f_i n_i)`
//!
//! and, with a coefficient `p`, for dead latents Anthropic's `p·s Σ_b Σ_i relu(θ_i − h_i) n_i`.
//!
//! Gradients pass the jump by straight-through estimators: with the rectangle
//! `R = 1[|h − θ| < ε/2]` of bandwidth ε, `∂θ = −Σ_b (θ/ε) R ∂f` for `f`, and for the step function `H`
//! `∂θ = −Σ_b (1/ε) R ∂H`, where `∂H_i = c·s` (step) or `c·s (4/T)(L0_b − T)` (quadratic).
//! `∂h = 1[h > θ] ∂f`; with `jumprelu_ste_to_input` (Anthropic) what θ gets is also added to `∂h` with
//! its sign turned. `∂f = ∂y W_decᵀ + c·s κ n (1 − tanh²)`, the last for tanh only, where also
//! `∂n = c·s Σ_b κ f (1 − tanh²)`, `∂W_dec[i] += ∂n_i W_dec[i] / n_i`.
//!
//! SAELens 6.18 trained log θ; 6.54 trains θ itself and clamps it at 0 before each step's forward
//! pass, so its saved θ may be a little below 0 after the last step. That changes nothing in use, where
//! `f = relu(h) · 1[h > θ]`.

use std::rc::Rc;

use burn::tensor::{Tensor, activation};

use super::affine::Affine;
use super::architecture::{Architecture, Batch, Parameter, Step};
use super::config::{Config, JumpPenalty, Kind, Unit};
use super::dead;
use super::named::Named;
use crate::error::Result;

pub struct JumpRelu {
    affine: Affine,
    /// θ, `[1, d_sae]`
    threshold: Tensor<2>,
    settings: Rc<Settings>,
}

struct Settings {
    unit: Unit,
    penalty: JumpPenalty,
    /// ε
    bandwidth: f64,
    /// κ
    tanh_scale: f64,
    /// T
    target_l0: f64,
    ste_to_input: bool,
    /// p
    pre_act_coefficient: f64,
}

impl JumpRelu {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let e = &config.extras;
        let settings = Settings {
            unit: config.loss_unit,
            penalty: e.jumprelu_penalty,
            bandwidth: e.jumprelu_bandwidth,
            tanh_scale: e.jumprelu_tanh_scale,
            target_l0: e.jumprelu_target_l0,
            ste_to_input: e.jumprelu_ste_to_input,
            pre_act_coefficient: e.pre_act_loss_coefficient,
        };
        let affine = Affine::new(config, weights, "b_enc")?;
        let threshold = weights.row("threshold", config.d_sae)?;
        Ok(Self { affine, threshold, settings: Rc::new(settings) })
    }
}

/// A row's penalty as the gradients of what it is made of.
struct Penalty {
    /// `s Σ_b P_b`, `[1]`
    value: Tensor<1>,
    /// With respect to the step function, `[rows or 1, 1]`.
    d_step: Option<Tensor<2>>,
    /// With respect to the features `[rows, d_sae]`, and to the norms `[1, d_sae]`.
    d_features: Option<(Tensor<2>, Tensor<2>)>,
}

impl Settings {
    /// The penalty; gradients are times the coefficient `c`.
    fn penalty(&self, open: &Tensor<2>, features: &Tensor<2>, norms: &Tensor<2>, s: f64, c: f64) -> Penalty {
        match self.penalty {
            JumpPenalty::Step => {
                let d_step = Tensor::full([1, 1], c * s, &open.device());
                Penalty { value: open.clone().sum() * s, d_step: Some(d_step), d_features: None }
            }
            JumpPenalty::Quadratic => {
                let over = open.clone().sum_dim(1) - self.target_l0; // [rows, 1]
                let value = over.clone().square().sum() * (s * 2.0 / self.target_l0);
                Penalty { value, d_step: Some(over * (c * s * 4.0 / self.target_l0)), d_features: None }
            }
            JumpPenalty::Tanh => {
                // From 10 on it is 1; a GPU's own, made of exponentials, is no number for large ones.
                let tanh = (features.clone() * norms.clone() * self.tanh_scale).clamp_max(10.0).tanh();
                let slope = (-tanh.clone().square() + 1.0) * (c * s * self.tanh_scale);
                let d_norms = (slope.clone() * features.clone()).sum_dim(0);
                Penalty { value: tanh.sum() * s, d_step: None, d_features: Some((slope * norms.clone(), d_norms)) }
            }
        }
    }
}

impl Architecture for JumpRelu {
    fn kind(&self) -> Kind {
        Kind::JumpRelu
    }

    fn affine(&self) -> &Affine {
        &self.affine
    }

    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        let pre = self.affine.pre_activations(x);
        let open = pre.clone().greater(self.threshold.clone()).float();
        activation::relu(pre) * open
    }

    fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.affine.parameters("b_enc");
        parameters.push(Parameter { name: "threshold", value: self.threshold.clone() });
        parameters
    }

    fn with_parameters(&self, parameters: Vec<Tensor<2>>) -> Rc<dyn Architecture> {
        let mut parameters = parameters.into_iter();
        let affine = self.affine.with_parameters(&mut parameters);
        let threshold = parameters.next().expect("as many as JumpRelu::parameters gives").clamp_min(0.0);
        Rc::new(Self { affine, threshold, settings: self.settings.clone() })
    }

    fn step(&self, batch: &Batch) -> Step {
        let (affine, settings) = (&self.affine, &self.settings);
        let (c, bandwidth) = (batch.coefficient, settings.bandwidth);
        // A file's threshold may be below 0.
        let threshold = self.threshold.clone().clamp_min(0.0);
        let pre = affine.pre_activations(batch.x.clone());
        let open = pre.clone().greater(threshold.clone()).float();
        let features = pre.clone() * open.clone();
        let residual = batch.residual(affine.output(features.clone(), &batch.x));
        let ([rows, d_out], [_, d_sae]) = (residual.dims(), pre.dims());
        let (r, s) = (settings.unit.factor(rows, d_out), settings.unit.factor(rows, d_sae));
        let norms = affine.decoder_norms();
        let penalty = settings.penalty(&open, &features, &norms, s, c);

        let d_y = batch.d_output(residual.clone() * (2.0 * r));
        let mut d_features = d_y.clone().matmul(affine.w_dec.clone().transpose());
        let mut d_norms = None;
        if let Some((more, norms)) = penalty.d_features {
            d_features = d_features + more;
            d_norms = Some(norms);
        }
        let rectangle = ((pre.clone() - threshold.clone()) / bandwidth).abs().lower_elem(0.5).float();
        let jump = match penalty.d_step {
            Some(d_step) => d_features.clone() * threshold.clone() + d_step,
            None => d_features.clone() * threshold.clone(),
        };
        let estimate = jump * rectangle / bandwidth;
        let mut d_threshold = -estimate.clone().sum_dim(0);
        let mut d_pre = d_features * open.clone();
        if settings.ste_to_input {
            d_pre = d_pre + estimate;
        }

        let mut extra = Vec::new();
        if let Some(dead) = batch.dead.as_ref().filter(|_| settings.pre_act_coefficient != 0.0) {
            let factor = settings.pre_act_coefficient * s;
            let below = activation::relu(threshold - pre.clone()) * dead.clone();
            let pull = below.clone().sign() * norms.clone() * factor;
            d_threshold = d_threshold + pull.clone().sum_dim(0);
            d_pre = d_pre - pull;
            let sums = below.sum_dim(0) * factor; // [1, d_sae]
            extra.push(("pre_act_loss".to_string(), (sums.clone() * norms.clone()).sum()));
            d_norms = Some(d_norms.map_or(sums.clone(), |d| d + sums));
        }
        let revived = dead::revive(affine, batch, &pre, None, &residual, r);
        if let Some(revived) = &revived {
            d_pre = d_pre + revived.d_pre.clone();
        }
        let mut gradients = affine.backward(&batch.x, features, d_pre, d_y);
        if let Some(d_norms) = d_norms {
            let pull = (d_norms / norms.clamp_min(1e-12)).transpose();
            gradients.w_dec = gradients.w_dec + affine.w_dec.clone() * pull;
        }
        if let Some(revived) = revived {
            gradients.w_dec = gradients.w_dec + revived.d_w_dec;
            extra.push((revived.name.to_string(), revived.loss));
        }
        let mut gradients = gradients.into_vec();
        gradients.push(d_threshold);
        let recon = residual.square().sum() * r;
        Step { recon, sparsity: penalty.value, extra, fired: open.sum_dim(0), gradients, buffers: Vec::new() }
    }
}
