//! The kernels on random inputs, held against the same in 64 bits. `run(family, sizes)` for one case; a family is a function in one of the modules.
#![cfg(target_arch = "wasm32")]

mod attention;
mod buffer;
mod compute;
mod held;
mod inputs;
mod levels;
mod matrix;
mod products;
mod select;

use std::cell::RefCell;

use burn::tensor::Device;
use sae_lab::LabError;
use sae_lab::device::Processor;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

use held::Held;

thread_local! {
    static DEVICE: RefCell<Option<Device>> = const { RefCell::new(None) };
}

#[wasm_bindgen]
pub async fn open() -> Result<(), JsValue> {
    let device = sae_lab::device::open(Processor::WebGpu).await?;
    DEVICE.set(Some(device));
    Ok(())
}

/// One case: `{worst, error, magnitude, elements, unwritten, first}`, see [`Held`].
#[wasm_bindgen]
pub async fn run(family: String, sizes: JsValue) -> Result<JsValue, JsValue> {
    let device = DEVICE.with_borrow(Clone::clone).ok_or("open() comes first")?;
    let device = &device;
    let held = match family.as_str() {
        "linear" => products::linear(device, of(sizes)?).await,
        "transposed" => products::transposed(device, of(sizes)?).await,
        "gather" => products::gather(device, of(sizes)?).await,
        "embed" => attention::embed(device, of(sizes)?).await,
        "layer_norm" => attention::layer_norm(device, of(sizes)?).await,
        "attention" => attention::attention(device, of(sizes)?).await,
        "compute" => compute::compute_case(device, of(sizes)?).await,
        "levels" => levels::levels(device, of(sizes)?).await,
        "select" => select::select(device, of(sizes)?).await,
        "buffer" => buffer::append(device, of(sizes)?).await,
        "matrix" => matrix::matrix(device, of(sizes)?).await,
        _ => return Err(format!("there is no family {family}").into()),
    }?;
    Ok(serde_wasm_bindgen::to_value(&held)?)
}

fn of<T: DeserializeOwned>(sizes: JsValue) -> Result<T, JsValue> {
    Ok(serde_wasm_bindgen::from_value(sizes)?)
}

type Answer = Result<Held, LabError>;
