//! Options of SAEs and of what is asked about them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Tensor, finite, seed, view, whole};
use crate::analysis::{ExampleOrder, ExamplesSettings, HeatmapSettings, Order};
use crate::error::{LabError, Result, check_setting};
use crate::gpt2::{Config, HookPoint};
use crate::sae;
use crate::tensors::HostTensor;

pub fn direction(name: &str) -> Result<sae::Direction> {
    match name {
        "decoder" => Ok(sae::Direction::Decoder),
        "decoder-unit" => Ok(sae::Direction::DecoderUnit),
        "decode-one-hot-unit" => Ok(sae::Direction::DecodeOneHotUnit),
        other => Err(LabError::setting("direction", format!("{other:?}"), "\"decoder\", \"decoder-unit\" or \"decode-one-hot-unit\"")),
    }
}

pub fn order(name: &str) -> Result<Order> {
    match name {
        "score" => Ok(Order::Score),
        "frequency" => Ok(Order::Frequency),
        "mean" => Ok(Order::Mean),
        "max" => Ok(Order::Max),
        other => Err(LabError::setting("by", format!("{other:?}"), "\"score\", \"frequency\", \"mean\" or \"max\"")),
    }
}

/// What is `None` follows the architecture's own convention.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSae {
    architecture: String,
    d_in: f64,
    d_sae: f64,
    d_out: Option<f64>,
    seed: f64,
    weights: Option<BTreeMap<String, Tensor>>,
    init: Option<sae::Init>,
    loss_unit: Option<String>,
    l1_weighted: Option<bool>,
    apply_b_dec_to_input: Option<bool>,
    normalize_activations: String,
    transcoder: bool,
    skip: bool,
    extras: sae::Extras,
}

impl CreateSae {
    pub fn config(&self) -> Result<sae::Config> {
        let (d_in, d_sae) = (whole("dIn", self.d_in)?, whole("dSae", self.d_sae)?);
        let mut config = sae::Config::new(sae::Kind::parse(&self.architecture)?, d_in, d_sae, seed(self.seed)?);
        config.d_out = self.d_out.map_or(Ok(d_in), |d| whole("dOut", d))?;
        config.transcoder = self.transcoder;
        config.skip = self.skip;
        config.apply_b_dec_to_input = self.apply_b_dec_to_input.unwrap_or(config.apply_b_dec_to_input && !self.transcoder);
        config.l1_weighted = self.l1_weighted.unwrap_or(config.l1_weighted);
        config.normalize_activations = sae::Normalization::parse(&self.normalize_activations)?;
        if let Some(unit) = &self.loss_unit {
            config.loss_unit = match unit.as_str() {
                "mean" => sae::Unit::Mean,
                "sum" => sae::Unit::Sum,
                other => return Err(LabError::setting("lossUnit", format!("{other:?}"), "\"mean\" or \"sum\"")),
            };
        }
        config.extras = self.extras.clone();
        if config.architecture == sae::Kind::Matryoshka && config.extras.matryoshka_widths.is_empty() {
            config.extras.matryoshka_widths = [d_sae / 16, d_sae / 4, d_sae].into_iter().filter(|&w| w > 0).collect();
        }
        Ok(config)
    }

    pub fn init(&self) -> Result<sae::Init> {
        let init = self.init.unwrap_or(sae::Init::of(sae::Kind::parse(&self.architecture)?));
        let norm = init.decoder_norm.unwrap_or(1.0);
        check_setting(norm > 0.0 && norm <= 1e6, "init.decoderNorm", norm, "above 0")?;
        Ok(init)
    }

    /// Under SAELens's names.
    pub fn weights(self) -> Result<Option<BTreeMap<String, HostTensor>>> {
        let host = |(name, t): (String, Tensor)| Ok((name, HostTensor::new(t.data, t.shape)?));
        self.weights.map(|weights| weights.into_iter().map(host).collect()).transpose()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopFeatures {
    pub k: f64,
    pub skip_position0: bool,
    pub by: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Examples {
    feature: f64,
    k: f64,
    skip_position0: bool,
    context: f64,
    threshold: f64,
    order: String,
    sample: Option<SampleOptions>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SampleOptions {
    count: f64,
    seed: f64,
}

impl Examples {
    pub fn settings(&self) -> Result<ExamplesSettings> {
        Ok(ExamplesSettings {
            feature: whole("feature", self.feature)?,
            k: whole("k", self.k)?,
            skip_position_0: self.skip_position0,
            context: whole("context", self.context)?,
            threshold: finite("threshold", self.threshold)? as f32,
            order: match self.order.as_str() {
                "activation" => ExampleOrder::Activation,
                "corpus" => ExampleOrder::Corpus,
                other => return Err(LabError::setting("order", format!("{other:?}"), "\"activation\" or \"corpus\"")),
            },
            sample: self.sample.as_ref().map(|s| Ok::<_, LabError>((whole("sample.count", s.count)?, seed(s.seed)?))).transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heatmap {
    hook: String,
    center: bool,
    pub prepend_bos: bool,
    k: f64,
    skip_position0: bool,
    features: Option<Vec<f64>>,
}

impl Heatmap {
    pub fn settings(&self, config: &Config) -> Result<HeatmapSettings> {
        let features = |list: &Vec<f64>| list.iter().map(|&f| whole("features", f)).collect::<Result<Vec<_>>>();
        Ok(HeatmapSettings {
            point: HookPoint::parse(&self.hook, config)?,
            view: view(self.center),
            k: whole("k", self.k)?,
            skip_position_0: self.skip_position0,
            features: self.features.as_ref().map(features).transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Direction {
    pub feature: f64,
    pub kind: String,
}
