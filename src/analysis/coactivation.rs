//! Which features are active together: Pearson's correlation of every pair, as `np.corrcoef` has it.
//!
//! Two passes over the rows: one for means and frequencies, one for the products of what is left when the means
//! are taken off. Matrices are of the chosen features only, `[n, n]` on the device, and read back a few rows at a time.

use burn::tensor::Tensor;
use serde::Serialize;

use super::passes::{check_finite, chosen_rows, columns, encoded};
use crate::activations::Activations;
use crate::error::{LabError, Result, check_setting, code};
use crate::kernels::{Expr, Form, Out, Source, compute, product};
use crate::progress::{Checkpoint, Progress};
use crate::sae::Inference;
use crate::tensors::{HostTensor, read, upload, upload_indices};

/// Features that are compared with each other at most: two matrices of 64 MB.
const MOST_FEATURES: usize = 4096;

/// Values of a matrix read back at once: 4 MB.
const VALUES_PER_READ: usize = 1 << 20;

#[derive(Debug, Clone)]
pub struct CoactivationSettings {
    /// Only features above zero on more than this fraction of the rows.
    pub min_frequency: f64,
    /// How many pairs to name, at either end.
    pub pairs: usize,
    pub skip_position_0: bool,
    /// The whole matrix is given for at most so many features.
    pub matrix_up_to: usize,
}

/// Two features, `a < b`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    pub a: u32,
    pub b: u32,
    pub correlation: f64,
    /// Fraction of the rows on which both are above zero.
    pub together: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Coactivation {
    pub rows: usize,
    /// Features active often enough.
    pub active: usize,
    /// Those of them whose value is the same on every row: they have no correlation and are left out.
    pub constant: usize,
    /// The numbers of the others, ascending.
    #[serde(skip)]
    pub features: Vec<u32>,
    /// The largest correlations, largest first.
    pub pairs: Vec<Pair>,
    /// The most negative ones, most negative first.
    pub lowest: Vec<Pair>,
    /// All correlations `[features, features]`, where there are few.
    #[serde(skip)]
    pub matrix: Option<HostTensor>,
}

/// Correlates the features that are active often enough; `Err` when none is, or too many are.
pub async fn coactivation(sae: &Inference, acts: &Activations, settings: &CoactivationSettings, pause: &impl Checkpoint) -> Result<Coactivation> {
    check_setting((0.0..1.0).contains(&settings.min_frequency), "minFrequency", settings.min_frequency, "from 0 to below 1")?;
    check_setting(settings.pairs <= 10_000, "pairs", settings.pairs, "at most 10000")?;
    check_setting(settings.matrix_up_to <= MOST_FEATURES, "matrixUpTo", settings.matrix_up_to, &format!("at most {MOST_FEATURES}"))?;
    sae.check_width(acts.width())?;
    let rows = chosen_rows(acts, settings.skip_position_0)?;
    let (n_rows, total) = (rows.len() as f64, 2 * rows.len());

    let mut sums: Option<Tensor<2>> = None; // [4, d_sae]
    for (f, done) in encoded(sae, acts, &rows) {
        let (sum, fired, max) = (f.clone().sum_dim(0), f.clone().sign().sum_dim(0), f.clone().max_dim(0));
        let min = f.min_dim(0);
        sums = Some(match sums {
            None => Tensor::cat(vec![sum, fired, max, min], 0),
            Some(s) => {
                let added = s.clone().narrow(0, 0, 2) + Tensor::cat(vec![sum, fired], 0);
                Tensor::cat(vec![added, s.clone().narrow(0, 2, 1).max_pair(max), s.narrow(0, 3, 1).min_pair(min)], 0)
            }
        });
        pause.reached(Progress::Analyse { done, total }).await?;
    }
    let Some(sums) = sums else { unreachable!("rows is not empty") };
    let table = read(sums).await?.data;
    check_finite(&table)?;
    let table: Vec<&[f32]> = table.chunks_exact(sae.d_sae()).collect();
    let often = |i: &usize| f64::from(table[1][*i]) > settings.min_frequency * n_rows;
    let active: Vec<usize> = (0..sae.d_sae()).filter(often).collect();
    let features: Vec<u32> = active.iter().filter(|&&i| table[2][i] > table[3][i]).map(|&i| i as u32).collect();
    check_number(active.len(), features.len(), settings.min_frequency)?;
    let mut out = Coactivation {
        rows: rows.len(),
        active: active.len(),
        constant: active.len() - features.len(),
        features,
        pairs: Vec::new(),
        lowest: Vec::new(),
        matrix: None,
    };
    if out.features.is_empty() {
        return Ok(out);
    }
    let means: Vec<f32> = out.features.iter().map(|&i| (f64::from(table[0][i as usize]) / n_rows) as f32).collect();
    let matrices = Matrices::of(sae, acts, &rows, &out.features, means, pause).await?;
    let (highest, lowest) = matrices.extremes(settings.pairs).await?;
    out.pairs = matrices.pairs(&highest, &out.features).await?;
    out.lowest = matrices.pairs(&lowest, &out.features).await?;
    if out.features.len() <= settings.matrix_up_to {
        out.matrix = Some(matrices.whole().await?);
    }
    Ok(out)
}

