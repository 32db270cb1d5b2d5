//! Options of what a model does.

use js_sys::{Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use super::{Tensor, Where, all_finite, id, positions, seed, view, whole};
use crate::activations::{CollectSettings, Keep, RandomSequences};
use crate::error::{LabError, Result};
use crate::gpt2::{Config, Edit, EditKind, GenerateSettings, HookPoint, Precision, Sampling, log_softmax};
use crate::tensors::upload;
use crate::tokenizer::Tokenizer;

/// What a model is besides its weights: its small files as bytes.
pub struct ModelFiles {
    pub name: String,
    pub config: Vec<u8>,
    pub tokenizer: Option<Vec<u8>>,
    pub vocab: Option<Vec<u8>>,
    pub merges: Option<Vec<u8>>,
    pub precision: Precision,
}

/// Bytes of a configuration or a tokenizer's file at most; GPT-2's largest has 1.4 MB.
const LARGEST_SMALL: u32 = 32 << 20;

impl ModelFiles {
    pub fn from_js(spec: &JsValue) -> Result<Self> {
        let get = |key: &str| Reflect::get(spec, &key.into()).unwrap_or_default();
        let bytes = |key: &str| match get(key).dyn_into::<Uint8Array>() {
            Ok(array) if array.length() > LARGEST_SMALL => {
                Err(LabError::file(format!("The model's {key} has {} bytes; at most {LARGEST_SMALL} are read.", array.length())))
            }
            Ok(array) => Ok(Some(array.to_vec())),
            Err(_) => Ok(None),
        };
        Ok(Self {
            name: get("name").as_string().unwrap_or_default(),
            config: bytes("config")?.ok_or_else(|| LabError::file("The model's config is missing."))?,
            tokenizer: bytes("tokenizer")?,
            vocab: bytes("vocab")?,
            merges: bytes("merges")?,
            precision: precision(&get("weights").as_string().unwrap_or_default())?,
        })
    }
}

/// `"f16"` or `"f32"`.
pub fn precision(name: &str) -> Result<Precision> {
    match name {
        "f16" => Ok(Precision::F16),
        "f32" => Ok(Precision::F32),
        other => Err(LabError::setting("weights", format!("{other:?}"), "\"f16\" or \"f32\"")),
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
    pub steer: Vec<Steer>,
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
