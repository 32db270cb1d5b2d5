//! GPT-2's configuration, from Hugging Face's `config.json`.

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};

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
    /// Number of parameters, the tied head counted once.
    pub fn parameters(&self) -> usize {
        let Self { n_layers, d_model: d, d_mlp, d_vocab, n_ctx, .. } = *self;
        let block = 4 * d + (d * 3 * d + 3 * d) + (d * d + d) + (d * d_mlp + d_mlp) + (d_mlp * d + d);
        d_vocab * d + n_ctx * d + n_layers * block + 2 * d
    }

    /// Reads and checks `config.json`. Sizes are bounded, at about ten times the largest published
    /// GPT-2 (48 layers, 1600 wide, context 1024 and here at most 4096).
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let hf: HuggingFace = serde_json::from_slice(bytes).map_err(|e| LabError::file(format!("config.json can't be read: {e}")))?;
        let refuse = |what: String| Err(LabError::file(format!("config.json: {what}")));
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
        if !(hf.layer_norm_epsilon.is_finite() && hf.layer_norm_epsilon > 0.0) {
            return refuse(format!("layer_norm_epsilon is {}", hf.layer_norm_epsilon));
        }
        let last = (hf.vocab_size - 1) as u32;
        let (bos, eos) = (hf.bos_token_id.unwrap_or(last), hf.eos_token_id.unwrap_or(last));
        if bos > last || eos > last {
            return refuse(format!("token ids {bos} and {eos} are outside the vocabulary of {}", hf.vocab_size));
        }
        Ok(Self {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_gpt2_small_and_refuses_what_is_not_gpt2() {
        let small = br#"{"model_type":"gpt2","vocab_size":50257,"n_positions":1024,"n_embd":768,"n_layer":12,"n_head":12,"bos_token_id":50256,"eos_token_id":50256}"#;
        let config = Config::from_json(small).unwrap();
        assert_eq!((config.d_head, config.d_mlp, config.bos), (64, 3072, 50256));
        for hostile in [
            r#"{"#,
            r#"{"model_type":"llama","vocab_size":8,"n_positions":8,"n_embd":8,"n_layer":1,"n_head":1}"#,
            r#"{"vocab_size":8,"n_positions":8,"n_embd":9,"n_layer":1,"n_head":2}"#,
            r#"{"vocab_size":8,"n_positions":8,"n_embd":8,"n_layer":0,"n_head":2}"#,
            r#"{"vocab_size":8,"n_positions":8,"n_embd":1e18,"n_layer":1,"n_head":2}"#,
            r#"{"vocab_size":8,"n_positions":8,"n_embd":8,"n_layer":1,"n_head":2,"eos_token_id":8}"#,
            r#"{"vocab_size":8,"n_positions":8,"n_embd":8,"n_layer":1,"n_head":2,"activation_function":"relu"}"#,
        ] {
            assert_eq!(Config::from_json(hostile.as_bytes()).unwrap_err().code, "LAB-BAD-FILE", "{hostile}");
        }
    }
}
