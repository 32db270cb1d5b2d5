//! The options of each call, as JavaScript gives them, checked and turned into settings.
//!
//! Numbers arrive as f64 and are converted by functions that name the setting when it does not fit.

use js_sys::{Reflect, Uint8Array, Uint32Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use super::convert::from_js;
use crate::activations::{CollectSettings, Keep, RandomSequences};
use crate::analysis::{ExamplesSettings, HeatmapSettings, Order};
use crate::error::{LabError, Result, check_setting};
use crate::gpt2::{Config, Edit, EditKind, GenerateSettings, HookPoint, Positions, Sampling, View, log_softmax};
use crate::sae::adam::AdamSettings;
use crate::sae::{self, TrainSettings, Weights};
use crate::tensors::{HostTensor, upload};
use crate::tokenizer::Tokenizer;

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

/// A model's files as bytes.
pub struct ModelFiles {
    pub name: String,
    pub config: Vec<u8>,
    pub tokenizer: Option<Vec<u8>>,
    pub vocab: Option<Vec<u8>>,
    pub merges: Option<Vec<u8>>,
    pub weights: Vec<u8>,
}

impl ModelFiles {
    pub fn from_js(spec: &JsValue) -> Result<Self> {
        let get = |key: &str| Reflect::get(spec, &key.into()).unwrap_or_default();
        let bytes = |key: &str| get(key).dyn_into::<Uint8Array>().ok().map(|array| array.to_vec());
        let needed = |key: &str| bytes(key).ok_or_else(|| LabError::file(format!("The model's {key} is missing.")));
        Ok(Self {
            name: get("name").as_string().unwrap_or_default(),
            config: needed("config")?,
            tokenizer: bytes("tokenizer"),
            vocab: bytes("vocab"),
            merges: bytes("merges"),
            weights: needed("weights")?,
        })
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tokenize {
    pub prepend_bos: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    pub prepend_bos: bool,
    pub hooks: Vec<String>,
    pub center: bool,
    pub logits: String,
    pub edits: Vec<RunEdit>,
    pub top_k: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunEdit {
    hook: String,
    add: Option<Vec<f32>>,
    replace: Option<Tensor>,
    #[serde(default)]
    positions: Where,
}

impl RunEdit {
    pub fn into_edit(self, config: &Config, device: &burn::tensor::Device) -> Result<Edit> {
        let point = HookPoint::parse(&self.hook, config)?;
        let kind = match (self.add, self.replace) {
            (Some(vector), None) => {
                all_finite("add", &vector)?;
                let width = vector.len();
                EditKind::Add(upload(vector, [width], device))
            }
            (None, Some(value)) => EditKind::Replace(value.into_host()?),
            _ => return Err(LabError::setting("edits", "unclear", "either `add` or `replace` in each entry")),
        };
        Ok(Edit { point, kind, positions: positions(&self.positions)? })
    }
}

/// A likely next token.
#[derive(Serialize)]
pub struct TopToken {
    id: usize,
    token: String,
    logit: f32,
    prob: f64,
}

/// The `k` most likely tokens of one row of logits.
pub fn top_tokens(logits: &[f32], k: usize, tokenizer: &Tokenizer) -> Vec<TopToken> {
    let log_probs = log_softmax(logits);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    let top = |id: usize| TopToken { id, token: tokenizer.decode_token(id as u32), logit: logits[id], prob: log_probs[id].exp() };
    order.into_iter().take(k).map(top).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generate {
    max_new_tokens: f64,
    temperature: f64,
    top_k: Option<f64>,
    top_p: Option<f64>,
    frequency_penalty: f64,
    seed: f64,
    pub prepend_bos: bool,
    stop_at_eos: bool,
    use_cache: bool,
    pub logprobs: bool,
    #[serde(default = "yes")]
    pub center: bool,
    pub steer: Vec<Steer>,
}

fn yes() -> bool {
    true
}

impl Generate {
    pub fn settings(&self) -> Result<GenerateSettings> {
        Ok(GenerateSettings {
            max_new_tokens: whole("maxNewTokens", self.max_new_tokens)?,
            sampling: Sampling {
                temperature: self.temperature,
                top_k: self.top_k.map(|k| whole("topK", k)).transpose()?,
                top_p: self.top_p,
                frequency_penalty: self.frequency_penalty,
            },
            seed: seed(self.seed)?,
            stop_at_eos: self.stop_at_eos,
            use_cache: self.use_cache,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Steer {
    pub hook: String,
    pub vector: Option<Vec<f32>>,
    pub sae: Option<u32>,
    pub feature: Option<f64>,
    pub strength: f64,
    #[serde(default)]
    pub direction: String,
    #[serde(default)]
    pub positions: Where,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Collect {
    pub texts: Vec<String>,
    hook: String,
    position: String,
    prepend_bos: bool,
    center: bool,
    max_tokens: Option<f64>,
    random_sequences: Option<RandomOptions>,
    seed: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RandomOptions {
    count: f64,
    length: f64,
    min_id: f64,
    max_id: f64,
}

impl Collect {
    pub fn settings(&self, config: &Config) -> Result<CollectSettings> {
        let random = |r: &RandomOptions| -> Result<RandomSequences> {
            Ok(RandomSequences {
                count: whole("randomSequences.count", r.count)?,
                length: whole("randomSequences.length", r.length)?,
                ids: (id("randomSequences.minId", r.min_id)?, id("randomSequences.maxId", r.max_id)?),
            })
        };
        Ok(CollectSettings {
            point: HookPoint::parse(&self.hook, config)?,
            view: view(self.center),
            keep: match self.position.as_str() {
                "all" => Keep::All,
                "last" => Keep::Last,
                "random" => Keep::Random,
                other => return Err(LabError::setting("position", format!("{other:?}"), "\"all\", \"last\" or \"random\"")),
            },
            prepend_bos: self.prepend_bos,
            max_tokens: self.max_tokens.map(|n| whole("maxTokens", n)).transpose()?,
            random: self.random_sequences.as_ref().map(random).transpose()?,
            seed: seed(self.seed)?,
        })
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
