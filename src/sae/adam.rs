//! Adam (Kingma & Ba 2014) as torch computes it, its factors in f64, in the kernel that computes the gradient.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::learn::Gradient;
use crate::kernels::{Expr, Numbers};

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

    /// One step: the parameters moved against their gradients. What nobody else holds of parameters and moments is written over.
    pub fn step<G: Into<Gradient>>(&mut self, parameters: Vec<Tensor<2>>, gradients: Vec<G>, settings: &AdamSettings) -> Vec<Tensor<2>> {
        let AdamSettings { lr, beta1, beta2, eps } = *settings;
        if self.moments.is_empty() {
            self.moments = parameters.iter().map(|p| (p.zeros_like(), p.zeros_like())).collect();
        }
        self.steps += 1;
        let step_size = lr / (1.0 - beta1.powi(self.steps));
        let bias_correction = (1.0 - beta2.powi(self.steps)).sqrt();
        // `step_size · m / (√v / bias_correction + eps)` with the step's size below the line.
        let numbers = vec![beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0 / (bias_correction * step_size), eps / step_size];
        let numbers = Numbers::new(numbers);
        let ending = |g: Expr, at: usize| {
            let number = |at: usize| Expr::number(&numbers, at);
            let m = Expr::old(at + 1) * number(0) + &g * number(1);
            let v = Expr::old(at + 2) * number(2) + g.square() * number(3);
            let p = Expr::old(at) - &m / (v.sqrt() * number(4) + number(5));
            [p, m, v]
        };
        let mut state: Vec<[Tensor<2>; 3]> = parameters.into_iter().zip(std::mem::take(&mut self.moments)).map(|(p, (m, v))| [p, m, v]).collect();
        // The last ones first: a bias's gradient may be made of a matrix as it was before the step.
        let mut moved: Vec<[Tensor<2>; 3]> = Vec::with_capacity(state.len());
        for g in gradients.into_iter().map(Into::into).rev() {
            let over = state.split_off(state.len() - g.parameters());
            moved.extend(g.apply(over, ending).into_iter().rev());
        }
        let (moved, moments) = moved.into_iter().rev().map(|[p, m, v]| (p, (m, v))).unzip();
        self.moments = moments;
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
