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

use burn::tensor::Tensor;

use super::affine::{Affine, Backward, columns};
use super::architecture::{Architecture, Batch, Parameter};
use super::config::{Config, Kind};
use super::dead;
use super::learn::{Gradient, Learnt, Other, Tally, Terms};
use super::named::Named;
use super::relu::L1;
use crate::error::Result;
use crate::kernels::{Expr, Form, Out, Source, compute, compute_one};

pub struct Gated {
    /// Its encoder's bias is `b_gate`.
    affine: Affine,
    /// `[1, d_sae]` each.
    b_mag: Tensor<2>,
    r_mag: Tensor<2>,
    l1: L1,
}

impl Gated {
    pub fn new(config: &Config, weights: &mut Named) -> Result<Self> {
        let affine = Affine::new(config, weights, "b_gate")?;
        let (b_mag, r_mag) = (weights.row("b_mag", config.d_sae)?, weights.row("r_mag", config.d_sae)?);
        Ok(Self { affine, b_mag, r_mag, l1: L1 { unit: config.loss_unit, weighted: config.l1_weighted } })
    }

    /// `f` and `relu(π)` from `a`.
    fn paths(&self, a: &Expr) -> (Expr, Expr) {
        let gate = a + &self.affine.b_enc;
        let magnitude = (a * Expr::from(&self.r_mag).exp() + &self.b_mag).relu();
        (magnitude * gate.greater(0.0), gate.relu())
    }

    /// `x W_enc` of centred rows, and what else is made of it, `[rows, d_sae]` each.
    fn encoded(&self, centred: &Tensor<2>, of: impl FnOnce(Expr) -> Vec<Expr>) -> Vec<Tensor<2>> {
        let w_enc = &self.affine.w_enc;
        let outs = of(Expr::sum(0)).into_iter().map(Out::New).collect();
        compute(Source::product(Form::Plain, centred, w_enc), [centred.dims()[0], w_enc.dims()[1]], outs)
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
        self.encoded(&self.affine.centred(x), |a| vec![self.paths(&a).0]).swap_remove(0)
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

    fn learn(&self, batch: &Batch, tally: &mut Tally) -> Learnt {
        let affine = &self.affine;
        let (rows, [d_sae, d_out]) = (batch.rows(), affine.w_dec.dims());
        let shape = [rows, d_sae];
        let terms = Terms::new(batch, self.l1.unit, d_out, d_sae);
        let x = batch.centred(affine);
        let encoded = self.encoded(&x, |a| {
            let (features, via_gate) = self.paths(&a);
            vec![a, features, via_gate]
        });
        let Ok([a, features, via_gate]) = <[_; 3]>::try_from(encoded) else { unreachable!("three outputs") };
        let [residual, d_y] = affine.errors(&features, batch, &terms);
        let [gate_residual, d_v] = affine.errors(&via_gate, batch, &terms);

        let norms = self.l1.weighted.then(|| affine.decoder_norms());
        let (fired, open) = (Expr::from(&features).greater(0.0), Expr::from(&via_gate).greater(0.0));
        let d_magnitude = affine.back(&d_y, Some(&features), |d| vec![d * &fired]).swap_remove(0);
        let back = affine.back(&d_v, Some(&via_gate), |d| {
            let d = match &norms {
                Some(norms) => d + terms.c_s() * norms,
                None => d + terms.c_s(),
            };
            let d_gate = d * &open;
            let d_pre = Expr::from(&d_magnitude) * Expr::from(&self.r_mag).exp() + &d_gate;
            vec![d_gate, d_pre]
        });
        let Ok([d_gate, d_pre]) = <[_; 2]>::try_from(back) else { unreachable!("two outputs") };

        let via = Other { name: dead::AUXILIARY, residual: gate_residual, factor: terms.r(), d_y: Some(d_v.clone()) };
        let d_b_dec = Expr::from(tally.errors(&residual, &d_y, &terms, Some(via)));
        let pull = tally.latents(fired, shape, &terms, vec![Expr::from(&via_gate)], |sums| match &norms {
            Some(norms) => (Some(&sums[0] * norms * terms.s()), vec![&sums[0] / Expr::from(norms).max(1e-12) * terms.c_s()]),
            None => (Some(&sums[0] * terms.s()), Vec::new()),
        });
        let d_pre_sum = || compute_one(Source::Columns { rows, of: vec![Expr::from(&d_pre)] }, [1, d_sae], Expr::sum(0));
        let d_b_enc = affine.subtract_b_dec.then(d_pre_sum);
        let decoded = vec![(features, d_y.clone()), (via_gate, d_v.clone())];
        let mut gradients = affine.backward(Backward { x: &batch.x, centred: &x, decoded, d_pre: &d_pre, d_b_enc, d_y: &d_y, d_b_dec });
        gradients.b_enc = columns(&d_gate);
        if let Some(pull) = pull.into_iter().next() {
            gradients.w_dec = gradients.w_dec.and(move |g, w_dec| g + w_dec * pull.reshape([d_sae, 1]));
        }
        let mut gradients = gradients.into_vec();
        // Of b_mag, and of r_mag, by which both paths' sums are multiplied.
        let of = vec![Expr::from(&d_magnitude), Expr::from(&d_magnitude) * &a];
        let d_b_mag = Gradient::sum(Source::Columns { rows, of }, [1, d_sae]);
        gradients.push(d_b_mag.with_next(|r_mag| Expr::sum(1) * r_mag.exp()));
        Learnt { gradients, buffers: Vec::new() }
    }

    fn take(&mut self, any: &Tensor<2>) -> Vec<Tensor<2>> {
        let mut taken = self.affine.take(any);
        taken.extend([&mut self.b_mag, &mut self.r_mag].map(|slot| std::mem::replace(slot, any.clone())));
        taken
    }
}
