//! What an SAE is: its architecture, sizes, and the switches that change what its numbers mean.

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result, check_setting};

/// The architectures, by the names that files and settings use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// lab-c4: the decoder is the encoder transposed.
    #[serde(rename = "tied")]
    Tied,
    /// lab-c4 and week 7: a decoder of its own.
    #[serde(rename = "untied")]
    Untied,
    /// SAELens: subtracts `b_dec`, L1 weighted by the decoder's norms.
    #[serde(rename = "standard")]
    Standard,
    #[serde(rename = "topk")]
    TopK,
    #[serde(rename = "batchtopk")]
    BatchTopK,
    #[serde(rename = "jumprelu")]
    JumpRelu,
    #[serde(rename = "gated")]
    Gated,
    #[serde(rename = "matryoshka_batchtopk")]
    Matryoshka,
}

impl Kind {
    pub const ALL: [Self; 8] = [Self::Tied, Self::Untied, Self::Standard, Self::TopK, Self::BatchTopK, Self::JumpRelu, Self::Gated, Self::Matryoshka];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tied => "tied",
            Self::Untied => "untied",
            Self::Standard => "standard",
            Self::TopK => "topk",
            Self::BatchTopK => "batchtopk",
            Self::JumpRelu => "jumprelu",
            Self::Gated => "gated",
            Self::Matryoshka => "matryoshka_batchtopk",
        }
    }

    pub fn parse(name: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|k| k.name() == name)
            .ok_or_else(|| LabError::setting("architecture", format!("{name:?}"), &format!("one of {names}")))
    }

    /// Those whose number of active latents is given by `k`.
    pub fn is_top_k(self) -> bool {
        matches!(self, Self::TopK | Self::BatchTopK | Self::Matryoshka)
    }
}

/// What the loss's sums are divided by. `Mean`, the notebooks' unit: both terms are means over the
/// batch and their last dimension. `Sum`, SAELens's: both are sums over the last dimension, means
/// over the batch. The same trade-off is `l1_sum = l1_mean · d_in / d_sae`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Mean,
    Sum,
}

impl Unit {
    /// What a sum over a `[rows, columns]` matrix is multiplied by.
    pub fn factor(self, rows: usize, columns: usize) -> f64 {
        match self {
            Self::Mean => 1.0 / (rows * columns) as f64,
            Self::Sum => 1.0 / rows as f64,
        }
    }
}

/// SAELens's `normalize_activations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    #[default]
    None,
    /// One factor √d_in / mean‖x‖, estimated when training starts and folded into the weights.
    ExpectedAverageOnlyIn,
    /// Each row to norm √d_in; undone on the output.
    ConstantNormRescale,
    /// Each row minus its mean, divided by its unbiased standard deviation + 1e-5; undone on the output.
    LayerNorm,
}

impl Normalization {
    /// Whether each row is treated by what it holds.
    pub fn looks_at_rows(self) -> bool {
        matches!(self, Self::ConstantNormRescale | Self::LayerNorm)
    }

    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "none" => Self::None,
            "expected_average_only_in" => Self::ExpectedAverageOnlyIn,
            "constant_norm_rescale" => Self::ConstantNormRescale,
            "layer_norm" => Self::LayerNorm,
            other => {
                let allowed = "\"none\", \"expected_average_only_in\", \"constant_norm_rescale\" or \"layer_norm\"";
                return Err(LabError::setting("normalizeActivations", format!("{other:?}"), allowed));
            }
        })
    }
}

/// JumpReLU's sparsity term: DeepMind's L0, Anthropic's tanh, Gemma Scope 2's quadratic around a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JumpPenalty {
    Step,
    Tanh,
    Quadratic,
}

