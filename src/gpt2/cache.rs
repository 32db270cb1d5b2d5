//! Keys and values of the positions already run.

use burn::tensor::Tensor;

/// Per layer, keys and values `[batch, n_heads, pos, d_head]` of all positions so far.
#[derive(Default)]
pub struct KvCache {
    layers: Vec<(Tensor<4>, Tensor<4>)>,
    len: usize,
}

impl KvCache {
    /// Number of positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the new keys and values of `layer` and returns all of them.
    pub(super) fn extend(&mut self, layer: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let both = match self.layers.get(layer) {
            Some((old_k, old_v)) => (Tensor::cat(vec![old_k.clone(), k], 2), Tensor::cat(vec![old_v.clone(), v], 2)),
            None => (k, v),
        };
        if layer < self.layers.len() {
            self.layers[layer] = both.clone();
        } else {
            self.layers.push(both.clone());
        }
        both
    }

    pub(super) fn advance(&mut self, positions: usize) {
        self.len += positions;
    }
}
