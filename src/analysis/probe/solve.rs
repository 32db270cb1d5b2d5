//! The optimum of a penalised logistic regression.

use super::ProbeSettings;
use crate::analysis::passes::no_numbers;
use crate::error::Result;
use crate::progress::{Checkpoint, Progress};

/// Rows of activations, positive ones first.
pub struct Rows {
    /// `[rows, width]`
    pub x: Vec<f32>,
    pub width: usize,
    pub positives: usize,
}

impl Rows {
    fn row(&self, i: usize) -> &[f32] {
        &self.x[i * self.width..(i + 1) * self.width]
    }

    /// 1 for a positive row, else 0.
    fn label(&self, i: usize) -> f64 {
        f64::from(u8::from(i < self.positives))
    }
}

/// Weights and bias for the rows as they are.
pub struct Fitted {
    pub weights: Vec<f64>,
    pub bias: f64,
}

impl Fitted {
    /// How many of these rows are on their own side.
    pub fn right(&self, rows: &Rows, which: &[usize]) -> usize {
        let positive = |i: usize| dot(&self.weights, rows.row(i)) + self.bias > 0.0;
        which.iter().filter(|&&i| positive(i) == (rows.label(i) > 0.5)).count()
    }
}

/// The gradient is made this much shorter than it was at the start.
const TOLERANCE: f64 = 1e-10;
const NEWTON_STEPS: usize = 100;

/// The problem in standardised coordinates `u = (x − mean) / scale`; parameters are the weights and, last, the bias.
struct Problem<'a> {
    rows: &'a Rows,
    which: &'a [usize],
    mean: Vec<f64>,
    scale: Vec<f64>,
    l2: f64,
}

/// Fits the rows `which`. Reports `progress` at every step, which is a place to stop.
pub async fn solve(rows: &Rows, which: &[usize], settings: &ProbeSettings, progress: Progress, pause: &impl Checkpoint) -> Result<Fitted> {
    let problem = Problem::new(rows, which, settings);
    let d = rows.width;
    let mut parameters = vec![0.0; d + 1];
    let mut z = problem.forward(&parameters);
    let mut start = None;
    for _ in 0..NEWTON_STEPS {
        let residuals: Vec<f64> = which.iter().zip(&z).map(|(&i, &z)| sigmoid(z) - rows.label(i)).collect();
        let gradient = problem.penalised(problem.backward(&residuals), &parameters);
        let length = norm(&gradient);
        if !length.is_finite() {
            return Err(no_numbers());
        }
        let start = *start.get_or_insert(length);
        if length <= TOLERANCE * start {
            break;
        }
        let curvature: Vec<f64> = z.iter().map(|&z| sigmoid(z) * sigmoid(-z)).collect();
        let tolerance = length * (length / start).sqrt().min(0.1);
        let step = problem.newton_step(&gradient, &curvature, tolerance, &progress, pause).await?;
        let along = problem.forward(&step);
        let slope: f64 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
        let before = problem.loss(&z, &parameters);
        let mut t = 1.0;
        let better = loop {
            let new: Vec<f64> = parameters.iter().zip(&step).map(|(p, s)| p + t * s).collect();
            let new_z: Vec<f64> = z.iter().zip(&along).map(|(z, a)| z + t * a).collect();
            if problem.loss(&new_z, &new) <= before + 1e-4 * t * slope {
                break Some((new, new_z));
            }
            t /= 2.0;
            if t < 1e-10 {
                break None;
            }
        };
        // No step is better any more: the loss is at its last digit.
        let Some((new, new_z)) = better else { break };
        (parameters, z) = (new, new_z);
    }
    let bias = parameters.pop().unwrap_or(0.0);
    let weights: Vec<f64> = parameters.iter().zip(&problem.scale).map(|(w, s)| w / s).collect();
    let bias = bias - weights.iter().zip(&problem.mean).map(|(w, m)| w * m).sum::<f64>();
    Ok(Fitted { weights, bias })
}

impl<'a> Problem<'a> {
    fn new(rows: &'a Rows, which: &'a [usize], settings: &ProbeSettings) -> Self {
        let (d, n) = (rows.width, which.len() as f64);
        let (mut mean, mut scale) = (vec![0.0; d], vec![1.0; d]);
        if settings.standardize {
            for &i in which {
                mean.iter_mut().zip(rows.row(i)).for_each(|(m, &x)| *m += f64::from(x) / n);
            }
            let mut variance = vec![0.0; d];
            for &i in which {
                let row = rows.row(i).iter().zip(&mean);
                variance.iter_mut().zip(row).for_each(|(v, (&x, m))| *v += (f64::from(x) - m).powi(2) / n);
            }
            for ((scale, variance), m) in scale.iter_mut().zip(variance).zip(&mean) {
                // A variance that rounding alone could make is none, as in scikit-learn.
                let rounding = n * f64::EPSILON * variance + (n * m * f64::EPSILON).powi(2);
                *scale = if variance > rounding { variance.sqrt() } else { 1.0 };
            }
        }
        Self { rows, which, mean, scale, l2: settings.l2 }
    }

