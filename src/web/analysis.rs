//! What is asked about an SAE's features over a data set, and about directions.

use js_sys::{Float32Array, Float64Array, Function, Object, Uint32Array};
use serde::Deserialize;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{JsCheckpoint, from_js, set, tensor_to_js, to_js};
use super::options::{all_finite, whole};
use super::{JsResult, Lab};
use crate::analysis::{self, CoactivationSettings, ConceptsSettings, Per, ProbeSettings};
use crate::error::{LabError, Result, check_setting};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Coactivation {
    min_frequency: f64,
    pairs: f64,
    skip_position0: bool,
    matrix_up_to: f64,
}

impl Coactivation {
    fn settings(&self) -> Result<CoactivationSettings> {
        Ok(CoactivationSettings {
            min_frequency: self.min_frequency,
            pairs: whole("pairs", self.pairs)?,
            skip_position_0: self.skip_position0,
            matrix_up_to: whole("matrixUpTo", self.matrix_up_to)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FeatureActs {
    features: Vec<u32>,
    skip_position0: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Strongest {
    k: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Concepts {
    k: f64,
    per: String,
    min_frequency: f64,
    skip_position0: bool,
}

impl Concepts {
    fn settings(&self) -> Result<ConceptsSettings> {
        Ok(ConceptsSettings {
            k: whole("k", self.k)?,
            per: match self.per.as_str() {
                "token" => Per::Token,
                "text" => Per::Text,
                other => return Err(LabError::setting("per", format!("{other:?}"), "\"token\" or \"text\"")),
            },
            min_frequency: self.min_frequency,
            skip_position_0: self.skip_position0,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contrast {
    skip_position0: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Probe {
    l2: f64,
    standardize: bool,
    folds: f64,
    skip_position0: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decompose {
    k: f64,
    threshold: f64,
}

#[wasm_bindgen]
impl Lab {
    pub async fn coactivation(&self, sae: u32, acts: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let settings = from_js::<Coactivation>(options)?.settings()?;
        let sae = self.sae(sae)?.borrow().inference();
        let collected = self.collected(acts)?;
        let found = analysis::coactivation(&sae, &collected.acts, &settings, &JsCheckpoint(checkpoint)).await?;
        let out: Object = to_js(&found)?.unchecked_into();
        set(&out, "features", Uint32Array::from(&found.features[..]));
        set(&out, "matrix", found.matrix.map_or(JsValue::NULL, |matrix| tensor_to_js(matrix).into()));
        Ok(out.into())
    }

    #[wasm_bindgen(js_name = featureActs)]
    pub async fn feature_acts(&self, sae: u32, acts: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let FeatureActs { features, skip_position0 } = from_js(options)?;
        let sae = self.sae(sae)?.borrow().inference();
        let collected = self.collected(acts)?;
        let found = analysis::feature_acts(&sae, &collected.acts, &features, skip_position0, &JsCheckpoint(checkpoint)).await?;
        let out = table(&found.data[..], &[found.rows.len(), features.len()])?;
        set(&out, "features", Uint32Array::from(&features[..]));
        set(&out, "rows", Uint32Array::from(&found.rows[..]));
        Ok(out.into())
    }

    #[wasm_bindgen(js_name = perToken)]
    pub async fn per_token(&self, sae: u32, acts: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let k = whole("k", from_js::<Strongest>(options)?.k)?;
        let sae = self.sae(sae)?.borrow().inference();
        let collected = self.collected(acts)?;
        let found = analysis::per_token(&sae, &collected.acts, k, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "features", Uint32Array::from(&found.strongest.places[..]));
        set(&out, "values", Float32Array::from(&found.strongest.values[..]));
        set(&out, "shape", to_js(&[found.active.len(), k])?);
        set(&out, "active", Uint32Array::from(&found.active[..]));
        set(&out, "max", to_js(&found.max)?);
        set(&out, "total", sae.d_sae() as f64);
        set(&out, "meanActive", found.mean_active);
        Ok(out.into())
    }

    /// For each feature of the SAE `b` the features of `a` nearest to it.
    pub async fn matching(&self, a: u32, b: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let k = whole("k", from_js::<Strongest>(options)?.k)?;
        let [a, b] = [self.sae(a)?.borrow().inference(), self.sae(b)?.borrow().inference()];
        let found = analysis::matching(&a, &b, k, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "features", Uint32Array::from(&found.nearest.places[..]));
        set(&out, "cosines", Float32Array::from(&found.nearest.values[..]));
        set(&out, "shape", to_js(&[b.d_sae(), k])?);
        set(&out, "best", Float32Array::from(&found.best(k)[..]));
        set(&out, "histogram", to_js(&found.histogram)?);
        Ok(out.into())
    }

    pub async fn concepts(&self, sae: u32, positive: u32, negative: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let settings = from_js::<Concepts>(options)?.settings()?;
        let sae = self.sae(sae)?.borrow().inference();
        let (positive, negative) = (self.collected(positive)?, self.collected(negative)?);
        let found = analysis::concepts(&sae, &positive.acts, &negative.acts, &settings, &JsCheckpoint(checkpoint)).await?;
        Ok(to_js(&found)?)
    }

    pub async fn contrast(&self, positive: u32, negative: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let Contrast { skip_position0 } = from_js(options)?;
        let (positive, negative) = (self.collected(positive)?, self.collected(negative)?);
        let found = analysis::contrast(&positive.acts, &negative.acts, skip_position0, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "vector", Float32Array::from(&found.vector[..]));
        set(&out, "norm", found.norm);
        set(&out, "accuracyAlong", found.accuracy_along);
        set(&out, "aurocAlong", found.auroc_along);
        set(&out, "positives", found.positives as f64);
        set(&out, "negatives", found.negatives as f64);
        Ok(out.into())
    }

    pub async fn probe(&self, positive: u32, negative: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let Probe { l2, standardize, folds, skip_position0 } = from_js(options)?;
        let settings = ProbeSettings { l2, standardize, folds: whole("folds", folds)?, skip_position_0: skip_position0 };
        let (positive, negative) = (self.collected(positive)?, self.collected(negative)?);
        let found = analysis::probe(&positive.acts, &negative.acts, &settings, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "vector", Float32Array::from(&found.vector[..]));
        set(&out, "bias", found.bias);
        set(&out, "norm", found.norm);
        set(&out, "accuracy", found.accuracy);
        set(&out, "heldOut", found.held_out.map_or(JsValue::NULL, JsValue::from));
        set(&out, "folds", Float64Array::from(&found.folds[..]));
        set(&out, "positives", found.positives as f64);
        set(&out, "negatives", found.negatives as f64);
        Ok(out.into())
    }

    /// `vector` is a Float32Array of finite numbers.
    pub async fn decompose(&self, sae: u32, vector: Float32Array, options: JsValue) -> JsResult {
        let Decompose { k, threshold } = from_js(options)?;
        let sae = self.sae(sae)?;
        let (inference, transcoder) = (sae.borrow().inference(), sae.borrow().config.transcoder);
        check_setting(!transcoder, "sae", "a transcoder", "an SAE, whose output is of the hook that it reads")?;
        let vector = vector.to_vec();
        all_finite("vector", &vector)?;
        Ok(to_js(&analysis::decompose(&inference, &vector, whole("k", k)?, threshold).await?)?)
    }
}

/// `{data, shape}`
fn table(data: &[f32], shape: &[usize]) -> Result<Object> {
    let out = Object::new();
    set(&out, "data", Float32Array::from(data));
    set(&out, "shape", to_js(shape)?);
    Ok(out)
}
