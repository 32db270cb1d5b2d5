//! Values between Rust and JavaScript.

use js_sys::{Float32Array, Function, Object, Promise, Reflect, Uint32Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::error::{LabError, Result, check_setting, code};
use crate::progress::{Checkpoint, Progress};
use crate::tensors::HostTensor;
use crate::tokenizer::Tokenizer;

/// A `LabError` arrives as an `Error` with `name`, `code` and `hint`.
impl From<LabError> for JsValue {
    fn from(error: LabError) -> Self {
        let js = js_sys::Error::new(&error.message);
        js.set_name("LabError");
        set(&js, "code", error.code);
        set(&js, "hint", error.hint.as_str());
        js.into()
    }
}

/// Sets a property of an object made here (which can't refuse it).
pub fn set(object: &Object, key: &str, value: impl Into<JsValue>) {
    Reflect::set(object, &key.into(), &value.into()).ok();
}

/// Reads options; what does not fit is a bad setting.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T> {
    serde_wasm_bindgen::from_value(value).map_err(|e| {
        LabError::new(
            code::BAD_SETTING,
            format!("The settings can't be read: {e}."),
            "Compare their names and types with the module's documentation.",
        )
    })
}

/// Plain data as plain objects.
pub fn to_js<T: Serialize + ?Sized>(value: &T) -> Result<JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|e| LabError::new(code::BAD_SETTING, format!("A result can't be passed on: {e}."), "Report this."))
}

/// `{data: Float32Array, shape: number[]}`
pub fn tensor_to_js(tensor: HostTensor) -> Object {
    let out = Object::new();
    set(&out, "data", Float32Array::from(&tensor.data[..]));
    let shape: js_sys::Array = tensor.shape.iter().map(|&n| JsValue::from(n as f64)).collect();
    set(&out, "shape", shape);
    out
}

/// The other way round, of finite numbers; `name` says which tensor it is.
pub fn tensor_from_js(name: &str, value: &JsValue) -> Result<HostTensor> {
    let get = |key: &str| Reflect::get(value, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let data = get("data").dyn_into::<Float32Array>().map_err(|_| LabError::setting(name, "something else", "{data: Float32Array, shape}"))?.to_vec();
    check_setting(data.iter().all(|v| v.is_finite()), name, "not finite everywhere", "made of finite numbers")?;
    HostTensor::new(data, from_js(get("shape"))?)
}

/// `{ids, tokens, raw}`
pub fn tokens_to_js(tokenizer: &Tokenizer, ids: &[u32]) -> Result<Object> {
    let out = Object::new();
    set(&out, "ids", Uint32Array::from(ids));
    set(&out, "tokens", to_js(&ids.iter().map(|&id| tokenizer.decode_token(id)).collect::<Vec<_>>())?);
    set(&out, "raw", to_js(&ids.iter().map(|&id| tokenizer.raw(id)).collect::<Vec<_>>())?);
    Ok(out)
}

/// The worker's function `checkpoint(progress) → cancelled | Promise<cancelled>`.
pub struct JsCheckpoint(pub Function);

impl Checkpoint for JsCheckpoint {
    async fn reached(&self, progress: Progress) -> Result<()> {
        let failed = |_| LabError::cancelled();
        let answer = self.0.call1(&JsValue::UNDEFINED, &to_js(&progress)?).map_err(failed)?;
        let answer = match answer.dyn_into::<Promise>() {
            Ok(promise) => JsFuture::from(promise).await.map_err(failed)?,
            Err(value) => value,
        };
        if answer.is_truthy() { Err(LabError::cancelled()) } else { Ok(()) }
    }
}
