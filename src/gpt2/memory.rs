//! How much memory a model takes, from its configuration alone.

use serde::Serialize;

use super::config::Config;
use super::matrix::Layout;

/// How the weight matrices lie on the device. Arithmetic, biases, layer norms, positions and
/// everything that is computed are f32 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    F16,
    F32,
}

/// In bytes, which for a model that is too large may be more than wasm's own 32 bits count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Numbers learnt, the tied head counted once.
    pub parameters: u64,
    /// The weights on the device.
    pub weights: u64,
    /// What a pass over the whole context needs beside them, keys and values included, logits of the last position only.
    pub working: u64,
    /// The largest buffer that is bound at once.
    pub largest_binding: u64,
}

/// The matrices of a model as they are stored: `wte` and four a layer.
pub fn matrices(config: &Config, precision: Precision) -> impl Iterator<Item = Layout> {
    let Config { n_layers, d_model: d, d_mlp, d_vocab, .. } = *config;
    let layer = [(d, 3 * d), (d, d), (d, d_mlp), (d_mlp, d)];
    let layers = (0..n_layers).flat_map(move |_| layer);
    std::iter::once((d_vocab, d)).chain(layers).map(move |(rows, cols)| Layout::new(rows, cols, precision))
}

impl Estimate {
    pub fn new(config: &Config, precision: Precision) -> Self {
        let [n_layers, n_heads, d, d_mlp, n_ctx] = [config.n_layers, config.n_heads, config.d_model, config.d_mlp, config.n_ctx].map(|n| n as u64);
        let parameters = config.parameters() as u64;
        let in_matrices: u64 = matrices(config, precision).map(|m| m.rows as u64 * m.cols as u64).sum();
        // z_shift, a row of each layer, is not in the file.
        let others = parameters - in_matrices + n_layers * d;
        let weights = matrices(config, precision).map(|m| m.bytes()).sum::<u64>() + 4 * others;
        let scores = 4 * n_heads * n_ctx * n_ctx;
        let working = 4 * (2 * n_layers * n_ctx * d + 8 * n_ctx * d + 2 * n_ctx * d_mlp) + 3 * scores;
        let largest = matrices(config, precision).map(|m| m.largest_block() as u64).max().unwrap_or(0);
        Self { parameters, weights, working, largest_binding: largest.max(scores).max(4 * n_ctx * d_mlp) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpt2_small_has_the_published_size() {
        let config = Config::from_json(br#"{"vocab_size":50257,"n_positions":1024,"n_embd":768,"n_layer":12,"n_head":12}"#).unwrap();
        let (half, full) = (Estimate::new(&config, Precision::F16), Estimate::new(&config, Precision::F32));
        assert_eq!((half.parameters, full.parameters), (124_439_808, 124_439_808));
        assert_eq!(full.weights, 4 * (124_439_808 + 12 * 768));
        // The matrices have 123,532,032 numbers.
        assert_eq!(full.weights - half.weights, 2 * 123_532_032);
        // GPT-2 XL has more bytes than 32 bits count.
        let xl = Config::from_json(br#"{"vocab_size":50257,"n_positions":1024,"n_embd":1600,"n_layer":48,"n_head":25}"#).unwrap();
        assert_eq!(Estimate::new(&xl, Precision::F32).weights, 4 * (1_557_611_200 + 48 * 1600));
        // wte is 154,389,504 bytes as f32, more than WebGPU guarantees to bind.
        assert!(half.largest_binding < 128 << 20 && full.largest_binding < 128 << 20, "{half:?} {full:?}");
    }
}
