//! How well found directions are those that are known to be there.

use serde::Serialize;

use super::assignment::assign;
use super::linear::dot;
use super::orthogonalize::normalize;
use super::pace::Pace;
use crate::error::{LabError, Result, check_setting, code};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::HostTensor;

/// Most cosines in one matching: 64 MB of f32.
const MOST: usize = 1 << 24;

/// Activations of the found and of the true features on the same rows, `[rows, found]` and `[rows, true]`.
pub struct Activity<'a> {
    pub found: &'a HostTensor,
    pub truth: &'a HostTensor,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    /// SAELens's mean correlation coefficient: the mean |cosine| of the one-to-one pairs whose |cosines| add up to the most; with
    /// `signed` the same of cosines.
    ///
    /// In few dimensions chance scores high: five random directions in two have about 0.91 with a pentagon, twenty in ten 0.61.
    pub mcc: f64,
    /// The mean over true directions of the largest cosine with any found one; several may share one.
    pub mean_max_cosine: f64,
    /// SAELens's uniqueness: how many true directions are the nearest of some found one, over how many were found.
    pub uniqueness: f64,
    /// As many as there are directions on the smaller side, in the order of the true ones.
    pub pairs: Vec<Pair>,
    /// The mean of the pairs' f1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<Latents>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    pub truth: usize,
    pub found: usize,
    /// With its sign: unless `signed`, a flipped direction is a pair too.
    pub cosine: f64,
    /// Of telling, by the found feature being active, where the true one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
}

/// SAELens's classification figures: each found feature against the true one with the largest |cosine|, the mean over all found.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Latents {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub accuracy: f64,
}

/// Compares `found [n, d]` with `truth [m, d]`. `signed` pairs by cosine instead of |cosine|: where true directions come in opposite pairs, as
/// in toy models, a latent of one would else do for the other as well.
pub async fn match_features(
    found: &HostTensor,
    truth: &HostTensor,
    activity: Option<Activity<'_>>,
    signed: bool,
    pause: &impl Checkpoint,
) -> Result<Matching> {
    let (n, m) = check_shapes(found, truth, activity.as_ref())?;
    let cosines = Cosines::new(truth, found, pause).await?;
    let cosine = |t: usize, f: usize| f64::from(cosines.all[t * n + f]);
    let score = |cosine: f64| if signed { cosine } else { cosine.abs() };
    let partners = partners(m, n, |t, f| score(cosine(t, f)), pause).await?;
    let mut pairs: Vec<Pair> = partners.iter().map(|&(truth, found)| Pair { truth, found, cosine: cosine(truth, found), f1: None }).collect();
    let (mut f1, mut latents) = (None, None);
    if let Some(activity) = &activity {
        let of_pairs = count(activity, &partners, pause).await?;
        pairs.iter_mut().zip(&of_pairs).for_each(|(pair, counts)| pair.f1 = Some(counts.f1()));
        f1 = Some(mean(of_pairs.iter().map(Counts::f1)));
        let each: Vec<(usize, usize)> = cosines.nearest.iter().enumerate().map(|(f, &t)| (t, f)).collect();
        let each = count(activity, &each, pause).await?;
        let over = |figure: fn(&Counts) -> f64| mean(each.iter().map(figure));
        latents = Some(Latents {
            precision: over(Counts::precision),
            recall: over(Counts::recall),
            f1: over(Counts::f1),
            accuracy: over(Counts::accuracy),
        });
    }
    let mut distinct = cosines.nearest;
    distinct.sort_unstable();
    distinct.dedup();
    Ok(Matching {
        mcc: mean(pairs.iter().map(|p| score(p.cosine))),
        mean_max_cosine: mean(cosines.largest.iter().copied()),
        uniqueness: distinct.len() as f64 / n as f64,
        pairs,
        f1,
        latents,
    })
}

fn check_shapes(found: &HostTensor, truth: &HostTensor, activity: Option<&Activity>) -> Result<(usize, usize)> {
    let sizes = |name: &str, t: &HostTensor| match t.shape[..] {
        [rows, width] if rows > 0 && width > 0 => Ok((rows, width)),
        _ => Err(LabError::setting(name, format!("of shape {:?}", t.shape), "a matrix with at least one row")),
    };
    let ((n, width), (m, known)) = (sizes("found", found)?, sizes("truth", truth)?);
    if width != known {
        let message = format!("The found directions have {width} numbers, but the true ones {known}.");
        return Err(LabError::new(code::WIDTH_MISMATCH, message, "Compare directions of one space: W_dec of an SAE that was trained there."));
    }
    check_setting(n.saturating_mul(m) <= MOST, "found · truth", format!("{n} · {m}"), &format!("at most {MOST} pairs"))?;
    if let Some(Activity { found, truth }) = activity {
        let ((rows, _), _) = (sizes("foundActs", found)?, sizes("truthActs", truth)?);
        found.expect_shape("foundActs", &[rows, n])?;
        truth.expect_shape("truthActs", &[rows, m])?;
    }
    Ok((n, m))
}

