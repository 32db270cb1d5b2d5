//! GPT-2's configuration, from Hugging Face's `config.json`.

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};
use crate::files::{excerpt, object};

/// Sizes under TransformerLens's names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub n_layers: usize,
    pub d_model: usize,
    pub n_heads: usize,
    pub d_head: usize,
    pub d_mlp: usize,
    pub d_vocab: usize,
    pub n_ctx: usize,
    /// Added to the variance in every layer norm.
    pub eps: f64,
    pub bos: u32,
    pub eos: u32,
}

/// The fields of `config.json` that matter; the rest is ignored.
#[derive(Deserialize)]
struct HuggingFace {
    model_type: Option<String>,
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "default_eps")]
    layer_norm_epsilon: f64,
    #[serde(default = "default_activation")]
    activation_function: String,
    bos_token_id: Option<u32>,
    eos_token_id: Option<u32>,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
}

fn default_eps() -> f64 {
    1e-5
}

fn default_activation() -> String {
    "gelu_new".into()
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads and checks `config.json`. Sizes are bounded, at about ten times the largest published
    /// GPT-2 (48 layers, 1600 wide, context 1024 and here at most 4096), and so is their product: the
    /// number of parameters fits in 32 bits, as everything that wasm counts.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let refuse = |what: String| LabError::file(format!("config.json: {}.", excerpt(&what, 240)));
        let hf: HuggingFace = serde_json::from_value(object("config.json", bytes, 16)?.into()).map_err(|e| refuse(e.to_string()))?;
        let refuse = |what: String| Err(refuse(what));
        if let Some(kind) = hf.model_type.filter(|kind| kind != "gpt2") {
            return refuse(format!("the model is a {kind:?}, but only \"gpt2\" can be run here"));
        }
        if !matches!(hf.activation_function.as_str(), "gelu_new" | "gelu_pytorch_tanh") {
            return refuse(format!("activation {:?} is not GPT-2's gelu_new", hf.activation_function));
        }
        if !hf.scale_attn_weights || hf.scale_attn_by_inverse_layer_idx || !hf.tie_word_embeddings {
            return refuse("attention scaling or an untied head that GPT-2 does not have".into());
        }
        for (name, value, most) in [
            ("vocab_size", hf.vocab_size, 1 << 20),
            ("n_positions", hf.n_positions, 1 << 12), // the causal mask is its square
            ("n_embd", hf.n_embd, 1 << 14),
            ("n_layer", hf.n_layer, 512),
            ("n_head", hf.n_head, 1024),
            ("n_inner", hf.n_inner.unwrap_or(1), 1 << 16),
        ] {
            if value == 0 || value > most {
                return refuse(format!("{name} is {value}, outside 1 to {most}"));
            }
        }
        if !hf.n_embd.is_multiple_of(hf.n_head) {
            return refuse(format!("n_embd {} is no multiple of n_head {}", hf.n_embd, hf.n_head));
        }
        // As f32 on the device.
        if !(f64::from(f32::MIN_POSITIVE)..=1.0).contains(&hf.layer_norm_epsilon) {
            return refuse(format!("layer_norm_epsilon is {}, but must lie above 0 and not above 1", hf.layer_norm_epsilon));
        }
        let last = (hf.vocab_size - 1) as u32;
        let (bos, eos) = (hf.bos_token_id.unwrap_or(last), hf.eos_token_id.unwrap_or(last));
        if bos > last || eos > last {
            return refuse(format!("token ids {bos} and {eos} are outside the vocabulary of {}", hf.vocab_size));
        }
        let config = Self {
            n_layers: hf.n_layer,
            d_model: hf.n_embd,
            n_heads: hf.n_head,
            d_head: hf.n_embd / hf.n_head,
            d_mlp: hf.n_inner.unwrap_or(4 * hf.n_embd),
            d_vocab: hf.vocab_size,
            n_ctx: hf.n_positions,
            eps: hf.layer_norm_epsilon,
            bos,
            eos,
        };
        match config.count() {
            count if count > u64::from(u32::MAX) => refuse(format!("its sizes make {count} parameters, more than {}", u32::MAX)),
            _ => Ok(config),
        }
    }

    /// Number of parameters, the tied head counted once.
    pub fn parameters(&self) -> usize {
        self.count() as usize
    }

    fn count(&self) -> u64 {
        let [n_layers, d, d_mlp, d_vocab, n_ctx] = [self.n_layers, self.d_model, self.d_mlp, self.d_vocab, self.n_ctx].map(|n| n as u64);
        let block = 4 * d + (d * 3 * d + 3 * d) + (d * d + d) + (d * d_mlp + d_mlp) + (d_mlp * d + d);
        d_vocab * d + n_ctx * d + n_layers * block + 2 * d
    }
}
