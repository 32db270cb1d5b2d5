//! Adam (Kingma & Ba 2014) as torch computes it, its factors in f64.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamSettings {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
}

/// First and second moments of each parameter, and the number of steps taken.
#[derive(Clone, Default)]
pub struct Adam {
    moments: Vec<(Tensor<2>, Tensor<2>)>,
    steps: i32,
}

impl Adam {
    /// As it was after `steps` steps with these moments.
    pub fn restore(moments: Vec<(Tensor<2>, Tensor<2>)>, steps: i32) -> Self {
        Self { moments, steps }
    }

    /// First and second moments, in the parameters' order; none before the first step.
    pub fn moments(&self) -> &[(Tensor<2>, Tensor<2>)] {
        &self.moments
    }

    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// One step: the parameters moved against their gradients.
    pub fn step(&mut self, parameters: Vec<Tensor<2>>, gradients: Vec<Tensor<2>>, settings: &AdamSettings) -> Vec<Tensor<2>> {
        let AdamSettings { lr, beta1, beta2, eps } = *settings;
        if self.moments.is_empty() {
            self.moments = parameters.iter().map(|p| (p.zeros_like(), p.zeros_like())).collect();
        }
        self.steps += 1;
        let step_size = lr / (1.0 - beta1.powi(self.steps));
        let bias_correction = (1.0 - beta2.powi(self.steps)).sqrt();
        // `step_size · m / (√v / bias_correction + eps)` with the step's size below the line: a kernel less.
        let (scale, eps) = (1.0 / (bias_correction * step_size), eps / step_size);
        let mut moved = Vec::with_capacity(parameters.len());
        for ((p, g), (m, v)) in parameters.into_iter().zip(gradients).zip(&mut self.moments) {
            m.inplace(|m| m * beta1 + g.clone() * (1.0 - beta1));
            v.inplace(|v| v * beta2 + g.square() * (1.0 - beta2));
            moved.push(p - m.clone() / (v.clone().sqrt() * scale + eps));
        }
        moved
    }

    /// Both moments of each parameter times its mask, where it has one: zeros for what starts anew.
    pub fn forget(&mut self, masks: &[Option<Tensor<2>>]) {
        for ((m, v), keep) in self.moments.iter_mut().zip(masks) {
            if let Some(keep) = keep {
                m.inplace(|m| m * keep.clone());
                v.inplace(|v| v * keep.clone());
            }
        }
    }
}
