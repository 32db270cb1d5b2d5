//! Options of SAEs and of what is asked about them.

use serde::Deserialize;

use super::{Tensor, seed, view, whole};
use crate::analysis::{ExamplesSettings, HeatmapSettings, Order};
use crate::error::{LabError, Result};
use crate::gpt2::{Config, HookPoint};
use crate::sae::adam::AdamSettings;
use crate::sae::{self, TrainSettings, Weights};
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSae {
    pub architecture: String,
    pub d_in: f64,
    pub d_sae: f64,
    pub seed: f64,
    pub weights: Option<SaeWeights>,
}

/// Under SAELens's names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaeWeights {
    #[serde(rename = "W_enc")]
    w_enc: Tensor,
    b_enc: Tensor,
    #[serde(rename = "W_dec")]
    w_dec: Option<Tensor>,
    b_dec: Tensor,
}

impl SaeWeights {
    pub fn into_weights(self) -> Result<Weights> {
        let host = |t: Tensor| HostTensor::new(t.data, t.shape);
        Ok(Weights { w_enc: host(self.w_enc)?, b_enc: host(self.b_enc)?, w_dec: self.w_dec.map(host).transpose()?, b_dec: host(self.b_dec)? })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Train {
    epochs: f64,
    batch_size: f64,
    lr: f64,
    l1: f64,
    seed: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    order: Option<Vec<u32>>,
    r#continue: bool,
}

impl Train {
    pub fn settings(self) -> Result<TrainSettings> {
        Ok(TrainSettings {
            epochs: whole("epochs", self.epochs)?,
            batch_size: whole("batchSize", self.batch_size)?,
            l1: self.l1,
            adam: AdamSettings { lr: self.lr, beta1: self.beta1, beta2: self.beta2, eps: self.eps },
            seed: seed(self.seed)?,
            order: self.order,
            go_on: self.r#continue,
        })
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
}

impl Examples {
    pub fn settings(&self) -> Result<ExamplesSettings> {
        Ok(ExamplesSettings {
            feature: whole("feature", self.feature)?,
            k: whole("k", self.k)?,
            skip_position_0: self.skip_position0,
            context: whole("context", self.context)?,
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