/// Settings that only some architectures have, with SAELens's defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Extras {
    /// Active latents per row; the batch top-k architectures take it as a mean, also fractional.
    pub k: f64,
    /// Top-k: pre-activations are compared, and used, times the decoder's norms.
    pub rescale_acts_by_decoder_norm: bool,
    /// Batch top-k: how fast the running threshold follows.
    pub topk_threshold_lr: f64,
    /// Widths of the nested dictionaries, increasing; the last is `d_sae`.
    pub matryoshka_widths: Vec<usize>,
    /// Dead latents reconstruct the error of their own level.
    pub matryoshka_aux_loss: bool,
    pub jumprelu_init_threshold: f64,
    pub jumprelu_bandwidth: f64,
    pub jumprelu_penalty: JumpPenalty,
    pub jumprelu_tanh_scale: f64,
    /// The straight-through gradient also reaches the pre-activations.
    pub jumprelu_ste_to_input: bool,
    pub jumprelu_target_l0: f64,
    /// Anthropic's pre-activation loss on dead latents; 0 for none.
    pub pre_act_loss_coefficient: f64,
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            k: 32.0,
            rescale_acts_by_decoder_norm: true,
            topk_threshold_lr: 0.01,
            matryoshka_widths: Vec::new(),
            matryoshka_aux_loss: false,
            jumprelu_init_threshold: 0.01,
            jumprelu_bandwidth: 0.05,
            jumprelu_penalty: JumpPenalty::Step,
            jumprelu_tanh_scale: 4.0,
            jumprelu_ste_to_input: false,
            jumprelu_target_l0: 32.0,
            pre_act_loss_coefficient: 0.0,
        }
    }
}

