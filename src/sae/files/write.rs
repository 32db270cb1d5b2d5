//! An SAE as the files that SAELens 6 loads. The same SAE gives the same bytes.

use std::cell::RefCell;

use serde_json::{Map, Value, json};

use super::bad;
use super::config::architecture_name;
use crate::error::{LabError, Result};
use crate::sae::config::{Config, Kind, Metadata, Normalization};
use crate::sae::{Parameter, Sae};
use crate::tensors::read;

/// The release of SAELens whose files these are.
const SAE_LENS: &str = "6.54.12";

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WriteSettings {
    /// Store weights as 16 bits.
    pub half: bool,
    /// Further keys of `metadata`, over those that the SAE has.
    pub metadata: Map<String, Value>,
}

/// The files' contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub cfg: Vec<u8>,
    pub weights: Vec<u8>,
    /// Where it is known how often the latents are active.
    pub sparsity: Option<Vec<u8>>,
}

/// Reads the weights back from the device and writes them. What the notebooks' SAEs are becomes a
/// standard SAE; a batch top-k's running threshold becomes a JumpReLU's; an input scale is folded.
pub async fn write(sae: &RefCell<Sae>, settings: &WriteSettings) -> Result<Files> {
    let (saved, config, folded, trained, firing, log_sparsity) = {
        let sae = sae.borrow();
        let trained = trained(&sae);
        let firing = sae.optimizer.as_ref().and_then(|o| o.firing.log_sparsity());
        (sae.inference().architecture.saved(), sae.config.clone(), sae.input_scale != 1.0, trained, firing, sae.log_sparsity.clone())
    };
    let log_sparsity = match firing {
        Some(counted) => Some(read(counted).await?.data),
        None => log_sparsity,
    };
    let architecture = architecture_name(saved.architecture, config.transcoder, config.skip).ok_or_else(|| {
        LabError::setting(
            "architecture",
            format!("a {} transcoder", config.architecture.name()),
            "one that SAELens has files for: standard, untied, batchtopk or jumprelu",
        )
    })?;
    let mut cfg = json!({
        "architecture": architecture,
        "d_in": config.d_in,
        "d_sae": config.d_sae,
        "dtype": if settings.half { "float16" } else { "float32" },
        "device": "cpu",
        "apply_b_dec_to_input": saved.apply_b_dec_to_input,
        "normalize_activations": if folded { Normalization::None } else { config.normalize_activations },
        "reshape_activations": if config.reshape_hook_z { "hook_z" } else { "none" },
        "metadata": metadata(&config, saved.architecture, trained, &settings.metadata),
    });
    if config.transcoder {
        cfg["d_out"] = config.d_out.into();
    }
    if saved.architecture == Kind::TopK {
        cfg["k"] = (config.extras.k as u64).into();
        cfg["rescale_acts_by_decoder_norm"] = saved.rescale_acts_by_decoder_norm.into();
    }
    let cfg = serde_json::to_vec_pretty(&cfg).map_err(|e| bad(format!("cfg.json could not be written: {e}.")))?;
    Ok(Files { cfg, weights: weights(saved.tensors, settings.half).await?, sparsity: log_sparsity.map(|values| sparsity(&values)) })
}

/// How an SAE that was trained here came about.
fn trained(sae: &Sae) -> Option<Value> {
    let last = sae.history.last()?;
    let Config { seed, loss_unit, l1_weighted, extras, .. } = &sae.config;
    Some(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": seed,
        "loss_unit": loss_unit,
        "l1_weighted": l1_weighted,
        "extras": extras,
        "steps": sae.optimizer.as_ref().map_or(0, |o| o.steps),
        "last": last,
    }))
}

fn metadata(config: &Config, saved_as: Kind, trained: Option<Value>, further: &Map<String, Value>) -> Value {
    let Metadata { model_name, hook_name, hook_name_out, hook_head_index, prepend_bos, context_size, center, dataset_path, other } = &config.metadata;
    let mut out = other.clone();
    let mut set = |key: &str, value: Option<Value>| value.map(|value| out.insert(key.into(), value));
    set("model_name", model_name.clone().map(Value::from));
    set("hook_name", hook_name.clone().map(Value::from));
    set("hook_name_out", hook_name_out.clone().map(Value::from));
    set("hook_head_index", hook_head_index.map(Value::from));
    set("prepend_bos", prepend_bos.map(Value::from));
    set("context_size", context_size.map(Value::from));
    set("dataset_path", dataset_path.clone().map(Value::from));
    if trained.is_some() || config.architecture != saved_as {
        set("training_architecture", Some(config.architecture.name().into()));
    }
    set("sae_lab", trained);
    if let Some(center) = center {
        let kwargs = out.entry("model_from_pretrained_kwargs").or_insert_with(|| json!({}));
        if let Value::Object(kwargs) = kwargs {
            kwargs.insert("center_writing_weights".into(), (*center).into());
        }
    }
    // SAELens 6 fills in its own version where there is none; who trained this one is not known to it.
    out.entry("sae_lens_training_version").or_insert(Value::Null);
    out.extend(further.clone());
    // Below 6 SAELens would look for the keys of older files.
    out.insert("sae_lens_version".into(), SAE_LENS.into());
    Value::Object(out)
}

/// `sae_weights.safetensors`, its tensors in the order of their names.
async fn weights(mut tensors: Vec<Parameter>, half: bool) -> Result<Vec<u8>> {
    tensors.sort_by_key(|p| p.name);
    let shape = |p: &Parameter| match (p.name.starts_with("W_"), p.value.dims()) {
        (true, dims) => dims.to_vec(),
        (false, [_, n]) => vec![n],
    };
    let described: Vec<(&str, Vec<usize>)> = tensors.iter().map(|p| (p.name, shape(p))).collect();
    let mut file = head(&described, half);
    for Parameter { name, value } in tensors {
        append(&mut file, name, &read(value).await?.data, half)?;
    }
    Ok(file)
}

fn sparsity(values: &[f32]) -> Vec<u8> {
    let mut file = head(&[("sparsity", vec![values.len()])], false);
    file.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    file
}

/// Everything before the first tensor, and room for the rest.
fn head(tensors: &[(&str, Vec<usize>)], half: bool) -> Vec<u8> {
    let (dtype, size) = if half { ("F16", 2) } else { ("F32", 4) };
    let (mut header, mut at) = (Map::new(), 0);
    for (name, shape) in tensors {
        let end = at + size * shape.iter().product::<usize>();
        header.insert((*name).into(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, end] }));
        at = end;
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut file = Vec::with_capacity(8 + text.len() + at);
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text);
    file
}

fn append(file: &mut Vec<u8>, name: &str, values: &[f32], half: bool) -> Result<()> {
    let refuse = |at: usize, why: &str| {
        let hint = if half { "Save as \"float32\", or train on." } else { "Train it anew: these weights diverged." };
        Err(LabError::new(crate::error::code::NOT_FINITE, format!("Value {at} of {name} is {}, {why}; nothing was saved.", values[at]), hint))
    };
    if let Some(at) = values.iter().position(|x| !x.is_finite()) {
        return refuse(at, "no number");
    }
    if !half {
        file.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        return Ok(());
    }
    if let Some(at) = values.iter().position(|x| !half::f16::from_f32(*x).is_finite()) {
        return refuse(at, "more than the 65504 that float16 holds");
    }
    file.extend(values.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()));
    Ok(())
}