/// All cosines, 0 with a direction of zeros, and what is nearest.
struct Cosines {
    /// `[truth, found]`
    all: Vec<f32>,
    /// Of each true direction, the largest.
    largest: Vec<f64>,
    /// Of each found direction, the true one with the largest |cosine|.
    nearest: Vec<usize>,
}

impl Cosines {
    async fn new(truth: &HostTensor, found: &HostTensor, pause: &impl Checkpoint) -> Result<Self> {
        let width = truth.shape[1];
        let unit = |t: &HostTensor| {
            let mut rows: Vec<f64> = t.data.iter().map(|&v| f64::from(v)).collect();
            rows.chunks_exact_mut(width).for_each(normalize);
            rows
        };
        let (truth, found) = (unit(truth), unit(found));
        let (total, n) = (truth.len() / width, found.len() / width);
        let mut out = Self { all: Vec::with_capacity(total * n), largest: Vec::with_capacity(total), nearest: vec![0; n] };
        let (mut best, mut pace) = (vec![f64::NEG_INFINITY; n], Pace::default());
        for (t, direction) in truth.chunks_exact(width).enumerate() {
            let mut largest = f64::NEG_INFINITY;
            for (f, other) in found.chunks_exact(width).enumerate() {
                let cosine = dot(direction, other);
                out.all.push(cosine as f32);
                largest = largest.max(cosine);
                if cosine.abs() > best[f] {
                    (best[f], out.nearest[f]) = (cosine.abs(), t);
                }
            }
            out.largest.push(largest);
            pace.pay(found.len(), || Progress::Analyse { done: t, total }, pause).await?;
        }
        Ok(out)
    }
}

/// Pairs (true, found) in the order of the true ones, with the largest sum of `score(true, found)`.
async fn partners(truth: usize, found: usize, score: impl Fn(usize, usize) -> f64, pause: &impl Checkpoint) -> Result<Vec<(usize, usize)>> {
    if truth <= found {
        return Ok(assign(truth, found, |t, f| -score(t, f), pause).await?.into_iter().enumerate().collect());
    }
    let of_found = assign(found, truth, |f, t| -score(t, f), pause).await?;
    let mut pairs: Vec<(usize, usize)> = of_found.into_iter().enumerate().map(|(f, t)| (t, f)).collect();
    pairs.sort_unstable();
    Ok(pairs)
}

/// On how many rows both are active, only the found one, only the true one, neither.
#[derive(Default, Clone)]
struct Counts {
    both: f64,
    found: f64,
    truth: f64,
    neither: f64,
}

impl Counts {
    fn precision(&self) -> f64 {
        ratio(self.both, self.both + self.found)
    }

    fn recall(&self) -> f64 {
        ratio(self.both, self.both + self.truth)
    }

    fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        ratio(2.0 * p * r, p + r)
    }

    fn accuracy(&self) -> f64 {
        ratio(self.both + self.neither, self.both + self.found + self.truth + self.neither)
    }
}

async fn count(activity: &Activity<'_>, pairs: &[(usize, usize)], pause: &impl Checkpoint) -> Result<Vec<Counts>> {
    let mut counts = vec![Counts::default(); pairs.len()];
    let (rows, n, m) = (activity.found.shape[0], activity.found.shape[1], activity.truth.shape[1]);
    let mut pace = Pace::default();
    for (done, (found, truth)) in activity.found.data.chunks_exact(n).zip(activity.truth.data.chunks_exact(m)).enumerate() {
        for (counts, &(t, f)) in counts.iter_mut().zip(pairs) {
            *match (found[f] != 0.0, truth[t] != 0.0) {
                (true, true) => &mut counts.both,
                (true, false) => &mut counts.found,
                (false, true) => &mut counts.truth,
                (false, false) => &mut counts.neither,
            } += 1.0;
        }
        pace.pay(2 * pairs.len(), || Progress::Analyse { done, total: rows }, pause).await?;
    }
    Ok(counts)
}

/// 0 where it has no value.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}
