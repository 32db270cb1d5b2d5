//! A model onto the device, piece by piece as its files arrive.

use std::collections::HashMap;
use std::rc::Rc;

use js_sys::{Function, Object, Uint8Array, Uint32Array};
use wasm_bindgen::prelude::*;

use super::convert::{JsCheckpoint, set, to_js};
use super::objects::{Model, Stored};
use super::{JsResult, Lab, opt};
use crate::error::{LabError, Result, code};
use crate::gpt2::{self, Config, Estimate, Gpt2, HookPoint, Loader, Precision};
use crate::rehearsal::{rehearse_loading, rehearse_use};
use crate::tokenizer::Tokenizer;

/// What the self-check runs, after BOS.
const CHECK_TEXT: &str = "Hello world!";

/// Models on their way, by number.
#[derive(Default)]
pub struct AllLoading {
    loading: HashMap<u32, Loading>,
    last: u32,
}

struct Loading {
    name: String,
    tokenizer: Tokenizer,
    loader: Loader,
    /// The bytes under way.
    piece: Vec<u8>,
}

#[wasm_bindgen]
impl Lab {
    /// `{parameters, deviceBytes, workingBytes, largestBinding}` of a model with this config.json.
    #[wasm_bindgen(js_name = modelEstimate)]
    pub async fn model_estimate(&self, config: Uint8Array, weights: String) -> JsResult {
        let config = Config::from_json(&config.to_vec())?;
        let Estimate { parameters, weights, working, largest_binding } = Estimate::new(&config, opt::precision(&weights)?);
        let out = Object::new();
        set(&out, "parameters", parameters as f64);
        set(&out, "deviceBytes", weights as f64);
        set(&out, "workingBytes", working as f64);
        set(&out, "largestBinding", largest_binding as f64);
        Ok(out.into())
    }

    /// Begins to load a model, from its small files: `{name, config, tokenizer | vocab and merges, weights: "f16" | "f32"}`.
    #[wasm_bindgen(js_name = modelBegin)]
    pub async fn model_begin(&self, spec: JsValue) -> JsResult {
        let files = opt::ModelFiles::from_js(&spec)?;
        let config = Config::from_json(&files.config)?;
        let tokenizer = match (&files.tokenizer, &files.vocab, &files.merges) {
            (Some(json), _, _) => Tokenizer::from_json(json)?,
            (None, Some(vocab), Some(merges)) => Tokenizer::from_vocab_merges(vocab, merges)?,
            _ => return Err(LabError::file("The tokenizer is missing: tokenizer.json, or vocab.json and merges.txt.").into()),
        };
        if tokenizer.vocab_size() > config.d_vocab {
            return Err(LabError::file(format!("The tokenizer has {} tokens, but the model only {}.", tokenizer.vocab_size(), config.d_vocab)).into());
        }
        let loader = Loader::new(config, files.precision, &self.device);
        let mut all = self.loading.borrow_mut();
        all.last += 1;
        let id = all.last;
        all.loading.insert(id, Loading { name: files.name, tokenizer, loader, piece: Vec::with_capacity(gpt2::STEP) });
        Ok(id.into())
    }

    /// Asks for the shaders that the model needs until its first token; whether there are any.
    #[wasm_bindgen(js_name = modelRehearse)]
    pub async fn model_rehearse(&self, id: u32) -> JsResult {
        let (config, precision) = self.with(id, |loading| Ok((loading.loader.config().clone(), loading.loader.precision())))?;
        Ok(rehearse_loading(&config, precision, &self.device).into())
    }

    /// The same of what may come after that, of a model that is here: a part of it. Whether there is such a part.
    #[wasm_bindgen(js_name = modelRehearseUse)]
    pub async fn model_rehearse_use(&self, id: u32, part: u32) -> JsResult {
        let model = self.model(id)?;
        Ok(rehearse_use(&model.gpt2.config, model.gpt2.precision, &self.device, part as usize).is_some_and(|is_needed| is_needed).into())
    }

