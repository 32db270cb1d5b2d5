//! The loss of an SAE on a batch and its gradients, without a step.

use js_sys::Object;
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use super::convert::{from_js, set, tensor_to_js};
use super::{JsResult, Lab, flat};
use crate::error::{LabError, check_setting};
use crate::sae::{Batch, Dead, check_width};
use crate::tensors::{check_rows, read, upload};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    l1: f64,
    /// Latents that count as dead.
    dead: Vec<usize>,
    aux_k_coefficient: f64,
    ghost: bool,
}

#[wasm_bindgen]
impl Lab {
    /// `{terms: {name: value}, nActive, gradients: {name: {data, shape}}}` of the rows `x`; `target` is what
    /// a transcoder's output is compared with.
    pub async fn loss(&self, sae: u32, x: JsValue, target: JsValue, options: JsValue) -> JsResult {
        let options: Options = from_js(options)?;
        let x = self.matrix(x)?;
        let sae = self.sae(sae)?;
        let batch = {
            let sae = sae.borrow();
            sae.check_width(x.dims()[1])?;
            check_rows("rows", x.dims()[0], sae.config.d_sae, &self.device)?;
            let target = if target.is_null() || target.is_undefined() { None } else { Some(self.matrix(target)?) };
            let [rows, width] = target.as_ref().unwrap_or(&x).dims();
            check_width(width, sae.config.d_out)?;
            check_setting(rows == x.dims()[0], "target", format!("{rows} rows long"), "as long as the rows")?;
            let mut mask = vec![0.0; sae.config.d_sae];
            for &latent in &options.dead {
                *mask.get_mut(latent).ok_or_else(|| LabError::setting("dead", latent, "a latent of this SAE"))? = 1.0;
            }
            let dead = (!options.dead.is_empty()).then(|| Dead::These(upload(mask, [1, sae.config.d_sae], &x.device())));
            Batch { dead, aux_k: options.aux_k_coefficient, ghost: options.ghost, ..sae.batch(x, target, options.l1) }
        };
        let architecture = sae.borrow().architecture.clone();
        let step = architecture.step(&batch);
        let terms = Object::new();
        set(&terms, "recon", scalar(step.recon).await?);
        set(&terms, "l1", scalar(step.sparsity).await?);
        for (name, value) in step.extra {
            set(&terms, &name, scalar(value).await?);
        }
        let gradients = Object::new();
        for (parameter, gradient) in architecture.parameters().into_iter().zip(step.gradients) {
            set(&gradients, parameter.name, tensor_to_js(flat(parameter.name, read(gradient).await?)));
        }
        let out = Object::new();
        set(&out, "terms", terms);
        set(&out, "nActive", scalar(step.fired.sum() / batch.rows() as f64).await?);
        set(&out, "gradients", gradients);
        Ok(out.into())
    }
}

async fn scalar(value: burn::tensor::Tensor<1>) -> crate::error::Result<f64> {
    Ok(read(value).await?.data.first().copied().map_or(f64::NAN, f64::from))
}
