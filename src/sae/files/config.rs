//! `cfg.json` in SAELens's schema since 6.0 and in those before it, as one [`Config`].
//!
//! Follows `handle_config_defaulting` and `handle_pre_6_0_config` of SAELens 6.54
//! (`sae_lens/loading/pretrained_sae_loaders.py`); what a file says beyond that is kept in
//! [`Metadata::other`].

use serde_json::{Map, Value};

use super::{CFG, bad};
use crate::error::Result;
use crate::files::{object, show};
use crate::sae::config::{Config, Kind, Metadata, Normalization};

/// What a SAELens architecture is here: kind, transcoder, with a skip connection.
const ARCHITECTURES: [(&str, Kind, bool, bool); 10] = [
    ("standard", Kind::Standard, false, false),
    ("topk", Kind::TopK, false, false),
    ("batchtopk", Kind::BatchTopK, false, false),
    ("matryoshka_batchtopk", Kind::Matryoshka, false, false),
    ("jumprelu", Kind::JumpRelu, false, false),
    ("gated", Kind::Gated, false, false),
    ("transcoder", Kind::Standard, true, false),
    ("skip_transcoder", Kind::Standard, true, true),
    ("jumprelu_transcoder", Kind::JumpRelu, true, false),
    ("jumprelu_skip_transcoder", Kind::JumpRelu, true, true),
];

/// SAELens's name for an architecture; `None` where it has none.
pub fn architecture_name(kind: Kind, transcoder: bool, skip: bool) -> Option<&'static str> {
    ARCHITECTURES.iter().find(|a| (a.1, a.2, a.3) == (kind, transcoder, skip)).map(|a| a.0)
}

/// Reads `cfg.json`. `overrides` replace its keys first, as SAELens's list of releases does.
pub fn read_config(text: &[u8], overrides: &Map<String, Value>) -> Result<Config> {
    let mut cfg = object(CFG, text, 16)?;
    cfg.extend(overrides.clone());
    let metadata = match cfg.remove("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong("metadata", &other, "an object")),
    };
    let old = is_old(cfg.get("sae_lens_version").or_else(|| metadata.get("sae_lens_version")))?;
    let mut keys = Keys(cfg);
    if old {
        keys.rename_old()?;
    }
    let reshape = keys.text("reshape_activations")?;
    let mut config = sizes_and_switches(&mut keys, old)?;
    // What SAELens keeps under `metadata` stood beside everything else before 6.0.
    let mut rest = Keys(keys.0);
    rest.0.extend(metadata);
    config.metadata = read_metadata(&mut rest, old)?;
    config.reshape_hook_z = match reshape.as_deref() {
        Some("none") => false,
        Some("hook_z") => true,
        Some(other) => return Err(bad(format!("{CFG}: reshape_activations is {other:?}, but must be \"none\" or \"hook_z\"."))),
        None => old && config.metadata.hook_name.as_deref().is_some_and(|hook| hook.contains("hook_z")),
    };
    config.metadata.other = rest.0;
    config.check().map_err(|e| bad(format!("{CFG} contradicts itself, or is too large to be used here: {}", e.message)))?;
    Ok(config)
}

fn wrong(key: &str, value: &Value, wanted: &str) -> crate::error::LabError {
    bad(format!("{CFG}: {key} is {}, but must be {wanted}.", show(value)))
}

/// Whether a version is older than 6.0.0-rc.0; none at all is.
fn is_old(version: Option<&Value>) -> Result<bool> {
    let Some(version) = version.filter(|v| !v.is_null() && v.as_str() != Some("")) else { return Ok(true) };
    let major = version.as_str().and_then(|v| v.trim_start_matches('v').split('.').next()?.parse::<u32>().ok());
    major.map(|major| major < 6).ok_or_else(|| wrong("sae_lens_version", version, "a version, like \"6.0.0\""))
}

/// The keys of a file, each taken out once it is understood.
struct Keys(Map<String, Value>);

impl Keys {
    /// A value that is there and not null.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|v| !v.is_null())
    }

    fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(key, &other, "text")),
        }
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(key, &other, "true or false")),
        }
    }

    /// A whole number, 0 or more.
    fn whole(&mut self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..9e15).contains(x)).map(|x| x as u64));
        let number = number.and_then(|n| usize::try_from(n).ok());
        number.map(Some).ok_or_else(|| wrong(key, &value, "a whole number, 0 or more"))
    }

    fn size(&mut self, key: &str) -> Result<usize> {
        self.whole(key)?.ok_or_else(|| bad(format!("{CFG} does not say {key}.")))
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_f64().filter(|x| x.is_finite()).map(Some).ok_or_else(|| wrong(key, &value, "a number"))
    }

    /// The names of keys, and the top-k architecture, as before 6.0.
    fn rename_old(&mut self) -> Result<()> {
        for (old, new) in [("hook_point", "hook_name"), ("hook_point_head_index", "hook_head_index"), ("activation_fn_str", "activation_fn")] {
            if let Some(value) = self.0.remove(old) {
                self.0.insert(new.into(), value);
            }
        }
        let activation = self.text("activation_fn")?.unwrap_or_else(|| "relu".into());
        let k = match self.take("activation_fn_kwargs") {
            None => None,
            Some(Value::Object(map)) => map.get("k").filter(|k| !k.is_null()).cloned(),
            Some(other) => return Err(wrong("activation_fn_kwargs", &other, "an object")),
        };
        match (activation.as_str(), k) {
            ("topk", Some(k)) => {
                self.0.insert("architecture".into(), "topk".into());
                self.0.insert("k".into(), k);
            }
            ("topk", None) if !self.0.contains_key("k") => return Err(bad(format!("{CFG} asks for top-k, but does not say k."))),
            ("relu" | "topk", _) => {}
            (other, _) => return Err(bad(format!("{CFG}: activation_fn is {other:?}, but only \"relu\" and \"topk\" can be used here."))),
        }
        Ok(())
    }
}

