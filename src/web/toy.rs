//! Toy models of superposition. Nothing of them stays in the engine: weights and rows go in and out.

use std::collections::BTreeMap;

use js_sys::{Array, Float32Array, Function, Object};
use serde::Deserialize;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{JsCheckpoint, from_js, set, tensor_from_js, tensor_to_js, to_js};
use super::options::{seed, whole};
use super::{JsResult, Lab};
use crate::error::{LabError, Result};
use crate::tensors::HostTensor;
use crate::toy::{self, Activity, Config, Given, Instance, Kind, Values, Weights, WorldSettings};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Train {
    model: String,
    n_features: f64,
    n_hidden: f64,
    probabilities: Vec<f64>,
    importance_decay: f64,
    values: String,
    batch_size: f64,
    steps: f64,
    lr: f64,
    seed: f64,
    eval_rows: f64,
}

impl Train {
    fn config(&self) -> Result<Config> {
        Ok(Config {
            kind: Kind::parse(&self.model)?,
            n_features: whole("nFeatures", self.n_features)?,
            n_hidden: whole("nHidden", self.n_hidden)?,
            probabilities: self.probabilities.clone(),
            importance_decay: self.importance_decay,
            values: Values::parse(&self.values)?,
            batch_size: whole("batchSize", self.batch_size)?,
            steps: whole("steps", self.steps)?,
            lr: self.lr,
            seed: seed(self.seed)?,
            eval_rows: whole("evalRows", self.eval_rows)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sample {
    probability: f64,
    values: String,
    rows: f64,
    seed: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct World {
    n_features: f64,
    d_in: f64,
    probability: f64,
    correlation: f64,
    mean_magnitude: f64,
    std_magnitude: f64,
    orthogonalize: f64,
    rows: f64,
    seed: f64,
}

impl World {
    fn settings(&self) -> Result<WorldSettings> {
        Ok(WorldSettings {
            n_features: whole("nFeatures", self.n_features)?,
            d_in: whole("dIn", self.d_in)?,
            probability: self.probability,
            correlation: self.correlation,
            mean_magnitude: self.mean_magnitude,
            std_magnitude: self.std_magnitude,
            orthogonalize: whole("orthogonalize", self.orthogonalize)?,
            rows: whole("rows", self.rows)?,
            seed: seed(self.seed)?,
        })
    }
}

#[wasm_bindgen]
impl Lab {
    /// Trains one instance for each probability; `weights` and `batches` are null, or lists with one for each.
    #[wasm_bindgen(js_name = toyTrain)]
    pub async fn toy_train(&self, options: JsValue, weights: JsValue, batches: JsValue, checkpoint: Function) -> JsResult {
        let config = from_js::<Train>(options)?.config()?;
        let given = Given {
            weights: list(&weights)?.map(|all| all.iter().map(|w| weights_from_js(config.kind, &w)).collect::<Result<_>>()).transpose()?,
            batches: list(&batches)?.map(|all| all.iter().map(|b| tensor_from_js("batches", &b)).collect::<Result<_>>()).transpose()?,
        };
        let instances = toy::train(&config, &given, &JsCheckpoint(checkpoint)).await?;
        Ok(instances.iter().map(|i| instance_to_js(i).map(JsValue::from)).collect::<Result<Array>>()?.into())
    }

    /// What a model makes of rows `[rows, nFeatures]`.
    #[wasm_bindgen(js_name = toyReconstruct)]
    pub async fn toy_reconstruct(&self, model: String, weights: JsValue, rows: JsValue, checkpoint: Function) -> JsResult {
        let weights = weights_from_js(Kind::parse(&model)?, &weights)?;
        let made = toy::reconstruct(&weights, &tensor_from_js("rows", &rows)?, &JsCheckpoint(checkpoint)).await?;
        Ok(tensors_to_js([("hidden", made.hidden), ("outputs", made.outputs)]))
    }

    /// Errors with several features at once.
    #[wasm_bindgen(js_name = toyInterference)]
    pub async fn toy_interference(&self, model: String, weights: JsValue, sizes: Vec<u32>, checkpoint: Function) -> JsResult {
        let weights = weights_from_js(Kind::parse(&model)?, &weights)?;
        let sizes: Vec<usize> = sizes.into_iter().map(|n| n as usize).collect();
        Ok(to_js(&toy::interference(&weights, &sizes, &JsCheckpoint(checkpoint)).await?)?)
    }

    /// Rows of a model's world and of its hidden layer.
    #[wasm_bindgen(js_name = toySample)]
    pub async fn toy_sample(&self, model: String, weights: JsValue, options: JsValue, checkpoint: Function) -> JsResult {
        let weights = weights_from_js(Kind::parse(&model)?, &weights)?;
        let options: Sample = from_js(options)?;
        let (values, rows) = (Values::parse(&options.values)?, whole("rows", options.rows)?);
        let made = toy::sample(&weights, options.probability, values, rows, seed(options.seed)?, &JsCheckpoint(checkpoint)).await?;
        Ok(tensors_to_js([("x", made.x), ("hidden", made.hidden), ("directions", made.directions)]))
    }

    /// Activations made of known directions.
    #[wasm_bindgen(js_name = toyWorld)]
    pub async fn toy_world(&self, options: JsValue, checkpoint: Function) -> JsResult {
        let made = toy::world(&from_js::<World>(options)?.settings()?, &JsCheckpoint(checkpoint)).await?;
        Ok(tensors_to_js([("x", made.x), ("acts", made.acts), ("directions", made.directions)]))
    }

    /// Found directions against true ones; the activations of both are null, or given together.
    #[wasm_bindgen(js_name = matchFeatures)]
    pub async fn match_features(
        &self,
        found: JsValue,
        truth: JsValue,
        found_acts: JsValue,
        truth_acts: JsValue,
        signed: bool,
        checkpoint: Function,
    ) -> JsResult {
        let (found, truth) = (tensor_from_js("found", &found)?, tensor_from_js("truth", &truth)?);
        let acts = |name: &str, value: JsValue| if value.is_null() { Ok(None) } else { tensor_from_js(name, &value).map(Some) };
        let acts = (acts("foundActs", found_acts)?, acts("truthActs", truth_acts)?);
        let activity = match &acts {
            (Some(found), Some(truth)) => Some(Activity { found, truth }),
            (None, None) => None,
            _ => return Err(LabError::setting("foundActs", "given without truthActs, or the other way round", "given together with it").into()),
        };
        Ok(to_js(&toy::match_features(&found, &truth, activity, signed, &JsCheckpoint(checkpoint)).await?)?)
    }
}

fn list(value: &JsValue) -> Result<Option<&Array>> {
    match value.dyn_ref::<Array>() {
        None if value.is_null() => Ok(None),
        None => Err(LabError::setting("weights or batches", "something else", "a list")),
        list => Ok(list),
    }
}

fn weights_from_js(kind: Kind, value: &JsValue) -> Result<Weights> {
    let mut named = BTreeMap::new();
    for entry in Object::entries(&Object::from(value.clone())).iter() {
        let entry = Array::from(&entry);
        let name = entry.get(0).as_string().unwrap_or_default();
        let tensor = tensor_from_js(&name, &entry.get(1))?;
        named.insert(name, tensor);
    }
    Weights::from_named(kind, &named)
}

fn tensors_to_js<const N: usize>(tensors: [(&str, HostTensor); N]) -> JsValue {
    let out = Object::new();
    for (name, tensor) in tensors {
        set(&out, name, tensor_to_js(tensor));
    }
    out.into()
}

fn instance_to_js(instance: &Instance) -> Result<Object> {
    let (out, weights) = (Object::new(), Object::new());
    for (name, tensor) in instance.weights.to_named() {
        set(&weights, name, tensor_to_js(tensor));
    }
    set(&out, "probability", instance.probability);
    set(&out, "losses", Float32Array::from(&instance.losses[..]));
    set(&out, "weights", weights);
    set(&out, "finalLoss", instance.final_loss);
    set(&out, "zeroLoss", instance.zero_loss);
    set(&out, "pcaLoss", instance.pca_loss);
    set(&out, "norms", to_js(&instance.norms)?);
    set(&out, "dimensionality", to_js(&instance.dimensionality)?);
    Ok(out)
}