    /// `⟨w, u⟩ + b` for every row.
    fn forward(&self, parameters: &[f64]) -> Vec<f64> {
        let (w, bias) = parameters.split_at(self.rows.width);
        let weights: Vec<f64> = w.iter().zip(&self.scale).map(|(w, s)| w / s).collect();
        let shift = bias[0] - weights.iter().zip(&self.mean).map(|(w, m)| w * m).sum::<f64>();
        self.which.iter().map(|&i| dot(&weights, self.rows.row(i)) + shift).collect()
    }

    /// `Σ rᵢ (uᵢ, 1)` for one number r a row.
    fn backward(&self, r: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.rows.width];
        for (&i, &r) in self.which.iter().zip(r) {
            sum.iter_mut().zip(self.rows.row(i)).for_each(|(s, &x)| *s += r * f64::from(x));
        }
        let total: f64 = r.iter().sum();
        let centred = sum.iter().zip(&self.mean).zip(&self.scale).map(|((s, m), scale)| (s - m * total) / scale);
        centred.chain([total]).collect()
    }

    /// Adds the penalty's part of a gradient; the bias has none.
    fn penalised(&self, mut gradient: Vec<f64>, parameters: &[f64]) -> Vec<f64> {
        let d = self.rows.width;
        gradient[..d].iter_mut().zip(&parameters[..d]).for_each(|(g, p)| *g += self.l2 * p);
        gradient
    }

    fn loss(&self, z: &[f64], parameters: &[f64]) -> f64 {
        let fit: f64 = self.which.iter().zip(z).map(|(&i, &z)| softplus(if self.rows.label(i) > 0.5 { -z } else { z })).sum();
        let w = &parameters[..self.rows.width];
        fit + self.l2 / 2.0 * w.iter().map(|w| w * w).sum::<f64>()
    }

    /// What the diagonal of the Hessian is: dimensions that were not standardised differ in it by orders of magnitude.
    fn diagonal(&self, curvature: &[f64]) -> Vec<f64> {
        let mut diagonal = vec![self.l2; self.rows.width];
        for (&i, &c) in self.which.iter().zip(curvature) {
            let u = self.rows.row(i).iter().zip(&self.mean).zip(&self.scale);
            diagonal.iter_mut().zip(u).for_each(|(d, ((&x, m), s))| *d += c * ((f64::from(x) - m) / s).powi(2));
        }
        diagonal.push(curvature.iter().sum::<f64>().max(1e-300));
        diagonal
    }

    /// Solves `H s = −gradient` by preconditioned conjugate gradients until what is left is no longer than `tolerance`.
    async fn newton_step(
        &self,
        gradient: &[f64],
        curvature: &[f64],
        tolerance: f64,
        progress: &Progress,
        pause: &impl Checkpoint,
    ) -> Result<Vec<f64>> {
        let diagonal = self.diagonal(curvature);
        let precondition = |r: &[f64]| r.iter().zip(&diagonal).map(|(r, d)| r / d).collect::<Vec<_>>();
        let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut step = vec![0.0; gradient.len()];
        let mut left: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut p = precondition(&left);
        let mut rho = inner(&left, &p);
        for _ in 0..2 * gradient.len() {
            pause.reached(progress.clone()).await?;
            let bent: Vec<f64> = self.forward(&p).iter().zip(curvature).map(|(z, c)| z * c).collect();
            let hp = self.penalised(self.backward(&bent), &p);
            let alpha = rho / inner(&p, &hp);
            if !alpha.is_finite() {
                break;
            }
            step.iter_mut().zip(&p).for_each(|(s, p)| *s += alpha * p);
            left.iter_mut().zip(&hp).for_each(|(l, h)| *l -= alpha * h);
            if norm(&left) <= tolerance {
                break;
            }
            let q = precondition(&left);
            let next = inner(&left, &q);
            p.iter_mut().zip(&q).for_each(|(p, q)| *p = q + next / rho * *p);
            rho = next;
        }
        Ok(step)
    }
}

fn dot(weights: &[f64], row: &[f32]) -> f64 {
    weights.iter().zip(row).map(|(w, &x)| w * f64::from(x)).sum()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) }
}

/// `log(1 + exp(z))`
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}