    /// The next safetensors file begins; `bytes` is its length, or null where that is not known.
    #[wasm_bindgen(js_name = modelFile)]
    pub async fn model_file(&self, id: u32, name: String, bytes: JsValue) -> JsResult {
        let length = bytes.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64);
        self.with(id, |loading| loading.loader.begin_file(&name, length))?;
        Ok(JsValue::UNDEFINED)
    }

    /// The file's next bytes, cut anywhere. Answers its length, once its header has told it.
    #[wasm_bindgen(js_name = modelFeed)]
    pub async fn model_feed(&self, id: u32, bytes: Uint8Array) -> JsResult {
        // Taken out meanwhile, so that nothing is borrowed while the device is waited for.
        let mut loading = self.loading.borrow_mut().loading.remove(&id).ok_or_else(|| gone(id))?;
        let mut length = None;
        for at in (0..bytes.length()).step_by(gpt2::STEP) {
            let piece = bytes.subarray(at, bytes.length().min(at + gpt2::STEP as u32));
            loading.piece.resize(piece.length() as usize, 0);
            piece.copy_to(&mut loading.piece);
            length = loading.loader.feed(&loading.piece).await?;
        }
        self.loading.borrow_mut().loading.insert(id, loading);
        Ok(length.map_or(JsValue::NULL, |n| (n as f64).into()))
    }

    #[wasm_bindgen(js_name = modelFileEnd)]
    pub async fn model_file_end(&self, id: u32) -> JsResult {
        self.with(id, |loading| loading.loader.end_file())?;
        Ok(JsValue::UNDEFINED)
    }

    /// The model, warmed up and checked: `{id, name, config, hooks, parameters, weights, deviceBytes, check}`. `checked`: it was checked on
    /// this device before, and `check` is null.
    #[wasm_bindgen(js_name = modelFinish)]
    pub async fn model_finish(&self, id: u32, checked: bool, checkpoint: Function) -> JsResult {
        let Loading { name, tokenizer, loader, .. } = self.loading.borrow_mut().loading.remove(&id).ok_or_else(|| gone(id))?;
        let gpt2 = loader.finish()?;
        // A vocabulary of a visitor's own may lack a letter of it.
        let check = if checked { JsValue::NULL } else { self.check(&gpt2, &tokenizer, checkpoint).await? };
        let estimate = Estimate::new(&gpt2.config, gpt2.precision);
        let hooks: Vec<String> = HookPoint::all(&gpt2.config).iter().map(HookPoint::to_string).collect();
        let out = Object::new();
        set(&out, "name", name.as_str());
        set(&out, "config", to_js(&gpt2.config)?);
        set(&out, "hooks", to_js(&hooks)?);
        set(&out, "parameters", estimate.parameters as f64);
        set(&out, "weights", if gpt2.precision == Precision::F16 { "f16" } else { "f32" });
        set(&out, "deviceBytes", estimate.weights as f64);
        set(&out, "check", check);
        set(&out, "id", self.store(Stored::Model(Rc::new(Model { name, gpt2, tokenizer: Rc::new(tokenizer) }))));
        Ok(out.into())
    }

    /// Forgets a model that is on its way, if it still is.
    #[wasm_bindgen(js_name = modelDrop)]
    pub async fn model_drop(&self, id: u32) -> JsResult {
        let dropped = self.loading.borrow_mut().loading.remove(&id);
        drop(dropped);
        self.device.memory_cleanup();
        Ok(JsValue::UNDEFINED)
    }
}

impl Lab {
    /// `{kind: "reference", prompt, error, allowed, passed}`
    async fn check(&self, gpt2: &Gpt2, tokenizer: &Tokenizer, checkpoint: Function) -> JsResult {
        let mut prompt = tokenizer.encode(CHECK_TEXT, true)?;
        prompt.truncate(gpt2.config.n_ctx.min(4));
        let check = gpt2::check(gpt2, &prompt, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "kind", "reference");
        set(&out, "prompt", Uint32Array::from(&check.prompt[..]));
        set(&out, "error", check.error);
        set(&out, "allowed", check.allowed);
        set(&out, "passed", check.passed);
        Ok(out.into())
    }

    fn with<T>(&self, id: u32, what: impl FnOnce(&mut Loading) -> Result<T>) -> Result<T> {
        what(self.loading.borrow_mut().loading.get_mut(&id).ok_or_else(|| gone(id))?)
    }
}

fn gone(id: u32) -> LabError {
    LabError::new(code::RELEASED, format!("Model number {id} is not being loaded: an error or a stop ended that."), "Load it again.")
}
