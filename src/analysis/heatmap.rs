//! Features × tokens on one text.

use crate::error::{LabError, Result, check_setting, code};
use crate::gpt2::{Gpt2, HookPoint, Hooks, LogitsWanted, Reading, View};
use crate::sae::{Architecture, check_feature, check_width};
use crate::tensors::read;

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
pub async fn heatmap(model: &Gpt2, sae: &dyn Architecture, ids: &[u32], settings: &HeatmapSettings) -> Result<Heatmap> {
    let width = settings.point.vector_width(&model.config)?;
    let d_sae = sae.b_enc().dims()[1];
    check_width(width, sae.w_enc().dims()[0])?;
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
    let f = read(sae.encode(x.reshape([pos, width]))).await?.data; // [pos, d_sae]
    let first = usize::from(settings.skip_position_0 && pos > 1);
    let max = |feature: usize| (first..pos).map(|p| f[p * d_sae + feature]).fold(f32::MIN, f32::max);
    let features = settings.features.clone().unwrap_or_else(|| {
        let mut ranked: Vec<(usize, f32)> = (0..d_sae).map(|i| (i, max(i))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked.into_iter().take(settings.k).map(|(i, _)| i).collect()
    });
    let data = features.iter().flat_map(|&i| (0..pos).map(move |p| (p, i))).map(|(p, i)| f[p * d_sae + i]).collect();
    Ok(Heatmap { features, data, positions: pos })
}
