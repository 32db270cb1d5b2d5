//! What is asked about an SAE's features over a data set, and about directions.

use js_sys::{Float32Array, Function, Object, Uint32Array};
use serde::Deserialize;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{JsCheckpoint, from_js, set, tensor_to_js, to_js};
use super::options::whole;
use super::{JsResult, Lab};
use crate::analysis::{self, CoactivationSettings};
use crate::error::Result;

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
struct PerToken {
    k: f64,
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
        let k = whole("k", from_js::<PerToken>(options)?.k)?;
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
}

/// `{data, shape}`
fn table(data: &[f32], shape: &[usize]) -> Result<Object> {
    let out = Object::new();
    set(&out, "data", Float32Array::from(data));
    set(&out, "shape", to_js(shape)?);
    Ok(out)
}
