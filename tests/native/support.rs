//! Reading fixtures and comparing numbers.

use std::collections::HashMap;
use std::path::PathBuf;

use burn::tensor::Device;
use pollster::block_on;
use sae_lab::Result;
use sae_lab::gpt2::{Config as ModelConfig, Gpt2, Precision, load};
use sae_lab::sae::{Config, Init, Kind, Sae};
use sae_lab::tensors::HostTensor;
use sae_lab::tokenizer::Tokenizer;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

pub fn path(below_root: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below_root)
}

pub fn bytes(below_root: &str) -> Vec<u8> {
    std::fs::read(path(below_root)).unwrap_or_else(|e| panic!("{below_root}: {e}"))
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(&format!("tests/reference/numbers/{name}.json"))).unwrap()
}

/// All tensors of `tests/reference/numbers/NAME.safetensors`.
pub fn numbers(name: &str) -> HashMap<String, HostTensor> {
    let bytes = bytes(&format!("tests/reference/numbers/{name}.safetensors"));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let host = |(key, view): (String, safetensors::tensor::TensorView<'_>)| {
        assert_eq!(view.dtype(), Dtype::F32, "{key}");
        let data = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (key, HostTensor { data, shape: view.shape().to_vec() })
    };
    file.tensors().into_iter().map(host).collect()
}

pub fn model_folder(name: &str) -> &'static str {
    match name {
        "tiny" => "www/models/tiny",
        "random" => "tests/reference/models/random",
        other => panic!("no model {other}"),
    }
}

pub fn model(name: &str) -> (Gpt2, Tokenizer) {
    let folder = model_folder(name);
    let config = ModelConfig::from_json(&bytes(&format!("{folder}/config.json"))).unwrap();
    let tokenizer = Tokenizer::from_json(&bytes(&format!("{folder}/tokenizer.json"))).unwrap();
    let weights = bytes(&format!("{folder}/model.safetensors"));
    (block_on(load(config, Precision::F32, &weights, &Device::flex())).unwrap(), tokenizer)
}

pub fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

pub fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect()
}

/// Largest absolute difference.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Asserts shapes equal and values within `tolerance`, absolute.
pub fn assert_close(name: &str, ours: &HostTensor, theirs: &HostTensor, tolerance: f32) {
    assert_eq!(ours.shape, theirs.shape, "{name}");
    let difference = largest_difference(&ours.data, &theirs.data);
    assert!(difference <= tolerance, "{name}: differs by {difference:e}, more than {tolerance:e}");
}

/// Asserts shapes equal and values within `tolerance` of the tensor's largest value.
pub fn assert_close_relative(name: &str, ours: &HostTensor, theirs: &HostTensor, tolerance: f32) {
    let largest = theirs.data.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert_close(name, ours, theirs, tolerance * largest);
}

pub fn assert_close_f64(name: &str, ours: f64, theirs: f64, relative: f64) {
    let difference = (ours - theirs).abs() / theirs.abs().max(1e-12);
    assert!(difference <= relative, "{name}: {ours} against {theirs}, {difference:e} apart");
}

/// A new SAE of an architecture's own conventions, on the CPU.
pub fn new_sae(architecture: &str, d_in: usize, d_sae: usize, seed: u64) -> Result<Sae> {
    let kind = Kind::parse(architecture)?;
    Sae::new(Config::new(kind, d_in, d_sae, seed), &Init::of(kind), &Device::flex())
}
