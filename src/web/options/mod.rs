//! The options of each call, as JavaScript gives them, checked and turned into settings.
//!
//! Numbers arrive as f64 and are converted by functions that name the setting when it does not fit.

mod model;
mod sae;
mod train;

use js_sys::Uint32Array;
use serde::Deserialize;
use wasm_bindgen::{JsCast, JsValue};

use super::convert::from_js;
use crate::activations::Source;
use crate::error::{LabError, Result, check_setting};
use crate::gpt2::{Positions, View};
use crate::tensors::HostTensor;
use crate::tokenizer::Tokenizer;

pub use model::{Collect, Generate, ModelFiles, Run, Steer, Tokenize, precision, top_tokens};
pub use sae::{CreateSae, Direction, Examples, Heatmap, TopFeatures, direction, order};
pub use train::{Train, TrainStream};

/// A whole number from 0 that f64 holds exactly.
pub fn whole(name: &str, value: f64) -> Result<usize> {
    check_setting(value >= 0.0 && value.fract() == 0.0 && value <= 9e15, name, value, "a whole number, 0 or more")?;
    usize::try_from(value as u64).map_err(|_| LabError::setting(name, value, "below 4294967296"))
}

pub fn seed(value: f64) -> Result<u64> {
    check_setting(value >= 0.0 && value.fract() == 0.0 && value <= 9e15, "seed", value, "a whole number, 0 or more")?;
    Ok(value as u64)
}

fn id(name: &str, value: f64) -> Result<u32> {
    u32::try_from(whole(name, value)?).map_err(|_| LabError::setting(name, value, "a token id"))
}

pub fn finite(name: &str, value: f64) -> Result<f64> {
    check_setting(value.is_finite(), name, value, "a finite number")?;
    Ok(value)
}

pub fn all_finite(name: &str, values: &[f32]) -> Result<()> {
    check_setting(values.iter().all(|v| v.is_finite()), name, "not finite everywhere", "made of finite numbers")
}

pub fn view(center: bool) -> View {
    if center { View::TransformerLens } else { View::HuggingFace }
}

/// Where an edit applies: a name, or a list of positions.
#[derive(Deserialize, Default)]
#[serde(untagged)]
pub enum Where {
    #[default]
    Everywhere,
    Name(String),
    List(Vec<f64>),
}

pub fn positions(given: &Where) -> Result<Positions> {
    let name = match given {
        Where::Everywhere => return Ok(Positions::All),
        Where::List(list) => return Ok(Positions::At(list.iter().map(|&p| whole("positions", p)).collect::<Result<_>>()?)),
        Where::Name(name) => name.as_str(),
    };
    match name {
        "all" => Ok(Positions::All),
        "prompt" => Ok(Positions::Prompt),
        "generated" => Ok(Positions::Generated),
        "last" => Ok(Positions::Last),
        other => Err(LabError::setting("positions", format!("{other:?}"), "\"all\", \"prompt\", \"generated\", \"last\" or a list of positions")),
    }
}

/// Text, or token ids that are run as they are.
pub enum Input {
    Text(String),
    Ids(Vec<u32>),
}

impl Input {
    pub fn from_js(value: JsValue) -> Result<Self> {
        if let Some(text) = value.as_string() {
            return Ok(Self::Text(text));
        }
        match value.dyn_into::<Uint32Array>() {
            Ok(ids) => Ok(Self::Ids(ids.to_vec())),
            Err(value) => from_js(value).map(Self::Ids),
        }
    }

    pub fn ids(self, tokenizer: &Tokenizer, prepend_bos: bool) -> Result<Vec<u32>> {
        match self {
            Self::Text(text) => tokenizer.encode(&text, prepend_bos),
            Self::Ids(ids) => Ok(ids),
        }
    }
}

impl<'a> From<&'a Input> for Source<'a> {
    fn from(input: &'a Input) -> Self {
        match input {
            Input::Text(text) => Self::Text(text),
            Input::Ids(ids) => Self::Ids(ids),
        }
    }
}

/// `{data, shape}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    data: Vec<f32>,
    shape: Vec<usize>,
}

impl Tensor {
    pub fn into_host(self) -> Result<HostTensor> {
        all_finite("data", &self.data)?;
        HostTensor::new(self.data, self.shape)
    }
}
