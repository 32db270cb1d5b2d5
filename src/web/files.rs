//! SAELens's files in and out, and how an SAE fits what it is used on.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Float32Array, Function, Object, Promise, Reflect, Uint8Array};
use serde::Deserialize;
use serde_json::{Map, Value};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::convert::{JsCheckpoint, from_js, set, to_js};
use super::objects::Stored;
use super::{JsResult, Lab, opt};
use crate::error::{LabError, Result, code};
use crate::files::head_length;
use crate::gpt2::{Config, HookPoint};
use crate::progress::{Checkpoint, Progress};
use crate::sae::files::{CFG, Here, Loader, Release, SPARSITY, WEIGHTS, WriteSettings, mismatches, read_sparsity, write};

/// Bytes of a file that are in WebAssembly's memory at once.
const PIECE: u64 = 4 << 20;
/// Bytes of cfg.json and of the sparsity file at most.
const LARGEST_SMALL: u32 = 16 << 20;

#[wasm_bindgen]
extern "C" {
    /// The browser's Blob, of which a File is one.
    type Blob;

    #[wasm_bindgen(method, getter)]
    fn size(this: &Blob) -> f64;

    #[wasm_bindgen(method)]
    fn slice(this: &Blob, start: f64, end: f64) -> Blob;

    #[wasm_bindgen(method, js_name = arrayBuffer)]
    fn array_buffer(this: &Blob) -> Promise;
}

/// A file's bytes outside of WebAssembly's memory.
enum Source {
    Bytes(Uint8Array),
    Blob(Blob),
}

impl Source {
    fn from_js(value: JsValue) -> Result<Self> {
        match value.dyn_into::<Uint8Array>() {
            Ok(bytes) => Ok(Self::Bytes(bytes)),
            Err(value) => value.dyn_into::<Blob>().map(Self::Blob).map_err(|_| missing(WEIGHTS)),
        }
    }

    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.length().into(),
            Self::Blob(blob) => blob.size() as u64,
        }
    }

    /// The bytes `start..end`, of which there may be fewer in the file.
    async fn read(&self, start: u64, end: u64) -> Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.subarray(start.min(u64::from(u32::MAX)) as u32, end.min(u64::from(u32::MAX)) as u32).to_vec()),
            Self::Blob(blob) => {
                let read = JsFuture::from(blob.slice(start as f64, end as f64).array_buffer()).await;
                let buffer = read.map_err(|e| {
                    let why = e.dyn_ref::<js_sys::Error>().map(|e| String::from(e.message())).unwrap_or_default();
                    LabError::new(
                        code::BAD_FILE,
                        format!("{WEIGHTS} could not be read: {why}"),
                        "Check that the file is still there and unchanged, and choose it again.",
                    )
                })?;
                Ok(Uint8Array::new(&buffer).to_vec())
            }
        }
    }
}

/// The bytes of a file that is never large, before it is copied.
fn small(file: &str, array: &Uint8Array) -> Result<Vec<u8>> {
    let length = array.length();
    if length > LARGEST_SMALL {
        let message = format!("The {file} file has {length} bytes, but none that SAELens writes has more than {LARGEST_SMALL}.");
        return Err(LabError::new(code::BAD_FILE, message, "Choose the files that belong to the SAE."));
    }
    Ok(array.to_vec())
}

