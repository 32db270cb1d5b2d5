//! Options of training.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{seed, view, whole};
use crate::error::{LabError, Result};
use crate::gpt2::{Config, HookPoint};
use crate::sae::adam::AdamSettings;
use crate::sae::train::StreamSettings;
use crate::sae::{Recipe, TrainSettings};

/// How one SAE is trained.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RecipeOptions {
    l1: f64,
    l1_warm_up_steps: f64,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    lr_schedule: String,
    lr_warm_up_steps: f64,
    lr_decay_steps: f64,
    lr_end: Option<f64>,
    gradient_clip: Option<f64>,
    decoder_norm: String,
    b_dec_init: String,
    dead_window: f64,
    remedy: Option<String>,
    aux_k_coefficient: f64,
    resample_every: f64,
    resample_scale: f64,
}

/// One of a setting's words.
fn word<T: DeserializeOwned>(name: &str, value: &str, allowed: &str) -> Result<T> {
    serde_json::from_value(Value::from(value)).map_err(|_| LabError::setting(name, format!("{value:?}"), allowed))
}

impl RecipeOptions {
    fn recipe(&self) -> Result<Recipe> {
        let remedy = |name: &String| word("remedy", name, "\"none\", \"aux-k\", \"resample\", \"ghost\", or null for the architecture's own");
        Ok(Recipe {
            l1: self.l1,
            l1_warm_up_steps: whole("l1WarmUpSteps", self.l1_warm_up_steps)?,
            adam: AdamSettings { lr: self.lr, beta1: self.beta1, beta2: self.beta2, eps: self.eps },
            lr_schedule: word("lrSchedule", &self.lr_schedule, "\"constant\" or \"cosine\"")?,
            lr_warm_up_steps: whole("lrWarmUpSteps", self.lr_warm_up_steps)?,
            lr_decay_steps: whole("lrDecaySteps", self.lr_decay_steps)?,
            lr_end: self.lr_end,
            gradient_clip: self.gradient_clip,
            decoder_norm: word("decoderNorm", &self.decoder_norm, "\"free\" or \"unit\"")?,
            b_dec_init: word("bDecInit", &self.b_dec_init, "\"keep\", \"mean\" or \"geometric-median\"")?,
            dead_window: whole("deadWindow", self.dead_window)?,
            remedy: self.remedy.as_ref().map(remedy).transpose()?,
            aux_k_coefficient: self.aux_k_coefficient,
            resample_every: whole("resampleEvery", self.resample_every)?,
            resample_scale: self.resample_scale,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Train {
    epochs: f64,
    batch_size: f64,
    seed: f64,
    order: Option<Vec<u32>>,
    held_out: f64,
    r#continue: bool,
    recipe: RecipeOptions,
}

impl Train {
    pub fn settings(self) -> Result<TrainSettings> {
        Ok(TrainSettings {
            epochs: whole("epochs", self.epochs)?,
            batch_size: whole("batchSize", self.batch_size)?,
            seed: seed(self.seed)?,
            order: self.order,
            go_on: self.r#continue,
            held_out: self.held_out,
            recipe: self.recipe.recipe()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainStream {
    pub texts: Vec<String>,
    hook: String,
    target_hook: Option<String>,
    center: bool,
    prepend_bos: bool,
    context_size: Option<f64>,
    skip_position0: bool,
    tokens: f64,
    buffer_rows: f64,
    batch_size: f64,
    entry_every: f64,
    seed: f64,
    held_out: f64,
    r#continue: bool,
    /// One for each SAE.
    recipes: Vec<RecipeOptions>,
}

impl TrainStream {
    pub fn settings(&self, config: &Config) -> Result<StreamSettings> {
        Ok(StreamSettings {
            point: HookPoint::parse(&self.hook, config)?,
            target: self.target_hook.as_ref().map(|hook| HookPoint::parse(hook, config)).transpose()?,
            view: view(self.center),
            prepend_bos: self.prepend_bos,
            context_size: self.context_size.map(|n| whole("contextSize", n)).transpose()?,
            skip_position_0: self.skip_position0,
            tokens: whole("tokens", self.tokens)?,
            buffer_rows: whole("bufferRows", self.buffer_rows)?,
            batch_size: whole("batchSize", self.batch_size)?,
            entry_every: whole("entryEvery", self.entry_every)?,
            seed: seed(self.seed)?,
            held_out: self.held_out,
            go_on: self.r#continue,
        })
    }

    pub fn recipes(&self) -> Result<Vec<Recipe>> {
        self.recipes.iter().map(RecipeOptions::recipe).collect()
    }
}
