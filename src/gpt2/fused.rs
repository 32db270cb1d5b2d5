//! The forward pass in few kernels, where they are there: on a GPU, five a layer for one token, seven for more.
//! What a hook reads or changes inside of a half block goes the plain way ([`super::model`]), half by half.

#[cfg(target_arch = "wasm32")]
pub use gpu::Pass;
#[cfg(not(target_arch = "wasm32"))]
pub use plain::Pass;

#[cfg(target_arch = "wasm32")]
mod gpu {
    use burn::tensor::{Device, Int, Tensor};

    use crate::gpt2::cache::KvCache;
    use crate::gpt2::config::Config;
    use crate::gpt2::matrix::Matrix;
    use crate::gpt2::model::{Block, LayerNorm, Linear};
    use crate::kernels::attention::{LARGEST_HEAD, attention, embed, layer_norm, pass};
    use crate::kernels::products::{Then, Weight, linear};

    /// One pass over `[batch, pos]` tokens.
    pub struct Pass {
        batch: usize,
        pos: usize,
        /// What the kernels read of it: [`pass`].
        told: Tensor<1, Int>,
        capacity: usize,
        device: Device,
    }

    /// A half block's matrices, or `None` where they are not for our kernels.
    fn weights(parts: [&Linear; 2]) -> Option<[(Weight, &Tensor<1>); 2]> {
        let [a, b] = parts;
        Some([(a.weight.weight()?, &a.bias), (b.weight.weight()?, &b.bias)])
    }

    impl Pass {
        /// `None` where the plain way is the only one.
        pub fn begin(config: &Config, blocks: &[Block], rows: &[&[u32]], cache: Option<&KvCache>, device: &Device) -> Option<Self> {
            let ours = |block: &Block| weights([&block.c_attn, &block.attn_c_proj]).is_some() && weights([&block.c_fc, &block.mlp_c_proj]).is_some();
            if config.d_head > LARGEST_HEAD || !blocks.iter().all(ours) {
                return None;
            }
            let pos = rows.first().map_or(0, |row| row.len());
            let (offset, capacity) = cache.map_or((0, pos), |cache| (cache.len(), cache.capacity(config)));
            if offset + pos > capacity {
                return None;
            }
            Some(Self { batch: rows.len(), pos, told: pass(pos, offset, capacity, &rows.concat(), device), capacity, device: device.clone() })
        }

        /// `[batch, pos, d_model]`; `None` where the embedding is in several blocks.
        pub fn embed(&self, wte: &Matrix, wpe: &Tensor<2>) -> Option<Tensor<3>> {
            let [_, d] = wpe.dims();
            Some(embed(wte.weight()?, wpe.clone(), self.told.clone()).reshape([self.batch, self.pos, d]))
        }

        /// What attention makes of the residual stream: `x + attention(ln_1(x))`. `None` where the cache is kept the other way.
        pub fn attend(&self, layer: usize, block: &Block, x: &Tensor<3>, cache: &mut Option<&mut KvCache>, config: &Config) -> Option<Tensor<3>> {
            let [(c_attn, bias), (c_proj, proj_bias)] = weights([&block.c_attn, &block.attn_c_proj])?;
            let room = match cache {
                Some(cache) => cache.room(layer, self.batch, config, &self.device)?,
                None => Tensor::empty([self.batch, self.capacity, 2 * config.d_model], &self.device),
            };
            let x = self.rows(x);
            let then = Then::Qkv { cache: room.clone(), pass: self.told.clone() };
            let q = normalized_linear(x.clone(), &block.ln_1, c_attn, bias, then);
            let z = attention(q, room, self.told.clone(), config.d_head);
            Some(self.positions(linear(z, c_proj, Some(proj_bias.clone()), None, Then::Add(x))))
        }

        /// `x + mlp(ln_2(x))`.
        pub fn think(&self, block: &Block, x: &Tensor<3>) -> Option<Tensor<3>> {
            let [(c_fc, bias), (c_proj, proj_bias)] = weights([&block.c_fc, &block.mlp_c_proj])?;
            let x = self.rows(x);
            let hidden = normalized_linear(x.clone(), &block.ln_2, c_fc, bias, Then::Gelu);
            Some(self.positions(linear(hidden, c_proj, Some(proj_bias.clone()), None, Then::Add(x))))
        }

        pub fn normalize(&self, x: Tensor<3>, norm: &LayerNorm) -> Tensor<3> {
            let [batch, pos, d] = x.dims();
            layer_norm(x.reshape([batch * pos, d]), norm.both.clone(), norm.eps).reshape([batch, pos, d])
        }

        fn rows(&self, x: &Tensor<3>) -> Tensor<2> {
            let [batch, pos, d] = x.dims();
            x.clone().reshape([batch * pos, d])
        }

        fn positions(&self, x: Tensor<2>) -> Tensor<3> {
            let [_, d] = x.dims();
            x.reshape([self.batch, self.pos, d])
        }
    }

    /// A layer norm and a product: one kernel for one row.
    fn normalized_linear(x: Tensor<2>, norm: &LayerNorm, weight: Weight, bias: &Tensor<1>, then: Then) -> Tensor<2> {
        let bias = Some(bias.clone());
        if x.dims()[0] == 1 {
            return linear(x, weight, bias, Some((norm.both.clone(), norm.eps)), then);
        }
        linear(layer_norm(x, norm.both.clone(), norm.eps), weight, bias, None, then)
    }
}

/// There is no GPU in native tests.
#[cfg(not(target_arch = "wasm32"))]
mod plain {
    use burn::tensor::{Device, Tensor};

    use crate::gpt2::cache::KvCache;
    use crate::gpt2::config::Config;
    use crate::gpt2::matrix::Matrix;
    use crate::gpt2::model::{Block, LayerNorm};

    pub enum Pass {}

    impl Pass {
        pub fn begin(_: &Config, _: &[Block], _: &[&[u32]], _: Option<&KvCache>, _: &Device) -> Option<Self> {
            None
        }

        pub fn embed(&self, _: &Matrix, _: &Tensor<2>) -> Option<Tensor<3>> {
            match *self {}
        }

        pub fn attend(&self, _: usize, _: &Block, _: &Tensor<3>, _: &mut Option<&mut KvCache>, _: &Config) -> Option<Tensor<3>> {
            match *self {}
        }

        pub fn think(&self, _: &Block, _: &Tensor<3>) -> Option<Tensor<3>> {
            match *self {}
        }

        pub fn normalize(&self, _: Tensor<3>, _: &LayerNorm) -> Tensor<3> {
            match *self {}
        }
    }
}