fn missing(file: &str) -> LabError {
    LabError::new(code::BAD_FILE, format!("{file} is missing."), "Give cfg.json and sae_weights.safetensors of one SAE.")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Save {
    dtype: String,
    metadata: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Place {
    model_name: Option<String>,
    hook: Option<String>,
    center: Option<bool>,
    prepend_bos: Option<bool>,
    context_size: Option<f64>,
}

#[wasm_bindgen]
impl Lab {
    /// From `{cfg, weights, sparsity?, overrides?, inputScale?, largestBuffer?}`: bytes, for the weights
    /// also a Blob. The file is read piece by piece; nothing is kept when any of it is refused.
    #[wasm_bindgen(js_name = loadSae)]
    pub async fn load_sae(&self, spec: JsValue, checkpoint: Function) -> JsResult {
        let get = |key: &str| Reflect::get(&spec, &key.into()).unwrap_or_default();
        let bytes = |key: &str| get(key).dyn_into::<Uint8Array>().ok().map(|array| small(key, &array)).transpose();
        let overrides = get("overrides");
        let release =
            Release { overrides: if overrides.is_object() { from_js(overrides)? } else { Map::new() }, input_scale: get("inputScale").as_f64() };
        let source = Source::from_js(get("weights"))?;
        let length = source.length();
        let start = source.read(0, length.min(64)).await?;
        let head = source.read(0, head_length(WEIGHTS, &start, length)? as u64).await?;
        let cfg = bytes("cfg")?.ok_or_else(|| missing(CFG))?;
        let mut loader = Loader::open(&cfg, &head, length, &release, &self.device)?;
        if let Some(most) = get("largestBuffer").as_f64().filter(|&most| 4.0 * loader.largest() as f64 > most) {
            let needed = 4 * loader.largest();
            let message = format!("One matrix of this SAE needs {needed} bytes, but this GPU holds at most {most} in one piece.");
            return Err(LabError::new(code::DEVICE, message, "Take a smaller SAE, or open the lab on the CPU.").into());
        }
        let log_sparsity = bytes("sparsity")?.map(|file| read_sparsity(&file, loader.config().d_sae)).transpose()?;
        let pause = JsCheckpoint(checkpoint);
        for part in loader.parts().to_vec() {
            loader.feed(&[])?; // its room first, so that what was freed before is used again whole
            let mut at = part.start;
            while at < part.end {
                let end = part.end.min(at + PIECE);
                let piece = source.read(at, end).await?;
                if piece.len() as u64 != end - at {
                    return Err(LabError::new(
                        code::BAD_FILE,
                        format!("{WEIGHTS} ends at byte {}, inside {}.", at + piece.len() as u64, part.name),
                        "Fetch the file again.",
                    )
                    .into());
                }
                loader.feed(&piece)?;
                at = end;
                pause.reached(Progress::Load { done: at as usize, total: length as usize }).await?;
            }
            loader.settle().await?;
        }
        let mut sae = loader.finish()?;
        sae.log_sparsity = log_sparsity;
        let out = Object::new();
        set(&out, "config", to_js(&sae.config)?);
        set(&out, "logSparsity", sae.log_sparsity.as_ref().map_or(JsValue::NULL, |values| Float32Array::from(&values[..]).into()));
        set(&out, "id", self.store(Stored::Sae(Rc::new(RefCell::new(sae)))));
        Ok(out.into())
    }

    /// The files by their names, as bytes.
    #[wasm_bindgen(js_name = saveSae)]
    pub async fn save_sae(&self, sae: u32, options: JsValue) -> JsResult {
        let sae = self.sae(sae)?;
        let options: Save = from_js(options)?;
        let half = match options.dtype.as_str() {
            "float32" => false,
            "float16" => true,
            other => return Err(LabError::setting("dtype", format!("{other:?}"), "\"float32\" or \"float16\"").into()),
        };
        let files = write(&sae, &WriteSettings { half, metadata: options.metadata }).await?;
        let out = Object::new();
        set(&out, CFG, Uint8Array::from(&files.cfg[..]));
        set(&out, WEIGHTS, Uint8Array::from(&files.weights[..]));
        if let Some(sparsity) = files.sparsity {
            set(&out, SPARSITY, Uint8Array::from(&sparsity[..]));
        }
        Ok(out.into())
    }

    /// What does not fit between an SAE and its use on a model's activations.
    pub async fn mismatches(&self, sae: u32, model: u32, options: JsValue) -> JsResult {
        let (sae, model) = (self.sae(sae)?, self.model(model)?);
        let sae = sae.borrow();
        let Place { model_name, hook, center, prepend_bos, context_size } = from_js(options)?;
        let config = &model.gpt2.config;
        if let Some(hook) = &hook {
            HookPoint::parse(hook, config)?;
        }
        let one_head = sae.config.metadata.hook_head_index.map(|_| config.d_head);
        let width = hook.as_deref().or(sae.config.metadata.hook_name.as_deref()).and_then(|hook| width_at(hook, config));
        let context_size = context_size.map(|n| opt::whole("contextSize", n)).transpose()?;
        let here = Here { width: one_head.or(width).or(Some(config.d_model)), model_name, hook, center, prepend_bos, context_size };
        Ok(to_js(&mismatches(&sae, &here))?)
    }

    /// `{wasmBytes}`: WebAssembly's memory, which only grows: the most that was ever in use.
    pub async fn memory(&self) -> JsResult {
        let out = Object::new();
        set(&out, "wasmBytes", core::arch::wasm32::memory_size(0) as f64 * 65536.0);
        Ok(out.into())
    }
}

fn width_at(hook: &str, config: &Config) -> Option<usize> {
    HookPoint::parse(hook, config).ok()?.vector_width(config).ok()
}
