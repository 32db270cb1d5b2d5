//! Features × tokens on one text.

use crate::error::{LabError, Result, check_setting, code};
use crate::gpt2::{Gpt2, HookPoint, Hooks, LogitsWanted, Reading, View};
use crate::sae::{Inference, check_feature};
use crate::tensors::{read, upload_indices};

#[derive(Debug, Clone)]
pub struct HeatmapSettings {
    pub point: HookPoint,
    pub view: View,
    pub k: usize,
    /// Leave position 0 out when choosing the features (its column is still given).
    pub skip_position_0: bool,
    /// These features instead of the k with the largest maximum.
    pub features: Option<Vec<usize>>,
}

/// Activations `[features, pos]`, row-major.
#[derive(Debug, Clone)]
pub struct Heatmap {
    pub features: Vec<usize>,
    pub data: Vec<f32>,
    pub positions: usize,
}

/// Runs `ids` and encodes every position.
pub async fn heatmap(model: &Gpt2, sae: &Inference, ids: &[u32], settings: &HeatmapSettings) -> Result<Heatmap> {
    let width = settings.point.vector_width(&model.config)?;
    let d_sae = sae.d_sae();
    sae.check_width(width)?;
    check_setting(settings.k >= 1, "k", settings.k, "at least 1")?;
    for &feature in settings.features.iter().flatten() {
        check_feature(feature, d_sae)?;
    }
    let mut hooks = Hooks::reading(&[settings.point], settings.view);
    model.forward(&[ids], None, &mut hooks, LogitsWanted::None)?;
    let Some(Reading::Vectors(x)) = hooks.readings.remove(&settings.point) else {
        return Err(LabError::new(code::UNKNOWN_HOOK, format!("{} gave nothing.", settings.point), "Choose another hook."));
    };
    let pos = ids.len();
    let f = sae.encode(x.reshape([pos, width])); // [pos, d_sae]
    let features = match &settings.features {
        Some(features) => features.clone(),
        None => {
            let first = usize::from(settings.skip_position_0 && pos > 1);
            let largest = read(f.clone().narrow(0, first, pos - first).max_dim(0)).await?.data;
            let mut ranked: Vec<usize> = (0..d_sae).collect();
            ranked.sort_by(|&a, &b| largest[b].total_cmp(&largest[a]).then(a.cmp(&b)));
            ranked.truncate(settings.k);
            ranked
        }
    };
    if features.is_empty() {
        return Ok(Heatmap { features, data: Vec::new(), positions: pos });
    }
    let chosen: Vec<u32> = features.iter().map(|&i| i as u32).collect();
    let chosen = upload_indices(&chosen, [chosen.len()], &f.device());
    let data = read(f.select(1, chosen).transpose()).await?.data;
    Ok(Heatmap { features, data, positions: pos })
}
