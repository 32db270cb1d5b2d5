//! Adam (Kingma & Ba 2014) as torch computes it, with torch's β and ε, in f64.

use super::config::Config;
use super::weights::Weights;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// First and second moments of every weight.
pub struct Adam {
    m: Weights,
    v: Weights,
    steps: i32,
    lr: f64,
}

impl Adam {
    pub fn new(config: &Config) -> Self {
        let zeros = Weights::zeros(config.kind, config.n_features, config.n_hidden);
        Self { m: zeros.clone(), v: zeros, steps: 0, lr: config.lr }
    }

    pub fn step(&mut self, weights: &mut Weights, gradient: &Weights) {
        self.steps += 1;
        let factors = Factors::new(self.lr, self.steps);
        let moments = self.m.parts_mut().into_iter().zip(self.v.parts_mut());
        for (((w, g), m), v) in weights.parts_mut().into_iter().zip(gradient.parts()).zip(moments).map(|((w, g), (m, v))| (((w, g), m), v)) {
            factors.update(w, g, m, v);
        }
    }
}

/// What a step multiplies with.
pub struct Factors {
    step_size: f64,
    bias_correction: f64,
}

impl Factors {
    /// Of step number `step`, counted from 1.
    pub fn new(lr: f64, step: i32) -> Self {
        Self { step_size: lr / (1.0 - BETA1.powi(step)), bias_correction: (1.0 - BETA2.powi(step)).sqrt() }
    }

    pub fn update(&self, w: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64]) {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *w -= self.step_size * *m / (v.sqrt() / self.bias_correction + EPS);
        }
    }
}
