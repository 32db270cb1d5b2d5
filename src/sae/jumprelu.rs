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

use super::affine::{Affine, Backward, columns};
use super::architecture::{Architecture, Batch, Parameter};
use super::config::{Config, JumpPenalty, Kind, Unit};
use super::dead;
use super::learn::{Learnt, Tally, Terms};
use super::named::Named;
use crate::error::Result;
use crate::kernels::{Expr, Out, Source, compute, compute_one};

/// SAELens's name of the term.
pub const PRE_ACT: &str = "pre_act_loss";

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

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let (affine, settings) = (&self.affine, &self.settings);
        let (rows, [d_sae, d_out]) = (batch.rows(), affine.w_dec.dims());
        let shape = [rows, d_sae];
        let terms = Terms::new(batch, settings.unit, d_out, d_sae);
        // A file's threshold may be below 0.
        let threshold = Expr::from(&self.threshold).max(0.0);
        let x = batch.centred(affine);
        let encoded = affine.encoded(&x, |pre| vec![&pre * pre.greater(&threshold), pre]);
        let Ok([features, pre]) = <[_; 2]>::try_from(encoded) else { unreachable!("two outputs") };
        let [residual, d_y] = affine.errors(&features, batch, &terms);
        let mut revived = dead::revive(affine, batch, &pre, None, &residual, settings.unit.factor(rows, d_out), tally);

        let h = Expr::from(&pre);
        let open = h.greater(&threshold);
        let f = &h * &open;
        let below = batch.dead.as_ref().filter(|_| settings.pre_act_coefficient != 0.0).map(|dead| dead.row(&tally.last));
        let needs_norms = below.is_some() || settings.penalty == JumpPenalty::Tanh;
        let norms = needs_norms.then(|| affine.decoder_norms());
        // From 10 on tanh is 1; a GPU's own, made of exponentials, is no number for large ones.
        let tanh = norms.as_ref().map(|norms| (&f * norms * settings.tanh_scale).min(10.0).tanh());
        let slope = tanh.as_ref().map(|tanh| (Expr::constant(1.0) - tanh.square()) * terms.c_s() * settings.tanh_scale);
        // How far each row's L0 is above the one wanted.
        let over = (settings.penalty == JumpPenalty::Quadratic).then(|| {
            let count = Source::Rows { cols: d_sae, of: vec![open.clone()] };
            compute_one(count, [rows, 1], Expr::sum(0) - settings.target_l0)
        });

        // Within the bandwidth a threshold's gradient needs ∂f where f is 0 too.
        let back = affine.back(&d_y, None, |d_features| {
            let d_features = match (&slope, &norms) {
                (Some(slope), Some(norms)) if settings.penalty == JumpPenalty::Tanh => d_features + slope * norms,
                _ => d_features,
            };
            let rectangle = Expr::constant(0.5).greater(((&h - &threshold) / settings.bandwidth).abs());
            let jump = &d_features * &threshold;
            let jump = match (settings.penalty, &over) {
                (JumpPenalty::Step, _) => jump + terms.c_s(),
                (JumpPenalty::Quadratic, Some(over)) => jump + Expr::from(over) * terms.c_s() * (4.0 / settings.target_l0),
                _ => jump,
            };
            let estimate = jump * rectangle / settings.bandwidth;
            let d_pre = d_features * &open;
            vec![if settings.ste_to_input { d_pre + &estimate } else { d_pre }, estimate]
        });
        let Ok([mut d_pre, mut estimate]) = <[_; 2]>::try_from(back) else { unreachable!("two outputs") };

        let mut d_norms = None;
        if let (Some(dead), Some(norms)) = (below, &norms) {
            let factor = settings.pre_act_coefficient * settings.unit.factor(rows, d_sae);
            let below = (&threshold - &h).relu() * dead;
            let pull = below.greater(0.0) * norms * factor;
            let outs = vec![Out::New(Expr::from(&d_pre) - &pull), Out::New(Expr::from(&estimate) - &pull)];
            let Ok(both) = <[_; 2]>::try_from(compute(Source::Each, shape, outs)) else { unreachable!("two outputs") };
            [d_pre, estimate] = both;
            let sums = compute_one(Source::Columns { rows, of: vec![below] }, [1, d_sae], Expr::sum(0) * factor);
            tally.add(PRE_ACT, sums.clone() * norms.clone());
            d_norms = Some(sums);
        }
        if let Some(revived) = &revived {
            d_pre = d_pre + revived.d_pre.clone();
        }

        let other = revived.as_mut().and_then(|revived| revived.term.take());
        let d_b_dec = Expr::from(tally.errors(&residual, &d_y, &terms, other));
        let penalty = match (settings.penalty, &tanh, &over) {
            (JumpPenalty::Tanh, Some(tanh), _) => tanh.clone(),
            _ => open.clone(),
        };
        let quadratic = settings.penalty == JumpPenalty::Quadratic;
        let d_b_enc = tally.latents(open, shape, &terms, vec![penalty, Expr::from(&d_pre)], |sums| {
            ((!quadratic).then(|| &sums[0] * terms.s()), vec![sums[1].clone()])
        });
        if let Some(over) = &over {
            // No latent's own.
            let value = Source::Columns { rows, of: vec![Expr::from(over).square()] };
            let value = compute_one(value, [1, 1], Expr::sum(0) * terms.s() * (2.0 / settings.target_l0));
            tally.add_sparsity(value);
        }
        if let (JumpPenalty::Tanh, Some(slope)) = (settings.penalty, &slope) {
            let more = compute_one(Source::Columns { rows, of: vec![slope * &f] }, [1, d_sae], Expr::sum(0));
            d_norms = Some(d_norms.map_or(more.clone(), |d| d + more));
        }
        let decoded = [(features, d_y.clone())].into_iter().chain(revived.map(|revived| revived.decoded)).collect();
        let d_b_enc = d_b_enc.into_iter().next();
        let mut gradients = affine.backward(Backward { x: &batch.x, centred: &x, decoded, d_pre: &d_pre, d_b_enc, d_y: &d_y, d_b_dec });
        if let (Some(d_norms), Some(norms)) = (d_norms, &norms) {
            let pull = (d_norms / norms.clone().clamp_min(1e-12)).reshape([d_sae, 1]);
            gradients.w_dec = gradients.w_dec.and(move |g, w_dec| g + w_dec * pull);
        }
        let mut gradients = gradients.into_vec();
        gradients.push(columns(&estimate).and(|sum, _| -sum));
        Learnt { gradients, buffers: Vec::new() }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        let mut taken = self.affine.take(any);
        taken.push(std::mem::replace(&mut self.threshold, any.clone()));
        taken
    }
}
