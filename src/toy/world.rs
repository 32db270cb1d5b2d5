//! A synthetic world: activations made of known directions, as SAELens's synthetic module makes them.

use super::config::{check_probability, check_rows, check_size};
use super::normal::quantile;
use super::orthogonalize::{normalize, orthogonalize};
use super::pace::Pace;
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};
use crate::rng::Rng;
use crate::tensors::HostTensor;

#[derive(Debug, Clone, PartialEq)]
pub struct WorldSettings {
    pub n_features: usize,
    pub d_in: usize,
    /// How often each feature fires.
    pub probability: f64,
    /// Of every two features: a feature fires where a normal variable is above its threshold, and these variables correlate so much.
    pub correlation: f64,
    /// A feature that fires has the magnitude relu(N(mean, std²)).
    pub mean_magnitude: f64,
    pub std_magnitude: f64,
    /// Steps that push the random directions apart; 0 leaves them as they are.
    pub orthogonalize: usize,
    pub rows: usize,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Features, `[rows, n_features]`.
    pub x: HostTensor,
    /// x · directions, `[rows, d_in]`: what an SAE is trained on.
    pub acts: HostTensor,
    /// `[n_features, d_in]`, each of length 1.
    pub directions: HostTensor,
}

impl WorldSettings {
    fn check(&self) -> Result<()> {
        check_size(self.n_features, self.d_in)?;
        check_probability("probability", self.probability)?;
        check_setting((0.0..1.0).contains(&self.correlation), "correlation", self.correlation, "from 0 to below 1")?;
        check_setting(self.mean_magnitude.is_finite(), "meanMagnitude", self.mean_magnitude, "a finite number")?;
        check_setting(self.std_magnitude >= 0.0 && self.std_magnitude.is_finite(), "stdMagnitude", self.std_magnitude, "0 or more")?;
        check_setting(self.orthogonalize <= 10_000, "orthogonalize", self.orthogonalize, "from 0 to 10000")?;
        check_rows("rows", self.rows, self.n_features.max(self.d_in))
    }
}

/// Makes directions, and rows of features and activations.
pub async fn world(settings: &WorldSettings, pause: &impl Checkpoint) -> Result<World> {
    settings.check()?;
    let (n, d) = (settings.n_features, settings.d_in);
    let mut rng = Rng::new(settings.seed);
    let mut directions: Vec<f64> = (0..n * d).map(|_| rng.normal()).collect();
    directions.chunks_exact_mut(d).for_each(normalize);
    if settings.orthogonalize > 0 {
        directions = orthogonalize(directions, d, settings.orthogonalize, pause).await?;
    }
    let (mut x, mut acts) = (Vec::with_capacity(settings.rows * n), Vec::with_capacity(settings.rows * d));
    let (mut row, mut pace) = (vec![0.0; n], Pace::default());
    let (mut hidden, threshold) = (vec![0.0; d], quantile(1.0 - settings.probability));
    for done in 0..settings.rows {
        fire(settings, threshold, &mut rng, &mut row);
        hidden.fill(0.0);
        super::linear::write(&directions, &row, &mut hidden);
        x.extend_from_slice(&row);
        acts.extend(hidden.iter().map(|&v| v as f32));
        pace.pay(n * (d + 8), || Progress::Analyse { done, total: settings.rows }, pause).await?;
    }
    let tensor = |data, shape: [usize; 2]| HostTensor { data, shape: shape.to_vec() };
    Ok(World {
        x: tensor(x, [settings.rows, n]),
        acts: tensor(acts, [settings.rows, d]),
        directions: tensor(directions.iter().map(|&v| v as f32).collect(), [n, d]),
    })
}

/// One row of features.
fn fire(settings: &WorldSettings, threshold: f64, rng: &mut Rng, row: &mut [f32]) {
    let WorldSettings { probability, correlation, mean_magnitude, std_magnitude, .. } = *settings;
    let common = if correlation > 0.0 { correlation.sqrt() * rng.normal() } else { 0.0 };
    for x in row {
        let fires = match correlation > 0.0 {
            true => common + (1.0 - correlation).sqrt() * rng.normal() > threshold,
            false => rng.uniform() < probability,
        };
        *x = match fires {
            true if std_magnitude > 0.0 => (mean_magnitude + std_magnitude * rng.normal()).max(0.0) as f32,
            true => mean_magnitude.max(0.0) as f32,
            false => 0.0,
        };
    }
}
