//! Training, and trainings stored on their way.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Object, Uint8Array};
use wasm_bindgen::prelude::*;

use super::convert::{JsCheckpoint, from_js, set, to_js};
use super::objects::Stored;
use super::options as opt;
use super::{JsResult, Lab};
use crate::error::{LabError, Result, check_setting};
use crate::sae::train::{Data, Rows, Sink, checkpoint, restore, train_stream};
use crate::sae::{self, Metadata, Recipe, Sae};

/// A file in JavaScript's memory. WebAssembly's does not shrink again.
#[derive(Default)]
struct JsFile {
    bytes: Uint8Array,
    at: u32,
}

impl Sink for JsFile {
    fn begin(&mut self, bytes: usize) {
        self.bytes = Uint8Array::new_with_length(bytes as u32);
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len() as u32;
        self.bytes.subarray(self.at, end).copy_from(bytes);
        self.at = end;
    }
}

#[wasm_bindgen]
impl Lab {
    /// On `acts`, with the `target` of a transcoder or null.
    pub async fn train(&self, sae: u32, acts: JsValue, target: JsValue, options: JsValue, checkpoint: Function) -> JsResult {
        let sae = self.sae(sae)?;
        let data = self.data(acts, target)?;
        let settings = from_js::<opt::Train>(options)?.settings()?;
        let epochs = sae::train(&sae, data, &settings, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "epochs", to_js(&epochs)?);
        set(&out, "stopped", false);
        Ok(out.into())
    }

    #[wasm_bindgen(js_name = trainStream)]
    pub async fn train_stream(&self, model: u32, saes: Vec<u32>, options: JsValue, checkpoint: Function) -> JsResult {
        let model = self.model(model)?;
        let saes = saes.into_iter().map(|id| self.sae(id)).collect::<Result<Vec<Rc<RefCell<Sae>>>>>()?;
        let options: opt::TrainStream = from_js(options)?;
        let settings = options.settings(&model.gpt2.config)?;
        let recipes = options.recipes()?;
        let n = recipes.len();
        check_setting(n == saes.len(), "perSae", format!("{n} long"), &format!("as long as the {} SAEs", saes.len()))?;
        let saes: Vec<(&RefCell<Sae>, Recipe)> = saes.iter().map(|sae| &**sae).zip(recipes).collect();
        let pause = JsCheckpoint(checkpoint);
        let histories = train_stream(&model.gpt2, &model.tokenizer, &options.texts, &saes, &settings, &pause).await;
        for (sae, _) in &saes {
            let mut sae = sae.borrow_mut();
            if sae.stream_rows().is_some() {
                sae.config.metadata.model_name = Some(model.name.clone());
            }
        }
        let histories = histories?;
        let out = Object::new();
        set(&out, "histories", to_js(&histories)?);
        set(&out, "stopped", false);
        Ok(out.into())
    }

    /// The sparsity coefficient from the running training's next step on; whether there is one.
    #[wasm_bindgen(js_name = setL1)]
    pub async fn set_l1(&self, sae: u32, l1: f64) -> JsResult {
        check_setting((0.0..=1e6).contains(&l1), "l1", l1, "from 0 to 1000000")?;
        let sae = self.sae(sae)?;
        let sae = sae.borrow();
        if sae.training {
            sae.coefficient.set(Some(l1));
        }
        Ok(sae.training.into())
    }

    pub async fn checkpoint(&self, sae: u32) -> JsResult {
        let sae = self.sae(sae)?;
        let mut file = JsFile::default();
        checkpoint(&sae, &mut file).await?;
        Ok(file.bytes.into())
    }

    #[wasm_bindgen(js_name = restoreSae)]
    pub async fn restore_sae(&self, bytes: Uint8Array) -> JsResult {
        let sae = restore(&bytes.to_vec(), &self.device)?;
        let out = Object::new();
        set(&out, "config", to_js(&sae.config)?);
        set(&out, "id", self.store(Stored::Sae(Rc::new(RefCell::new(sae)))));
        Ok(out.into())
    }
}

impl Lab {
    /// Collected activations know their sequences; other rows are one each.
    fn data(&self, acts: JsValue, target: JsValue) -> Result<Data> {
        let collected = |value: &JsValue| value.as_f64().and_then(|id| self.collected(id as u32).ok());
        let from = collected(&acts);
        let sequences = from.as_ref().map(|c| c.acts.origins.iter().map(|o| o.sequence as u32).collect());
        let out = collected(&target).and_then(|c| c.origin.hook_name.clone());
        let origin = from.map(|c| Metadata { hook_name_out: out, ..c.origin.clone() });
        let x = self.matrix(acts)?;
        let target = if target.is_null() || target.is_undefined() { None } else { Some(self.matrix(target)?) };
        if let Some(target) = &target {
            let (rows, targets) = (x.dims()[0], target.dims()[0]);
            if rows != targets {
                return Err(LabError::setting("target", format!("{targets} rows long"), &format!("as long as the input's {rows} rows")));
            }
        }
        Ok(Data { rows: Rows { x, target }, sequences, origin })
    }
}
