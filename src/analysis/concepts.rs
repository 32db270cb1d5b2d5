//! Which features tell one set of texts from another.
//!
//! An area under the ROC curve needs all values of a feature in order, and sorting is no work for this GPU. But most features are
//! 0 almost everywhere, so the values above zero are read back, of as many features at once as there is room for, and sorted here.

use serde::Serialize;

use super::auroc::auroc;
use super::passes::{check_finite, columns, encoded, rows_of_side, texts_of};
use crate::activations::Activations;
use crate::error::{Result, check_setting};
use crate::progress::{Checkpoint, Progress};
use crate::sae::Inference;
use crate::tensors::read;
use burn::tensor::Tensor;

/// Values above zero held at once: 64 MB, and as much again while lists grow.
const MOST_VALUES: u64 = 1 << 24;

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Every row.
    Token,
    /// Every text, by the largest activation in it.
    Text,
}

#[derive(Debug, Clone)]
pub struct ConceptsSettings {
    pub k: usize,
    pub per: Per,
    /// Only features above zero on more than this fraction of all units.
    pub min_frequency: f64,
    pub skip_position_0: bool,
}

/// Units are tokens or texts, those without an activation included.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConceptFeature {
    pub feature: usize,
    /// How often a positive unit has more of it than a negative one, ties half.
    pub auroc: f64,
    pub mean_positive: f64,
    pub mean_negative: f64,
    /// Fraction of the units on which it is above zero.
    pub frequency_positive: f64,
    pub frequency_negative: f64,
    pub max: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Concepts {
    /// The largest area first; of equal ones the larger difference of means.
    pub features: Vec<ConceptFeature>,
    /// Units of either side.
    pub positives: usize,
    pub negatives: usize,
    /// Features active often enough to be judged.
    pub judged: usize,
}

/// The rows of one side, and which unit each belongs to.
struct Side<'a> {
    acts: &'a Activations,
    rows: Vec<u32>,
    units: Vec<u32>,
    n_units: usize,
}

impl<'a> Side<'a> {
    fn new(acts: &'a Activations, name: &str, settings: &ConceptsSettings) -> Result<Self> {
        let rows = rows_of_side(acts, name, settings.skip_position_0)?;
        let units = match settings.per {
            Per::Token => (0..rows.len() as u32).collect(),
            Per::Text => texts_of(acts, &rows),
        };
        let n_units = units.last().map_or(0, |last| *last as usize + 1);
        Ok(Self { acts, rows, units, n_units })
    }
}

/// Ranks the features by how well each alone tells positive from negative units.
pub async fn concepts(
    sae: &Inference,
    positive: &Activations,
    negative: &Activations,
    settings: &ConceptsSettings,
    pause: &impl Checkpoint,
) -> Result<Concepts> {
    check_setting(settings.k >= 1, "k", settings.k, "at least 1")?;
    check_setting((0.0..1.0).contains(&settings.min_frequency), "minFrequency", settings.min_frequency, "from 0 to below 1")?;
    sae.check_width(positive.width())?;
    sae.check_width(negative.width())?;
    let sides = [Side::new(positive, "positive", settings)?, Side::new(negative, "negative", settings)?];
    let n_rows: usize = sides.iter().map(|s| s.rows.len()).sum();

    let mut fired = vec![0u64; sae.d_sae()];
    let mut before = 0;
    for side in &sides {
        let mut sums: Option<Tensor<2>> = None; // [2, d_sae]
        for (f, done) in encoded(sae, side.acts, &side.rows) {
            let more = Tensor::cat(vec![f.clone().sign().sum_dim(0), f.sum_dim(0)], 0);
            sums = Some(sums.map_or(more.clone(), |s| s + more));
            pause.reached(Progress::Analyse { done: before + done, total: 2 * n_rows }).await?;
        }
        let Some(sums) = sums else { unreachable!("a side has rows") };
        let table = read(sums).await?.data;
        check_finite(&table)?;
        for (all, n) in fired.iter_mut().zip(&table) {
            *all += n.round() as u64;
        }
        before += side.rows.len();
    }

    let blocks = blocks(&fired);
    let total = (1 + blocks.len()) * n_rows;
    let [positives, negatives] = sides.each_ref().map(|s| s.n_units);
    let least = settings.min_frequency * (positives + negatives) as f64;
    let mut found = Vec::new();
    for block in &blocks {
        let mut lists = [Vec::new(), Vec::new()];
        for (side, lists) in sides.iter().zip(&mut lists) {
            *lists = values(sae, side, block, before, total, pause).await?;
            before += side.rows.len();
        }
        let [of_positive, of_negative] = lists;
        for ((&feature, mut p), mut n) in block.iter().zip(of_positive).zip(of_negative) {
            if (p.len() + n.len()) as f64 > least {
                found.push(judge(feature as usize, &mut p, &mut n, positives, negatives));
            }
        }
    }
    let judged = found.len();
    let gap = |f: &ConceptFeature| f.mean_positive - f.mean_negative;
    found.sort_by(|a, b| b.auroc.total_cmp(&a.auroc).then(gap(b).total_cmp(&gap(a))).then(a.feature.cmp(&b.feature)));
    found.truncate(settings.k);
    Ok(Concepts { features: found, positives, negatives, judged })
}

/// The features that are ever active, in parts that have no more than [`MOST_VALUES`] values each.
fn blocks(fired: &[u64]) -> Vec<Vec<u32>> {
    let (mut blocks, mut held): (Vec<Vec<u32>>, u64) = (Vec::new(), 0);
    for (feature, &n) in fired.iter().enumerate().filter(|(_, n)| **n > 0) {
        held += n;
        match blocks.last_mut() {
            Some(block) if held <= MOST_VALUES => block.push(feature as u32),
            _ => {
                blocks.push(vec![feature as u32]);
                held = n;
            }
        }
    }
    blocks
}

/// For each feature its value in every unit where that is above zero.
async fn values(sae: &Inference, side: &Side<'_>, features: &[u32], before: usize, total: usize, pause: &impl Checkpoint) -> Result<Vec<Vec<f32>>> {
    let mut lists: Vec<Vec<f32>> = vec![Vec::new(); features.len()];
    let mut unit_of_last = vec![u32::MAX; features.len()];
    let mut units = side.units.iter();
    for (f, done) in encoded(sae, side.acts, &side.rows) {
        let table = read(columns(f, features)).await?.data;
        for (row, &unit) in table.chunks_exact(features.len()).zip(&mut units) {
            for ((&value, list), last) in row.iter().zip(&mut lists).zip(&mut unit_of_last).filter(|((v, _), _)| **v > 0.0) {
                match list.last_mut() {
                    Some(largest) if *last == unit => *largest = largest.max(value),
                    _ => list.push(value),
                }
                *last = unit;
            }
        }
        pause.reached(Progress::Analyse { done: before + done, total }).await?;
    }
    Ok(lists)
}

fn judge(feature: usize, p: &mut [f32], n: &mut [f32], positives: usize, negatives: usize) -> ConceptFeature {
    let mean = |values: &[f32], of: usize| values.iter().map(|&v| f64::from(v)).sum::<f64>() / of as f64;
    ConceptFeature {
        feature,
        auroc: auroc(p, n, positives, negatives),
        mean_positive: mean(p, positives),
        mean_negative: mean(n, negatives),
        frequency_positive: p.len() as f64 / positives as f64,
        frequency_negative: n.len() as f64 / negatives as f64,
        max: p.iter().chain(n.iter()).copied().fold(0.0, f32::max).into(),
    }
}
