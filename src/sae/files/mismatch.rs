//! Where an SAE and the activations that it is to be used on do not fit together. None of it is an
//! error but a wrong width: features of a neighbouring layer can be wanted. Each is worth a warning.

use serde::Serialize;

use crate::sae::Sae;
use crate::sae::config::{Metadata, Normalization};

/// What the SAE is to be used on; `None` where it is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Here {
    /// Of the activations at `hook`, or of the residual stream.
    pub width: Option<usize>,
    pub model_name: Option<String>,
    pub hook: Option<String>,
    /// TransformerLens's centred view.
    pub center: Option<bool>,
    pub prepend_bos: Option<bool>,
    pub context_size: Option<usize>,
}

/// One difference: what it is about, both sides, and a sentence with both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// `width`, `model`, `hook`, `center`, `prependBos`, `contextSize` or `normalization`.
    pub what: &'static str,
    pub sae: String,
    pub here: String,
    pub message: String,
}

/// All differences that are known, the gravest first.
pub fn mismatches(sae: &Sae, here: &Here) -> Vec<Mismatch> {
    let Metadata { model_name, hook_name, prepend_bos, context_size, center, .. } = &sae.config.metadata;
    let mut found = Vec::new();
    let mut add = |what, sae: String, here: String, message: String| found.push(Mismatch { what, sae, here, message });
    let d_in = sae.config.d_in;
    if let Some(width) = here.width.filter(|&width| width != d_in) {
        let message = format!("This SAE encodes {d_in} dimensions, but the activations here have {width}: it cannot be used on them.");
        add("width", d_in.to_string(), width.to_string(), message);
    }
    if let (Some(theirs), Some(ours)) = (model_name, &here.model_name)
        && plain_name(theirs) != plain_name(ours)
    {
        let message = format!("This SAE was made for the model {theirs}, and is used on {ours}: its features mean nothing there.");
        add("model", theirs.clone(), ours.clone(), message);
    }
    if let (Some(theirs), Some(ours)) = (hook_name, &here.hook)
        && plain_hook(theirs) != plain_hook(ours)
    {
        let message = format!("This SAE was made for {theirs}, and is used on {ours}: features of another place in the model.");
        add("hook", theirs.clone(), ours.clone(), message);
    }
    // A layer norm takes the mean away by itself; elsewhere than on the residual stream both views agree.
    let sees_mean = sae.config.normalize_activations != Normalization::LayerNorm;
    let on_stream = hook_name.as_ref().or(here.hook.as_ref()).is_none_or(|hook| writes(hook));
    if let (Some(theirs), Some(ours), true, true) = (*center, here.center, sees_mean, on_stream)
        && theirs != ours
    {
        let view = |center| if center { "centred (TransformerLens)" } else { "not centred (Hugging Face)" };
        let message =
            format!("This SAE was made for activations that are {}, and those here are {}: set center to {theirs}.", view(theirs), view(ours));
        add("center", theirs.to_string(), ours.to_string(), message);
    }
    if let (Some(theirs), Some(ours)) = (*prepend_bos, here.prepend_bos)
        && theirs != ours
    {
        let say = |bos| if bos { "with" } else { "without" };
        let message =
            format!("This SAE was made on texts {} a BOS token, and is used on texts {} one: set prependBos to {theirs}.", say(theirs), say(ours));
        add("prependBos", theirs.to_string(), ours.to_string(), message);
    }
    if let (Some(theirs), Some(ours)) = (*context_size, here.context_size)
        && ours > theirs
    {
        let message = format!("This SAE was made on contexts of {theirs} tokens, and is used on up to {ours}: later positions are new to it.");
        add("contextSize", theirs.to_string(), ours.to_string(), message);
    }
    if sae.config.normalize_activations == Normalization::ExpectedAverageOnlyIn && sae.input_scale == 1.0 && sae.optimizer.is_none() {
        let norm = format!("a mean norm of √{d_in}");
        let message = format!(
            "This SAE expects inputs that were scaled to {norm}, and its files do not say by which factor: activations here are used as they are."
        );
        add("normalization", norm, "as they are".into(), message);
    }
    found
}

/// Hub names and TransformerLens's short ones are one model.
fn plain_name(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    if name == "gpt2-small" { "gpt2".into() } else { name }
}

/// The residual stream before a block is the one after the block before it.
fn plain_hook(hook: &str) -> String {
    let before = hook.strip_prefix("blocks.").and_then(|rest| rest.strip_suffix(".hook_resid_pre")).and_then(|layer| layer.parse::<usize>().ok());
    match before.and_then(|layer| layer.checked_sub(1)) {
        Some(layer) => format!("blocks.{layer}.hook_resid_post"),
        None => hook.to_string(),
    }
}

/// Whether the hook's values are on the residual stream or written to it, where centring changes them.
fn writes(hook: &str) -> bool {
    ["hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out", "hook_embed", "hook_pos_embed"]
        .iter()
        .any(|end| hook.ends_with(end))
}
