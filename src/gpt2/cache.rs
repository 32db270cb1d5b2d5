//! Keys and values of the positions already run.

use burn::tensor::{Device, Tensor};

use super::config::Config;

/// Of all positions so far, for each layer.
#[derive(Default)]
pub struct KvCache {
    layers: Vec<Layer>,
    len: usize,
    /// Positions there is room for, where that is known; the context's otherwise.
    capacity: Option<usize>,
}

enum Layer {
    /// Keys and values `[batch, n_heads, pos, d_head]`, joined anew at each step.
    Grown(Tensor<4>, Tensor<4>),
    /// Keys and values side by side `[batch, capacity, 2 * d_model]`, which kernels of our own fill.
    Room(Tensor<3>),
}

impl KvCache {
    /// For a text that ends with `positions`, so that no more room is taken.
    pub fn with_room(positions: usize) -> Self {
        Self { capacity: Some(positions), ..Self::default() }
    }

    /// Number of positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the new keys and values of `layer` and returns all of them.
    pub(super) fn extend(&mut self, layer: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [batch, n_heads, _, d_head] = k.dims();
        let d = n_heads * d_head;
        let both = match self.layers.get(layer) {
            Some(Layer::Grown(old_k, old_v)) => (Tensor::cat(vec![old_k.clone(), k], 2), Tensor::cat(vec![old_v.clone(), v], 2)),
            Some(Layer::Room(room)) => {
                let part = |i: usize| room.clone().narrow(1, 0, self.len).narrow(2, i * d, d).reshape([batch, self.len, n_heads, d_head]).swap_dims(1, 2);
                (Tensor::cat(vec![part(0), k], 2), Tensor::cat(vec![part(1), v], 2))
            }
            None => (k, v),
        };
        let new = Layer::Grown(both.0.clone(), both.1.clone());
        match self.layers.get_mut(layer) {
            Some(old) => *old = new,
            None => self.layers.push(new),
        }
        both
    }

    /// How many positions [`Self::room`] has.
    pub(super) fn capacity(&self, config: &Config) -> usize {
        self.capacity.unwrap_or(config.n_ctx).clamp(1, config.n_ctx)
    }

    /// Where the keys and values of `layer` are, with room for more; `None` where they are kept the other way.
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "kernels of our own run on the web only"))]
    pub(super) fn room(&mut self, layer: usize, batch: usize, config: &Config, device: &Device) -> Option<Tensor<3>> {
        if layer == self.layers.len() {
            self.layers.push(Layer::Room(Tensor::empty([batch, self.capacity(config), 2 * config.d_model], device)));
        }
        match self.layers.get(layer) {
            Some(Layer::Room(room)) => Some(room.clone()),
            _ => None,
        }
    }

    pub(super) fn advance(&mut self, positions: usize) {
        self.len += positions;
    }
}