fn check_number(active: usize, varying: usize, min_frequency: f64) -> Result<()> {
    if active == 0 {
        let message = format!("No feature is active on more than {min_frequency} of the rows.");
        return Err(LabError::new(code::EMPTY_INPUT, message, "Lower minFrequency, collect more texts, or train the SAE with a smaller l1."));
    }
    if varying > MOST_FEATURES {
        let message = format!(
            "{varying} features are active on more than {min_frequency} of the rows, but at most {MOST_FEATURES} can be compared with each other."
        );
        return Err(LabError::new(code::BAD_SETTING, message, "Raise minFrequency."));
    }
    Ok(())
}

/// `[n, n]` on the device, of n features.
struct Matrices {
    n: usize,
    rows: f64,
    correlation: Tensor<2>,
    /// On how many rows both are active.
    together: Tensor<2>,
}

/// A place in a matrix above its diagonal.
type Place = (f32, u32, u32);

impl Matrices {
    async fn of(sae: &Inference, acts: &Activations, rows: &[u32], features: &[u32], means: Vec<f32>, pause: &impl Checkpoint) -> Result<Self> {
        let (n, n_rows, device) = (features.len(), rows.len() as f64, acts.data.device());
        let means = upload(means, [1, n], &device);
        let zeros = |rows| Tensor::<2>::zeros([rows, n], &device);
        let (mut products, mut together, mut off, mut squares) = (zeros(n), zeros(n), zeros(1), zeros(1));
        for (f, done) in encoded(sae, acts, rows) {
            let f = columns(f, features);
            let active = f.clone().sign();
            let centred = f - means.clone();
            off = off + centred.clone().sum_dim(0);
            squares = squares + centred.clone().square().sum_dim(0);
            products = added(products, &centred);
            together = added(together, &active);
            pause.reached(Progress::Analyse { done: rows.len() + done, total: 2 * rows.len() }).await?;
        }
        // The means were rounded: what the rest is off zero is taken off the products too.
        let table = read(Tensor::cat(vec![off.clone(), squares], 0)).await?.data;
        let (off_host, squares) = table.split_at(n);
        let scale = |(&off, &square): (&f32, &f32)| {
            let spread = f64::from(square) - f64::from(off).powi(2) / n_rows;
            if spread > 0.0 { (1.0 / spread.sqrt()) as f32 } else { 0.0 }
        };
        let scale: Vec<f32> = off_host.iter().zip(squares).map(scale).collect();
        let scale = upload(scale, [1, n], &device);
        let covariance = products - product(Form::Outer, &off, &(off.clone() / n_rows));
        Ok(Self { n, rows: n_rows, correlation: covariance * scale.clone().transpose() * scale, together })
    }

    /// The `k` largest and the `k` smallest correlations of different features, the most extreme first.
    async fn extremes(&self, k: usize) -> Result<(Vec<Place>, Vec<Place>)> {
        let by_size = |a: &Place, b: &Place| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2)));
        let (mut highest, mut lowest) = (Vec::new(), Vec::new());
        let block = (VALUES_PER_READ / self.n).max(1);
        for start in (0..self.n).step_by(block) {
            let rows = block.min(self.n - start);
            let values = read(self.correlation.clone().narrow(0, start, rows)).await?.data;
            for (i, row) in (start..).zip(values.chunks_exact(self.n)) {
                for (j, &value) in row.iter().enumerate().skip(i + 1) {
                    let value = value.clamp(-1.0, 1.0);
                    keep(&mut highest, k, (value, i as u32, j as u32), by_size);
                    keep(&mut lowest, k, (-value, i as u32, j as u32), by_size);
                }
            }
        }
        for list in [&mut highest, &mut lowest] {
            list.sort_by(by_size);
            list.truncate(k);
        }
        Ok((highest, lowest.into_iter().map(|(value, i, j)| (-value, i, j)).collect()))
    }

    async fn pairs(&self, places: &[Place], features: &[u32]) -> Result<Vec<Pair>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let flat: Vec<u32> = places.iter().map(|&(_, i, j)| i * self.n as u32 + j).collect();
        let flat = upload_indices(&flat, [flat.len()], &self.together.device());
        let together = read(self.together.clone().reshape([self.n * self.n]).select(0, flat)).await?.data;
        let pair = |(&(correlation, i, j), &rows): (&Place, &f32)| Pair {
            a: features[i as usize],
            b: features[j as usize],
            correlation: correlation.into(),
            together: f64::from(rows) / self.rows,
        };
        Ok(places.iter().zip(&together).map(pair).collect())
    }

    async fn whole(&self) -> Result<HostTensor> {
        let mut matrix = read(self.correlation.clone()).await?;
        for (at, value) in matrix.data.iter_mut().enumerate() {
            *value = if at % (self.n + 1) == 0 { 1.0 } else { value.clamp(-1.0, 1.0) };
        }
        Ok(matrix)
    }
}

/// What each two columns of `x` have in common, `Σ x_i x_j` over its rows, added to `sums`.
///
/// # Shapes
/// sums `[n, n]`, x `[rows, n]`
fn added(sums: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
    let shape = sums.dims();
    compute(Source::product(Form::Outer, x, x), shape, vec![Out::Over(sums, Expr::old(0) + Expr::sum(0))]).swap_remove(0)
}

/// Adds to a list that holds the first `k` in order, and at times more that are thrown away together.
fn keep(list: &mut Vec<Place>, k: usize, new: Place, order: impl Fn(&Place, &Place) -> std::cmp::Ordering) {
    list.push(new);
    if list.len() >= 2 * k + 1024 {
        if k > 0 {
            list.select_nth_unstable_by(k - 1, order);
        }
        list.truncate(k);
    }
}
