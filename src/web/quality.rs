//! How good an SAE is: on activations, and in the model.

use js_sys::{Array, Float32Array, Float64Array, Function, Object, Uint32Array};
use serde::Deserialize;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::convert::{JsCheckpoint, from_js, set, to_js};
use super::options::{Input, view, whole};
use super::{JsResult, Lab};
use crate::analysis::{self, QualitySettings, SplicedSettings, token_sequences};
use crate::error::{LabError, Result, check_setting};
use crate::gpt2::{Config, HookPoint};
use crate::sae;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Quality {
    skip_position0: bool,
    skip_special: bool,
}

/// What is `None` follows the SAE's own metadata.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spliced {
    hook: Option<String>,
    out_hook: Option<String>,
    center: Option<bool>,
    prepend_bos: Option<bool>,
    context_size: Option<f64>,
    skip_special: bool,
    skip_position0: bool,
    keep_error: bool,
    without_features: Vec<usize>,
    ablate_skipped: bool,
}

impl Spliced {
    fn settings(self, sae: &sae::Config, model: &Config, end_of_text: u32) -> Result<SplicedSettings> {
        let made_for = &sae.metadata;
        let Some(hook) = self.hook.or(made_for.hook_name.clone()) else {
            return Err(LabError::setting("hook", "not given", "the hook that the SAE was trained on, which this SAE does not know itself"));
        };
        let out = self.out_hook.or(made_for.hook_name_out.clone().filter(|_| sae.transcoder));
        Ok(SplicedSettings {
            point: HookPoint::parse(&hook, model)?,
            out: HookPoint::parse(out.as_deref().unwrap_or(&hook), model)?,
            head: made_for.hook_head_index,
            view: view(self.center.or(made_for.center).unwrap_or(true)),
            special: if self.skip_special { vec![end_of_text] } else { Vec::new() },
            skip_position_0: self.skip_position0,
            keep_error: self.keep_error,
            without_features: self.without_features,
            ablate_skipped: self.ablate_skipped,
        })
    }
}

#[wasm_bindgen]
impl Lab {
    /// Figures of an SAE on collected activations; `target` is null, or what a transcoder's output is compared with.
    pub async fn quality(&self, sae: u32, acts: u32, target: JsValue, options: JsValue, checkpoint: Function) -> JsResult {
        let options: Quality = from_js(options)?;
        let sae = self.sae(sae)?;
        let (inference, transcoder) = (sae.borrow().inference(), sae.borrow().config.transcoder);
        let collected = self.collected(acts)?;
        let target = target.as_f64().map(|id| self.collected(id as u32)).transpose()?;
        check_setting(target.is_some() || !transcoder, "target", "not given", "activations of the hook that the transcoder writes to")?;
        let special = if options.skip_special { vec![collected.tokenizer.end_of_text] } else { Vec::new() };
        let settings = QualitySettings { skip_position_0: options.skip_position0, special, target: target.as_ref().map(|t| &t.acts) };
        let found = analysis::quality(&inference, &collected.acts, &settings, &JsCheckpoint(checkpoint)).await?;
        let out: Object = to_js(&found)?.unchecked_into();
        let latents = &found.latents;
        set(&out, "density", Float64Array::from(&latents.density()[..]));
        set(&out, "fired", Uint32Array::from(&latents.fired[..]));
        set(&out, "maxActivation", Float32Array::from(&latents.max[..]));
        set(&out, "meanActive", Float64Array::from(&latents.mean_active()[..]));
        Ok(out.into())
    }

    /// What the model loses with the SAE spliced in; `texts` are texts and lists of token ids.
    pub async fn spliced(&self, model: u32, sae: u32, texts: Array, options: JsValue, checkpoint: Function) -> JsResult {
        let options: Spliced = from_js(options)?;
        let model = self.model(model)?;
        let sae = self.sae(sae)?;
        let (inference, config) = (sae.borrow().inference(), sae.borrow().config.clone());
        let n_ctx = model.gpt2.config.n_ctx;
        let prepend_bos = options.prepend_bos.or(config.metadata.prepend_bos).unwrap_or(true);
        let length = match options.context_size {
            Some(size) => whole("contextSize", size)?,
            None => config.metadata.context_size.map_or(n_ctx, |size| size.min(n_ctx)),
        };
        check_setting((2..=n_ctx).contains(&length), "contextSize", length, &format!("from 2 to the model's {n_ctx}"))?;
        let mut sequences = Vec::new();
        for text in texts.iter() {
            match Input::from_js(text)? {
                Input::Text(text) => sequences.extend(token_sequences(&model.tokenizer, &[text], prepend_bos, length)?),
                Input::Ids(ids) => sequences.push(ids),
            }
        }
        let settings = options.settings(&config, &model.gpt2.config, model.tokenizer.end_of_text)?;
        let found = analysis::spliced(&model.gpt2, &inference, &sequences, &settings, &JsCheckpoint(checkpoint)).await?;
        let out: Object = to_js(&found)?.unchecked_into();
        set(&out, "hook", settings.point.to_string());
        set(&out, "outHook", settings.out.to_string());
        set(&out, "center", settings.view == view(true));
        set(&out, "prependBos", prepend_bos);
        Ok(out.into())
    }
}
