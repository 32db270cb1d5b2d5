//! Training of all instances at once, each step on a fresh batch.

use super::adam::Adam;
use super::bounds::{pca_loss, zero_loss};
use super::config::Config;
use super::data::features;
use super::geometry::{dimensionality, norms};
use super::model::Row;
use super::pace::{Pace, SLICE};
use super::weights::Weights;
use crate::error::{LabError, Result, code};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::tensors::HostTensor;

/// What takes the place of chance, one for each instance.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The weights before the first step.
    pub weights: Option<Vec<Weights>>,
    /// `[steps, batch_size, n_features]`
    pub batches: Option<Vec<HostTensor>>,
}

/// A trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub probability: f64,
    /// Before each step, on its batch.
    pub losses: Vec<f32>,
    pub weights: Weights,
    /// On a fresh sample.
    pub final_loss: f64,
    pub zero_loss: f64,
    pub pca_loss: f64,
    pub norms: Vec<f64>,
    pub dimensionality: Vec<f64>,
}

/// An instance on its way. Its randomness is its own, so that it comes out the same whichever others are trained beside it.
struct Training<'a> {
    probability: f64,
    weights: Weights,
    gradient: Weights,
    adam: Adam,
    data: Rng,
    given: Option<&'a HostTensor>,
    losses: Vec<f32>,
    row: Row,
}

/// Trains one instance for each probability.
pub async fn train(config: &Config, given: &Given, pause: &impl Checkpoint) -> Result<Vec<Instance>> {
    config.check()?;
    check_given(config, given)?;
    let importance = config.importance();
    let mut pace = Pace::default();
    let mut batch = Vec::new();
    let mut all: Vec<Training> = (0..config.probabilities.len()).map(|k| Training::new(config, given, k)).collect();
    for step in 0..config.steps {
        let newest: Vec<f32> = all.iter().map(|t| t.losses.last().copied().unwrap_or(f32::NAN)).collect();
        let progress = || Progress::Toy { done: step, total: config.steps, losses: newest.clone() };
        for training in &mut all {
            training.step(config, &importance, step, &mut batch, &mut pace, &progress, pause).await?;
        }
    }
    let mut instances = Vec::with_capacity(all.len());
    for (k, training) in all.into_iter().enumerate() {
        let final_loss = final_loss(config, &importance, k, &training.weights, &mut batch, &mut pace, pause).await?;
        let p = training.probability;
        instances.push(Instance {
            probability: p,
            final_loss,
            zero_loss: zero_loss(p, config.values, &importance),
            pca_loss: pca_loss(p, config.values, &importance, config.n_hidden),
            norms: norms(&training.weights),
            dimensionality: dimensionality(&training.weights),
            losses: training.losses,
            weights: training.weights,
        });
    }
    let newest = instances.iter().filter_map(|i| i.losses.last().copied()).collect();
    pause.reached(Progress::Toy { done: config.steps, total: config.steps, losses: newest }).await?;
    Ok(instances)
}

impl<'a> Training<'a> {
    fn new(config: &Config, given: &'a Given, k: usize) -> Self {
        let start = given.weights.as_ref().and_then(|w| w.get(k)).cloned();
        let weights = start.unwrap_or_else(|| Weights::init(config.kind, config.n_features, config.n_hidden, &mut stream(config, k, 0)));
        Self {
            probability: config.probabilities[k],
            gradient: Weights::zeros(config.kind, config.n_features, config.n_hidden),
            adam: Adam::new(config),
            data: stream(config, k, 1),
            given: given.batches.as_ref().and_then(|b| b.get(k)),
            losses: Vec::with_capacity(config.steps),
            row: weights.row(),
            weights,
        }
    }

