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
                let part =
                    |i: usize| room.clone().narrow(1, 0, self.len).narrow(2, i * d, d).reshape([batch, self.len, n_heads, d_head]).swap_dims(1, 2);
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
    pub(super) fn room(&mut self, layer: usize, batch: usize, config: &Config, device: &Device) -> Option<Tensor<3>> {
        if layer == self.layers.len() {
            self.layers.push(Layer::Room(Tensor::empty([batch, self.capacity(config), 2 * config.d_model], device)));
        }
        match self.layers.get(layer) {
            Some(Layer::Room(room)) => Some(room.clone()),
            _ => None,
        }
    }

    /// [`Self::room`] for what takes it and gives it back filled: while it has it, nobody else holds it.
    pub(super) fn fill<R>(
        &mut self,
        layer: usize,
        batch: usize,
        config: &Config,
        device: &Device,
        f: impl FnOnce(Tensor<3>) -> (R, Option<Tensor<3>>),
    ) -> Option<R> {
        self.room(layer, batch, config, device)?;
        let Some(Layer::Room(room)) = self.layers.get_mut(layer) else { return None };
        let mut result = None;
        room.inplace(|room| {
            let (got, filled) = f(room);
            result = Some(got);
            filled.expect("what was given to be filled")
        });
        result
    }

    pub(super) fn advance(&mut self, positions: usize) {
        self.len += positions;
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use pollster::block_on;

    use super::*;
    use crate::tensors::{read, upload};

    #[test]
    fn what_our_kernels_wrote_can_be_gone_on_with_the_plain_way() {
        let config = Config::from_json(br#"{"vocab_size":8,"n_positions":6,"n_embd":4,"n_layer":1,"n_head":2}"#).unwrap();
        let device = Device::flex();
        let mut cache = KvCache::with_room(5);
        let room = cache.room(0, 1, &config, &device).unwrap();
        assert_eq!(room.dims(), [1, 5, 8]);
        // Two positions: keys 0 to 3 and 8 to 11, values 4 to 7 and 12 to 15; what lies behind them is not looked at.
        let filled: Vec<f32> = (0..40).map(|i| if i < 16 { i as f32 } else { f32::NAN }).collect();
        cache.layers[0] = Layer::Room(upload(filled, [1, 5, 8], &device));
        cache.advance(2);
        let new = |first: f32| upload((0..4).map(|i| first + i as f32).collect(), [1, 2, 1, 2], &device);
        let (k, v) = cache.extend(0, new(100.0), new(200.0));
        let host = |x| block_on(read(x)).unwrap().data;
        assert_eq!(host(k), [0.0, 1.0, 8.0, 9.0, 100.0, 101.0, 2.0, 3.0, 10.0, 11.0, 102.0, 103.0]);
        assert_eq!(host(v), [4.0, 5.0, 12.0, 13.0, 200.0, 201.0, 6.0, 7.0, 14.0, 15.0, 202.0, 203.0]);
        assert!(cache.room(0, 1, &config, &device).is_none());
    }
}