fn sizes_and_switches(keys: &mut Keys, old: bool) -> Result<Config> {
    let architecture = match keys.text("architecture")? {
        Some(name) => name,
        None if old => "standard".into(),
        None => return Err(bad(format!("{CFG} does not say its architecture."))),
    };
    let Some(&(_, kind, transcoder, skip)) = ARCHITECTURES.iter().find(|a| a.0 == architecture) else {
        let names: Vec<&str> = ARCHITECTURES.iter().map(|a| a.0).collect();
        return Err(bad(format!("{CFG}: architecture is {architecture:?}; those that can be read are {}.", names.join(", "))));
    };
    let mut config = Config::new(kind, keys.size("d_in")?, keys.size("d_sae")?, 0);
    config.d_out = keys.whole("d_out")?.unwrap_or(config.d_in);
    (config.transcoder, config.skip) = (transcoder, skip);
    config.apply_b_dec_to_input = keys.flag("apply_b_dec_to_input")?.unwrap_or(!transcoder);
    config.normalize_activations = normalization(keys.take("normalize_activations"))?;
    if kind.is_top_k() {
        config.extras.k = keys.number("k")?.ok_or_else(|| bad(format!("{CFG} is of a {architecture} SAE, but does not say k.")))?;
        // SAELens's default for an SAE in use; one that trains says it.
        config.extras.rescale_acts_by_decoder_norm = keys.flag("rescale_acts_by_decoder_norm")?.unwrap_or(kind != Kind::TopK);
    }
    if matches!(kind, Kind::BatchTopK | Kind::Matryoshka) {
        config.extras.topk_threshold_lr = keys.number("topk_threshold_lr")?.unwrap_or(config.extras.topk_threshold_lr);
    }
    if kind == Kind::Matryoshka {
        config.extras.matryoshka_aux_loss = keys.flag("use_matryoshka_aux_loss")?.unwrap_or(false);
        let widths = keys.take("matryoshka_widths").unwrap_or(Value::Null);
        let list = widths.as_array().and_then(|list| list.iter().map(|w| usize::try_from(w.as_u64()?).ok()).collect::<Option<Vec<_>>>());
        config.extras.matryoshka_widths = list.ok_or_else(|| wrong("matryoshka_widths", &widths, "a list of widths"))?;
        if config.extras.matryoshka_widths.last() != Some(&config.d_sae) {
            config.extras.matryoshka_widths.push(config.d_sae); // as SAELens does
        }
    }
    // Where it ran and how it was stored say nothing about the SAE.
    for key in ["device", "dtype", "finetuning_scaling_factor"] {
        keys.0.remove(key);
    }
    Ok(config)
}

fn normalization(value: Option<Value>) -> Result<Normalization> {
    match value {
        None | Some(Value::Bool(false)) => Ok(Normalization::None),
        Some(Value::Bool(true)) => Ok(Normalization::ExpectedAverageOnlyIn),
        Some(Value::String(name)) => Normalization::parse(&name).map_err(|_| {
            let known = "none, expected_average_only_in, constant_norm_rescale and layer_norm";
            bad(format!("{CFG}: normalize_activations is {name:?}; those that can be used here are {known}."))
        }),
        Some(other) => Err(wrong("normalize_activations", &other, "the name of a normalisation")),
    }
}

fn read_metadata(keys: &mut Keys, old: bool) -> Result<Metadata> {
    keys.0.remove("sae_lens_version"); // of the file's schema, which is the writer's business
    let mut metadata = Metadata {
        model_name: keys.text("model_name")?,
        hook_name: keys.text("hook_name")?,
        hook_name_out: keys.text("hook_name_out")?,
        hook_head_index: keys.whole("hook_head_index")?,
        prepend_bos: keys.flag("prepend_bos")?.or(old.then_some(true)),
        context_size: keys.whole("context_size")?,
        dataset_path: keys.text("dataset_path")?,
        ..Metadata::default()
    };
    match keys.take("model_from_pretrained_kwargs") {
        None => {}
        Some(Value::Object(mut map)) => {
            // SAELens loads models without TransformerLens's processing, but for what stands here.
            metadata.center = Some(map.remove("center_writing_weights").and_then(|v| v.as_bool()).unwrap_or(false));
            if !map.is_empty() {
                keys.0.insert("model_from_pretrained_kwargs".into(), Value::Object(map));
            }
        }
        Some(other) => return Err(wrong("model_from_pretrained_kwargs", &other, "an object")),
    }
    Ok(metadata)
}