    #[allow(clippy::too_many_arguments)] // all of it belongs to the one loop above
    async fn step(
        &mut self,
        config: &Config,
        importance: &[f64],
        step: usize,
        batch: &mut Vec<f32>,
        pace: &mut Pace,
        progress: &impl Fn() -> Progress,
        pause: &impl Checkpoint,
    ) -> Result<()> {
        let width = config.n_features;
        let numbers = config.batch_size * width;
        let scale = 1.0 / numbers as f64;
        self.gradient.clear();
        let mut sum = 0.0;
        for (from, rows) in slices(config.batch_size, self.weights.work_per_row()) {
            let rows_given = self.given.map(|all| &all.data[step * numbers + from * width..][..rows * width]);
            let x = rows_given.unwrap_or_else(|| draw(&mut self.data, config, self.probability, rows, batch));
            sum += self.weights.backward(x, importance, scale, &mut self.gradient, &mut self.row);
            pace.pay(rows * self.weights.work_per_row(), progress, pause).await?;
        }
        let loss = scale * sum;
        if !loss.is_finite() {
            let message = format!("The loss of the instance with probability {} is not a finite number after {step} steps.", self.probability);
            return Err(LabError::new(code::NOT_FINITE, message, format!("Make lr smaller than {}.", config.lr)));
        }
        self.losses.push(loss as f32);
        self.adam.step(&mut self.weights, &self.gradient);
        Ok(())
    }
}

async fn final_loss(
    config: &Config,
    importance: &[f64],
    k: usize,
    weights: &Weights,
    batch: &mut Vec<f32>,
    pace: &mut Pace,
    pause: &impl Checkpoint,
) -> Result<f64> {
    let (mut rng, mut row, mut sum) = (stream(config, k, 2), weights.row(), 0.0);
    let total = config.eval_rows;
    for (from, rows) in slices(total, weights.work_per_row()) {
        let x = draw(&mut rng, config, config.probabilities[k], rows, batch);
        sum += weights.squared_error(x, importance, &mut row);
        pace.pay(rows * weights.work_per_row(), || Progress::Analyse { done: from + rows, total }, pause).await?;
    }
    Ok(sum / (total * config.n_features) as f64)
}

/// Randomness of instance `k` for one of three purposes: weights, batches, the fresh sample.
fn stream(config: &Config, k: usize, purpose: u64) -> Rng {
    Rng::substream(config.seed, 4 * k as u64 + purpose + 1)
}

fn draw<'b>(rng: &mut Rng, config: &Config, probability: f64, rows: usize, batch: &'b mut Vec<f32>) -> &'b [f32] {
    batch.resize(rows * config.n_features, 0.0);
    features(rng, probability, config.values, batch);
    batch
}

/// `rows` cut into parts of one slice of work each: where they begin, how long they are.
fn slices(rows: usize, work_per_row: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = (SLICE / work_per_row.max(1)).max(1);
    (0..rows).step_by(most).map(move |from| (from, most.min(rows - from)))
}

fn check_given(config: &Config, given: &Given) -> Result<()> {
    let instances = config.probabilities.len();
    let several = |name: &str, n: usize| {
        crate::error::check_setting(n == instances, name, format!("{n} long"), &format!("one for each of the {instances} probabilities"))
    };
    if let Some(weights) = &given.weights {
        several("weights", weights.len())?;
        for w in weights {
            let (ours, theirs) = ((config.n_features, config.n_hidden), (w.n_features, w.n_hidden));
            if ours != theirs || w.kind != config.kind {
                let message = format!(
                    "The weights are of {} features and {} hidden dimensions, but {} and {} are to be trained.",
                    theirs.0, theirs.1, ours.0, ours.1
                );
                return Err(LabError::new(code::WIDTH_MISMATCH, message, "Give weights of the same model and shape, or leave them out."));
            }
        }
    }
    if let Some(batches) = &given.batches {
        several("batches", batches.len())?;
        batches.iter().try_for_each(|b| b.expect_shape("batches", &[config.steps, config.batch_size, config.n_features]))?;
    }
    Ok(())
}
