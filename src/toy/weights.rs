//! The numbers of one instance, by the names that the public module gives them.

use std::collections::BTreeMap;

use super::config::{Kind, check_size};
use crate::error::{LabError, Result};
use crate::rng::Rng;
use crate::tensors::HostTensor;

/// Weights of one instance; a gradient and Adam's moments have the same shape.
///
/// Both matrices are kept with a row per feature, so that the zeros of a sparse input cost nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    pub kind: Kind,
    pub n_features: usize,
    pub n_hidden: usize,
    /// `[n_features, n_hidden]`: the direction in which each feature is written; `W_enc` or `W` transposed.
    pub enc: Vec<f64>,
    /// `[n_features, n_hidden]`: the direction along which each feature is read; empty where it is `enc`.
    pub dec: Vec<f64>,
    /// `[n_hidden]`; empty where there is none.
    pub b_enc: Vec<f64>,
    /// `[n_features]`
    pub b_dec: Vec<f64>,
}

impl Weights {
    pub fn zeros(kind: Kind, n_features: usize, n_hidden: usize) -> Self {
        let (decoder, bias) = match kind {
            Kind::ReluHidden => (n_features * n_hidden, n_hidden),
            Kind::ReluOutput => (0, 0),
        };
        Self {
            kind,
            n_features,
            n_hidden,
            enc: vec![0.0; n_features * n_hidden],
            dec: vec![0.0; decoder],
            b_enc: vec![0.0; bias],
            b_dec: vec![0.0; n_features],
        }
    }

    /// Random matrices, biases 0: 0.1 · N(0, 1) for week 7's model, Xavier's normal law for the paper's.
    pub fn init(kind: Kind, n_features: usize, n_hidden: usize, rng: &mut Rng) -> Self {
        let mut weights = Self::zeros(kind, n_features, n_hidden);
        let std = match kind {
            Kind::ReluHidden => 0.1,
            Kind::ReluOutput => (2.0 / (n_features + n_hidden) as f64).sqrt(),
        };
        for w in weights.enc.iter_mut().chain(&mut weights.dec) {
            *w = std * rng.normal();
        }
        weights
    }

    /// Takes `W_enc [n_hidden, n_features]`, `W_dec [n_features, n_hidden]`, `b_enc` and `b_dec`, or `W [n_hidden, n_features]` and `b_dec`.
    pub fn from_named(kind: Kind, named: &BTreeMap<String, HostTensor>) -> Result<Self> {
        let get = |name: &str| named.get(name).ok_or_else(|| LabError::setting("weights", format!("without {name}"), "all weights of the model"));
        let encoder = match kind {
            Kind::ReluHidden => "W_enc",
            Kind::ReluOutput => "W",
        };
        let w = get(encoder)?;
        let [n_hidden, n_features] = w.shape[..] else {
            return Err(LabError::setting(encoder, format!("of shape {:?}", w.shape), "a matrix, hidden dimensions by features"));
        };
        check_size(n_features, n_hidden)?;
        let mut weights = Self::zeros(kind, n_features, n_hidden);
        let fill = |into: &mut [f64], name: &str, shape: &[usize]| -> Result<()> {
            let given = get(name)?;
            given.expect_shape(name, shape)?;
            into.iter_mut().zip(&given.data).for_each(|(w, &g)| *w = f64::from(g));
            Ok(())
        };
        for (k, row) in w.data.chunks_exact(n_features).enumerate() {
            row.iter().enumerate().for_each(|(i, &v)| weights.enc[i * n_hidden + k] = f64::from(v));
        }
        fill(&mut weights.b_dec, "b_dec", &[n_features])?;
        if kind == Kind::ReluHidden {
            fill(&mut weights.dec, "W_dec", &[n_features, n_hidden])?;
            fill(&mut weights.b_enc, "b_enc", &[n_hidden])?;
        }
        Ok(weights)
    }

    /// The other way round; the paper's model also has its `W_dec`, which is `W` transposed, so that one picture serves both.
    pub fn to_named(&self) -> Vec<(&'static str, HostTensor)> {
        let (n, h) = (self.n_features, self.n_hidden);
        let tensor = |values: &[f64], shape: &[usize]| HostTensor { data: values.iter().map(|&v| v as f32).collect(), shape: shape.to_vec() };
        let transposed: Vec<f64> = (0..h).flat_map(|k| (0..n).map(move |i| self.enc[i * h + k])).collect();
        let encoder = tensor(&transposed, &[h, n]);
        let decoder = ("W_dec", tensor(self.decoder(), &[n, h]));
        let b_dec = ("b_dec", tensor(&self.b_dec, &[n]));
        match self.kind {
            Kind::ReluHidden => vec![("W_enc", encoder), decoder, ("b_enc", tensor(&self.b_enc, &[h])), b_dec],
            Kind::ReluOutput => vec![("W", encoder), decoder, b_dec],
        }
    }

    /// `[n_features, n_hidden]`, of a tied model too.
    pub fn decoder(&self) -> &[f64] {
        if self.dec.is_empty() { &self.enc } else { &self.dec }
    }

    pub(super) fn parts(&self) -> [&[f64]; 4] {
        [&self.enc, &self.dec, &self.b_enc, &self.b_dec]
    }

    pub(super) fn parts_mut(&mut self) -> [&mut [f64]; 4] {
        [&mut self.enc, &mut self.dec, &mut self.b_enc, &mut self.b_dec]
    }

    pub(super) fn clear(&mut self) {
        self.parts_mut().into_iter().for_each(|part| part.fill(0.0));
    }
}