/// What an SAE was made for, where that is known; SAELens's `metadata`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub model_name: Option<String>,
    pub hook_name: Option<String>,
    /// Where a transcoder's output belongs.
    pub hook_name_out: Option<String>,
    pub hook_head_index: Option<usize>,
    pub prepend_bos: Option<bool>,
    pub context_size: Option<usize>,
    /// TransformerLens's centred view of the residual stream.
    pub center: Option<bool>,
    pub dataset_path: Option<String>,
    /// Everything else that its file said.
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Metadata {
    /// Takes over from `origin` what training rows are of: all of it, or, with `keep_known`, what is not known yet.
    pub fn describe(&mut self, origin: &Self, keep_known: bool) {
        fn take<T: Clone>(mine: &mut Option<T>, origin: &Option<T>, keep_known: bool) {
            if mine.is_none() || !keep_known {
                mine.clone_from(origin);
            }
        }
        take(&mut self.model_name, &origin.model_name, keep_known);
        take(&mut self.hook_name, &origin.hook_name, keep_known);
        take(&mut self.hook_name_out, &origin.hook_name_out, keep_known);
        take(&mut self.prepend_bos, &origin.prepend_bos, keep_known);
        take(&mut self.context_size, &origin.context_size, keep_known);
        take(&mut self.center, &origin.center, keep_known);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub architecture: Kind,
    pub d_in: usize,
    pub d_sae: usize,
    /// `d_in`, but for a transcoder.
    pub d_out: usize,
    /// Trained values.
    pub parameters: usize,
    pub seed: u64,
    pub apply_b_dec_to_input: bool,
    pub normalize_activations: Normalization,
    /// `hook_z`: the heads' values lie side by side.
    pub reshape_hook_z: bool,
    /// Input at one hook, target at another.
    pub transcoder: bool,
    /// A transcoder with `W_skip`.
    pub skip: bool,
    pub loss_unit: Unit,
    /// The L1 term weighs each latent by the norm of its decoder row.
    pub l1_weighted: bool,
    #[serde(flatten)]
    pub extras: Extras,
    pub metadata: Metadata,
}

/// Values in one weight matrix at most: 512 MB as f32, of which use holds two and training about six.
/// The widest published SAEs of GPT-2, 768 → 131072, have three quarters of it.
pub const LARGEST_MATRIX: usize = 1 << 27;

impl Config {
    /// The architecture's own conventions: the notebooks' for tied and untied, SAELens's else.
    pub fn new(architecture: Kind, d_in: usize, d_sae: usize, seed: u64) -> Self {
        let notebook = matches!(architecture, Kind::Tied | Kind::Untied);
        Self {
            architecture,
            d_in,
            d_sae,
            d_out: d_in,
            parameters: 0,
            seed,
            apply_b_dec_to_input: !notebook,
            normalize_activations: Normalization::None,
            reshape_hook_z: false,
            transcoder: false,
            skip: false,
            loss_unit: if notebook { Unit::Mean } else { Unit::Sum },
            l1_weighted: !notebook,
            extras: Extras::default(),
            metadata: Metadata::default(),
        }
    }

    /// `Err` where sizes or switches contradict each other.
    pub fn check(&self) -> Result<()> {
        let Self { d_in, d_out, d_sae, .. } = *self;
        check_setting((1..=1 << 14).contains(&d_in), "dIn", d_in, "from 1 to 16384")?;
        check_setting((1..=1 << 14).contains(&d_out), "dOut", d_out, "from 1 to 16384")?;
        check_setting((1..=1 << 18).contains(&d_sae), "dSae", d_sae, "from 1 to 262144")?;
        let widest = d_in.max(d_out);
        let size = widest.checked_mul(d_sae).filter(|&n| n <= LARGEST_MATRIX);
        check_setting(size.is_some(), "dSae", d_sae, &format!("at most {} for {widest} dimensions", LARGEST_MATRIX / widest))?;
        if self.transcoder {
            let able = matches!(self.architecture, Kind::Untied | Kind::Standard | Kind::JumpRelu | Kind::TopK | Kind::BatchTopK);
            check_setting(able, "architecture", self.architecture.name(), "untied, standard, topk, batchtopk or jumprelu for a transcoder")?;
            let rows_kept = !self.skip || self.normalize_activations != Normalization::LayerNorm;
            check_setting(
                rows_kept,
                "normalizeActivations",
                "\"layer_norm\"",
                "another mode for a transcoder with a skip, which reads the rows as they are",
            )?;
            check_setting(!self.apply_b_dec_to_input, "applyBDecToInput", true, "false for a transcoder, whose b_dec is in the output's space")?;
        } else {
            check_setting(d_in == d_out, "dOut", d_out, "as large as dIn unless it is a transcoder")?;
            check_setting(!self.skip, "skip", true, "false unless it is a transcoder")?;
        }
        let e = &self.extras;
        if self.architecture.is_top_k() {
            check_setting(e.k > 0.0 && e.k <= d_sae as f64, "k", e.k, &format!("above 0 and at most dSae, {d_sae}"))?;
            if self.architecture == Kind::TopK {
                check_setting(e.k.fract() == 0.0, "k", e.k, "a whole number for top-k")?;
            }
        }
        if self.architecture == Kind::Matryoshka {
            let increasing = e.matryoshka_widths.windows(2).all(|w| w[0] < w[1]) && e.matryoshka_widths.first().is_some_and(|&w| w > 0);
            let widths = format!("{:?}", e.matryoshka_widths);
            check_setting(
                increasing && e.matryoshka_widths.last() == Some(&d_sae),
                "matryoshkaWidths",
                widths,
                &format!("increasing and end with dSae, {d_sae}"),
            )?;
        }
        if self.architecture == Kind::JumpRelu {
            check_setting(e.jumprelu_bandwidth > 0.0, "jumpreluBandwidth", e.jumprelu_bandwidth, "above 0")?;
            check_setting(e.jumprelu_init_threshold >= 0.0, "jumpreluInitThreshold", e.jumprelu_init_threshold, "0 or more")?;
            check_setting(e.jumprelu_target_l0 > 0.0, "jumpreluTargetL0", e.jumprelu_target_l0, "above 0")?;
        }
        Ok(())
    }
}
